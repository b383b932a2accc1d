"""Notebooks with all that they show, as Markdown for readers on a code host: docs/rendered.

The text comes from the sources, anew with every `build.py`. What cells show was written by docs/book/rendered.py, which runs them, and is
kept for as long as a cell's code is the same: behind each piece of code stands a mark with the code's name, and then what it shows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "rendered"
MARK, END = "<!-- shows: {} -->", "<!-- / -->"
NOT_RUN = "<!-- not run since its code was changed: make rendered -->"
MOST_BYTES = 1_500_000
"""Of a notebook's text and its pictures."""

HEAD = """\
<!-- Made from notebooks/source/{stem}.py by `make rendered`. -->
*A notebook with its solutions, as it looks when it has been run on the clips that come with ikebook. To run it yourself:
[notebooks/{stem}.ipynb](../../notebooks/{stem}.ipynb). [All notebooks](README.md).*
"""

LEFT_OUT = {"colab"}
COMPARED = "# NBVAL_CHECK_OUTPUT\n"
"""What a cell begins with whose output tests compare."""


def name_of(code: str) -> str:
    """A short name for a cell's code."""
    return hashlib.blake2b(code.encode(), digest_size=5).hexdigest()


def shown_before(text: str) -> dict[str, str]:
    """What cells show, by the names of their code, from a text that was made before."""
    return dict(re.findall(r"<!-- shows: (\w+) -->\n(.*?)<!-- / -->", text, re.DOTALL))


def markdown(stem: str, notebook: NotebookNode, tags: Callable[[NotebookNode], set[str]], shows: dict[str, str]) -> str:
    """The page of a notebook: its version with solutions, and what its cells show."""
    parts = [HEAD.format(stem=stem)]
    for cell in notebook.cells:
        if tags(cell) & LEFT_OUT:
            continue
        if cell.cell_type == "markdown":
            parts.append(re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.md)", cell.source) + "\n")
            continue
        source = cell.source.removeprefix(COMPARED)
        code, name = f"```python\n{source}\n```\n", name_of(source)
        if "solution" in tags(cell):
            code = f"<details><summary>A solution</summary>\n\n{code}\n</details>\n"
        parts.append(f"{code}\n{MARK.format(name)}\n{shows.get(name, NOT_RUN + chr(10))}{END}\n")
    return "\n".join(parts)


def contents(titles: dict[str, str]) -> str:
    """The page that lists all notebooks, from their titles by stem."""
    lines = [
        "# The notebooks, to be read",
        "",
        "Each as it looks when it has been run, with its solutions folded. Widgets are still pictures here; they live in",
        "[the notebooks](../../notebooks) themselves, and in the book (`make book`).",
        "",
        *(f"- [{title}]({stem}.md)" for stem, title in titles.items()),
        "",
        "Made by `make rendered`; the pictures show photographs that anyone may use ([which](../releasing.md)).",
        "",
    ]
    return "\n".join(lines)
