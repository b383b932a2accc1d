"""M, P and A = PMP of a toy as pictures (Fig. 8), and the two pixels that each entry joins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.features import Cue, checked_cues
from ikebook.matrix.orders import ORDERS, facts, node_at, node_order, node_place
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.computing import Computing
from ikebook.widgets.inputs import clip_and_flow, graph_options
from ikebook.widgets.matrix_view import MATRICES, ORDER_NAMES, MatrixView, Pixel, entry_words

LARGEST = 2600
"""Most nodes: more would neither fit on a screen nor be built while one waits. 16x16x5 has 1280."""


class MatrixExplorer(Computing):
    """Look at the matrices of a toy: point at an entry to see which two pixels it joins, click to keep them (Sec. 4.2).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        Small, such as `toy("disc").clip`: 16x16 pixels in 5 frames are 1280 nodes.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        More node features.
    options : GraphOptions, optional
        Of the graph; a preset, or your own.
    order : str, default "pixel"
        Of rows and columns: "pixel", as nodes are counted; "object", by the clip's masks; or "eigenvector".

    Attributes
    ----------
    order : str
        See above; set it to order them otherwise.
    shown : str
        "M", "P" or "PMP".
    entry : (row, column) or None
        The entry picked, counted in the order shown. Set it to pick one.
    joined : ((frame, x, y), (frame, x, y)) or None
        The pixels that this entry joins.
    value : float
        The entry's value; NaN if none is picked.
    facts : dict
        Of the matrix shown: nodes, sparsity, asymmetry, trace, rank, least and greatest eigenvalue.
    matrices : dict
        "M", "P" and "PMP", (n, n) float64, in the order in which nodes are counted.

    Raises
    ------
    InputError
        If the clip is too large for matrices, or has no masks and `order` is "object".

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc", frames=2)
    >>> explorer = MatrixExplorer(made.clip, made.flow)
    >>> explorer.facts["nodes"]
    512
    >>> explorer
    MatrixExplorer('disc', 2 frames of 16x16, PMP of 512 nodes, order pixel)
    """

    order = traitlets.Unicode("pixel")
    shown = traitlets.Unicode("PMP")
    entry = traitlets.Any(None)

    def __init__(
        self,
        clip: Clip,
        flow: Flow | str | None = None,
        *,
        cues: Sequence[Cue] = (),
        options: GraphOptions | None = None,
        order: str = "pixel",
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        clip, self.flow = clip_and_flow("MatrixExplorer", clip, flow)
        self.cues, self.options = checked_cues(cues), graph_options(options)
        w, h = clip.size
        n = len(clip) * w * h
        require(
            n <= LARGEST,
            f"clip {clip.name!r} has {n} nodes ({len(clip)} frames of {w}x{h}), and its matrices {n}x{n} entries; "
            f"MatrixExplorer takes up to {LARGEST} nodes. Give a toy, or clip.first(5).resize('16x16') and its flow.",
        )
        super().__init__(clip)
        self.nodes, self._shape = n, (len(clip), h, w)
        self.matrices: dict[str, np.ndarray] = {}
        self._solved: Solved | None = None
        self._facts: dict[str, dict[str, float]] = {}
        self._places = np.arange(n)
        self._on_page = False
        self._build()
        self.order = order
        for name in ("order", "shown"):
            self.observe(lambda _: self._draw(), [name])
        self.observe(lambda _: self._mark(), ["entry"])
        self.prepare(self._solve, self._solved_all, "building the graph", lambda: None)

    def __repr__(self) -> str:
        return f"MatrixExplorer({self._describe()}, {self.shown} of {self.nodes} nodes, order {self.order})"

    @property
    def facts(self) -> dict[str, float]:
        """Of the matrix shown; see `ikebook.matrix.orders.MatrixFacts`."""
        self.ready()
        return dict(self._facts[self.shown])

    @property
    def joined(self) -> tuple[Pixel, Pixel] | None:
        """The pixels (frame, x, y) that the entry picked joins: that of its row, and that of its column."""
        if self.entry is None:
            return None
        first, second = (node_place(int(self._places[place]), self._shape) for place in self.entry)
        return first, second

    @property
    def value(self) -> float:
        """The entry that is picked; NaN if none is."""
        if self.entry is None:
            return float("nan")
        self.ready()
        return float(self.matrices[self.shown][self._places[self.entry[0]], self._places[self.entry[1]]])

    def pick(self, first: Pixel, second: Pixel) -> None:
        """Pick the entry that joins two pixels.

        Parameters
        ----------
        first, second : (frame, x, y)
            The pixel of its row, and that of its column.
        """
        self.ready()
        places = np.argsort(self._places)
        self.entry = tuple(int(places[node_at(*pixel, self._shape)]) for pixel in (first, second))

    def page_states(self) -> Iterator[str]:
        """Each matrix in each order."""
        self.ready()
        before, self._on_page = (self.shown, self.order), True
        try:
            for shown, name in MATRICES.items():
                for order in self._orders():
                    self.shown, self.order = shown, order
                    self._mark()
                    yield f"{name}, {ORDER_NAMES[order]}"
        finally:
            self._on_page = False
        self.shown, self.order = before
        self._mark()

    @traitlets.validate("order")
    def _check_order(self, proposal: Any) -> str:
        check.one_of("order", proposal.value, ORDERS)
        require(
            proposal.value in self._orders(),
            'order="object" needs the clip\'s masks, which it has not; use order="eigenvector".',
        )
        return str(proposal.value)

    @traitlets.validate("shown")
    def _check_shown(self, proposal: Any) -> str:
        check.one_of("shown", proposal.value, MATRICES)
        return str(proposal.value)

    @traitlets.validate("entry")
    def _check_entry(self, proposal: Any) -> tuple[int, int] | None:
        if proposal.value is None:
            return None
        require(
            isinstance(proposal.value, (tuple, list)) and len(proposal.value) == 2,
            f"entry is {proposal.value!r}; expected (row, column), or None.",
        )
        for name, place in zip(("row", "column"), proposal.value, strict=True):
            check.whole(f"entry's {name}", place, at_most=self.nodes - 1)
        return int(proposal.value[0]), int(proposal.value[1])

    def _orders(self) -> list[str]:
        return [name for name in ORDERS if name != "object" or self.clip.masks is not None]

    def _solve(self, job: Job) -> dict[str, np.ndarray]:
        self._solved = solve_graph(
            self.clip,
            self.flow,
            cues=self.cues,
            pairs=2,
            options=self.options,
            compute=Compute(dtype=torch.float64),
        )
        matrix = self._solved.matrix
        job.step(0.2, "building M and P")
        p, m = matrix.projection.dense().numpy(), matrix.motion.dense().numpy()
        found = {"M": m, "P": p, "PMP": p @ m @ p}
        for index, (name, entries) in enumerate(found.items()):
            job.step(0.4 + 0.2 * index, f"looking at {name}")
            self._facts[name] = facts(entries).as_dict()
        return found

    def _solved_all(self, found: dict[str, np.ndarray]) -> None:
        self.matrices = found
        self._draw()

    def _build(self) -> None:
        self._view = view = MatrixView(self.clip, self._orders())
        self.picture, self.row_frame, self.column_frame = view.picture, view.row_frame, view.column_frame
        self.shown_menu, self.order_menu = view.shown_menu, view.order_menu
        self.words = view.words
        traitlets.link((self, "shown"), (self.shown_menu, "value"))
        traitlets.link((self, "order"), (self.order_menu, "value"))
        self.picture.observe(self._clicked, ["picked"])
        self.arrange(view.children)

    def _clicked(self, change: Any) -> None:
        if change["new"] is not None and self.matrices:
            _, x, y = change["new"]
            self.guarded(lambda: self.set_trait("entry", (y, x)))

    def _draw(self) -> None:
        """The matrix, in its order; the entry that is picked stays that of its two pixels."""
        if not self.matrices or self._solved is None:
            return
        before = self.joined
        labels = self._solved.labels().numpy() if self._solved.signs else np.zeros(self._shape)
        self._places = node_order(self.order, masks=self.clip.masks, labels=labels)
        entries = self.matrices[self.shown][np.ix_(self._places, self._places)]
        self._view.show(self.shown, entries, self._places, self._borders(), self._facts[self.shown])
        old = self.entry
        if before is not None:
            self.pick(*before)
        if self.entry == old:
            self._mark()

    def _borders(self) -> list[int]:
        """Rows at which another frame begins, or the rest after the object."""
        m, h, w = self._shape
        if self.order == "pixel":
            return [frame * h * w for frame in range(1, m)]
        if self.order == "object" and self.clip.masks is not None:
            return [int(self.clip.masks.sum())]
        return []

    def _mark(self) -> None:
        joined = self.joined
        words = entry_words(
            self.entry, joined, self.value if joined else 0.0, links=self.shown == "M", keeps=not self._on_page
        )
        self._view.mark(self.entry, joined, words)
