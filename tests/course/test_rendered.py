"""docs/rendered: each notebook with all that it shows, in step with its source, small, and without a frame of any data set."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "notebooks" / "source" / "build.py"
if not (BUILD.exists() and (ROOT / "docs").exists()):
    pytest.skip("no notebooks/source and docs/: they are part of a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("build_for_rendered", BUILD)
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
rendered = build.rendered

each_source = pytest.mark.parametrize("source", build.sources(), ids=lambda path: path.stem)


@cache
def page_of(source: Path) -> str:
    return (rendered.FOLDER / f"{source.stem}.md").read_text(encoding="utf-8")


def code_of(source: Path) -> list[str]:
    notebook = nbformat.read(build.SOLUTIONS / f"{source.stem}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and "colab" not in build.tags(cell)]
    return [cell.source.removeprefix(rendered.COMPARED) for cell in cells]


@each_source
def test_all_code_has_been_run_as_it_stands(source) -> None:
    # That the text is the source's is tested where the notebooks' is, in test_lab.py.
    assert "not run since" not in page_of(source), "run make rendered"
    shown = rendered.shown_before(page_of(source))
    assert set(shown) == {rendered.name_of(code) for code in code_of(source)}
    assert len([one for one in shown.values() if one.strip()]) >= 10


@each_source
def test_what_is_compared_is_shown_as_it_was(source) -> None:
    shown = rendered.shown_before(page_of(source))
    notebook = nbformat.read(build.SOLUTIONS / f"{source.stem}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.source.startswith(rendered.COMPARED):
            said = "".join(output.text for output in cell.outputs if output.output_type == "stream")
            assert said.strip()
            assert said.strip() in shown[rendered.name_of(cell.source.removeprefix(rendered.COMPARED))]


@each_source
def test_small_with_its_pictures_and_none_too_many(source) -> None:
    folder = rendered.FOLDER / source.stem[:2]
    pictures = {f"{folder.name}/{path.name}" for path in folder.iterdir()}
    linked = re.findall(r"^!\[(.*)\]\((\d\d/[^)]+)\)$", page_of(source), re.MULTILINE)
    assert {file for _, file in linked} == pictures
    assert all(alt for alt, _ in linked)
    size = len(page_of(source).encode()) + sum(path.stat().st_size for path in folder.iterdir())
    assert size < rendered.MOST_BYTES


@each_source
def test_each_widget_has_a_still_picture(source) -> None:
    widgets = [code for code in code_of(source) if re.search(r"^from ikebook\.widgets import ", code, re.MULTILINE)]
    shown = rendered.shown_before(page_of(source))
    for code in widgets:
        assert ".save_html(" in code or "![" in shown[rendered.name_of(code)], code


@each_source
def test_no_data_set_and_no_folder_of_one_machine(source) -> None:
    text = page_of(source)
    assert "the embedded clip, in place of" in text
    assert "of DAVIS 2016, a real video" not in "".join(rendered.shown_before(text).values())
    assert not re.search(r"/tmp/|/home/|/root/|\\Users\\", text)


@each_source
def test_links_lead_somewhere(source) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)\s]+)\)", page_of(source)):
        assert (rendered.FOLDER / target).exists(), target


QUOTED = [
    ("02", "745", "negative: 745 of 1280"),
    ("03", "25 ::", "rank 25"),
    ("12", "4.278, against 4.198", "at most 4.278 over all x, 4.198 over those"),
    ("12", "1.3 percent", "1.3% of A"),
    ("12", "39 percent", "has 39% of the size"),
    ("lecture", "745 of 1280", "negative: 745 of 1280"),
    ("lecture", "0.32 %", "entries are not zero: 0.32 %"),
    ("lecture", "0.15 with saliency", "saliency: times 0.15 in each iteration"),
    ("lecture", "0.78 with displacements", "displacements: times 0.78 in each iteration"),
    ("lecture", "163 of 1280 nodes", "the object: 163 of 1280 nodes; its entries are 11 times"),
    ("lecture", "A would take 313 GB", "279552 x 279552 entries would take 313 GB"),
]
"""Numbers that questions and slides quote: where, in which words, and what a notebook says."""


@pytest.mark.parametrize(("where", "words", "said"), QUOTED)
def test_numbers_that_questions_and_slides_quote(where, words, said) -> None:
    lecture = ROOT / "docs" / "book" / "slides" / "lecture.md"
    text = lecture if where == "lecture" else next(source for source in build.sources() if source.name[:2] == where)
    assert words in " ".join(text.read_text(encoding="utf-8").replace("\n#   ", " ").split())
    pages = [page_of(source) for source in build.sources() if where in ("lecture", source.name[:2])]
    assert any(said in shown for page in pages for shown in rendered.shown_before(page).values())


def test_what_was_shown_stays_while_the_code_is_the_same() -> None:
    cell = nbformat.v4.new_code_cell("print(1)")
    shows = {rendered.name_of("print(1)"): "\n```text\n1\n```\n\n"}
    page = rendered.markdown("02_x", nbformat.v4.new_notebook(cells=[cell]), build.tags, shows)
    assert rendered.shown_before(page) == shows
    cell.source = "print(2)"
    changed = rendered.markdown("02_x", nbformat.v4.new_notebook(cells=[cell]), build.tags, rendered.shown_before(page))
    assert rendered.NOT_RUN in changed
    assert "\n1\n" not in changed


def test_the_list_has_all() -> None:
    text = (rendered.FOLDER / "README.md").read_text(encoding="utf-8")
    assert text == build.pages_of_all()[rendered.FOLDER / "README.md"]
    assert len(re.findall(r"\(\d\d_\w+\.md\)", text)) == len(build.sources())
