"""Masks refined after the fact: an optional last step that is no part of the paper's method, and is reported apart from it.

Two steps, each of which may be left out:

1. the *temporal median*: a pixel's soft mask becomes the median of what its motion chain meets a few frames ahead and
   behind, which takes out what flickers;
2. the *bilateral solver* moves the outline to the picture's edges (`ikebook.bilateral`). It works on frames of the clip's
   working size: on those of 480p it takes three times as long, and gains some tenths of a point.

A dense conditional random field would be the usual choice for the second. Its Python packages (pydensecrf, pydensecrf2,
simplecrf) have no wheel for Python 3.11 or newer, and would need a C++ compiler; so this needs no more than SciPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.bilateral import BilateralGrid
from ikebook.chains import ChainOptions, MotionChains, gather
from ikebook.check import require
from ikebook.clip import Clip
from ikebook.flow.fields import Flow
from ikebook.storage import Array, Recent, tensor


@dataclass(frozen=True, kw_only=True)
class RefineOptions:
    median: int = 2  # frames ahead and behind that the temporal median takes along the chains; 0: none
    smoothness: float = 512.0  # of the map against the confidence in it, the paper's lambda; 0: no bilateral solver
    spatial: float = 0.012  # distance of the bilateral grid's vertices, fraction of the frame's width
    luma: float = 6.0  # the same along luma, levels of 255
    chroma: float = 4.0  # and along both chromas
    slope: float = 10.0  # of the logistic that makes a probability of a soft mask less its threshold
    doubt: float = 0.02  # confidence, of at most 1, in a pixel at the threshold

    def __post_init__(self) -> None:
        check.whole("RefineOptions.median", self.median)
        check.number("RefineOptions.smoothness", self.smoothness, at_least=0)
        check.number("RefineOptions.slope", self.slope, above=0)
        check.number("RefineOptions.spatial", self.spatial, above=0)
        check.number("RefineOptions.luma", self.luma, above=0)
        check.number("RefineOptions.chroma", self.chroma, above=0)
        check.number("RefineOptions.doubt", self.doubt, above=0)
        require(self.doubt <= 1, f"RefineOptions.doubt is {self.doubt}; expected 1 or less.")


def refine(
    clip: Clip, soft: Array, threshold: float, flow: Flow, options: RefineOptions | None = None
) -> Iterator[np.ndarray]:
    """Refined soft masks of all frames, one after the other.

    Of a long clip no more is in memory than the frames that one median needs, and the flow between them.

    Parameters
    ----------
    clip : m frames
    soft : (m, h, w) float32
        Soft masks, in [0, 1], at the clip's working size, in memory or on disk.
    threshold : above which in `soft` is the object
    flow : of the clip's working size
    options : one set for all clips

    Yields
    ------
    (H, W) float32
        At the clip's own size, in [0, 1]. Above 0.5 is the object, whatever the threshold was.

    Raises
    ------
    InputError
        At once, and not when the first mask is asked for.
    """
    o = options or RefineOptions()
    require(isinstance(o, RefineOptions), f"options is {o!r}; expected RefineOptions.")
    check.shape("soft", soft, (len(clip), clip.size[1], clip.size[0]))
    check.number("threshold", threshold)
    require(
        len(flow) == len(clip) and flow.size == clip.size,
        f"flow has {len(flow) - 1} fields of {flow.size[0]}x{flow.size[1]}, but clip {clip.name!r} has {len(clip)} frames "
        f"of {clip.size[0]}x{clip.size[1]}: m frames need m-1 fields ({len(clip) - 1}) of their size.",
    )
    steady = temporal_median(soft, flow, o.median) if o.median else iter(soft)

    def refined() -> Iterator[np.ndarray]:
        for index, mask in enumerate(steady):
            if o.smoothness > 0:
                yield enlarge(snap(clip.frames[index], logistic(mask, threshold, o), o), clip.original_size)
            else:
                yield logistic(enlarge(mask, clip.original_size), threshold, o)

    return refined()


def temporal_median(soft: Array, flow: Flow, reach: int) -> Iterator[np.ndarray]:
    """Of each frame, the median of the soft masks that each pixel's motion chain meets.

    Chains that leave the frame, or fail the forward-backward check, have no more votes from there on. Of an even number
    of votes it is the mean of both in the middle.

    Parameters
    ----------
    soft : (m, h, w), soft masks
    flow : of their size
    reach : frames ahead and behind

    Yields
    ------
    (h, w) float32
    """
    chains = MotionChains(
        flow, ChainOptions(consistent=True), keep=0
    )  # one pass: what is kept would not be asked for again
    grid = chains.grid

    def cells(mask: np.ndarray | Tensor) -> Tensor:
        padded = torch.full((1, grid.cells), torch.inf)
        grid.crop(padded)[:] = tensor(mask)
        return padded

    maps = Recent(soft, cells, 0)
    maps.at_least = 2 * reach + 1
    for index in range(len(soft)):
        trace = chains.trace(index, reach)
        met = [gather(maps[step.targets.start], step.cell) for step in (*trace.ahead, *trace.behind)]
        votes = grid.crop(torch.cat([maps[index], *met])).sort(dim=0).values  # (votes, h, w), ended chains last
        count = votes.isfinite().sum(dim=0, keepdim=True)
        middle = votes.gather(0, (count - 1) // 2) + votes.gather(0, count // 2)
        yield (middle[0] / 2).numpy()


def snap(frame: np.ndarray, probability: np.ndarray, options: RefineOptions) -> np.ndarray:
    """Move a map of probabilities (h, w) to the edges of its frame (h, w, 3) uint8, by the bilateral solver.

    A pixel is sure of its target by the square of how far it is from one half.
    """
    o = options
    grid = BilateralGrid(frame, spatial=o.spatial * frame.shape[1], luma=o.luma, chroma=o.chroma)
    confidence = o.doubt + (1 - o.doubt) * (2 * probability.astype(float) - 1) ** 2
    return grid.solve(probability, confidence, o.smoothness).clip(0, 1).astype(np.float32)


def logistic(soft: np.ndarray, threshold: float, options: RefineOptions) -> np.ndarray:
    """Probability of the object where a soft mask is so far above or below the threshold, float32."""
    return 1 / (1 + np.exp(options.slope * (threshold - soft.astype(np.float32))))


def enlarge(soft: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A soft mask (h, w) at another size (width, height), by linear interpolation."""
    if (soft.shape[1], soft.shape[0]) == size:
        return soft
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR))
