"""Where `ikebook grade` writes: nowhere that it can't, which is told before any notebook is run, and over nobody else's file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ikebook.cli import main
from ikebook.course.lab import notebooks
from ikebook.grading import command, course

NOT_OURS = "is there, and ikebook has not written it, or it has changed since; move it, or choose another"


@pytest.fixture
def graded(monkeypatch) -> list[str]:
    """The students whose notebooks were graded; all that they have done is right."""
    done: list[str] = []

    def quick(handed_in, own, limits, *, jailed):
        done.append(handed_in.student)
        fine = {"right": True, "reason": "Yes.", "remarks": []}
        return {
            "exercises": {cell.check: dict(fine) for cell in own if cell.check},
            "remarks": [],
            "seconds": 1.0,
        }

    monkeypatch.setattr(course, "grade_notebook", quick)
    return done


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder to work in, with what ada has handed in."""
    (tmp_path / "in" / "ada").mkdir(parents=True)
    shutil.copy(notebooks()[0], tmp_path / "in" / "ada")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grade(*words: str) -> int:
    return main(["grade", "in", *words], more=(command,))


def only_line(capsys) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def everything(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("name", "words", "option"),
    [
        ("p.csv", ["--csv", "p.csv"], "--csv"),
        ("p.csv", ["--csv", "p.csv", "--html", "--again"], "--csv"),
        ("p.html", ["--csv", "p.csv", "--html"], "--html"),
        ("other.html", ["--csv", "p.csv", "--html", "other.html"], "--html"),
    ],
)
def test_files_of_others_stay_and_no_notebook_is_run(place, graded, capsys, name, words, option) -> None:
    (place / name).write_text("precious")
    before = everything(place)
    assert grade(*words) == 2
    assert f"{name} {NOT_OURS} {option}." in only_line(capsys)
    assert everything(place) == before
    assert graded == []


@pytest.mark.parametrize("again", [[], ["--again"]])
def test_nor_is_the_memory_written_over_that_is_none(place, graded, capsys, again) -> None:
    (place / "p.json").write_text('{"mine": 1}')
    assert grade("--csv", "p.csv", *again) == 2
    assert "p.json is not of 'ikebook grade'" in only_line(capsys)
    assert (place / "p.json").read_text() == '{"mine": 1}'
    assert graded == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--csv", "p.csv", "--html", "p.csv"], "--html is p.csv; expected a file named .html."),
        (["--csv", "p.csv", "--html", "p.json"], "--html is p.json; expected a file named .html."),
        (["--csv", "p.txt"], "--csv is p.txt; expected a file named .csv."),
        (["--csv", "in/ada/00_start_here.ipynb/p.csv"], "p.csv can't be written (Not a directory)"),
        (["--csv", f"{'p' * 300}.csv"], "can't be written (File name too long)"),
        (["--csv", "p.csv", "--html", "nowhere/p.html"], "--html nowhere/p.html can't be written (No such file"),
    ],
)
def test_what_can_t_be_written_is_told_before_any_work(place, graded, capsys, words, says) -> None:
    (place / "nowhere").symlink_to("gone")
    before = everything(place)
    assert grade(*words) == 2
    assert says in only_line(capsys)
    assert everything(place) == before
    assert graded == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no file system that nobody can write to")
@pytest.mark.parametrize("path", ["/proc/x.csv", "/proc/new/x.csv"])
def test_it_is_the_users_file_that_is_named(place, graded, capsys, path) -> None:
    assert grade("--csv", path) == 2
    assert f"--csv {path} can't be written (" in only_line(capsys)
    assert graded == []


def test_the_next_call_goes_on_and_replaces_what_the_last_one_wrote(place, graded) -> None:
    words = ["--csv", "out/p.csv", "--html", "pages/p.html"]
    assert grade(*words) == 0
    first = everything(place)
    assert grade(*words) == 0
    assert graded == ["ada"]
    shutil.copytree(place / "in" / "ada", place / "in" / "ben")
    assert grade(*words) == 0
    assert graded == ["ada", "ben"]
    assert "ben" in (place / "out" / "p.csv").read_text()
    assert "ben" in (place / "pages" / "p.html").read_text()
    assert grade(*words, "--again") == 0
    assert graded == ["ada", "ben", "ada", "ben"]
    assert not any(name.endswith(".csv") and b"ben" in content for name, content in first.items())


def test_a_table_that_was_edited_stays_and_what_was_graded_is_kept(place, graded, capsys, monkeypatch) -> None:
    assert grade("--csv", "p.csv") == 0
    (place / "p.csv").write_text("with my own marks")
    assert grade("--csv", "p.csv") == 2
    assert f"p.csv {NOT_OURS} --csv." in only_line(capsys)
    assert (place / "p.csv").read_text() == "with my own marks"
    (place / "p.csv").unlink()
    assert grade("--csv", "p.csv") == 0
    assert graded == ["ada"]


def test_a_table_that_is_put_there_meanwhile_stays(place, graded, capsys, monkeypatch) -> None:
    quick = course.grade_notebook

    def slow(*words, **options):
        (place / "p.csv").write_text("precious")
        return quick(*words, **options)

    monkeypatch.setattr(course, "grade_notebook", slow)
    assert grade("--csv", "p.csv") == 2
    assert f"p.csv {NOT_OURS} --csv." in only_line(capsys)
    assert (place / "p.csv").read_text() == "precious"
    assert json.loads((place / "p.json").read_text())["ikebook grade"]


def test_verdicts_of_another_grader_are_not_taken_over(place, graded, monkeypatch) -> None:
    """Whoever mends the grader wants all notebooks graded again, also between two versions."""
    assert grade("--csv", "p.csv") == 0
    own = Path(course.__file__)
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"# mended" * (path.name == own.name))
    assert grade("--csv", "p.csv") == 0
    assert graded == ["ada", "ada"]


def test_a_link_is_nobodys_to_replace(place, graded, capsys) -> None:
    (place / "elsewhere.csv").write_text("precious")
    (place / "p.csv").symlink_to("elsewhere.csv")
    assert grade("--csv", "p.csv") == 2
    assert NOT_OURS in only_line(capsys)
    assert graded == []
