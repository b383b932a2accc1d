"""The book's first chapter computes in the page: chains under the pointer, matrices that are reordered, a painting that becomes the disc."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from looking import SECONDS, steady_box, wait_for_rest, wait_for_walk

BOOK = Path(__file__).parents[2] / "docs" / "book"
if not BOOK.exists():
    pytest.skip("no docs/: they are part of a checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    found = importlib.util.spec_from_file_location("chapter", BOOK / "chapter.py")
    chapter = importlib.util.module_from_spec(found)
    found.loader.exec_module(chapter)
    folder = tmp_path_factory.mktemp("chapter")
    chapter.write(folder)
    return folder


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    yield page
    context.close()
    assert trouble == []


def test_the_text_shows_what_is_written(pages) -> None:
    text = (BOOK / "first_chapter.md").read_text(encoding="utf-8")
    assert re.findall(r'src="_static/widgets/([^"]+)"', text) == [
        "chapter-toy.html",
        "chapter-chains.html",
        "chapter-matrices.html",
        "chapter-iteration.html",
        "chapter-spectrum.html",
    ]
    assert {path.name for path in pages.iterdir()} == set(re.findall(r"chapter-\w+\.html", text))


def test_whatever_is_painted_becomes_the_disc(page, pages) -> None:
    page.goto((pages / "chapter-iteration.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    wait_for_walk(page.locator(".ike-iteration"))
    box = steady_box(page.locator(".ike-canvas").first)
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 25)
    page.mouse.up()
    page.locator(".ike-iteration").get_by_text("Converged").wait_for()
    wait_for_rest(page.locator(".ike-iteration"))
    assert float(re.search(r"eigenvector (\d\.\d+)", page.locator(".ike-iteration").inner_text())[1]) > 0.999


@pytest.mark.parametrize("name", ["chapter-toy", "chapter-chains", "chapter-matrices", "chapter-spectrum"])
def test_pages_open_without_a_network(page, pages, name) -> None:
    page.goto((pages / f"{name}.html").as_uri())
    page.wait_for_selector("body[data-ready]")
    page.locator(".ike-canvas").first.wait_for()
    assert "press Play" not in page.inner_text("body")
