"""M, P and A = PMP of a toy as pictures (Fig. 8), and the two pixels that each entry joins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.flow.compute import same_clip
from ikebook.flow.fields import Flow
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.features import Cue
from ikebook.matrix.orders import ORDERS, facts, node_at, node_order, node_place
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.base import note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.computing import Computing, beside, limit, menu, row

LARGEST = 2600
"""Most nodes: more would neither fit on a screen nor be built while one waits. 16x16x5 has 1280."""

MATRICES = {"M": "M, motion chains", "P": "P, projection", "PMP": "A = PMP"}

ORDER_NAMES = {
    "pixel": "as pixels are counted",
    "object": "object first (ground truth)",
    "eigenvector": "by the eigenvector",
}

ROW, COLUMN = "#e8871e", "#3f8fdc"


class MatrixExplorer(Computing):
    """Look at the matrices of a toy: point at an entry to see which two pixels it joins, click to keep them.

    Parameters
    ----------
    clip, flow : of one toy, such as `toy("disc")`: 16x16 pixels in 5 frames are 1280 nodes
    options : of the graph
    cues : more node features
    order : of rows and columns: "pixel", as nodes are counted; "object", by the clip's masks; or "eigenvector"

    Attributes
    ----------
    order : str
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
    """

    order = traitlets.Unicode("pixel")
    shown = traitlets.Unicode("PMP")
    entry = traitlets.Any(None)

    def __init__(
        self,
        clip: Clip,
        flow: Flow,
        *,
        options: GraphOptions | None = None,
        cues: Sequence[Cue] = (),
        order: str = "pixel",
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        same_clip(clip, flow)
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
        self._build()
        self.order = order
        for name in ("order", "shown"):
            self.observe(lambda _: self._draw(), [name])
        self.observe(lambda _: self._mark(), ["entry"])

        def work(job: Job) -> dict[str, np.ndarray]:
            self._solved = solve_graph(
                clip, flow, options=options, cues=cues, pairs=2, compute=Compute(dtype=torch.float64)
            )
            matrix = self._solved.matrix
            job.step(0.2, "building M and P")
            p, m = matrix.projection.dense().numpy(), matrix.motion.dense().numpy()
            found = {"M": m, "P": p, "PMP": p @ m @ p}
            for index, (name, entries) in enumerate(found.items()):
                job.step(0.4 + 0.2 * index, f"looking at {name}")
                self._facts[name] = facts(entries).as_dict()
            return found

        def done(found: dict[str, np.ndarray]) -> None:
            self.matrices = found
            self._draw()

        self.prepare(work, done, "building the graph", lambda: None)

    def __repr__(self) -> str:
        return f"MatrixExplorer({self._describe()}, {self.shown} of {self.nodes} nodes, order {self.order})"

    @property
    def facts(self) -> dict[str, float]:
        """Of the matrix shown; see `matrices.MatrixFacts`."""
        self.ready()
        return dict(self._facts[self.shown])

    @property
    def joined(self) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
        """The pixels (frame, x, y) that the entry picked joins: that of its row, and that of its column."""
        if self.entry is None:
            return None
        first, second = (node_place(int(self._places[place]), self._shape) for place in self.entry)
        return first, second

    @property
    def value(self) -> float:
        """The entry that is picked."""
        if self.entry is None:
            return float("nan")
        self.ready()
        return float(self.matrices[self.shown][self._places[self.entry[0]], self._places[self.entry[1]]])

    def pick(self, first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
        """Pick the entry that joins two pixels, each (frame, x, y)."""
        self.ready()
        places = np.argsort(self._places)
        self.entry = tuple(int(places[node_at(*pixel, self._shape)]) for pixel in (first, second))

    def states(self) -> Iterator[str]:
        """Each matrix in each order."""
        self.ready()
        before = self.shown, self.order
        for shown, name in MATRICES.items():
            for order in self._orders():
                self.shown, self.order = shown, order
                yield f"{name}, {ORDER_NAMES[order]}"
        self.shown, self.order = before

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

    def _build(self) -> None:
        n = self.nodes
        self.picture = VideoCanvas(shape=(1, n, n), height=500, caption="building the matrices ...")
        self.picture.readout = "row {y}, column {x}: {value:4}"
        self.picture.observe(self._clicked, ["picked"])
        frames = np.asarray(self.clip.frames)
        options: dict[str, Any] = {"parts": "stage", "height": 200, "readout": " "}
        self.row_frame = VideoCanvas(frames, caption="row", **options)
        self.column_frame = VideoCanvas(frames, caption="column", **options)
        self.picture.joins = [self.row_frame.group, self.column_frame.group]
        self.shown_menu = ipywidgets.ToggleButtons(
            options=[(text, name) for name, text in MATRICES.items()], value=self.shown, style={"button_width": "150px"}
        )
        self.order_menu = menu("order", [(ORDER_NAMES[name], name) for name in self._orders()], "280px", "44px")
        traitlets.link((self, "shown"), (self.shown_menu, "value"))
        traitlets.link((self, "order"), (self.order_menu, "value"))
        self.words, self.table = ipywidgets.HTML(), ipywidgets.HTML()
        side = ipywidgets.VBox(
            [beside(self.row_frame, self.column_frame, least=150), self.words, self.table],
            layout=ipywidgets.Layout(flex="1 1 340px", min_width="300px", grid_gap="10px"),
        )
        self.picture.layout.flex = "1 1 420px"
        both = ipywidgets.Box(
            [self.picture, side], layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="20px", width="100%")
        )
        self.children = [row(self.shown_menu, self.order_menu), both, self.bar]

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
        signed = self.shown != "M"
        top = limit(entries[entries != 0].reshape(-1), 0.99 if signed else 1.0) if entries.any() else 1.0
        colours = "signed" if signed else "magma"
        self.picture.show(maps=entries[None], map_range=(-top, top) if signed else (0, top), colours=colours)
        self.picture.caption = f"{MATRICES[self.shown]}, {self.nodes} x {self.nodes}"
        self.picture.paths = self._borders()
        places = [node_place(int(node), self._shape) for node in self._places]
        self.picture.places = np.array(places, np.int32).tobytes()
        self.table.value = facts_table(self._facts[self.shown])
        if before is None:
            self._mark()
            return
        old = self.entry
        self.pick(*before)
        if self.entry == old:
            self._mark()

    def _borders(self) -> list[dict[str, Any]]:
        """Lines between frames, or between object and the rest."""
        n, (m, h, w) = self.nodes, self._shape
        places: list[int] = []
        if self.order == "pixel":
            places = [frame * h * w for frame in range(1, m)]
        elif self.order == "object" and self.clip.masks is not None:
            places = [int(self.clip.masks.sum())]
        # Before frame 0, so that the canvas draws no dots where a path is now.
        ends = [([-1, -0.5, k - 0.5], [-1, n - 0.5, k - 0.5]) for k in places]
        ends += [([-1, k - 0.5, -0.5], [-1, k - 0.5, n - 0.5]) for k in places]
        return [{"points": list(pair), "colour": "#8d8d8d", "width": 0.6, "show": "upto"} for pair in ends]

    def _mark(self) -> None:
        joined = self.joined
        if joined is None:
            self.picture.points = self.row_frame.points = self.column_frame.points = []
            self.words.value = note(
                "Every entry belongs to two pixels of the video. Point at one to see them, click to keep them."
            )
            return
        assert self.entry is not None
        for canvas, (frame, x, y), colour, name in zip(
            (self.row_frame, self.column_frame), joined, (ROW, COLUMN), ("row", "column"), strict=True
        ):
            canvas.frame = frame
            canvas.caption = f"frame {frame}, pixel ({x}, {y})"
            canvas.points = [{"frame": frame, "x": x, "y": y, "colour": colour, "label": name}]
        place_row, place_column = self.entry
        self.picture.points = [{"x": place_column, "y": place_row, "colour": "#2fa35f"}]
        (first, *_), (second, *_) = joined
        apart = abs(first - second)
        text = f"Row {place_row}, column {place_column}: {self.value:.4g}.".replace("-", "\u2212")
        if self.shown == "M":
            there = "A motion chain joins the two pixels" if self.value else "No motion chain joins the two pixels"
            text += f" {there}, {apart} frame{'s' if apart != 1 else ''} apart." if apart else " They are in one frame."
        self.words.value = note(text)


def facts_table(found: dict[str, float]) -> str:
    """Facts of a matrix as a small table."""
    rows = {
        "entries that are 0": f"{100 * found['sparsity']:.2f} %",
        "symmetric": "yes" if found["asymmetry"] < 1e-9 else f"no, off by {found['asymmetry']:.1e}",
        "trace": f"{found['trace']:.4g}",
        "rank": f"{found['rank']} of {found['nodes']}",
        "eigenvalues": f"{found['least']:.3g} to {found['greatest']:.3g}".replace("-", "\u2212"),
    }
    cells = "".join(
        f'<tr><th scope="row" style="text-align: left; font-weight: 400; padding: 2px 18px 2px 0">{name}</th>'
        f'<td style="font-weight: 600">{value}</td></tr>'
        for name, value in rows.items()
    )
    style = "font-size: 15px; border-collapse: collapse; color: var(--jp-ui-font-color0, inherit)"
    return f'<table style="{style}">{cells}</table>'
