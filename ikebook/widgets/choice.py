"""Buttons of which one is chosen, said to those who can't see their colours too: those of ipywidgets say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets

from ikebook.base import check
from ikebook.widgets.scripts import script, style
from ikebook.widgets.synced import Synced


class Choice(Synced):
    """Buttons of which one is chosen.

    Parameters
    ----------
    options : sequence of (str, value)
        What the buttons say, and what they stand for. New ones begin with the first.
    name : str
        What is chosen, for those who hear the page.
    width : str
        Of each button, as CSS says it.

    Attributes
    ----------
    options : tuple of (str, value)
    value : any
        That which is chosen; None if none is.
    label : str
        What its button says.

    Examples
    --------
    >>> choice = Choice([("first", 1), ("second", 2)], "number", "100px")
    >>> choice.value = 2
    >>> choice.index, choice.label
    (1, 'second')
    """

    _esm = script("choice.js")
    _css = style("canvas.css")

    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    index = traitlets.Int(None, allow_none=True).tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    width = traitlets.Unicode().tag(sync=True)
    options = traitlets.Tuple()
    value = traitlets.Any(None)

    def __init__(self, options: Sequence[tuple[str, Any]], name: str, width: str) -> None:
        super().__init__(name=name, width=width)
        self.observe(lambda _: self._take_options(), ["options"])
        self.observe(lambda _: self._take_index(), ["index"])
        self.observe(lambda _: self._take_value(), ["value"])
        self.options = tuple(options)

    @property
    def label(self) -> str:
        """What the chosen button says; "" if none is chosen."""
        return "" if self.index is None else self.labels[self.index]

    @traitlets.validate("value")
    def _check_value(self, proposal: Any) -> Any:
        if proposal.value is not None:
            check.one_of("value", proposal.value, [value for _, value in self.options])
        return proposal.value

    def _take_options(self) -> None:
        with self.hold_sync():
            self.index = self.value = None
            self.labels = [text for text, _ in self.options]
            self.index = 0 if self.options else None

    def _take_index(self) -> None:
        self.value = None if self.index is None else self.options[self.index][1]

    def _take_value(self) -> None:
        values = [value for _, value in self.options]
        self.index = None if self.value is None else values.index(self.value)
