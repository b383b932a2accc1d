"""Make the slides of one lecture from the notebooks: `make slides`.

    .venv/bin/python docs/book/slides/build.py [--out build/slides]

`lecture.md` holds the slides, one below each heading. What they show comes from the notebooks, which are run as for the book:

- `@show 02 CODE`: the pictures of the cell of notebook 02 whose code contains CODE
- `@half 02 CODE`: the same, and smaller
- `@widget 04 NAME`: a widget of notebook 04, alive; or a page of the book's first chapter, `@widget chapter-iteration`
- `@guess 02 CODE`: the guess before that cell
- `@table 10 TEXT`: the table of notebook 10 that contains TEXT, without its commands
- `@notes`: what follows is for the speaker (the key S)

The deck is nbconvert's, as of `jupyter nbconvert --to slides`. Its reveal.js is that of the package sphinx-revealjs, of which nothing else
is used; it is copied beside the deck, so that neither a network nor a kernel is needed to show it.
"""

from __future__ import annotations

import argparse
import base64
import html
import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
SPEC = importlib.util.spec_from_file_location("book_build", HERE.parent / "build.py")
book = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(book)
import chapter  # noqa: E402

notebooks = book.notebooks
PARTS = [
    "LICENSE",
    "dist/reveal.js",
    "dist/reveal.css",
    "dist/theme/white.css",
    "dist/theme/fonts/source-sans-pro",
    "plugin/notes/notes.js",
]
"""Of reveal.js, what a deck needs."""

LECTURE = HERE / "lecture.md"
DIRECTIVE = re.compile(r"^@(show|half|widget|guess|table) (\S+) ?(.*)$")


class Deck:
    """What the slides show, taken from notebooks; `notebook` gives one by its number, as it was run."""

    def __init__(self, out: Path, notebook: Callable[[str], NotebookNode], widgets: Path) -> None:
        self.out, self.notebook, self.widgets = out, notebook, widgets
        (out / "widgets").mkdir(parents=True, exist_ok=True)
        (out / "pictures").mkdir(exist_ok=True)

    def cell(self, number: str, text: str, kind: str = "code") -> int:
        """The one cell of a kind that contains a text."""
        cells = self.notebook(number).cells
        found = [i for i, cell in enumerate(cells) if cell.cell_type == kind and text in cell.source]
        if len(found) != 1:
            sys.exit(f"lecture.md: {len(found)} cells of notebook {number} contain {text!r}; expected one.")
        return found[0]

    def show(self, number: str, text: str, css: str = "") -> str:
        shown = []
        for k, output in enumerate(self.notebook(number).cells[self.cell(number, text)].outputs):
            data = output.get("data", {})
            moving = re.search(r'<img src="data:image/webp;base64,([^"]+)"', data.get("text/html", ""))
            picture = data.get("image/png") or (moving and moving[1])
            if picture:
                name = f"{number}-{self.cell(number, text):03d}-{k}.{'webp' if moving else 'png'}"
                (self.out / "pictures" / name).write_bytes(base64.b64decode(picture))
                says = html.escape(re.sub(r"^\[[a-z ]*: |\]$", "", data["text/plain"]))
                shown.append(f'<img src="pictures/{name}" alt="{says}">')
        if not shown:
            sys.exit(f"lecture.md: the cell of notebook {number} with {text!r} shows no picture.")
        return f'<figure class="{css}">{"".join(shown)}</figure>\n\n<p class="source">notebook {number}</p>'

    def half(self, number: str, text: str) -> str:
        return self.show(number, text, "half")

    def widget(self, where: str, name: str) -> str:
        page = f"{where}.html"
        if name:
            outputs = [output for cell in self.notebook(where).cells for output in cell.get("outputs", ())]
            pages = [output.get("data", {}).get("text/html", "") for output in outputs]
            found = [one for page in pages for one in re.findall(rf'/([^"/]+\.html)" title="{name}"', page)]
            if len(found) != 1:
                sys.exit(f"lecture.md: {len(found)} widgets of notebook {where} are called {name}; expected one.")
            page = found[0]
        shutil.copy(self.widgets / page, self.out / "widgets")
        return f'<iframe data-src="widgets/{page}" title="{name or where}"></iframe>'

    def guess(self, number: str, text: str) -> str:
        before = self.notebook(number).cells[self.cell(number, text) - 1]
        if "guess" not in notebooks.tags(before):
            sys.exit(f"lecture.md: no guess stands before the cell of notebook {number} with {text!r}.")
        return before.source.replace("**Guess first.** ", "")

    def table(self, number: str, text: str) -> str:
        source = self.notebook(number).cells[self.cell(number, text, "markdown")].source
        table = next(found for found in re.findall(r"(?:^\|.*\n?)+", source, re.MULTILINE) if text in found)
        rows = [line.strip("| ").split("|") for line in table.replace("| |", "| &nbsp; |").splitlines()]
        wide = [k for k, head in enumerate(rows[0]) if "command" in head]
        return "\n".join(f"|{'|'.join(cell for k, cell in enumerate(row) if k not in wide)}|" for row in rows)


def slides(text: str) -> list[tuple[str, str]]:
    """The slides of a lecture: what is shown, and what is for the speaker."""
    parts = re.split(r"^(?=# )", text.partition("-->")[2].strip(), flags=re.MULTILINE)
    return [(part.partition("@notes\n")[0], part.partition("@notes\n")[2]) for part in parts if part.strip()]


def filled(text: str, deck: Deck) -> str:
    """A slide with what its directives stand for, and its formulas as MathML."""

    def line_of(line: str) -> str:
        found = DIRECTIVE.match(line)
        return getattr(deck, found[1])(found[2], found[3]) if found else line

    text = "\n".join(line_of(line) for line in text.splitlines())
    text = re.sub(r"\$\$(.+?)\$\$", lambda found: convert(found[1], display="block"), text, flags=re.DOTALL)
    return re.sub(r"\$([^$\n]+)\$", lambda found: convert(found[1]), text)


def deck_of(text: str, deck: Deck) -> NotebookNode:
    """The lecture as a notebook of slides."""
    cells = []
    for shown, said in slides(text):
        for kind, part in (("slide", filled(shown, deck)), ("notes", said)):
            if part.strip():
                cells.append(nbformat.v4.new_markdown_cell(part, metadata={"slideshow": {"slide_type": kind}}))
    title = slides(text)[0][0].splitlines()[0].removeprefix("# ")
    return nbformat.v4.new_notebook(cells=cells, metadata={**notebooks.KERNEL, "title": title})


def reveal() -> Path:
    """Where reveal.js is, of the package sphinx-revealjs."""
    found = importlib.util.find_spec("sphinx_revealjs")
    if found is None:
        sys.exit(
            "sphinx-revealjs is not installed, whose reveal.js the slides use; add it with: pip install sphinx-revealjs"
        )
    return Path(found.origin).parent / "_static" / "revealjs"


def write(text: str, deck: Deck) -> Path:
    """Write OUT/index.html, and all that it needs beside it."""
    settings = Config()
    settings.SlidesExporter.reveal_url_prefix = "reveal"
    settings.SlidesExporter.reveal_theme = "white"  # nbconvert's own choice asks Google for its fonts
    settings.SlidesExporter.exclude_anchor_links = True  # they would spoil formulas in headings
    settings.SlidesExporter.template_paths = [str(HERE), *SlidesExporter().template_paths]
    body, _ = SlidesExporter(config=settings).from_notebook_node(deck_of(text, deck))
    page = deck.out / "index.html"
    page.write_text(body, encoding="utf-8")
    shutil.copy(HERE / "slides.css", deck.out)
    for part in PARTS:
        target = deck.out / "reveal" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (reveal() / part).is_dir():
            shutil.copytree(reveal() / part, target, dirs_exist_ok=True)
        else:
            shutil.copy(reveal() / part, target)
    return page


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the slides of one lecture.")
    parser.add_argument("--out", type=Path, default=book.ROOT / "build" / "slides", metavar="DIR")
    parser.add_argument("--book", type=Path, default=book.ROOT / "build" / "book", metavar="DIR", help="what was run")
    options = parser.parse_args()
    out, executed = options.out.resolve(), options.book.resolve() / "executed"
    (executed / "widgets").mkdir(parents=True, exist_ok=True)
    chapter.write(executed / "widgets")

    def notebook(number: str) -> NotebookNode:
        (source,) = notebooks.sources([number])
        book.run(source, executed)
        return nbformat.read(executed / f"{source.stem}.ipynb", as_version=4)

    shutil.rmtree(out, ignore_errors=True)
    print(f"the slides: {write(LECTURE.read_text(encoding='utf-8'), Deck(out, notebook, executed / 'widgets'))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
