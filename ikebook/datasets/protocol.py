"""How a data set is scored: which frames, which measures, and what is averaged over what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypedDict, cast

import numpy as np

from ikebook.video.metrics import boundary_accuracy, region_similarity, saliency_measures, summary

SALIENCY = {"MAE": "mae", "Fbeta_adaptive": "fbeta_adaptive", "Fbeta_mean": "fbeta_mean", "Fbeta_max": "fbeta_max"}
"""The salient-object scores, and their names in `ikebook.video.metrics.saliency_scores`."""

LEVELS = 256
"""Thresholds at which F-beta is computed."""

CURVE: Final = "Fbeta_curve"
"""What `SequenceScores` calls F-beta at all thresholds."""


class Scores(TypedDict, total=False):
    """Scores of a sequence, or means of those of several; a score that no frame has is NaN, and None in a file.

    Parameters
    ----------
    J_mean, J_recall, J_decay : float or None
        Region similarity J (the Jaccard index of mask and annotation), in [0, 1]: its mean over the scored frames, the
        share of them above 0.5, and how much is lost from the first quarter to the last (Perazzi et al., CVPR 2016).
    F_mean, F_recall, F_decay : float or None
        The same statistics of the contour accuracy F.
    MAE : float or None
        Mean absolute error of soft masks, in [0, 1]; DAVSOD.
    Fbeta_adaptive, Fbeta_mean, Fbeta_max : float or None
        F-measure of soft masks with beta^2 = 0.3: at an adaptive threshold, and mean and greatest value over 256 of them;
        DAVSOD.
    """

    J_mean: float | None
    J_recall: float | None
    J_decay: float | None
    F_mean: float | None
    F_recall: float | None
    F_decay: float | None
    MAE: float | None
    Fbeta_adaptive: float | None
    Fbeta_mean: float | None
    Fbeta_max: float | None


class SequenceScores(Scores, total=False):
    """`Scores` of one sequence, and what those of a data set are made of.

    Parameters
    ----------
    Fbeta_curve : list of 256 floats
        F-beta at all thresholds, the mean of the sequence's frames: `Fbeta_max` of a data set needs it.
    """

    Fbeta_curve: Annotated[list[float], LEVELS]


def is_score(name: str) -> bool:
    """Whether a key of a result is that of one of `Scores`."""
    return name in Scores.__annotations__


def scores_of(result: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores in a sequence's result, or in a mean, by name.

    >>> scores_of({"frames": 50, "J_mean": 0.8})
    {'J_mean': 0.8}
    """
    return {name: value for name, value in result.items() if is_score(name)}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How one data set is scored. Frames without an annotation never are.

    Parameters
    ----------
    ends : bool, default True
        Score a sequence's first and last annotated frame, too.
    saliency : bool, default False
        Score soft masks as well, by MAE and F-beta.
    category : callable, optional
        Gives the category that a sequence's name belongs to: scores are averaged within each of them first. By default they
        are averaged over sequences.

    Examples
    --------
    >>> import ikebook
    >>> masks = ikebook.toy("disc").clip.masks
    >>> Protocol(ends=False).score_masks(masks, masks)["J_mean"]
    1.0
    """

    ends: bool = True
    saliency: bool = False
    category: Callable[[str], str] | None = None

    def score_masks(self, masks: Iterable[np.ndarray], truth: Iterable[np.ndarray | None]) -> Scores:
        """Mean, recall and decay of J and F over the scored frames of a sequence; NaN where there are none.

        Parameters
        ----------
        masks : iterable of (h, w) bool
            One for each frame; they are looked at one at a time.
        truth : iterable of (h, w) bool or None
            Annotations; None for a frame that has none.
        """
        scores = [
            (region_similarity(mask, annotation), boundary_accuracy(mask, annotation))
            for mask, annotation in self.scored_frames(masks, truth)
        ]
        return cast("Scores", summary({"J": [j for j, _ in scores], "F": [f for _, f in scores]}))

    def score_soft_masks(self, soft: Iterable[np.ndarray], truth: Iterable[np.ndarray | None]) -> SequenceScores:
        """MAE and F-beta over the scored frames of a sequence, and the curve of F-beta; empty without `saliency`.

        Parameters
        ----------
        soft : iterable of (h, w)
            Soft masks, in [0, 1] or 8-bit, one for each frame.
        truth : iterable of (h, w) bool or None
            Annotations; None for a frame that has none.
        """
        if not self.saliency:
            return {}
        pairs = self.scored_frames(soft, truth)
        first = next(pairs, None)
        if first is None:
            return cast("SequenceScores", dict.fromkeys(SALIENCY, math.nan))
        left, right = itertools.tee(itertools.chain([first], pairs))
        found, curve = saliency_measures((values for values, _ in left), (annotation for _, annotation in right))
        scores = {score: found[name] for score, name in SALIENCY.items()}
        return cast("SequenceScores", scores | {CURVE: curve.tolist()})

    def scored_frames(
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

    def mean(self, sequences: Mapping[str, Mapping[str, Any]]) -> Scores:
        """Mean of each score over the sequences that have one, by their names; by category first, where there are any.

        `Fbeta_max` is the greatest value of the sequences' mean curve, with one threshold for all: not the mean of what
        each sequence reaches at a threshold of its own.
        """
        names = list(dict.fromkeys(name for result in sequences.values() for name in scores_of(result)))
        found = {name: self._mean(name, sequences) for name in names}
        curves = [result[CURVE] for result in sequences.values() if result.get(CURVE) is not None]
        return cast("Scores", found | ({"Fbeta_max": float(np.mean(curves, axis=0).max())} if curves else {}))

    def _mean(self, score: str, sequences: Mapping[str, Mapping[str, Any]]) -> float | None:
        groups: dict[str, list[float]] = {}
        for name, result in sequences.items():
            if result.get(score) is not None:
                groups.setdefault(self.category(name) if self.category else "", []).append(result[score])
        return float(np.mean([np.mean(values) for values in groups.values()])) if groups else None


DAVIS = Protocol(ends=False)
"""J and F over all frames but the first and the last (Perazzi et al., CVPR 2016)."""
