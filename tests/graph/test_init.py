"""A mask that somebody has drawn of one frame picks one of several things that move."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.cycle import CycleOptions
from ikebook.graph.choice import choose_closest, likeness_where_drawn
from ikebook.matrix.feature_motion import FeatureMotion

M, SIZE = 8, (96, 64)


def overlap(found, truth) -> float:
    return float((found & truth).sum() / (found | truth).sum())


@pytest.fixture(scope="module")
def discs():
    """A large disc that goes right and a small one that goes left, on grain: clip, flow, and the masks of both."""
    grain = np.random.default_rng(0).integers(60, 120, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    frames, masks = [], np.zeros((2, M, SIZE[1], SIZE[0]), np.uint8)
    for k in range(M):
        frame = cv2.GaussianBlur(grain, (0, 0), 1.5)
        cv2.circle(frame, (22 + 3 * k, 20), 12, (220, 30, 30), -1)
        cv2.circle(masks[0, k], (22 + 3 * k, 20), 12, 1, -1)
        cv2.circle(frame, (80 - 3 * k, 48), 9, (30, 30, 220), -1)
        cv2.circle(masks[1, k], (80 - 3 * k, 48), 9, 1, -1)
        frames.append(frame)
    clip = ikebook.Clip(np.stack(frames))
    return clip, ikebook.compute_flow(clip), masks.astype(bool)


def drawn(mask, frame: int) -> np.ndarray:
    maps = np.zeros(mask.shape, np.float32)
    maps[frame] = mask[frame]
    return maps


@pytest.mark.parametrize("frame", [3, 5])
@pytest.mark.parametrize("meant", [0, 1])
def test_the_disc_that_was_drawn_is_the_object(discs, meant, frame) -> None:
    clip, flow, masks = discs
    result = ikebook.segment(clip, flow, init=drawn(masks[meant], frame))
    assert overlap(result.masks, masks[meant]) > 0.45  # without it 0.39 and 0.22: one eigenvector for both
    assert overlap(result.masks, masks[1 - meant]) < 0.1


def test_it_is_the_closest_of_all_leading_eigenvectors(discs) -> None:
    clip, flow, masks = discs
    maps = drawn(masks[1], 3)
    result = ikebook.segment(clip, flow, init=maps)
    vectors = torch.stack([result.pairs.volumes[k][3].flatten() for k in range(len(result.pairs.values))])
    alike = torch.corrcoef(torch.cat([vectors.double(), torch.from_numpy(maps[3]).double().flatten()[None]]))[-1, :-1]
    assert torch.allclose(likeness_where_drawn(result.pairs, maps), alike, atol=1e-5)
    assert result.chosen == int(alike.abs().argmax())
    assert choose_closest(result.pairs, maps) == (result.chosen, result.sign)
    assert choose_closest(result.pairs, -maps) == (result.chosen, -result.sign)


def test_its_number_gives_the_same(discs) -> None:
    clip, flow, masks = discs
    by_mask = ikebook.segment(clip, flow, init=drawn(masks[1], 3))
    options = ikebook.override(ikebook.GraphOptions(), f"masks.object={by_mask.chosen + 1}")
    by_number = ikebook.segment(clip, flow, options=options)
    assert by_number.chosen == by_mask.chosen
    assert np.array_equal(by_number.masks, by_mask.masks)
    assert not any("closest" in warning for warning in by_number.warnings)


def test_cycles_go_on_with_what_was_picked(discs) -> None:
    clip, flow, masks = discs
    options = CycleOptions(cycles=2, network=None, tolerance=0)
    states = list(ikebook.exchange(clip, flow, init=drawn(masks[1], 3), options=options))
    scores = [overlap(state.graph.masks, masks[1]) for state in states]
    assert min(scores) > 0.5
    numbered = CycleOptions(
        cycles=2, network=None, tolerance=0, graph=ikebook.override(ikebook.GraphOptions(), "masks.object=2")
    )
    states = list(ikebook.exchange(clip, flow, options=numbered))
    assert states[0].graph.chosen == 1
    assert isinstance(states[1].graph.matrix, FeatureMotion)


def test_a_start_for_power_iteration(discs) -> None:
    clip, flow, masks = discs
    options = ikebook.override(ikebook.preset("paper"), "solver.iterations=1")
    one = ikebook.segment(clip, flow, init=drawn(masks[0], 3), options=options)
    other = ikebook.segment(clip, flow, start=drawn(masks[0], 3), options=options)
    assert np.array_equal(one.pairs.volumes[0], other.pairs.volumes[0])


def test_what_cannot_be_is_said(discs) -> None:
    clip, flow, _ = discs
    with pytest.raises(InputError, match=r"init has shape \(1, 64, 96\); expected \(8, 64, 96\)"):
        ikebook.segment(clip, flow, init=np.ones((1, 64, 96)))
    with pytest.raises(InputError, match=r"object is 9, but there are \d+ eigenvectors; choose one of them"):
        ikebook.segment(clip, flow, options=ikebook.override(ikebook.GraphOptions(), "masks.object=9"))
    with pytest.raises(InputError, match=r"MaskOptions\.object is 0; expected a whole number, 1 or more"):
        ikebook.override(ikebook.GraphOptions(), "masks.object=0")
    with pytest.raises(InputError, match=r"MaskOptions\.object is 'best'; expected one of 'salient', 'principal'"):
        ikebook.override(ikebook.GraphOptions(), "masks.object=best")
