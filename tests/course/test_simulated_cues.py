"""The made-up network fails in the ways in which it says it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.course.simulated_cues import simulated_network
from ikebook.datasets.toys import demo
from ikebook.graph.refine import temporal_median
from ikebook.video.metrics import davis_scores

MADE = demo(12, (104, 56))


def score(maps: np.ndarray) -> float:
    return float(np.mean(davis_scores(maps > 0.5, MADE.clip.masks)["J"]))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_hardly_sees_the_object_in_every_fourth_frame(seed) -> None:
    maps = simulated_network(MADE.clip, seed=seed).maps.numpy()
    inside = np.array([values[mask].mean() for values, mask in zip(maps, MADE.clip.masks, strict=True)])
    assert maps.shape == MADE.clip.masks.shape
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert inside[[0, 1, 3, 4, 5, 7, 8, 9, 11]].min() > 0.7
    assert inside[[2, 6, 10]].max() < 0.6


@pytest.mark.parametrize("seed", [0, 1])
def test_what_changes_is_outvoted_and_what_stays_is_not(seed) -> None:
    changing, staying = (
        simulated_network(MADE.clip, mistakes=kind, seed=seed).maps.numpy() for kind in ("new", "same")
    )
    voted, kept = (np.stack(list(temporal_median(maps, MADE.flow, 2))) for maps in (changing, staying))
    assert score(voted) > score(changing) + 0.2
    assert score(kept) < score(voted) - 0.2


def test_the_spot_that_stays_does_so_and_is_not_on_the_object() -> None:
    maps = simulated_network(MADE.clip, mistakes="same", noise=0).maps.numpy()
    wrong = ((maps > 0.5) & ~MADE.clip.masks).mean(0)
    y, x = np.argwhere(wrong == wrong.max()).mean(0)
    assert wrong.max() == 1
    assert abs(x - 0.12 * 104) < 6
    assert min(abs(y - 0.2 * 56), abs(y - 0.8 * 56)) < 6


def test_it_needs_masks_and_known_words() -> None:
    with pytest.raises(InputError, match="has no masks to pretend with"):
        simulated_network(replace(MADE.clip, masks=None))
    with pytest.raises(InputError, match="mistakes is 'old'"):
        simulated_network(MADE.clip, mistakes="old")
