"""Node features F, collected along motion chains (Sec. 4.1, Fig. 3), and the projection P onto their span (Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.chains import AHEAD, BEHIND, MotionChains, Trace
from ikebook.check import require
from ikebook.operator import LinearOperator

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

    `maps` is (m, h, w), of any real values; a NumPy array will do.
    """

    name: str
    maps: Tensor

    def __post_init__(self) -> None:
        maps: Any = self.maps
        if not isinstance(maps, Tensor):
            object.__setattr__(self, "maps", torch.from_numpy(np.array(maps, dtype=np.float64)))


class FeatureMatrix(LinearOperator):
    """F, n x d: for each node, what lies along the chains through it.

    The columns are, in this order: the displacements (dx, dy) of the chain's steps 1, ..., q ahead and 1, ..., q behind
    (a step behind is displaced by the backward flow); each cue at the nodes that the chain meets -r, ..., r frames away;
    the bias. `columns` names them. A chain that has ended contributes 0 (before scaling and centring), but the step that
    left the frame counts. Where the clip has neither of two opposite frames, the last value along the chain stands in.
    """

    def __init__(
        self,
        chains: MotionChains,
        options: FeatureOptions | None = None,
        cues: Sequence[Cue] = (),
    ) -> None:
        self.chains = chains
        self.options = o = options or FeatureOptions()
        grid = chains.grid
        for cue in cues:
            check.shape(f"cue {cue.name!r}", cue.maps, (chains.frames, grid.h, grid.w))
            require(bool(torch.isfinite(cue.maps).all()), f"cue {cue.name!r} has values that are NaN or infinite.")
        self._cues = [
            grid.pad(_minmax(self._tensor(c.maps)) if o.scale == "minmax" else self._tensor(c.maps)) for c in cues
        ]
        self._inside = grid.pad(torch.ones(grid.h, grid.w, dtype=chains.dtype, device=chains.device))
        scaled = o.displacements and o.scale == "minmax"
        self._ranges = {
            direction: _range(grid.crop(chains.planes(direction))) if scaled else [(0.0, 1.0)] * 2
            for direction in (AHEAD, BEHIND)
        }
        self.columns = self._names([cue.name for cue in cues])
        require(
            len(self.columns) > 0, "F has no column; switch on displacements, the saliency or the bias, or give a cue."
        )
        self._kept: dict[int, Tensor] = {}
        super().__init__((chains.frames * grid.pixels, len(self.columns)), chains.dtype, chains.device)
        size = chains.frames * grid.cells * len(self.columns) * torch.empty((), dtype=chains.dtype).element_size()
        self._small = size <= KEEP_BYTES

    @property
    def reach(self) -> int:
        """Steps of a chain that features are taken from, each way."""
        displacements = self.options.half_window if self.options.displacements else 0
        return max(displacements, self.options.cue_window if self._cues else 0)

    def block(self, trace: Trace) -> Tensor:
        """The rows of F of one frame, (cells, d), 0 on the border, from its chains traced for `reach` steps or more.

        In memory they lie column by column, as they are collected.
        """
        o = self.options
        zero = torch.zeros_like(self._inside)
        values: list[Tensor] = []
        if o.displacements:
            for direction in (AHEAD, BEHIND):
                (low_x, high_x), (low_y, high_y) = self._ranges[direction]
                dx = dy = zero
                for offset in range(direction, direction * (o.half_window + 1), direction):
                    if (step := trace.at(offset)) is not None:
                        dx, dy = step.dx, step.dy
                    elif o.ends == "mirror" and (step := trace.at(-offset)) is not None:
                        dx, dy = -step.dx, -step.dy
                    if o.scale == "minmax":
                        values += [(dx - low_x) / (high_x - low_x), (dy - low_y) / (high_y - low_y)]
                    else:
                        values += [dx, dy]
        for cue in self._cues:
            along = {0: cue[trace.frame]}
            for direction in (AHEAD, BEHIND):
                value = cue[trace.frame]
                for offset in range(direction, direction * (o.cue_window + 1), direction):
                    step = trace.at(offset)
                    if step is None and o.ends == "mirror":
                        step = trace.at(-offset)
                    if step is not None:
                        value = cue[step.frame].index_select(0, step.cell)
                    along[offset] = value
            values += [along[offset] for offset in sorted(along)]
        if o.bias:
            values.append(self._inside)
        columns = torch.stack(values)  # (d, cells)
        columns *= self._inside
        if o.center == "frame":
            columns -= columns.sum(1, keepdim=True) / self.chains.grid.pixels
            columns *= self._inside
            if o.bias:
                columns[-1] = self._inside
        return columns.T  # (cells, d)

    def blocks(self, *, keep: bool = False) -> Iterator[Tensor]:
        """The rows of F frame by frame, (cells, d); with `keep`, held for the next time if they fit into `KEEP_BYTES`."""
        for frame in range(self.chains.frames):
            block = self._kept.get(frame)
            if block is None:
                block = self.block(self.chains.trace(frame, self.reach))
                if keep and self._small:
                    self._kept[frame] = block
            yield block

    def _matvec(self, x: Tensor) -> Tensor:
        return self.chains.grid.crop(torch.stack([block @ x for block in self.blocks()])).flatten()

    def _rmatvec(self, x: Tensor) -> Tensor:
        grid = self.chains.grid
        labels = grid.pad(x.view(-1, grid.h, grid.w))
        return sum(
            (grid.inner(block, label)[:, 0] for block, label in zip(self.blocks(), labels, strict=True)),
            torch.zeros(self.shape[1], dtype=torch.float64, device=x.device),
        ).to(x)

    def _dense(self) -> Tensor:
        return torch.cat([self.chains.grid.crop(block.T).flatten(1).T for block in self.blocks()])

    def _tensor(self, maps: Tensor) -> Tensor:
        return maps.to(self.chains.device, self.chains.dtype)

    def _names(self, cues: Sequence[str]) -> tuple[str, ...]:
        o = self.options
        names: list[str] = []
        if o.displacements:
            offsets = [d * k for d in (AHEAD, BEHIND) for k in range(1, o.half_window + 1)]
            names += [f"{axis}[{offset:+d}]" for offset in offsets for axis in ("dx", "dy")]
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

    def weights(self, x: Tensor) -> Tensor:
        """The ridge regression of labels x (n,) on F: w with P x = F w, (d,) or, per frame, (m, d)."""
        grid = self.features.chains.grid
        labels = grid.pad(self._vector(x, self.shape[1]).view(-1, grid.h, grid.w))
        products = torch.stack(
            [grid.inner(block, label) for block, label in zip(self.features.blocks(keep=True), labels, strict=True)]
        )
        if self.options.scope == "video":
            products = products.sum(0, keepdim=True)
        weights = (self._inverse() @ products)[..., 0].to(self.dtype)
        return weights[0] if self.options.scope == "video" else weights

    def _matvec(self, x: Tensor) -> Tensor:
        weights = self.weights(x).expand(self.features.chains.frames, -1)
        labels = [block @ w for block, w in zip(self.features.blocks(keep=True), weights, strict=True)]
        return self.features.chains.grid.crop(torch.stack(labels)).flatten()

    def spans(self) -> list[tuple[Tensor, Tensor]]:
        """U and D of `span`, one pair for the clip, or one for each frame."""
        inner = self.features.chains.grid.inner
        grams = torch.stack([inner(block, block) for block in self.features.blocks(keep=True)])
        if self.options.scope == "video":
            grams = grams.sum(0, keepdim=True)
        return [span(gram, self.options.ridge, self.dtype) for gram in grams]

    def _inverse(self) -> Tensor:
        """(F'F + rho I)^-1, (1, d, d) or, per frame, (m, d, d), in float64."""
        if self._inverses is None:
            rho = self.options.ridge
            self._inverses = torch.stack([(basis / (squares + rho)) @ basis.T for basis, squares in self.spans()])
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
    squares, rotation = torch.linalg.eigh(r @ r.T)
    kept = squares > 10 * torch.finfo(squares.dtype).eps * squares.max() if len(squares) else squares > 0
    squares, rotation = squares[kept], rotation[:, kept]
    return basis @ rotation * squares.sqrt(), squares


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


def _minmax(values: Tensor) -> Tensor:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else torch.zeros_like(values)


def _range(planes: Tensor) -> list[tuple[float, float]]:
    """Least and greatest value of each plane; (0, 1) where they are one, so that scaling by them leaves 0."""
    ranges = [(float(plane.min()), float(plane.max())) for plane in planes]
    return [(low, high) if high > low else (low, low + 1) for low, high in ranges]
