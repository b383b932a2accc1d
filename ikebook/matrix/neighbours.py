"""What motion chains join one pixel to: its own chain, and the chains of others that meet it (Sec. 4.1, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ikebook.base import check
from ikebook.base.check import require
from ikebook.matrix.chains import AHEAD, BEHIND, MotionChains


@dataclass(frozen=True, eq=False)
class Chain:
    """The motion chain through a pixel, in the order of time, that pixel included.

    Parameters
    ----------
    frames : (k,) int64, increasing
        Only those in which the chain lies within the frame.
    x, y : (k,) float64, positions in pixels
    """

    frames: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class Incoming:
    """Pixels whose chains meet a pixel: those of frame `frames[i]` at (`x[i]`, `y[i]`), each (k,) int64.

    A pixel is listed once for each link of its chain that meets.
    """

    frames: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


class Neighbourhood:
    """The chains that start from, and those that lead to, the pixels of one frame.

    Parameters
    ----------
    chains : of the clip's flow
    frame : i
    radius : p, steps that chains are followed, each way, frames

    Raises
    ------
    InputError
        If the clip has no such frame.
    """

    def __init__(self, chains: MotionChains, frame: int, radius: int) -> None:
        check.whole("radius", radius, at_least=1)
        check.whole("frame", frame)
        require(frame < chains.frames, f"frame is {frame}; expected one of 0 to {chains.frames - 1}.")
        self.chains = chains
        self.frame = frame
        self.radius = radius
        self.trace = chains.trace(frame, radius)
        self._arrivals: dict[int, torch.Tensor] = {}

    def chain(self, pixel: tuple[int, int]) -> Chain:
        """The outgoing chain of a pixel (x, y), forward and backward."""
        x, y = self._pixel(pixel)
        cell = self._cell(x, y)
        found = {0: (float(x), float(y))}
        for steps in (self.trace.ahead, self.trace.behind):
            for step in steps:
                if self.chains.grid.pixel_of(step.cell[0, cell]) >= 0:
                    found[step.offset] = (float(step.x[0, cell]), float(step.y[0, cell]))
        offsets = sorted(found)
        places = np.array([found[offset] for offset in offsets])
        return Chain(np.array(offsets) + self.frame, places[:, 0], places[:, 1])

    def incoming(self, pixel: tuple[int, int]) -> Incoming:
        """Pixels of other frames whose chains meet a pixel (x, y)."""
        x, y = self._pixel(pixel)
        cell, grid = self._cell(x, y), self.chains.grid
        frames, pixels = [], []
        for frame in range(self.frame - self.radius, self.frame + self.radius + 1):
            if frame == self.frame or not 0 <= frame < self.chains.frames:
                continue
            _, cells = torch.nonzero(self.arrivals(frame) == cell, as_tuple=True)
            inside = grid.pixel_of(cells)
            inside = inside[inside >= 0]
            pixels.append(inside.cpu().numpy())
            frames.append(np.full(len(inside), frame))
        where = np.concatenate(pixels) if pixels else np.empty(0, np.int64)
        when = np.concatenate(frames) if frames else np.empty(0, np.int64)
        return Incoming(when, where % grid.w, where // grid.w)

    def arrivals(self, frame: int) -> torch.Tensor:
        """The cells of this frame that the chains of another, at most p frames away, meet: (links, cells) int32."""
        if frame not in self._arrivals:
            steps = abs(self.frame - frame)
            trace = self.chains.trace(frame, steps, keep=0)
            self._arrivals[frame] = trace.met[AHEAD if frame < self.frame else BEHIND][steps - 1, :, 0].clone()
        return self._arrivals[frame]

    def _pixel(self, pixel: tuple[int, int]) -> tuple[int, int]:
        grid = self.chains.grid
        x, y = pixel
        require(
            0 <= x < grid.w and 0 <= y < grid.h,
            f"pixel is ({x}, {y}); expected (x, y) with x from 0 to {grid.w - 1} and y from 0 to {grid.h - 1}.",
        )
        return int(x), int(y)

    def _cell(self, x: int, y: int) -> int:
        return (y + 1) * (self.chains.grid.w + 2) + x + 1
