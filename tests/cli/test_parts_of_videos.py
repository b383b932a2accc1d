"""Parts of videos, several videos, exports and the choice of the object, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from layouts import tree, write_frames, write_image

from ikebook.base.files import write_video
from ikebook.cli import main
from ikebook.datasets.toys import toy
from ikebook.runs.videos import folder_names

av = pytest.importorskip("av")

SIZE = ["--size", "48x32", "--no-cache"]


@pytest.fixture
def cli(capsys):
    """Runs the command line in this process, and gives its exit code, stdout and stderr."""

    def run(*arguments) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def video(tmp_path) -> Path:
    write_video(tmp_path / "walk.mp4", toy("disc", (96, 64), 24).clip.frames, 12)
    return tmp_path / "walk.mp4"


def masks(folder) -> list[str]:
    return sorted(file.stem for file in (folder / "masks").iterdir())


def test_a_part_by_time_every_second_frame(cli, video, tmp_path) -> None:
    out = tmp_path / "out"
    code, _, _ = cli("segment", video, "--out", out, "--start", "0.5s", "--end", "1.5s", "--every", 2, *SIZE)
    assert code == 0
    assert masks(out) == ["00006", "00008", "00010", "00012", "00014", "00016"]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["input"] == {"path": str(video), "fps": 6.0}
    with av.open(str(out / "overlay.webm")) as overlay:
        times = [float(packet.pts * packet.time_base) for packet in overlay.demux(video=0) if packet.size]
    assert times == pytest.approx([index / 6 for index in range(6)], abs=2e-3)


def test_a_part_of_a_folder_and_a_size_at_most(cli, tmp_path) -> None:
    frames = write_frames(
        tmp_path / "frames", toy("disc", (96, 64), 10).clip.frames, [f"img{k:02d}" for k in range(10)]
    )
    code, _, _ = cli("segment", frames, "--out", tmp_path / "out", "--start", 4, "--max-size", 60, "--no-cache")
    assert code == 0
    assert masks(tmp_path / "out") == [f"img{k:02d}" for k in range(4, 10)]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["working_size"], summary["original_size"]) == ("60x40", "96x64")


def test_the_same_frames_have_the_same_masks_whoever_picks_them(cli, tmp_path) -> None:
    frames = toy("disc", (96, 64), 10).clip.frames
    whole = write_frames(tmp_path / "whole", frames)
    part = write_frames(tmp_path / "part", frames[2:9:2], [f"{k:05d}" for k in range(2, 9, 2)])
    cli("segment", whole, "--out", tmp_path / "a", "--start", 2, "--end", 9, "--every", 2, *SIZE)
    cli("segment", part, "--out", tmp_path / "b", *SIZE)
    assert masks(tmp_path / "a") == masks(tmp_path / "b") == ["00002", "00004", "00006", "00008"]
    for name in masks(tmp_path / "a"):
        both = [(tmp_path / out / "soft" / f"{name}.png").read_bytes() for out in "ab"]
        assert both[0] == both[1]


def test_overlays_in_h264_with_the_sound_left_out_where_there_is_none(cli, video, tmp_path) -> None:
    code, printed, _ = cli("segment", video, "--out", tmp_path / "out", "--video", "mp4", "--refine", *SIZE)
    assert code == 0
    assert printed.splitlines()[-1].endswith("refined/, refined.mp4, overlay.mp4, sheet.png, summary.json")
    for name in ("overlay.mp4", "refined.mp4"):
        with av.open(str(tmp_path / "out" / name)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
    cli("segment", video, "--out", tmp_path / "out", *SIZE)
    assert {name for name in tree(tmp_path / "out") if "/" not in name} == {
        ".lock",
        "overlay.webm",
        "sheet.png",
        "summary.json",
    }


def test_exports_with_the_segmentation_and_afterwards(cli, video, tmp_path) -> None:
    out = tmp_path / "out"
    code, printed, error = cli("segment", video, "--out", out, "--export", "coco,rgba", "--label", "disc", *SIZE)
    assert (code, error) == (0, "")
    assert printed.splitlines()[-1].endswith("summary.json, export/coco.json, export/rgba/, export/rgba.webm")
    assert json.loads((out / "export" / "coco.json").read_text())["categories"][0]["name"] == "disc"
    code, printed, _ = cli("export", out, "--to", "mots,yolo")
    assert code == 0
    assert printed == f"Written: {out / 'export' / 'mots'}, {out / 'export' / 'yolo'}\n"
    assert len(list((out / "export" / "yolo" / "images" / "train").iterdir())) == 24
    cli("segment", video, "--out", out, "--end", 5, *SIZE)  # exports of masks that are no more do not stay
    assert not (out / "export").exists()
    code, printed, _ = cli("export", out, "--to", "palette", "--out", tmp_path / "elsewhere")
    assert (code, len(list((tmp_path / "elsewhere" / "palette").iterdir()))) == (0, 5)


def test_exports_are_not_written_over_what_is_there(cli, video, tmp_path) -> None:
    mine = tmp_path / "out" / "export" / "coco.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    code, _, error = cli("segment", video, "--out", tmp_path / "out", "--export", "coco", *SIZE)
    assert (code, mine.read_text()) == (2, "mine")
    assert "ikebook has not written it" in error
    assert tree(tmp_path / "out") == {"export/coco.json"}  # said before any work


def test_several_videos_one_of_which_is_none(cli, video, tmp_path) -> None:
    (tmp_path / "notes.mp4").write_bytes(b"no video")
    frames = write_frames(tmp_path / "walk", toy("disc", (96, 64), 6).clip.frames)
    code, printed, error = cli("segment", video, tmp_path / "notes.mp4", frames, "--out", tmp_path / "out", *SIZE)
    assert code == 3
    assert masks(tmp_path / "out" / "walk")[-1] == "00023"
    assert masks(tmp_path / "out" / "walk-2")[-1] == "00005"
    lines = printed.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [["walk:", "24", "frames,"], ["walk-2:", "6", "frames,"]]
    assert lines[-1] == f"Written to {tmp_path / 'out'}: 2 folders of results"
    told = error.splitlines()
    assert told[0].startswith("notes: failed: ")
    assert told[-1] == "ikebook: 1 of 3 videos failed: notes. The reasons stand above."


def test_several_videos_that_can_be(cli, video, tmp_path) -> None:
    assert cli("segment", video, video, "--out", tmp_path / "out", "--end", 4, *SIZE)[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"walk", "walk-2"}


def test_names_differ_also_on_disks_that_know_no_case() -> None:
    assert folder_names([Path("a/Walk.mp4"), Path("b/walk.mp4"), Path("walk-2.mp4")]) == ["Walk", "walk-2", "walk-2-2"]


def two_discs(m: int = 8) -> np.ndarray:
    """A large red disc that goes right, and a small blue one that goes left, on grain."""
    ground = np.random.default_rng(0).integers(60, 120, (64, 96, 3)).astype(np.uint8)
    ground = cv2.GaussianBlur(ground, (0, 0), 1.5)
    frames = []
    for k in range(m):
        frame = ground.copy()
        cv2.circle(frame, (22 + 3 * k, 20), 12, (220, 30, 30), -1)
        cv2.circle(frame, (80 - 2 * k, 48), 8, (30, 30, 220), -1)
        frames.append(frame)
    return np.stack(frames)


@pytest.fixture
def discs(tmp_path) -> Path:
    return write_frames(tmp_path / "discs", two_discs())


def eigenvector(out) -> int:
    return json.loads((out / "summary.json").read_text())["eigenvector"]


@pytest.mark.parametrize("number", [1, 3])
def test_another_of_the_leading_eigenvectors(cli, discs, tmp_path, number) -> None:
    code, _, error = cli("segment", discs, "--out", tmp_path / "out", "--object", number, *SIZE)
    assert code == 0
    assert eigenvector(tmp_path / "out") == number
    assert "closest" not in error


def test_a_drawn_mask_picks_the_eigenvector_that_is_closest(cli, discs, tmp_path) -> None:
    softs = {}
    for number in (1, 2):
        cli("segment", discs, "--out", tmp_path / str(number), "--object", number, *SIZE)
        softs[number] = tmp_path / str(number) / "soft" / "00004.png"
    for number, soft in softs.items():
        drawn = cv2.imread(str(soft), cv2.IMREAD_GRAYSCALE) > 100
        write_image(tmp_path / "drawn.png", drawn.astype(np.uint8) * 255)
        code, _, _ = cli("segment", discs, "--out", tmp_path / "out", "--init", f"{tmp_path / 'drawn.png'}@4", *SIZE)
        assert code == 0
        assert eigenvector(tmp_path / "out") == number
        assert (tmp_path / "out" / "soft" / "00004.png").read_bytes() == soft.read_bytes()  # and its sign


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--init", "{mask}"], "expected a mask and its frame, such as mask.png@00012"),
        (["--init", "nowhere.png@0"], "nowhere.png does not exist; expected a mask"),
        (["--init", "{mask}@99"], "frame '99' is none of the clip's; they are called 00000 to 00007"),
        (["--init", "{small}@0"], "is 8x8, but the frames are 96x64; draw it on one of them"),
        (["--init", "{black}@0"], "is of one colour; expected white where the object is"),
        (["--init", "{mask}@0", "--object", "2"], "--init and --object are given; leave out one of them"),
        (["--init", "{mask}@0", "--parts", "4"], "leave out other presets"),
        (["--object", "0"], "--object is 0; expected a whole number, 1 or more"),
        (["--object", "40"], "object is 40, but there are 6 eigenvectors; choose one of them"),
        (["--object", "1", "--parts", "4"], "leave out other presets"),
        (["--max-size", "64"], "--size and --max-size are given; leave out one of them"),
        (["--video", "avi"], "video is 'avi'; expected one of 'webm', 'mp4'"),
        (["--export", "voc"], "format is 'voc'; expected one of 'rgba'"),
        (["--start", "x"], "start is 'x'; expected a frame's number"),
        (["--every", "0"], "every is 0; expected a whole number, 1 or more"),
        (["--start", "8"], "start is 8, but there are 8 frames"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(cli, discs, tmp_path, more, says) -> None:
    for name, size, value in (("mask", (64, 96), 255), ("small", (8, 8), 255), ("black", (64, 96), 0)):
        image = np.zeros(size, np.uint8)
        image[2:5, 2:5] = value
        write_image(tmp_path / f"{name}.png", image)
    named = {name: tmp_path / f"{name}.png" for name in ("mask", "small", "black")}
    code, printed, error = cli(
        "segment", discs, "--out", tmp_path / "out", *SIZE, *(word.format(**named) for word in more)
    )
    assert (code, printed) == (2, "")
    assert says in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_without_pyav_h264_is_refused_before_any_work(cli, discs, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    code, _, error = cli("segment", discs, "--out", tmp_path / "out", "--video", "mp4", *SIZE)
    assert code == 2
    assert error == "ikebook: a video in H.264 needs PyAV; install it with: pip install 'ikebook[video]'\n"
    assert cli("segment", discs, "--out", tmp_path / "out", *SIZE)[0] == 0
    assert (tmp_path / "out" / "overlay.webm").stat().st_size > 0


def test_pictures_one_by_one_are_told_to_be_named_together(cli, tmp_path) -> None:
    frames = write_frames(tmp_path / "frames", toy("disc", (48, 32), 3).clip.frames, ["0", "1", "2"])
    files = sorted(frames.iterdir())
    code, _, said = cli("segment", *files, "--out", tmp_path / "out", *SIZE)
    assert code == 2
    assert "3 pictures are given; name the folder" in said
    assert not (tmp_path / "out").exists()
    code, _, _ = cli("segment", frames / f"*{files[0].suffix}", "--out", tmp_path / "out", *SIZE)
    assert code == 0
    assert masks(tmp_path / "out") == ["0", "1", "2"]
