"""Who has handed in what: a folder of notebooks, in whatever order students or a learning platform have left it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ikebook.base.check import InputError, require
from ikebook.course.lab import notebooks
from ikebook.grading.student_code import checks_called

MOST_BYTES, MOST_CELLS = 50_000_000, 2000
"""Of a notebook's file, with its outputs."""


@dataclass(frozen=True)
class Cell:
    """A notebook's cell: its kind, its text, and what its metadata say."""

    kind: str
    source: str
    name: str
    tags: frozenset[str]

    @property
    def checks(self) -> tuple[str, ...]:
        """The exercises that the cell checks."""
        return checks_called(self.source) if self.kind == "code" else ()

    @property
    def check(self) -> str | None:
        """The exercise that a cell of the course's checks: one at most."""
        return next(iter(self.checks), None)


@dataclass(frozen=True)
class HandedIn:
    """One file of one student's.

    Parameters
    ----------
    student : the name of the folder it lies in, or what its own name has beside the notebook's
    path : where it lies
    number : of the notebook that it is, such as "02"
    renamed : whether it is called as another one, or as none
    written : when it was last changed
    """

    student: str
    path: Path
    number: str
    renamed: bool
    written: datetime


def read_cells(path: Path) -> list[Cell]:
    """The cells of a notebook's file; raise `InputError` where it is none."""
    try:
        require(path.stat().st_size <= MOST_BYTES, f"{path.name} is larger than {MOST_BYTES // 1_000_000} MB.")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        require(len(cells) <= MOST_CELLS, f"{path.name} has more than {MOST_CELLS} cells.")
        return [_cell(cell) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path.name} is no notebook that can be read ({type(error).__name__}).") from None


def _cell(cell: dict[str, Any]) -> Cell:
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    metadata = cell.get("metadata", {})
    named = metadata.get("nbgrader", {}).get("grade_id") or cell.get("id") or metadata.get("id", "")
    return Cell(str(cell["cell_type"]), text, str(named), frozenset(map(str, metadata.get("tags", ()))))


def printable(text: str) -> str:
    """A text without what a terminal would obey: names and messages of others may hold anything."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def course_cells() -> dict[str, list[Cell]]:
    """The cells of the course's notebooks, as students get them, by number."""
    return {path.name[:2]: read_cells(path) for path in notebooks()}


def find(folder: Path, course: dict[str, list[Cell]]) -> tuple[list[HandedIn], list[str]]:
    """The notebooks below a folder, and a line for each file that is left out.

    Of several versions of one notebook by one student, the one that was changed last is taken.
    """
    require(folder.is_dir(), f"{folder} is no folder; name the one with the notebooks that were handed in.")
    stems = {path.name[:2]: path.stem for path in notebooks()}
    newest: dict[tuple[str, str], HandedIn] = {}
    left_out = []
    for path in sorted(folder.rglob("*.ipynb")):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        shown = printable(str(inside))
        if not path.resolve().is_relative_to(folder.resolve()):
            left_out.append(f"{shown}: a link that leads out of the folder")
            continue
        try:
            cells = read_cells(path)
            said = f"{shown} has no exercise of the course's in it, and no name of its notebooks."
        except InputError as error:
            cells, said = [], printable(str(error))
        named = next((number for number, stem in stems.items() if stem in path.stem), None)
        number = _number_by_content(cells, course) or named
        if number is None:
            left_out.append(said)
            continue
        own = inside.parts[0] if len(inside.parts) > 1 else _own_part(path.stem, stems.get(named or "", ""))
        written = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        found = HandedIn(printable(own), path, number, number != named, written)
        before = newest.setdefault((found.student, number), found)
        if before is not found:
            older, newer = sorted((before, found), key=lambda one: one.written)
            left_out.append(
                f"{printable(str(older.path.relative_to(folder)))}: {found.student} has handed in {number} again"
            )
            newest[found.student, number] = newer
    return [newest[key] for key in sorted(newest)], left_out


def _number_by_content(cells: Iterable[Cell], course: dict[str, list[Cell]]) -> str | None:
    """The notebook whose exercises these are."""
    votes = Counter(check[:2] for cell in cells for check in cell.checks)
    names = {cell.name: number for number, own in course.items() for cell in own if cell.kind == "code" and cell.name}
    votes.update(names[cell.name] for cell in cells if cell.name in names)
    return votes.most_common(1)[0][0] if votes and votes.most_common(1)[0][0] in course else None


def _own_part(stem: str, notebook: str) -> str:
    """What a file's name says of its student."""
    return (stem.replace(notebook, "") if notebook else stem).strip(" _-.") or stem
