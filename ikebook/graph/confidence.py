"""How clear an object is, without ground truth. Ours, not the paper's.

Four plain measures of a result. Three of them, each in [0, 1], are multiplied:

    confidence = stability * contrast * agreement,    contrast = max(0, (inside - outside) / (inside + outside + 0.05 px))

It says how much the motion speaks for what was found, not how well the masks fit. The relative eigengap is told, but has no part
in it: what tests/experiments/confidence_on_clips.py measures is in its first lines.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base.arrays import Array
from ikebook.flow.fields import Flow
from ikebook.graph.masks import BINS, REACH, area_counts
from ikebook.graph.residual import FITTED, STILL, dominant_motion
from ikebook.matrix.operator import full_precision
from ikebook.solvers.pairs import Eigenpairs

LEAST_CONFIDENCE = 0.1
"""Confidence below which a user is told that there is no clear object. Fixed on toys and on 20 sequences of DAVIS 2016's training
set, by tests/experiments/confidence_on_clips.py."""

SAMPLED = 8
"""Frames of a clip whose motion is looked at, at most, evenly picked."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """How clear the object of a clip is. Ours, not the paper's.

    Parameters
    ----------
    confidence : float
        In [0, 1]: stability times contrast times agreement; below 0.1 there is no clear object.
    stability : float
        In [0, 1]: the masks' area at the threshold plus 0.1, as a share of that at the threshold minus 0.1.
    agreement : float
        In [-1, 1]: whether pixels of the mask go on as they came, the cosine of the residual motion from the frame before and to
        the next, weighted by their lengths. About 0 where flow is noise.
    inside, outside : float
        Mean residual motion, flow less the dominant motion, in the masks and out of them, pixels. 0 in empty masks; where
        masks fill the frame there is nothing to tell them from, and both are the same.
    eigengap : float or None
        The relative eigengap: the distance of the object's eigenvalue from the nearest other, over itself. None: not known.
    sentence : str or None
        What a user should know where there is no clear object; None where there is one.
    """

    confidence: float
    stability: float
    agreement: float
    inside: float
    outside: float
    eigengap: float | None
    sentence: str | None

    def as_dict(self) -> dict[str, Any]:
        """The single measures as plain values, for a summary."""
        return {name: value for name, value in asdict(self).items() if name not in ("confidence", "sentence")}


def confidence_of(
    soft: Array, threshold: float, pairs: Eigenpairs, chosen: int, flow: Flow, counts: Tensor | None = None
) -> Confidence:
    """How clear an object is, from its soft masks, the eigenpairs, and the flow.

    Parameters
    ----------
    soft : (m, h, w)
        Soft masks, in [0, 1].
    threshold : float
        Above it lies the object.
    pairs : Eigenpairs
        Of A.
    chosen : int
        The one that is the object.
    flow : Flow
        Of the clip.
    counts : (200,), optional
        How many pixels have which value, as `graph.masks.area_counts` tells, where that is known already.

    Returns
    -------
    Confidence
    """
    if len(pairs.values) == 0:
        return _nothing("The clip has no clear object: there is no eigenvector.")
    gap, value = pairs.gap(chosen), float(pairs.values[chosen])
    relative = None if gap is None or value == 0 or not math.isfinite(gap / value) else gap / abs(value)
    stability = _stability(area_counts(soft) if counts is None else counts, threshold)
    inside, outside, agreement = _motion(soft, threshold, flow, pairs.volumes.device)
    contrast = max(0.0, (inside - outside) / (inside + outside + STILL))
    confidence = min(1.0, stability * contrast * max(0.0, agreement))
    sentence = None
    if confidence < LEAST_CONFIDENCE:
        sentence = (
            f"By its motion the clip has no clear object (confidence {confidence:.2f}): against the scene the mask moves "
            f"{inside:.2f} pixels a frame and the rest {outside:.2f}, from one frame to the next with an agreement of "
            f"{agreement:.2f}, and {100 * stability:.0f}% of its area is stable."
        )
    return Confidence(
        confidence=confidence,
        stability=stability,
        agreement=agreement,
        inside=inside,
        outside=outside,
        eigengap=relative,
        sentence=sentence,
    )


def _nothing(sentence: str) -> Confidence:
    """What is said where nothing was found."""
    return Confidence(
        confidence=0.0, stability=0.0, agreement=0.0, inside=0.0, outside=0.0, eigengap=None, sentence=sentence
    )


def _stability(counts: Tensor, threshold: float) -> float:
    """Area above the threshold plus 0.1, over that above the threshold minus 0.1; 0 if that is empty."""
    area = counts.flip(0).cumsum(0).flip(0)  # area[k]: pixels with soft >= k / BINS
    low, high = (min(max(round((threshold + reach) * BINS), 1), BINS - 1) for reach in (-REACH, REACH))
    return float(area[high] / area[low]) if area[low] > 0 else 0.0


def _motion(soft: Array, threshold: float, flow: Flow, device: torch.device) -> tuple[float, float, float]:
    """Mean residual motion in the masks and out of them, pixels, and the agreement of both directions; of some frames."""
    m, (w, h) = len(soft), flow.size
    step = max(1, round(math.sqrt(w * h / FITTED)))
    if m > 2:  # frames that have a frame before and one after
        frames = np.unique(np.linspace(1, m - 2, SAMPLED).round().astype(int)).tolist()
        masks = np.stack([np.asarray(soft[i])[::step, ::step] > threshold for i in frames])
    else:  # the motion ahead of the first against that behind the second, where both are object
        frames = [1]
        masks = np.all([np.asarray(soft[i])[::step, ::step] > threshold for i in range(m)], axis=0)[None]
    ahead = [flow.forward[min(i, m - 2)][::step, ::step] for i in frames]
    behind = [flow.backward[i - 1][::step, ::step] for i in frames]
    fields = torch.from_numpy(np.stack([*ahead, *behind]).astype(np.float32)).to(device)
    with full_precision():
        residual = (fields - dominant_motion(fields)).double().cpu().numpy()
    forward, backward = residual[: len(frames)], residual[len(frames) :]
    products = np.linalg.norm(forward, axis=-1) * np.linalg.norm(backward, axis=-1)
    alike = -(forward * backward).sum(-1)  # |r| |r'| cos, as backward motion points back
    lengths = np.sqrt(products)
    inside = float(lengths[masks].mean()) if masks.any() else 0.0
    outside = inside if masks.all() else float(lengths[~masks].mean())
    whole = float(products[masks].sum())
    agreement = float(np.clip(alike[masks].sum() / whole, -1, 1)) if whole > 0 else 0.0
    return inside, outside, agreement
