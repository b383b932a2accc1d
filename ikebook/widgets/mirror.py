"""A whole widget as one anywidget, for notebooks that show these and no boxes of `ipywidgets`, such as marimo.

The page draws the tree of widgets as a static page would (see browser/mirror.js), but each part has its kernel behind it: what changes in
Python is told to the page, and what the page changes is told to Python, in messages of this one widget.
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

import anywidget
import ipywidgets

from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.choice import Choice
from ikebook.widgets.live import Live
from ikebook.widgets.number_slider import NumberSlider
from ikebook.widgets.scripts import script, style
from ikebook.widgets.synced import Synced

OWN: dict[type, tuple[str, ...]] = {
    ipywidgets.HTML: ("value",),
    ipywidgets.HTMLMath: ("value",),
    ipywidgets.Label: ("value",),
    ipywidgets.Button: ("description", "tooltip", "disabled"),
    ipywidgets.Dropdown: ("description", "_options_labels", "index", "disabled"),
    ipywidgets.FloatProgress: ("value", "min", "max"),
}
"""Of `ipywidgets`, those that our widgets consist of, and what the page has to know of them."""

KINDS = {
    ipywidgets.HTML: "html",
    ipywidgets.HTMLMath: "html",
    ipywidgets.Label: "html",
    ipywidgets.Button: "button",
    ipywidgets.Dropdown: "menu",
    ipywidgets.FloatProgress: "progress",
}

PLACED = ("display", "visibility", "flex", "width", "min_width", "max_width")
"""What of a layout changes where, or whether, a widget is shown."""


class Mirror(anywidget.AnyWidget):
    """A whole widget as one anywidget, with Python behind it.

    Parameters
    ----------
    widget : ipywidgets.Widget
        Boxes of our own widgets, and of those of `ipywidgets` that they use.
    """

    _esm = f"const IKEBOOK_STYLE = {json.dumps(style('canvas.css') + style('page.css'))};\n\n{script('mirror.js')}"

    def __init__(self, widget: ipywidgets.Widget) -> None:
        super().__init__()
        self.widget = widget
        self._parts: dict[str, ipywidgets.Widget] = {}
        self._told: set[str] = set()  # parts that the page knows
        self.on_msg(self._receive)

    def tree(self) -> dict[str, Any] | None:
        """What is shown, and where; None if nothing is."""
        return self._node(self.widget)

    def _node(self, widget: ipywidgets.Widget) -> dict[str, Any] | None:
        self._watch(widget)
        layout = widget.layout
        if layout.display == "none":
            return None
        given = {name.replace("_", "-"): getattr(layout, name) for name in PLACED[1:] if getattr(layout, name)}
        node: dict[str, Any] = {"id": widget.model_id, "style": given}
        if isinstance(widget, ipywidgets.Box):
            row = isinstance(widget, ipywidgets.HBox) or "row" in (layout.flex_flow or "")
            return node | {"kind": "box", "row": row, "children": [self._node(child) for child in widget.children]}
        if isinstance(widget, ipywidgets.Button) and widget.style.button_color:
            node |= {"ground": widget.style.button_color}
        return node | {"kind": kind_of(widget)}

    def _watch(self, widget: ipywidgets.Widget) -> None:
        """Hear of its changes, in place of the page that would have shown it alone."""
        if widget.model_id in self._parts:
            return
        self._parts[widget.model_id] = widget
        widget.send_state = functools.partial(self._forward, widget)
        widget.layout.observe(lambda _: self._show(), [*PLACED])
        if isinstance(widget, ipywidgets.Box):
            widget.observe(lambda _: self._show(), ["children"])

    def _forward(self, widget: ipywidgets.Widget, key: str | Iterable[str] | None = None) -> None:
        names = [key] if isinstance(key, str) else None if key is None else [*key]
        state, buffers = encoded(state_of(widget, names))
        if state and widget.model_id in self._told:
            self.send({"kind": "change", "id": widget.model_id, "state": state}, buffers)

    def _show(self) -> None:
        """Send the tree, and what is new in it: at first, and when other parts are shown."""
        tree = self.tree()
        states: dict[str, Any] = {}
        buffers: list[bytes] = []
        for name in self._parts.keys() - self._told:
            states[name] = encoded(state_of(self._parts[name]), buffers)[0]
        self._told |= states.keys()
        self.send({"kind": "all", "tree": tree, "states": states}, buffers)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Sequence[Any]) -> None:
        if content["kind"] == "ask":  # a view that knows nothing
            self._told.clear()
            self._show()
            return
        part = self._parts[content["id"]]
        if content["kind"] == "click":
            part.click()
        else:
            part.set_state({name: decoded(value, buffers) for name, value in content["state"].items()})


def kind_of(widget: ipywidgets.Widget) -> str:
    """What the page calls a widget, as in page_view.js and mirror.js."""
    if isinstance(widget, VideoCanvas):
        return "canvas"
    if isinstance(widget, Live):
        return widget.kind
    if isinstance(widget, NumberSlider):
        return "number"
    return "choice" if isinstance(widget, Choice) else KINDS.get(type(widget), "unknown")


def state_of(widget: ipywidgets.Widget, names: Iterable[str] | None = None) -> dict[str, Any]:
    """What the page has to know of a widget: all of it, or these of its traits. Long bytes are as they are, in no pieces."""
    if isinstance(widget, Synced):
        known = [name for name in widget.keys if name[0] != "_" and name not in ("layout", "tooltip", "tabbable")]
    else:
        known = [*OWN.get(type(widget), ())]
    state = {}
    for name in known if names is None else [name for name in names if name in known]:
        value = getattr(widget, name)
        to_json = widget.trait_metadata(name, "to_json")
        state[name] = to_json(value, widget) if to_json is not None and name == "painted" else value
    if isinstance(widget, (ipywidgets.Label, ipywidgets.HTMLMath)) and "value" in state:
        state["value"] = html.escape(state["value"])
    return state


def encoded(state: dict[str, Any], buffers: list[bytes] | None = None) -> tuple[dict[str, Any], list[bytes]]:
    """A state without bytes, which come beside it: to `buffers`, if they are given."""
    beside = [] if buffers is None else buffers
    written = {}
    for name, value in state.items():
        if isinstance(value, bytes):
            written[name] = {"buffer": len(beside)}
            beside.append(value)
        else:
            written[name] = value
    return written, beside


def decoded(value: Any, buffers: Sequence[Any]) -> Any:
    """A value as it was before `encoded`, as the page does it too."""
    return bytes(buffers[value["buffer"]]) if isinstance(value, dict) and "buffer" in value else value
