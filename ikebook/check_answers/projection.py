"""Answers of notebook 03: node features and the projection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ikebook.base.compute import Compute
from ikebook.check_answers.reading import WrongAnswer, count_different, is_close, read_array, read_number
from ikebook.datasets.toys import noisy_labels, toy
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import FeatureMatrix, FeatureOptions
from ikebook.matrix.projection import Projection, ProjectionOptions

FRAMES = 5
RIDGE = 10.0

CLOSE = 1e-5
"""Share of the largest number that float32 may be wrong by."""


def _features(name: str = "deforming", center: str = "none") -> FeatureMatrix:
    chains = MotionChains(toy(name, (16, 16), FRAMES).flow, compute=Compute(dtype=torch.float64))
    return FeatureMatrix(chains, FeatureOptions(displacements="steps", half_window=2, center=center))


def weights(answer: Any) -> str:
    """03.1: the weights w of the regression of noisy labels y on F."""
    features, masks = _features().dense().numpy(), toy("deforming", (16, 16), FRAMES).clip.masks
    assert masks is not None
    y = noisy_labels(masks)
    d = features.shape[1]
    answer = getattr(answer, "solution", answer)  # of torch's lstsq
    if isinstance(answer, tuple):
        raise WrongAnswer("your answer is all that lstsq returns; the weights are the first of it.")
    if np.shape(answer) in ((len(y),), (len(y), 1)):
        raise WrongAnswer(
            f"your answer has {len(y)} entries, one a node: that is F w; w has one for each column of F, {d}."
        )
    given = read_array("w", np.reshape(read_array("w", answer, np.shape(answer)), -1), (d,))
    known = np.linalg.lstsq(features, y)[0]
    left, least = (float(np.linalg.norm(y - features @ w)) for w in (given, known))
    if left < least * (1 + 1e-7):
        return (
            f"No other weights come nearer: what is left, y - F w, has nothing in common with any of the {d} columns."
        )
    if is_close(given, features.T @ y):
        raise WrongAnswer(
            "your w is F'y: the first half. The columns of F are not orthonormal; (F'F)^-1 F'y takes that back."
        )
    raise WrongAnswer(f"|y - F w| is {left:.2f} with your w, and {least:.2f} with the best one.")


def rank(answer: Any) -> str:
    """03.2: the rank of P on the toy "disc"."""
    features = _features("disc")
    given, known = read_number("the rank", answer), float(Projection(features).dense().trace())
    n, d = features.shape
    if abs(given - known) < 1e-6:
        return f"So of the {d} columns only {known:.0f} are new; the others are combinations of them."
    if given == d:
        raise WrongAnswer(
            f"{d} is the number of F's columns, or the trace of the other toy's P; P_disc has only as many dimensions as there are independent columns."
        )
    if given == n:
        raise WrongAnswer(f"{n} is the number of nodes; P's rank is at most the number of F's columns, {d}.")
    raise WrongAnswer(
        f"{given:g} is not the rank of P_disc. Each of its eigenvalues is 0 or 1: what, then, is their sum, the trace?"
    )


def centred(answer: Any) -> str:
    """03.3: F with each frame's mean taken off."""
    plain, known = _features().dense().numpy(), _features(center="frame").dense().numpy()
    n, d = plain.shape
    if np.shape(answer) == (FRAMES, n // FRAMES, d):
        answer = np.reshape(read_array("F", answer, np.shape(answer)), (n, d))
    given = read_array("F", answer, (n, d))
    if is_close(given, known, CLOSE):
        return "Every column now sums to 0 in each frame, so no constant can be made of them."
    if is_close(given, plain - plain.mean(0), CLOSE):
        raise WrongAnswer(
            "you subtract the clip's mean; each *frame's* mean has to go, as frames differ in their motion."
        )
    if is_close(given, plain - plain.mean(1, keepdims=True), CLOSE):
        raise WrongAnswer(
            "you subtract each node's mean over its features; the mean over the nodes of a frame was asked for."
        )
    if is_close(given, plain, CLOSE):
        raise WrongAnswer("your F is what it was before.")
    means = abs(given.reshape(FRAMES, -1, d).mean(1))
    if means.max() < CLOSE * abs(plain).max():
        raise WrongAnswer(
            f"the means are 0, but {count_different(given, known)} entries differ: nothing else may change (no scaling)."
        )
    worst = np.unravel_index(means.argmax(), means.shape)
    raise WrongAnswer(f"in frame {worst[0]} the mean of column {worst[1]} is still {means.max():.3g}; it should be 0.")


def ridge(answer: Any) -> str:
    """03.4: P with a ridge of 10."""
    features = _features()
    n, d = features.shape
    if np.shape(answer) == (n, d):
        raise WrongAnswer(f"your answer is {n} x {d}; P = F (F'F + rho I)^-1 F' is {n} x {n}: the last F' is missing.")
    given = read_array("P", answer, (n, n))
    known = Projection(features, ProjectionOptions(ridge=RIDGE)).dense().numpy()
    if is_close(given, known):
        shrunk = float(abs(known @ known - known).max())
        return f"And P^2 is not P any more: their entries differ by up to {shrunk:.2g}."
    dense = features.dense().numpy()
    gram = dense.T @ dense
    if is_close(given, dense @ np.linalg.inv(gram) @ dense.T):
        raise WrongAnswer(f"that is P without a ridge; add rho = {RIDGE:g} to the diagonal of F'F before you invert.")
    if is_close(given, dense @ np.linalg.inv(gram + RIDGE) @ dense.T):
        raise WrongAnswer(
            "`F'F + rho` adds rho to *every* entry; the ridge goes on the diagonal, rho times the identity."
        )
    if is_close(given, Projection(_features(center="frame"), ProjectionOptions(ridge=RIDGE)).dense().numpy()):
        raise WrongAnswer("that is P of the centred features; F as it was, not centred, is asked for here.")
    raise WrongAnswer(
        f"your P has the trace {np.trace(given):.3f}; it should be {np.trace(known):.3f} (and {d} without a ridge)."
    )


CHECKS: dict[str, Callable[..., str]] = {"03.1": weights, "03.2": rank, "03.3": centred, "03.4": ridge}
