"""Scoring by a data set's protocol: frames without annotation, ends, soft masks, categories."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ikebook.datasets.protocol import CURVE, DAVIS, SALIENCY, Protocol, is_score
from ikebook.video.metrics import davis_scores, saliency_scores, summary


def masks_of(seed: int, m: int = 7) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).random((m, 12, 16)) < 0.4)


@pytest.mark.parametrize("seed", range(3))
def test_davis_is_scored_as_before(seed) -> None:
    masks, truth = masks_of(seed), masks_of(seed + 10)
    assert DAVIS.score_masks(iter(masks), iter(truth)) == summary(davis_scores(masks, truth))
    assert DAVIS.score_soft_masks(iter(masks), iter(truth)) == {}


@pytest.mark.parametrize("seed", range(3))
def test_frames_without_annotation_do_not_count(seed) -> None:
    masks, truth = masks_of(seed), masks_of(seed + 10)
    some = [one if index in (0, 3, 6) else None for index, one in enumerate(truth)]
    alone = Protocol().score_masks([masks[i] for i in (0, 3, 6)], [truth[i] for i in (0, 3, 6)])
    assert Protocol().score_masks(masks, some) == alone
    assert Protocol(ends=False).score_masks(masks, some)["J_mean"] == davis_scores(masks[2:5], truth[2:5])["J"][0]
    soft = [np.random.default_rng(i).random((12, 16)) for i in range(7)]
    found = Protocol(saliency=True).score_soft_masks(iter(soft), iter(some))
    expected = saliency_scores([soft[i] for i in (0, 3, 6)], [truth[i] for i in (0, 3, 6)])
    assert len(found.pop(CURVE)) == 256
    assert found == {column: expected[name] for column, name in SALIENCY.items()}


@pytest.mark.parametrize("annotated", [(0, 3, 4, 6), (1, 2), (5,), ()])
def test_the_ends_are_the_first_and_the_last_annotated_frame(annotated) -> None:
    """As in the program of DAVSOD's authors, which goes from the second to the last but one of the annotations."""
    masks, truth = masks_of(0), [one if index in annotated else None for index, one in enumerate(masks_of(10))]
    protocol, inner = Protocol(ends=False, saliency=True), list(annotated[1:-1])
    assert [id(mask) for mask, _ in protocol.scored_frames(iter(masks), iter(truth))] == [id(masks[i]) for i in inner]
    soft = [np.random.default_rng(i).random((12, 16)) for i in range(7)]
    if inner:
        expected = Protocol().score_masks([masks[i] for i in inner], [truth[i] for i in inner])
        assert protocol.score_masks(iter(masks), iter(truth)) == expected
        found = saliency_scores([soft[i] for i in inner], [truth[i] for i in inner])
        assert protocol.score_soft_masks(iter(soft), iter(truth))["MAE"] == found["mae"]
    else:
        assert all(math.isnan(value) for value in protocol.score_soft_masks(soft, truth).values())


def test_one_threshold_for_all_sequences_makes_the_greatest_f() -> None:
    """Each of two is perfect at a threshold of its own, and neither at the other's."""
    truth = np.zeros((10, 10), bool)
    truth[:5] = True
    low, high = np.where(truth, 0.3, 0.0), np.where(truth, 1.0, 0.6)
    low[0, 0], high[9, 9] = 1.0, 0.0
    protocol = Protocol(saliency=True)
    entries = {str(i): protocol.score_soft_masks([soft], [truth]) for i, soft in enumerate((low, high))}
    assert [one["Fbeta_max"] for one in entries.values()] == pytest.approx([1, 1])
    mean = protocol.mean(entries)
    curves = np.array([one[CURVE] for one in entries.values()])
    assert mean["Fbeta_max"] == curves.mean(0).max() < 0.9
    assert mean["Fbeta_mean"] == pytest.approx(np.mean([one["Fbeta_mean"] for one in entries.values()]))
    assert CURVE not in mean


def test_where_no_frame_is_annotated_there_is_no_score() -> None:
    masks = masks_of(0)
    protocol = Protocol(saliency=True)
    found = protocol.score_masks(masks, [None] * 7) | protocol.score_soft_masks(masks, [None] * 7)
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
