"""Part of a video: which frames are read, what they are called, and how large they are."""

from __future__ import annotations

import numpy as np
import pytest
from layouts import write_frames

from ikebook import read_clip
from ikebook.base.check import InputError
from ikebook.base.files import write_video
from ikebook.datasets.toys import toy
from ikebook.video.clip import working_size
from ikebook.video.selection import Selection
from ikebook.video.showing import showing

av = pytest.importorskip("av")


def numbered(count: int = 12) -> np.ndarray:
    """Frames whose grey says which one it is."""
    return np.stack([np.full((32, 48, 3), 20 * index, np.uint8) for index in range(count)])


def numbers(clip) -> list[int]:
    return [round(float(frame.mean()) / 20) for frame in clip.frames]


@pytest.fixture(params=["folder", "video"])
def source(request, tmp_path):
    if request.param == "folder":
        write_frames(tmp_path / "frames", numbered())
        return tmp_path / "frames"
    write_video(tmp_path / "v.mp4", numbered(), 24)
    return tmp_path / "v.mp4"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, range(12)),
        ({"start": 3}, range(3, 12)),
        ({"end": 5}, range(5)),
        ({"start": 2, "end": 9, "every": 3}, range(2, 9, 3)),
        ({"every": 5}, range(0, 12, 5)),
        ({"start": "0.125s", "end": "0.25s"}, range(3, 6)),  # at 24 frames a second
        ({"start": "0.13s"}, range(4, 12)),
        ({"start": "4", "end": 100}, range(4, 12)),
    ],
)
def test_which_frames_are_read_and_what_they_are_called(source, told, expected) -> None:
    clip = read_clip(source, None, **told)
    assert numbers(clip) == list(expected)
    assert [int(name) for name in clip.frame_names] == list(expected)
    assert clip.fps == 24 / told.get("every", 1)
    assert [round(float(frame.mean()) / 20) for frame in clip.originals()] == list(expected)


def test_a_selection_has_a_fingerprint_of_its_own(source) -> None:
    every = [read_clip(source, None, **told).fingerprint() for told in ({}, {"every": 2}, {"start": 2, "every": 2})]
    assert len(set(every)) == 3


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"start": "soon"}, "start is 'soon'; expected a frame's number, such as 60, or seconds, such as 2.5s"),
        ({"start": -1}, "start is -1; expected"),
        ({"end": "nans"}, "end is 'nans'; expected"),
        ({"start": 5, "end": 5}, "end is 5 and start is 5; expected an end that is later"),
        ({"start": "3s", "end": "2s"}, "expected an end that is later"),
        ({"every": 0}, "every is 0; expected a whole number, 1 or more"),
        ({"start": 12}, "start is 12, but "),
        ({"start": "10s"}, "start is 10s, but "),
        ({"size": (32, 16), "max_size": 40}, "give one of them"),
        ({"max_size": 2}, "max_size is 2; expected a whole number, 4 or more"),
    ],
)
def test_what_cannot_be_is_said(source, told, says) -> None:
    with pytest.raises(InputError, match=says):
        read_clip(source, **told)


@pytest.mark.parametrize(("most", "size"), [(24, (24, 16)), (36, (36, 24)), (48, (48, 32)), (640, (48, 32))])
def test_the_longer_side_has_so_many_pixels_at_most(source, most, size) -> None:
    clip = read_clip(source, max_size=most)
    assert clip.size == size
    assert clip.original_size == (48, 32)


def test_frames_that_are_higher_than_wide() -> None:
    assert working_size(np.zeros((1280, 720, 3), np.uint8), "max 640") == (360, 640)


def uneven(path) -> list[float]:
    """Write a video whose second half is slower; when its frames are shown."""
    times = [0.04 * k for k in range(6)] + [0.24 + 0.2 * k for k in range(6)]
    write_video(path, numbered(), 25, seconds=times)
    return times


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_times_of_frames_that_are_not_evenly_spaced(suffix, tmp_path) -> None:
    path = tmp_path / f"v{suffix}"
    times = uneven(path)
    clip = read_clip(path, None, start="0.5s", every=2)
    expected = [index for index, time in enumerate(times) if time >= 0.5][::2]
    assert numbers(clip) == expected
    shown = showing(clip)
    assert shown.seconds == pytest.approx([times[index] - times[expected[0]] for index in expected], abs=1e-3)
    assert showing(read_clip(path, None).first(3)).seconds == pytest.approx(times[:3], abs=1e-3)


def test_by_its_rate_where_nobody_knows_the_times() -> None:
    assert Selection("1s", "2s", 3).indexes(10.0, None, 100) == range(10, 20, 3)
    assert Selection("1s").indexes(29.97).start == 30
    assert Selection("0.3s").indexes(10.0).start == 3  # 0.3 * 10 is a little more than 3


def test_what_opencv_cannot_read_pyav_reads(tmp_path, monkeypatch) -> None:
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("libsvtav1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in toy("disc", (96, 64), 4).clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    clip = read_clip(tmp_path / "v.mkv", None)
    assert np.abs(clip.frames.astype(int) - toy("disc", (96, 64), 4).clip.frames).mean() < 8
    assert clip.fps == 24
    monkeypatch.setattr("ikebook.base.pyav.has_pyav", lambda: False)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(InputError):
        read_clip(tmp_path / "v.mkv", None)
