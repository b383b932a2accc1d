"""Node features F, collected along motion chains (Sec. 4.1, Fig. 3), and the projection P onto their span (Sec. 4.2)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.chains import AHEAD, BEHIND, MotionChains, Step, Trace, gather
from ikebook.check import require
from ikebook.operator import LinearOperator
from ikebook.storage import Array, Recent, extent, tensor

KEEP_BYTES = 1 << 29
"""Features of a clip are kept between products up to this size, and collected anew for each above it."""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    displacements: bool = False  # the flow's displacements along the chain, as in the paper: 2 columns for each step
    half_window: int = 5  # q: steps of the chain that displacements are taken from, each way, frames
    cue_window: int = 3  # the same for cues, among them the motion saliency; the node itself counts too, frames
    center: str = "frame"  # "frame": subtract each frame's mean, so that no constant vector lies in the span; or "none"
    scale: str = "none"  # "minmax": to [0, 1] over the clip, displacements by direction and axis; or "none"
    bias: bool = False  # append a column of ones
    ends: str = "mirror"  # beyond the clip's ends: the other direction ("mirror"), or the last value there is ("hold")

    def __post_init__(self) -> None:
        check.flag("FeatureOptions.displacements", self.displacements)
        check.flag("FeatureOptions.bias", self.bias)
        check.whole("FeatureOptions.half_window", self.half_window, at_least=1, at_most=100)
        check.whole("FeatureOptions.cue_window", self.cue_window, at_most=100)
        check.one_of("FeatureOptions.center", self.center, ["frame", "none"])
        check.one_of("FeatureOptions.scale", self.scale, ["none", "minmax"])
        check.one_of("FeatureOptions.ends", self.ends, ["mirror", "hold"])


@dataclass(frozen=True, kw_only=True)
class ProjectionOptions:
    scope: str = "video"  # one projection for the clip ("video", as printed), or one for each frame ("frame")
    ridge: float = 0.0  # rho in (F'F + rho I)^-1; above 0, P is no projector: P^2 != P

    def __post_init__(self) -> None:
        check.one_of("ProjectionOptions.scope", self.scope, ["video", "frame"])
        check.number("ProjectionOptions.ridge", self.ridge, at_least=0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Cue:
    """A map that says something about each pixel: a motion saliency, another network's soft output, earlier labels.

    `maps` is (m, h, w), of any real values: a tensor, or an array in memory or on disk. `on_object` says whether it is
    large on the object, so that it can tell an eigenvector's sign where nothing moves.
    """

    name: str
    maps: Tensor | Array
    on_object: bool = True


class FeatureMatrix(LinearOperator):
    """F, n x d: for each node, what lies along the chains through it.

    The columns are, in this order: the displacements (dx, dy) of the chain's steps 1, ..., q ahead and 1, ..., q behind
    (a step behind is displaced by the backward flow); the same of the chains of further flows; each cue at the nodes that the chain meets -r, ..., r frames away;
    the bias. `columns` names them. A chain that has ended contributes 0 (before scaling and centring), but the step that
    left the frame counts. Where the clip has neither of two opposite frames, the last value along the chain stands in.

    Parameters
    ----------
    chains : of the clip's flow
    options : see `FeatureOptions`
    cues : maps (m, h, w)
    keep : bytes of rows that are kept between products, if all of them fit; and half as many of the cues
    further : chains of other flows of the clip, whose displacements are collected beside those of `chains`, along their
        own chains (Table 1: M from one flow, F from two)
    """

    def __init__(
        self,
        chains: MotionChains,
        options: FeatureOptions | None = None,
        cues: Sequence[Cue] = (),
        *,
        keep: int = KEEP_BYTES,
        further: Sequence[MotionChains] = (),
    ) -> None:
        self.chains = chains
        self.options = o = options or FeatureOptions()
        grid = chains.grid
        for other in further:
            require(
                other.frames == chains.frames and other.grid.shape == grid.shape,
                f"a further flow has {other.frames} frames of {other.grid.w}x{other.grid.h}; expected {chains.frames} of "
                f"{grid.w}x{grid.h}, as the first.",
            )
        self._flows = [chains, *further]
        self._cues: list[Recent] = []
        for cue in cues:
            check.shape(f"cue {cue.name!r}", cue.maps, (chains.frames, grid.h, grid.w))
            ends = extent(cue.maps)
            require(all(map(math.isfinite, ends)), f"cue {cue.name!r} has values that are NaN or infinite.")
            low, high = _span(*ends) if o.scale == "minmax" else (0.0, 1.0)
            self._cues.append(Recent(cue.maps, partial(_cells, chains, low, high), keep // (2 * len(cues))))
            self._cues[-1].at_least = 2 * o.cue_window + chains.batch
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
        self._kept: dict[int, Tensor] = {}
        super().__init__((chains.frames * grid.pixels, len(self.columns)), chains.dtype, chains.device)
        size = chains.frames * grid.cells * len(self.columns) * torch.empty((), dtype=chains.dtype).element_size()
        self._small = size <= keep

    @property
    def reach(self) -> int:
        """Steps of a chain that features are taken from, each way."""
        displacements = self.options.half_window if self.options.displacements else 0
        return max(displacements, self.options.cue_window if self._cues else 0)

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
        for cue in self._cues:
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

    def blocks(self, *, keep: bool = False) -> Iterator[tuple[range, Tensor]]:
        """The rows of F, (b, cells, d), and the b frames that they belong to, from the first to the last.

        With `keep`, they are held for the next time if all of them fit into `keep` bytes.
        """
        for frames in self.chains.batches():
            block = self._kept.get(frames.start)
            if block is None:
                block = self.block(self.chains.trace(frames, self.reach))
                if keep and self._small:
                    self._kept[frames.start] = block
            yield frames, block

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


class Projection(LinearOperator):
    """P = F (F'F + rho I)^-1 F', n x n of rank d at most; a pseudo-inverse where the columns are dependent.

    With `scope="frame"` there is one for each frame, and P is block-diagonal.
    """

    def __init__(self, features: FeatureMatrix, options: ProjectionOptions | None = None) -> None:
        self.features = features
        self.options = options or ProjectionOptions()
        n = features.shape[0]
        super().__init__((n, n), features.dtype, features.device)
        self._inverses: Tensor | None = None

    @property
    def is_projector(self) -> bool:
        """Whether P^2 = P, that is, whether there is no ridge."""
        return self.options.ridge == 0

    def regress(self, labels: Iterator[Tensor]) -> Tensor:
        """The ridge regression on F of labels x, given frame by frame, (cells,): w with P x = F w, (1, d), or (m, d)."""
        inner = self.features.chains.grid.inner
        products = torch.cat(
            [
                inner(block, torch.stack(list(itertools.islice(labels, len(block))))[..., None])
                for _, block in self.features.blocks(keep=True)
            ]
        )  # F_i'x_i, (m, d, 1)
        if self.options.scope == "video":
            products = products.sum(0, keepdim=True)
        return (self._inverse() @ products)[..., 0].to(self.dtype)

    def _matvec(self, x: Tensor) -> Tensor:
        grid = self.features.chains.grid
        labels = iter(grid.pad(x.view(-1, grid.h, grid.w)))
        return torch.cat([grid.crop(y).flatten() for y in self.features.combine(self.regress(labels))])

    def spans(self) -> list[tuple[Tensor, Tensor]]:
        """U and D of `span`, one pair for the clip, or one for each frame."""
        inner = self.features.chains.grid.inner
        grams = torch.cat([inner(block, block) for _, block in self.features.blocks(keep=True)])
        if self.options.scope == "video":
            grams = grams.sum(0, keepdim=True)
        return [
            span(gram, self.options.ridge, self.dtype) for gram in grams.cpu()
        ]  # many small problems: no work for a GPU

    def _inverse(self) -> Tensor:
        """(F'F + rho I)^-1, (1, d, d) or, per frame, (m, d, d), in float64."""
        if self._inverses is None:
            rho = self.options.ridge
            inverses = [(basis / (squares + rho)) @ basis.T for basis, squares in self.spans()]
            self._inverses = torch.stack(inverses).to(self.device)
        return self._inverses

    def _dense(self) -> Tensor:
        dense = self.features.dense()
        if self.options.scope == "video":
            return _dense_projection(dense, self.options.ridge)
        pixels = self.features.chains.grid.pixels
        return torch.block_diag(*(_dense_projection(block, self.options.ridge) for block in dense.split(pixels)))


def rank_tolerance(dtype: torch.dtype) -> float:
    """Share of F'F's largest eigenvalue below which a direction counts as dependent on the others.

    P divides by what is left of a direction, so it keeps only as many digits as F'F has above it: 10 of 16 in float64,
    and in float32 none of what rounding leaves of a column that others explain.
    """
    return 1e-6 if dtype == torch.float64 else 1e-5


def span(gram: Tensor, ridge: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """U (d, r) and D (r,), in float64: the columns of F U span those of F, orthogonal, with squared lengths D.

    They are chosen so that P = F U (D + rho)^-1 U'F'. Which directions count as dependent must not hang on the columns'
    units, so that is decided with columns of unit length. A ridge then acts on the columns as they are.

    Parameters
    ----------
    gram : (d, d), F'F
    ridge : rho
    dtype : the precision that F'F was summed in
    """
    lengths = gram.diagonal().clamp_min(0).sqrt()
    lengths = torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    squares, basis = torch.linalg.eigh(gram / lengths[:, None] / lengths)
    kept = squares > max(float(squares[-1]), 0.0) * rank_tolerance(dtype)
    basis, squares = basis[:, kept] / lengths[:, None], squares[kept]
    if ridge == 0:
        return basis, squares
    basis = basis / squares.sqrt()  # now Q = F U is orthonormal, and F = Q R
    r = basis.T @ gram
    # Singular values of R, and not eigenvalues of RR': a long column must not hide one that is 1e-8 times as long.
    rotation, lengths, _ = torch.linalg.svd(r, full_matrices=False)
    kept = lengths > 10 * torch.finfo(lengths.dtype).eps * lengths[:1]
    lengths, rotation = lengths[kept], rotation[:, kept]
    return basis @ rotation * lengths, lengths**2


def _dense_projection(features: Tensor, ridge: float) -> Tensor:
    """P from the singular vectors of a dense F, which F'F is not needed for."""
    lengths = features.norm(dim=0)
    scaled = features / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    left, values, _ = torch.linalg.svd(scaled, full_matrices=False)
    left = left[:, values**2 > values[0] ** 2 * rank_tolerance(features.dtype)]
    within, values, _ = torch.linalg.svd(left.T @ features, full_matrices=False)
    left = left @ within
    shrunk = values**2 / (values**2 + ridge) if ridge else torch.ones_like(values)
    return (left * shrunk) @ left.T


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


def _reader(cue: Recent) -> Callable[[Step, int], Tensor]:
    """What reads a cue's values, (b, cells), where chains are at a step."""
    return lambda step, _: gather(cue.batch(step.targets), step.cell)


def _cells(chains: MotionChains, low: float, high: float, values: np.ndarray | Tensor) -> Tensor:
    """A map (h, w) as cells, scaled so that `low` is 0 and `high` 1."""
    return chains.grid.pad((tensor(values).to(chains.device, chains.dtype) - low) / (high - low))


def _span(low: float, high: float) -> tuple[float, float]:
    """A range to scale by: where all values are one, scaling leaves 0."""
    return (low, high) if high > low else (low, low + 1)
