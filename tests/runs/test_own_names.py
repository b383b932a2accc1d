"""Reports, experiments and benchmarks replace what they have written themselves, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from layouts import tree, write_davis

from ikebook.base.files import write_mask
from ikebook.base.written import WrittenFiles
from ikebook.cli import main
from ikebook.datasets import Davis2016
from ikebook.runs.evaluation import evaluate
from ikebook.runs.options import RunOptions

NOTHING = np.zeros((1, 1), bool)
ALL = {
    "report": ["report.md", "report.html", "bars-first.png"],
    "experiment": ["spectrum.csv", "spectrum-disc.png", "spectrum-tracked.png"],
    "bench": ["bench.csv", "bench.json", "curves.csv", "curves.json", "curves.png"],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    root = write_davis(folder / "DAVIS", ["disc", "tracked"], size=(24, 16))
    evaluate(Davis2016(root), folder / "first", RunOptions(size=(16, 16), device="cpu", cache=False))
    return folder


@pytest.fixture
def command(finished, monkeypatch):
    """Runs a command, whose measurements take no time."""
    results = {"rows": [{"method": "exact"}]}
    monkeypatch.setattr("ikebook.experiments.bench.compare_methods", lambda *_, **__: results)
    monkeypatch.setattr("ikebook.experiments.bench.cost_table", lambda _: "a table")
    monkeypatch.setattr("ikebook.experiments.curves.measure_curves", lambda *_, **__: [{"sweep": "frames"}])
    monkeypatch.setattr("ikebook.experiments.curves.fits", lambda _: {})
    monkeypatch.setattr("ikebook.experiments.curves.draw_curves", lambda path, *_: write_mask(path, NOTHING))

    def run(name, out) -> int:
        given = {
            "report": [finished / "first", "--no-frames"],
            "experiment": ["spectrum", "--root", finished / "DAVIS", "--sequences", "disc,tracked", "--size", "12x12"],
            "bench": ["--frames", "4", "--size", "32x24", "--curves"],
        }[name]
        return main([name, *map(str, given), "--out", str(out)])

    return run


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in ALL.items() for file in files])
def test_a_file_of_the_user_s_is_refused_before_any_is_written(name, file, command, tmp_path, capsys) -> None:
    (tmp_path / file).write_bytes(b"mine")
    assert command(name, tmp_path) == 2
    error = capsys.readouterr().err
    assert f"{file} is there, and ikebook has not written it" in error
    assert len(error.splitlines()) == 1
    assert tree(tmp_path) == {file}
    assert (tmp_path / file).read_bytes() == b"mine"


@pytest.mark.parametrize(("name", "files"), ALL.items())
def test_their_own_are_replaced_unless_somebody_has_changed_them(name, files, command, tmp_path, capsys) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert command(name, tmp_path) == 0
    assert command(name, tmp_path) == 0
    assert tree(tmp_path) >= {*files, "mine.txt"}
    (tmp_path / files[0]).write_text("touched up")
    capsys.readouterr()
    assert command(name, tmp_path) == 2
    assert f"{files[0]} is there, and ikebook has not written it, or it has changed since" in capsys.readouterr().err
    assert (tmp_path / files[0]).read_text() == "touched up"


def test_a_report_among_results_harms_none_of_them(finished, command, tmp_path) -> None:
    out = tmp_path / "out"
    options = RunOptions(size=(16, 16), device="cpu", cache=False)
    evaluate(Davis2016(finished / "DAVIS"), out, options)
    before = json.loads((out / "results.json").read_text())
    assert command("report", out) == 0
    evaluate(Davis2016(finished / "DAVIS"), out, options)
    assert json.loads((out / "results.json").read_text())["mean"] == before["mean"]
    assert (out / "report.md").exists()
    with_results = WrittenFiles(out).hashes()
    assert "results.json" in with_results
    assert "report.md" not in with_results
