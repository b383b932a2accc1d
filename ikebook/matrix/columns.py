"""What F collects along the chains, one kind of column after the other (Fig. 3): steps, flow maps, cues, and their means."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.tensors import FrameCache, extent, on_device, tensor
from ikebook.matrix.chains import AHEAD, BEHIND, MotionChains, Step, Trace, gather
from ikebook.matrix.motion import MotionMatrix

FLOW_MAPS = ("forward dx", "forward dy", "backward dx", "backward dy")
"""What a pixel's two flows are called, as features of its own (Fig. 3)."""


class Columns(Protocol):
    """Columns of one kind: their names, how far along the chains they look, and their values."""

    names: tuple[str, ...]
    reach: int

    def collect(self, trace: Trace) -> list[Tensor]:
        """The columns for consecutive frames, each (b, cells), from chains traced for `reach` steps or more."""
        ...


class StepColumns:
    """The displacements (dx, dy) of the chain's steps 1, ..., q ahead and 1, ..., q behind; a step behind by the backward flow.

    A chain that has ended contributes 0, before scaling, but the step that left the frame counts.

    Parameters
    ----------
    chains : whose steps they are
    reach : q, frames
    ends : "mirror" or "hold", see `FeatureOptions.ends`
    scaled : each direction and axis to [0, 1] over the clip
    mark : put behind the axes' names
    """

    def __init__(self, chains: MotionChains, reach: int, ends: str, *, scaled: bool, mark: str = "") -> None:
        self.chains, self.reach, self.ends = chains, reach, ends
        offsets = [direction * k for direction in (AHEAD, BEHIND) for k in range(1, reach + 1)]
        self.names = tuple(f"{axis}{mark}[{offset:+d}]" for offset in offsets for axis in ("dx", "dy"))
        self._ranges = {direction: _flow_range(chains, direction) if scaled else None for direction in (AHEAD, BEHIND)}

    def collect(self, trace: Trace) -> list[Tensor]:
        own = trace if trace.chains is self.chains else self.chains.trace(trace.frames, self.reach)
        still = torch.zeros(len(own.frames), self.chains.grid.cells, dtype=self.chains.dtype, device=self.chains.device)
        values = []
        for direction in (AHEAD, BEHIND):
            dx = dy = still
            for offset in range(direction, direction * (self.reach + 1), direction):
                dx = along(own, offset, dx, lambda step, sign: sign * step.dx, self.ends)
                dy = along(own, offset, dy, lambda step, sign: sign * step.dy, self.ends)
                values += _scaled(self._ranges[direction], dx, dy)
        return values


class MapColumns:
    """A map at the nodes that the chain meets -r, ..., r frames away, itself among them; 0, before scaling, off the frame.

    Parameters
    ----------
    name : what the columns are called
    cache : gives the map's cells (b, cells) of consecutive frames, scaled
    reach : r, frames
    ends : "mirror" or "hold", see `FeatureOptions.ends`
    """

    def __init__(self, name: str, cache: FrameCache, reach: int, ends: str) -> None:
        self.cache, self.reach, self.ends = cache, reach, ends
        self.names = tuple(f"{name}[{offset:+d}]" for offset in range(-reach, reach + 1))

    def collect(self, trace: Trace) -> list[Tensor]:
        own = self.cache.batch(trace.frames)
        collected = {0: own}
        for direction in (AHEAD, BEHIND):
            value = own
            for offset in range(direction, direction * (self.reach + 1), direction):
                value = along(trace, offset, value, self._read, self.ends)
                collected[offset] = value
        return [collected[offset] for offset in sorted(collected)]

    def _read(self, step: Step, _: int) -> Tensor:
        return gather(self.cache.batch(step.targets), step.cell)


class FlowColumns:
    """Both flows of each pixel met, as features of its own: 4 (2q + 1) columns (Fig. 3, taken literally).

    In the last frame the forward flow is the backward one, negated, and in the first the other way round.

    Parameters
    ----------
    chains : along which they are collected, and whose flow they are
    reach : q, frames
    ends : "mirror" or "hold", see `FeatureOptions.ends`
    scaled : each direction and axis to [0, 1] over the clip
    keep : bytes of cells that are kept, of each of the four maps
    mark : put behind the maps' names
    """

    def __init__(self, chains: MotionChains, reach: int, ends: str, *, scaled: bool, keep: int, mark: str = "") -> None:
        self.chains, self.reach = chains, reach
        self._maps = []
        for name in FLOW_MAPS:
            direction, axis = AHEAD if name.startswith("forward") else BEHIND, 0 if name.endswith("dx") else 1
            low, high = _flow_range(chains, direction)[axis] if scaled else (0.0, 1.0)
            cells = partial(_flow_cells, chains, direction, axis, low, high)
            cache = FrameCache(range(chains.frames), cells, keep)  # type: ignore[arg-type]
            cache.at_least = 2 * reach + chains.batch
            self._maps.append(MapColumns(f"{name}{mark}", cache, reach, ends))
        self.names = tuple(name for maps in self._maps for name in maps.names)

    def collect(self, trace: Trace) -> list[Tensor]:
        own = trace if trace.chains is self.chains else self.chains.trace(trace.frames, self.reach)
        return [values for maps in self._maps for values in maps.collect(own)]


class MeanColumns:
    """The mean of a map S along the chains: T S, T = D^-1 (I + C), with D the row sums of I + C. Ours, not the paper's.

    C is that of M, chains and likeness of colour alike, but for a width of k of its own.

    Parameters
    ----------
    name : what the map is called
    cache : gives the map's cells (b, cells) of consecutive frames, 0 on the border
    motion : M
    sigma : of k, frames
    keep : bytes of means that are kept, if all of them fit
    """

    reach = 0

    def __init__(self, name: str, cache: FrameCache, motion: MotionMatrix, sigma: float, keep: int) -> None:
        self.names: tuple[str, ...] = (f"{name} mean",)
        self.cache, self.motion = cache, motion
        self._kernel: list[float] = motion.kernel(sigma, torch.device("cpu")).tolist()  # a GPU would be waited for
        self.cache.at_least = 2 * motion.options.radius + motion.chains.batch
        size = motion.chains.frames * motion.chains.grid.cells * torch.empty((), dtype=motion.dtype).element_size()
        self._fits = size <= keep
        self._kept: dict[int, Tensor] = {}

    def collect(self, trace: Trace) -> list[Tensor]:
        frames = trace.frames
        if all(frame in self._kept for frame in frames):
            return [torch.stack([self._kept[frame] for frame in frames])]
        means = self._means(trace)
        if self._fits:
            self._kept |= {frame: mean.clone() for frame, mean in zip(frames, means, strict=True)}
        return [means]

    def _means(self, trace: Trace) -> Tensor:
        """Those of consecutive frames, (b, cells), from their chains, which are followed anew if the trace ends before p steps."""
        motion, frames = self.motion, trace.frames
        radius, last = motion.options.radius, motion.chains.frames - 1
        reach = {AHEAD: min(radius, last - frames[0]), BEHIND: min(radius, frames[-1])}
        if trace.chains is not motion.chains or any(len(trace.met[way]) < steps for way, steps in reach.items()):
            trace = motion.chains.trace(frames, radius, keep=0)
        own = self.cache.batch(frames)
        total, weights = own.clone(), torch.ones_like(own)
        for direction in (AHEAD, BEHIND):
            likeness = motion.likeness(trace, direction)  # 0 where a chain has ended
            for k, (met, alike) in enumerate(zip(trace.met[direction], likeness, strict=False), start=1):
                there = self.cache.batch([min(max(frame + direction * k, 0), last) for frame in frames])
                for link, weight in zip(met, alike, strict=True):  # each (b, cells)
                    total.addcmul_(weight, gather(there, link), value=self._kernel[k - 1])
                    weights.add_(weight, alpha=self._kernel[k - 1])
        return total.div_(weights)


class Ones:
    """A column of ones."""

    names: tuple[str, ...] = ("bias",)
    reach = 0

    def __init__(self, chains: MotionChains) -> None:
        grid = chains.grid
        self._inside = grid.pad(torch.ones(grid.h, grid.w, dtype=chains.dtype, device=chains.device))

    def collect(self, trace: Trace) -> list[Tensor]:
        return [self._inside.expand(len(trace.frames), -1)]


def along(trace: Trace, offset: int, last: Tensor, read: Callable[[Step, int], Tensor], ends: str) -> Tensor:
    """What is read at a step of the chains, (b, cells): where the clip has no such frame, `last`, or the mirrored step.

    `read` is given a step and a sign: -1 for a mirrored one.
    """
    step = trace.at(offset)
    if step is not None and step.frames == trace.frames:
        return read(step, 1)
    value = last.clone()
    mirrored = trace.at(-offset) if ends == "mirror" else None
    for found, sign in ((mirrored, -1), (step, 1)):
        if found is not None:
            start = trace.frames.start
            value[found.frames.start - start : found.frames.stop - start] = read(found, sign)
    return value


def cue_columns(
    chains: MotionChains, name: str, maps: object, reach: int, ends: str, *, scaled: bool, keep: int
) -> MapColumns:
    """Columns of maps (m, h, w), which are checked.

    Parameters
    ----------
    scaled : to [0, 1] over the clip
    keep : bytes of cells that are kept
    """
    check.shape(f"cue {name!r}", maps, (chains.frames, chains.grid.h, chains.grid.w))
    least, greatest = extent(maps)  # type: ignore[arg-type]
    require(math.isfinite(least) and math.isfinite(greatest), f"cue {name!r} has values that are NaN or infinite.")
    low, high = _span(least, greatest) if scaled else (0.0, 1.0)
    cache = FrameCache(maps, partial(_cells, chains, low, high), keep)  # type: ignore[arg-type]
    cache.at_least = 2 * reach + chains.batch
    return MapColumns(name, cache, reach, ends)


def _flow_cells(chains: MotionChains, direction: int, axis: int, low: float, high: float, frame: int) -> Tensor:
    """One component of a frame's flow, (cells,), 0 outside before it is scaled."""
    pair = frame if direction == AHEAD else frame - 1
    if 0 <= pair < chains.frames - 1:
        field, sign = chains.field(direction, pair), 1
    else:
        field, sign = chains.field(-direction, min(max(pair, 0), chains.frames - 2)), -1
    values = sign * (field.real if axis == 0 else field.imag)
    inside = chains.grid.pixel_of(torch.arange(chains.grid.cells, device=chains.device)) >= 0
    return (torch.where(inside, values, 0.0) - low) / (high - low)


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


def _cells(chains: MotionChains, low: float, high: float, values: np.ndarray | Tensor) -> Tensor:
    """A map (h, w) as cells, 0 outside before it is scaled so that `low` is 0 and `high` 1."""
    return (chains.grid.pad(on_device(tensor(values), chains.device, chains.dtype)) - low) / (high - low)


def _span(low: float, high: float) -> tuple[float, float]:
    """A range to scale by: where all values are one, scaling leaves 0."""
    return (low, high) if high > low else (low, low + 1)
