"""The small matrices G = F'F and B = F'MF, all that A's spectrum depends on, in one pass over the clip.

As M = C + C', F'MF = F'CF + (F'CF)', and F'CF is summed by gathers along the outgoing chains alone: no scatter, no M, no P, no A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.matrix.chains import Trace
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.rows import Rows

AT_ONCE = 15
"""Steps of the chains whose rows of F are fetched together, each from another frame. A processor reads ahead in some 16 places at
once; from 40 frames together a row takes up to three times as long (docs/limits.md)."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """G = F'F and B = F'MF, (d, d) float64: all that A's spectrum depends on where one P serves the whole clip.

    Both are sums over frames: those of a clip's parts add up to those of the clip.
    """

    gram: Tensor
    motion: Tensor

    @classmethod
    def of(cls, sums: Tensor, self_loop: float) -> Reduced:
        """From F'F and F'CF, (2, d, d): F'MF = F'CF + (F'CF)', and the self-loop's share."""
        gram, outgoing = sums
        return cls(gram, outgoing + outgoing.T + self_loop * gram)

    def __add__(self, other: Reduced) -> Reduced:
        return Reduced(self.gram + other.gram, self.motion + other.motion)


def reduce(motion: MotionMatrix, features: FeatureMatrix, part: range | None = None) -> Reduced:
    """F'F and F'MF in one pass over the clip, without M, P or A, and without a scatter.

    As M = C + C', F'MF = F'CF + (F'CF)'; and row a of CF is the sum of k(a, b) F[b] over the nodes b on the chain from
    a. Of F only the last frames are held, p+1 of them where frames
    come one by one.

    Parameters
    ----------
    motion, features : of one clip, or of one part of it with a halo of p + q frames on either side
    part : the frames whose rows of C and of F are summed; all if None. Parts that do not overlap add up.
    """
    d = features.shape[1]
    sums = torch.zeros(2, d, d, dtype=torch.float64, device=features.device)  # F'F and F'CF
    for _, which, products in contributions(motion, features, part):
        sums[which] += products.sum(0)
    return Reduced.of(sums, motion.options.self_loop)


def contributions(
    motion: MotionMatrix, features: FeatureMatrix, part: range | None = None
) -> Iterator[tuple[range, int, Tensor]]:
    """What each frame adds to F'F (0) and to F'CF (1), as (b, d, d) float64 for b consecutive frames, in one pass.

    To F'CF a frame adds twice, for its chains ahead and for those behind.
    """
    recent = _RecentFeatures(motion, features)
    for frames, rows in recent.arrivals(part):
        if part is None or frames[0] in part:
            yield frames, 0, recent.inner(frames, recent.of(frames))
        for row in rows:
            yield row.frames, 1, recent.inner(row.frames, recent.propagate(row))


@dataclass(frozen=True, eq=False)
class ReducedFrames:
    """The small matrices frame by frame, for one P for each: G_i = F_i'F_i, (m, d, d), and B_ij = F_i' M_ij F_j, each (d, d), float64.

    B_ij is not 0 for |i - j| <= p only, and B_ji = B_ij', so `motion` holds those with i <= j.
    """

    grams: Tensor
    motion: dict[tuple[int, int], Tensor]


def reduce_frames(motion: MotionMatrix, features: FeatureMatrix) -> ReducedFrames:
    """F_i'F_i of each frame and F_i'M_ij F_j of each pair of frames, in one pass over the clip."""
    grams: list[Tensor] = []
    blocks: dict[tuple[int, int], Tensor] = {}
    recent = _RecentFeatures(motion, features)
    for frames, rows in recent.arrivals():
        grams += recent.inner(frames, recent.of(frames))
        if motion.options.self_loop:
            blocks |= {(i, i): motion.options.self_loop * grams[i] for i in frames}
        for row in rows:
            for k in range(1, len(row.cells) + 1):
                outgoing = recent.inner(row.frames, recent.propagate(row, slice(k - 1, k)))  # F_i' C_ij F_j, (b, d, d)
                for i, block in zip(row.frames, outgoing, strict=True):
                    j = i + row.direction * k
                    if 0 <= j < motion.chains.frames:
                        pair, part = ((i, j), block) if i < j else ((j, i), block.T)
                        blocks[pair] = blocks.get(pair, 0) + part
    return ReducedFrames(torch.stack(grams), blocks)


class _RecentFeatures:
    """F's rows for the last frames that have arrived, (slots, cells, width), which is all that rows of C lead to.

    Frame j lies in slot j % slots. Rows have `width` columns: d, and where these take more than 16 bytes zeros up to a multiple of
    32. Fetching them is what a pass mostly does, and it is faster where a row lies in as few pieces of the cache as may be.
    """

    def __init__(self, motion: MotionMatrix, features: FeatureMatrix) -> None:
        self.motion, self.features = motion, features
        self.grid, self.d, self.slots = motion.chains.grid, features.shape[1], motion.slots
        size = features.dtype.itemsize
        width = self.d if self.d * size <= 16 else -(-self.d * size // 32) * 32 // size
        self.table = torch.zeros(self.slots, self.grid.cells, width, dtype=features.dtype, device=features.device)
        self._steps = len(motion.kernel())
        self._weights: dict[tuple[int, ...], Tensor] = {}

    def of(self, frames: range) -> Tensor:
        """The rows of consecutive frames of one batch, (b, cells, width)."""
        start = frames.start % self.slots
        return self.table[start : start + len(frames)]

    def arrivals(self, part: range | None = None) -> Iterator[tuple[range, list[Rows]]]:
        """Frames as they arrive, when their features are there, and the rows of C that they complete."""
        for arrival in self.motion.stream(self.features.reach, part, self._rows):
            assert arrival.beside is not None
            self.of(arrival.frames).copy_(arrival.beside)
            yield arrival.frames, arrival.rows

    def _rows(self, trace: Trace) -> Tensor:
        """F's rows of some frames, (b, cells, width)."""
        rows = self.table.new_zeros(len(trace.frames), *self.table.shape[1:])
        self.features.block(trace, out=rows)
        return rows

    def propagate(self, row: Rows, steps: slice = slice(None)) -> Tensor:
        """The rows of CF of some frames and one direction, (b, cells, width): all steps of the chains, or some."""
        chosen = range(len(row.cells))[steps]
        groups = (slice(k, min(k + AT_ONCE, chosen.stop)) for k in range(chosen.start, chosen.stop, AT_ONCE))
        total = self._sums(row, next(groups))
        for group in groups:
            total += self._sums(row, group)
        return total

    def _sums(self, row: Rows, steps: slice) -> Tensor:
        """`propagate`, of a few steps."""
        cells, weights, first = row.cells[steps], row.weights[steps], row.first(self.slots)[steps]
        index = torch.empty(cells.permute(2, 3, 0, 1).shape, dtype=torch.int32, device=cells.device)
        torch.add(cells.permute(2, 3, 0, 1), first.permute(2, 3, 0, 1), out=index)  # (b, cells, steps, links)
        sums = torch.nn.functional.embedding_bag(
            index.flatten(0, 1).flatten(1),
            self.table.flatten(0, 1),
            mode="sum",
            per_sample_weights=self._spread(weights, cells.shape, steps.start),
        )
        return sums.view(*index.shape[:2], -1)

    def inner(self, frames: range, other: Tensor) -> Tensor:
        """F_i' times the rows (b, cells, width) of another matrix, for each frame i, (b, d, d) float64."""
        return self.grid.inner(self.of(frames), other)[:, : self.d, : self.d]

    def _spread(self, weights: Tensor, shape: torch.Size, first: int) -> Tensor:
        """One weight for each cell that is met, (b * cells, steps * links); kept where it is the same for all frames."""
        key = (first, *shape)
        spread = self._weights.get(key)
        if spread is None:
            spread = weights.expand(shape).permute(2, 3, 0, 1).flatten(0, 1).flatten(1).contiguous()
            whole = shape[0] in (1, AT_ONCE) or first + shape[0] == self._steps  # others come at the clip's ends only
            if weights.shape[2:] == (1, 1) and whole:
                self._weights[key] = spread
        return spread
