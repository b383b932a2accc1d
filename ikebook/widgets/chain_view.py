"""What `ChainExplorer` shows of a node: lines over the video, numbers, and two charts."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ikebook.matrix.neighbours import Chain, Incoming
from ikebook.video.colours import BLUE, GREEN, ORANGE, PURPLE, RED
from ikebook.widgets.base import QUIET_INK, html_table
from ikebook.widgets.chart_axes import padded
from ikebook.widgets.charts import Chart, side_by_side_svg

DRAWN = 60
"""Incoming links that are drawn at most, evenly picked; all of them are counted and plotted."""

CHAIN, LINK, PIXEL = ORANGE, PURPLE, "#ff4d3d"
"""Colours of the node's own chain, of the links that lead to it, and of its pixel."""

ROW_COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE)
"""Of the curves of its row of F; not first those of chains."""


def chain_path(chain: Chain) -> dict[str, Any]:
    """The node's own chain, for `VideoCanvas.paths`."""
    points = np.stack([chain.frames, chain.x.round(2), chain.y.round(2)], axis=1).tolist()
    return {"points": points, "colour": CHAIN, "width": 4, "arrow": True}  # below the links


def link_paths(incoming: Incoming, frame: int, pixel: tuple[int, int]) -> list[dict[str, Any]]:
    """Lines from pixels that lead to the node; each is an entry of M, and not the way that the chain takes."""
    n = len(incoming)
    picked = np.unique(np.linspace(0, n - 1, min(n, DRAWN)).round().astype(int)).tolist() if n else list[int]()
    links = (
        [[int(incoming.frames[i]), int(incoming.x[i]), int(incoming.y[i])], [frame, pixel[0], pixel[1]]] for i in picked
    )
    return [{"points": sorted(ends), "colour": LINK, "width": 1, "dots": True} for ends in links]


def facts_html(chain: Chain, incoming: Incoming, weights: tuple[float, float], node: Any, window: Any) -> str:
    """The numbers of a node as a small table.

    Parameters
    ----------
    chain, incoming : of the node
    weights : (float, float)
        Sums of the weights of its outgoing and of its incoming links in M.
    node : (frame, x, y)
    window : (radius, frames)
        p, and the frames of the clip: a chain that ends before either has left the frame.
    """
    frame, x, y = node
    radius, frames = window
    ahead, behind = chain.frames[-1] - frame, frame - chain.frames[0]
    ended = []
    if ahead < min(radius, frames - 1 - frame):
        ended.append(f"forward after {ahead}")
    if behind < min(radius, frame):
        ended.append(f"backward after {behind}")
    rows = [
        ("node", f"frame {frame}, pixel ({x}, {y})"),
        (colour_key(CHAIN, "its chain"), f"{ahead} ahead, {behind} behind"),
        ("ended early", ", ".join(ended) + " frames" if ended else "no"),
        (colour_key(LINK, "chains that lead here"), f"{len(incoming)}"),
        ("weight k(Δt), out + in", f"{weights[0]:.2f} + {weights[1]:.2f}"),
    ]
    return html_table(
        f'<tr><td style="padding: 2px 14px 2px 0; white-space: nowrap; color: {QUIET_INK}">{name}</td>'
        f'<td style="padding: 2px 0; font-variant-numeric: tabular-nums">{html.escape(value)}</td></tr>'
        for name, value in rows
    )


def colour_key(colour: str, text: str) -> str:
    """A sample of a line's colour, and what it stands for."""
    swatch = f"display: inline-block; width: 14px; height: 4px; margin-right: 6px; vertical-align: middle; background: {colour}"
    return f'<span style="{swatch}"></span>{html.escape(text)}'


def node_charts(
    outgoing: Mapping[int, float], incoming: Mapping[int, float], radius: int, features: Mapping[str, float]
) -> str:
    """A node's weights in M over the frames' offsets, and its row of F.

    Parameters
    ----------
    outgoing, incoming : dict
        Sums of k(Δt) by Δt.
    radius : int
        p, frames: where the axis ends.
    features : dict
        The row of F, by column.
    """
    offsets = range(-radius, radius + 1)
    out, into = ([sums.get(offset, 0.0) for offset in offsets] for sums in (outgoing, incoming))
    top = max(a + b for a, b in zip(out, into, strict=True))
    weights = Chart(
        "Weights in M",
        x=(-radius - 0.6, radius + 0.6),
        y=(0, 1.06 * top or 1.0),
        label="\u0394t, frames",
        size=(520, 230),
    )
    weights.bars(offsets, out, colours=CHAIN, name="out: k(\u0394t)")
    weights.bars(offsets, into, base=out, colours=LINK, name="in")
    curves = by_offset(features)
    reach = max((abs(offset) for points in curves.values() for offset in points), default=0) or 1
    row = Chart(
        "Its row of F",
        x=(-reach - 0.3, reach + 0.3),
        y=padded(list(features.values())),
        label="\u0394t, frames",
        size=(520, 230),
    )
    row.rule(y=0, dashed=False)
    for index, (name, points) in enumerate(curves.items()):
        x, y = zip(*sorted(points.items()), strict=True)
        row.curve(x, y, name=name, colour=ROW_COLOURS[index % len(ROW_COLOURS)])
    return side_by_side_svg(
        weights.svg(f"{sum(out):.2f} along its own chain, {sum(into):.2f} of chains that lead here."),
        row.svg(f"{len(features)} features: {', '.join(curves)}."),
    )


def by_offset(features: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """A row of F as curves over the frames' offsets: {"saliency": {-3: ..., 3: ...}}.

    >>> by_offset({"dx[+1]": 2.0, "dy[+1]": 0.0, "dx[-1]": -2.0, "bias": 1.0})
    {'dx': {1: 2.0, -1: -2.0}, 'dy': {1: 0.0}, 'bias': {0: 1.0}}
    """
    curves: dict[str, dict[int, float]] = {}
    for column, value in features.items():
        parts = re.fullmatch(r"(.*)\[([+-]\d+)\]", column)
        name, offset = (parts[1], int(parts[2])) if parts else (column, 0)
        curves.setdefault(name, {})[offset] = value
    return curves
