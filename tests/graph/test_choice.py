"""Which eigenvector is the object: by the motion saliency, and by what a cue knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.compute import Compute
from ikebook.graph.choice import reference_maps
from ikebook.matrix.features import Cue

MADE = ikebook.toy("two_objects", (24, 20), 6)


def directed(maps) -> np.ndarray:
    """Maps about their mean in each frame, as a vector of length 1; 0 for what is constant in each frame."""
    vector = np.asarray(maps, float).reshape(len(maps), -1)
    vector = (vector - vector.mean(1, keepdims=True)).ravel()
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("kind", [torch.from_numpy, np.asarray], ids=["tensor", "array"])
def test_a_cue_counts_as_much_as_the_saliency_whatever_its_unit(kind, scale) -> None:
    noise = np.random.default_rng(0)
    saliency, cue, other = (noise.random((6, 20, 24)).astype(np.float32) for _ in range(3))
    cues = [Cue(name="c", maps=scale * cue), Cue(name="not on objects", maps=other, on_object=False)]
    found = reference_maps(MADE.clip, [MADE.flow], kind(saliency), cues, Compute(dtype=torch.float64))
    expected = directed(directed(saliency).reshape(6, 20, 24) + directed(cue).reshape(6, 20, 24))
    assert np.abs(directed(found) - expected).max() < 1e-6


def test_what_is_the_same_everywhere_has_no_say() -> None:
    cue = Cue(name="c", maps=np.random.default_rng(1).random((6, 20, 24)))
    for constant in (torch.zeros(6, 20, 24), torch.ones(6, 20, 24)):
        found = reference_maps(MADE.clip, [MADE.flow], constant, [cue], Compute(dtype=torch.float64))
        assert np.abs(directed(found) - directed(cue.maps)).max() < 1e-12


def test_of_two_things_a_cue_on_one_settles_which_it_is() -> None:
    """Two features as consistent as each other have near eigenvalues: one vector is about their sum, the other their difference.

    The saliency is as much like the one as like the other; the cue is like the sum.
    """
    dx = np.concatenate([MADE.flow.forward[..., 0], -MADE.flow.backward[-1:, ..., 0]])
    left = MADE.clip.masks & (dx < 0)
    assert left.any()
    result = ikebook.segment(MADE.clip, MADE.flow, cues=[Cue(name="left", maps=3.0 * left)])
    likeness = [
        abs(float(directed(volume) @ directed(left))) for volume in map(result.pairs.volumes.__getitem__, range(2))
    ]
    assert result.chosen == int(np.argmax(likeness))
    assert result.masks[left].mean() > 0.9
