"""Scores: answers known by hand, plain loops, and the official tools' numbers."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import read_grey

from ikebook.base.check import InputError
from ikebook.base.files import plain
from ikebook.datasets import Davis2016
from ikebook.video.metrics import (
    boundary,
    boundary_accuracy,
    davis_scores,
    region_similarity,
    saliency_scores,
    statistics,
    summary,
)

EMPTY = np.zeros((6, 9), bool)
FULL = np.ones((6, 9), bool)


def pixels(*positions, shape=(6, 12)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for position in positions:
        mask[position] = True
    return mask


def loop_boundary(mask) -> list[tuple[int, int]]:
    """Pixels with a neighbour to the right, below, or both, on the other side; neighbours beyond the frame repeat it."""
    h, w = mask.shape
    return [
        (y, x)
        for y in range(h)
        for x in range(w)
        if any(mask[y, x] != mask[min(y + dy, h - 1), min(x + dx, w - 1)] for dy, dx in ((0, 1), (1, 0), (1, 1)))
    ]


def loop_f(mask, truth, radius) -> float:
    ours, theirs = loop_boundary(mask), loop_boundary(truth)
    if not ours or not theirs:
        return 1.0 if len(ours) == len(theirs) else 0.0

    def share(points, others) -> float:
        near = [any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others) for y, x in points]
        return sum(near) / len(near)

    precision, recall = share(ours, theirs), share(theirs, ours)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def loop_fbeta(found, truth, beta_squared=0.3) -> float:
    hits = np.sum(found & truth)
    if hits == 0:
        return 0.0
    precision, recall = hits / found.sum(), hits / truth.sum()
    return (1 + beta_squared) * precision * recall / (beta_squared * precision + recall)


class TestRegionSimilarity:
    def test_it_is_intersection_over_union(self) -> None:
        mask, truth = pixels((0, 0), (0, 1), (0, 2)), pixels((0, 2), (0, 3))
        assert region_similarity(mask, truth) == 1 / 4
        assert region_similarity(truth, mask) == 1 / 4
        assert region_similarity(mask, mask) == 1
        assert region_similarity(mask, pixels((5, 5))) == 0

    def test_two_empty_masks_agree_and_one_does_not(self) -> None:
        assert region_similarity(EMPTY, EMPTY) == 1
        assert region_similarity(EMPTY, FULL) == 0
        assert region_similarity(FULL, EMPTY) == 0


class TestBoundaryAccuracy:
    def test_the_boundary_of_a_pixel_is_itself_and_three_neighbours(self) -> None:
        assert np.argwhere(boundary(pixels((2, 2)))).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]

    def test_the_frames_edge_is_no_boundary(self) -> None:
        assert not boundary(FULL).any()
        left = np.zeros((4, 6), bool)
        left[:, :3] = True
        assert np.argwhere(boundary(left)).tolist() == [[y, 2] for y in range(4)]

    @pytest.mark.parametrize(("tolerance", "expected"), [(0, 0.5), (1, 1.0)])
    def test_a_pixel_beside_another(self, tolerance, expected) -> None:
        assert boundary_accuracy(pixels((2, 2)), pixels((2, 3)), tolerance) == expected

    @pytest.mark.parametrize(("tolerance", "expected"), [(1, 0.0), (1.5, 0.5), (2, 0.5), (3, 1.0)])
    def test_a_pixel_three_columns_from_another(self, tolerance, expected) -> None:
        assert boundary_accuracy(pixels((2, 2)), pixels((2, 5)), tolerance) == expected

    def test_precision_and_recall_are_combined_by_their_harmonic_mean(self) -> None:
        both = pixels((2, 2), (2, 8))
        assert boundary_accuracy(pixels((2, 2)), both, 0) == pytest.approx(2 * 1 * 0.5 / 1.5)
        assert boundary_accuracy(both, pixels((2, 2)), 0) == pytest.approx(2 * 1 * 0.5 / 1.5)

    @pytest.mark.parametrize(("shift", "expected"), [(8, 1.0), (9, 0.5), (10, 0.0)])
    def test_at_480p_boundaries_match_within_8_pixels(self, shift, expected) -> None:
        mask, truth = (pixels((200, column), shape=(480, 854)) for column in (300, 300 + shift))
        assert boundary_accuracy(mask, truth) == expected

    def test_masks_without_a_boundary(self) -> None:
        assert boundary_accuracy(EMPTY, EMPTY) == 1
        assert boundary_accuracy(FULL, FULL) == 1
        assert boundary_accuracy(EMPTY, pixels((2, 2), shape=EMPTY.shape)) == 0
        assert boundary_accuracy(pixels((2, 2), shape=EMPTY.shape), EMPTY) == 0

    @given(st.integers(3, 9), st.integers(3, 9), st.integers(0, 3), st.integers(0, 10**6))
    def test_it_is_that_of_loops_over_pixels(self, h, w, radius, seed) -> None:
        mask, truth = np.random.default_rng(seed).random((2, h, w)) < 0.25
        assert np.argwhere(boundary(mask)).tolist() == [list(point) for point in loop_boundary(mask)]
        assert boundary_accuracy(mask, truth, float(radius)) == pytest.approx(loop_f(mask, truth, radius), abs=1e-12)

    @pytest.mark.parametrize("tolerance", [-1, math.nan, "wide"])
    def test_a_tolerance_that_is_no_distance(self, tolerance) -> None:
        with pytest.raises(InputError, match=f"tolerance is {tolerance!r}"):
            boundary_accuracy(FULL, FULL, tolerance)


@pytest.mark.parametrize("score", [region_similarity, boundary_accuracy])
@pytest.mark.parametrize(
    ("mask", "truth", "message"),
    [
        (np.zeros((6, 9), np.uint8), FULL, "mask is uint8; expected bool"),
        (FULL, np.zeros((6, 9)), "truth is float64; expected bool"),
        (np.zeros((6, 9, 3), bool), FULL, r"mask has shape \(6, 9, 3\); expected \(h, w\)"),
        (FULL, np.zeros(9, bool), r"truth has shape \(9,\)"),
        (FULL, np.zeros((9, 6), bool), r"mask is \(6, 9\) and truth \(9, 6\); expected one shape"),
    ],
)
def test_masks_of_the_wrong_kind(score, mask, truth, message) -> None:
    with pytest.raises(InputError, match=message):
        score(mask, truth)


class TestStatistics:
    def test_five_frames(self) -> None:
        found = statistics([0.9, 0.8, 0.4, 0.6, 0.2])
        assert found.mean == pytest.approx(0.58)
        assert found.recall == pytest.approx(0.6)
        assert found.decay == pytest.approx(0.85 - 0.4)

    def test_recall_counts_what_is_above_one_half_not_at_it(self) -> None:
        assert statistics([0.5, 0.5, 0.5 + 1e-9, 0.4]).recall == 0.25

    def test_half_way_between_two_frames_a_quarter_ends_at_the_later(self) -> None:
        assert statistics([1, 1, 0, 0, 0, 0.5, 0]).decay == pytest.approx(2 / 3 - 0.25)

    def test_a_rise_is_a_negative_decay(self) -> None:
        assert statistics([0.0, 0.0, 1.0, 1.0]).decay == -1

    def test_one_value_does_not_decay(self) -> None:
        found = statistics([0.7])
        assert (found.mean, found.recall, found.decay) == (0.7, 1.0, 0.0)

    def test_no_value_has_no_statistics(self) -> None:
        found = statistics([])
        assert all(math.isnan(value) for value in (found.mean, found.recall, found.decay))

    @pytest.mark.parametrize("count", [256, 257, 300, 512, 1000])
    def test_decay_beyond_an_eight_bit_index(self, count) -> None:
        ends = [math.floor(1 + (count - 1) * quarter / 4 + 0.5) for quarter in range(5)]
        values = np.full(count, 0.6)
        values[: ends[1]] = 1
        values[ends[3] - 1 :] = 0.25
        assert statistics(list(values)).decay == pytest.approx(0.75, abs=1e-12)


class TestDavisScores:
    def test_the_first_and_the_last_frame_are_not_scored(self) -> None:
        truth = [pixels((2, 2), (2, 3))] * 4
        masks = [pixels((5, 9)), truth[0], pixels((2, 3)), pixels((5, 9))]
        assert davis_scores(masks, truth)["J"] == [1.0, 0.5]

    def test_iterators_are_read_once(self) -> None:
        truth = [pixels((2, index)) for index in range(5)]
        assert davis_scores(iter(truth), iter(truth)) == {"J": [1.0] * 3, "F": [1.0] * 3}

    @pytest.mark.parametrize("frames", [1, 2])
    def test_clips_without_a_scored_frame(self, frames) -> None:
        scores = davis_scores([FULL] * frames, [FULL] * frames)
        assert scores == {"J": [], "F": []}
        found = summary(scores)
        assert list(found) == ["J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay"]
        assert all(math.isnan(value) for value in found.values())
        assert set(plain(found).values()) == {None}

    def test_three_frames_have_one_score(self) -> None:
        found = summary(davis_scores([EMPTY] * 3, [EMPTY] * 3))
        assert found == {
            "J_mean": 1.0, "J_recall": 1.0, "J_decay": 0.0, "F_mean": 1.0, "F_recall": 1.0, "F_decay": 0.0
        }  # fmt: skip

    def test_a_clip_of_more_than_256_frames(self) -> None:
        truth = [pixels((2, 2), (2, 3))] * 302
        masks = [*truth[:150], *[pixels((2, 3))] * 152]
        found = summary(davis_scores(masks, truth))
        assert found["J_mean"] == pytest.approx((149 + 151 * 0.5) / 300)
        assert found["J_recall"] == pytest.approx(149 / 300)
        assert found["J_decay"] == pytest.approx(0.5)

    def test_as_many_masks_as_annotations_are_needed(self) -> None:
        with pytest.raises(ValueError, match="shorter"):
            davis_scores([FULL] * 3, [FULL] * 2)


class TestSaliency:
    soft = np.array([[0.0, 0.5], [1.0, 0.25]])
    truth = np.array([[False, False], [True, True]])
    # From the least level to the greatest: all four pixels, 0.25 and up, 0.5 and up, and the brightest alone.
    curve = (1.3 * 0.5 / 1.15, 1.3 * (2 / 3) / 1.2, 1.3 * 0.25 / 0.65, 1.3 * 0.5 / 0.8)

    def test_four_pixels(self) -> None:
        found = saliency_scores([self.soft], [self.truth])
        levels = (1, int(0.25 * 255), int(0.5 * 255) - int(0.25 * 255), 255 - int(0.5 * 255))
        assert found["mae"] == pytest.approx((0 + 0.5 + 0 + 0.75) / 4)
        assert found["fbeta_adaptive"] == pytest.approx(1.3 * 1 * 0.5 / (0.3 * 1 + 0.5))
        assert found["fbeta_mean"] == pytest.approx(np.dot(levels, self.curve) / 256)
        assert found["fbeta_max"] == pytest.approx(max(self.curve))

    @pytest.mark.parametrize(("scale", "offset"), [(3.0, -7.0), (1e-3, 0.0), (0.5, 0.5)])
    def test_soft_masks_are_scaled_first(self, scale, offset) -> None:
        found = saliency_scores([scale * self.soft + offset], [self.truth])
        assert found == pytest.approx(saliency_scores([self.soft], [self.truth]))

    def test_beta_weighs_precision_against_recall(self) -> None:
        precision = saliency_scores([self.soft], [self.truth], beta_squared=0.0)
        assert precision["fbeta_adaptive"] == pytest.approx(1.0)
        even = saliency_scores([self.soft], [self.truth], beta_squared=1.0)
        assert even["fbeta_adaptive"] == pytest.approx(2 / 3)

    def test_the_greatest_value_is_that_of_the_mean_curve(self) -> None:
        rng = np.random.default_rng(3)
        soft, truth = rng.random((4, 6, 7)), rng.random((4, 6, 7)) < 0.4
        curves = []
        for values, annotation in zip(soft, truth, strict=True):
            levels = ((values - values.min()) / np.ptp(values) * 255).astype(int)
            curves.append([loop_fbeta(levels >= level, annotation) for level in range(256)])
        found = saliency_scores(soft, truth)
        assert found["fbeta_max"] == pytest.approx(np.mean(curves, 0).max())
        assert found["fbeta_mean"] == pytest.approx(np.mean(curves))
        assert found["fbeta_max"] < np.max(curves, 1).mean() - 0.01

    @given(st.integers(0, 10**6))
    def test_the_adaptive_score_is_that_of_a_loop(self, seed) -> None:
        rng = np.random.default_rng(seed)
        soft, truth = rng.integers(0, 256, (3, 5, 6), np.uint8), rng.random((3, 5, 6)) < rng.random()
        expected, errors = [], []
        for values, annotation in zip(soft / 255, truth, strict=True):
            scaled = (values - values.min()) / np.ptp(values)
            expected.append(loop_fbeta(scaled >= min(2 * scaled.mean(), 1), annotation))
            errors.append(np.abs(scaled - annotation).mean())
        found = saliency_scores(soft, truth)
        assert found["fbeta_adaptive"] == pytest.approx(np.mean(expected))
        assert found["mae"] == pytest.approx(np.mean(errors))

    @pytest.mark.parametrize(
        ("level", "truth", "mae", "fbeta"),
        [(0, EMPTY, 0.0, 0.0), (0, FULL, 1.0, 1.0), (1, EMPTY, 1.0, 0.0), (1, FULL, 0.0, 1.0), (7, FULL, 0.0, 1.0)],
    )
    def test_constant_soft_masks(self, level, truth, mae, fbeta) -> None:
        found = saliency_scores([np.full(truth.shape, float(level))], [truth])
        assert found["mae"] == mae
        assert found["fbeta_adaptive"] == pytest.approx(fbeta)
        assert found["fbeta_max"] == pytest.approx(fbeta)
        assert 0 <= found["fbeta_mean"] <= 1

    def test_eight_bits_stand_for_0_to_1(self) -> None:
        assert saliency_scores([np.full((6, 9), 51, np.uint8)], [EMPTY])["mae"] == pytest.approx(0.2)
        assert saliency_scores([np.full((6, 9), 51, np.uint8)], [FULL])["mae"] == pytest.approx(0.8)

    @pytest.mark.parametrize(
        ("soft", "truth", "message"),
        [
            ([], [], "soft holds no mask"),
            ([np.zeros((9, 6))], [FULL], r"soft has shape \(9, 6\); expected \(6, 9\)"),
            ([np.zeros((6, 9))], [FULL.astype(np.uint8)], "truth is uint8; expected bool"),
            ([np.zeros((6, 9, 3))], [np.zeros((6, 9, 3), bool)], r"truth has shape \(6, 9, 3\)"),
            ([np.full((6, 9), np.nan)], [FULL], "soft has values that are NaN or infinite"),
            ([np.where(FULL, np.inf, 0)], [FULL], "NaN or infinite"),
        ],
    )
    def test_inputs_of_the_wrong_kind(self, soft, truth, message) -> None:
        with pytest.raises(InputError, match=message):
            saliency_scores(soft, truth)


@pytest.mark.data
@pytest.mark.parametrize("sequence", ["car-shadow", "scooter-black", "kite-surf"])
def test_j_and_f_are_those_of_the_official_tool(sequence, metrics_root, davis_root) -> None:
    expected = json.loads((metrics_root / "davis2016_expected.json").read_text(encoding="utf-8"))[sequence]
    masks = (read_grey(file) > 127 for file in sorted((metrics_root / "masks" / sequence).iterdir()))
    scores = davis_scores(masks, Davis2016(davis_root).annotations(sequence))
    for measure in ("J", "F"):
        assert scores[measure] == pytest.approx(expected[f"{measure}_per_frame"], abs=1e-6)
        found = summary(scores)
        for statistic in ("mean", "recall", "decay"):
            assert found[f"{measure}_{statistic}"] == pytest.approx(expected[measure][statistic], abs=1e-6)
    assert set(expected) == {"J", "F", "J_per_frame", "F_per_frame"}


@pytest.mark.data
@pytest.mark.parametrize("sequence", ["car-shadow", "scooter-black", "kite-surf"])
def test_saliency_scores_are_those_of_the_usual_package(sequence, metrics_root, davis_root) -> None:
    expected = json.loads((metrics_root / "saliency_expected.json").read_text(encoding="utf-8"))[sequence]
    names = expected.pop("frames")
    soft = [read_grey(metrics_root / "soft" / sequence / name) for name in names]
    truth = [read_grey(davis_root / "Annotations" / "480p" / sequence / name) > 127 for name in names]
    assert saliency_scores(soft, truth) == pytest.approx(expected, abs=1e-6)


@pytest.mark.data
def test_the_reference_numbers_cover_these_sequences_and_no_others(metrics_root) -> None:
    for name in ("davis2016_expected.json", "saliency_expected.json"):
        assert set(json.loads((metrics_root / name).read_text(encoding="utf-8"))) == {
            "car-shadow", "scooter-black", "kite-surf"
        }  # fmt: skip


def test_scores_of_empty_frames_are_defined_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = saliency_scores([EMPTY.astype(np.uint8)] * 2, [EMPTY] * 2)
        unscored = summary(davis_scores([EMPTY] * 2, [FULL] * 2))
        missed = summary(davis_scores([EMPTY] * 3, [FULL] * 3))
    assert found == {"mae": 0, "fbeta_adaptive": 0, "fbeta_mean": 0, "fbeta_max": 0}
    assert all(math.isnan(score) for score in unscored.values())  # first and last frame do not count
    assert (missed["J_mean"], missed["J_recall"], missed["J_decay"]) == (0, 0, 0)
