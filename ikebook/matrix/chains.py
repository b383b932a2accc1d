"""Motion chains: from each pixel, the optical flow followed step by step, forward and backward (Sec. 4.1, Fig. 2).

Frames are held with a border of one dead cell all round, so a frame of h x w pixels has (h+2)(w+2) *cells*, and pixel
(x, y) is cell (y+1)(w+2) + x+1. A chain that leaves the frame comes to lie on the border. What is sampled there is 0,
and what is cast there is cut off, so that no step needs to ask which chains have ended.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.tensors import FrameCache, Spare, frames_at_once, on_device, tensor
from ikebook.flow.fields import Flow
from ikebook.flow.quality import CONSISTENT

AHEAD, BEHIND = 1, -1
"""Directions in time: along the forward flow, along the backward flow."""

SHIFT = 1.5
"""From a position in pixels to its cell's column and row: 1 for the border, and 0.5 so that cutting off rounds."""

KEEP_BYTES = 1 << 28
"""Most flow that is kept on the device, for each direction, where there is as much memory."""


@dataclass(frozen=True, kw_only=True)
class ChainOptions:
    """How motion chains are followed, and what they meet (Sec. 4.1).

    Parameters
    ----------
    sampling : str, default "nearest"
        Flow at a sub-pixel position: that of the "nearest" pixel, or "bilinear" between four.
    border : str, default "end"
        What becomes of a chain that leaves the frame: it "end"s, or follows the border's flow and may come back ("pass", as in
        the authors' program).
    links : str, default "nearest"
        Nodes that a chain's point meets: the "nearest" pixel, or its 4 "corners" (floor and ceil of x and y).
    consistent : bool, default False
        End a chain at a step that fails the forward-backward check (an occlusion).
    """

    sampling: str = "nearest"
    border: str = "end"
    links: str = "nearest"
    consistent: bool = False

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
        """A'B of each frame for arrays of cells (b, cells, d) and (b, cells, e), as (b, d, e) float64.

        Each row of a frame is summed in the arrays' dtype, and the rows in float64: in float32 that keeps two digits
        more than one long sum, and costs no more.
        """
        rows = [cells.reshape(-1, self.shape[1], cells.shape[-1]) for cells in (a, b)]  # (b * (h+2), w+2, d)
        products = torch.bmm(rows[0].transpose(1, 2), rows[1]).double()
        return products.view(len(a), self.shape[0], *products.shape[1:]).sum(1)

    def cell_of(self, x: Tensor, y: Tensor) -> Tensor:
        """The cell nearest to positions in pixels; halves go up; beyond the frame, the border. int32."""
        return self.cut((x + SHIFT).clamp(0, self.w + 1.5), (y + SHIFT).clamp(0, self.h + 1.5))

    def cut(self, column: Tensor, row: Tensor) -> Tensor:
        """The cell at positions that have been shifted by `SHIFT`, and lie on the grid. int32."""
        return torch.add(column.int(), row.int(), alpha=self.w + 2)

    def pixel_of(self, cells: Tensor) -> Tensor:
        """The pixel y*w + x of each cell, -1 on the border. int64."""
        row, column = cells.long() // (self.w + 2) - 1, cells.long() % (self.w + 2) - 1
        inside = (row >= 0) & (row < self.h) & (column >= 0) & (column < self.w)
        return torch.where(inside, row * self.w + column, -1)


@dataclass(frozen=True, eq=False)
class Step:
    """Where the chains of all cells of some frames are, `offset` frames later (earlier, if it is negative).

    Of b consecutive frames, `frames`: those whose chains get so far before the clip ends. `x`, `y` (b, cells) are
    positions in pixels, `cell` (b, cells) int32 the nearest cells, and `dx`, `dy` (b, cells) the displacements of the step
    that led here.
    """

    frames: range
    offset: int
    x: Tensor
    y: Tensor
    cell: Tensor
    dx: Tensor
    dy: Tensor

    @property
    def targets(self) -> range:
        """The frames that the chains are in."""
        return range(self.frames.start + self.offset, self.frames.stop + self.offset)


@dataclass(frozen=True, eq=False)
class Trace:
    """The outgoing chains of b consecutive frames: `ahead[k-1]` and `behind[k-1]` are k frames later and earlier.

    `met[direction]` (steps, links, b, cells) int32 has the cells that they meet, 0 (a border cell) beyond the clip's end.
    It may reach farther than `ahead` and `behind`.
    """

    chains: MotionChains
    frames: range
    ahead: list[Step]
    behind: list[Step]
    met: dict[int, Tensor]
    spare: Spare  # whose memory `met` has

    def at(self, offset: int) -> Step | None:
        """The step `offset` frames away (not 0), or None where the clip, or the trace, does not reach."""
        require(offset != 0, "offset is 0; a trace has the frames ahead and behind, not its own.")
        steps = self.ahead if offset > 0 else self.behind
        return steps[abs(offset) - 1] if abs(offset) <= len(steps) else None


class MotionChains:
    """The motion chains that a clip's flow defines: each pixel followed step by step, ahead and behind (Sec. 4.1, Fig. 2).

    Parameters
    ----------
    flow : Flow
        Of m frames.
    options : ChainOptions, optional
        How positions meet pixels.
    compute : Compute, optional
        Device and dtype of positions, and of everything built on the chains.
    batch : int, optional
        Frames that are handled at once; results do not depend on it. By default one on a CPU, up to 32 on a GPU.
    keep : int, optional
        Bytes of flow that are kept on the device, for each direction, and not fetched anew in each pass; by default some of
        the memory that `compute` has.

    Examples
    --------
    >>> import ikebook
    >>> trace = MotionChains(ikebook.toy("disc").flow).trace(frames=1, steps=15)
    >>> len(trace.ahead), len(trace.behind)  # the clip has five frames
    (3, 1)
    """

    def __init__(
        self,
        flow: Flow,
        options: ChainOptions | None = None,
        *,
        compute: Compute | None = None,
        batch: int | None = None,
        keep: int | None = None,
    ) -> None:
        self.options = options or ChainOptions()
        self.compute = check.or_default("compute", compute, Compute)
        self.grid = Grid(flow.size)
        self.frames = len(flow)
        self.dtype, self.device = self.compute.dtype, self.compute.device
        keep = self.compute.memory.share(KEEP_BYTES) if keep is None else keep
        self.batch = frames_at_once(self.device, self.grid.cells) if batch is None else batch
        check.whole("batch", self.batch, at_least=1)
        # The function knows nothing of this object: in a circle of references all that is kept would outlive it.
        cells = partial(_cells, ends=self.options.border == "end", compute=self.compute)
        self._fields = {AHEAD: FrameCache(flow.forward, cells, keep), BEHIND: FrameCache(flow.backward, cells, keep)}
        rows, columns = self.grid.shape
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        self._x = (x - 1).flatten().to(self.device, self.dtype)
        self._y = (y - 1).flatten().to(self.device, self.dtype)

    def field(self, direction: int, pair: int) -> Tensor:
        """One flow field, ahead or behind, between frames `pair` and `pair` + 1: dx + i dy of each cell, complex."""
        return self._fields[direction][pair]

    def forget(self) -> None:
        """Hold no fields, unless all of them fit, until the next chains are followed."""
        for fields in self._fields.values():
            fields.forget()

    def batches(self, frames: range | None = None, cuts: tuple[int, ...] = ()) -> Iterator[range]:
        """Consecutive frames, all if None, in ranges of `batch`, none of which goes across a multiple of it or a cut."""
        frames = range(self.frames) if frames is None else frames
        starts = {*frames[:1], *cuts, *range(0, frames.stop, self.batch)}
        edges = [*sorted(start for start in starts if start in frames), frames.stop]
        return (range(start, stop) for start, stop in itertools.pairwise(edges))

    def trace(self, frames: range | int, steps: int, keep: int | None = None, spare: Spare | None = None) -> Trace:
        """Follow the chains of all pixels of consecutive frames for `steps` frames each way, fewer at the clip's ends.

        Of the steps after the first `keep`, only the cells that are met are kept; all if None. `spare` is where the memory for
        these comes from.
        """
        frames = range(frames, frames + 1) if isinstance(frames, int) else frames
        require(
            0 <= frames.start < frames.stop <= self.frames,
            f"frames are {frames.start} to {frames.stop - 1}; expected some of 0 to {self.frames - 1}.",
        )
        ways = 2 if self.options.consistent else 1  # ahead and behind, of either flow
        for fields in self._fields.values():
            fields.at_least = max(fields.at_least, ways * steps + self.batch)
        keep = steps if keep is None else keep
        spare = Spare(0, self.device) if spare is None else spare
        ahead, met_ahead = self._follow(frames, steps, keep, AHEAD, spare)
        behind, met_behind = self._follow(frames, steps, keep, BEHIND, spare)
        return Trace(self, frames, ahead, behind, {AHEAD: met_ahead, BEHIND: met_behind}, spare)

    def nodes(self, cells: Tensor, frame: int) -> Tensor:
        """The nodes frame*h*w + y*w + x at cells of a frame, -1 where the chain has ended. int64."""
        pixels = self.grid.pixel_of(cells)
        return torch.where(pixels >= 0, pixels + frame * self.grid.pixels, -1)

    def links(self, step: Step) -> Tensor:
        """The cells that each chain meets at a step, (1, b, cells) or (4, b, cells) int32."""
        if self.options.links == "nearest":
            return step.cell[None]
        return torch.stack([self.grid.cell_of(x, y) for y in _both(step.y) for x in _both(step.x)])

    def _follow(self, frames: range, steps: int, keep: int, direction: int, spare: Spare) -> tuple[list[Step], Tensor]:
        grid, options, start = self.grid, self.options, frames.start
        nearest, ends = options.links == "nearest", options.border == "end"
        steps = min(steps, self.frames - 1 - frames.start if direction == AHEAD else frames.stop - 1)
        shape = (steps, 1 if nearest else 4, len(frames), grid.cells)
        some_end = frames.start + direction * steps < 0 or frames.stop + direction * steps > self.frames
        met = spare.empty(shape, torch.int32)
        if some_end:
            met.zero_()
        right, bottom = grid.w + 1.5, grid.h + 1.5  # shifted, as u and v are
        u, v = (self._x + SHIFT).expand(len(frames), -1), (self._y + SHIFT).expand(len(frames), -1)  # (b, cells)
        cell = grid.cut(u, v)
        gone = torch.zeros_like(cell, dtype=torch.bool)  # chains that have failed the forward-backward check
        followed: list[Step] = []
        for k in range(1, steps + 1):
            offset = direction * k
            on = range(max(frames.start, -offset), min(frames.stop, self.frames - offset))
            if on != frames:  # the chains of some frames end here, at the clip's end
                rows = slice(on.start - frames.start, on.stop - frames.start)
                u, v, cell, gone, frames = u[rows], v[rows], cell[rows], gone[rows], on
            between = min(offset, offset - direction)  # field i lies between frames i and i+1
            pairs = range(frames.start + between, frames.stop + between)
            dx, dy = self._sample(direction, pairs, u, v, cell)
            u, v = u + dx, v + dy
            if ends:
                u, v = u.clamp_(0.5, right), v.clamp_(0.5, bottom)  # on the border the flow is 0: there they stay
                cell = grid.cut(u, v)
            else:
                cell = grid.cut(u.clamp(0, right), v.clamp(0, bottom))
            if ends and not nearest:
                ended = grid.pixel_of(cell) < 0  # less than a pixel outside, one of its corners would lie inside
                u, v = u.masked_fill(ended, 0.5), v.masked_fill(ended, 0.5)
            if options.consistent:
                back_x, back_y = self._sample(-direction, pairs, u, v, cell)
                relative, absolute = CONSISTENT
                squares = dx**2 + dy**2 + back_x**2 + back_y**2
                failed = (dx + back_x) ** 2 + (dy + back_y) ** 2 > relative * squares + absolute
                gone = gone | (failed & (grid.pixel_of(cell) >= 0))  # of a step that leaves the frame nothing is known
                u, v, cell = u.masked_fill(gone, 0.5), v.masked_fill(gone, 0.5), cell.masked_fill(gone, 0)
                dx, dy = dx.masked_fill(gone, 0), dy.masked_fill(gone, 0)
            there = met[k - 1, :, frames.start - start : frames.stop - start]
            if nearest and k > keep:
                there[0] = cell
                continue
            step = Step(frames, offset, u - SHIFT, v - SHIFT, cell, dx, dy)
            there[:] = self.links(step)
            if k <= keep:
                followed.append(step)
        return followed, met

    def _sample(self, direction: int, pairs: range, u: Tensor, v: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """The fields, one for each frame, at the chains' shifted positions: dx and dy, (b, cells)."""
        fields = self._fields[direction].batch(pairs)  # (b, cells)
        if self.options.sampling == "nearest":
            motion = gather(fields, cell)
            return motion.real, motion.imag
        grid = self.grid
        x, y = (u - SHIFT).clamp(0, grid.w - 1), (v - SHIFT).clamp(0, grid.h - 1)
        left, top = x.floor(), y.floor()
        across, down = x - left, y - top
        right, bottom = (left + 1).clamp(max=grid.w - 1), (top + 1).clamp(max=grid.h - 1)
        motion = torch.zeros_like(fields)
        for corner_x, corner_y, weight in (
            (left, top, (1 - across) * (1 - down)),
            (right, top, across * (1 - down)),
            (left, bottom, (1 - across) * down),
            (right, bottom, across * down),
        ):
            motion += weight * gather(fields, grid.cell_of(corner_x, corner_y))
        if self.options.border == "end":
            motion *= grid.pixel_of(cell) >= 0
        return motion.real, motion.imag


def _cells(field: np.ndarray | Tensor, *, ends: bool, compute: Compute) -> Tensor:
    """One field (h, w, 2) as cells, complex: 0 on the border if chains end there, else as beside it."""
    known = torch.view_as_complex(on_device(tensor(field), compute.device, compute.dtype).contiguous())  # (h, w)
    rows, columns = (side + 2 for side in known.shape)
    if ends:
        cells = known.new_zeros(rows, columns)
        cells[1:-1, 1:-1] = known
        return cells.flatten()
    y, x = (torch.arange(side, device=known.device).sub_(1).clamp_(0, side - 3) for side in (rows, columns))
    return known[y[:, None], x].flatten()


def gather(values: Tensor, cell: Tensor) -> Tensor:
    """Of each frame's values (b, cells), those at cells (b, cells) int32."""
    if len(values) == 1:
        return values[0].index_select(0, cell[0])[None]
    first = torch.arange(len(values), dtype=torch.int32, device=cell.device)[:, None] * values.shape[1]
    return values.flatten().index_select(0, (cell + first).flatten()).view_as(values)


def _both(position: Tensor) -> tuple[Tensor, Tensor]:
    return position.floor(), position.ceil()
