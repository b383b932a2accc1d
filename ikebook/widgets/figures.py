"""Plots of matplotlib as pictures that follow the page's theme, without pyplot's global state."""

from __future__ import annotations

import html
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#0f1e2d"
"""Stands for the page's text colour while a figure is drawn; no plot uses it by chance."""

BLUE, ORANGE, GREEN, RED, PURPLE = "#3f8fdc", "#e8871e", "#2fa35f", "#e0483e", "#9a6fd0"
"""Colours of lines that can be told apart on light and dark ground."""

DRAWING = threading.RLock()
"""Held while matplotlib's settings, of which a process has one set, are ours: plots are made in several threads."""

STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: crisp, small, and in the page's font
    "svg.hashsalt": "ikebook",
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE]),
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def plotting(width: float = 7, height: float = 2.6) -> Iterator[Figure]:
    """Give a figure of so many inches to draw into; its text and axes take the colour `INK`.

    >>> with plotting() as figure:
    ...     figure.subplots().plot([0, 1])
    ...     picture = figure_html(figure, "a line that rises")
    [...]
    >>> "currentColor" in picture
    True
    """
    with DRAWING, mpl.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def grid(axis: Axes) -> Axes:
    """Faint horizontal lines behind what is plotted."""
    axis.grid(axis="y")
    axis.set_axisbelow(True)
    return axis


def figure_html(figure: Figure, alt: str) -> str:
    """A figure as inline SVG, its `INK` in the page's text colour, for `ipywidgets.HTML`.

    Parameters
    ----------
    figure : drawn within `plotting`
    alt : what it shows, in words, for those who can't see it
    """
    stream = io.StringIO()
    with DRAWING, mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)  # inline, SVG needs no name
    text = re.sub(r"font: (\w+ )?([\d.]+)px [^;\"]*", r"font: \1\2px system-ui, sans-serif", text)
    text = text.replace(INK, "currentColor")
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    width = f"{float(size[1]) * 4 / 3:.0f}px" if size else "100%"
    head = f'<svg role="img" aria-label="{html.escape(alt)}" style="width: 100%; max-width: {width}; height: auto"'
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", text, count=1).replace("<svg", head, 1)
    return f'<div class="ike-figure" style="color: var(--jp-ui-font-color0, inherit)">{text}</div>'
