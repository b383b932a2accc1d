"""What the widgets that compute have in common: one job at a time, and errors shown where they belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from ikebook.base.check import InputError
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job, error_line
from ikebook.widgets.base import Composed
from ikebook.widgets.job_bar import JobBar

DEBOUNCE = 0.25
"""Seconds that a slider has to rest before what hangs on it is computed."""


class Computing(Composed):
    """A widget whose numbers take time.

    A first job prepares it; what needs its results waits for it (`ready`). Of later ones the last counts: a new job cancels
    the one before.

    Parameters
    ----------
    clip : Clip
        What the widget is about.

    Attributes
    ----------
    error : str
        The error that is shown, one line; "" if there is none.
    busy : bool
        Whether something is being computed.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.bar = JobBar()
        self._job: Job | None = None
        self._first: Job | None = None
        super().__init__(layout=ipywidgets.Layout(width="100%"))

    def arrange(self, children: Sequence[ipywidgets.Widget]) -> None:
        """Show these from top to bottom, buttons first; progress and errors under those, where whoever has clicked looks."""
        first, *others = children
        self.children = [first, self.bar, *others]

    @property
    def error(self) -> str:
        """The error that is shown, one line; "" if there is none."""
        return self.bar.error

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._job is not None and self._job.active

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is computed any more.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; by default as long as it takes.

        Returns
        -------
        bool
            Whether nothing is computed any more.
        """
        return self._job is None or self._job.wait(timeout)

    def close(self) -> None:
        """Take it out of the page with all that it is made of, and give back its memory; what it computes ends."""
        for name in ("_first", "_job"):
            job = vars(self).get(name)  # of one whose arguments were refused there is none
            if job is not None:
                job.cancel()
        super().close()

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
        debounce: float = 0.0,
        on_end: Callable[[], None] = lambda: None,
    ) -> Job:
        """Start a job, after the one before has ended.

        Parameters
        ----------
        work, on_result, on_end : callable
            See `Job`.
        text : str, default "computing"
            What is done, for the progress line.
        debounce : float, default 0
            Seconds to wait first, in which another job would cancel this one.
        """
        before, first = self._job, self._first
        if before is not None and before is not first:
            before.cancel()

        def whole(job: Job) -> Any:
            if before is not None:
                before.wait()
            if first is not None and first.state in ("failed", "cancelled"):
                raise InputError(first.error or "the widget's graph has not been built, as that was stopped.")
            job.sleep(debounce)
            job.step(None, text)
            return work(job)

        def end() -> None:
            if self._job is job:
                self.bar.hide()
            on_end()

        def fail(line: str) -> None:
            if self._job is job:
                self.bar.show_error(line)

        job = Job(whole, on_progress=self._progress, on_result=on_result, on_error=fail, on_end=end)
        self._job = job
        self.bar.watch(job)
        return job.start()

    def _progress(self, fraction: float | None, text: str) -> None:
        self.bar.show(fraction, text)

    def guarded(self, act: Callable[[], Any]) -> None:
        """Do what a button says, and show an error instead of losing it."""
        try:
            self.bar.show_error("")
            act()
        except Exception as error:  # noqa: BLE001  # in a callback nobody else would see it
            self.bar.show_error(error_line(error))

    def _describe(self) -> str:
        w, h = self.clip.size
        return f"{self.clip.name!r}, {len(self.clip)} frames of {w}x{h}"
