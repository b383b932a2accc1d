"""How sure the answer is: what noise on the flow does to the labels, and what other frames might have given. Ours, not the paper's.

The paper argues that a large eigengap makes the eigenvector insensitive to noise (Sec. 7.4). Here that is looked at, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ikebook.base import check
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow, known_flow, noisy
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions
from ikebook.graph.result import GraphResult
from ikebook.matrix.features import Cue
from ikebook.solvers.rolling import BLOCK, RollingSolver
from ikebook.video.clip import Clip, as_clip


@dataclass(frozen=True, eq=False, kw_only=True)
class Sensitivity:
    """What noise on the flow does.

    Parameters
    ----------
    map : (m, h, w) float32
        Standard deviation of each pixel's soft mask, before it is clipped to [0, 1], per pixel of noise: where it is 5, a tenth of
        a pixel of noise moves it by 0.5.
    cosines : (draws,) float64
        Of the noisy eigenvectors to the one without noise.
    areas : (draws,) float64
        Share of the pixels that are object, with noise.
    area : float
        Without.
    noise : float
        Its standard deviation, pixels.
    """

    map: np.ndarray
    cosines: np.ndarray
    areas: np.ndarray
    area: float
    noise: float


def label_sensitivity(
    clip: Clip,
    flow: Flow | str | None = None,
    *,
    cues: Sequence[Cue] = (),
    noise: float = 0.05,
    draws: int = 6,
    seed: int = 0,
    options: GraphOptions | None = None,
    compute: Compute | None = None,
) -> Sensitivity:
    """The labels' change by noise on the flow, to first order: by differences, for a little noise, over a few draws.

    Parameters
    ----------
    clip, flow, cues, options, compute
        See `ikebook.segment`.
    noise : float, default 0.05
        Standard deviation of independent Gaussian noise on each component of each field, pixels.
    draws : int, default 6
        How often noise is drawn; each takes one more graph.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        If there is no eigenvector to be changed.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc", (32, 24))
    >>> found = label_sensitivity(made.clip, made.flow, draws=2)
    >>> found.map.shape, bool((found.cosines > 0.9).all())
    ((5, 24, 32), True)
    """
    check.number("noise", noise, above=0)
    check.whole("draws", draws, at_least=1)
    clip = as_clip(clip)
    flow = known_flow(clip, flow)
    known = segment(clip, flow, cues=cues, options=options, compute=compute)
    if len(known.pairs.values) == 0:
        raise InputError(f"there is no eigenvector to be changed: {known.warnings[0]}")
    labels, spread = known.labels.double(), _spread(known)
    square, cosines, areas = torch.zeros_like(labels), [], []
    for draw in range(draws):
        shaken = segment(clip, noisy(flow, noise, seed + draw), cues=cues, reference=known.soft, options=options, compute=compute)
        if len(shaken.pairs.values) == 0:
            raise InputError(f"with noise of {noise:g} pixels there is no eigenvector any more; give less.")
        other = shaken.labels.double()
        cosine = float((labels * other).sum())
        square += ((other * (1 if cosine >= 0 else -1) - labels) / noise / spread).square()
        cosines.append(abs(cosine))
        areas.append(shaken.object_share)
    return Sensitivity(
        map=(square / draws).sqrt().float().cpu().numpy(),
        cosines=np.array(cosines),
        areas=np.array(areas),
        area=known.object_share,
        noise=noise,
    )


def _spread(result: GraphResult) -> torch.Tensor:
    """By how much labels differ between a soft mask of 0 and of 1, in the middle of all frames that have contrast."""
    frames = result.labels.double().flatten(1)
    spread = frames.amax(1) - frames.median(1).values
    return spread[spread > 1e-6 * spread.max()].median()


@dataclass(frozen=True, eq=False, kw_only=True)
class Bars:
    """What a bootstrap over frames says: 95% of the draws lie between the ends.

    Parameters
    ----------
    eigenvalues : (r, 2) float64
        Least and greatest of each of the leading eigenvalues.
    area : (float, float)
        Of the share of pixels that are object.
    """

    eigenvalues: np.ndarray
    area: tuple[float, float]


def bootstrap_bars(result: GraphResult, draws: int = 200, *, pairs: int = 6, seed: int = 0) -> Bars:
    """How far the leading eigenvalues and the masks' area hang on which frames there happened to be.

    Parameters
    ----------
    result : GraphResult
        With one P for the clip.
    draws : int, default 200
        How often as many frames are drawn, in blocks of neighbours.
    pairs : int, default 6
        Eigenvalues.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Bars
    """
    drawn = RollingSolver(result.matrix).bootstrap(draws, pairs=pairs, seed=seed)
    shares = np.array([result.mask(frame).mean() for frame in range(len(result.soft))])
    m, rng = len(shares), np.random.default_rng(seed)
    block = min(BLOCK, m)
    starts = rng.integers(0, m, size=(draws, -(-m // block)))
    means = [shares[(row[:, None] + np.arange(block)).reshape(-1)[:m] % m].mean() for row in starts]
    low, high = np.quantile(means, [0.025, 0.975])
    return Bars(eigenvalues=np.quantile(drawn, [0.025, 0.975], axis=0).T, area=(float(low), float(high)))
