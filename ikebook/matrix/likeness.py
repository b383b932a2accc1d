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
from ikebook.base.arrays import Array, Computed
from ikebook.base.tensors import FrameCache, Spare, on_device, tensor
from ikebook.matrix.chains import MotionChains, Trace, gather

FAR = 1e4
"""Colour of the border, in units of sqrt(2) sigma_c: nothing is like it, so that steps where a chain has ended weigh exactly 0."""


class ColourLikeness:
    """The likeness of colour along the chains of a clip.

    Parameters
    ----------
    chains : MotionChains
        Of the clip's flow.
    colours : (m, h, w, 3) real
        Colour of each pixel, in memory, on disk, or computed frame by frame.
    sigma : float
        sigma_c, in the colours' unit.
    reach : int
        Steps of the chains that are asked for, each way.
    """

    def __init__(self, chains: MotionChains, colours: Tensor | Array | Computed, sigma: float, reach: int) -> None:
        check.shape("colours", colours, (chains.frames, chains.grid.h, chains.grid.w, 3))
        self.chains, self.colours, self.sigma, self.reach = chains, colours, sigma, reach
        # Not a method of this object: in a circle of references all that is kept would outlive it.
        cells = partial(_cells, chains.device, chains.dtype, sigma)
        self._cells = FrameCache(colours, cells, 0)
        # Of the frames that chains lead to while rows ahead of the earliest of them are weighed: others are under way by then.
        self._cells.at_least = 2 * reach + chains.batch + self._cells.steps
        self._known: WeakKeyDictionary[Trace, dict[int, Tensor]] = WeakKeyDictionary()

    def along(self, trace: Trace, direction: int) -> Tensor:
        """The likeness of each cell to those that its chain meets, (reach or fewer, links, b, cells); 0 where it has ended.

        They are kept as long as the trace is: M and the means among the features ask for the same.
        """
        known = self._known.setdefault(trace, {})
        if direction not in known:
            known[direction] = self.compare(trace.frames, direction, trace.met[direction][: self.reach], trace.spare)
        return known[direction]

    def take(self, trace: Trace, direction: int) -> Tensor:
        """`along`, for whoever writes over it: it is not kept any more."""
        found = self.along(trace, direction)
        del self._known[trace][direction]
        return found

    def give_up(self, trace: Trace) -> None:
        """Give back the memory of what is kept of a trace."""
        for found in self._known.pop(trace, {}).values():
            trace.spare.give(found)

    def forget(self) -> None:
        """Hold no colours until the next chains are compared."""
        self._cells.forget()

    def compare(self, frames: range, direction: int, met: Tensor, spare: Spare) -> Tensor:
        """The likeness of each cell of some frames to those that its chain meets, `met` (steps, links, b, cells), of the same shape."""
        last = self.chains.frames - 1
        own = self._cells.batch(frames)  # (b, 3, cells)
        found = spare.empty(met.shape, own.dtype)
        for k, (cells, out) in enumerate(zip(met, found, strict=True), start=1):
            # Where the clip has no such frame, the cell that is met is one of the border, whatever the frame.
            there = self._cells.batch([min(max(frame + direction * k, 0), last) for frame in frames])
            for link, likeness in zip(cells, out, strict=True):  # each (b, cells)
                square = torch.zeros_like(likeness)
                for axis in range(3):
                    change = gather(there[:, axis], link).sub_(own[:, axis])
                    square.addcmul_(change, change)
                torch.exp(square.neg_(), out=likeness)
        return found

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """The likeness of nodes a and b, of one shape, by its definition."""
        one, other = (self._at(nodes) for nodes in (a, b))
        return torch.exp(-(one - other).square().sum(-1) / (2 * self.sigma**2)).to(self.chains.device)

    def _at(self, nodes: Tensor) -> Tensor:
        """The colours at nodes, (..., 3)."""
        frame, pixel = np.divmod(nodes.cpu().numpy(), self.chains.grid.pixels)
        frames, place = np.unique(frame, return_inverse=True)
        there = [tensor(self.colours[int(each)]).reshape(-1, 3) for each in frames]
        if not there:
            return torch.zeros(*nodes.shape, 3, dtype=self.chains.dtype)
        places = torch.from_numpy(place.reshape(frame.shape) * self.chains.grid.pixels + pixel)
        return torch.cat(there).cpu().to(self.chains.dtype)[places]


def _cells(device: torch.device, dtype: torch.dtype, sigma: float, frame: np.ndarray | Tensor) -> Tensor:
    """The colours (h, w, 3) of one frame as cells (3, cells), in units of sqrt(2) sigma_c; FAR on the border."""
    colours = on_device(tensor(frame), device, dtype).movedim(-1, 0) / (math.sqrt(2) * sigma)
    return torch.nn.functional.pad(colours, (1, 1, 1, 1), value=FAR).flatten(-2)
