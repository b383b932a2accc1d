"""Make each notebook's student and solution version from its one source: `make notebooks-build`.

    .venv/bin/python notebooks/source/build.py [--execute] [--check] [--nbgrader DIR] [02 03 ...]

A source is a script with cells marked `# %%` (jupytext's percent format). Tags of its cells:

- `exercise`: the student's empty answer; the solution version is without it
- `solution`: what the solution version has instead; the student version is without it
- `check`: one call of `check_answers`
- `widget`: shows a widget, or works on one
- `guess`, `quiz`: questions with choices, never graded; how they are written, and the hints of exercises, says `teaching.py`

The table of what one is able to do afterwards, in docs/book/lecturers.md, comes from the headers of all sources. docs/rendered has
each notebook as a page with all that it shows: its text is made here, what cells show by docs/book/rendered.py.

Student versions are `notebooks/*.ipynb`, without outputs; solution versions `notebooks/solutions/*.ipynb`, without outputs
but those that tests compare (cells that begin with `# NBVAL_CHECK_OUTPUT`), which `--execute` makes anew. `--check` writes
nothing, and fails where a file is not what its source makes.

Answers and checks carry nbgrader's metadata, by which `ikebook grade` knows them again, too. `--nbgrader DIR` writes a course
folder for nbgrader: the lecturer's versions, from which `nbgrader generate_assignment` makes those for students.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rendered
import teaching

SOURCES = Path(__file__).resolve().parent
STUDENT = SOURCES.parent
SOLUTIONS = STUDENT / "solutions"
COMPARED = "# NBVAL_CHECK_OUTPUT"

LECTURERS = STUDENT.parent / "docs" / "book" / "lecturers.md"
BEGIN, END = "<!-- outcomes, by notebooks/source/build.py -->\n", "\n<!-- end of outcomes -->"

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

COLAB = """\
# On Google Colab: install ikebook. Elsewhere this does nothing.
import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install --quiet git+{repository}")"""


def sources(numbers: list[str] | None = None) -> list[Path]:
    """The sources of all notebooks, or of those with these numbers."""
    found = sorted(SOURCES.glob("[0-9][0-9]_*.py"))
    unknown = sorted(set(numbers or ()) - {path.name[:2] for path in found})
    if unknown:
        sys.exit(f"there is no notebook {', '.join(unknown)}; there are {', '.join(p.name[:2] for p in found)}.")
    return [path for path in found if not numbers or path.name[:2] in numbers]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def read(source: Path) -> NotebookNode:
    """All cells of a source."""
    return jupytext.read(source, fmt="py:percent")


def versions(source: Path) -> tuple[NotebookNode, NotebookNode]:
    """The student and the solution version, without outputs."""
    return _version(source, without="solution"), _version(source, without="exercise")


def _version(source: Path, without: str) -> NotebookNode:
    cells = [cell for cell in read(source).cells if without not in tags(cell)]
    folded = {"tags": ["colab"], "jupyter": {"source_hidden": True}}
    colab = nbformat.v4.new_code_cell(COLAB.format(repository=repository()), metadata=folded)
    cells.insert(1, colab)
    made = nbformat.v4.new_notebook(metadata=KERNEL)
    names = _names(cells, source.name[:2])
    for index, cell in enumerate(cells):
        own: dict[str, Any] = {**cell.metadata, "tags": sorted(tags(cell))} if tags(cell) else {}
        if without == "solution" and "check" in tags(cell):  # a check that says "not yet" does not stop Run All
            own["tags"].append("raises-exception")
        exercise = exercise_of(cells, index)
        if exercise:
            own |= graded_as(*exercise)
        new = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
        made.cells.append(new(_text(cell), metadata=own, id=names[index]))
    if without == "exercise":
        title, _, rest = made.cells[0].source.partition("\n")
        made.cells[0].source = f"{title} (with solutions)\n{rest}"
    return made


def _names(cells: list[NotebookNode], number: str) -> list[str]:
    """An id for each cell. Questions are counted apart, so that the other cells keep theirs when one is added."""
    counts: Counter[str] = Counter()
    names = []
    for cell in cells:
        kind = next(iter(tags(cell) & {"guess", "quiz"}), "cell")
        names.append(f"{kind}-{number}-{counts[kind]:03d}")
        counts[kind] += 1
    return names


def _text(cell: NotebookNode) -> str:
    """A cell's text, with its questions and hints as HTML."""
    if "guess" in tags(cell):
        return teaching.guess(cell.source)
    if "quiz" in tags(cell):
        return teaching.quiz(cell.source)
    return teaching.with_hints(cell.source) if cell.cell_type == "markdown" else cell.source


def repository() -> str:
    """The project's address, as pyproject.toml states it."""
    return tomllib.loads((STUDENT.parent / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def keep_outputs(new: NotebookNode, old: NotebookNode) -> None:
    """Give the compared cells of `new` the outputs that `old` has for the same code."""
    known = {cell.source: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in new.cells:
        if cell.source.startswith(COMPARED) and cell.source in known:
            cell.outputs = known[cell.source].get("outputs", [])
            cell.execution_count = 1  # nbval wants a cell with outputs to have been run


def graded_as(exercise: str, kind: str) -> dict[str, Any]:
    """nbgrader's metadata (schema 3) of the cell of an exercise that is its "answer", or its "check", worth one point."""
    check = kind == "check"
    points = {"points": 1} if check else {}
    rest = {"grade": check, "locked": check, "solution": not check, "task": False, "schema_version": 3}
    return {"nbgrader": {"grade_id": f"{kind}-{exercise.replace('.', '-')}", **points, **rest}}


def exercise_of(cells: list[NotebookNode], index: int) -> tuple[str, str] | None:
    """The exercise that a cell belongs to, and whether it is its "answer" or its "check"."""
    if not tags(cells[index]) & {"exercise", "solution", "check"}:
        return None
    check = next(cell for cell in cells[index:] if "check" in tags(cell))
    return check.source.split('"')[1], "check" if check is cells[index] else "answer"


NBGRADER = """\
# Written by ikebook's notebooks/source/build.py. `nbgrader generate_assignment ikebook` makes the students' versions.
c = get_config()
c.CourseDirectory.course_id = "ikebook"
c.ClearSolutions.code_stub = {"python": "# your answer"}
c.IncludeHeaderFooter.header = ""
"""


def lecturers(source: Path) -> NotebookNode:
    """A notebook as nbgrader wants it of a lecturer: one cell for an answer, empty, then right between marks."""
    student, solution = versions(source)
    right = {cell.metadata.nbgrader.grade_id: cell.source for cell in solution.cells if "solution" in tags(cell)}
    for cell in student.cells:
        if "exercise" in tags(cell):
            answer = right[cell.metadata.nbgrader.grade_id]
            cell.source = f"{cell.source}\n### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
    return student


def write_for_nbgrader(folder: Path, chosen: list[Path]) -> None:
    """Write FOLDER/source/ikebook/*.ipynb and nbgrader's configuration."""
    target = folder / "source" / "ikebook"
    target.mkdir(parents=True, exist_ok=True)
    for source in chosen:
        nbformat.write(lecturers(source), target / f"{source.stem}.ipynb")
    (folder / "nbgrader_config.py").write_text(NBGRADER, encoding="utf-8")
    print(f"written for nbgrader: {folder}")


def executed(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """A copy of a notebook with all its outputs, but for widgets: what is compared does not depend on them."""
    from nbclient import NotebookClient

    copy = nbformat.from_dict(notebook)
    copy.cells = [cell for cell in copy.cells if "widget" not in tags(cell)]
    NotebookClient(copy, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return copy


def files(source: Path, execute: bool = False) -> dict[Path, str]:
    """What the two versions should contain, by file."""
    student, solution = versions(source)
    target = SOLUTIONS / f"{source.stem}.ipynb"
    if execute:
        keep_outputs(solution, executed(solution, SOLUTIONS))
    elif target.is_file():
        keep_outputs(solution, nbformat.read(target, as_version=4))
    for cell in solution.cells:
        for output in cell.get("outputs", ()):
            output.pop("execution_count", None)
            if output.output_type == "execute_result":
                output.execution_count = None
    made = {STUDENT / f"{source.stem}.ipynb": student, target: solution}
    for notebook in made.values():
        nbformat.validate(notebook)
    texts = {path: nbformat.writes(notebook) + "\n" for path, notebook in made.items()}
    if rendered.FOLDER.is_dir():  # a source distribution is without docs/
        page = rendered.FOLDER / f"{source.stem}.md"
        before = page.read_text(encoding="utf-8") if page.is_file() else ""
        texts[page] = rendered.markdown(source.stem, solution, tags, rendered.shown_before(before))
    return texts


def pages_of_all() -> dict[Path, str]:
    """What the pages should contain that speak of all notebooks, by file."""
    headers = {source: read(source).cells[0].source for source in sources()}
    titles = {source.stem: header.partition("\n")[0].removeprefix("# ") for source, header in headers.items()}
    made = {rendered.FOLDER / "README.md": rendered.contents(titles)} if rendered.FOLDER.is_dir() else {}
    if LECTURERS.is_file():
        made[LECTURERS] = lecturers_page({source.name[:2]: header for source, header in headers.items()})
    return made


def lecturers_page(headers: dict[str, str]) -> str:
    """The book's page for lecturers, with the table of all outcomes as the sources' headers state them."""
    before, _, rest = LECTURERS.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{teaching.table(headers)}{END}{rest.partition(END)[2]}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the notebooks from their sources.")
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="only these, such as 02")
    parser.add_argument(
        "--execute", action="store_true", help="run the solutions, and keep the outputs that are compared"
    )
    parser.add_argument("--nbgrader", metavar="DIR", help="write a course folder for nbgrader, and nothing else")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not up to date")
    options = parser.parse_args()
    if options.nbgrader:
        write_for_nbgrader(Path(options.nbgrader), sources(options.numbers))
        return 0
    SOLUTIONS.mkdir(exist_ok=True)
    stale = []
    makers = [pages_of_all]
    makers += [partial(files, source, options.execute) for source in sources(options.numbers)]
    for make in makers:
        for path, text in make().items():
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(path)
            if not options.check:
                path.write_text(text, encoding="utf-8")
                print(f"written: {path.relative_to(STUDENT.parent)}")
    if options.check and stale:
        print(f"not up to date: {', '.join(path.name for path in stale)}; run make notebooks-build", file=sys.stderr)
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
