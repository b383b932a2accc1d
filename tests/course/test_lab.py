"""The notebooks: made from their sources, within the course's rules, and empty answers fail with a readable message.

Their solutions run in `make notebooks`, by nbval, which also holds what they cost against their headers.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.check_answers import WrongAnswer, exercises
from ikebook.course import lab as course

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "source" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCES = build.sources()

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def cells(source: Path, tag: str | None = None) -> list[nbformat.NotebookNode]:
    return [cell for cell in build.read(source).cells if tag is None or tag in build.tags(cell)]


def names(code: str) -> tuple[set[str], set[str]]:
    """The names that a cell binds at its top, and all that it reads."""
    tree = ast.parse(code)
    bound = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    bound |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return bound, {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


@each_source
def test_the_notebooks_are_what_their_source_makes(source) -> None:
    for path, text in build.files(source).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not up to date; run make notebooks-build"


def test_every_notebook_has_a_source() -> None:
    for folder in (build.STUDENT, build.SOLUTIONS):
        assert [path.stem for path in sorted(folder.glob("*.ipynb"))] == [source.stem for source in SOURCES]


@each_source
def test_student_versions_have_no_solutions_and_no_outputs(source) -> None:
    student, solution = build.versions(source)
    kept = nbformat.read(build.STUDENT / f"{source.stem}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in kept.cells)
    assert not any("solution" in build.tags(cell) for cell in student.cells)
    assert not any("exercise" in build.tags(cell) for cell in solution.cells)
    assert len([cell for cell in student.cells if "exercise" in build.tags(cell)]) == len(cells(source, "exercise"))


@each_source
def test_compared_cells_have_an_output_to_compare_with(source) -> None:
    solution = nbformat.read(build.SOLUTIONS / f"{source.stem}.ipynb", as_version=4)
    for cell in solution.cells:
        compared = cell.source.startswith(build.COMPARED)
        assert compared == bool(cell.get("outputs")), f"run build.py --execute {source.name[:2]}: {cell.source[:80]}"


@each_source
def test_the_header_says_what_a_student_needs(source) -> None:
    header = cells(source)[0].source
    assert re.match(rf"# {source.name[:2]} \w", header)
    assert "**Afterwards you will be able to**" in header
    assert header.count("\n- ") >= 3
    assert "**Read**" in header
    assert re.search(r"Sections? \d|Sec\. \d|Algorithm \d", header)
    minutes, memory = course.costs(header)
    assert 0 < minutes <= 3
    assert 0 < memory <= 1.2


@each_source
def test_links_between_notebooks_lead_somewhere(source) -> None:
    known = {path.name for path in build.STUDENT.glob("*.ipynb")}
    for cell in cells(source):
        if cell.cell_type == "markdown":
            assert set(re.findall(r"\]\((\w+\.ipynb)\)", cell.source)) <= known


@each_source
def test_cells_are_short(source) -> None:
    for cell in cells(source):
        if cell.cell_type == "code" and not cell.source.startswith(("import", "from")):
            lines = [line for line in cell.source.splitlines() if line.strip() and line != build.COMPARED]
            assert len(lines) <= 10, cell.source


@each_source
def test_each_exercise_has_a_task_a_hint_an_answer_and_a_check(source) -> None:
    found = cells(source)
    numbers = []
    for index, cell in enumerate(found):
        if "check" not in build.tags(cell):
            continue
        task, exercise, solution = found[index - 3 : index]
        assert "exercise" in build.tags(exercise)
        assert "solution" in build.tags(solution)
        number = re.match(r'check_answers\("(\d\d\.\d)"', cell.source)[1]
        assert f"**Exercise {number}**" in task.source
        assert "*Hint" in task.source
        numbers.append(number)
    if source.name[:2] in exercises_of_all():
        assert numbers == list(exercises(source.name[:2]))
        assert 2 <= len(numbers) <= 4
    else:
        assert numbers == []


def exercises_of_all() -> set[str]:
    from ikebook.check_answers import _HOMES

    return set(_HOMES)


def test_all_checks_belong_to_a_notebook() -> None:
    assert exercises_of_all() <= {source.name[:2] for source in SOURCES}


@each_source
def test_nothing_but_its_check_depends_on_a_students_answer(source) -> None:
    """So a notebook runs to its end whatever the student has solved."""
    answers: set[str] = set()
    for cell in cells(source, "exercise"):
        answers |= names(cell.source)[0]
    for cell in cells(source):
        if cell.cell_type == "code" and not build.tags(cell) & {"exercise", "solution", "check"}:
            bound, read = names(cell.source)
            assert not answers & (read | bound), f"{sorted(answers & (read | bound))}: {cell.source}"


@each_source
def test_an_empty_answer_fails_with_a_readable_message(source) -> None:
    """Of the student version, the cells that the graded ones need, up to each check."""
    scope: dict[str, object] = {}
    common = [cell for cell in cells(source) if cell.cell_type == "code"]
    for cell in common:
        if "exercise" in build.tags(cell):
            exec(cell.source, scope)
        elif "check" in build.tags(cell):
            exec("from ikebook.check_answers import check_answers", scope)
            number = re.match(r'check_answers\("(\d\d\.\d)"', cell.source)[1]
            with pytest.raises(WrongAnswer, match=rf"^{number}: there is no answer yet") as wrong:
                exec(cell.source, scope)
            shown = wrong.value._render_traceback_()
            assert len(shown) == 1
            assert "\n" not in shown[0]


def test_costs_are_read_from_a_header() -> None:
    assert course.costs("**Takes** 1.5 minutes of computing on one core, and 0.8 GB of memory.") == (1.5, 0.8)
    with pytest.raises(InputError, match="does not say what it takes"):
        course.costs("# 02 A notebook")


def test_without_data_the_course_takes_the_embedded_clip_and_says_so(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv("IKEBOOK_DATA", "")
    clip, flow, source = course.course_clip("dog", frames=3, size="64x48")
    assert source == capsys.readouterr().out.strip()
    assert source == "the embedded clip, in place of dog of DAVIS 2016 (no data here): 3 frames of 64x48"
    assert clip.frames.shape == (3, 48, 64, 3)
    assert clip.masks.shape == (3, 48, 64)
    assert len(flow) == 3
    monkeypatch.delenv("IKEBOOK_DATA")
    monkeypatch.chdir(tmp_path)
    assert course.find_davis("dog") is None
    with pytest.raises(InputError, match="sequence is 'cat'; expected one of"):
        course.course_clip("cat")


def test_where_data_is_the_course_takes_it(monkeypatch, tmp_path, capsys) -> None:
    import cv2

    for kind, name in (("JPEGImages", "jpg"), ("Annotations", "png")):
        folder = tmp_path / "data" / kind / "480p" / "dog"
        folder.mkdir(parents=True)
        for index in range(4):
            picture = np.zeros((96, 128), np.uint8)
            picture[20:60, 30 + 4 * index : 70 + 4 * index] = 255
            cv2.imwrite(str(folder / f"{index:05d}.{name}"), picture)
    monkeypatch.delenv("IKEBOOK_DATA", raising=False)
    (tmp_path / "lab").mkdir()
    monkeypatch.chdir(tmp_path / "lab")
    clip, flow, source = course.course_clip("dog", frames=3, size="64x48")
    assert source == capsys.readouterr().out.strip() == "dog of DAVIS 2016, a real video: 3 frames of 64x48"
    assert clip.masks.shape == (3, 48, 64)
    assert clip.masks[0].sum() == 20 * 20
    assert flow.size == (64, 48)
    assert course.find_davis("goat") is None


@pytest.mark.data
def test_a_real_sequence_opens(davis_root, monkeypatch) -> None:
    monkeypatch.setenv("IKEBOOK_DATA", str(davis_root.parent))
    clip, _, source = course.course_clip("car-shadow", frames=2)
    assert "a real video" in source
    assert 0.01 < clip.masks.mean() < 0.5


def test_lab_copies_the_notebooks_and_never_over_a_students(tmp_path) -> None:
    folder = tmp_path / "course"
    written, kept = course.copy_notebooks(folder)
    assert [path.name for path in written] == [path.name for path in course.notebooks()]
    assert kept == []
    written[0].write_text("my answers")
    (folder / "own.txt").write_text("stays")
    written[-1].unlink()
    again, kept = course.copy_notebooks(folder)
    assert [path.name for path in again] == [written[-1].name]
    assert kept == written[:-1] or len(written) == 1
    if len(written) > 1:
        assert written[0].read_text() == "my answers"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; name a folder"):
        course.copy_notebooks(tmp_path / "file")


def test_lab_copies_the_solutions_when_asked_to(tmp_path) -> None:
    course.copy_notebooks(tmp_path)
    assert not (tmp_path / "solutions").exists()
    written, kept = course.copy_notebooks(tmp_path, solved=True)
    assert [path.relative_to(tmp_path) for path in written] == [
        Path("solutions") / path.name for path in course.notebooks()
    ]
    assert len(kept) == len(written)
    assert "node = 2 * 16 * 16 + 7 * 16 + 3" in (tmp_path / "solutions" / "02_motion_matrix.ipynb").read_text()


def test_lab_and_page_start_what_they_say(monkeypatch, tmp_path) -> None:
    calls, served = [], []

    def call(command, env=None) -> int:
        calls.append(command)
        if "voila" in command:
            served.extend(nbformat.read(command[-1], as_version=4).cells)
        return 0

    monkeypatch.setattr(course, "find_spec", lambda name: object())
    monkeypatch.setattr(course.subprocess, "call", call)
    number = course.notebooks()[0].name[:2]
    assert course.open_lab(tmp_path, start=number) == 0
    assert course.open_page(number) == 0
    lab, page = calls
    assert lab == [sys.executable, "-m", "jupyterlab", str(tmp_path / course.notebooks()[0].name)]
    assert page[:3] == [sys.executable, "-m", "voila"]
    assert Path(page[3]).name == course.notebooks()[0].name
    assert not Path(page[3]).exists()  # a copy, gone when the page is closed
    tags = {tag for cell in served for tag in cell["metadata"].get("tags", [])}
    assert tags == {"widget", "guess", "quiz"}  # Voila would stop at the first check
    assert len(served) > 20
    with pytest.raises(InputError, match="notebook is '99'"):
        course.open_page("99")
    monkeypatch.setattr(course, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"voila is not installed; add it with: .*ikebook\[voila\]"):
        course.open_page(number)


def test_the_commands_copy_and_open(monkeypatch, tmp_path, capsys) -> None:
    from ikebook.cli import main

    opened = []
    monkeypatch.setattr(course, "open_lab", lambda folder, start: opened.append((folder, start)) or 0)
    monkeypatch.setattr(course, "open_page", lambda number: opened.append(number) or 0)
    number = course.notebooks()[-1].name[:2]
    assert main(["lab", str(tmp_path / "a"), "--start", number, "--copy-only"]) == 0
    assert opened == []
    assert capsys.readouterr().out == f"{tmp_path / 'a'}: {len(course.notebooks())} notebooks copied\n"
    assert main(["lab", str(tmp_path / "a"), "--start", number]) == 0
    assert "0 notebooks copied" in (said := capsys.readouterr().out)
    assert f"{len(course.notebooks())} were there and stay" in said
    assert main(["page", number]) == 0
    assert opened == [(tmp_path / "a", number), number]
    assert main(["lab", str(tmp_path / "b"), "--start", "99"]) == 2
    assert "notebook is '99'" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    monkeypatch.setattr(course, "open_page", lambda number: 3)
    assert main(["page", number]) == 2
    assert "Voila ended with exit code 3" in capsys.readouterr().err
