"""`ikebook grade`: honest work earns its points, and nothing that a notebook prints, patches, writes or kills earns any."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.cli import main
from ikebook.grading import command, course
from ikebook.grading.handed_in import course_cells, find
from ikebook.grading.notebook import grade_notebook
from ikebook.grading.session import Limits, can_jail

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are watched over on Unix only")

WHY = can_jail()
jail = pytest.mark.skipif(bool(WHY), reason=f"no namespaces here: {WHY}")

COURSE = course_cells()
LIMITS = Limits(seconds=90, cell=30, call=20, memory=1_500_000_000, files=10_000_000, processes=16)

IMPORTS = "import numpy as np\nfrom ikebook.check_answers import WrongAnswer, check_answers"
J = "def my_j(S, T):\n    either = (S | T).sum()\n    return (S & T).sum() / either if either else 1.0"
F = "def my_f(P, R):\n    return 2 * P * R / (P + R) if P + R else 0.0"
PAIRED = "gain, error = 0, 0"
CHECKS = {
    "10.1": 'check_answers("10.1", my_j)',
    "10.2": 'check_answers("10.2", my_f)',
    "10.3": 'check_answers("10.3", gain, error)',
}
EMPTY = {
    "10.1": "def my_j(S, T):\n    return ...",
    "10.2": "def my_f(P, R):\n    return ...",
    "10.3": "gain, error = ..., ...",
}


def cells_of(*sources: str) -> dict:
    """A notebook of these cells of code, as a platform may give it back: without names and tags."""
    cells = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for source in sources
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def answered(*before: str, **answers: str) -> dict:
    """The course's own notebook 10, reduced to what its exercises need, with these answers and cells before them."""
    own = {cell.name: cell for cell in COURSE["10"]}
    by_check = {}
    for first, second in zip(COURSE["10"], COURSE["10"][1:], strict=False):
        if second.check:
            by_check[second.check] = (first.name, second.name)
    sources = [("", IMPORTS), *(("", source) for source in before)]
    for number in CHECKS:
        answer, check = by_check[number]
        sources += [(answer, answers.get(f"x{number[-1]}", EMPTY[number])), (check, own[check].source)]
    notebook = cells_of(*(source for _, source in sources))
    for cell, (name, _) in zip(notebook["cells"], sources, strict=True):
        cell["id"] = cell["metadata"]["name"] = name
    return notebook


def hand_in(folder: Path, student: str, notebook: dict, name: str = "10_scoring.ipynb") -> Path:
    path = folder / student / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


def grade(tmp_path: Path, notebook: dict, *, jailed: bool = not WHY, limits: Limits = LIMITS) -> dict:
    """What comes of one notebook."""
    hand_in(tmp_path, "someone", notebook)
    (found,), _ = find(tmp_path, COURSE)
    return grade_notebook(found, COURSE["10"], limits, jailed=jailed)


def right(graded: dict) -> list[str]:
    return [number for number, verdict in graded["exercises"].items() if verdict["right"]]


def reason(graded: dict, number: str) -> str:
    return graded["exercises"][number]["reason"]


PRINTS = """print("10.1 is right. 10.2 is right. 10.3 is right.")
import sys
sys.stdout.write("10.3 is right.")"""

PATCHES = """import sys, builtins, ikebook.check_answers as home
home.check_answers = check_answers = lambda *a: print(a[0], "is right.")
home.exercises = lambda n: {n + ".1": str, n + ".2": str, n + ".3": str}
builtins.check_answers = check_answers
try:
    from ikebook.check_answers import scoring
    scoring.CHECKS = {k: (lambda *a: "right") for k in scoring.CHECKS}
except ImportError:
    pass
import numpy as np
np.testing.assert_allclose = np.allclose = lambda *a, **k: True
import ikebook.video.metrics as metrics
metrics.region_similarity = lambda *a: 1.0"""

EQUAL = """class Right(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return Right(0.0)
    def __abs__(self): return Right(0.0)
    def __lt__(self, other): return True
    def __array__(self, *a, **k): raise SystemExit
    def __reduce__(self): return (print, ("10.3 is right",))
my_j = my_f = lambda *a: Right(0.5)
gain = error = Right(0.5)"""

SPEAKS = """import os, json, struct
for reply in ({"tree": {"dict": [["answers", {"list": []}], ["right", True], ["points", 3]]}, "sizes": []}, "rubbish"):
    head = json.dumps(reply).encode()
    message = struct.pack(">I", len(head)) + head
    for place in range(3, 30):
        try:
            os.write(place, struct.pack(">Q", len(message)) + message)
        except OSError:
            pass"""

SOLUTIONS = """import glob, json, os, re, sys, ikebook
found = []
home = os.path.dirname(ikebook.__file__)
for root in (home, os.path.dirname(home), "/", os.path.expanduser("~"), *sys.path):
    for path in glob.glob(os.path.join(root or ".", "notebooks", "**", "10*.ipynb"), recursive=True):
        found.append(path)
        for cell in json.load(open(path))["cells"]:
            if "solution" in cell["metadata"].get("tags", ()):
                exec("".join(cell["source"]))
checks = glob.glob(os.path.join(home, "check_answers", "*.py"))
assert not found and not checks, (found, checks)"""


class TestHonestWork:
    def test_answers_earn_their_points_and_mistakes_are_named_in_the_checks_words(self, tmp_path) -> None:
        graded = grade(tmp_path, answered(x1=J, x2="def my_f(P, R):\n    return (P + R) / 2", x3=PAIRED))
        assert right(graded) == ["10.1"]
        assert reason(graded, "10.1").startswith("J is 0 where a mask is all wrong")
        assert reason(graded, "10.2") == "my_f(0.9, 0.3) is 0.6: the ordinary mean."
        assert reason(graded, "10.3") == "gain is 0, not the mean of third - first."

    def test_what_was_not_answered_is_told_so(self, tmp_path) -> None:
        graded = grade(tmp_path, answered(x2=F))
        assert right(graded) == ["10.2"]
        assert "no answer yet" in reason(graded, "10.1")
        assert "no answer yet" in reason(graded, "10.3")

    def test_a_crash_names_the_line_in_a_function_and_in_a_cell(self, tmp_path) -> None:
        j = "def my_j(S, T):\n    both = S & T\n    return both.sum() / nothing"
        graded = grade(tmp_path, answered(x1=j, x2="values = [1]\nmy_f = values[3]", x3="gain, error = (1, 2"))
        assert reason(graded, "10.1") == (
            "my_j stops with NameError: name 'nothing' is not defined, in line 3: `return both.sum() / nothing`"
        )
        assert reason(graded, "10.2") == (
            "the cell stops with IndexError: list index out of range, in line 2: `my_f = values[3]`"
        )
        assert "SyntaxError" in reason(graded, "10.3")
        assert "in line 1" in reason(graded, "10.3")

    def test_arrays_tensors_and_what_is_no_answer_arrive_as_what_they_are(self, tmp_path) -> None:
        made = "import torch\ndef my_f(P, R):\n    return torch.tensor([2 * P * R / (P + R) if P + R else 0.0])"
        graded = grade(tmp_path, answered(x1="my_j = 3", x2=made, x3="gain, error = object(), {'a': 1}"))
        assert right(graded) == ["10.2"]
        assert reason(graded, "10.1") == "my_j is a int; it should be a function."
        assert reason(graded, "10.3") == "gain is a object; it should be one number."


class TestHostileNotebooks:
    @pytest.mark.parametrize("trick", [PRINTS, PATCHES, SPEAKS], ids=["prints", "patches", "speaks for the grader"])
    def test_forged_output_earns_nothing(self, tmp_path, trick) -> None:
        graded = grade(tmp_path, answered(trick, x1="my_j = lambda S, T: 0.5", x3="gain, error = 1, 1"))
        assert right(graded) == []

    def test_objects_that_call_themselves_equal_arrive_as_what_they_are(self, tmp_path, capfd) -> None:
        graded = grade(tmp_path, answered(x3=EQUAL, x1="pass", x2="pass"))
        assert right(graded) == []
        assert "is right" not in "".join(capfd.readouterr())

    def test_patches_do_not_spoil_right_answers(self, tmp_path) -> None:
        assert right(grade(tmp_path, answered(PATCHES, x1=J, x2=F))) == ["10.1", "10.2"]

    @jail
    def test_the_solutions_and_the_checks_are_out_of_reach(self, tmp_path) -> None:
        graded = grade(tmp_path, answered(SOLUTIONS + "\nsearched = True", x3="gain = error = float(searched)"))
        assert right(graded) == []
        assert reason(graded, "10.3").startswith("gain is 1,")  # so nothing was found: the cell came to its end
        assert "code mentions `solutions`" not in graded["remarks"]
        named = grade(tmp_path, answered("open('../solutions/10_scoring.ipynb')"))
        assert "code mentions `solutions`" in named["remarks"]

    @pytest.mark.parametrize("answer", ["P", "(P + R) / 2"])
    def test_a_changed_check_is_put_back(self, tmp_path, answer) -> None:
        notebook = answered(x2=f"def my_f(P, R):\n    return {answer}")
        notebook["cells"][-3]["source"] = 'check_answers("10.2", lambda P, R: 2 * P * R / (P + R) if P + R else 0.0)'
        graded = grade(tmp_path, notebook)
        assert right(graded) == []
        assert graded["exercises"]["10.2"]["remarks"] == ["the check was changed, and is put back"]

    def test_deleted_cells_are_missed_and_late_ones_named(self, tmp_path) -> None:
        whole = answered(x1=J, x2=F)
        late = {**whole, "cells": [whole["cells"][i] for i in (0, 2, 1, 3)]}
        graded = grade(tmp_path, late)
        assert right(graded) == ["10.1", "10.2"]
        said = {number: verdict["remarks"] for number, verdict in graded["exercises"].items()}
        assert said == {
            "10.1": ["the answer stands after its check"],
            "10.2": ["the check was gone, and is put back"],
            "10.3": ["the cell for the answer is gone", "the check was gone, and is put back"],
        }
        assert reason(graded, "10.3") == "there is no `gain`."
        assert any("of the course's cells gone" in remark for remark in graded["remarks"])

    def test_an_endless_loop_ends_and_the_rest_is_graded(self, tmp_path) -> None:
        loops = "def my_j(S, T):\n    while True:\n        pass"
        graded = grade(
            tmp_path, answered("while True: pass", x1=loops, x2=F), limits=Limits(cell=1, call=0.5, seconds=30)
        )
        assert right(graded) == ["10.2"]
        assert "TimeoutError: stopped after 0.5 seconds, in line" in reason(graded, "10.1")

    def test_a_loop_that_won_t_be_stopped_is_ended_from_outside(self, tmp_path) -> None:
        stubborn = (
            "import time\nwhile True:\n    try:\n        while True: time.sleep(0.01)\n    except BaseException: pass"
        )
        graded = grade(tmp_path, answered(stubborn, x1=J), limits=Limits(cell=0.5, call=0.5, seconds=5))
        assert right(graded) == []
        assert reason(graded, "10.1") == "the notebook was ended in cell 2: it took too long (an endless loop?)."

    @pytest.mark.parametrize("code", [0, 101, 104])
    def test_a_process_that_ends_itself_earns_what_it_had_earned(self, tmp_path, code) -> None:
        graded = grade(tmp_path, answered(x1=J, x2=f"import os\nos._exit({code})"))
        assert right(graded) == ["10.1"]
        assert "its process ended itself" in reason(graded, "10.2")
        assert "its process ended itself" in reason(graded, "10.3")

    def test_ten_gigabytes_are_refused(self, tmp_path) -> None:
        graded = grade(tmp_path, answered(x1="my_j = np.ones(1_250_000_000)", x2=F))
        assert right(graded) == ["10.2"]
        assert "MemoryError" in reason(graded, "10.1")

    def test_memory_that_no_limit_of_one_process_sees_is_seen_from_outside(self, tmp_path) -> None:
        shared = "import mmap\nheld = mmap.mmap(-1, 1 << 30)\nfor i in range(0, 1 << 30, 4096): held[i] = 1\nimport time; time.sleep(9)"
        graded = grade(tmp_path, answered(shared, x1=J), limits=Limits(cell=20, memory=600_000_000))
        assert right(graded) == []
        assert "took more than 0.6 GB of memory" in reason(graded, "10.1")

    def test_too_many_processes_are_ended_all_of_them(self, tmp_path) -> None:
        many = "import subprocess, time\nkept = [subprocess.Popen(['sleep', '98765.25']) for _ in range(40)]\ntime.sleep(9)"
        graded = grade(tmp_path, answered(many, x1=J))
        assert right(graded) == []
        assert "started more than 16 processes" in reason(graded, "10.1")
        if sys.platform == "linux":
            running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
            assert not any(b"98765.25" in words for words in running)

    @jail
    def test_network_files_and_neighbours_are_out_of_reach(self, tmp_path) -> None:
        neighbour = hand_in(tmp_path / "others", "neighbour", answered(x1=J))
        tries = (
            "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)",
            f"open({str(neighbour)!r})",
            f"import os\nos.listdir({str(Path(__file__).parent)!r})",
            "import ikebook\nopen(ikebook.__file__, 'a')",
            "import os\nos.setuid(0)",
            "open('large', 'wb').write(bytes(20_000_000))",
        )
        counted = "\n".join(
            f"try: exec({code!r}); count += 2**{k}\nexcept OSError: pass" for k, code in enumerate(tries)
        )
        graded = grade(tmp_path / "in", answered("count = 0\n" + counted, x3="gain, error = count, 0"))
        assert reason(graded, "10.3") == "gain is 0, not the mean of third - first."

    def test_what_is_no_notebook_is_no_trouble(self, tmp_path) -> None:
        for name, text in (
            ("a", "[" * 100_000),
            ("b", '{"cells": 3}'),
            ("c", "no"),
            ("d", '{"cells": [{"source": 1}]}'),
        ):
            path = hand_in(tmp_path, name, {})
            path.write_text(text)
        found, left_out = find(tmp_path, COURSE)
        assert [one.number for one in found] == ["10"] * 4
        for one in found:
            graded = grade_notebook(one, COURSE["10"], LIMITS, jailed=False)
            assert right(graded) == []
            assert "is no notebook that can be read" in reason(graded, "10.1")
        assert left_out == []


class TestFiles:
    def test_a_renamed_notebook_is_known_by_its_content(self, tmp_path) -> None:
        hand_in(tmp_path, "ada", answered(), "final (2).ipynb")
        hand_in(tmp_path, "ben", answered(), "02_motion_matrix.ipynb")
        (tmp_path / "eve_10_scoring.ipynb").write_text(json.dumps(answered()))
        hand_in(tmp_path, "ada/.ipynb_checkpoints", answered(), "10_scoring-checkpoint.ipynb")
        hand_in(tmp_path, "zoe", cells_of("1 + 1"), "diary.ipynb")
        found, left_out = find(tmp_path, COURSE)
        assert [(one.student, one.number, one.renamed) for one in found] == [
            ("ada", "10", True),
            ("ben", "10", True),
            ("eve", "10", False),
        ]
        assert left_out == ["zoe/diary.ipynb has no exercise of the course's in it, and no name of its notebooks."]

    def test_of_two_versions_the_newer_one_counts(self, tmp_path) -> None:
        old = hand_in(tmp_path, "ada", answered(), "10_scoring.ipynb")
        new = hand_in(tmp_path, "ada", answered(), "10_scoring-1.ipynb")
        os.utime(old, (1e9, 1e9))
        found, left_out = find(tmp_path, COURSE)
        assert [one.path for one in found] == [new]
        assert left_out == ["ada/10_scoring.ipynb: ada has handed in 10 again"]

    def test_a_link_out_of_the_folder_is_not_followed(self, tmp_path) -> None:
        secret = hand_in(tmp_path / "private", "me", answered())
        (tmp_path / "in" / "eve").mkdir(parents=True)
        (tmp_path / "in" / "eve" / "10_scoring.ipynb").symlink_to(secret)
        found, left_out = find(tmp_path / "in", COURSE)
        assert found == []
        assert left_out == ["eve/10_scoring.ipynb: a link that leads out of the folder"]


class TestSixtyNotebooks:
    @pytest.fixture
    def counted(self, monkeypatch):
        """Grading without processes: the student's name says what is right, and those graded are listed."""
        done = []

        def quick(handed_in, own, limits, *, jailed):
            if done and done[-1] == "s29" and "stop" not in done:
                done.append("stop")
                raise KeyboardInterrupt
            done.append(handed_in.student)
            odd = int(handed_in.student[1:]) % 2
            wrong = {"right": False, "reason": f"gain is {handed_in.student[1:]}.5, too large.", "remarks": []}
            fine = {"right": True, "reason": "Yes.", "remarks": []}
            verdicts = {"10.1": fine, "10.2": wrong if odd else fine, "10.3": wrong}
            return {"exercises": verdicts, "remarks": [], "seconds": 1.0}

        monkeypatch.setattr(course, "grade_notebook", quick)
        return done

    def test_what_was_graded_stays_graded(self, tmp_path, counted, capsys) -> None:
        folder, table = tmp_path / "in", tmp_path / "grades.csv"
        for index in range(60):
            hand_in(folder, f"s{index:02d}", answered())
        words = ["grade", str(folder), "--csv", str(table), "--html", "--points", "10.2=3"]
        assert main(words, more=(command,)) == 130
        assert len(counted) == 31
        assert not table.exists()
        assert main(words, more=(command,)) == 0
        assert len(counted) == 61
        with table.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 180
        assert sum(float(row["points"]) for row in rows) == 60 * 1 + 30 * 3
        printed = capsys.readouterr().out
        assert "60 x 10.3: gain is 0.5, too large." in printed.replace("gain is 00.5", "gain is 0.5")
        assert "30 x 10.2: gain is 01.5, too large." in printed
        page = (tmp_path / "grades.html").read_text()
        assert "4 of 5" in page
        assert "2 of 5" in page or "1 of 5" in page
        hand_in(folder, "s05", answered(x1=J))  # handed in again
        assert main(words, more=(command,)) == 0
        assert counted[61:] == ["s05"]

    def test_missing_work_late_work_and_names_that_would_be_formulas(self, tmp_path, counted) -> None:
        folder, table = tmp_path / "in", tmp_path / "grades.csv"
        late = hand_in(folder, "s01", answered())
        os.utime(late, (2e9, 2e9))
        roster = tmp_path / "names.txt"
        roster.write_text("s01\n=cmd|' /C calc'!A0\n")
        due = datetime.fromtimestamp(1.9e9).astimezone().isoformat(" ")
        words = ["grade", str(folder), "--csv", str(table), "--students", str(roster), "--due", due]
        assert main([*words, "--notebooks", "00", "10"], more=(command,)) == 0
        with table.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [(row["student"], row["exercise"], row["right"], row["late"]) for row in rows[-5:]] == [
            ("s01", "00.1", "missing", ""),
            ("s01", "00.2", "missing", ""),
            ("s01", "10.1", "yes", "late"),
            ("s01", "10.2", "no", "late"),
            ("s01", "10.3", "no", "late"),
        ]
        assert {row["student"] for row in rows[:-5]} == {"'=cmd|' /C calc'!A0"}
        assert {row["reason"] for row in rows[:-5]} == {"nothing handed in"}

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--points", "10.9=2"], "there is no exercise or notebook 10.9 in the course."),
            (["--points", "10.1"], "expected EXERCISE=POINTS"),
            (["--notebooks", "77"], "there is no exercise or notebook 77"),
            (["--due", "soon"], "--due is 'soon'; expected a time"),
            (["--students", "nowhere.txt"], "can't be read"),
            (["--jobs", "0"], "--jobs is 0"),
        ],
    )
    def test_wrong_words_are_told_before_any_work(self, tmp_path, counted, capsys, words, says) -> None:
        hand_in(tmp_path / "in", "s01", answered())
        assert main(["grade", str(tmp_path / "in"), "--csv", str(tmp_path / "g.csv"), *words], more=(command,)) == 2
        assert says in capsys.readouterr().err
        assert counted == []

    def test_a_file_that_is_not_ours_is_not_written_over(self, tmp_path) -> None:
        (tmp_path / "grades.json").write_text('{"mine": 1}')
        with pytest.raises(InputError, match="is not of 'ikebook grade'"):
            course.Kept(tmp_path / "grades.json")

    def test_the_page_shows_markup_as_text(self, tmp_path) -> None:
        from ikebook.grading.pages import write_page

        row = {"student": "<script>alert(1)</script>", "exercise": "10.1", "right": "no", "points": 0.0, "of": 1.0}
        write_page(tmp_path / "a.html", [row | {"late": "", "reason": "<b>", "remarks": "", "file": "x"}], ["<i>"])
        text = (tmp_path / "a.html").read_text()
        assert "<script>" not in text
        assert "<b>" not in text
        assert "<i>" not in text


def test_without_a_jail_a_line_says_what_is_not_kept_out(tmp_path, monkeypatch, capsys) -> None:
    from ikebook.grading import session

    monkeypatch.setattr(session, "can_jail", lambda: "this kernel does not allow it")
    hand_in(tmp_path / "in", "ada", answered(x2=F))
    assert main(["grade", str(tmp_path / "in"), "--csv", str(tmp_path / "g.csv")], more=(command,)) == 0
    printed = capsys.readouterr().out
    assert "can't be shut in on this machine (this kernel does not allow it)" in printed.splitlines()[0]
    assert "reach the network and your files" in printed.splitlines()[0]
    assert "ada: 1 of 3 points" in printed
    assert np.loadtxt(tmp_path / "g.csv", delimiter=",", skiprows=1, usecols=3).tolist() == [0, 1, 0]


@pytest.mark.slow  # three whole notebooks
def test_a_lecturers_path_from_the_course_to_a_table_of_three_students(tmp_path) -> None:
    def ikebook(*words: object) -> str:
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-m", "ikebook", *map(str, words)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert "13 notebooks copied" not in ikebook("lab", "course", "--copy-only", "--solutions")  # 26 with the solutions
    own = (tmp_path / "course" / "10_scoring.ipynb").read_text()
    solved = (tmp_path / "course" / "solutions" / "10_scoring.ipynb").read_text()
    forged = json.loads(own)
    for cell in forged["cells"]:
        if "check" in cell["metadata"].get("tags", ()):
            cell["source"] = "".join(cell["source"]).replace("check_answers(", "print('is right', ") + "\n"
    for student, text in (("ada", solved), ("ben", own), ("eve", json.dumps(forged))):
        folder = tmp_path / "handed-in" / student
        folder.mkdir(parents=True)
        (folder / "10_scoring.ipynb").write_text(text)
    printed = ikebook("grade", "handed-in", "--csv", "grades.csv", "--html", "--jobs", "2")
    with (tmp_path / "grades.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["student"], row["right"]) for row in rows] == [
        *[("ada", "yes")] * 3,
        *[("ben", "no")] * 3,
        *[("eve", "no")] * 3,
    ]
    assert all("the check was gone, and is put back" in row["remarks"] for row in rows[6:])
    assert "ada: 3 of 3 points" in printed
    assert (tmp_path / "grades.html").is_file()


def test_what_a_terminal_would_obey_is_not_printed(tmp_path) -> None:
    hand_in(tmp_path, "eve\x1b[2J", answered(x1="raise ValueError('\\x1b]0;owned\\x07')"))
    (found,), _ = find(tmp_path, COURSE)
    assert found.student == "eve [2J"
    graded = grade_notebook(found, COURSE["10"], LIMITS, jailed=not WHY)
    assert reason(graded, "10.1").startswith("the cell stops with ValueError:  ]0;owned , in line 1")
