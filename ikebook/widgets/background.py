"""Long work beside the kernel: it answers while something is computed, shows how far that is, and can stop it."""

from __future__ import annotations

import html
import threading
import time
import traceback
from collections.abc import Callable, Generator
from typing import Any

import ipywidgets

from ikebook.base.check import InputError, require

RUNNING = ("running", "paused")

OFTEN = 0.1
"""Seconds between two messages about one piece of work."""


class CancelledError(Exception):
    """The work has been cancelled: raised in it by `Job.step`."""


class Job:
    """One piece of work in a thread of its own.

    Parameters
    ----------
    work : callable
        Is given this job, and calls `job.step(fraction, text)` now and then: there it waits while the job is paused, and
        ends if it is cancelled. Or it is a generator function that yields instead: `fraction`, `(fraction, text)` or None.
        What it returns is the result.
    on_progress : is told fraction (None if it is not known) and text at each step
    on_result : is told the result, unless the job has been cancelled
    on_error : is told the error as one readable line
    on_end : is called at last, however it ended

    All of them are called in the job's thread.

    Attributes
    ----------
    state : str
        "ready", "running", "paused", "done", "cancelled" or "failed".
    fraction : float or None
    text : str
    result : object
        What the work has returned.
    error : str
        One line, after a failure; `exception` is the exception, with its traceback.

    Examples
    --------
    >>> job = Job(lambda job: [job.step(k / 3) for k in range(3)]).start()
    >>> job.wait(10), job.state
    (True, 'done')
    """

    def __init__(
        self,
        work: Callable[[Job], Any],
        *,
        on_progress: Callable[[float | None, str], None] = lambda fraction, text: None,
        on_result: Callable[[Any], None] = lambda result: None,
        on_error: Callable[[str], None] = lambda line: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        require(callable(work), f"work is a {type(work).__name__}; expected a function that takes the job.")
        self.work = work
        self.on_progress, self.on_result, self.on_error, self.on_end = on_progress, on_result, on_error, on_end
        self.state = "ready"
        self.fraction: float | None = None
        self.text = ""
        self.result: Any = None
        self.error = ""
        self.exception: BaseException | None = None
        self._go = threading.Event()
        self._go.set()
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ikebook-job", daemon=True)

    def __repr__(self) -> str:
        return f"Job({self.state})"

    def start(self) -> Job:
        """Begin, once."""
        require(self.state == "ready", f"the job is {self.state}; a job is started once. Make another.")
        self.state = "running"
        self._thread.start()
        return self

    def step(self, fraction: float | None = None, text: str | None = None) -> None:
        """Say how far the work is; wait while it is paused, and raise `CancelledError` if it is cancelled."""
        self._check()
        self.fraction = fraction
        self.text = self.text if text is None else text
        self.on_progress(self.fraction, self.text)
        self._go.wait()
        self._check()

    def sleep(self, seconds: float) -> None:
        """Wait; at once awake if the job is cancelled, and no longer paused than it is."""
        if self._cancelled.wait(seconds):
            raise CancelledError
        self._go.wait()

    def cancel(self) -> None:
        """End at the next step."""
        with self._lock:
            self._cancelled.set()
            self._go.set()
            if self.state == "ready":
                self.state = "cancelled"
                self._ended.set()

    def pause(self) -> None:
        """Wait at the next step until `resume`."""
        with self._lock:
            if self.state == "running" and not self._cancelled.is_set():
                self.state = "paused"
                self._go.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        with self._lock:
            if self.state == "paused":
                self.state = "running"
                self._go.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, for so many seconds at most; whether it has."""
        require(not self.inside, "a job can't wait for its own end; use on_result or on_end.")
        return self._ended.wait(timeout)

    @property
    def active(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state in RUNNING

    @property
    def inside(self) -> bool:
        """Whether this is asked in the job's own thread."""
        return threading.current_thread() is self._thread

    @property
    def cancelled(self) -> bool:
        """Whether it has been told to end."""
        return self._cancelled.is_set()

    def _run(self) -> None:
        try:
            self._check()
            result = self.work(self)
            if isinstance(result, Generator):
                result = self._advance(result)
            self._check()
            self.result = result
            self.on_result(result)
            end = "done"
        except CancelledError:
            end = "cancelled"
        except BaseException as error:  # noqa: BLE001  # whatever it is, it must be seen
            end, self.exception, self.error = "failed", error, one_line(error)
        try:
            if end == "failed":
                self.on_error(self.error)
            self._settle(end)
            self.on_end()
        except BaseException as error:  # noqa: BLE001
            self.exception, self.error = error, one_line(error)
            self._settle("failed")
        finally:
            self._ended.set()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise CancelledError

    def _settle(self, state: str) -> None:
        with self._lock:
            self.state = state

    def _advance(self, steps: Generator[Any, None, Any]) -> Any:
        while True:
            try:
                told = next(steps)
            except StopIteration as ended:
                return ended.value
            fraction, text = told if isinstance(told, tuple) else (told, None)
            try:
                self.step(fraction, text)
            except CancelledError:
                steps.close()
                raise


def one_line(error: BaseException) -> str:
    """An error as one readable line: ours as they are, others with their kind and place."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    places = traceback.extract_tb(error.__traceback__)
    where = f" ({places[-1].filename.rpartition('/')[2]}, line {places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {text[:300] or 'no message'}{where}"


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
        self._told = (0.0, "")
        super().__init__([self.row, self.alert], layout=ipywidgets.Layout(width="100%"))

    def __repr__(self) -> str:
        return f"JobBar({self.job!r})"

    def watch(self, job: Job) -> None:
        """Show this job from now on."""
        self.job = job
        self.fail("")

    def show(self, fraction: float | None, text: str) -> None:
        """How far it is; None if that is not known."""
        now = time.monotonic()
        if text == self._told[1] and fraction not in (None, 0, 1) and now < self._told[0] + OFTEN:
            return
        self._told = (now, text)
        self.row.layout.visibility = "visible"
        self.progress.layout.display = "none" if fraction is None else ""
        self.progress.value = fraction or 0.0
        self.text.value = f'<span role="status" style="font-size: 15px">{html.escape(text)}</span>'

    def fail(self, line: str) -> None:
        """Show an error, or none if the line is empty."""
        self.error = line
        if line or self.alert.value:
            self.alert.value = alert(line) if line else ""
            self.alert.layout.display = "" if line else "none"

    def rest(self) -> None:
        """Nothing runs."""
        self._told = (0.0, "")
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
        "background: rgba(221, 51, 51, 0.1); color: var(--jp-ui-font-color0, inherit)"
    )
    return f'<div role="alert" style="{style}">{html.escape(line)}</div>'
