"""How a data set is scored: which frames, which measures, and what is averaged over what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ikebook.metrics import boundary_accuracy, region_similarity, saliency_scores, summary

SALIENCY = {"MAE": "mae", "Fbeta_adaptive": "fbeta_adaptive", "Fbeta_mean": "fbeta_mean", "Fbeta_max": "fbeta_max"}
"""Columns of the salient-object measures, and their names in `ikebook.metrics.saliency_scores`."""


def is_score(column: str) -> bool:
    """Whether a column of a result is a score: J and F with their statistics, or a salient-object measure."""
    return column[:2] in ("J_", "F_") or column in SALIENCY


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Scoring of one data set. Frames without an annotation are never scored.

    Parameters
    ----------
    reported : columns that the paper's table of this data set has
    ends : whether a sequence's first and last frame are scored, too
    saliency : whether soft masks are scored as well, by MAE and F-beta
    category : of a sequence's name, its category: scores are averaged within each of them first. None: over sequences
    """

    reported: tuple[str, ...] = ("J_mean", "F_mean")
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
        scores: list[tuple[float, float] | None] = [
            None if annotation is None else (region_similarity(mask, annotation), boundary_accuracy(mask, annotation))
            for mask, annotation in zip(masks, truth, strict=True)
        ]
        kept = [score for score in (scores if self.ends else scores[1:-1]) if score is not None]
        return summary({"J": [j for j, _ in kept], "F": [f for _, f in kept]})

    def of_soft(self, soft: Iterable[np.ndarray], truth: Iterable[np.ndarray | None]) -> dict[str, float]:
        """MAE and F-beta of all annotated frames' soft masks (h, w), in [0, 1] or 8-bit; empty without `saliency`."""
        if not self.saliency:
            return {}
        pairs = ((values, annotation) for values, annotation in zip(soft, truth, strict=True) if annotation is not None)
        first = next(pairs, None)
        if first is None:
            return dict.fromkeys(SALIENCY, math.nan)
        left, right = itertools.tee(itertools.chain([first], pairs))
        found = saliency_scores((values for values, _ in left), (annotation for _, annotation in right))
        return {column: found[name] for column, name in SALIENCY.items()}

    def mean(self, sequences: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
        """Mean of each score over the sequences that have one; by category first, where there are categories."""
        columns = list(dict.fromkeys(key for entry in sequences.values() for key in entry if is_score(key)))
        return {column: self._mean(column, sequences) for column in columns}

    def _mean(self, column: str, sequences: Mapping[str, Mapping[str, Any]]) -> float | None:
        groups: dict[str, list[float]] = {}
        for name, entry in sequences.items():
            if entry.get(column) is not None:
                groups.setdefault(self.category(name) if self.category else "", []).append(entry[column])
        return float(np.mean([np.mean(values) for values in groups.values()])) if groups else None


DAVIS = Protocol(ends=False)
"""J and F over all frames but the first and the last (Perazzi et al., CVPR 2016)."""
