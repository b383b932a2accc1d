"""Guesses, quiz questions and hints open in JupyterLab, which lets no script of a notebook's run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
import pytest

BUILD = Path(__file__).parents[2] / "notebooks" / "source" / "build.py"
if not BUILD.exists():
    pytest.skip("no notebooks/source: it is part of a checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def cells():
    """The questions and exercises of a notebook."""
    found = importlib.util.spec_from_file_location("build_for_guesses", BUILD)
    build = importlib.util.module_from_spec(found)
    found.loader.exec_module(build)
    (source,) = build.sources(["02"])
    made = [cell for cell in build.versions(source)[0].cells if "<details>" in cell.source]
    return [nbformat.v4.new_markdown_cell(cell.source, id=cell.id) for cell in made]


def test_a_choice_opens_to_its_reason(lab, cells) -> None:
    notebook = nbformat.v4.new_notebook(cells=cells[:2])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.server.root / "guesses.ipynb")
    watched = lab.open("guesses", run=False)
    page = watched.page
    task, guess = page.locator(".jp-MarkdownCell").nth(0), page.locator(".jp-MarkdownCell").nth(1)
    watched.until(task.locator("blockquote details").count, lambda found: found == 2)
    watched.until(guess.locator("details").count, lambda found: found == 3)
    right = guess.locator("details", has_text="Yes.")
    assert right.count() == 1
    assert not right.locator("p").is_visible()
    right.locator("summary").click()
    right.locator("p").wait_for(state="visible")
    assert "in each *other* frame".replace("*", "") in right.inner_text()
    # The question and this reason:
    watched.until(guess.locator("p").filter(visible=True).count, lambda found: found == 2)
    watched.shot("guesses")
