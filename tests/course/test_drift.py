"""Chains of a wrong flow drift from the true ones by a known distance; frames warped by the true flow are alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.course.drift import drift
from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.flow.fields import warp
from ikebook.matrix.chains import MotionChains


def shifted(dx: float, dy: float, frames: int = 6, size: tuple[int, int] = (40, 30)) -> MotionChains:
    fields = np.broadcast_to(np.array([dx, dy], float), (frames - 1, size[1], size[0], 2)).copy()
    return MotionChains(Flow(forward=fields, backward=-fields), compute=Compute(dtype=torch.float64))


def test_errors_of_each_step_add_up() -> None:
    away = drift(shifted(1.3, -0.4), shifted(1.0, 0.0), steps=10)
    np.testing.assert_allclose(away, 0.5 * np.arange(1, 6))
    assert drift(shifted(1, 0), shifted(1, 0), frame=4).tolist() == [0.0]
    assert np.isnan(drift(shifted(30, 0), shifted(30, 0))[1])


def test_drift_needs_chains_of_one_clip() -> None:
    with pytest.raises(InputError, match="expected one clip"):
        drift(shifted(1, 0), shifted(1, 0, frames=7))
    with pytest.raises(InputError, match="steps is 0"):
        drift(shifted(1, 0), shifted(1, 0), steps=0)


def test_warping_by_a_whole_shift_moves_pixels_exactly() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    field = np.zeros((12, 16, 2))
    field[..., 0], field[..., 1] = 2, -1
    warped = warp(frame, field)
    np.testing.assert_array_equal(warped[1:, :-2], frame[:-1, 2:])
    assert not warped[0].any()
    assert not warped[:, -2:].any()
    with pytest.raises(InputError, match="field has shape"):
        warp(frame, field[:3])


def test_the_next_frame_warped_by_the_true_flow_is_this_one() -> None:
    made = toy("disc", (64, 64), 3)
    inside = (slice(6, -6), slice(6, -6))
    still = np.abs(made.clip.frames[1].astype(float) - made.clip.frames[0])[inside].mean()
    seen = warp(made.clip.frames[1], made.flow.forward[0]).astype(float)
    assert np.abs(seen - made.clip.frames[0])[inside].mean() < 0.3 * still
