"""Small inputs that once failed or were read wrongly, from `$IKEBOOK_DATA/bugs`, each with its right value; kinds, not only instances."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import ikebook
from conftest import DATA
from ikebook.base.check import InputError
from ikebook.cli import command_line
from ikebook.flow import FlowFiles, compute_flow
from ikebook.video.metrics import region_similarity


@pytest.fixture
def bug(request, tmp_path) -> Path:
    """A copy of the folder that is called as the test's parameter."""
    source = DATA / "bugs" / request.param
    if not source.is_dir():
        pytest.skip(f"no {source}; set IKEBOOK_DATA to the folder that holds bugs/")
    shutil.copytree(source, tmp_path / "bug", copy_function=shutil.copyfile)
    return tmp_path / "bug"


def folder(name: str):
    return pytest.mark.parametrize("bug", [name], indirect=True)


def truth(place: Path) -> np.ndarray:
    return np.stack([cv2.imread(str(file), 0) > 127 for file in sorted(place.iterdir())])


def mean_j(masks: np.ndarray, right: np.ndarray) -> float:
    return float(np.mean([region_similarity(one, two) for one, two in zip(masks, right, strict=True)]))


def run(*arguments: str) -> int:
    return command_line.main([str(one) for one in arguments])


@folder("api_slips")
def test_slips_are_told_in_one_line(bug) -> None:
    made = ikebook.toy("disc")
    clip, flow = made.clip, made.flow
    assert (bug / "README").exists()
    assert ikebook.compute_flow(clip, "dis").size == clip.size
    assert ikebook.segment(np.asarray(clip.frames), flow).masks.shape == clip.frames.shape[:3]
    assert isinstance(ikebook.toys.demo(frames=2, size=(64, 48)).clip, ikebook.Clip)
    for slip, message in (
        (lambda: ikebook.segment("x.mp4", flow), "clip is the path 'x.mp4'; read it first"),
        (lambda: ikebook.exchange("x.mp4", flow), "clip is the path 'x.mp4'; read it first"),
        (lambda: ikebook.segment(clip, (flow.forward, flow.backward)), "flow is a tuple of 2; expected a Flow"),
        (lambda: ikebook.widgets.PowerIterationStepper(flow, clip), "clip is a Flow; the clip comes first"),
        (lambda: ikebook.provider(None), "provider is None; expected a name"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            slip()
        assert "\n" not in str(caught.value)


@folder("windows_names")
def test_a_size_may_be_an_array(bug) -> None:
    assert ikebook.read_clip(bug / "frames", np.array([64, 48])).size == (64, 48)


@folder("av1_message")
def test_av1_is_named_and_what_to_convert_it_to(bug) -> None:
    try:
        clip = ikebook.read_clip(bug / "av1.mp4")
    except InputError as error:
        assert "AV1" in str(error)  # noqa: PT017  # whether OpenCV can decode it depends on the machine
        assert "H.264" in str(error)  # noqa: PT017
    else:
        assert len(clip) == 12


@folder("colon_in_name")
def test_a_colon_in_a_relative_name(bug, monkeypatch) -> None:
    (bug / "2024-05-01T10.20.30.mp4").rename(bug / "2024-05-01T10:20:30.mp4")
    monkeypatch.chdir(bug)
    clip = ikebook.read_clip("2024-05-01T10:20:30.mp4")
    assert (len(clip), clip.name) == (12, "2024-05-01T10:20:30")


@folder("exif_frames_landscape_flow")
def test_flow_of_turned_frames_is_refused(bug) -> None:
    clip = ikebook.read_clip(bug / "frames", (120, 160))
    with pytest.raises(InputError, match=r"the flow is 160x120, but the frames are 120x160: it is turned.*EXIF"):
        compute_flow(clip, FlowFiles(bug / "flow"))


@folder("half_downloaded")
def test_half_a_download_is_noted(bug) -> None:
    clip = ikebook.read_clip(bug / "half.mp4")
    assert len(clip) == 2
    assert clip.notes == (
        "half.mp4 tells of 12 frames, and 2 of them could be decoded: it is cut short, as a download that was stopped.",
    )


@folder("half_of_the_frames_left_out")
def test_frames_called_jfif_are_frames(bug) -> None:
    clip = ikebook.read_clip(bug / "frames")
    assert clip.frame_names == tuple(f"{index:05d}" for index in range(8))
    assert clip.notes == ()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@folder("latin1_file_name_segfault")
def test_a_name_that_is_not_utf_8(bug) -> None:
    try:
        (bug / "cafe.mp4").rename(bug / os.fsdecode(b"caf\xe9.mp4"))
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    clip = ikebook.read_clip(bug / os.fsdecode(b"caf\xe9.mp4"))
    assert (len(clip), clip.name) == (12, "caf\N{REPLACEMENT CHARACTER}")


@folder("mirrored_selfie")
def test_a_mirrored_video_is_as_a_player_shows_it(bug) -> None:
    shown = cv2.cvtColor(cv2.imread(str(bug / "player.png")), cv2.COLOR_BGR2RGB).astype(int)
    first = ikebook.read_clip(bug / "hflip.mp4", None).frames[0]
    assert np.abs(first - shown).mean() < 1
    assert np.abs(first[::-1] - shown).mean() > 5
    assert np.abs(first[:, ::-1] - shown).mean() > 5


@pytest.mark.parametrize("name", ["15to30.mp4", "twice"])
@folder("repeated_frames")
def test_frames_that_stand_twice(bug, name) -> None:
    result = ikebook.segment(ikebook.read_clip(bug / name, (160, 120)))
    assert mean_j(result.masks, np.repeat(truth(bug / "gt"), 2, axis=0)) > 0.9
    assert result.warnings[0].startswith("16 of 32 frames repeat the one before")
    assert np.array_equal(result.soft[::2], result.soft[1::2])


@folder("twelve_bits_in_16")
def test_twelve_bits_are_scaled_by_their_own_range(bug) -> None:
    clip = ikebook.read_clip(bug / "frames", (160, 120))
    assert 90 < clip.frames.mean() < 130
    assert "4095 is taken for white" in clip.notes[0]
    assert mean_j(ikebook.segment(clip).masks, truth(bug / "gt")) > 0.9


@folder("webm_1000fps")
def test_the_rate_of_a_browsers_recording_is_that_of_its_frames(bug) -> None:
    assert 25 < ikebook.read_clip(bug / "browser.webm").fps < 35


@folder("half_a_frame_per_second")
def test_a_time_lapse_keeps_its_rate(bug, tmp_path) -> None:
    assert ikebook.read_clip(bug / "slow.mp4").fps == 0.5
    out = tmp_path / "out"
    assert run("segment", bug / "slow.mp4", "--out", out, "--size", "64x48", "--no-cache", "--device", "cpu") == 0
    overlay = next(out.glob("overlay.*"))
    assert ikebook.read_clip(overlay).fps == 0.5


@folder("windows_names")
def test_the_first_of_several_copies_has_no_number(bug) -> None:
    expected = ("frame", *(f"frame ({index})" for index in range(1, 12)))
    assert ikebook.read_clip(bug / "frames").frame_names == expected
    assert ikebook.read_clip(bug / "frames" / "*.jpg").frame_names == expected


def scores(bug: Path, root: str, masks: str, out: Path) -> dict[str, float]:
    assert run("evaluate", "davis2016", "--root", bug / root, "--masks", bug / masks, "--out", out) == 0
    found = json.loads((out / "results.json").read_text())
    return {name: entry["J_mean"] for name, entry in found["sequences"].items()}


@pytest.mark.parametrize(("root", "masks"), [("root", "masks"), ("root_palette", "masks_255")])
@folder("index_masks_score_zero")
def test_masks_of_indices_are_masks(bug, root, masks, tmp_path, capsys) -> None:
    assert scores(bug, root, masks, tmp_path / "out") == {"boat": 1.0, "swan": 1.0}
    assert "is taken for object" in capsys.readouterr().err


@folder("unscored_masks_missing")
def test_masks_of_frames_that_are_not_scored_may_be_missing(bug, tmp_path) -> None:
    assert scores(bug, "root", "masks_inner", tmp_path / "out") == {"boat": 1.0, "swan": 1.0}
    (bug / "masks_inner" / "swan" / "00003.png").unlink()
    assert (
        run("evaluate", "davis2016", "--root", bug / "root", "--masks", bug / "masks_inner", "--out", tmp_path / "2")
        == 3
    )


@pytest.mark.parametrize(("root", "masks", "name"), [("bom", "masks", "swan"), ("space", "masks_space", "my swan")])
@folder("val_txt_bom_space")
def test_lists_with_a_byte_order_mark_and_names_with_spaces(bug, root, masks, name, tmp_path) -> None:
    assert scores(bug, root, masks, tmp_path / "out") == {"boat": 1.0, name: 1.0}


@folder("tilde")
def test_a_tilde_is_home(bug, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(bug)
    frames = tmp_path / "home" / "frames"
    frames.mkdir(parents=True)
    for index, frame in enumerate(ikebook.toy("disc").clip.frames):
        cv2.imwrite(str(frames / f"{index}.png"), frame)
    assert len(ikebook.read_clip("~/frames")) == 5
    assert run("segment", "~/frames", "--out", "~/result", "--size", "16x16", "--no-cache", "--device", "cpu") == 0
    assert (tmp_path / "home" / "result" / "summary.json").exists()
    page = ikebook.widgets.ClipPlayer(ikebook.toy("disc").clip)
    page.save_html("~/page.html")
    assert (tmp_path / "home" / "page.html").exists()
    assert not (bug / "~").exists()
