"""What a widget shows of its job: how far it is, a button to stop it, and an error if it fails."""

from __future__ import annotations

import html
import time

import ipywidgets

from ikebook.widgets.background import Job
from ikebook.widgets.base import INK

BETWEEN = 0.1
"""Seconds between two messages to the browser about one piece of work."""


class JobBar(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """What a widget shows of its job: a progress bar with text and a Stop button while it runs, an error if it fails.

    Attributes
    ----------
    error : str
        The line that is shown; "" if there is none.
    """

    def __init__(self) -> None:
        self.progress = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="180px", margin="0"))
        self.text = ipywidgets.HTML()
        self.button = ipywidgets.Button(
            description="Stop", tooltip="Stop what is being computed", layout=ipywidgets.Layout(width="72px")
        )
        self.button.on_click(lambda _: self.stop())
        self.row = ipywidgets.HBox(
            [self.progress, self.text, self.button],
            layout=ipywidgets.Layout(align_items="center", grid_gap="12px", visibility="hidden"),
        )
        self.alert = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self.error = ""
        self.job: Job | None = None
        self._last_shown = (0.0, "")
        super().__init__([self.row, self.alert], layout=ipywidgets.Layout(width="100%"))

    def __repr__(self) -> str:
        return f"JobBar({self.job!r})"

    @property
    def page_part(self) -> ipywidgets.Widget:
        """What a static page shows of it: an error; nothing is computed there."""
        return self.alert

    def watch(self, job: Job) -> None:
        """Show this job from now on."""
        self.job = job
        self.show_error("")

    def show(self, fraction: float | None, text: str) -> None:
        """How far it is; None if that is not known."""
        now = time.monotonic()
        if text == self._last_shown[1] and fraction not in (None, 0, 1) and now < self._last_shown[0] + BETWEEN:
            return
        self._last_shown = (now, text)
        self.row.layout.visibility = "visible"
        self.progress.layout.display = "none" if fraction is None else ""
        self.progress.value = fraction or 0.0
        self.text.value = f'<span role="status" style="font-size: 15px">{html.escape(text)}</span>'

    def show_error(self, line: str) -> None:
        """Show an error, or none if the line is empty."""
        self.error = line
        if line or self.alert.value:
            self.alert.value = alert(line) if line else ""
            self.alert.layout.display = "" if line else "none"

    def hide(self) -> None:
        """Show no progress: nothing runs."""
        self._last_shown = (0.0, "")
        self.row.layout.visibility = "hidden"
        self.text.value = ""

    def stop(self) -> None:
        """Cancel the job, and say so: it ends at its next step."""
        if self.job is not None and self.job.active:
            self.show(self.job.fraction, "stopping after this step")
            self.job.cancel()


def alert(line: str) -> str:
    """An error as HTML that is read out at once."""
    style = (
        "font-size: 15px; line-height: 1.4; padding: 8px 12px; border-left: 4px solid #d33; border-radius: 3px; "
        f"background: rgba(221, 51, 51, 0.1); color: {INK}"
    )
    return f'<div role="alert" style="{style}">{html.escape(line)}</div>'
