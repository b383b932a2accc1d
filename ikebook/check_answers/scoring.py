"""Answers of notebook 10: J, F, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ikebook.check_answers.reading import WrongAnswer, call, read_number
from ikebook.video.metrics import region_similarity

FIRST = (88.7, 54.3, 79.3, 82.5, 83.9, 76.4, 86.9, 85.2, 63.0, 62.7, 16.4, 78.6)
THIRD = (93.4, 53.7, 76.8, 83.2, 86.3, 77.0, 85.8, 87.9, 72.9, 78.7, 25.5, 78.8)
"""J of the first and third graph on twelve clips, as the notebook gives them."""


CLOSE = 1e-5
"""Difference that may be rounding: some compute in float32, or add a little below a fraction."""


def _plain(value: Any) -> float:
    """One number as it is, NaN for all else."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan


def region(answer: Any) -> str:
    """10.1: J of two masks."""
    rng = np.random.default_rng(0)
    empty = np.zeros((8, 9), bool)
    cases = [(rng.random((8, 9)) < a, rng.random((8, 9)) < b) for a, b in ((0.5, 0.5), (0.3, 0.7), (0.8, 0.2))]
    for mask, truth in cases:
        known = region_similarity(mask, truth)
        with np.errstate(all="ignore"):
            given = read_number("J", call("my_j", answer, mask.copy(), truth.copy()))
        if abs(given - known) < CLOSE:
            continue
        both, either = int((mask & truth).sum()), int((mask | truth).sum())
        named = {
            float((mask == truth).mean()): "the share of pixels on which both agree: background counts too",
            2 * both / int(mask.sum() + truth.sum()): "the Dice coefficient, 2 |S & T| / (|S| + |T|)",
            both / int(truth.sum()): "recall: divided by the truth's pixels alone",
            both / int(mask.sum()): "precision: divided by the mask's pixels alone",
            either / both: "upside down",
            float(both): "the number of pixels in both; it is to be divided",
        }
        mistake = next((text for value, text in named.items() if abs(given - value) < CLOSE), "")
        raise WrongAnswer(
            f"for two masks with {both} pixels in both and {either} in either, my_j gives {given:.4g}, not {known:.4g}"
            + (f": that is {mistake}." if mistake else ".")
        )
    for mask, truth in ((cases[0][0], empty), (empty, cases[0][0]), (empty, empty)):
        known = region_similarity(mask, truth)
        with np.errstate(all="ignore"):
            value = call("my_j", answer, mask.copy(), truth.copy())
        if not abs(_plain(value) - known) < CLOSE:
            which = "both masks are" if not mask.any() and not truth.any() else "one of the masks is"
            raise WrongAnswer(f"where {which} empty, my_j gives {value}; DAVIS gives {known:.0f}.")
    return "J is 0 where a mask is all wrong, 1 where it is all right, and blind to where the mistakes are."


def harmonic(answer: Any) -> str:
    """10.2: F from precision and recall."""
    for p, r in ((0.9, 0.3), (1.0, 0.1), (0.6, 0.6), (0.0, 0.4), (0.0, 0.0)):
        known = 2 * p * r / (p + r) if p + r else 0.0
        given = read_number(f"my_f({p}, {r})", call("my_f", answer, p, r))
        if abs(given - known) < CLOSE:
            continue
        named = {(p + r) / 2: "the ordinary mean", p * r: "the product", math.sqrt(p * r): "the geometric mean"}
        named |= {known / 2: "half of it: mind the factor 2", min(p, r): "the smaller of the two"}
        mistake = next(
            (text for value, text in named.items() if abs(given - value) < CLOSE), f"it should be {known:.4g}"
        )
        raise WrongAnswer(f"my_f({p}, {r}) is {given:.4g}: {mistake}.")
    return "With P = 1.0 and R = 0.1 it is 0.18, where the ordinary mean is 0.55: a tenth of an outline won't do."


def paired(answer: Any, other: Any) -> str:
    """10.3: mean and standard error of paired differences."""
    gain, error = read_number("gain", answer), read_number("error", other)
    first, third = np.array(FIRST), np.array(THIRD)
    changes = third - first
    n, spread = len(changes), float(changes.std(ddof=1))
    mean, known = float(changes.mean()), spread / math.sqrt(n)
    if abs(gain + mean) < 0.01:
        raise WrongAnswer(f"gain is {gain:.3g}, of the wrong sign: the third less the first.")
    if abs(gain - mean) > 0.01:
        raise WrongAnswer(f"gain is {gain:.3g}, not the mean of third - first.")
    if abs(error - known) < 0.005:
        verdict = "likely more than chance, and not sure" if gain > 2 * error else "that may well be chance"
        return f"{gain:.2f} is {gain / error:.1f} times its error of {error:.2f}: {verdict}."
    apart = math.sqrt((first.var(ddof=1) + third.var(ddof=1)) / n)
    named = {
        spread: "the standard deviation of one difference; that of their mean is smaller by the root of 12",
        float(changes.std()) / math.sqrt(n): "with n below the fraction; use n - 1 (ddof=1)",
        spread / n: "divided by 12, and not by its root",
        float(changes.std()): "the standard deviation; divide by the root of 12, and use n - 1 (ddof=1)",
        apart: "that of two separate groups of clips; here both methods saw the same ones",
    }
    if abs(error - round(known, 1)) < 1e-6:
        raise WrongAnswer(f"error is {error:.3g}: rounded too far; give two decimals or more.")
    mistake = next((text for value, text in named.items() if abs(error - value) < 0.005), "not s / sqrt(12)")
    raise WrongAnswer(f"error is {error:.3g}: {mistake}.")


CHECKS: dict[str, Callable[..., str]] = {"10.1": region, "10.2": harmonic, "10.3": paired}
