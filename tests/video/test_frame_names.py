"""Results are named after frames, so a frame's name is a file's name: nothing is written elsewhere by one."""

from __future__ import annotations

import os

import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.video.clip import Clip

FRAMES = np.zeros((2, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    "name", ["../../../q/x", "/tmp/x", "a/b", "a/", "/", "", ".", "..", "q\0", "\0", 7, None, b"00000", ("a",)]
)
def test_what_names_another_place_is_refused(name) -> None:
    with pytest.raises(InputError, match=r"^frame_names holds .*; expected names of files without") as caught:
        Clip(FRAMES, frame_names=["00000", name])
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(os.sep != "\\", reason="elsewhere these are names of files")
@pytest.mark.parametrize("name", ["a\\b", "..\\x", "C:x"])
def test_on_windows_too(name) -> None:
    with pytest.raises(InputError, match="expected names of files"):
        Clip(FRAMES, frame_names=["00000", name])


@pytest.mark.parametrize("name", ["...", "a.b", " ", "日本", "x (1)", "-", "..x", "\N{LATIN SMALL LETTER A}" * 200])
def test_what_a_file_may_be_called_is_not(name) -> None:
    assert Clip(FRAMES, frame_names=["00000", name]).frame_names == ("00000", name)


def test_parts_of_a_clip_keep_their_names() -> None:
    clip = Clip(FRAMES, frame_names=["a", "b"])
    assert clip.first(1).frame_names == ("a",)
    assert tuple(clip.pick([1]).frame_names) == ("b",)
