"""What students do without a thought: a check in the answer's own cell, an answer in the check's. It costs no point, and nobody is accused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ikebook.course.lab import notebooks
from ikebook.grading.assembly import assemble
from ikebook.grading.handed_in import Cell, HandedIn, course_cells, find, read_cells
from ikebook.grading.notebook import Graded, grade_notebook
from ikebook.grading.session import Limits, can_jail
from ikebook.grading.student_code import (
    MOST_LETTERS,
    SEEN_CHECKS,
    SEEN_SOLUTIONS,
    checks_called,
    holds_more,
    statements,
    suspicions,
)

COURSE = course_cells()
SOLVED = Path(__file__).parents[2] / "notebooks" / "solutions"
LIMITS = Limits(seconds=90, cell=30, call=20, memory=1_500_000_000, files=10_000_000, processes=16)

runs = pytest.mark.skipif(os.name != "posix", reason="processes are watched over on Unix only")

J = "def my_j(S, T):\n    either = (S | T).sum()\n    return (S & T).sum() / either if either else 1.0"
F = "def my_f(P, R):\n    return 2 * P * R / (P + R) if P + R else 0.0"
CHECK_J, CHECK_F, CHECK_GAIN = (
    'check_answers("10.1", my_j)',
    'check_answers("10.2", my_f)',
    'check_answers("10.3", gain, error)',
)


def notebook_10(**changed: str) -> list[Cell]:
    """The course's import and exercises of notebook 10, with cells changed: by "answer_1", or "check_1", its new text."""
    own = COURSE["10"]
    imports = next(cell for cell in own if "check_answers" in cell.source)
    cells = [imports]
    for answer, check in pairwise(own):
        if check.check:
            cells += [
                replace(cell, source=changed.get(f"{kind}_{check.check[-1]}", cell.source))
                for kind, cell in (("answer", answer), ("check", check))
            ]
    return cells


def grade(tmp_path: Path, cells: list[Cell]) -> Graded:
    """What comes of a notebook of these cells."""
    written = [
        {"cell_type": cell.kind, "source": cell.source, "metadata": {"tags": [*cell.tags]}, "id": cell.name}
        for cell in cells
    ]
    path = tmp_path / "ada" / "10_scoring.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    (found,), _ = find(tmp_path, COURSE)
    assert isinstance(found, HandedIn)
    return grade_notebook(found, COURSE["10"], LIMITS, jailed=not can_jail())


def verdicts(graded: Graded) -> list[tuple[bool, list[str]]]:
    return [(verdict["right"], verdict["remarks"]) for verdict in graded["exercises"].values()]


def unnamed(cells: list[Cell]) -> list[Cell]:
    """Cells as some platforms give them back."""
    return [replace(cell, name="", tags=frozenset()) for cell in cells]


@runs
class TestAnswersAndChecksInOneCell:
    def test_all_that_was_written_is_run(self, tmp_path) -> None:
        cells = notebook_10(
            answer_1=f"{J}\n{CHECK_J}",
            answer_2="# see below",
            check_2=f"{F}\n{CHECK_F}",
            answer_3=f"gain = 0\n{CHECK_GAIN}",  # a name that is not there yet
        )
        graded = grade(tmp_path, cells)
        assert verdicts(graded) == [(True, []), (True, []), (False, [])]
        assert "NameError: name 'error' is not defined" in graded["exercises"]["10.3"]["reason"]
        assert not any("check_answers" in remark for remark in graded["remarks"])

    def test_a_mistake_is_named_in_the_checks_words_and_a_crash_by_its_line(self, tmp_path) -> None:
        cells = notebook_10(
            answer_1=f"my_j = 3; {CHECK_J}",
            answer_2="# see below",
            check_2=f"my_f = [1][3]\n{CHECK_F}",
            answer_3=f"gain, error = (0, 0\n{CHECK_GAIN}",
        )
        graded = grade(tmp_path, cells)
        assert verdicts(graded) == [(False, [])] * 3
        reasons = [verdict["reason"] for verdict in graded["exercises"].values()]
        assert reasons[0] == "my_j is a int; it should be a function."
        assert reasons[1] == ("the cell stops with IndexError: list index out of range, in line 1: `my_f = [1][3]`")
        assert "SyntaxError" in reasons[2]

    def test_a_call_that_is_not_as_it_should_be_does_no_harm(self, tmp_path) -> None:
        cells = notebook_10(
            answer_1=f'check_answers("10.1", my_j=3)\n{J}',
            answer_2='check_answers("10.2", my_f := lambda P, R: 2 * P * R / (P + R) if P + R else 0.0)',
        )[1:]  # the import is gone, too
        assert [right for right, _ in verdicts(grade(tmp_path, cells))] == [True, True, False]

    def test_a_check_of_ones_own_earns_nothing_wherever_it_stands(self, tmp_path) -> None:
        forged = "check_answers = lambda number, *_: print(number, 'is right.')"
        cells = notebook_10(
            answer_1=f"my_j = lambda S, T: 0.5\n{forged}\n{CHECK_J}",
            check_2=f"{forged}\nmy_f = lambda P, R: 0.5\n{CHECK_F}",
            check_3=f'check_answers("10.3", 0, 0)\ngain = error = 1\n{forged}',
        )
        graded = grade(tmp_path, cells)
        assert [right for right, _ in verdicts(graded)] == [False] * 3
        assert SEEN_CHECKS in graded["remarks"]
        assert graded["exercises"]["10.3"]["remarks"] == ["the check was changed, and is put back"]

    def test_cells_without_names_are_right_and_not_called_gone(self, tmp_path) -> None:
        cells = notebook_10(answer_1=J, answer_2=F, answer_3="values = [1]\ngain = error = values[3]")
        graded = grade(tmp_path, unnamed(cells))
        assert verdicts(graded) == [(True, []), (True, []), (False, [])]
        assert "in line 2: `gain = error = values[3]`" in graded["exercises"]["10.3"]["reason"]

    def test_answers_that_were_moved_are_not_called_gone_and_those_that_are_gone_are(self, tmp_path) -> None:
        imports, _, check_1, _, check_2, _, check_3 = unnamed(notebook_10())
        prose = Cell("markdown", "And now?", "", frozenset())
        both = Cell("code", f"{J}\n{F}", "", frozenset())
        graded = grade(tmp_path, [imports, both, prose, check_1, prose, check_2, prose, check_3])
        assert verdicts(graded) == [(True, []), (True, []), (False, ["the cell for the answer is gone"])]


class TestWhatIsPutBack:
    """Without a run: the order of work, and what is said of it."""

    def due(self, cells: list[Cell]) -> dict[str, int]:
        assembled = assemble(cells, COURSE["10"])
        return {number: index for index, _, numbers in assembled.steps for number in numbers}

    def test_every_cell_with_code_is_run(self) -> None:
        cells = notebook_10(answer_1=f"{J}\n{CHECK_J}", check_2=f"{F}\n{CHECK_F}")
        steps = assemble(cells, COURSE["10"]).steps
        assert [(index, code) for index, code, _ in steps] == [(i, cell.source) for i, cell in enumerate(cells)]

    def test_a_copied_check_does_not_bring_the_courses_own_forward(self) -> None:
        cells = notebook_10(answer_1=f"# see below\n{CHECK_J}", check_1=f"{J}\n{CHECK_J}")
        assert self.due(cells) == {"10.1": 2, "10.2": 4, "10.3": 6}

    def test_two_checks_in_one_cell_are_both_there(self) -> None:
        cells = notebook_10(check_1=f"{CHECK_J}; {CHECK_F}")
        del cells[4]  # the check of 10.2
        exercises = assemble(cells, COURSE["10"]).exercises
        assert [exercise.remarks for exercise in exercises.values()] == [[], ["the answer stands after its check"], []]

    def test_a_check_that_is_written_otherwise_is_not_changed(self) -> None:
        cells = notebook_10(
            check_1="%time check_answers('10.1', my_j)", check_2="check_answers( '10.2',\n  my_f )  # ?"
        )
        exercises = assemble(cells, COURSE["10"]).exercises
        assert [exercise.remarks for exercise in exercises.values()] == [[], [], []]


class TestNobodyIsAccused:
    @pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
    def test_the_courses_own_notebooks_get_no_remark(self, path) -> None:
        number = path.name[:2]
        assembled = assemble(read_cells(path), COURSE[number])
        assert assembled.remarks == []
        assert all(exercise.remarks == [] for exercise in assembled.exercises.values())

    @pytest.mark.skipif(not SOLVED.is_dir(), reason="no solutions: they are part of a checkout")
    @pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
    @pytest.mark.parametrize("change", [list, unnamed])
    def test_nor_do_their_solutions_with_and_without_names(self, path, change) -> None:
        number = path.name[:2]
        assembled = assemble(change(read_cells(SOLVED / path.name)), COURSE[number])
        assert assembled.remarks == []
        assert all(exercise.remarks == [] for exercise in assembled.exercises.values())
        assert all(exercise.answer is not None for exercise in assembled.exercises.values())

    @pytest.mark.parametrize(
        "code",
        [
            "from ikebook.course import check_answers, figures",
            "from ikebook.course import *",
            "from ikebook.course import (\n    check_answers,\n    np,\n)",
            "from ikebook.check_answers import WrongAnswer, check_answers",
            "import ikebook.course as c\nc.check_answers('02.1', 3)",
            "for x in range(3):\n    check_answers('02.1', x)",
            "try:\n    check_answers('02.1', 3)\nexcept Exception as e:\n    print(f'check_answers says {e}')",
            "%time check_answers('02.1', node)",
            "%%time\nnode = 5\ncheck_answers('02.1', node)",
            "files = !ls\ncheck_answers('02.1', node)",
            "check_answers?",
            "help(check_answers)",
            "check_answers",
            '"""What check_answers wants."""\nnode = 3  # check_answers = right',
            "node = (5\ncheck_answers('02.1', node)",
            "# two solutions: x and -x\nsolutions = [1, -1]\nprint('solutions:', solutions)",
            "title = 'the two solutions'",
        ],
    )
    def test_what_students_write_is_not_suspicious(self, code) -> None:
        assert suspicions([code]) == []

    @pytest.mark.parametrize(
        "code",
        [
            "check_answers = print",
            "del check_answers",
            "def check_answers(*_): pass",
            "async def check_answers(*_): pass",
            "class check_answers: pass",
            "for check_answers in [print]: pass",
            "from builtins import print as check_answers",
            "from mine import check_answers",
            "import ikebook.check_answers as home",
            "from ikebook import check_answers",
            "from ikebook.check_answers import exercises",
            "from ikebook.check_answers.motion import CHECKS",
            "check_answers.__globals__['exercises'] = None",
            "home.check_answers = print",
            "c = check_answers\nc.__code__ = print",
            "setattr(home, 'check_answers', print)",
            "import sys\nsys.modules['ikebook.check_answers'] = None",
            "exec('check_answers = print')",
            "vars(check_answers)",
            "%time check_answers = print",
            "files = !ls\ncheck_answers = print",
            "check_answers = (print",
            "x = 1\n" * MOST_LETTERS + "check_answers = print",
        ],
    )
    def test_what_takes_hold_of_the_checks_is_pointed_at(self, code) -> None:
        assert suspicions(["node = 3", code]) == [SEEN_CHECKS]

    @pytest.mark.parametrize(
        "code",
        [
            "open('../solutions/02_motion_matrix.ipynb')",
            "os.path.join(home, 'solutions')",
            "open(f'{home}/solutions/x.ipynb')",
            "print(open('/course/solutions/x.ipynb').read())",
            "!cat ../solutions/02_motion_matrix.ipynb",
            "import os\nos.system('ikebook lab --solutions')",
            "%%bash\ncat solutions/*.ipynb",
        ],
    )
    def test_what_looks_for_solutions_is_pointed_at(self, code) -> None:
        assert suspicions([code]) == [SEEN_SOLUTIONS]

    def test_both_are_told_once_each(self) -> None:
        code = "check_answers = print\nopen('solutions/a')"
        assert suspicions([code, code]) == [SEEN_SOLUTIONS, SEEN_CHECKS]


class TestReading:
    @pytest.mark.parametrize(
        ("source", "numbers"),
        [
            ('check_answers("02.1", node)', ("02.1",)),
            ('node = 5; check_answers("02.1", node)', ("02.1",)),
            ("check_answers(\n    '02.1',\n    node,\n)\ncheck_answers('02.2', M)", ("02.1", "02.2")),
            ("check_answers('02.1', 3)\ncheck_answers('02.1', 4)", ("02.1",)),
            ("%%time\ncheck_answers('02.1', node)", ("02.1",)),
            ("node = (\ncheck_answers('02.1', node)", ("02.1",)),  # no Python: by its lines
            ("# check_answers('02.1', node)", ()),
            ("text = '''\ncheck_answers('02.1', node)\n'''", ()),
            ("node = 3", ()),
        ],
    )
    def test_the_checks_that_a_cell_calls(self, source, numbers) -> None:
        assert checks_called(source) == numbers

    def test_what_a_cell_holds_beside_its_check(self) -> None:
        assert not holds_more(f"{CHECK_J}\n# done\n{CHECK_F}")
        assert holds_more(f"{CHECK_J}\nx = 3")
        assert holds_more(f"x = (\n{CHECK_J}")

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("nested", ["(" * 9000, "-" * 40_000 + "1", "a" + ".b" * 20_000, "\0", "x = '\\d'"])
    def test_code_that_is_hard_to_read_stops_nobody(self, nested) -> None:
        source = f"check_answers('02.1', 3)\n{nested}"
        assert (statements(source) is None) == (nested != "x = '\\d'")
        assert checks_called(source) == ("02.1",)
        assert suspicions([source]) == []
