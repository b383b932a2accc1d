"""A still of a widget: what a notebook shows of it where no widget lives, as on a code host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets
import numpy as np

from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.frame_picture import picture_of, png

MOST = 3
"""Canvases beside each other."""

GAP = 8
"""Pixels between them."""


def still(widget: Any) -> bytes | None:
    """The canvases that a widget shows, at their frames, in one PNG picture; None if it has none with a picture."""
    found = [picture for canvas in _canvases(widget) if (picture := picture_of(canvas)) is not None][:MOST]
    if not found:
        return None
    height = max(picture.shape[0] for picture in found)
    padded = [np.pad(one, ((0, height - len(one)), (0, GAP), (0, 0))) for one in found]
    return png(np.hstack(padded)[:, :-GAP])


def _canvases(widget: Any) -> Iterator[VideoCanvas]:
    layout = getattr(widget, "layout", None)
    if layout is not None and (layout.display == "none" or layout.visibility == "hidden"):
        return
    if isinstance(widget, VideoCanvas):
        if widget.parts != "bar":
            yield widget
    elif isinstance(widget, ipywidgets.Box):
        for child in widget.children:
            yield from _canvases(child)
