"""How sure the answer is: what noise on the flow does to the labels, and what other frames might have given. Ours, not the paper's.

The paper argues that a large eigengap makes the eigenvector insensitive to noise (Sec. 7.4). Here that is looked at, pixel by pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.compute import Compute
from ikebook.flow import Flow, known_flow, noisy
from ikebook.graph.graph_module import segment
from ikebook.graph.masks import MaskOptions, label_range
from ikebook.graph.presets import GraphOptions
from ikebook.graph.result import GraphResult
from ikebook.matrix.features import Cue
from ikebook.solvers.rolling import RollingSolver, draw_frames
from ikebook.video.clip import Clip, as_clip


@dataclass(frozen=True, eq=False, kw_only=True)
class Sensitivity:
    """What noise on the flow does.

    Parameters
    ----------
    map : (m, h, w) float32
        By how much each pixel's soft mask changes, before it is clipped to [0, 1], root mean square over the draws, divided by
        `noise`: where it is 5 at a noise of 0.1, that noise moves the mask by 0.5.
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

    Where the features depend smoothly on the flow, less noise gives the same map. The motion saliency does not where a pixel
    moves with the scene exactly, as in toys: there labels change with the root of the noise. And where noise leads a chain to
    another pixel, they jump. So give the noise that your flow has.

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
        If there is no eigenvector to be changed, or its labels have no contrast.

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
    check.whole("seed", seed)
    clip = as_clip(clip)
    flow = known_flow(clip, flow)
    known = segment(clip, flow, cues=cues, options=options, compute=compute)
    if len(known.pairs.values) == 0:
        raise InputError(f"there is no eigenvector to be changed: {known.warnings[0]}")
    labels = known.labels.double()
    spread = _spread(known, (options or GraphOptions()).masks)
    square, cosines, areas = torch.zeros_like(labels), [], []
    for draw in range(draws):
        shaken = segment(
            clip, noisy(flow, noise, seed + draw), cues=cues, reference=known.soft, options=options, compute=compute
        )
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


def _spread(result: GraphResult, options: MaskOptions) -> torch.Tensor:
    """By how much labels differ between a soft mask of 0 and of 1, in the middle of all frames that have contrast."""
    low, high = label_range(result.labels.double().flatten(1), options)
    spread = high - low
    least = max(
        1e-6 * float(spread.max()), 1e3 * torch.finfo(result.labels.dtype).eps / math.sqrt(result.labels.numel())
    )
    contrast = spread > least
    require(bool(contrast.any()), "the labels have no contrast in any frame, so there is no mask to be changed.")
    return spread[contrast].median()


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

    Raises
    ------
    InputError
        If there is one P for each frame.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc", frames=10)
    >>> bars = bootstrap_bars(ikebook.segment(made.clip, made.flow), 20, pairs=2)
    >>> bars.eigenvalues.shape, bars.area[0] < bars.area[1]
    ((2, 2), True)
    """
    check.instance("result", result, GraphResult, "such as ikebook.segment gives")
    values = RollingSolver(result.matrix).bootstrap(draws, pairs=pairs, seed=seed)
    shares = np.array([result.mask(frame).mean() for frame in range(len(result.soft))])
    means = [shares[drawn].mean() for drawn in draw_frames(len(shares), draws, seed)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Bars(eigenvalues=np.quantile(values, [0.025, 0.975], axis=0).T, area=(float(low), float(high)))
