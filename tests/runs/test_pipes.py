"""A pipe or a device in the place of a file is refused in one line: who reads there waits forever."""

from __future__ import annotations

import os

import numpy as np
import pytest
from layouts import write_frames

from ikebook.base.check import InputError
from ikebook.base.torch_files import load_tensors
from ikebook.cli import main
from ikebook.datasets.toys import toy
from ikebook.flow import read_flo
from ikebook.networks.cues import read_cue
from ikebook.runs.json_types import read_json
from ikebook.video.clip import Clip
from ikebook.video.sources import open_frames

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes"),
    pytest.mark.timeout(60),
]
SAYS = "is a pipe or a device; expected a file or a folder"


def pipe(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


@pytest.fixture
def frames(tmp_path):
    return write_frames(tmp_path / "frames", toy("disc", (32, 24), 3).clip.frames)


@pytest.mark.parametrize("name", ["p", "p.png", "p.tif", "p.mp4", "p.gif", "p.txt"])
def test_as_a_video(name, tmp_path, capsys) -> None:
    path = pipe(tmp_path / name)
    for more in ([], ["--parts", "3"]):
        assert main(["segment", str(path), "--out", str(tmp_path / "out"), *more]) == 2
        error = capsys.readouterr().err
        assert error == f"ikebook: {path} {SAYS}. Write what comes from it to a file first.\n"
    assert not (tmp_path / "out").exists()


def test_a_device() -> None:
    with pytest.raises(InputError, match=f"^{os.devnull} {SAYS}"):
        open_frames(os.devnull)


def test_among_the_options(frames, tmp_path, capsys) -> None:
    for direction in ("forward", "backward"):
        for index in range(2):
            pipe(tmp_path / "flow" / direction / f"{index:05d}.flo")
    mask = pipe(tmp_path / "mask.png")
    for index in range(3):
        pipe(tmp_path / "cue" / f"{index:05d}.png")
    for more, path in (
        (["--init", f"{mask}@1"], mask),
        (["--flow", f"{tmp_path / 'flow'}"], tmp_path / "flow" / "forward" / "00000.flo"),
        (["--cue", f"{tmp_path / 'cue'}"], tmp_path / "cue" / "00000.png"),
    ):
        arguments = ["segment", str(frames), "--out", str(tmp_path / "out"), "--size", "32x24", "--no-cache", *more]
        assert main(arguments) == 2
        assert f"{path} {SAYS}" in capsys.readouterr().err


def test_as_weights_flow_and_maps(tmp_path) -> None:
    with pytest.raises(InputError, match=SAYS):
        load_tensors(pipe(tmp_path / "w.pth"), 1000, "Fetch it again.")
    with pytest.raises(InputError, match=SAYS):
        read_flo(pipe(tmp_path / "f.flo"))
    pipe(tmp_path / "cue" / "00000.npy")
    with pytest.raises(InputError, match=SAYS):
        read_cue(tmp_path / "cue", Clip(np.zeros((1, 16, 16, 3), np.uint8)))
    assert read_json(pipe(tmp_path / "summary.json"), dict) is None
