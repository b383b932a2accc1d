"""What the widgets that are composed of others have in common."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ipywidgets

from ikebook.widgets.arrays import check_options
from ikebook.widgets.save_html import State, write_page

INK, QUIET_INK = "var(--jp-ui-font-color0, inherit)", "var(--jp-ui-font-color1, inherit)"
"""Colours of text in JupyterLab's theme; elsewhere, the page's."""

GREEN_GROUND, BLUE_GROUND = "#1a7f45", "#1f6fc4"
"""Grounds of white text, 4.5:1 or more, on a light page or a dark one: of what goes on or is done, and of what is next or now."""


class Composed(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A column of widgets that knows how to become a static page.

    Attributes
    ----------
    page_note : str
        A sentence under the page's heading: what a reader without a kernel can do.
    """

    page_note = ""

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

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # Where no widget can be shown, a notebook falls back to a still, or to this text, which ipywidgets would cut short.
        from ikebook.widgets.still import still

        bundle = super()._repr_mimebundle_(**kwargs)
        for part in bundle if isinstance(bundle, tuple) else (bundle,):
            if part and "text/plain" in part:
                part["text/plain"] = repr(self)
                picture = still(self)
                if picture is not None:
                    part["image/png"] = picture
        return bundle

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def note(text: str) -> str:
    """A quiet line of text under a widget, as HTML; what is in `text` is shown as it is."""
    return f'<div style="font-size: 15px; line-height: 1.45; color: {QUIET_INK}">{html.escape(text)}</div>'


def html_table(rows: Iterable[str], head: str = "") -> str:
    """A small table in the theme's colours, of rows and a head that are HTML already."""
    top = f"<thead>{head}</thead>" if head else ""
    style = f"font-size: 15px; line-height: 1.5; border-collapse: collapse; color: {INK}"
    return f'<table style="{style}">{top}<tbody>{"".join(rows)}</tbody></table>'
