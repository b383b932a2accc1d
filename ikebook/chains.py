"""Motion chains: from each pixel, the optical flow followed step by step, forward and backward (Sec. 4.1, Fig. 2).

Frames are held with a border of one dead cell all round, so a frame of h x w pixels has (h+2)(w+2) *cells*, and pixel
(x, y) is cell (y+1)(w+2) + x+1. A chain that leaves the frame comes to lie on the border. What is sampled there is 0,
and what is cast there is cut off, so that no step needs to ask which chains have ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.check import require
from ikebook.flow.fields import Flow

CONSISTENT = (0.01, 0.5)
"""A step f whose backward step b has |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 px^2 passes the forward-backward check
(Sundaram, Brox & Keutzer, ECCV 2010, doi:10.1007/978-3-642-15549-9_32, Eq. 5)."""

AHEAD, BEHIND = 1, -1
"""Directions in time: along the forward flow, along the backward flow."""


@dataclass(frozen=True, kw_only=True)
class ChainOptions:
    sampling: str = "nearest"  # flow at a sub-pixel position: that of the "nearest" pixel, or "bilinear"
    border: str = "end"  # a chain that leaves the frame: "end", or "pass" (follow the border's flow; it may come back)
    links: str = "nearest"  # nodes that a chain's point meets: the "nearest" pixel, or its 4 "corners" (floor, ceil)
    consistent: bool = False  # end a chain at a step that fails the forward-backward check (an occlusion)

    def __post_init__(self) -> None:
        check.one_of("ChainOptions.sampling", self.sampling, ["nearest", "bilinear"])
        check.one_of("ChainOptions.border", self.border, ["end", "pass"])
        check.one_of("ChainOptions.links", self.links, ["nearest", "corners"])
        check.flag("ChainOptions.consistent", self.consistent)


class Grid:
    """Where pixels, nodes and cells are: frames of `size` (width, height) with a border of one cell."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.w, self.h = size
        self.pixels = self.w * self.h
        self.shape = (self.h + 2, self.w + 2)
        self.cells = self.shape[0] * self.shape[1]

    def pad(self, frames: Tensor) -> Tensor:
        """Frames (..., h, w) as cells (..., cells), 0 on the border."""
        return torch.nn.functional.pad(frames, (1, 1, 1, 1)).flatten(-2)

    def crop(self, cells: Tensor) -> Tensor:
        """Cells (..., cells) as frames (..., h, w)."""
        return cells.view(*cells.shape[:-1], *self.shape)[..., 1:-1, 1:-1]

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """A'b of two arrays of cells, (cells, d) and (cells, e), as (d, e) float64.

        Each row of the frame is summed in the arrays' dtype, and the rows in float64: in float32 that keeps two digits
        more than one long sum, and costs no more.
        """
        rows = [cells.view(*self.shape, -1) for cells in (a, b)]
        return torch.bmm(rows[0].transpose(1, 2), rows[1]).double().sum(0)

    def cell_of(self, x: Tensor, y: Tensor) -> Tensor:
        """The cell nearest to positions in pixels; halves go up; beyond the frame, the border. int32."""
        column = (x + 1.5).clamp(0, self.w + 1.5).int()  # +1 for the border, +0.5 so that cutting off rounds
        row = (y + 1.5).clamp(0, self.h + 1.5).int()
        return torch.add(column, row, alpha=self.w + 2)

    def pixel_of(self, cells: Tensor) -> Tensor:
        """The pixel y*w + x of each cell, -1 on the border. int64."""
        row, column = cells.long() // (self.w + 2) - 1, cells.long() % (self.w + 2) - 1
        inside = (row >= 0) & (row < self.h) & (column >= 0) & (column < self.w)
        return torch.where(inside, row * self.w + column, -1)


@dataclass(frozen=True, eq=False)
class Step:
    """Where the chains of all cells of one frame are after some steps, `frame` frames into the clip.

    `x`, `y` (cells,) are positions in pixels, `cell` (cells,) int32 the nearest cells, and `dx`, `dy` (cells,) the
    displacements of the step that led here.
    """

    frame: int
    x: Tensor
    y: Tensor
    cell: Tensor
    dx: Tensor
    dy: Tensor


@dataclass(frozen=True, eq=False)
class Trace:
    """The outgoing chains of one frame: `ahead[k-1]` and `behind[k-1]` are k frames later and earlier."""

    frame: int
    ahead: list[Step]
    behind: list[Step]

    def at(self, offset: int) -> Step | None:
        """The step `offset` frames away (not 0), or None where the clip, or the trace, does not reach."""
        require(offset != 0, "offset is 0; a trace has the frames ahead and behind, not its own.")
        steps = self.ahead if offset > 0 else self.behind
        return steps[abs(offset) - 1] if abs(offset) <= len(steps) else None


class MotionChains:
    """The chains that a clip's flow defines.

    Parameters
    ----------
    flow : forward and backward fields of m frames
    options : how positions meet pixels
    dtype, device : those of positions and of everything built on the chains
    """

    def __init__(
        self,
        flow: Flow,
        options: ChainOptions | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.options = options or ChainOptions()
        self.grid = Grid(flow.size)
        self.frames = len(flow)
        self.dtype = dtype
        self.device = torch.device(device)
        self._planes = {AHEAD: self._pad(flow.forward), BEHIND: self._pad(flow.backward)}
        rows, columns = self.grid.shape
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        self._x = (x - 1).flatten().to(self.device, dtype)
        self._y = (y - 1).flatten().to(self.device, dtype)

    def planes(self, direction: int) -> Tensor:
        """The flow fields ahead or behind, (2, m-1, cells): dx and dy."""
        return self._planes[direction]

    def trace(self, frame: int, steps: int) -> Trace:
        """Follow the chains of all pixels of `frame` for `steps` frames each way, fewer at the clip's ends."""
        require(0 <= frame < self.frames, f"frame is {frame}; expected 0 to {self.frames - 1}.")
        return Trace(frame, self._follow(frame, steps, AHEAD), self._follow(frame, steps, BEHIND))

    def nodes(self, cells: Tensor, frame: int) -> Tensor:
        """The nodes frame*h*w + y*w + x at cells of a frame, -1 where the chain has ended. int64."""
        pixels = self.grid.pixel_of(cells)
        return torch.where(pixels >= 0, pixels + frame * self.grid.pixels, -1)

    def links(self, step: Step) -> Tensor:
        """The cells that each chain meets at a step, (1, cells) or (4, cells) int32."""
        if self.options.links == "nearest":
            return step.cell[None]
        return torch.stack([self.grid.cell_of(x, y) for y in _both(step.y) for x in _both(step.x)])

    def _follow(self, frame: int, steps: int, direction: int) -> list[Step]:
        x, y, cell = self._x, self._y, self.grid.cell_of(self._x, self._y)
        gone = torch.zeros_like(cell, dtype=torch.bool)  # chains that have failed the forward-backward check
        followed: list[Step] = []
        for step in range(1, steps + 1):
            target = frame + direction * step
            if not 0 <= target < self.frames:
                break
            pair = min(target, target - direction)  # fields lie between two frames
            dx, dy = self._sample(self._planes[direction][:, pair], x, y, cell)
            x, y = x + dx, y + dy
            if self.options.border == "end":
                x, y = x.clamp(-1, self.grid.w), y.clamp(-1, self.grid.h)  # on the border the flow is 0: there it stays
            cell = self.grid.cell_of(x, y)
            if self.options.border == "end" and self.options.links == "corners":
                ended = self.grid.pixel_of(cell) < 0  # less than a pixel outside, one of its corners would lie inside
                x, y = x.masked_fill(ended, -1), y.masked_fill(ended, -1)
            if self.options.consistent:
                back_x, back_y = self._sample(self._planes[-direction][:, pair], x, y, cell)
                relative, absolute = CONSISTENT
                squares = dx**2 + dy**2 + back_x**2 + back_y**2
                gone = gone | ((dx + back_x) ** 2 + (dy + back_y) ** 2 > relative * squares + absolute)
                x, y, cell = x.masked_fill(gone, -1), y.masked_fill(gone, -1), cell.masked_fill(gone, 0)
                dx, dy = dx.masked_fill(gone, 0), dy.masked_fill(gone, 0)
            followed.append(Step(target, x, y, cell, dx, dy))
        return followed

    def _sample(self, planes: Tensor, x: Tensor, y: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """The field with planes dx, dy (2, cells) at each chain's position."""
        if self.options.sampling == "nearest":
            return planes[0].index_select(0, cell), planes[1].index_select(0, cell)
        grid = self.grid
        inside_x, inside_y = x.clamp(0, grid.w - 1), y.clamp(0, grid.h - 1)
        left, top = inside_x.floor(), inside_y.floor()
        across, down = inside_x - left, inside_y - top
        right, bottom = (left + 1).clamp(max=grid.w - 1), (top + 1).clamp(max=grid.h - 1)
        sampled = torch.zeros(2, len(x), dtype=x.dtype, device=x.device)
        for corner_x, corner_y, weight in (
            (left, top, (1 - across) * (1 - down)),
            (right, top, across * (1 - down)),
            (left, bottom, (1 - across) * down),
            (right, bottom, across * down),
        ):
            sampled += weight * planes.index_select(1, grid.cell_of(corner_x, corner_y))
        if self.options.border == "end":
            sampled *= grid.pixel_of(cell) >= 0
        return sampled[0], sampled[1]

    def _pad(self, fields: np.ndarray) -> Tensor:
        """Fields (m-1, h, w, 2) as planes (2, m-1, cells)."""
        planes = torch.from_numpy(fields).to(self.device, self.dtype).movedim(-1, 0)
        if self.options.border == "end":
            return self.grid.pad(planes)
        return torch.nn.functional.pad(planes, (1, 1, 1, 1), mode="replicate").flatten(-2)


def _both(position: Tensor) -> tuple[Tensor, Tensor]:
    return position.floor(), position.ceil()
