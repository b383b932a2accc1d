"""Videos and pictures that are read wrongly by those who do not look twice: mirrored, deep, cut short, oddly named, several in one file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ikebook.base.check import InputError, explain
from ikebook.base.files import write_video
from ikebook.video import mp4
from ikebook.video.clip import read_clip
from ikebook.video.images import left_out, natural_key, white_of
from ikebook.video.movies import _rate
from ikebook.video.sources import NAMED

rng = np.random.default_rng(0)
FRAMES = np.stack(
    [cv2.resize(rng.integers(0, 256, (3, 4, 3), np.uint8), (64, 48), interpolation=cv2.INTER_NEAREST) for _ in range(4)]
)

MATRICES = {
    "upright": (1, 0, 0, 1), "left for right": (-1, 0, 0, 1), "upside down": (1, 0, 0, -1), "half a turn": (-1, 0, 0, -1),
    "a quarter": (0, 1, -1, 0), "three quarters": (0, -1, 1, 0), "transposed": (0, 1, 1, 0), "the other way": (0, -1, -1, 0),
}  # fmt: skip


def box(name: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + name + content


def turned(path, matrix) -> None:
    """Write a matrix into the track's head of an MP4."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(65536 * value).to_bytes(4, "big", signed=True) for value in matrix)
    data[place : place + 20] = a + b + bytes(4) + c + d
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_a_video_is_shown_by_its_matrix(tmp_path, matrix) -> None:
    write_video(tmp_path / "v.mp4", FRAMES, 24)
    stored = read_clip(tmp_path / "v.mp4", None).frames
    turned(tmp_path / "v.mp4", matrix)
    assert mp4.display_matrix(tmp_path / "v.mp4") == matrix
    found = read_clip(tmp_path / "v.mp4", None).frames
    assert np.array_equal(found, np.stack([mp4.show(frame, matrix) for frame in stored]))


def test_a_point_goes_where_the_matrix_says() -> None:
    picture = np.zeros((2, 3), int)
    picture[0, 2] = 1  # x = 2, y = 0
    for (a, b, c, d), expected in (((0, 1, -1, 0), (2, 1)), ((0, 1, 1, 0), (2, 0)), ((-1, 0, 0, 1), (0, 0))):
        assert np.argwhere(mp4.show(picture, (a, b, c, d))).tolist() == [list(expected)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        box(b"ftyp", b"") + box(b"moov", box(b"trak", b"\0\0\0\1tkhd")),
        b"\0\0\0\1ftyp" + bytes(8),
        bytes(400),
    ],
)
def test_damaged_boxes_say_nothing(tmp_path, content) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    assert mp4.display_matrix(tmp_path / "v.mp4") == mp4.UPRIGHT
    assert not mp4.is_cut_short(tmp_path / "v.mp4")


def test_an_mp4_without_its_index_is_told_so(tmp_path) -> None:
    write_video(tmp_path / "v.mp4", FRAMES, 24)
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(
        InputError, match=r"no video that OpenCV can open; .* It is an MP4 without its index.*copy it again"
    ):
        read_clip(tmp_path / "v.mp4")


@pytest.mark.parametrize(
    ("told", "count", "times", "rate"),
    [
        (29.97, 100, (0, 10), 29.97),
        (1000, 12, (0, 366.7), 30),
        (0.5, 12, (0, 22000), 0.5),
        (0, 11, (40, 440), 25),
        (90000, 5, (0, 4), 1000),
        (1000, 1, (0, 0), 1000),
        (0, 1, (0, 0), 24),
        (float("nan"), 1, (0, 0), 24),
    ],
)
def test_the_rate_is_that_of_the_head_or_of_the_times(told, count, times, rate) -> None:
    assert _rate(told, count, times) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_values_of_any_depth_are_scaled_by_their_own_range(tmp_path, bits, suffix) -> None:
    deep = FRAMES.astype(np.uint16) << (bits - 8)
    deep[0, 0, 0, 0] = 2**bits - 1
    for index, frame in enumerate(deep):
        cv2.imwrite(str(tmp_path / f"{index}{suffix}"), frame[..., ::-1])
    clip = read_clip(tmp_path, None)
    assert np.abs(clip.frames[1:].astype(int) - FRAMES[1:]).max() <= 1
    assert bool(clip.notes) == (bits < 16)


def test_the_white_of_a_pgm_is_in_its_head(tmp_path) -> None:
    grey = FRAMES[0, ..., 0]
    for white, dtype in ((1023, ">u2"), (511, ">u2"), (15, "u1")):
        values = np.rint(grey * (white / 255)).astype(dtype)
        (tmp_path / f"{white}.pgm").write_bytes(b"P5\n# a comment\n64 48\n%d\n" % white + values.tobytes())
        clip = read_clip(tmp_path, None)
        assert np.abs(clip.frames[0, ..., 0].astype(int) - grey).max() <= 255 / white
        assert f"{white} is white" in clip.notes[0]
        (tmp_path / f"{white}.pgm").unlink()


LOSSLESS = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
"""OpenCV 4 would write three floating values as LogLuv, which rounds, and knows no NaN."""


@pytest.mark.parametrize("white", [1, 255, 4000])
def test_floating_values_are_scaled_too(tmp_path, white) -> None:
    for index, frame in enumerate(FRAMES):
        values = (frame[..., ::-1] / 255 * white).astype(np.float32)
        cv2.imwrite(str(tmp_path / f"{index}.tif"), values, LOSSLESS)
    clip = read_clip(tmp_path, None)
    scale = white / white_of(white, np.dtype(np.float32))
    assert np.abs(clip.frames - FRAMES * scale).max() <= 1.5
    assert clip.notes[0].startswith("Frames are float32 with values up to")
    cv2.imwrite(str(tmp_path / "4.tif"), np.full((48, 64, 3), np.nan, np.float32), LOSSLESS)
    with pytest.raises(InputError, match=r"4\.tif has values that are NaN or infinite"):
        read_clip(tmp_path, None)


NAMES = [
    "frame.jpg", "frame2.jpg", "frame2 (1).jpg", "frame10.jpg", "frame (1).jpg", "frame (2).jpg", "frame (10).jpg",
    "frame - Copy.jpg", "frame - Copy (2).jpg",
]  # fmt: skip


def test_copies_come_after_what_they_are_copies_of() -> None:
    assert sorted(sorted(NAMES), key=natural_key) == NAMES


def test_what_looks_like_a_picture_and_is_left_out_is_named(tmp_path) -> None:
    for index, frame in enumerate(FRAMES[:2]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), frame)
    (tmp_path / "2.heic").write_bytes(b"whatever")
    (tmp_path / "3.part").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "notes.txt").write_text("no picture")
    assert left_out(tmp_path) == ["2.heic", "3.part"]
    (note,) = read_clip(tmp_path).notes
    assert note == (
        "Passed over, although they look like pictures: 2.heic, 3.part. "
        "Convert them, or give them an ending that is read, such as .png or .jpg."
    )
    for index in range(4, 12):
        (tmp_path / f"{index}.nef").write_bytes(b"")
    assert f"2.heic, 3.part, 4.nef, 5.nef, 6.nef and {10 - NAMED} more." in read_clip(tmp_path).notes[0]


@pytest.mark.parametrize(
    ("pattern", "names"), [("a*.png", ("a1", "a2", "a10")), ("a%02d.png", ("a10",)), ("a%d.png", ("a1", "a2", "a10"))]
)
def test_a_pattern_stands_for_names(tmp_path, pattern, names) -> None:
    for name in ("a1", "a2", "a10", "b1"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), FRAMES[0])
    clip = read_clip(tmp_path / pattern)
    assert clip.frame_names == names
    assert clip.name == tmp_path.name
    with pytest.raises(InputError, match="stands for no image"):
        read_clip(tmp_path / "c*.png")


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_pictures_that_move_are_clips(tmp_path, suffix) -> None:
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGRA) for frame in FRAMES]
    animation.durations = [40] * 4
    try:
        written = cv2.imwriteanimation(str(tmp_path / f"a{suffix}"), animation)
    except cv2.error:  # of a suffix that it does not know
        written = False
    if not written:
        pytest.skip("this OpenCV writes none")
    clip = read_clip(tmp_path / f"a{suffix}", None)
    assert (len(clip), clip.fps) == (4, 25)
    assert np.abs(clip.frames.astype(int) - FRAMES).mean() < 20  # a GIF has few colours


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_pages_of_a_tiff_are_frames(tmp_path, depth) -> None:
    pages = [frame[..., ::-1].astype(depth) << (0 if depth == np.uint8 else 4) for frame in FRAMES]
    cv2.imwritemulti(str(tmp_path / "stack.tif"), pages)
    for place in (tmp_path / "stack.tif", tmp_path):
        clip = read_clip(place, None)
        assert np.abs(clip.frames.astype(int) - FRAMES).max() <= 1
        assert bool(clip.notes) == (depth == np.uint16)


def test_a_name_with_a_colon_can_be_written_and_read(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path("10:20:30.mp4"), FRAMES, 24)
    assert len(read_clip("10:20:30.mp4")) == 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_too_little_memory_is_not_called_damage(tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((12000, 12000), np.uint8))
    program = f"""
import resource, sys
from pathlib import Path
from ikebook.video.images import read_image
here = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (here + 200_000_000,) * 2)
try:
    read_image(Path({str(tmp_path / "large.png")!r}))
except MemoryError:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False).returncode == 7
    assert explain(MemoryError())[0] == "memory"
