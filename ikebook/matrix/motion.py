"""The motion matrix M: which nodes motion chains join, and how strongly (Sec. 4.1).

With C the n x n matrix of outgoing chains, C[a, b] = k(a, b) for each time that the chain from a meets b within p
steps, forward or backward, k(a, b) = exp(-dt^2 / (2 sigma^2)):

- `edges="count"`: M = C + C'. Every chain votes both ways (Alg. 2), so a pair that is joined by its forward and by its
  backward chain counts twice.
- `edges="union"`: M[a, b] = k(a, b) if at least one chain joins a and b (the definition in Sec. 4.1). The same sum
  C + C', with C[a, b] halved where the backward chain from b meets a again.

Edges may know colour, which is ours: k(a, b) is then weighed by how alike a and b look (`matrix.likeness`), so that a chain
is believed only as far as its pixels keep their colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array, Computed
from ikebook.base.check import require
from ikebook.base.machine import return_memory
from ikebook.base.tensors import Spare
from ikebook.base.threads import on_cores
from ikebook.matrix.chains import AHEAD, BEHIND, MotionChains, Trace
from ikebook.matrix.likeness import ColourLikeness
from ikebook.matrix.operator import LinearOperator
from ikebook.matrix.rows import Arrival, Met, Rows

TIDY = 16
"""Frames of a pass after which the system gets back what lies idle between others' memory: a hundredth of a second each time, for a
tenth of a gigabyte."""


@dataclass(frozen=True, kw_only=True)
class MotionOptions:
    """Which nodes M joins, and how strongly (Sec. 4.1).

    Parameters
    ----------
    radius : int, default 15
        p: steps that chains are followed, each way, frames.
    sigma : float, default 4.0
        Standard deviation of the Gaussian k(a, b) of the time between two nodes, frames.
    edges : str, default "count"
        "count": every chain votes (Alg. 2); or "union": nodes are joined or not (Sec. 4.1).
    self_loop : float, default 0.0
        Weight of an edge from each node to itself: it shifts the spectrum of A on the span of F.
    colour : float or None, default None
        sigma_c: change of colour, in units of CIE Lab, over which an edge's weight falls off as a Gaussian. Ours; None: edges do
        not know colour, as in the paper.
    """

    radius: int = 15
    sigma: float = 4.0
    edges: str = "count"
    self_loop: float = 0.0
    colour: float | None = None

    def __post_init__(self) -> None:
        check.whole("MotionOptions.radius", self.radius, at_least=1)
        check.number("MotionOptions.sigma", self.sigma, above=0)
        check.one_of("MotionOptions.edges", self.edges, ["count", "union"])
        check.number("MotionOptions.self_loop", self.self_loop, at_least=0)
        if self.colour is not None:
            check.number("MotionOptions.colour", self.colour, above=0)


class MotionMatrix(LinearOperator):
    """M, symmetric and non-negative, n x n with n = m*h*w; nodes are counted frame by frame, row by row.

    Its diagonal is `self_loop`, so with the default M is indefinite: its trace is 0. (Sec. 4.1 calls it positive
    semi-definite.)

    Parameters
    ----------
    chains : MotionChains
        Of the clip's flow.
    options : MotionOptions, optional
        Radius, kernel, and how edges are counted.
    colours : (m, h, w, 3), optional
        Colour of each pixel, for edges that know colour; see `ikebook.video.colours.lab_colours`.

    Examples
    --------
    >>> import ikebook
    >>> motion = MotionMatrix(MotionChains(ikebook.toy("disc").flow), MotionOptions(radius=2))
    >>> motion
    MotionMatrix(1280 x 1280, float32)
    >>> bool((motion.dense() == motion.dense().T).all())
    True
    """

    def __init__(
        self,
        chains: MotionChains,
        options: MotionOptions | None = None,
        colours: Tensor | Array | Computed | None = None,
    ) -> None:
        self.chains = chains
        self.options = options or MotionOptions()
        require(
            self.options.edges == "count" or chains.options.links == "nearest",
            'edges="union" needs links="nearest": with four links a point, no chain joins just two nodes.',
        )
        require(
            self.slots * chains.grid.cells < 2**31,
            f"radius is {self.options.radius} at {chains.grid.w}x{chains.grid.h}: so many frames of so many pixels are more "
            "than can be counted; use a smaller radius or size.",
        )
        self.colours = colours
        self._likeness = self._likeness_of(colours)
        nodes = chains.frames * chains.grid.pixels
        super().__init__((nodes, nodes), chains.dtype, chains.device)

    def _likeness_of(self, colours: Tensor | Array | Computed | None) -> ColourLikeness | None:
        if self.options.colour is None:
            return None
        require(
            colours is not None,
            f"MotionOptions.colour is {self.options.colour}, but there are no colours; give them, (m, h, w, 3), or set it to None.",
        )
        assert colours is not None
        return ColourLikeness(self.chains, colours, self.options.colour, self.options.radius)

    def kernel(self, sigma: float | None = None, device: torch.device | None = None) -> Tensor:
        """k(a, b) for nodes 1, ..., p frames apart, as far as the clip reaches, (min(p, m-1),).

        Of another `sigma`, or on another device, if they are given.
        """
        reach = min(self.options.radius, self.chains.frames - 1)
        dt = torch.arange(1, reach + 1, dtype=self.dtype, device=device or self.device)
        return torch.exp(-(dt**2) / (2 * (sigma or self.options.sigma) ** 2))

    def likeness(self, trace: Trace, direction: int) -> Tensor:
        """How far a chain's step is believed by its colour, (steps, links, b, cells): 1 if edges do not know it; 0 where it has ended."""
        if self._likeness is not None:
            return self._likeness.along(trace, direction)
        return (self.chains.grid.pixel_of(trace.met[direction][: self.options.radius]) >= 0).to(self.dtype)

    def joined(self, a: Tensor, b: Tensor) -> Tensor:
        """The weight of one chain from nodes a to nodes b, of one shape, at most p frames apart; the self-loop's where they are one."""
        dt = (a // self.chains.grid.pixels - b // self.chains.grid.pixels).abs()
        weights = torch.cat([self.kernel().new_tensor([self.options.self_loop]), self.kernel()])[dt]
        return weights * self.alike(a, b)

    def alike(self, a: Tensor, b: Tensor) -> Tensor:
        """How far edges between nodes a and b, of one shape, are believed by their colours; 1 where edges do not know them."""
        if self._likeness is None:
            return torch.ones(a.shape, dtype=self.dtype, device=self.device)
        return self._likeness.between(a, b)

    @property
    def row_bytes(self) -> int:
        """Bytes of the rows of C of one batch of frames and one direction, what they meet or what they weigh; 0 on a GPU, which tidies
        its memory by itself.
        """
        if self.device.type != "cpu":
            return 0
        chains = self.chains
        links = 1 if chains.options.links == "nearest" else 4
        steps = min(self.options.radius, chains.frames - 1)
        return steps * links * chains.batch * chains.grid.cells * max(torch.int32.itemsize, self.dtype.itemsize)

    def forget(self) -> None:
        """Hold nothing of single frames until the next pass."""
        self.chains.forget()
        if self._likeness is not None:
            self._likeness.forget()

    @property
    def slots(self) -> int:
        """Frames that all rows of an arrival lead to or come from: whoever keeps so many has what `stream` asks for.

        Those of one batch and the p before, in whole batches.
        """
        batch = self.chains.batch
        reach = min(self.options.radius, self.chains.frames - 1)
        return (-(-reach // batch) + 1) * batch

    def stream(
        self, keep: int = 0, part: range | None = None, beside: Callable[[Trace], Tensor] | None = None
    ) -> Iterator[Arrival]:
        """The rows of C, as frames arrive batch by batch.

        When frame j arrives, its rows behind are complete, and so are the rows ahead of frame j-p (at the clip's end,
        those of all frames left). Whoever keeps the last `slots` frames has all that these rows lead to.

        Parameters
        ----------
        keep : steps whose positions the traces hold that `beside` is given
        part : only the rows of these frames; the p frames before and after arrive too, as rows lead to them
        beside : what else is made of each batch's trace, such as the rows of F; frames side by side, as the chains are followed
        """
        p, chains = self.options.radius, self.chains
        part = range(chains.frames) if part is None else part
        arriving = range(max(0, part.start - p), min(chains.frames, part.stop + p))
        waiting: list[Met] = []  # ahead
        spare = Spare(self.row_bytes, self.device)

        def arrive(frames: range) -> tuple[Rows, Met, Tensor | None]:
            trace = chains.trace(frames, max(p, keep), keep, spare)
            further = None if beside is None else beside(trace)
            behind, ahead = self._rows(trace, BEHIND), Met(frames, AHEAD, trace.met[AHEAD][:p])
            if self._likeness is not None:
                self._likeness.give_up(trace)
            # Rows ahead wait for p frames, and as many wait at a time: they are weighed when they are complete, which saves half
            # of the memory. Where chains halve each other's weights, they have to be there.
            return behind, self._weigh(ahead, spare) if self.options.edges == "union" else ahead, further

        batches = list(chains.batches(arriving, (part.start, part.stop)))
        for frames, (behind, ahead, further) in zip(batches, on_cores(arrive, batches, chains.compute), strict=True):
            waiting.append(ahead)
            if self.options.edges == "union":
                self._halve_mutual(behind, waiting)
            last = frames.stop == arriving.stop
            complete = [behind, *(met for met in waiting if last or met.frames[-1] + p < frames.stop)]
            waiting = waiting[len(complete) - 1 :]
            rows = [met for met in complete if len(met.cells) and met.frames[0] in part]
            weighed = [met if isinstance(met, Rows) else self._weigh(met, spare) for met in rows]
            yield Arrival(frames, weighed, waiting[0].frames.start if waiting else arriving.stop, further)
            for tensor in (*(met.cells for met in complete), *(rows.weights for rows in weighed)):
                spare.give(tensor)
            if frames.stop % TIDY == 0:
                return_memory(self.row_bytes)

    def _rows(self, trace: Trace, direction: int) -> Rows:
        """The rows of C of a trace's frames and one direction."""
        likeness = None if self._likeness is None else self._likeness.take(trace, direction)
        met = Met(trace.frames, direction, trace.met[direction][: self.options.radius])
        return self._weigh(met, trace.spare, likeness)

    def _weigh(self, met: Met, spare: Spare, likeness: Tensor | None = None) -> Rows:
        """What the rows weigh, by time and by colour; `likeness`, if it is known, becomes the weights."""
        weights = self.kernel()[: len(met.cells), None, None, None]
        if self._likeness is not None:
            if likeness is None:
                likeness = self._likeness.compare(met.frames, met.direction, met.cells, spare)
            weights = likeness.mul_(weights)
        elif self.options.edges == "union":
            weights = weights.repeat(1, 1, *met.cells.shape[2:])
        return Rows(met.frames, met.direction, met.cells, weights)

    def _halve_mutual(self, behind: Rows, waiting: Sequence[Met]) -> None:
        """Halve the weights, in place, of pairs of nodes that two chains join: one behind, and one ahead that waits."""
        own = torch.arange(self.chains.grid.cells, dtype=torch.int32, device=self.device)
        ahead = {frame: (rows, i) for rows in waiting if isinstance(rows, Rows) for i, frame in enumerate(rows.frames)}
        for i, frame in enumerate(behind.frames):
            for k in range(1, len(behind.cells) + 1):
                if frame - k in ahead:
                    rows, j = ahead[frame - k]
                    there, back = rows.cells[k - 1, 0, j], behind.cells[k - 1, 0, i]
                    # Products, and no assignment to a selection, whose size a GPU would have to report first.
                    rows.weights[k - 1, 0, j] *= 1 - 0.5 * (back.index_select(0, there) == own).to(self.dtype)
                    behind.weights[k - 1, 0, i] *= 1 - 0.5 * (there.index_select(0, back) == own).to(self.dtype)

    def propagate(self, labels: Iterator[Tensor]) -> Iterator[Tensor]:
        """M x frame by frame, (cells,), from x frame by frame, (cells,) with 0 on the border.

        Holds `slots` frames of either. The rows of C gather votes from where the chains lead, those of C' cast votes there.
        """
        grid, slots, loop = self.chains.grid, self.slots, self.options.self_loop
        x = torch.zeros(slots, grid.cells, dtype=self.dtype, device=self.device)
        votes = torch.zeros_like(x)
        done = 0
        for arrival in self.stream():
            for frame in arrival.frames:
                x[frame % slots] = next(labels)
                votes[frame % slots] = loop * x[frame % slots]
            for rows in arrival.rows:
                own = slice(rows.frames[0] % slots, rows.frames[0] % slots + len(rows.frames))
                weights = rows.weights.clone() if x.requires_grad else rows.weights  # a gradient looks at them later
                for cells, weight in zip(rows.cells + rows.first(slots), weights, strict=True):
                    for link, one in zip(cells, weight.expand(len(cells), -1, -1), strict=True):  # each (b, cells)
                        votes[own] += x.flatten().index_select(0, link.flatten()).view_as(link) * one
                        votes.view(-1).index_add_(0, link.flatten(), (x[own] * one).flatten())
            yield from (votes[frame % slots].clone() for frame in range(done, arrival.complete))
            done = arrival.complete

    def _matvec(self, x: Tensor) -> Tensor:
        grid = self.chains.grid
        labels = grid.pad(x.view(self.chains.frames, grid.h, grid.w))  # (m, cells)
        return torch.cat([grid.crop(votes).flatten() for votes in self.propagate(iter(labels))])

    def to_scipy(self) -> scipy.sparse.csr_array:
        """M with its entries, as a sparse matrix of SciPy's, of 8 bytes or more for each pair of nodes that a chain joins.

        Examples
        --------
        >>> import ikebook
        >>> made = ikebook.toy("disc")
        >>> m = ikebook.build(made.clip, made.flow).motion.to_scipy()
        >>> m.shape, round(float(m.sum(axis=1).max()), 2)  # the largest degree
        ((1280, 1280), 7.71)
        """
        n = self.shape[0]
        counts, columns, values = [], [], []
        for nodes, weights in self._chains_by_time():
            met = nodes >= 0
            counts.append(met.sum(1))
            columns.append(nodes[met].int())
            values.append(weights[met])
        ends = torch.cat(counts).cumsum(0).cpu().numpy()
        outgoing = scipy.sparse.csr_array(  # C
            (torch.cat(values).cpu().numpy(), torch.cat(columns).cpu().numpy(), np.concatenate([[0], ends])),
            shape=(n, n),
        )
        del counts, columns, values
        outgoing.sum_duplicates()  # of the four links of a point, two fall together where it lies on a pixel's row or column
        back = outgoing.T.tocsr()
        matrix = outgoing + back if self.options.edges == "count" else outgoing.maximum(back)
        if self.options.self_loop:
            matrix = matrix + scipy.sparse.diags_array(np.full(n, self.options.self_loop, matrix.dtype))
        return matrix.tocsr()

    def to_torch_sparse(self) -> Tensor:
        """M with its entries, as a sparse tensor of PyTorch's in coordinates, on the device."""
        index, weights = self.edge_list()
        with torch.sparse.check_sparse_tensor_invariants():
            return torch.sparse_coo_tensor(index, weights, size=self.shape).coalesce()

    def edge_list(self) -> tuple[Tensor, Tensor]:
        """The graph's edges in both directions: (2, e) int64 node to node, and their weights (e,).

        As PyTorch Geometric takes them, `Data(edge_index=..., edge_weight=...)`; nodes are frame*h*w + y*w + x.
        """
        matrix = self.to_scipy().tocoo()
        index = np.stack([matrix.row, matrix.col]).astype(np.int64)
        return torch.from_numpy(index).to(self.device), torch.from_numpy(matrix.data).to(self.device)

    def to_networkx(self) -> Any:
        """The graph of a toy for networkx (`pip install networkx`): weights as `weight`; nodes with `frame`, `x` and `y`."""
        import networkx as nx

        self._check_dense()
        graph = nx.from_scipy_sparse_array(self.to_scipy())
        w, pixels = self.chains.grid.w, self.chains.grid.pixels
        for node, attributes in graph.nodes(data=True):
            attributes |= {"frame": node // pixels, "x": node % pixels % w, "y": node % pixels // w}
        return graph

    def _chains_by_time(self) -> Iterator[tuple[Tensor, Tensor]]:
        """For each frame, the nodes that its pixels' chains meet and with which weight, by time, so that nodes ascend.

        Nodes are (h*w, steps * links) int64, -1 where a chain has ended, and weights the same shape.
        """
        chains = self.chains
        for frame in range(chains.frames):
            trace = chains.trace(frame, self.options.radius)
            rows = {direction: self._rows(trace, direction) for direction in (AHEAD, BEHIND)}
            nodes, weights = [], []
            for offset in (*range(-len(trace.behind), 0), *range(1, len(trace.ahead) + 1)):
                row, k = rows[AHEAD if offset > 0 else BEHIND], abs(offset) - 1
                for cells, weight in zip(
                    row.cells[k, :, 0], row.weights[k, :, 0].expand_as(row.cells[k, :, 0]), strict=True
                ):
                    nodes.append(chains.grid.crop(chains.nodes(cells, frame + offset)).flatten())
                    weights.append(chains.grid.crop(weight).flatten())
            yield torch.stack(nodes, 1), torch.stack(weights, 1)

    def outgoing(self) -> Tensor:
        """C, the n x n matrix of outgoing chains, for toys: in row a, what the two chains from node a meet."""
        self._check_dense()
        chains, n = self.chains, self.shape[0]
        kernel = self.kernel()
        outgoing = torch.zeros(n, n, dtype=self.dtype, device=self.device)
        own = torch.arange(chains.grid.cells, device=self.device)
        for frame in range(chains.frames):
            trace = chains.trace(frame, self.options.radius)
            a = chains.nodes(own, frame)
            for step in (*trace.ahead, *trace.behind):
                for cells in chains.links(step)[:, 0]:
                    b = chains.nodes(cells, frame + step.offset)
                    met = (a >= 0) & (b >= 0)
                    weight = kernel[abs(step.offset) - 1]
                    if self._likeness is not None:
                        weight = weight * self._likeness.between(a[met], b[met])
                    outgoing[a[met], b[met]] += weight
        return outgoing

    def _dense(self) -> Tensor:
        outgoing = self.outgoing()
        # With one link a point, C[a, b] is k(a, b) or 0: the larger of C[a, b] and C[b, a] says whether any chain joins them.
        matrix = outgoing + outgoing.T if self.options.edges == "count" else torch.maximum(outgoing, outgoing.T)
        matrix.diagonal().add_(self.options.self_loop)
        return matrix
