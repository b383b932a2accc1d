"""Node features F, collected along motion chains (Sec. 4.1, Fig. 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array, FrameCache, extent, tensor
from ikebook.base.check import require, short
from ikebook.matrix.chains import AHEAD, BEHIND, MotionChains, Step, Trace, gather
from ikebook.matrix.operator import LinearOperator, full_precision

KEEP_BYTES = 1 << 29
"""Features of a clip are kept between products up to this size, where there is as much memory, else collected anew for each."""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What F collects along the chains (Secs. 4.1 and 4.2).

    Parameters
    ----------
    displacements : bool, default False
        The flow's displacements along the chain, as in the paper: 2 columns for each step.
    half_window : int, default 5
        q: steps of the chain that displacements are taken from, each way, frames.
    cue_window : int, default 3
        Steps of the chain that cues, among them the motion saliency, are taken from, each way, frames; the node itself
        counts too.
    center : str, default "frame"
        "frame": subtract each frame's mean, so that no constant vector lies in the span; or "none".
    scale : str, default "none"
        "minmax": columns come to [0, 1] over the clip, displacements by direction and axis; or "none".
    bias : bool, default False
        Append a column of ones.
    ends : str, default "mirror"
        What stands beyond the clip's ends: the other direction ("mirror"), or the last value there is ("hold").
    """

    displacements: bool = False
    half_window: int = 5
    cue_window: int = 3
    center: str = "frame"
    scale: str = "none"
    bias: bool = False
    ends: str = "mirror"

    def reach(self, *, cues: bool) -> int:
        """Steps of a chain that features are taken from, each way, with cues or without."""
        return max(self.half_window if self.displacements else 0, self.cue_window if cues else 0)

    def __post_init__(self) -> None:
        check.flag("FeatureOptions.displacements", self.displacements)
        check.flag("FeatureOptions.bias", self.bias)
        check.whole("FeatureOptions.half_window", self.half_window, at_least=1, at_most=100)
        check.whole("FeatureOptions.cue_window", self.cue_window, at_most=100)
        check.one_of("FeatureOptions.center", self.center, ["frame", "none"])
        check.one_of("FeatureOptions.scale", self.scale, ["none", "minmax"])
        check.one_of("FeatureOptions.ends", self.ends, ["mirror", "hold"])


@dataclass(frozen=True, eq=False, kw_only=True)
class Cue:
    """A map that says something about each pixel: another network's soft output, earlier labels, a saliency (Sec. 7.3).

    Parameters
    ----------
    name : str
        What its columns of F are called.
    maps : (m, h, w) real
        One map for each frame, at the clip's working size: a tensor, or an array in memory or on disk.
    on_object : bool, default True
        Whether it is large on the object, so that it can tell an eigenvector's sign where nothing moves.

    Examples
    --------
    >>> import ikebook, numpy as np
    >>> made = ikebook.toy("disc")
    >>> guess = Cue(name="guess", maps=np.random.default_rng(0).random((5, 16, 16)))
    >>> ikebook.build(made.clip, made.flow, cues=[guess]).features.columns[-1]
    'guess[+3]'
    """

    name: str
    maps: Tensor | Array
    on_object: bool = True


def checked_cues(cues: Any) -> list[Cue]:
    """Cues as a list; raise unless they are `Cue`s."""
    found = [cues] if isinstance(cues, Cue) else cues
    require(
        isinstance(found, (list, tuple)) and all(isinstance(cue, Cue) for cue in found),
        f"cues is {short(cues)}; expected Cues, such as [ikebook.Cue(name='mine', maps=maps)] with maps (m, h, w).",
    )
    return list(found)


class FeatureMatrix(LinearOperator):
    """F, n x d: for each node, what lies along the chains through it.

    The columns are, in this order: the displacements (dx, dy) of the chain's steps 1, ..., q ahead and 1, ..., q behind
    (a step behind is displaced by the backward flow), for each flow; each cue at the nodes that the chain meets -r, ..., r
    frames away; the bias. `columns` names them. A chain that has ended contributes 0 (before scaling and centring), but the step that
    left the frame counts. Where the clip has neither of two opposite frames, the last value along the chain stands in.

    Parameters
    ----------
    chains : MotionChains
        Of the clip's flow.
    options : FeatureOptions, optional
        What is collected.
    cues : sequence of Cue
        Maps (m, h, w) each.
    keep : int, optional
        Bytes of rows that are kept between products, if all of them fit, and half as many of the cues; by default some
        of the memory that the chains have.
    further : sequence of MotionChains
        Chains of other flows of the clip, whose displacements are collected beside those of `chains`, along their own
        chains (Table 1: M from one flow, F from two).

    Examples
    --------
    >>> import ikebook
    >>> chains = MotionChains(ikebook.toy("disc").flow)
    >>> FeatureMatrix(chains, FeatureOptions(displacements=True, half_window=1)).columns
    ('dx[+1]', 'dy[+1]', 'dx[-1]', 'dy[-1]')
    """

    def __init__(
        self,
        chains: MotionChains,
        options: FeatureOptions | None = None,
        cues: Sequence[Cue] = (),
        *,
        keep: int | None = None,
        further: Sequence[MotionChains] = (),
    ) -> None:
        self.chains = chains
        self.options = o = options or FeatureOptions()
        self.cues = tuple(cues)
        keep = chains.compute.memory.share(KEEP_BYTES) if keep is None else keep
        grid = chains.grid
        for other in further:
            require(
                other.frames == chains.frames and other.grid.shape == grid.shape,
                f"a further flow has {other.frames} frames of {other.grid.w}x{other.grid.h}; expected {chains.frames} of "
                f"{grid.w}x{grid.h}, as the first.",
            )
        self._flows = [chains, *further]
        self._maps: list[FrameCache] = []
        for cue in cues:
            check.shape(f"cue {cue.name!r}", cue.maps, (chains.frames, grid.h, grid.w))
            ends = extent(cue.maps)
            require(all(map(math.isfinite, ends)), f"cue {cue.name!r} has values that are NaN or infinite.")
            low, high = _span(*ends) if o.scale == "minmax" else (0.0, 1.0)
            self._maps.append(FrameCache(cue.maps, partial(_cells, chains, low, high), keep // (2 * len(cues))))
            self._maps[-1].at_least = 2 * o.cue_window + chains.batch
        self._inside = grid.pad(torch.ones(grid.h, grid.w, dtype=chains.dtype, device=chains.device))
        scaled = o.displacements and o.scale == "minmax"
        self._ranges = [
            {direction: _flow_range(flow, direction) if scaled else None for direction in (AHEAD, BEHIND)}
            for flow in self._flows
        ]
        self.columns = self._names([cue.name for cue in cues])
        require(
            len(self.columns) > 0, "F has no column; switch on displacements, the saliency or the bias, or give a cue."
        )
        self._kept: dict[range, Tensor] = {}
        super().__init__((chains.frames * grid.pixels, len(self.columns)), chains.dtype, chains.device)
        size = chains.frames * grid.cells * len(self.columns) * torch.empty((), dtype=chains.dtype).element_size()
        self._small = size <= keep

    @property
    def reach(self) -> int:
        """Steps of a chain that features are taken from, each way."""
        return self.options.reach(cues=bool(self._maps))

    def block(self, trace: Trace, out: Tensor | None = None) -> Tensor:
        """The rows of F of consecutive frames, (b, cells, d), 0 on the border, from chains traced for `reach` steps or more.

        Parameters
        ----------
        trace : the frames' chains
        out : where to write them, (b, cells, d or more); columns beyond d stay as they are
        """
        o, grid, frames = self.options, self.chains.grid, trace.frames
        values: list[Tensor] = []  # columns, each (b, cells)
        if o.displacements:
            still = torch.zeros(len(frames), grid.cells, dtype=self.dtype, device=self.device)
            for flow, ranges in zip(self._flows, self._ranges, strict=True):
                along = trace if flow is self.chains else flow.trace(frames, o.half_window)
                for direction in (AHEAD, BEHIND):
                    dx = dy = still
                    for offset in range(direction, direction * (o.half_window + 1), direction):
                        dx = self._along(along, offset, dx, lambda step, sign: sign * step.dx)
                        dy = self._along(along, offset, dy, lambda step, sign: sign * step.dy)
                        values += _scaled(ranges[direction], dx, dy)
        for cue in self._maps:
            own = cue.batch(frames)
            collected = {0: own}
            for direction in (AHEAD, BEHIND):
                value = own
                for offset in range(direction, direction * (o.cue_window + 1), direction):
                    value = self._along(trace, offset, value, _reader(cue))
                    collected[offset] = value
            values += [collected[offset] for offset in sorted(collected)]
        if o.bias:
            values.append(self._inside.expand(len(frames), -1))
        # Column by column, where sums and products go along the memory, and turned into rows at the end.
        planes = torch.stack(values)  # (d, b, cells)
        framed = planes.view(*planes.shape[:2], *grid.shape)
        for border in (framed[:, :, 0], framed[:, :, -1], framed[..., 0], framed[..., -1]):
            border.zero_()
        if o.center == "frame":
            # Each row of a frame is summed in the dtype, and the rows in float64, as in `Grid.inner`.
            mean = (framed.sum(-1).double().sum(-1) / grid.pixels).to(self.dtype)  # (d, b)
            if o.bias:
                mean[-1] = 0
            planes.addcmul_(self._inside, mean[..., None], value=-1)
            # Of a constant nothing must be left: as a column of its own, its rounding would count as much as any other.
            left = torch.maximum(planes.amax(-1), -planes.amin(-1))  # (d, b)
            planes *= (left > 32 * torch.finfo(self.dtype).eps * mean.abs())[..., None]
        block = planes.permute(1, 2, 0)  # (b, cells, d)
        return block if out is None else out[..., : len(planes)].copy_(block)

    def blocks(self, part: range | None = None, *, keep: bool = False) -> Iterator[tuple[range, Tensor]]:
        """The rows of F, (b, cells, d), and the b frames that they belong to, from the first to the last, or of a part.

        With `keep`, they are held for the next time if all of them fit into `keep` bytes.
        """
        cuts = () if part is None else (part.start, part.stop)
        for frames in self.chains.batches(part, cuts):
            block = self._kept.get(frames)
            if block is None:
                block = self.block(self.chains.trace(frames, self.reach))
                if keep and self._small:
                    self._kept[frames] = block
            yield frames, block

    def inner(self, maps: Callable[[range], Tensor], part: range | None = None) -> Tensor:
        """F_i'Y_i of each frame i, or of each in a part, for c maps Y_i, (m, d, c) float64.

        Parameters
        ----------
        maps : gives the maps (b, c, h, w) of consecutive frames
        part : frames; all if None
        """
        grid = self.chains.grid
        part = range(self.chains.frames) if part is None else part
        # All frames' in one array: a small tensor kept from each frame would split the heap.
        sums: Tensor | None = None
        with full_precision():
            for frames, block in self.blocks(part, keep=True):
                found = grid.inner(block, grid.pad(maps(frames).to(block)).mT.contiguous())  # (b, d, c)
                if sums is None:
                    sums = found.new_empty(len(part), *found.shape[1:])
                sums[frames.start - part.start : frames.stop - part.start] = found
        assert sums is not None
        return sums

    def combine(self, weights: Tensor) -> Iterator[Tensor]:
        """Labels F w frame by frame, (cells,), for weights of the clip (1, d), or of each frame (m, d)."""
        for frames, block in self.blocks(keep=True):
            own = weights if len(weights) == 1 else weights[frames.start : frames.stop]
            yield from (block @ own[..., None])[..., 0]

    def _along(self, trace: Trace, offset: int, last: Tensor, read: Callable[[Step, int], Tensor]) -> Tensor:
        """What is read at a step of the chains, (b, cells): `last` where the clip has no such frame, or the mirrored step."""
        step = trace.at(offset)
        if step is not None and step.frames == trace.frames:
            return read(step, 1)
        value = last.clone()
        mirrored = trace.at(-offset) if self.options.ends == "mirror" else None
        for found, sign in ((mirrored, -1), (step, 1)):
            if found is not None:
                start = trace.frames.start
                value[found.frames.start - start : found.frames.stop - start] = read(found, sign)
        return value

    def _matvec(self, x: Tensor) -> Tensor:
        labels = [block @ x for _, block in self.blocks()]  # each (b, cells)
        return self.chains.grid.crop(torch.cat(labels)).flatten()

    def _rmatvec(self, x: Tensor) -> Tensor:
        grid = self.chains.grid
        labels = grid.pad(x.view(-1, grid.h, grid.w))[..., None]  # (m, cells, 1)
        total = torch.zeros(self.shape[1], dtype=torch.float64, device=x.device)
        for frames, block in self.blocks():
            total += grid.inner(block, labels[frames.start : frames.stop]).sum(0)[:, 0]
        return total.to(x)

    def _dense(self) -> Tensor:
        grid = self.chains.grid
        return torch.cat([grid.crop(block.mT).flatten(2).mT.flatten(0, 1) for _, block in self.blocks()])

    def _names(self, cues: Sequence[str]) -> tuple[str, ...]:
        o = self.options
        names: list[str] = []
        if o.displacements:
            offsets = [d * k for d in (AHEAD, BEHIND) for k in range(1, o.half_window + 1)]
            for number in range(1, len(self._flows) + 1):
                mark = "" if number == 1 else str(number)
                names += [f"{axis}{mark}[{offset:+d}]" for offset in offsets for axis in ("dx", "dy")]
        names += [f"{cue}[{offset:+d}]" for cue in cues for offset in range(-o.cue_window, o.cue_window + 1)]
        return (*names, "bias") if o.bias else tuple(names)


def _flow_range(chains: MotionChains, direction: int) -> list[tuple[float, float]]:
    """Least and greatest dx, and least and greatest dy, of a clip's flow in one direction."""
    lows, highs = [], []
    for pair in range(chains.frames - 1):
        field = torch.view_as_real(chains.grid.crop(chains.field(direction, pair)))  # (h, w, 2)
        lows.append(field.amin((0, 1)))
        highs.append(field.amax((0, 1)))
    low, high = torch.stack(lows).amin(0).tolist(), torch.stack(highs).amax(0).tolist()
    return [_span(*ends) for ends in zip(low, high, strict=True)]


def _scaled(ranges: list[tuple[float, float]] | None, dx: Tensor, dy: Tensor) -> list[Tensor]:
    if ranges is None:
        return [dx, dy]
    return [(values - low) / (high - low) for values, (low, high) in zip((dx, dy), ranges, strict=True)]


def _reader(cue: FrameCache) -> Callable[[Step, int], Tensor]:
    """What reads a cue's values, (b, cells), where chains are at a step."""
    return lambda step, _: gather(cue.batch(step.targets), step.cell)


def _cells(chains: MotionChains, low: float, high: float, values: np.ndarray | Tensor) -> Tensor:
    """A map (h, w) as cells, scaled so that `low` is 0 and `high` 1."""
    return chains.grid.pad((tensor(values).to(chains.device, chains.dtype) - low) / (high - low))


def _span(low: float, high: float) -> tuple[float, float]:
    """A range to scale by: where all values are one, scaling leaves 0."""
    return (low, high) if high > low else (low, low + 1)
