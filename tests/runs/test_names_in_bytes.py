"""Names of files that are no UTF-8: shown with U+FFFD, and the files found by them all the same."""

from __future__ import annotations

import csv
import json
import os
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from layouts import read_grey, write_frames, write_image

from ikebook.base import check
from ikebook.base.files import count_frames, write_csv, write_text, write_video
from ikebook.base.written import WrittenFiles
from ikebook.cli import main
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import toy
from ikebook.exports import export
from ikebook.runs.evaluation import evaluate
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import write_results
from ikebook.runs.report.pictures import bars
from ikebook.runs.single import run
from ikebook.video.clip import Clip, read_clip

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)
BYTES = os.fsdecode(b"gr\xf6n")  # "grün" has other bytes in Latin-1 than in UTF-8


@pytest.fixture(scope="module")
def frames():
    return toy("disc", (32, 24), 4).clip.frames


def test_readable() -> None:
    assert BYTES == "gr\udcf6n"
    assert check.readable(BYTES) == "gr\N{REPLACEMENT CHARACTER}n"
    assert check.readable("Größe 日本 😀") == "Größe 日本 😀"


@pytest.mark.parametrize("kind", ["folder", "frames", "video"])
def test_segmented_and_exported(kind, frames, tmp_path, capsys) -> None:
    names = [f"{BYTES}{index}" for index in range(4)] if kind == "frames" else [f"{index:05d}" for index in range(4)]
    path = tmp_path / ("clip" if kind == "frames" else BYTES)
    if kind == "video":
        path = path.with_suffix(".webm")
        write_video(tmp_path / "v.webm", frames, 24)
        (tmp_path / "v.webm").rename(path)
    else:
        write_frames(path, frames, names)
    out = tmp_path / f"out {BYTES}"
    assert (
        main(["segment", str(path), "--out", str(out), "--size", "32x24", "--no-cache", "--export", "cvat,coco"]) == 0
    )
    assert sorted(file.stem for file in (out / "masks").iterdir()) == names
    assert read_grey(out / "sheet.png").std() > 20
    assert count_frames(out / "overlay.webm") == 4
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    shown = "clip" if kind == "frames" else "gr\N{REPLACEMENT CHARACTER}n"
    assert summary["clip"] == shown
    assert summary["input"]["path"] == str(path)  # exact: exports look for the video there
    named = ET.parse(out / "export" / "cvat.xml").getroot().find("meta/task/name")
    assert named is not None
    assert named.text == shown
    coco = json.loads((out / "export" / "coco.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in coco["images"]] == [f"{name}.png" for name in names]
    exported = export(out, "yolo,rgba", out=tmp_path / f"elsewhere {BYTES}")
    assert len(list((exported.files[0] / "images" / "train").iterdir())) == 4
    assert not exported.notes or "PyAV" in exported.notes[0]


def test_a_clip_of_any_name(frames, tmp_path) -> None:
    clip = Clip(frames, name="\ud800x", frame_names=[f"{BYTES}{index}" for index in range(4)])
    summary = write_results(tmp_path, clip, run(clip, options=OPTIONS), OPTIONS)
    assert summary["clip"] == "\N{REPLACEMENT CHARACTER}x"
    assert read_grey(tmp_path / "sheet.png").std() > 20


def test_in_parts_and_beside_another(frames, tmp_path, capsys) -> None:
    paths = [write_frames(tmp_path / os.fsdecode(name), frames) for name in (b"v\xff", b"v\xfe")]
    assert read_clip(paths[0], None).name == "v\N{REPLACEMENT CHARACTER}"
    out = tmp_path / "out"
    assert main(["segment", *map(str, paths), "--out", str(out), "--size", "32x24", "--no-cache"]) == 0
    names = {"v\N{REPLACEMENT CHARACTER}", "v\N{REPLACEMENT CHARACTER}-2"}
    assert {folder.name for folder in out.iterdir()} == names
    parts = tmp_path / os.fsdecode(b"p\xff")
    assert main(["segment", str(paths[0]), "--out", str(parts), "--size", "32x24", "--parts", "2"]) == 0
    assert json.loads((parts / "summary.json").read_text(encoding="utf-8"))["clip"] in names


def test_a_sequence(tmp_path) -> None:
    made, name = toy("disc", (24, 16), 5), os.fsdecode(b"s\xe4")
    write_frames(tmp_path / "D" / "JPEGImages" / "480p" / name, made.clip.frames, suffix=".jpg")
    for index, mask in enumerate(made.clip.masks):
        write_image(tmp_path / "D" / "Annotations" / "480p" / name / f"{index:05d}.png", mask.astype(np.uint8) * 255)
    results = evaluate(Davis2016(tmp_path / "D"), tmp_path / "out", RunOptions(size=(16, 16), cache=False))
    assert not results["failed"]
    assert set(results["sequences"]) == {name}
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["sequence"] for row in csv.DictReader(stream)] == ["s\N{REPLACEMENT CHARACTER}"]
    assert WrittenFiles(tmp_path / "out", name).intact()
    assert main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "report")]) == 0
    assert "s\N{REPLACEMENT CHARACTER}" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert bars({name: {"J_mean": 0.5}}, {"J_mean": "J"}).startswith(b"\x89PNG")


def test_texts_and_tables(tmp_path) -> None:
    write_text(tmp_path / "a.txt", f"{BYTES} ä")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "gr\N{REPLACEMENT CHARACTER}n ä"
    write_csv(tmp_path / "a.csv", [{"name": BYTES, "value": 1.5}])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").split() == [
        "name,value",
        "gr\N{REPLACEMENT CHARACTER}n,1.5",
    ]
