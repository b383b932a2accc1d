"""What each notebook teaches with: guesses, a quiz, hints, a wrap-up, and outcomes that its exercises show."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "notebooks" / "source" / "build.py"
if not BUILD.exists():
    pytest.skip("no notebooks/source: it is part of a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("build_for_teaching", BUILD)
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
teaching = build.teaching

SOURCES = build.sources()
UNFORESEEABLE = {"05": ["pale blue elsewhere"], "07": ["for mistakes in it"]}
"""What is looked at without a guess before: it has been seen in the notebook before, or is a matter of the clip."""


@cache
def cells_of(source: Path) -> list:
    """A source's cells, read once."""
    return build.read(source).cells


def text_of(cells) -> str:
    return "\n\n".join(cell.source for cell in cells)


def missing(number: str, cells) -> list[str]:
    """What a notebook's source lacks, in words."""
    found = []
    kinds = [next(iter(build.tags(cell) & {"guess", "quiz"}), "") for cell in cells]
    if kinds.count("guess") < 2:
        found.append("two guesses")
    if kinds.count("quiz") != 1 or kinds[-2] != "quiz":
        found.append("a quiz before its last cell")
    guessed = False
    for kind, cell in zip(kinds, cells, strict=True):
        guessed |= kind == "guess"
        if "**Look" in cell.source and cell.cell_type == "markdown":
            known = any(part in cell.source for part in UNFORESEEABLE.get(number, ()))
            if not guessed and not known:
                found.append(f"a guess before: {cell.source[cell.source.index('**Look') :][:60]}")
            guessed = False
    for cell in cells:
        for exercise in teaching.exercises(cell.source):
            steps = [hint["step"] for hint in teaching.HINT.finditer(cell.source)]
            if steps != ["Hint", "Nearly"]:
                found.append(f"two hints of {exercise}, not {steps}")
    last = cells[-1].source
    if not last.startswith("## What to take along") or not 3 <= len(sentences(last)) <= 5:
        found.append("a wrap-up of three to five sentences")
    if not re.search(r"Secs?\. \d|Sections? \d", last.partition("**Wrap-up.**")[2]) or ".ipynb)" not in last:
        found.append("a wrap-up with sections of the paper, and what comes next")
    exercises = set(teaching.exercises(text_of(cells)))
    shown = [where for outcome in teaching.outcomes(cells[0].source) for where in outcome.shown_by]
    if not 3 <= len(teaching.outcomes(cells[0].source)) <= 5:
        found.append("three to five outcomes")
    if not set(shown) <= exercises | {"quiz 1", "quiz 2", "quiz 3"}:
        found.append(f"the exercises that outcomes name: {shown}")
    if not exercises <= set(shown):
        found.append(f"outcomes that name {exercises - set(shown)}")
    return found


def sentences(last_cell: str) -> list[str]:
    """Those of a wrap-up."""
    text = " ".join(last_cell.partition("**Wrap-up.**")[2].split())
    text = re.sub(r"\b(Secs?|Figs?|Eqs?)\.", r"\1", text)
    return [one for one in re.split(r"(?<=[.?!:])\s+(?=[A-Z\[])", text) if not one.startswith("[")]


each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@each_source
def test_nothing_is_missing(source) -> None:
    assert missing(source.name[:2], cells_of(source)) == []


@each_source
def test_whatever_is_taken_away_is_missed(source) -> None:
    number = source.name[:2]
    cells = cells_of(source)
    for index, cell in enumerate(cells):
        tags = build.tags(cell)
        if "quiz" in tags or ("guess" in tags and len([c for c in cells if "guess" in build.tags(c)]) == 2):
            assert missing(number, cells[:index] + cells[index + 1 :])
        if teaching.exercises(cell.source):
            kept = cell.source
            cell.source = kept.replace("*Nearly:", "*Almost:")
            assert missing(number, cells)
            cell.source = kept
    for cell, part in ((cells[-1], "**Wrap-up.**"), (cells[0], f"({number}.")):
        if part in cell.source:
            kept = cell.source
            cell.source = kept.replace(part, "(")
            assert missing(number, cells)
            cell.source = kept


@each_source
def test_every_question_has_one_right_choice_and_a_reason_for_each(source) -> None:
    for cell in cells_of(source):
        if not build.tags(cell) & {"guess", "quiz"}:
            continue
        for question in teaching.questions(cell.source):
            assert sum(choice.right for choice in question.choices) == 1
            assert 2 <= len(question.choices) <= 4
            assert all(len(choice.reason) > 15 for choice in question.choices)
            assert re.search(r"[?:]", question.text), question.text
            assert len({choice.text for choice in question.choices}) == len(question.choices)


@each_source
def test_a_guess_comes_before_a_cell_that_shows(source) -> None:
    cells = cells_of(source)
    for index, cell in enumerate(cells):
        if "guess" in build.tags(cell):
            after = cells[index + 1]
            assert after.cell_type == "code"
            assert not build.tags(after) & {"exercise", "solution", "check"}


@each_source
def test_the_right_choice_is_not_always_at_the_same_place(source) -> None:
    cells = [cell for cell in cells_of(source) if build.tags(cell) & {"guess", "quiz"}]
    asked = [question for cell in cells for question in teaching.questions(cell.source)]
    places = {[choice.right for choice in question.choices].index(True) for question in asked}
    assert len(places) > 1


@each_source
def test_hints_do_not_hold_the_solution(source) -> None:
    cells = cells_of(source)
    for index, cell in enumerate(cells):
        if "solution" not in build.tags(cell):
            continue
        task = cells[index - 2].source
        hints = squeezed(" ".join(hint["text"] for hint in teaching.HINT.finditer(task)))
        last = ast.parse(cell.source).body[-1]
        lines = last.body if isinstance(last, ast.FunctionDef) else [last]
        values = [line.value for line in lines if isinstance(line, ast.Assign | ast.Return)]
        answers = [squeezed(ast.unparse(value)) for value in values]
        assert not all(answer in hints for answer in answers), task


def squeezed(text: str) -> str:
    return re.sub(r"[\s>`\"']", "", text)


@each_source
def test_both_versions_have_them_as_elements_that_open(source) -> None:
    written = cells_of(source)
    asked = [teaching.questions(cell.source) for cell in written if build.tags(cell) & {"guess", "quiz"}]
    choices = sum(len(question.choices) for questions in asked for question in questions)
    hints = 2 * len(teaching.exercises(text_of(written)))
    for version in build.versions(source):
        text = text_of(cell for cell in version.cells if cell.cell_type == "markdown")
        assert text.count("<details><summary>") == text.count("</details>") == choices + hints
        assert text.count(f"\n\n{teaching.RIGHT} ") == sum(len(questions) for questions in asked)
        assert "::" not in text
        assert "*Hint:" not in text
        for cell in version.cells:
            if build.tags(cell) & {"guess", "quiz"}:
                assert re.fullmatch(r"(guess|quiz)-\d\d-\d{3}", cell.id)


def test_cells_keep_their_names_when_a_guess_is_added() -> None:
    cells = cells_of(SOURCES[2])
    without = [cell for cell in cells if not build.tags(cell) & {"guess", "quiz"}]
    names = [name for name in build._names(cells, "02") if name.startswith("cell")]
    assert names == build._names(without, "02")


@pytest.mark.parametrize(
    "text",
    [
        "What?\n- a :: for this\n- b :: for that",
        "What?\n+ a :: for this\n+ b :: for that",
        "What?\n+ a :: for this",
        "What?\n+ a :: for this\n- b",
        "What?\n+ $a$ :: for this\n- b :: for that",
    ],
    ids=["none right", "two right", "one choice", "no reason", "a formula in a choice"],
)
def test_what_is_no_question_is_refused(text) -> None:
    with pytest.raises(ValueError, match="expected"):
        teaching.guess(text)


def test_a_choice_shows_code_and_is_no_markup() -> None:
    made = teaching.guess("Which?\n- `a_b` and *c* < d :: It is\n  too long.\n+ e :: Yes, $e$.")
    assert "<summary><code>a_b</code> and <em>c</em> &lt; d</summary>\n\n**No.** It is too long.\n\n</details>" in made
    assert "**Yes.** Yes, $e$." in made


@pytest.mark.skipif(not build.LECTURERS.exists(), reason="the documents come with a checkout only")
def test_the_lecturers_page_has_all_outcomes() -> None:
    page = build.LECTURERS.read_text(encoding="utf-8")
    assert page == build.pages_of_all()[build.LECTURERS], "run make notebooks-build"
    rows = re.findall(r"^\| (\d\d) \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    assert {number for number, _ in rows} == {source.name[:2] for source in SOURCES}
    named = {one for _, shown in rows for one in shown.split(", ") if "quiz" not in one}
    assert named == {one for source in SOURCES for one in teaching.exercises(text_of(cells_of(source)))}
