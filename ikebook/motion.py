"""The motion matrix M: which nodes motion chains join, and how strongly (Sec. 4.1).

With C the n x n matrix of outgoing chains, C[a, b] = k(a, b) for each time that the chain from a meets b within p
steps, forward or backward, k(a, b) = exp(-dt^2 / (2 sigma^2)):

- `edges="count"`: M = C + C'. Every chain votes both ways (Alg. 2), so a pair that is joined by its forward and by its
  backward chain counts twice.
- `edges="union"`: M[a, b] = k(a, b) if at least one chain joins a and b (the definition in Sec. 4.1). The same sum
  C + C', with C[a, b] halved where the backward chain from b meets a again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook import check
from ikebook.chains import AHEAD, BEHIND, MotionChains, Trace
from ikebook.check import require
from ikebook.operator import LinearOperator


@dataclass(frozen=True, kw_only=True)
class MotionOptions:
    radius: int = 15  # p: steps that chains are followed, each way, frames
    sigma: float = 4.0  # of the Gaussian k(a, b) of the time between two nodes, frames
    edges: str = "count"  # "count" every chain's vote, or "union": joined or not
    self_loop: float = 0.0  # weight of an edge from each node to itself

    def __post_init__(self) -> None:
        check.whole("MotionOptions.radius", self.radius, at_least=1)
        check.number("MotionOptions.sigma", self.sigma, above=0)
        check.one_of("MotionOptions.edges", self.edges, ["count", "union"])
        check.number("MotionOptions.self_loop", self.self_loop, at_least=0)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of C that belong to one frame and one direction.

    The chain of cell a meets cell `cells[k-1, l, a]` (int32) after k steps, at the l-th of its links, in frame
    `frame + direction * k`, with the weight `weights[k-1, 0, 0]` or `weights[k-1, 0, a]`.
    """

    frame: int
    direction: int
    cells: Tensor
    weights: Tensor

    def targets(self) -> list[int]:
        """The frames that the steps lead to."""
        return [self.frame + self.direction * k for k in range(1, len(self.cells) + 1)]


@dataclass(frozen=True, eq=False)
class Arrival:
    """What is known once a frame has arrived: its own chains, and the rows of C that it completes."""

    trace: Trace
    rows: list[Rows]


class MotionMatrix(LinearOperator):
    """M, symmetric and non-negative, n x n with n = m*h*w; nodes are counted frame by frame, row by row.

    Its diagonal is `self_loop`, so with the default M is indefinite: its trace is 0. (Sec. 4.1 calls it positive
    semi-definite.)
    """

    def __init__(self, chains: MotionChains, options: MotionOptions | None = None) -> None:
        self.chains = chains
        self.options = options or MotionOptions()
        require(
            self.options.edges == "count" or chains.options.links == "nearest",
            'edges="union" needs links="nearest": with four links a point, no chain joins just two nodes.',
        )
        nodes = chains.frames * chains.grid.pixels
        super().__init__((nodes, nodes), chains.dtype, chains.device)

    def kernel(self) -> Tensor:
        """k(a, b) for nodes 1, ..., p frames apart, as far as the clip reaches, (min(p, m-1),)."""
        dt = torch.arange(1, min(self.options.radius, self.chains.frames - 1) + 1, dtype=self.dtype, device=self.device)
        return torch.exp(-(dt**2) / (2 * self.options.sigma**2))

    def stream(self, steps: int = 0, part: range | None = None) -> Iterator[Arrival]:
        """The rows of C, as frames arrive one after the other.

        When frame j arrives, its rows behind are complete, and so are the rows ahead of frame j-p (at the clip's end,
        those of all frames left). Whoever keeps the last p+1 frames has all that these rows lead to.

        Parameters
        ----------
        steps : steps to trace if more than p, for whoever reads features farther along the chains
        part : only the rows of these frames; the p frames before and after arrive too, as rows lead to them
        """
        p, chains = self.options.radius, self.chains
        weights = self.kernel()[:, None, None]
        union = self.options.edges == "union"
        own = torch.arange(chains.grid.cells, dtype=torch.int32, device=self.device)
        waiting: dict[int, tuple[Tensor, Tensor]] = {}  # cells and weights of rows ahead, by frame
        part = range(chains.frames) if part is None else part
        arriving = range(max(0, part.start - p), min(chains.frames, part.stop + p))
        for frame in arriving:
            trace = chains.trace(frame, max(p, steps))
            behind = self._links(trace, BEHIND)
            behind_weights = weights[: len(behind)]
            if union:
                behind_weights = behind_weights.repeat(1, 1, len(own))
                for k in range(1, min(len(behind), frame - arriving.start) + 1):
                    ahead, ahead_weights = waiting[frame - k]
                    there, back = ahead[k - 1, 0], behind[k - 1, 0]
                    ahead_weights[k - 1, 0, back.index_select(0, there) == own] /= 2
                    behind_weights[k - 1, 0, there.index_select(0, back) == own] /= 2
            rows = [Rows(frame, BEHIND, behind, behind_weights)]
            cells = self._links(trace, AHEAD)
            waiting[frame] = cells, weights[: len(cells)].repeat(1, 1, len(own)) if union else weights[: len(cells)]
            last = frame == arriving.stop - 1
            complete = [f for f in waiting if last or f == frame - p]
            rows += [Rows(f, AHEAD, *waiting.pop(f)) for f in complete]
            yield Arrival(trace, [row for row in rows if len(row.cells) and row.frame in part])

    def _links(self, trace: Trace, direction: int) -> Tensor:
        """Cells that a frame's chains meet, (steps, links, cells) int32."""
        steps = (trace.ahead if direction == AHEAD else trace.behind)[: self.options.radius]
        if not steps:
            return torch.empty(0, 1, self.chains.grid.cells, dtype=torch.int32, device=self.device)
        return torch.stack([self.chains.links(step) for step in steps])

    def _matvec(self, x: Tensor) -> Tensor:
        grid, frames = self.chains.grid, self.chains.frames
        labels = grid.pad(x.view(frames, grid.h, grid.w))  # (m, cells)
        votes = torch.zeros_like(labels)
        for arrival in self.stream():
            for row in arrival.rows:
                for target, cells, weight in zip(row.targets(), row.cells, row.weights, strict=True):
                    for link in cells:  # C x gathers from where the chains lead, C' x casts to it
                        votes[row.frame] += labels[target].index_select(0, link) * weight[0]
                        votes[target].index_add_(0, link, labels[row.frame] * weight[0])
        return grid.crop(votes).flatten() + self.options.self_loop * x

    def _dense(self) -> Tensor:
        chains, n = self.chains, self.shape[0]
        kernel = self.kernel()
        outgoing = torch.zeros(n, n, dtype=self.dtype, device=self.device)  # C
        between = torch.zeros(n, n, dtype=self.dtype, device=self.device)  # k(a, b), whether joined or not
        own = torch.arange(chains.grid.cells, device=self.device)
        for frame in range(chains.frames):
            trace = chains.trace(frame, self.options.radius)
            a = chains.nodes(own, frame)
            for step in (*trace.ahead, *trace.behind):
                weight = kernel[abs(step.frame - frame) - 1]
                for cells in chains.links(step):
                    b = chains.nodes(cells, step.frame)
                    met = (a >= 0) & (b >= 0)
                    outgoing[a[met], b[met]] += weight
                block = slice(frame * chains.grid.pixels, (frame + 1) * chains.grid.pixels)
                between[block, step.frame * chains.grid.pixels : (step.frame + 1) * chains.grid.pixels] = weight
        if self.options.edges == "count":
            matrix = outgoing + outgoing.T
        else:
            matrix = between * ((outgoing > 0) | (outgoing.T > 0))
        matrix.diagonal().add_(self.options.self_loop)
        return matrix
