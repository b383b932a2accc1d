"""Masks refined after the fact: an optional last step that is no part of the paper's method, and is reported apart from it.

Two steps, each of which may be left out:

1. the *temporal median*: a pixel's soft mask becomes the median of what its motion chain meets a few frames ahead and
   behind, which takes out what flickers;
2. the *bilateral solver* moves the outline to the picture's edges (`ikebook.video.edges`). It works on frames of the clip's
   working size: on those of 480p it takes three times as long, and gains some tenths of a point.

A dense conditional random field would be the usual choice for the second. Its Python packages (pydensecrf, pydensecrf2,
simplecrf) have no wheel for Python 3.11 or newer, and would need a C++ compiler; so this needs no more than SciPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.tensors import FrameCache, tensor
from ikebook.flow.fields import Flow
from ikebook.graph.result import enlarge
from ikebook.matrix.chains import ChainOptions, MotionChains, gather
from ikebook.video.clip import Clip
from ikebook.video.edges import EdgeOptions, logistic, snap


@dataclass(frozen=True, kw_only=True)
class RefineOptions(EdgeOptions):
    """How masks are refined after the fact. Ours, not the paper's.

    Parameters
    ----------
    median : int, default 2
        Frames ahead and behind that the temporal median takes along the chains; 0: none.
    """

    median: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check.whole("RefineOptions.median", self.median)


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

    maps = FrameCache(soft, cells, 0)
    maps.at_least = 2 * reach + 1
    for index in range(len(soft)):
        trace = chains.trace(index, reach)
        met = [gather(maps[step.targets.start], step.cell) for step in (*trace.ahead, *trace.behind)]
        votes = grid.crop(torch.cat([maps[index], *met])).sort(dim=0).values  # (votes, h, w), ended chains last
        count = votes.isfinite().sum(dim=0, keepdim=True)
        middle = votes.gather(0, (count - 1) // 2) + votes.gather(0, count // 2)
        yield (middle[0] / 2).numpy()
