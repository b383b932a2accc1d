"""A still shot with a sensor's noise has masks, as noise moves somewhere, and a user is told not to believe them."""

from __future__ import annotations

import numpy as np
import pytest

import ikebook
from ikebook.graph.confidence import LEAST_CONFIDENCE

STILL = ikebook.toy("disc", (160, 120), 2).clip.frames[:1]


@pytest.mark.parametrize("noise", [2, 10])
def test_a_sensors_noise_is_no_object(noise) -> None:
    grain = np.random.default_rng(0).normal(0, noise, (8, *STILL.shape[1:]))
    result = ikebook.segment(ikebook.Clip(frames=np.clip(STILL + grain, 0, 255).astype(np.uint8)))
    assert result.confidence.confidence < LEAST_CONFIDENCE
    assert any("the clip has no clear object" in warning for warning in result.warnings)
