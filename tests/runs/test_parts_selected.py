"""A video in parts, of which only some frames are asked for; its exports; and frames that stand twice."""

from __future__ import annotations

import json

import numpy as np
import pytest
from layouts import read_grey, write_frames

from ikebook.base.files import write_video
from ikebook.cli import main
from ikebook.datasets.toys import toy
from ikebook.runs.frame_source import FrameSource
from ikebook.runs.options import RunOptions
from ikebook.runs.parts import segment_parts
from ikebook.runs.single import run
from ikebook.video.clip import read_clip
from ikebook.video.selection import Selection

OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)
CLIP = toy("two_objects", (48, 36), 17).clip


@pytest.fixture(params=["frames", "video"])
def path(request, tmp_path):
    if request.param == "frames":
        return write_frames(tmp_path / "frames", CLIP.frames)
    write_video(tmp_path / "walk.mp4", CLIP.frames, 8)
    return tmp_path / "walk.mp4"


def test_frames_by_their_numbers_among_the_selected(path) -> None:
    whole, some = FrameSource(path), FrameSource(path, Selection(2, 13, 3))  # 2, 5, 8 and 11
    assert some.indexes() == range(2, 13, 3)
    assert some.count() == 4
    assert some.fps() == whole.fps() / 3
    assert some.names(range(1, 3)) == ["00005", "00008"]
    expected = list(whole.read(range(17)))
    for part in (range(4), range(1, 3), range(3, 4)):
        found = list(some.read(part))
        assert len(found) == len(part)
        assert all(np.array_equal(one, expected[2 + 3 * index]) for one, index in zip(found, part, strict=True))
    prints = {FrameSource(path, Selection(*told)).fingerprint() for told in ((None, None), (2, 13, 3), (2, 13, 2))}
    assert len(prints) == 3


def test_the_same_as_in_one_piece(path, tmp_path) -> None:
    part = {"start": 2, "end": 16, "every": 2}
    summary = segment_parts(path, tmp_path / "out", OPTIONS, part_length=3, **part)
    clip = read_clip(path, OPTIONS.size, **part)
    result = run(clip, options=OPTIONS).result
    assert (summary["frames"], summary["parts"]) == (7, 3)
    assert summary["eigenvalues"] == pytest.approx([float(value) for value in result.pairs.values], rel=1e-8)
    assert summary["threshold"] == result.threshold
    assert sorted(file.stem for file in (tmp_path / "out" / "masks").iterdir()) == list(clip.frame_names)
    for index, name in enumerate(clip.frame_names):
        soft = np.rint(255 * result.soft_at(index, clip.original_size))
        assert abs(read_grey(tmp_path / "out" / "soft" / f"{name}.png").astype(int) - soft).max() <= 1


def test_the_command_with_exports(path, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    words = ["--start", "2", "--end", "12", "--every", "2", "--export", "coco", "--label", "disc", "--size", "32x24"]
    assert main(["segment", str(path), "--out", str(out), "--parts", "3", "--no-cache", *words]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == f"Written to {out}: masks/, soft/, summary.json, export/coco.json"
    images = json.loads((out / "export" / "coco.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["00002.png", "00004.png", "00006.png", "00008.png", "00010.png"]


def test_frames_that_stand_twice_are_told_of(tmp_path, capsys) -> None:
    twice = write_frames(tmp_path / "twice", np.repeat(CLIP.frames[:6], 2, axis=0))
    words = ["segment", str(twice), "--parts", "6", "--size", "32x24", "--no-cache", "--out"]
    assert main([*words, str(tmp_path / "out")]) == 0
    told = "Of the first 12 frames 6 repeat the one before: in parts they count as standing still."
    assert capsys.readouterr().err.splitlines()[1].startswith(told)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["warnings"][0].startswith(told)
    assert main([*words, str(tmp_path / "other"), "--every", "2"]) == 0
    assert "repeat the one before" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--init", "mask.png@00002"], ["--object", "2"]])
def test_what_needs_the_whole_is_refused_in_one_line(words, tmp_path, capsys) -> None:
    frames = write_frames(tmp_path / "frames", CLIP.frames[:4])
    assert main(["segment", str(frames), "--out", str(tmp_path / "out"), "--parts", "2", *words]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "leave out other presets, --cycles, --cue, --feature-flow, --init, --object and --refine" in error
