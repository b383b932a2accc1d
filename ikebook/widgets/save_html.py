"""Static snapshots: a widget and the states it can be stepped through, in one file that needs no kernel and no network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ipywidgets

from ikebook.base.check import readable, require
from ikebook.base.files import write_text
from ikebook.base.places import user_path
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.choice import Choice
from ikebook.widgets.live import Live
from ikebook.widgets.number_slider import NumberSlider
from ikebook.widgets.scripts import script, style

LONG = 400
"""Texts with more characters are stored once, however many states show them."""

GROUPS = {"group", "joins", "computed", "shows", "channel", "sliders"}
"""Traits that name what is on the page; names that are drawn anew each time are counted there."""

LEFT_OUT = {"tooltip", "tabbable", "layout", "picked", "follow", "wanted"}
"""Traits that a page has no use for."""


@dataclass(frozen=True)
class State:
    """One state of a page.

    Parameters
    ----------
    label : str
        What the step slider says beside it.
    pixel : (frame, x, y), optional
        Whose click on a canvas leads here; the state with the nearest one is taken.
    """

    label: str
    pixel: tuple[int, int, int] | None = None


def write_page(
    path: str | Path,
    widget: ipywidgets.Widget,
    *,
    title: str,
    states: Iterable[str | State] = (),
    note: str = "",
) -> None:
    """Write a page that shows a widget, scrubs, plays and zooms its canvases, and steps through states.

    What it shows of the tree of widgets: boxes; canvases, alive, as is what a page computes by itself; `HTML`, `HTMLMath` (as text) and `Label`; `Image`; of
    sliders, menus and the like, what they are set to. Buttons, those of a choice too, and progress bars are left out, and so is whatever
    `layout.display` or `layout.visibility` hides.

    Parameters
    ----------
    path : str or Path
        File to write.
    widget : ipywidgets.Widget
        Any tree of them.
    title : str
        Heading.
    states : iterable of str or State, optional
        Labels. An iterable that puts `widget` into a state before it yields each of them, so that a picture of it can be
        taken: a generator that calls `widget.step()` and yields "iteration 1" is all it needs. What states have in common is
        stored once. Where there is none, the page shows the widget as it is.
    note : str, default ""
        A sentence under the heading.

    Raises
    ------
    InputError
        If there is nothing to show, or the file can't be written. One that was there before is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> canvas = VideoCanvas(np.zeros((3, 16, 16, 3), np.uint8))
    >>> def states():
    ...     for frame in range(3):
    ...         canvas.points = [{"frame": frame, "x": 8, "y": 8}]
    ...         yield f"frame {frame} marked"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "marked.html"
    ...     write_page(path, canvas, title="Marked frames", states=states())
    ...     "Marked frames" in path.read_text()
    True
    """
    path = user_path(path)
    require(not path.is_dir(), f"{path} is a folder; expected the name of a file, such as {path / 'page.html'}.")
    snapshots, store = pictured(widget, states)
    content = page(title, note, snapshots, store)
    write_text(path, content)


def write_module(path: str | Path, widget: ipywidgets.Widget, *, states: Iterable[str | State] = ()) -> None:
    """Write the same as `write_page`, as an ES module that any page of the same site can show.

    Its default export is an anywidget's, `render({ el })`: so MyST's directive `{anywidget}` takes it, and so does a plain page,
    `import widget from "./stepper.mjs"; widget.render({ el })`. A browser loads modules from servers, and not from disk.

    Parameters
    ----------
    path : str or Path
        File to write, "stepper.mjs" say.
    widget : ipywidgets.Widget
        Any tree of them.
    states : iterable of str or State, optional
        As of `write_page`.

    Raises
    ------
    InputError
        If there is nothing to show, or the file can't be written. One that was there before is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> canvas = VideoCanvas(np.zeros((3, 16, 16, 3), np.uint8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_module(Path(folder) / "dark.mjs", canvas)
    ...     (Path(folder) / "dark.mjs").read_text().rstrip().endswith("export default { render: renderEmbedded };")
    True
    """
    path = user_path(path)
    require(
        not path.is_dir(),
        f"{path} is a folder; expected the name of a file, such as {path / 'widget.mjs'}.",
    )
    content = module(widget, states)
    write_text(path, content)


def module(widget: ipywidgets.Widget, states: Iterable[str | State] = ()) -> str:
    """The text that `write_module` writes."""
    snapshots, store = pictured(widget, states)
    blobs = {name: packed(value) for name, value in store.blobs.items()}
    data = {"states": snapshots, "style": style("canvas.css") + style("page.css"), "blobs": blobs}
    return f"const IKEBOOK = {json.dumps(data, allow_nan=False)};\n\n{script('embedded.js')}"


def pictured(widget: ipywidgets.Widget, states: Iterable[str | State]) -> tuple[list[dict[str, Any]], Store]:
    """What a page shows of a widget in each of its states, and the bytes of that."""
    require(
        isinstance(widget, ipywidgets.Widget),
        f"widget is a {type(widget).__name__}; expected a widget, such as a ClipPlayer.",
    )
    store = Store()
    snapshots: list[dict[str, Any]] = []
    for given in states:
        state = State(given) if isinstance(given, str) else given
        tree = snapshot(widget, store)
        pixel = None if state.pixel is None else [int(value) for value in state.pixel]
        require(pixel is None or len(pixel) == 3, f"a state's pixel is {state.pixel}; expected (frame, x, y).")
        snapshots.append({"label": state.label, "pixel": pixel, "tree": tree})
    if not snapshots:
        snapshots.append({"label": "", "pixel": None, "tree": snapshot(widget, store)})
    require(snapshots[0]["tree"] is not None, "the widget shows nothing that a page can show; is it hidden?")
    return snapshots, store


@dataclass
class Store:
    """Bytes and long texts of a page, each once, by a hash of them; what refers to them has these names."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def put(self, data: bytes) -> str:
        """The name of these bytes."""
        name = hashlib.blake2b(data, digest_size=9).hexdigest()
        self.blobs[name] = data
        return name

    def text(self, value: str) -> str | dict[str, str]:
        """A text, or where to find it if it is long."""
        return value if len(value) <= LONG else {"text": self.put(readable(value).encode())}

    def groups_of(self, value: Any) -> Any:
        """A name, or each of those in a list or a dict, as `group` gives it."""
        if isinstance(value, list):
            return [self.group(one) for one in value]
        return (
            {self.group(one): place for one, place in value.items()} if isinstance(value, dict) else self.group(value)
        )

    def group(self, name: str) -> str:
        """A name, counted: names that are drawn anew each time would change the file."""
        return self.groups.setdefault(name, f"group{len(self.groups)}")


def snapshot(widget: Any, store: Store) -> dict[str, Any] | None:
    """What a page shows of a widget, as JSON; None for nothing."""
    layout = getattr(widget, "layout", None)
    if layout is not None and (layout.display == "none" or layout.visibility == "hidden"):
        return None
    found = _content(widget, store)
    if found is not None and layout is not None:
        style = {name: getattr(layout, name) for name in ("flex", "width", "min_width", "max_width")}
        found["style"] = {name.replace("_", "-"): value for name, value in style.items() if value}
    return found


def _content(widget: Any, store: Store) -> dict[str, Any] | None:
    if isinstance(widget, VideoCanvas):
        return {"kind": "canvas", "state": _traits(widget, store) | {"picked": None}}
    if isinstance(widget, Live):
        return {"kind": widget.kind, "state": _traits(widget, store)} if widget.on_page() else None
    if isinstance(widget, NumberSlider) and widget.channel:
        return {"kind": "number", "state": _traits(widget, store)}
    if hasattr(widget, "page_part"):
        return snapshot(widget.page_part, store)
    if isinstance(widget, ipywidgets.Box):
        children = [found for child in widget.children if (found := snapshot(child, store)) is not None]
        if not children:
            return None
        row = isinstance(widget, ipywidgets.HBox) or "row" in (widget.layout.flex_flow or "")
        grown = not isinstance(widget, (ipywidgets.HBox, ipywidgets.VBox)) and not widget.layout.flex_flow
        return {"kind": "box", "row": row or grown, "children": children}
    if isinstance(widget, ipywidgets.Image):
        media = f"image/{widget.format.replace('svg', 'svg+xml')}"
        return {"kind": "image", "media": media, "blob": store.put(bytes(widget.value)), "alt": widget.tooltip or ""}
    if isinstance(widget, (ipywidgets.Label, ipywidgets.HTMLMath)):
        return {"kind": "html", "value": store.text(html.escape(widget.value))} if widget.value else None
    if isinstance(widget, ipywidgets.HTML):
        return {"kind": "html", "value": store.text(widget.value)} if widget.value else None
    if isinstance(widget, (ipywidgets.IntProgress, ipywidgets.FloatProgress, ipywidgets.Play, ipywidgets.Button)):
        return None
    if isinstance(widget, Choice):
        return None  # of what is to be seen one after the other: in a page, its steps say that
    if isinstance(widget, (ipywidgets.ValueWidget, NumberSlider)):
        shown = getattr(widget, "label", None) if hasattr(widget, "options") else None
        value = shown if isinstance(shown, str) else widget.value
        text = (
            f"{value:g}" if isinstance(value, float) else "yes" if value is True else "no" if value is False else value
        )
        return {"kind": "control", "label": getattr(widget, "description", ""), "value": str(text)}
    inner = getattr(widget, "widget", None)
    return snapshot(inner, store) if isinstance(inner, ipywidgets.Widget) else None


def _traits(widget: VideoCanvas | Live | NumberSlider, store: Store) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for name in widget.trait_names(sync=True):
        if name[0] == "_" or name in LEFT_OUT:
            continue
        value = getattr(widget, name)
        if name == "playing":
            value = False  # a page that starts to move by itself is a nuisance
        if isinstance(value, bytes):
            value = {"bytes": store.put(value)}
        if name in GROUPS and value:
            value = store.groups_of(value)
        state[name] = value
    return state


def page(title: str, note: str, states: list[dict[str, Any]], store: Store) -> str:
    """The HTML of a page. Its policy lets nothing in from outside, and runs no script but its own."""
    code = script("page.js").replace("</script", "<\\/script")
    styles = style("canvas.css") + style("page.css")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    data = json.dumps({"states": states}, allow_nan=False).replace("<", "\\u003c")
    blobs = "\n".join(_blob(name, value) for name, value in store.blobs.items())
    try:
        made = f"Made with ikebook {version('ikebook')}."
    except PackageNotFoundError:
        made = "Made with ikebook."
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{html.escape(title)}</title>
<style>
{styles}</style>
</head>
<body class="ike-page">
<header><h1>{html.escape(title)}</h1>{f"<p>{html.escape(note)}</p>" if note else ""}</header>
<main></main>
<footer>{made} This page needs no network: save it, and it works from disk.</footer>
<noscript>This page plays a video in the browser, and needs JavaScript for that.</noscript>
<script type="application/json" id="ike-states">{data}</script>
{blobs}
<script type="module">{code}</script>
</body>
</html>
"""


def packed(data: bytes) -> tuple[str, bool]:
    """Bytes as base64, and whether they are compressed, which they are if that makes them smaller."""
    smaller = gzip.compress(data, 6, mtime=0)
    small = len(smaller) < 0.95 * len(data)
    return base64.b64encode(smaller if small else data).decode(), small


def _blob(name: str, data: bytes) -> str:
    text, small = packed(data)
    return f'<script type="text/plain" id="ike-{name}"{" data-gzip" if small else ""}>{text}</script>'
