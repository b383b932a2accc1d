"""What is drawn on a frame that stands twice is drawn on its picture, whichever of the two it was."""

from __future__ import annotations

import numpy as np
import pytest

import ikebook
from ikebook.flow.fields import Flow


@pytest.mark.parametrize("frame", [6, 7])
def test_drawn_on_either_of_two(frame) -> None:
    made = ikebook.toy("two_objects", (64, 48), 6)
    twice = np.repeat(made.clip.frames, 2, axis=0)
    still = np.zeros_like(made.flow.forward[:1])

    def doubled(field):
        return np.stack([one for step in field for one in (still[0], step)] + [still[0]])

    flow = Flow(forward=doubled(made.flow.forward), backward=doubled(made.flow.backward))
    init = np.zeros((12, 48, 64), np.float32)
    init[frame] = made.clip.masks[3]
    found = ikebook.segment(twice, flow, init=init)
    once = np.zeros((6, 48, 64), np.float32)
    once[3] = made.clip.masks[3]
    expected = ikebook.segment(made.clip, made.flow, init=once)
    assert np.array_equal(found.masks, np.repeat(expected.masks, 2, axis=0))
