"""Scores of masks against annotations: DAVIS 2016's J and F, and the salient-object measures of DAVSOD's tables.

J, F and their statistics follow Perazzi et al., CVPR 2016 (doi:10.1109/CVPR.2016.85): J = 1 where both masks are empty,
boundaries match within 0.008 of the frame's diagonal, and the first and last frame of a sequence are not scored.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ikebook.base import check
from ikebook.base.check import require

BOUNDARY_TOLERANCE = 0.008
"""Distance within which boundaries match, as a fraction of the frame's diagonal."""


@dataclass(frozen=True)
class Statistics:
    """Of one measure over the scored frames of a sequence, each from 0 to 1 (decay from -1).

    `mean`; `recall`, the share of frames above 0.5; `decay`, the mean of the first quarter less that of the last.
    """

    mean: float
    recall: float
    decay: float


def region_similarity(mask: np.ndarray, truth: np.ndarray) -> float:
    """J, region similarity: intersection over union of two masks; 1 if both are empty (Sec. 6).

    Parameters
    ----------
    mask, truth : (h, w) bool
        What was found, and what is right.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> region_similarity(np.array([[True, True, False]]), np.array([[False, True, True]]))
    0.3333333333333333
    """
    _masks(mask, truth)
    union = int(np.count_nonzero(mask | truth))
    return int(np.count_nonzero(mask & truth)) / union if union else 1.0


def boundary_accuracy(mask: np.ndarray, truth: np.ndarray, tolerance: float = BOUNDARY_TOLERANCE) -> float:
    """F, boundary accuracy: harmonic mean of the boundaries' precision and recall; 1 if both masks are empty (Sec. 6).

    As the official evaluation of DAVIS 2016 has it (Perazzi et al., CVPR 2016, doi:10.1109/CVPR.2016.85).

    Parameters
    ----------
    mask, truth : (h, w) bool
        What was found, and what is right.
    tolerance : float, default 0.008
        Distance within which boundaries match: a fraction of the diagonal if below 1, else pixels.

    Returns
    -------
    float
        In [0, 1].
    """
    _masks(mask, truth)
    check.number("tolerance", tolerance, at_least=0)
    radius = math.ceil(tolerance * math.hypot(*mask.shape)) if tolerance < 1 else math.ceil(tolerance)
    ours, theirs = boundary(mask), boundary(truth)
    count, true_count = int(np.count_nonzero(ours)), int(np.count_nonzero(theirs))
    if count == 0 or true_count == 0:
        return 1.0 if count == true_count else 0.0
    reach = np.arange(-radius, radius + 1)
    disc = (reach[:, None] ** 2 + reach**2 <= radius**2).astype(np.uint8)
    precision = np.count_nonzero(ours & _dilate(theirs, disc)) / count
    recall = np.count_nonzero(theirs & _dilate(ours, disc)) / true_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: np.ndarray) -> np.ndarray:
    """The pixels of (h, w) whose right, lower or lower right neighbour is on the other side of the mask's outline."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != padded[:-1, 1:]) | (mask != padded[1:, :-1]) | (mask != padded[1:, 1:])


def statistics(scores: Sequence[float]) -> Statistics:
    """Mean, recall and decay of a measure over frames; all NaN if there is none."""
    values = np.asarray(scores, float)
    if len(values) == 0:
        return Statistics(math.nan, math.nan, math.nan)
    # Quarters share their end frames, as in the official tool, whose 8-bit index goes wrong above 256 frames: not here.
    ends = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    quarters = [values[first : last + 1] for first, last in itertools.pairwise(ends)]
    return Statistics(
        float(values.mean()), float((values > 0.5).mean()), float(quarters[0].mean() - quarters[-1].mean())
    )


def davis_scores(masks: Iterable[np.ndarray], truth: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """J and F of each scored frame of a sequence: all but the first and the last.

    Parameters
    ----------
    masks, truth : m masks (h, w) bool each, in any iterables: one frame at a time is looked at

    Returns
    -------
    dict
        `{"J": [...], "F": [...]}` with m-2 scores each, none for fewer than three frames.
    """
    scores: dict[str, list[float]] = {"J": [], "F": []}
    for mask, annotation in zip(masks, truth, strict=True):
        scores["J"].append(region_similarity(mask, annotation))
        scores["F"].append(boundary_accuracy(mask, annotation))
    return {name: values[1:-1] for name, values in scores.items()}


def summary(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """`{"J_mean": ..., "J_recall": ..., "J_decay": ..., "F_mean": ..., ...}` from the scores of each frame."""
    table: dict[str, float] = {}
    for name, values in scores.items():
        measured = statistics(values)
        table |= {f"{name}_mean": measured.mean, f"{name}_recall": measured.recall, f"{name}_decay": measured.decay}
    return table


def saliency_scores(
    soft: Iterable[np.ndarray], truth: Iterable[np.ndarray], beta_squared: float = 0.3
) -> dict[str, float]:
    """MAE and F-beta of soft masks (Sec. 6; Achanta et al., CVPR 2009, doi:10.1109/CVPR.2009.5206596).

    Each soft mask is first scaled to [0, 1]; one that is constant is clipped to it.

    Parameters
    ----------
    soft : masks (h, w), of any real values, or 8-bit, one for each frame
    truth : masks (h, w) bool
    beta_squared : weight of precision against recall

    Returns
    -------
    dict
        "mae"; "fbeta_adaptive" at the threshold min(2 mean, 1) of each frame; "fbeta_mean" and "fbeta_max" over 256
        thresholds, of the frames' mean curve.
    """
    return saliency_measures(soft, truth, beta_squared)[0]


def saliency_measures(
    soft: Iterable[np.ndarray], truth: Iterable[np.ndarray], beta_squared: float = 0.3
) -> tuple[dict[str, float], np.ndarray]:
    """What `saliency_scores` gives, and the frames' mean curve, (256,): F-beta at the thresholds 255, ..., 0 of 255."""
    errors, adaptive, curves = [], [], []
    for values, annotation in zip(soft, truth, strict=True):
        check.shape("truth", annotation, ("h", "w"))
        require(annotation.dtype == bool, f"truth is {annotation.dtype}; expected bool (values > 127, say).")
        check.shape("soft", values, annotation.shape)
        # 8-bit maps are divided by 255 first, like in the usual packages: levels below hang on the last bit.
        scaled = values / 255 if values.dtype == np.uint8 else np.asarray(values, float)
        low, high = scaled.min(), scaled.max()
        require(bool(np.isfinite([low, high]).all()), "soft has values that are NaN or infinite.")
        scaled = (scaled - low) / (high - low) if high > low else scaled.clip(0, 1)
        errors.append(float(np.abs(scaled - annotation).mean()))
        found = scaled >= min(2 * scaled.mean(), 1)
        hits, there = int(np.count_nonzero(found & annotation)), int(np.count_nonzero(annotation))
        adaptive.append(float(_fbeta(hits, int(np.count_nonzero(found)), there, beta_squared)))
        levels = (scaled * 255).astype(np.uint8)
        above = [np.bincount(levels[m], minlength=256)[::-1].cumsum() for m in (annotation, ~annotation)]
        curves.append(_fbeta(above[0], above[0] + above[1], there, beta_squared))
    require(len(errors) > 0, "soft holds no mask; expected one for each frame.")
    curve = np.mean(curves, axis=0)
    scores = {
        "mae": float(np.mean(errors)),
        "fbeta_adaptive": float(np.mean(adaptive)),
        "fbeta_mean": float(curve.mean()),
        "fbeta_max": float(curve.max()),
    }
    return scores, curve


def _fbeta(hits: np.ndarray | int, found: np.ndarray | int, there: int, beta_squared: float) -> np.ndarray:
    """(1 + b) P R / (b P + R) with P = hits / found and R = hits / there; 0 without a hit."""
    precision, recall = np.divide(hits, np.maximum(found, 1)), np.divide(hits, max(there, 1))
    below = beta_squared * precision + recall
    return np.asarray((1 + beta_squared) * precision * recall / np.where(below > 0, below, 1))


def _dilate(mask: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), shape).astype(bool)


def _masks(mask: np.ndarray, truth: np.ndarray) -> None:
    for name, array in (("mask", mask), ("truth", truth)):
        check.shape(name, array, ("h", "w"))
        require(array.dtype == bool, f"{name} is {array.dtype}; expected bool (values > 127, say).")
    require(mask.shape == truth.shape, f"mask is {mask.shape} and truth {truth.shape}; expected one shape.")
