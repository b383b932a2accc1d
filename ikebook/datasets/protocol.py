"""How a data set is scored: which frames, which measures, and what is averaged over what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ikebook.video.metrics import boundary_accuracy, region_similarity, saliency_measures, summary

SALIENCY = {"MAE": "mae", "Fbeta_adaptive": "fbeta_adaptive", "Fbeta_mean": "fbeta_mean", "Fbeta_max": "fbeta_max"}
"""Columns of the salient-object measures, and their names in `ikebook.video.metrics.saliency_scores`."""


LEVELS = 256
"""Thresholds at which F-beta is computed."""

CURVE = "Fbeta_curve"
"""F-beta at 256 thresholds, the mean of a sequence's frames: beside its scores, as `Fbeta_max` of a data set needs it."""


def is_score(column: str) -> bool:
    """Whether a column of a result is a score: J and F with their statistics, or a salient-object measure."""
    return column[:2] in ("J_", "F_") or column in SALIENCY


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Scoring of one data set. Frames without an annotation are never scored.

    Parameters
    ----------
    ends : whether a sequence's first and last annotated frame are scored, too
    saliency : whether soft masks are scored as well, by MAE and F-beta
    category : of a sequence's name, its category: scores are averaged within each of them first. None: over sequences
    """

    ends: bool = True
    saliency: bool = False
    category: Callable[[str], str] | None = None

    def of_masks(self, masks: Iterable[np.ndarray], truth: Iterable[np.ndarray | None]) -> dict[str, float]:
        """Mean, recall and decay of J and F over the scored frames of a sequence; NaN where there are none.

        Parameters
        ----------
        masks : (h, w) bool, one for each frame, in any iterable: one at a time is looked at
        truth : the same, or None for a frame without annotation
        """
        scores = [
            (region_similarity(mask, annotation), boundary_accuracy(mask, annotation))
            for mask, annotation in self.scored(masks, truth)
        ]
        return summary({"J": [j for j, _ in scores], "F": [f for _, f in scores]})

    def of_soft(self, soft: Iterable[np.ndarray], truth: Iterable[np.ndarray | None]) -> dict[str, Any]:
        """MAE and F-beta of the scored frames' soft masks (h, w), in [0, 1] or 8-bit; empty without `saliency`.

        `CURVE` is no score, but a list of 256: what `mean` needs.
        """
        if not self.saliency:
            return {}
        pairs = self.scored(soft, truth)
        first = next(pairs, None)
        if first is None:
            return dict.fromkeys(SALIENCY, math.nan)
        left, right = itertools.tee(itertools.chain([first], pairs))
        found, curve = saliency_measures((values for values, _ in left), (annotation for _, annotation in right))
        return {column: found[name] for column, name in SALIENCY.items()} | {CURVE: curve.tolist()}

    def scored(
        self, frames: Iterable[np.ndarray], truth: Iterable[np.ndarray | None]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The frames (h, w) that are scored, with their annotations; of frames in any iterables, two at a time are held."""
        pairs = ((frame, annotation) for frame, annotation in zip(frames, truth, strict=True) if annotation is not None)
        if self.ends:
            yield from pairs
            return
        next(pairs, None)
        for inner, _ in itertools.pairwise(pairs):
            yield inner

    def mean(self, sequences: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
        """Mean of each score over the sequences that have one; by category first, where there are categories.

        `Fbeta_max` is the greatest value of the sequences' mean curve, with one threshold for all: not the mean of what
        each sequence reaches at a threshold of its own.
        """
        columns = list(dict.fromkeys(key for entry in sequences.values() for key in entry if is_score(key)))
        found = {column: self._mean(column, sequences) for column in columns}
        curves = [entry[CURVE] for entry in sequences.values() if entry.get(CURVE) is not None]
        return found | ({"Fbeta_max": float(np.mean(curves, axis=0).max())} if curves else {})

    def _mean(self, column: str, sequences: Mapping[str, Mapping[str, Any]]) -> float | None:
        groups: dict[str, list[float]] = {}
        for name, entry in sequences.items():
            if entry.get(column) is not None:
                groups.setdefault(self.category(name) if self.category else "", []).append(entry[column])
        return float(np.mean([np.mean(values) for values in groups.values()])) if groups else None


DAVIS = Protocol(ends=False)
"""J and F over all frames but the first and the last (Perazzi et al., CVPR 2016)."""
