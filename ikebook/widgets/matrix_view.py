"""The page's side of `MatrixExplorer`: the picture of the matrix, the two frames, and the facts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np

from ikebook.matrix.orders import node_place
from ikebook.video.clip import Clip
from ikebook.widgets.arrays import symmetric_limit
from ikebook.widgets.base import html_table, note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.choice import Choice
from ikebook.widgets.layouts import menu, row, side_by_side

MATRICES = {"M": "M, motion chains", "P": "P, projection", "PMP": "A = PMP"}

ORDER_NAMES = {
    "pixel": "as pixels are counted",
    "object": "object first (ground truth)",
    "eigenvector": "by the eigenvector",
}

ROW, COLUMN, ENTRY = "#cf7413", "#3f8fdc", "#2fa35f"
"""Colours of the marks of an entry's row and column in the video, and of the entry."""

Pixel = tuple[int, int, int]
"""Frame, x and y."""


class MatrixView:
    """What the page has of a matrix explorer; it computes nothing.

    Parameters
    ----------
    clip : Clip
    orders : sequence of str
        Names in the menu, as in `ORDER_NAMES`.

    Attributes
    ----------
    children : list of widgets
        From top to bottom. Each of them, and what is in them, is an attribute.
    """

    def __init__(self, clip: Clip, orders: Sequence[str]) -> None:
        w, h = clip.size
        self._shape = (len(clip), h, w)
        self.nodes = len(clip) * h * w
        self.picture = VideoCanvas(shape=(1, self.nodes, self.nodes), height=460, caption="building the matrices ...")
        self.picture.readout = "row {y}, column {x}: {value:4}"
        options: dict[str, Any] = {"parts": "stage", "height": 200, "readout": " "}
        self.row_frame = VideoCanvas(clip, caption="row", **options)
        self.column_frame = VideoCanvas(clip, caption="column", **options)
        self.picture.joins = [self.row_frame.group, self.column_frame.group]
        self.shown_menu = Choice([(text, name) for name, text in MATRICES.items()], "matrix", "150px")
        self.shown_menu.value = "PMP"
        self.order_menu = menu("order", [(ORDER_NAMES[name], name) for name in orders], "330px", "44px")
        self.words, self.facts = ipywidgets.HTML(), ipywidgets.HTML()
        side = ipywidgets.VBox(
            [side_by_side(self.row_frame, self.column_frame, least=150), self.words, self.facts],
            layout=ipywidgets.Layout(flex="1 1 340px", min_width="300px", grid_gap="10px"),
        )
        self.picture.layout.flex = "1 1 420px"
        both = ipywidgets.Box(
            [self.picture, side], layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="20px", width="100%")
        )
        self.children = [row(self.shown_menu, self.order_menu), both]

    def show(
        self, name: str, entries: np.ndarray, places: np.ndarray, borders: Sequence[int], found: dict[str, float]
    ) -> None:
        """Show a matrix.

        Parameters
        ----------
        name : str
            "M", "P" or "PMP".
        entries : (n, n)
            In the order shown.
        places : (n,)
            The node of each row.
        borders : sequence of int
            Rows before which there is a line.
        found : dict
            Its facts.
        """
        signed = name != "M"
        top = symmetric_limit(entries[entries != 0].reshape(-1), 0.99 if signed else 1.0) if entries.any() else 1.0
        colours = "signed" if signed else "magma"
        pixels = [node_place(int(node), self._shape) for node in places]
        with self.picture.hold_sync():  # at once: entries fly from their old places to the new ones
            self.picture.show(maps=entries[None], map_range=(-top, top) if signed else (0, top), colours=colours)
            self.picture.caption = f"{MATRICES[name]}, {self.nodes} x {self.nodes}"
            self.picture.paths = border_paths(borders, self.nodes)
            self.picture.places = np.array(pixels, np.int32).tobytes()
        self.facts.value = facts_table(found)

    def mark(self, entry: tuple[int, int] | None, joined: tuple[Pixel, Pixel] | None, words: str) -> None:
        """Mark an entry, (row, column), and the two pixels that it joins, or nothing."""
        self.words.value = note(words)
        if entry is None or joined is None:
            self.picture.points = self.row_frame.points = self.column_frame.points = []
            return
        for canvas, (frame, x, y), colour, name in zip(
            (self.row_frame, self.column_frame), joined, (ROW, COLUMN), ("row", "column"), strict=True
        ):
            canvas.frame = frame
            canvas.caption = f"frame {frame}, pixel ({x}, {y})"
            canvas.points = [{"frame": frame, "x": x, "y": y, "colour": colour, "label": name}]
        self.picture.points = [{"x": entry[1], "y": entry[0], "colour": ENTRY}]


def border_paths(places: Sequence[int], n: int) -> list[dict[str, Any]]:
    """Lines across a matrix of n rows, before these rows and columns, for `VideoCanvas.paths`."""
    # Before frame 0, so that the canvas draws no dots where a path is now.
    ends = [([-1, -0.5, k - 0.5], [-1, n - 0.5, k - 0.5]) for k in places]
    ends += [([-1, k - 0.5, -0.5], [-1, k - 0.5, n - 0.5]) for k in places]
    return [{"points": list(pair), "colour": "#8d8d8d", "width": 0.6, "show": "upto"} for pair in ends]


def entry_words(
    entry: tuple[int, int] | None, joined: tuple[Pixel, Pixel] | None, value: float, *, links: bool, keeps: bool = True
) -> str:
    """What an entry says, in words; `links`: it is one of M, which is not 0 where a motion chain joins two pixels; `keeps`: a click keeps it."""
    if entry is None or joined is None:
        click = ", click to keep them" if keeps else ""
        return f"Every entry belongs to two pixels of the video. Point at one to see them{click}."
    text = f"Row {entry[0]}, column {entry[1]}: {value:.4g}.".replace("-", "\u2212")
    frames = abs(joined[0][0] - joined[1][0])
    if not links:
        return text
    if not frames:
        return f"{text} They are in one frame."
    there = "A motion chain joins the two pixels" if value else "No motion chain joins the two pixels"
    return f"{text} {there}, {frames} frame{'s' if frames != 1 else ''} apart."


def facts_table(found: dict[str, float]) -> str:
    """Facts of a matrix as a small table."""
    rows = {
        "entries that are 0": f"{100 * found['sparsity']:.2f} %",
        "symmetric": "yes" if found["asymmetry"] < 1e-9 else f"no, off by {found['asymmetry']:.1e}",
        "trace": f"{found['trace']:.4g}",
        "rank": f"{found['rank']} of {found['nodes']}",
        "eigenvalues": f"{found['least']:.3g} to {found['greatest']:.3g}".replace("-", "\u2212"),
    }
    return html_table(
        f'<tr><th scope="row" style="text-align: left; font-weight: 400; padding: 2px 18px 2px 0">{name}</th>'
        f'<td style="font-weight: 600">{value}</td></tr>'
        for name, value in rows.items()
    )
