"""Animated GIFs are clips, with times or without, whatever becomes of a picture when the next one comes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ikebook.base.check import InputError
from ikebook.runs.options import RunOptions
from ikebook.runs.parts import segment_parts
from ikebook.video.clip import read_clip
from ikebook.video.gifs import GifFile

COLOURS = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [220, 220, 40], [0, 0, 0]], np.uint8)


def pictures(count=6) -> list[np.ndarray]:
    """Flat stripes with a square that moves: few colours, which a GIF keeps."""
    made = []
    for index in range(count):
        picture = np.repeat(np.repeat(COLOURS[:4], 6, axis=0)[:, None], 32, axis=1)  # (24, 32, 3)
        picture[8:14, 3 + 4 * index : 9 + 4 * index] = COLOURS[4]
        made.append(picture)
    return made


def write_gif(path, made, **more):
    first, *others = [Image.fromarray(picture) for picture in made]
    first.save(path, format="GIF", save_all=True, append_images=others, **more)
    return path


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("optimize", [False, True])
def test_each_picture_is_as_it_is_shown(disposal, optimize, tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", pictures(), duration=40, disposal=disposal, optimize=optimize)
    clip = read_clip(path, None)
    assert (len(clip), clip.fps, clip.name) == (6, 25, "a")
    assert np.array_equal(clip.frames, pictures())
    assert list(clip.frame_names) == [f"{index:05d}" for index in range(6)]


def test_one_without_times_has_all_its_pictures(tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", pictures())
    assert path.read_bytes()[:6] == b"GIF87a"  # of 1987: it has no times, and FFmpeg sees one picture
    clip = read_clip(path, None)
    assert (len(clip), clip.fps) == (6, 24)
    assert np.array_equal(clip.frames, pictures())


def test_the_rate_is_that_of_how_long_they_are_shown_on_average(tmp_path) -> None:
    path = write_gif(tmp_path / "a.GIF", pictures(4), duration=[40, 80, 40, 40])
    assert read_clip(path, None).fps == pytest.approx(1000 / 50)


def test_a_part_of_it(tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", pictures())
    clip = read_clip(path, None, start=1, end=5, every=2)
    assert np.array_equal(clip.frames, np.array(pictures())[[1, 3]])
    assert list(clip.frame_names) == ["00001", "00003"]
    assert np.array_equal(list(clip.originals()), clip.frames)
    summary = segment_parts(path, tmp_path / "out", RunOptions(size=(32, 24), cache=False), part_length=3)
    assert (summary["frames"], summary["parts"]) == (6, 2)


def test_one_picture_is_no_clip(tmp_path) -> None:
    with pytest.raises(InputError, match=r"a\.gif is a single image; expected the folder"):
        read_clip(write_gif(tmp_path / "a.gif", pictures(1)))


def test_cut_short_it_has_what_can_be_read(tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", pictures(), duration=40)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    clip = read_clip(path, None)
    assert 2 <= len(clip) < 6
    assert np.array_equal(clip.frames, pictures()[: len(clip)])


@pytest.mark.parametrize("content", [b"GIF89a", b"GIF8" + bytes(40), b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(800)])
def test_a_damaged_one_is_told_in_one_line(content, tmp_path) -> None:
    (tmp_path / "a.gif").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.gif is no GIF that can be read; it may be damaged") as caught:
        read_clip(tmp_path / "a.gif")
    assert len(str(caught.value).splitlines()) == 1


def test_what_says_that_it_is_huge_takes_no_memory(tmp_path) -> None:
    huge = b"GIF89a" + (40000).to_bytes(2, "little") * 2 + b"\x80\0\0" + bytes(6)
    picture = b"," + bytes(4) + (40000).to_bytes(2, "little") * 2 + b"\0\x02\x02\x44\x01\0"
    (tmp_path / "a.gif").write_bytes(huge + picture * 3 + b";")
    with pytest.raises(InputError, match="is no GIF that can be read"):
        read_clip(tmp_path / "a.gif")


def test_one_picture_is_held_at_a_time(tmp_path) -> None:
    found = GifFile(write_gif(tmp_path / "a.gif", pictures(), duration=40)).between(2, 5)
    assert np.array_equal(next(found), pictures()[2])
    assert np.array_equal(list(found), pictures()[3:5])


def test_a_part_by_seconds(tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", pictures(), duration=[40, 80, 40, 40, 200, 40])
    assert GifFile(path).times() == pytest.approx([0, 0.04, 0.12, 0.16, 0.2, 0.4])
    assert list(read_clip(path, None, start="0.1s", end="0.21s").frame_names) == ["00002", "00003", "00004"]
    without = write_gif(tmp_path / "b.gif", pictures())
    assert GifFile(without).times() is None
    assert list(read_clip(without, None, start="0.05s", end="0.2s").frame_names) == ["00002", "00003", "00004"]
