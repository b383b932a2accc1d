"""What the widgets that compute have in common: one job at a time, and errors shown where they belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np

from ikebook.base.check import InputError
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job, JobBar, one_line
from ikebook.widgets.base import Composed
from ikebook.widgets.canvas import VideoCanvas, link

SETTLE = 0.25
"""Seconds that a slider has to rest before what hangs on it is computed."""


class Computing(Composed):
    """A widget whose numbers take time.

    A first job prepares it; what needs its results waits for it (`ready`). Of later ones the last counts: a new job cancels
    the one before.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.bar = JobBar()
        self._job: Job | None = None
        self._first: Job | None = None
        super().__init__(layout=ipywidgets.Layout(width="100%"))

    @property
    def error(self) -> str:
        """The error that is shown, one line; "" if there is none."""
        return self.bar.error

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._job is not None and self._job.active

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is computed any more, for so many seconds at most; whether that is so."""
        return self._job is None or self._job.wait(timeout)

    def cancel(self) -> None:
        """Cancel what is being computed."""
        self.bar.stop()

    def prepare(
        self, work: Callable[[Job], Any], on_result: Callable[[Any], None], text: str, on_end: Callable[[], None]
    ) -> Job:
        """The first job, or the first after the widget's graph has changed."""
        before, self._first = self._first, None
        if before is not None:
            before.cancel()
        self._first = self.compute(work, on_result, text, on_end=on_end)
        return self._first

    def ready(self) -> None:
        """Wait until the widget is prepared.

        Raises
        ------
        InputError
            If that failed, with the line that the widget shows.
        """
        while (job := self._first) is not None and not job.inside:
            job.wait()
            if job is not self._first:
                continue  # another graph has been asked for meanwhile
            if job.state == "failed":
                raise InputError(job.error)
            if job.state == "cancelled":
                raise InputError("the widget's graph has not been built, as that was stopped. Make the widget again.")
            return

    def compute(
        self,
        work: Callable[[Job], Any],
        on_result: Callable[[Any], None] = lambda result: None,
        text: str = "computing",
        *,
        settle: float = 0.0,
        on_end: Callable[[], None] = lambda: None,
    ) -> Job:
        """Start a job, after the one before has ended.

        Parameters
        ----------
        work, on_result, on_end : see `Job`
        text : what is done, for the progress line
        settle : seconds to wait first, in which another job would cancel this one
        """
        before, first = self._job, self._first
        if before is not None and before is not first:
            before.cancel()

        def whole(job: Job) -> Any:
            if before is not None:
                before.wait()
            if first is not None and first.state in ("failed", "cancelled"):
                raise InputError(first.error or "the widget's graph has not been built, as that was stopped.")
            job.sleep(settle)
            job.step(None, text)
            return work(job)

        def end() -> None:
            if self._job is job:
                self.bar.rest()
            on_end()

        def fail(line: str) -> None:
            if self._job is job:
                self.bar.fail(line)

        job = Job(whole, on_progress=self._progress, on_result=on_result, on_error=fail, on_end=end)
        self._job = job
        self.bar.watch(job)
        return job.start()

    def _progress(self, fraction: float | None, text: str) -> None:
        self.bar.show(fraction, text)

    def guarded(self, act: Callable[[], Any]) -> None:
        """Do what a button says, and show an error instead of losing it."""
        try:
            self.bar.fail("")
            act()
        except Exception as error:  # noqa: BLE001  # in a callback nobody else would see it
            self.bar.fail(one_line(error))

    def _describe(self) -> str:
        w, h = self.clip.size
        return f"{self.clip.name!r}, {len(self.clip)} frames of {w}x{h}"


def button(text: str, tooltip: str, act: Callable[[], Any], width: str = "96px", style: str = "") -> ipywidgets.Button:
    """A button whose click calls `act`."""
    made = ipywidgets.Button(
        description=text, tooltip=tooltip, button_style=style, layout=ipywidgets.Layout(width=width)
    )
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
    """Widgets side by side, as far as there is room."""
    return ipywidgets.Box(
        children, layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center", grid_gap=gap, width="100%")
    )


def beside(*children: ipywidgets.Widget, least: int = 240) -> ipywidgets.Box:
    """Pictures and plots side by side, each as wide as it can be and `least` pixels at least, from the top."""
    for child in children:
        child.layout.flex = child.layout.flex or f"1 1 {least}px"
        child.layout.min_width = f"{least}px"
    return ipywidgets.Box(
        children,
        layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="16px", width="100%"),
    )


def in_step(*canvases: VideoCanvas) -> VideoCanvas:
    """One playback bar for pictures that show the same frame."""
    bar = VideoCanvas(shape=canvases[0].shape, parts="bar", fps=canvases[0].fps)
    link(*canvases, bar)
    return bar


def show_signed(canvas: VideoCanvas, labels: np.ndarray) -> None:
    """Show labels (m, h, w), 0 in the middle of the colours and few of them beyond the ends."""
    top = limit(labels.reshape(-1))
    canvas.show(maps=labels, map_range=(-top, top))


def limit(labels: np.ndarray, part: float = 0.998) -> float:
    """A range of colours about 0 that a few outliers do not spoil: the quantile `part` of |labels|."""
    size = np.abs(labels)
    found = float(np.quantile(size[:: max(1, size.size // 200_000)] if size.ndim == 1 else size, part))
    return found or float(size.max()) or 1.0
