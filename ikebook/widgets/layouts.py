"""Pieces that several widgets are laid out of: buttons, menus, rows, and pictures that go in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np

from ikebook.widgets.arrays import symmetric_limit
from ikebook.widgets.canvas import VideoCanvas, link


def button(text: str, tooltip: str, act: Callable[[], Any], ground: str | None = None) -> ipywidgets.Button:
    """A button whose click calls `act`; on a ground of `base.py` its text is white.

    JupyterLab's own button styles are 2.8:1 and 4.1:1, too little for text.
    """
    made = ipywidgets.Button(
        description=text, tooltip=tooltip, layout=ipywidgets.Layout(width="96px"), style={"button_color": ground}
    )
    if ground is not None:
        made.style.text_color = "#ffffff"
    made.on_click(lambda _: act())
    return made


def menu(text: str, options: Sequence[str | tuple[str, str]], width: str, text_width: str) -> ipywidgets.Dropdown:
    """A menu with a text before it; its options are values, or texts and values."""
    return ipywidgets.Dropdown(
        options=options,
        description=text,
        layout=ipywidgets.Layout(width=width),
        style={"description_width": text_width},
    )


def row(*children: ipywidgets.Widget, gap: str = "12px") -> ipywidgets.Box:
    """Widgets in a row, as far as there is room."""
    return ipywidgets.Box(
        children, layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center", grid_gap=gap, width="100%")
    )


def side_by_side(*children: ipywidgets.Widget, least: int = 240) -> ipywidgets.Box:
    """Pictures and plots in a row, each as wide as it can be and `least` pixels at least, from the top."""
    for child in children:
        child.layout.flex = child.layout.flex or f"1 1 {least}px"
        child.layout.min_width = f"{least}px"
    return ipywidgets.Box(
        children,
        layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="16px", width="100%"),
    )


def playback_bar(*canvases: VideoCanvas) -> VideoCanvas:
    """One playback bar for canvases, which are linked with it and show the same frame."""
    bar = VideoCanvas(shape=canvases[0].shape, parts="bar", fps=canvases[0].fps)
    link(*canvases, bar)
    return bar


def show_signed(canvas: VideoCanvas, labels: np.ndarray) -> None:
    """Show labels (m, h, w), 0 in the middle of the colours and few of them beyond the ends."""
    top = symmetric_limit(labels.reshape(-1))
    canvas.show(maps=labels, map_range=(-top, top))
