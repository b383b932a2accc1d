"""Scoring by a data set's protocol: frames without annotation, ends, soft masks, categories."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ikebook.metrics import davis_scores, saliency_scores, summary
from ikebook.protocol import DAVIS, SALIENCY, Protocol, is_score


def masks_of(seed: int, m: int = 7) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).random((m, 12, 16)) < 0.4)


@pytest.mark.parametrize("seed", range(3))
def test_davis_is_scored_as_before(seed) -> None:
    masks, truth = masks_of(seed), masks_of(seed + 10)
    assert DAVIS.of_masks(iter(masks), iter(truth)) == summary(davis_scores(masks, truth))
    assert DAVIS.of_soft(iter(masks), iter(truth)) == {}


@pytest.mark.parametrize("seed", range(3))
def test_frames_without_annotation_do_not_count(seed) -> None:
    masks, truth = masks_of(seed), masks_of(seed + 10)
    some = [one if index in (0, 3, 6) else None for index, one in enumerate(truth)]
    alone = Protocol().of_masks([masks[i] for i in (0, 3, 6)], [truth[i] for i in (0, 3, 6)])
    assert Protocol().of_masks(masks, some) == alone
    assert Protocol(ends=False).of_masks(masks, some)["J_mean"] == davis_scores(masks[2:5], truth[2:5])["J"][0]
    soft = [np.random.default_rng(i).random((12, 16)) for i in range(7)]
    found = Protocol(saliency=True).of_soft(iter(soft), iter(some))
    expected = saliency_scores([soft[i] for i in (0, 3, 6)], [truth[i] for i in (0, 3, 6)])
    assert found == {column: expected[name] for column, name in SALIENCY.items()}


def test_where_no_frame_is_annotated_there_is_no_score() -> None:
    masks = masks_of(0)
    protocol = Protocol(saliency=True)
    found = protocol.of_masks(masks, [None] * 7) | protocol.of_soft(masks, [None] * 7)
    assert len(found) == 10
    assert all(math.isnan(value) for value in found.values())


def test_means_are_over_sequences_or_over_categories_first() -> None:
    entries = {
        "a_1": {"J_mean": 0.2, "frames": 9},
        "a_2": {"J_mean": 0.4},
        "b_1": {"J_mean": 0.9},
        "b_2": {"J_mean": None},
    }
    assert Protocol().mean(entries) == {"J_mean": pytest.approx(0.5)}
    assert Protocol(category=lambda name: name[0]).mean(entries) == {"J_mean": pytest.approx((0.3 + 0.9) / 2)}
    assert Protocol().mean({"a": {"J_mean": None}}) == {"J_mean": None}


def test_scores_are_told_from_the_rest() -> None:
    assert all(is_score(column) for column in ("J_mean", "F_decay", "MAE", "Fbeta_max"))
    assert not any(is_score(column) for column in ("frames", "threshold", "Fbeta", "seconds"))
