"""How alike in colour the two ends of a motion chain's steps are. Ours, not the paper's.

Optical flow errs, and a chain that has once gone over the object's edge stays on the wrong side. There its colour changes:

    likeness(a, b) = exp(-|c_a - c_b|^2 / (2 sigma_c^2)),

with c the colours at both ends. It is the same both ways, so M stays symmetric.
"""

from __future__ import annotations

import math
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array, FrameCache, on_device, tensor
from ikebook.matrix.chains import MotionChains, Trace, gather

KEEP_BYTES = 1 << 28
"""Most colours that are kept on the device, where there is as much memory."""

FAR = 1e4
"""Colour of the border, in units of sqrt(2) sigma_c: nothing is like it, so that steps where a chain has ended weigh exactly 0."""


class ColourLikeness:
    """The likeness of colour along the chains of a clip.

    Parameters
    ----------
    chains : MotionChains
        Of the clip's flow.
    colours : (m, h, w, 3) real
        Colour of each pixel, in memory or on disk.
    sigma : float
        sigma_c, in the colours' unit.
    reach : int
        Steps of the chains that are asked for, each way.
    """

    def __init__(self, chains: MotionChains, colours: Tensor | Array, sigma: float, reach: int) -> None:
        check.shape("colours", colours, (chains.frames, chains.grid.h, chains.grid.w, 3))
        self.chains, self.colours, self.sigma, self.reach = chains, colours, sigma, reach
        # Not a method of this object: in a circle of references all that is kept would outlive it.
        cells = partial(_cells, chains.device, chains.dtype, sigma)
        self._cells = FrameCache(colours, cells, chains.compute.memory.share(KEEP_BYTES))
        self._cells.at_least = 2 * reach + chains.batch
        self._known: WeakKeyDictionary[Trace, dict[int, Tensor]] = WeakKeyDictionary()

    def along(self, trace: Trace, direction: int) -> Tensor:
        """The likeness of each cell to those that its chain meets, (reach or fewer, links, b, cells); 0 where it has ended.

        They are kept as long as the trace is: M and the means among the features ask for the same.
        """
        known = self._known.setdefault(trace, {})
        if direction not in known:
            known[direction] = self._compare(trace, direction)
        return known[direction]

    def _compare(self, trace: Trace, direction: int) -> Tensor:
        met, last = trace.met[direction][: self.reach], self.chains.frames - 1
        own = self._cells.batch(trace.frames)  # (b, 3, cells)
        found = torch.empty(met.shape, dtype=own.dtype, device=own.device)
        for k, (cells, out) in enumerate(zip(met, found, strict=True), start=1):
            # Where the clip has no such frame, the cell that is met is one of the border, whatever the frame.
            frames = [min(max(frame + direction * k, 0), last) for frame in trace.frames]
            there = self._cells.batch(frames)
            for link, likeness in zip(cells, out, strict=True):  # each (b, cells)
                square = torch.zeros_like(likeness)
                for axis in range(3):
                    change = gather(there[:, axis], link).sub_(own[:, axis])
                    square.addcmul_(change, change)
                torch.exp(square.neg_(), out=likeness)
        return found

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """The likeness of nodes a and b, of one shape, by its definition."""
        colours = self.colours.cpu().numpy() if isinstance(self.colours, Tensor) else np.asarray(self.colours)
        one, other = (tensor(colours.reshape(-1, 3)[nodes.cpu().numpy()]).to(self.chains.dtype) for nodes in (a, b))
        return torch.exp(-(one - other).square().sum(-1) / (2 * self.sigma**2)).to(self.chains.device)


def _cells(device: torch.device, dtype: torch.dtype, sigma: float, frame: np.ndarray | Tensor) -> Tensor:
    """The colours (h, w, 3) of one frame as cells (3, cells), in units of sqrt(2) sigma_c; FAR on the border."""
    colours = on_device(tensor(frame), device, dtype).movedim(-1, 0) / (math.sqrt(2) * sigma)
    return torch.nn.functional.pad(colours, (1, 1, 1, 1), value=FAR).flatten(-2)
