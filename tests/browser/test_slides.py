"""The slides of the lecture: each shows what it names, and a deck goes on by a key, offline, with widgets that draw."""

from __future__ import annotations

import base64
import importlib.util
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
from looking import SECONDS, calm, steady_box, until, wait_for_walk

import ikebook
from ikebook.widgets import PowerIterationStepper

HERE = Path(__file__).parents[2] / "docs" / "book" / "slides"
if not HERE.exists():
    pytest.skip("no docs/: they are part of a checkout", allow_module_level=True)
for name in ("sphinx", "latex2mathml", "nbconvert"):
    pytest.importorskip(name, reason=f"{name} is not installed; it is of the group docs")
SPEC = importlib.util.spec_from_file_location("build_slides", HERE / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
).decode()
LECTURE = """<!-- a lecture -->

# One: $A = PMP$

@show 02 figures.row

@guess 02 figures.row

@notes
Say this.

# Two

@widget chapter-iteration

# Three

| a | b |
|---|---|
| 1 | 2 |
"""


def notebook(number: str = "02") -> nbformat.NotebookNode:
    """As if it had been run: a guess, and a cell that shows a picture."""
    cells = [
        nbformat.v4.new_markdown_cell(
            "**Guess first.** Which?\n\n<details><summary>this</summary>\n\nYes.\n\n</details>"
        ),
        nbformat.v4.new_code_cell("figures.row(pictures)"),
    ]
    cells[0].metadata["tags"] = ["guess"]
    data = {"image/png": PIXEL, "text/plain": "[picture: side by side: a]"}
    cells[1].outputs = [nbformat.v4.new_output("display_data", data)]
    return nbformat.v4.new_notebook(cells=cells)


@cache
def solved(number: str) -> nbformat.NotebookNode:
    (source,) = build.notebooks.sources([number])
    return build.notebooks.versions(source)[1]


def test_the_lecture_names_cells_that_are_there() -> None:
    text = build.LECTURE.read_text(encoding="utf-8")
    made = build.slides(text)
    assert 20 <= len(made) <= 30
    assert all(said.strip() for _, said in made[:-1])
    named = [found.groups() for line in text.splitlines() if (found := build.DIRECTIVE.match(line))]
    assert sum(kind == "widget" for kind, _, _ in named) >= 4
    assert {number for kind, number, _ in named if kind != "widget"} >= {f"{n:02d}" for n in range(9)} | {"10", "11"}
    for kind, number, what in named:
        if kind == "widget":
            pages = build.chapter.__file__
            assert what or f'"{number}.html"' in Path(pages).read_text(encoding="utf-8")
            cells = [cell for cell in solved(number).cells if "widget" in build.notebooks.tags(cell)] if what else []
            assert not what or sum(build.book.shown(cell.source) == what for cell in cells) == 1
            continue
        sort = "markdown" if kind == "table" else "code"
        cells = solved(number).cells
        found = [i for i, cell in enumerate(cells) if cell.cell_type == sort and what in cell.source]
        assert len(found) == 1, (number, what)
        if kind == "guess":
            assert "guess" in build.notebooks.tags(cells[found[0] - 1])


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    if importlib.util.find_spec("sphinx_revealjs") is None:
        pytest.skip("sphinx-revealjs is not installed; it is of the group docs")
    widgets, out = tmp_path_factory.mktemp("widgets"), tmp_path_factory.mktemp("slides")
    toy = ikebook.toy("disc")
    stepper = PowerIterationStepper(toy.clip, toy.flow, options=ikebook.preset("saliency"), start="painted")
    stepper.wait()
    stepper.save_html(widgets / "chapter-iteration.html")
    stepper.close()
    return build.write(LECTURE, build.Deck(out, notebook, widgets))


def test_a_deck_goes_on_and_its_widgets_live(deck, chromium) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("requestfailed", lambda request: trouble.append(request.url))
    page.goto(deck.as_uri())
    page.wait_for_function("window.Reveal?.isReady()")
    first = page.locator("section.present")
    assert first.locator("math").count() == 1
    assert first.locator("img").get_attribute("alt") == "side by side: a"
    first.locator("summary").click()
    first.locator("details p").wait_for()
    assert not page.get_by_text("Say this.").is_visible()
    page.keyboard.press("ArrowRight")
    page.locator("section.present iframe").wait_for()
    until(page, lambda: page.evaluate("Reveal.getIndices().h"), lambda index: index == 1)
    widget = page.frame_locator("section.present iframe")
    canvas = widget.locator(".ike-canvas").first
    wait_for_walk(widget.locator(".ike-iteration"))
    calm(page)
    box = steady_box(canvas)  # on the screen, where the slide has come to rest, and has made the widget smaller
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 25)
    page.mouse.up()
    widget.locator(".ike-iteration").get_by_text("Converged").wait_for()
    count = "(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    until(page, lambda: widget.locator(".ike-canvas").nth(1).evaluate(count), lambda colours: colours > 20)
    page.locator("section.present h1").click()  # the keys are the deck's again
    page.keyboard.press("ArrowRight")
    page.wait_for_function("Reveal.isLastSlide()")
    until(page, page.locator("section.present td").all_inner_texts, lambda texts: texts == ["1", "2"])
    context.close()
    assert trouble == []


def test_a_deck_loads_nothing_from_elsewhere(deck) -> None:
    text = deck.read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(https?:[^"]+)"', text) == []
    assert re.findall(r"import\s.*https?:", text) == []


@pytest.mark.parametrize("line", ["@show 02 nothing like this", "@guess 02 Guess first", "@widget 02 nobody"])
def test_what_is_not_there_is_named(tmp_path, line) -> None:
    deck = build.Deck(tmp_path, notebook, tmp_path)
    with pytest.raises(SystemExit, match=r"lecture\.md: .* notebook 02"):
        build.filled(line, deck)
