"""The Feature-Motion matrix A = P M P (Sec. 4.2), and the small matrices that hold its spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.chains import Trace
from ikebook.features import FeatureMatrix, Projection
from ikebook.motion import MotionMatrix, Rows
from ikebook.operator import LinearOperator


class FeatureMotion(LinearOperator):
    """A = P M P, n x n, symmetric: the adjacency matrix of the space-time graph.

    Its rank is d at most; m d with one P for each frame.
    """

    def __init__(self, motion: MotionMatrix, projection: Projection) -> None:
        self.motion = motion
        self.projection = projection
        super().__init__(motion.shape, motion.dtype, motion.device)

    @property
    def features(self) -> FeatureMatrix:
        """F, whose span P projects onto."""
        return self.projection.features

    def _matvec(self, x: Tensor) -> Tensor:
        return self.projection.matvec(self.motion.matvec(self.projection.matvec(x)))

    def _dense(self) -> Tensor:
        projection = self.projection.dense()
        return projection @ self.motion.dense() @ projection


@dataclass(frozen=True, eq=False)
class Reduced:
    """G = F'F and B = F'MF, (d, d) float64: all that A's spectrum depends on where one P serves the whole clip.

    Both are sums over frames.
    """

    gram: Tensor
    motion: Tensor


def reduce(motion: MotionMatrix, features: FeatureMatrix) -> Reduced:
    """F'F and F'MF in one pass over the clip, without M, P or A, and without a scatter.

    As M = C + C', F'MF = F'CF + (F'CF)'; and row a of CF is the sum of k(a, b) F[b] over the nodes b on the chain from
    a. Of F only the last p+1 frames are held.
    """
    grid, d = motion.chains.grid, features.shape[1]
    slots = min(motion.options.radius + 1, motion.chains.frames)
    table = torch.zeros(slots, grid.cells, d, dtype=features.dtype, device=features.device)
    gram = torch.zeros(d, d, dtype=torch.float64, device=features.device)
    outgoing = torch.zeros_like(gram)  # F'CF
    for arrival in motion.stream(features.reach):
        trace: Trace = arrival.trace
        block = table[trace.frame % slots]
        block.copy_(features.block(trace))
        gram += grid.inner(block, block)
        for row in arrival.rows:
            outgoing += grid.inner(table[row.frame % slots], _propagate(row, table))
    both = outgoing + outgoing.T + motion.options.self_loop * gram
    return Reduced(gram, both)


@dataclass(frozen=True, eq=False)
class ReducedFrames:
    """The same where each frame has its own P: G_i = F_i'F_i, (m, d, d), and B_ij = F_i' M_ij F_j, each (d, d), float64.

    B_ij is not 0 for |i - j| <= p only, and B_ji = B_ij', so `motion` holds those with i <= j.
    """

    grams: Tensor
    motion: dict[tuple[int, int], Tensor]


def reduce_frames(motion: MotionMatrix, features: FeatureMatrix) -> ReducedFrames:
    """F_i'F_i of each frame and F_i'M_ij F_j of each pair of frames, in one pass over the clip."""
    grid, d = motion.chains.grid, features.shape[1]
    slots = min(motion.options.radius + 1, motion.chains.frames)
    table = torch.zeros(slots, grid.cells, d, dtype=features.dtype, device=features.device)
    grams: list[Tensor] = []
    blocks: dict[tuple[int, int], Tensor] = {}
    for arrival in motion.stream(features.reach):
        i = arrival.trace.frame
        block = table[i % slots]
        block.copy_(features.block(arrival.trace))
        grams.append(grid.inner(block, block))
        if motion.options.self_loop:
            blocks[i, i] = motion.options.self_loop * grams[i]
        for row in arrival.rows:
            for target, cells, weight in zip(row.targets(), row.cells, row.weights, strict=True):
                there = table[target % slots]
                reached = torch.stack([there.index_select(0, link) for link in cells]).sum(0) * weight[0][:, None]
                outgoing = grid.inner(table[row.frame % slots], reached)  # F_i' C_ij F_j
                pair = (row.frame, target) if row.frame < target else (target, row.frame)
                blocks[pair] = blocks.get(pair, 0) + (outgoing if row.frame < target else outgoing.T)
    return ReducedFrames(torch.stack(grams), blocks)


def _propagate(row: Rows, table: Tensor) -> Tensor:
    """The rows of CF of one frame and direction, (cells, d), from a ring of F's last frames (slots, cells, d)."""
    slots, cells, d = table.shape
    first = torch.tensor([target % slots * cells for target in row.targets()], dtype=torch.int32, device=table.device)
    index = (row.cells + first[:, None, None]).flatten(0, 1).T.contiguous()  # (cells, steps * links)
    weights = row.weights.expand(row.cells.shape).flatten(0, 1).T.contiguous()
    return torch.nn.functional.embedding_bag(index, table.view(-1, d), mode="sum", per_sample_weights=weights)
