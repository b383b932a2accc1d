"""Frames that stand twice: the graph is that of the frames that differ, and every frame has its mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import ikebook
from ikebook.base.arrays import Memory
from ikebook.base.files import write_video
from ikebook.cycle import CycleOptions
from ikebook.flow.fields import without_repeats
from ikebook.video.repeats import LONGEST, find_repeats

MADE = ikebook.toy("disc", (96, 64), 8)

CADENCES = {
    "15 in 30": [2],
    "24 in 60": [3, 2],
    "24 in 30": [1, 1, 1, 2],
    "12 in 60": [5],
    "on twos, once held": [2, 2, 9],
}


def shown(cadence: list[int], count: int = 8) -> np.ndarray:
    return np.repeat(np.arange(count), (cadence * count)[:count])


@pytest.mark.parametrize("cadence", CADENCES.values(), ids=CADENCES)
def test_equal_frames_are_found_in_any_cadence(cadence) -> None:
    found = find_repeats(MADE.clip.frames[shown(cadence)])
    assert found.shown.tolist() == shown(cadence).tolist()
    assert found.first.tolist() == [shown(cadence).tolist().index(picture) for picture in range(8)]


@pytest.mark.parametrize("name", [name for name, cadence in CADENCES.items() if max(cadence) <= LONGEST + 1])
def test_so_are_frames_that_a_codec_has_touched(tmp_path, name) -> None:
    expected = shown(CADENCES[name])
    write_video(tmp_path / "v.mp4", MADE.clip.frames[expected], 30)
    frames = ikebook.read_clip(tmp_path / "v.mp4", None).frames
    assert find_repeats(frames).shown.tolist() == expected.tolist()


def test_frames_that_all_differ_have_none() -> None:
    assert find_repeats(MADE.clip.frames) is None
    noise = np.random.default_rng(0).integers(-3, 4, MADE.clip.frames.shape)
    still = np.clip(MADE.clip.frames[:1].astype(int) + noise, 0, 255).astype(np.uint8)
    assert find_repeats(still) is None  # at rest, with a sensor's noise


def test_one_picture_alone_is_a_still_and_no_repeat() -> None:
    assert find_repeats(MADE.clip.frames[[0] * 6]) is None


def test_an_object_that_rests_for_a_while_is_none() -> None:
    """A sensor's noise tells that the frames are new: small steps, but many of them."""
    noise = np.random.default_rng(0).integers(-2, 3, (16, 64, 96, 3))
    rests = MADE.clip.frames[[0, 1, 2, 3] + [3] * 8 + [4, 5, 6, 7]] + noise
    assert find_repeats(np.clip(rests, 0, 255).astype(np.uint8)) is None


def test_masks_are_those_of_the_clip_with_each_picture_once() -> None:
    once = ikebook.segment(MADE.clip, MADE.flow)
    pictures = shown([2])
    zero = np.zeros((1, 64, 96, 2))

    def twice(field: np.ndarray) -> np.ndarray:
        return np.concatenate([one for each in field for one in (zero, each[None])] + [zero])

    flow = ikebook.Flow(forward=twice(MADE.flow.forward), backward=twice(MADE.flow.backward))
    clip = ikebook.Clip(frames=MADE.clip.frames[pictures], masks=MADE.clip.masks[pictures])
    found = ikebook.segment(clip, flow)
    assert np.array_equal(found.soft, once.soft[pictures])
    assert np.array_equal(found.labels, once.labels[pictures])
    assert found.threshold == once.threshold
    assert found.warnings[0].startswith("8 of 16 frames repeat the one before: the graph is that of the 8 that differ")
    (state,) = ikebook.exchange(clip, flow, options=CycleOptions(cycles=1))
    assert np.array_equal(state.soft, found.soft)
    assert state.score is not None
    assert state.score > 0.9
    assert np.array_equal(without_repeats(flow, found.repeats, Memory()).forward, MADE.flow.forward)


def test_what_is_computed_elsewhere_is_picked_as_frames_are() -> None:
    pictures = shown([2])
    cue = ikebook.Cue(name="own", maps=MADE.clip.masks[pictures].astype(np.float32))
    clip = ikebook.Clip(frames=MADE.clip.frames[pictures])
    found = ikebook.segment(clip, cues=[cue], reference=MADE.clip.masks[pictures].astype(np.float32), objects=2)
    assert found.soft.shape == found.objects.shape == (16, 64, 96)
    assert np.array_equal(found.objects[::2], found.objects[1::2])


def test_a_picked_clip_has_its_own_frames_at_both_sizes(tmp_path) -> None:
    for index, frame in enumerate(MADE.clip.frames):
        cv2.imwrite(str(tmp_path / f"{index}.png"), frame[..., ::-1])
    clip = ikebook.read_clip(tmp_path, (48, 32)).pick([1, 4, 6])
    assert clip.frame_names == ("1", "4", "6")
    assert np.array_equal(np.stack(list(clip.originals())), MADE.clip.frames[[1, 4, 6]])
    assert clip.fingerprint() != ikebook.read_clip(tmp_path, (48, 32)).fingerprint()
