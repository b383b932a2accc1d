"""The README is short, and all that it points at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MADE = {"notebooks.md", "gallery.md", "api.md", "structure.md"}
"""Pages that the book makes."""

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "book").glob("*.md"))]


def links(text: str) -> list[str]:
    """What a Markdown text points at in this repository."""
    return [target.partition("#")[0] for target in re.findall(r"\]\((?!https?://|#)([^)\s]+)\)", text)]


def test_short() -> None:
    assert len(README.encode()) <= 6000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    # The book's own pages are copied beside those of docs/.
    places = (page.parent, ROOT / "docs") if page.parent.name == "book" else (page.parent,)
    for target in links(page.read_text(encoding="utf-8")):
        assert target in MADE or any((place / target).exists() for place in places), target


def test_links_are_found() -> None:
    assert len(links(README)) > 20


def test_every_notebook() -> None:
    notebooks = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert len(notebooks) == 13
    assert notebooks <= set(links(README))


def test_animation() -> None:
    with Image.open(ROOT / "docs" / "pictures" / "front.webp") as picture:
        assert picture.n_frames >= 24
        assert picture.width <= 1000
    assert all(path.stat().st_size < 1_000_000 for path in (ROOT / "docs" / "pictures").iterdir())
