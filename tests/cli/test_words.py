"""Words of the command line that are empty, have spaces or lead in circles, and files of JSON that nobody has written so."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from layouts import tree, write_davis, write_frames

from ikebook.base.written import LISTS, WrittenFiles
from ikebook.cli import main
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import toy
from ikebook.runs.evaluation import evaluate
from ikebook.runs.json_types import has_type
from ikebook.runs.options import RunOptions


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    root = write_davis(folder / "DAVIS", ["disc", "tracked"], size=(24, 16))
    evaluate(Davis2016(root), folder / "out", RunOptions(size=(16, 16), device="cpu", cache=False))
    return folder


@pytest.fixture
def one_line(capsys):
    """Runs a command that is refused: exit code 2, and one line, which it gives."""

    def run(*arguments) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        printed, error = capsys.readouterr()
        assert printed == ""
        assert len(error.splitlines()) == 1
        return error

    return run


class TestWords:
    @pytest.mark.parametrize("empty", ["", " "])
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["segment", "frames", "--out", "EMPTY"], "--out"),
            (["segment", "EMPTY", "--out", "out"], "input"),
            (["segment", "frames", "--out=EMPTY"], "--out"),
            (["segment", "frames", "--out", "out", "--cue", "EMPTY"], "--cue"),
            (["evaluate", "davis2016", "--root", "EMPTY", "--out", "out"], "--root"),
            (["evaluate", "davis2016", "--root", "d", "--out", "out", "--feature-flow", "EMPTY"], "--feature-flow"),
            (["report", "EMPTY", "--out", "out"], "results"),
            (["demo", "--out", "EMPTY"], "--out"),
            (["lab", "EMPTY"], "folder"),
        ],
    )
    def test_an_empty_one_is_named(self, empty, arguments, named, one_line, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        line = one_line(*(word.replace("EMPTY", empty) for word in arguments))
        assert line == f"ikebook: {named} is empty; expected a value, or leave it out.\n"
        assert tree(tmp_path) == set()

    def test_spaces_after_commas(self, finished, tmp_path, one_line, capsys) -> None:
        given = ["evaluate", "davis2016", "--root", finished / "DAVIS", "--out", tmp_path / "out", "--size", "16x16"]
        assert main([*map(str, given), "--sequences", "tracked, disc"]) == 0
        assert sorted(json.loads((tmp_path / "out" / "results.json").read_text())["sequences"]) == ["disc", "tracked"]
        capsys.readouterr()
        assert "expected names with a comma between them" in one_line(*given, "--sequences", "disc,,tracked")
        experiment = [
            "experiment",
            "spectrum",
            "--root",
            finished / "DAVIS",
            "--out",
            tmp_path / "e",
            "--size",
            "12x12",
        ]
        assert main([*map(str, experiment), "--sequences", " disc , tracked"]) == 0

    def test_links_in_a_circle(self, tmp_path, one_line) -> None:
        frames = write_frames(tmp_path / "frames", toy("disc", (48, 32), 5).clip.frames)
        (tmp_path / "one").symlink_to(tmp_path / "two")
        (tmp_path / "two").symlink_to(tmp_path / "one")
        (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
        for out in ("one", "two/inner", "broken"):
            for command in (["segment", frames], ["demo"], ["bench"], ["report", tmp_path]):
                line = one_line(*command, "--out", tmp_path / out)
                assert "is a link that leads nowhere; name a folder" in line
        assert "does not exist" in one_line("segment", tmp_path / "one", "--out", tmp_path / "out")
        assert "one" in one_line("segment", frames, "--out", tmp_path / "out", "--cue", tmp_path / "one")
        assert "one" in one_line("evaluate", "davis2016", "--root", tmp_path / "one", "--out", tmp_path / "out")

    def test_what_data_list_says_to_type_can_be_typed(self, capsys, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["data", "list"]) == 0
        command, code = re.findall(r"'([^']+)'", capsys.readouterr().out.rpartition("demo\n")[2])
        assert command == "ikebook demo"
        names: dict[str, object] = {}
        exec(f"made = None; {code.replace('ikebook.demo()', 'made = ikebook.demo()')}", names)
        assert repr(names["made"]).startswith("Toy('demo', 24 frames")


DEEP = '{"a": ' * 900 + "1" + "}" * 900
STRANGE = {
    "deep": DEEP,
    "deeper": "[" * 200_000,
    "long": '{"mean": ' + "9" * 5000 + "}",
    "large": '{"mean": {"J_mean": 1' + "0" * 400 + "}}",
    "infinite": '{"mean": {"J_mean": 1e999}}',
    "nan": '{"mean": {"J_mean": NaN}}',
}


class TestJson:
    @pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
    def test_a_file_is_refused_in_one_line_or_made_anew(self, text, finished, tmp_path, one_line, capsys) -> None:
        out = tmp_path / "out"
        given = ["evaluate", "davis2016", "--root", finished / "DAVIS", "--out", out, "--size", "16x16", "--no-cache"]
        assert main([*map(str, given)]) == 0
        for name in ("results.json", "sequences/disc.json", f"{LISTS}/files.jsonl", ".owner.json"):
            before = (out / name).read_bytes() if (out / name).exists() else None
            (out / name).write_text(text)
            capsys.readouterr()
            if name == "results.json":
                assert "holds no results" in one_line("report", out, "--out", tmp_path / "report")
            code = main([*map(str, given)])
            error = capsys.readouterr().err
            assert code in (0, 2, 3)
            assert code != 2 or len(error.splitlines()) == 1
            assert code != 3 or ("disc: failed: " in error and "disc.json is no file of ikebook" in error)
            with contextlib.suppress(FileNotFoundError):
                (out / name).unlink()
            if before is not None:
                (out / name).write_bytes(before)

    @pytest.mark.parametrize("where", ["mean", "disc", "options", "failed"])
    def test_strange_values_deep_in_results(self, where, finished, tmp_path, one_line) -> None:
        results = json.loads((finished / "out" / "results.json").read_text())
        for value in (json.loads(DEEP), 10**400, float("inf"), float("nan")):
            changed = json.loads(json.dumps(results))
            if where == "disc":
                changed["sequences"]["disc"]["J_mean"] = value
            else:
                changed[where]["J_mean"] = value
            (tmp_path / "results.json").write_text(json.dumps(changed))
            code = main(["report", str(tmp_path), "--out", str(tmp_path / "report"), "--no-frames"])
            assert code == (0 if where == "options" and not isinstance(value, dict) else 2)

    def test_a_list_and_a_note(self, finished, tmp_path) -> None:
        from ikebook.base.provenance import UNKNOWN, read_note

        (tmp_path / LISTS).mkdir()
        (tmp_path / LISTS / "files.jsonl").write_text('["a.png", "1"]\n' + "[" * 100_000 + '\n["b.png", "2"]\n')
        assert WrittenFiles(tmp_path).hashes() == {"a.png": ["1"], "b.png": ["2"]}
        (tmp_path / "source.json").write_text("[" * 60_000)
        assert read_note(Path(tmp_path), "flow", "x").supervision == UNKNOWN

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400])
    def test_what_is_no_number(self, value) -> None:
        assert not has_type(value, float)
        assert not has_type(value, float | None)
        assert not has_type(value, int)
        assert has_type(1e300, float)
        assert not has_type(1 << 64, int)
