"""`ikebook grade`: handed-in notebooks to a table of grades."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.places import user_path

if TYPE_CHECKING:
    from ikebook.grading.outputs import Output

BESIDE = "beside the table"
"""What --html is without a file."""

UNSAFE = (
    "Notebooks can't be shut in on this machine ({why}): only time, memory, processes and the size of files are limited, and they can "
    "reach the network and your files. Run this in a container or a virtual machine without a network."
)


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "grade",
        help="handed-in notebooks of the course, graded",
        description="Run each notebook below DIR where it can do no harm, put the course's own checks in, and write a row for each "
        "student and exercise. A student is a folder below DIR, or what a file's name has beside the notebook's. What was graded "
        "before is not run again: CSV has a file .json beside it that remembers.",
    )
    parser.add_argument("folder", metavar="DIR", help="folder with what was handed in")
    parser.add_argument("--csv", required=True, metavar="FILE", help="where the table goes, such as grades.csv")
    parser.add_argument(
        "--html", nargs="?", const=BESIDE, metavar="FILE", help="write a page too (default: beside the table)"
    )
    parser.add_argument(
        "--points",
        nargs="+",
        default=[],
        metavar="EXERCISE=POINTS",
        help="exercises that count other than 1, such as 02.3=2",
    )
    parser.add_argument("--due", metavar="TIME", help="mark files changed after it as late, such as '2027-01-31 18:00'")
    parser.add_argument("--students", metavar="FILE", help="names, one a line, of those who should have handed in")
    parser.add_argument(
        "--notebooks",
        nargs="+",
        default=[],
        metavar="NUMBER",
        help="that are expected (default: those that anybody has handed in)",
    )
    parser.add_argument("--time", default="10m", help="that a notebook may take (default: %(default)s)")
    parser.add_argument(
        "--memory", default="3G", metavar="SIZE", help="that a notebook may take (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="notebooks at a time (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="run what was graded before, too")
    parser.set_defaults(command="grade", execute=execute)


def execute(options: argparse.Namespace) -> None:
    from ikebook.grading.course import Kept, Rules, grade_all, rows
    from ikebook.grading.handed_in import course_cells, find
    from ikebook.grading.outputs import Output
    from ikebook.grading.pages import write_page, write_table
    from ikebook.grading.session import Limits, can_jail

    check.whole("--jobs", options.jobs, at_least=1)
    seconds = check.seconds("--time", options.time)
    limits = Limits(seconds, cell=seconds / 3, memory=check.memory("--memory", options.memory))
    csv = Output("--csv", user_path(options.csv), (".csv",))
    page = _page(options.html, csv.path)
    for output in (csv, *page):
        output.check()
    kept = Kept(csv.path.with_suffix(".json"), again=options.again)
    rules = Rules(_points(options.points), _due(options.due), _students(options.students), options.notebooks)
    course = course_cells()
    found, left_out = find(user_path(options.folder), course)
    require(bool(found or rules.roster), f"{options.folder} holds no notebook of the course.")
    rows([], [], course, rules)  # words that are wrong are told before an hour of work
    why = can_jail()
    notes = [UNSAFE.format(why=why)] if why else []
    notes += [f"Left out: {line}" for line in left_out]
    for note in notes:
        print(note)
    told = iter(range(1, len(found) + 1))

    def tell(handed_in: Any, graded: Any, before: bool) -> None:
        right = sum(verdict["right"] for verdict in graded["exercises"].values())
        took = "graded before" if before else f"{graded['seconds']:.0f} s"
        of = len(graded["exercises"])
        print(
            f"{next(told)} of {len(found)}: {handed_in.student}, {handed_in.number}: {right} of {of} right ({took})",
            flush=True,
        )

    graded = grade_all(found, course, kept, limits, jailed=not why, jobs=options.jobs, tell=tell)
    table = rows(found, graded, course, rules)
    require(bool(table), "there is nothing to grade: no student has handed in a notebook that has exercises.")
    csv.write(lambda path: write_table(path, table))
    print(f"Written: {csv.path}")
    for output in page:
        output.write(lambda path: write_page(path, table, notes))
        print(f"Written: {output.path}")
    _summarise(table)


def _page(html: str | None, table: Path) -> list[Output]:
    """The page that --html asks for; none where it does not."""
    from ikebook.grading.outputs import Output

    if html is None:
        return []
    path = table.with_suffix(".html") if html == BESIDE else user_path(html)
    return [Output("--html", path, (".html", ".htm"))]


def _summarise(table: list[dict[str, Any]]) -> None:
    from ikebook.grading.course import mistakes, points_by_student

    for student, (had, of) in points_by_student(table).items():
        print(f"{student}: {had:g} of {of:g} points")
    for exercise, reason, count in mistakes(table)[:10]:
        print(f"{count} x {exercise}: {reason}")


def _points(words: list[str]) -> dict[str, float]:
    points = {}
    for word in words:
        exercise, _, value = word.partition("=")
        try:
            points[exercise] = float(value)
        except ValueError:
            raise InputError(f"--points is {word!r}; expected EXERCISE=POINTS, such as 02.3=2.") from None
        check.number(f"--points {exercise}", points[exercise], at_least=0)
    return points


def _due(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InputError(f"--due is {text!r}; expected a time such as '2027-01-31 18:00'.") from None


def _students(path: str | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = user_path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--students {path} can't be read ({error}); expected a text file with a name a line."
        ) from None
    return [line.strip() for line in lines if line.strip()]
