"""`ikebook evaluate` of some sequences: what is printed is of these, and what is said to be written is there."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from layouts import write_davis, write_image

from ikebook.cli import main
from ikebook.datasets import Davis2016
from ikebook.runs.evaluation import evaluate_masks
from ikebook.runs.runners import SerialRunner

NAMES = ["disc", "still", "tracked"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_davis(tmp_path_factory.mktemp("data") / "root", NAMES, (32, 24))


@pytest.fixture
def masks(data, tmp_path):
    """The annotations themselves, but for one sequence, whose masks are empty."""
    folder = tmp_path / "masks"
    shutil.copytree(data / "Annotations" / "480p", folder)
    for file in (folder / "tracked").iterdir():
        write_image(file, np.zeros((24, 32), np.uint8))
    return folder


def evaluate(data, out, *more) -> int:
    return main(["evaluate", "davis2016", "--root", str(data), "--out", str(out), *map(str, more)])


def results_of(out):
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


class TestOnlyThese:
    def test_the_table_and_its_mean_are_of_those_that_were_asked_for(self, data, masks, tmp_path, capsys) -> None:
        out = tmp_path / "out"
        assert evaluate(data, out, "--masks", masks) == 0
        rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[1:-1]}
        assert list(rows) == [*NAMES, "mean"]
        assert rows["tracked"][0] == "0.0"
        assert evaluate(data, out, "--masks", masks, "--sequences", "disc,still") == 0
        printed = capsys.readouterr()
        rows = {line.split()[0]: line.split()[1:] for line in printed.out.splitlines()[1:-1]}
        assert list(rows) == ["disc", "still", "mean"]
        assert rows["mean"][0] == "100.0"
        note = "ikebook: note: results.json and results.csv also hold 1 other sequence, and their means are of all."
        assert printed.err.splitlines()[-1] == note
        assert list(results_of(out)["sequences"]) == NAMES
        assert results_of(out)["mean"]["J_mean"] == pytest.approx(2 / 3)

    def test_no_note_where_there_are_no_others(self, data, masks, tmp_path, capsys) -> None:
        assert evaluate(data, tmp_path / "out", "--masks", masks, "--sequences", "disc,still") == 0
        assert "note" not in capsys.readouterr().err

    def test_segmented_and_refined_ones_too(self, data, tmp_path, capsys) -> None:
        out, how = tmp_path / "out", ["--size", "16x16", "--refine", "--no-cache"]
        assert evaluate(data, out, "--sequences", "disc,tracked", *how) == 0
        capsys.readouterr()
        assert evaluate(data, out, "--sequences", "disc", *how) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[1:3]] == ["disc", "mean"]
        assert lines[1].split()[1:] == lines[2].split()[1:]
        assert lines[3].startswith("mean, refined")
        refined = results_of(out)["sequences"]["disc"]["refined"]["J_mean"]
        assert float(lines[3].split()[2]) == pytest.approx(100 * refined, abs=0.0501)
        assert lines[-1] == f"Written to {out}: results.json, results.csv, cycles.csv, masks/, refined/"


class TestWhatIsSaidToBeWritten:
    def test_where_all_fail_there_are_the_reasons_alone(self, data, tmp_path, capsys) -> None:
        (tmp_path / "empty").mkdir()
        out = tmp_path / "out"
        assert evaluate(data, out, "--masks", tmp_path / "empty", "--sequences", "disc") == 3
        assert capsys.readouterr().out == f"Written to {out}: results.json\n"
        assert {file.name for file in out.iterdir() if file.name[0] != "."} == {"results.json"}

    def test_each_file_that_is_named_is_there(self, data, masks, tmp_path, capsys) -> None:
        for more in (["--masks", masks], ["--size", "16x16", "--no-cache", "--sequences", "disc"]):
            out = tmp_path / str(len(more))
            assert evaluate(data, out, *more) == 0
            named = capsys.readouterr().out.splitlines()[-1].removeprefix(f"Written to {out}: ").split(", ")
            there = {f"{one.name}/" if one.is_dir() else one.name for one in out.iterdir() if one.name[0] != "."}
            assert set(named) == there - {"sequences/"}


class TestScoringAgain:
    def test_stopped_it_keeps_the_scores_that_it_did_not_come_to(self, data, masks, tmp_path) -> None:
        out, dataset = tmp_path / "out", Davis2016(data)
        first = evaluate_masks(dataset, masks, out)

        def stopping(work, tasks):
            for one in SerialRunner()(work, tasks):
                yield one
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            evaluate_masks(dataset, masks, out, runner=stopping)
        assert results_of(out)["mean"] == pytest.approx(first["mean"])
        with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
            assert [row["sequence"] for row in csv.DictReader(stream)] == NAMES
        assert sorted(file.stem for file in (out / "sequences").iterdir()) == NAMES

    def test_masks_that_are_gone_leave_no_score(self, data, masks, tmp_path) -> None:
        out, dataset = tmp_path / "out", Davis2016(data)
        evaluate_masks(dataset, masks, out)
        shutil.rmtree(masks / "still")
        again = evaluate_masks(dataset, masks, out)
        assert list(again["sequences"]) == ["disc", "tracked"]
        assert list(again["failed"]) == ["still"]
        assert sorted(file.stem for file in (out / "sequences").iterdir()) == ["disc", "tracked"]

    def test_each_is_scored_again(self, data, masks, tmp_path) -> None:
        out, dataset, seen = tmp_path / "out", Davis2016(data), []
        evaluate_masks(dataset, masks, out)

        def counting(work, tasks):
            seen.extend(tasks)
            return SerialRunner()(work, tasks)

        evaluate_masks(dataset, masks, out, runner=counting)
        assert seen == NAMES


class TestNumbersOfWorkers:
    @pytest.mark.parametrize("option", ["--workers", "--threads"])
    @pytest.mark.parametrize("number", ["0", "-1", "2"])
    def test_of_one_video_none_is_taken(self, option, number, data, tmp_path, capsys) -> None:
        frames = data / "JPEGImages" / "480p" / "disc"
        assert main(["segment", str(frames), "--out", str(tmp_path / "out"), f"{option}={number}"]) == 2
        assert "--workers, --cluster, --resources and --threads are for" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("option", ["--workers", "--threads", "--parts"])
    def test_nor_of_several(self, option, data, tmp_path, capsys) -> None:
        frames = [str(data / "JPEGImages" / "480p" / name) for name in NAMES]
        assert main(["segment", *frames, "--out", str(tmp_path / "out"), option, "0"]) == 2
        assert f"{option} is for one video" in capsys.readouterr().err

    @pytest.mark.parametrize("option", ["--workers", "--threads"])
    def test_zero_is_refused_where_they_are_of_use(self, option, data, tmp_path, capsys) -> None:
        frames = data / "JPEGImages" / "480p" / "disc"
        for arguments in (["segment", frames, "--parts", "2"], ["evaluate", "davis2016", "--root", data]):
            assert main([*map(str, arguments), "--out", str(tmp_path / "out"), option, "0"]) == 2
            assert f"{option} is 0; expected a whole number, 1 or more" in capsys.readouterr().err
