"""Some frames of a source, however they are chosen: a range, a list, or a choice among chosen ones."""

from __future__ import annotations

import numpy as np
import pytest

from ikebook.base.files import write_video
from ikebook.datasets.toys import toy
from ikebook.video.clip import ArrayFrames, read_clip
from ikebook.video.selection import SelectedFrames
from ikebook.video.showing import showing

FRAMES = np.arange(10 * 4 * 5 * 3, dtype=np.uint8).reshape(10, 4, 5, 3)


class Counted(ArrayFrames):
    """Frames that know how many of them were read."""

    fps = 12.0
    read = 0

    def __iter__(self):
        for frame in self.frames:
            self.read += 1
            yield frame


@pytest.mark.parametrize("indexes", [range(3, 8, 2), [3, 5, 7], (0,), [0, 1, 9], [], range(0), range(8, 2**40)])
def test_those_frames_and_no_more_are_read(indexes) -> None:
    source = Counted(FRAMES)
    found = list(SelectedFrames(source, indexes))
    expected = [index for index in range(10) if index in indexes]
    assert len(found) == len(expected)
    assert all(np.array_equal(one, FRAMES[index]) for one, index in zip(found, expected, strict=True))
    assert source.read == (0 if not expected else 10 if len(indexes) > 10 else expected[-1] + 1)


def test_other_frames_have_another_fingerprint() -> None:
    source = ArrayFrames(FRAMES)
    choices = (range(3), range(0, 6, 2), [0, 1, 3], [0, 1, 4])
    prints = {SelectedFrames(source, chosen).fingerprint() for chosen in choices} | {source.fingerprint()}
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("indexes", "fps"), [(range(2, 9), 12.0), (range(0, 10, 3), 4.0), ([1, 2, 5], 4.0), ([3], 12.0)]
)
def test_the_rate_is_that_of_the_last_step(indexes, fps) -> None:
    assert SelectedFrames(Counted(FRAMES), indexes).fps == fps


def test_when_frames_of_frames_are_shown(tmp_path) -> None:
    pytest.importorskip("av")
    write_video(tmp_path / "walk.mp4", toy("disc", (96, 64), 24).clip.frames, 12)
    clip = read_clip(tmp_path / "walk.mp4", "48x32", start=6, every=2).pick([0, 1, 4]).first(3)  # 6, 8 and 14
    shown = showing(clip)
    assert shown.seconds == pytest.approx([0.0, 2 / 12, 8 / 12], abs=2e-3)
    assert shown.sound[1:] == pytest.approx((6 / 12, 20 / 12), abs=2e-3)  # until 6 more frames have passed, as before
    assert len(list(clip.originals())) == len(clip) == 3
