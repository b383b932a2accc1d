"""Results of a data set are those of the files that are there now: what has changed since is done again, and nothing else."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from layouts import read_grey, tree, write_davis, write_image

import ikebook.runs.sequence
from ikebook.base.check import InputError
from ikebook.cli import main
from ikebook.datasets import DATASETS, Davis2016
from ikebook.datasets.toys import toy
from ikebook.flow import write_flo
from ikebook.runs.evaluation import evaluate, evaluate_masks
from ikebook.runs.options import RunOptions

SEQUENCES = ["disc", "tracked"]
OPTIONS = RunOptions(size=(16, 16), device="cpu", cache=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    home = tmp_path_factory.mktemp("finished")
    root = write_davis(home / "DAVIS", SEQUENCES, size=(24, 16))
    return root, home / "out", evaluate(Davis2016(root), home / "out", OPTIONS)


@pytest.fixture
def place(finished, tmp_path, monkeypatch):
    """A copy of a finished evaluation at the place where it was made: data, results."""
    root, out, _ = finished
    shutil.copytree(root, tmp_path / "kept", symlinks=True)
    shutil.copytree(out, tmp_path / "out")
    yield root, tmp_path / "out"
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "kept", root)


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """Names of the sequences that are segmented."""
    names: list[str] = []
    actual = ikebook.runs.sequence.run

    def counted(clip, *arguments, **more):
        names.append(clip.name)
        return actual(clip, *arguments, **more)

    monkeypatch.setattr(ikebook.runs.sequence, "run", counted)
    return names


def scores(results) -> dict[str, float]:
    return {name: entry["J_mean"] for name, entry in results["sequences"].items()}


def masks(out) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in tree(out) if name.endswith(".png")}


class TestInputs:
    def test_frames_that_were_replaced(self, place, finished, done, tmp_path) -> None:
        root, out = place
        for index, frame in enumerate(toy("occluder", (24, 16), 5).clip.frames):
            write_image(root / "JPEGImages" / "480p" / "disc" / f"{index:05d}.jpg", frame)
        results = evaluate(Davis2016(root), out, OPTIONS)
        assert done == ["disc"]
        fresh = evaluate(Davis2016(root), tmp_path / "fresh", OPTIONS)
        assert scores(results) == scores(fresh) != scores(finished[2])
        assert masks(out) == masks(tmp_path / "fresh")

    def test_frames_that_are_fewer_leave_no_mask_of_the_others(self, place, done) -> None:
        root, out = place
        for folder in ("JPEGImages", "Annotations"):
            next((root / folder / "480p" / "disc").glob("00004.*")).unlink()
        assert evaluate(Davis2016(root), out, OPTIONS)["sequences"]["disc"]["frames"] == 4
        assert done == ["disc"]
        assert sorted(file.name for file in (out / "masks" / "disc").iterdir()) == [f"0000{i}.png" for i in range(4)]

    def test_annotations_that_were_replaced(self, place, finished, done) -> None:
        root, out = place
        for file in (root / "Annotations" / "480p" / "tracked").iterdir():
            write_image(file, 255 - read_grey(file))
        results = evaluate(Davis2016(root), out, OPTIONS)
        assert done == ["tracked"]
        assert results["sequences"]["tracked"]["J_mean"] < finished[2]["sequences"]["tracked"]["J_mean"]

    def test_flow_that_was_replaced(self, place, done, tmp_path) -> None:
        root, _ = place
        for direction in ("forward", "backward"):
            for index, field in enumerate(getattr(toy("disc", (24, 16), 5).flow, direction)):
                write_flo(tmp_path / "flow" / "disc" / direction / f"{index:05d}.flo", field)
        options = RunOptions(size=(16, 16), device="cpu", cache=False, flow=str(tmp_path / "flow"))
        for count in (1, 1, 2):
            if count == 2:
                write_flo(tmp_path / "flow" / "disc" / "forward" / "00000.flo", np.zeros((16, 24, 2), np.float32))
            evaluate(Davis2016(root), tmp_path / "new", options, ["disc"])
            assert done == ["disc"] * count

    def test_files_with_another_date_are_the_same(self, place, finished, done) -> None:
        root, out = place
        for file in root.rglob("*.*"):
            os.utime(file, (1e9, 1e9))
        assert scores(evaluate(Davis2016(root), out, OPTIONS)) == scores(finished[2])
        assert done == []

    def test_every_data_set_lists_its_files(self) -> None:
        assert all(hasattr(reader, "files") for reader in DATASETS.values())

    def test_masks_made_elsewhere_that_are_not_asked_for(self, place, tmp_path) -> None:
        root, out = place
        evaluate_masks(Davis2016(root), out / "masks", tmp_path / "scores")
        for file in (out / "masks" / "disc").iterdir():
            write_image(file, np.zeros((16, 24), np.uint8))
        results = evaluate_masks(Davis2016(root), out / "masks", tmp_path / "scores", ["tracked"])
        assert list(results["sequences"]) == ["tracked"]  # of disc is known only what does not hold any more


class TestOutputs:
    @pytest.mark.parametrize("content", [None, b"", b"x", b"\x89PNG\r\n\x1a\n and no more"])
    def test_a_mask_that_is_gone_or_damaged_is_made_again(self, content, place, finished, done) -> None:
        root, out = place
        file = out / "masks" / "disc" / "00002.png"
        file.unlink() if content is None else file.write_bytes(content)
        assert scores(evaluate(Davis2016(root), out, OPTIONS)) == scores(finished[2])
        assert done == ["disc"]
        assert masks(out) == masks(finished[1])

    def test_a_mask_that_was_touched_up_by_hand_is_refused_before_any_work(self, place, done) -> None:
        root, out = place
        write_image(out / "masks" / "disc" / "00002.png", np.full((16, 24), 255, np.uint8))
        before = {name: (out / name).read_bytes() for name in tree(out)}
        with pytest.raises(InputError, match=r"00002\.png is there, .* or it has changed since; move it"):
            evaluate(Davis2016(root), out, OPTIONS)
        assert done == []
        assert {name: (out / name).read_bytes() for name in tree(out)} == before

    @pytest.mark.parametrize("length", [0, 1, 500])
    def test_a_results_file_that_was_cut_short_is_made_again(self, length, place, finished, done, capsys) -> None:
        root, out = place
        whole = (out / "results.json").read_bytes()
        (out / "results.json").write_bytes(whole[:length])
        assert scores(evaluate(Davis2016(root), out, OPTIONS)) == scores(finished[2])
        assert json.loads((out / "results.json").read_bytes()) == json.loads(whole)
        (out / "results.json").write_bytes(whole[:length])
        arguments = [
            "evaluate",
            "davis2016",
            "--root",
            str(root),
            "--out",
            str(out),
            "--size",
            "16x16",
            "--device",
            "cpu",
        ]
        assert main(arguments) == 0
        assert done == []

    def test_an_entry_that_was_cut_short_is_made_again(self, place, finished, done) -> None:
        root, out = place
        entry = out / "sequences" / "disc.json"
        entry.write_bytes(entry.read_bytes()[:100])
        assert scores(evaluate(Davis2016(root), out, OPTIONS)) == scores(finished[2])
        assert done == ["disc"]
