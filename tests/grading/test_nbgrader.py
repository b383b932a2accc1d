"""nbgrader makes assignments of our notebooks, and grades them: its own commands, run on what `build.py --nbgrader` writes."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "notebooks" / "source" / "build.py"
if not BUILD.exists():
    pytest.skip("no notebooks/source: it is part of a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("build_for_nbgrader", BUILD)
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCE = BUILD.parent / "10_scoring.py"
RIGHT = "def my_f(P, R):\n    return 2 * P * R / (P + R) if P + R else 0.0"


def own(notebook: dict, kind: str) -> dict:
    """The cells that are answers or checks, by nbgrader's names."""
    found = {cell["metadata"].get("nbgrader", {}).get("grade_id", ""): cell for cell in notebook["cells"]}
    return {name: cell for name, cell in found.items() if name.startswith(kind)}


@pytest.mark.parametrize("source", build.sources(), ids=lambda path: path.stem)
def test_each_exercise_has_an_answer_and_a_check_worth_a_point(source) -> None:
    for version in build.versions(source):
        answers, checks = own(version, "answer"), own(version, "check")
        assert [name.removeprefix("check-") for name in checks] == [name.removeprefix("answer-") for name in answers]
        assert len(checks) == len([cell for cell in version.cells if "check" in build.tags(cell)]) >= 2
        for cell in checks.values():
            settings = cell.metadata.nbgrader
            assert settings.grade
            assert settings.locked
            assert settings.points == 1
            assert f'"{settings.grade_id[6:].replace("-", ".")}"' in cell.source
        assert all(cell.metadata.nbgrader.solution and not cell.metadata.nbgrader.grade for cell in answers.values())


def test_lecturers_versions_hold_the_solution_between_marks() -> None:
    answer = own(build.lecturers(SOURCE), "answer")["answer-10-2"].source
    assert answer.startswith(
        "def my_f(precision, recall):\n    return ...\n### BEGIN SOLUTION\ndef my_f(precision, recall):\n"
    )
    assert answer.endswith("\n### END SOLUTION")


@pytest.mark.slow  # a quarter of a minute
@pytest.mark.skipif(importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed")
def test_nbgrader_makes_the_assignment_and_grades_it(tmp_path) -> None:
    build.write_for_nbgrader(tmp_path, [SOURCE])
    file = tmp_path / "source" / "ikebook" / "10_scoring.ipynb"
    short = nbformat.read(file, as_version=4)
    short.cells = [cell for cell in short.cells if "nbgrader" in cell.metadata or "import check_answers" in cell.source]
    assert len(short.cells) == 7  # the other cells take half a minute and have no part in this
    short.cells[0].source = "from ikebook.check_answers import check_answers"
    nbformat.write(short, file)

    def nbgrader(*words: str) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(tmp_path),
            "JUPYTER_NO_CONFIG": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", "ikebook", "--create")
    released = tmp_path / "release" / "ikebook" / "10_scoring.ipynb"
    student = json.loads(released.read_text())
    empty = {name: "".join(cell["source"]) for name, cell in own(student, "answer").items()}
    assert empty["answer-10-2"] == "def my_f(precision, recall):\n    return ...\n# your answer"
    assert "SOLUTION" not in released.read_text()

    answers = own(student, "answer")
    answers["answer-10-2"]["source"] = RIGHT
    answers["answer-10-3"]["source"] = "gain, error = 0, 0"
    submitted = tmp_path / "submitted" / "ada" / "ikebook" / "10_scoring.ipynb"
    submitted.parent.mkdir(parents=True)
    submitted.write_text(json.dumps(student))
    nbgrader("autograde", "ikebook", "--create")
    with closing(sqlite3.connect(tmp_path / "gradebook.db")) as book:
        scores = dict(
            book.execute("select b.name, g.auto_score from grade g join base_cell b on g.cell_id = b.id").fetchall()
        )
    assert scores == {"check-10-1": 0.0, "check-10-2": 1.0, "check-10-3": 0.0}
