"""What the widgets that are composed of others have in common."""

from __future__ import annotations

import gc
import html
import inspect
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from ikebook.base.machine import resident_memory
from ikebook.widgets.arrays import check_options
from ikebook.widgets.frame_picture import with_still
from ikebook.widgets.save_html import State, write_module, write_page

INK, QUIET_INK = "var(--jp-ui-font-color0, inherit)", "var(--jp-ui-font-color1, inherit)"
"""Colours of text in JupyterLab's theme; elsewhere, the page's."""

GREEN_GROUND, BLUE_GROUND = "#1a7f45", "#1f6fc4"
"""Grounds of white text, 4.5:1 or more, on a light page or a dark one: of what goes on or is done, and of what is next or now."""


class Garbage:
    """Collects what closed widgets leave: circles of widgets and callbacks, and the arrays that hang on them.

    Python's collector counts objects, not bytes, and would look for them after a hundred thousand new ones. It takes some
    tenths of a second with PyTorch around, so that a few small widgets are not worth it.
    """

    SLACK = 1 << 24
    """Bytes above the least that the process ever had after collecting: what is above them may be garbage."""

    SHARE = 0.3
    """Of the time, at most, that goes into collecting while many are closed in a row."""

    def __init__(self) -> None:
        self._least, self._next = 0, 0.0

    def collect_if_much(self) -> None:
        """Collect it if there may be much of it."""
        begin = time.monotonic()
        if begin < self._next or 0 < self._least >= resident_memory() - self.SLACK:
            return
        gc.collect()
        after, end = resident_memory(), time.monotonic()
        self._least = min(self._least or after, after)
        self._next = end + (end - begin) * (1 / self.SHARE - 1)


GARBAGE = Garbage()


class Composed(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A column of widgets that knows how to become a static page.

    Attributes
    ----------
    page_note : str
        A sentence under the page's heading: what a reader without a kernel can do.
    """

    page_note = ""

    _mirror: Any = None

    @traitlets.default("_dom_classes")
    def _default_dom_classes(self) -> tuple[str, ...]:
        return ("ike-whole",)  # what fills the screen (see browser/whole.js)

    def refuse(self, unknown: Mapping[str, Any]) -> None:
        """Raise `InputError`, with the option that was probably meant, if there is any in `unknown`."""
        parameters = inspect.signature(type(self)).parameters.values()
        check_options(
            type(self).__name__, unknown, [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
        )

    def page_states(self) -> Iterator[str | State]:
        """Put the widget into one state after the other, for a static page.

        Yields
        ------
        str or State
            The label of each, which is pictured then. Without any, the page shows the widget as it is.
        """
        yield from ()

    def close(self) -> None:
        """Take it out of the page with all that it is made of, and give back its memory; what it computes ends.

        ipywidgets holds every widget for as long as it is open, also one that no name in a notebook stands for any more.
        """
        if self.comm is None:
            return
        parts = list(made_of(self))
        super().close()
        for part in parts:
            part.close()
        GARBAGE.collect_if_much()

    def save_html(self, path: str | Path, title: str | None = None) -> None:
        """Write a page that shows this widget without kernel and network: one file, to open from disk or put on a site.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str, optional
            Heading of the page; by default the widget's name.

        Raises
        ------
        InputError
            If the file can't be written. One that was there before is then as it was.
        """
        write_page(path, self, title=title or type(self).__name__, states=self.page_states(), note=self.page_note)

    def save_module(self, path: str | Path) -> None:
        """Write this widget as an ES module, for MyST's directive `{anywidget}` or a plain page of your own.

        Parameters
        ----------
        path : str or Path
            File to write, "stepper.mjs" say; see `write_module`.

        Raises
        ------
        InputError
            If the file can't be written. One that was there before is then as it was.
        """
        write_module(path, self, states=self.page_states())

    def _display_(self) -> Any:
        # marimo asks for this. It shows anywidgets, but no boxes of ipywidgets: so it gets one that is the whole widget.
        from ikebook.widgets.mirror import Mirror

        if self._mirror is None:
            self._mirror = Mirror(self)
        return self._mirror

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from ikebook.widgets.still import still

        return with_still(super()._repr_mimebundle_(**kwargs), repr(self), still(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def made_of(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """All widgets that one is made of, however deep: children, layouts and styles, and what it holds without showing it."""
    seen, found = {id(widget)}, [widget]
    while found:
        place = found.pop()
        held = [*getattr(place, "_trait_values", {}).values(), *vars(place).values()]
        while held:
            one = held.pop()
            if isinstance(one, (list, tuple, dict)):
                held += [part for part in (one.values() if isinstance(one, dict) else one) if isinstance(part, PARTS)]
            elif id(one) not in seen and (isinstance(one, ipywidgets.Widget) or _is_view(one)):
                seen.add(id(one))
                found.append(one)
                if isinstance(one, ipywidgets.Widget):
                    yield one


PARTS = (ipywidgets.Widget, list, tuple, dict)
"""What `made_of` looks for in what a widget holds."""


def _is_view(value: Any) -> bool:
    """Whether it is the page's side of a widget, which holds widgets and is none."""
    return type(value).__module__.startswith("ikebook.widgets.") and type(value).__name__.endswith("View")


def note(text: str) -> str:
    """A quiet line of text under a widget, as HTML; what is in `text` is shown as it is."""
    return f'<div style="font-size: 15px; line-height: 1.45; color: {QUIET_INK}">{html.escape(text)}</div>'


def html_table(rows: Iterable[str], head: str = "") -> str:
    """A small table in the theme's colours, of rows and a head that are HTML already."""
    top = f"<thead>{head}</thead>" if head else ""
    style = f"font-size: 15px; line-height: 1.5; border-collapse: collapse; color: {INK}"
    return f'<table style="{style}">{top}<tbody>{"".join(rows)}</tbody></table>'
