"""Long work in a thread: the kernel answers meanwhile, and the work can be paused and stopped."""

from __future__ import annotations

import atexit
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Generator
from typing import Any

from ikebook.base.check import InputError, require

RUNNING = ("running", "paused")

PATIENCE = 60.0
"""Seconds that Python waits at its end for a step of a job."""

_STARTED: weakref.WeakSet[Job] = weakref.WeakSet()


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
    on_progress : callable, optional
        Called with fraction (None if it is not known) and text at each step.
    on_result : callable, optional
        Called with the result, unless the job has been cancelled.
    on_error : callable, optional
        Called with the error as one readable line.
    on_end : callable, optional
        Called at last, however it ended.

    All of them are called in the job's thread.

    Attributes
    ----------
    state : str
        "ready", "running", "paused", "done", "cancelled" or "failed".
    fraction : float or None
        How far it is, from 0 to 1; None if that is not known.
    text : str
        What it is doing.
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
        _STARTED.add(self)
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
        try:
            return self._ended.wait(timeout)
        except KeyboardInterrupt:  # whoever stops the cell that waits for it wants no more of it
            self.cancel()
            raise

    def join(self, timeout: float) -> None:
        """Wait until its thread has ended, too."""
        self._thread.join(max(0.0, timeout))

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
            end, self.exception, self.error = "failed", error, error_line(error)
        try:
            if end == "failed":
                self.on_error(self.error)
            self._end(end)
            self.on_end()
        except BaseException as error:  # noqa: BLE001
            self.exception, self.error = error, error_line(error)
            self._end("failed")
        finally:
            self._ended.set()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise CancelledError

    def _end(self, state: str) -> None:
        with self._lock:
            self.state = state

    def _advance(self, steps: Generator[Any, None, Any]) -> Any:
        while True:
            try:
                progress = next(steps)
            except StopIteration as ended:
                return ended.value
            fraction, text = progress if isinstance(progress, tuple) else (progress, None)
            try:
                self.step(fraction, text)
            except CancelledError:
                steps.close()
                raise


def end_all() -> None:
    """Cancel all jobs and wait for them, as Python does before it ends: a thread within PyTorch would make it abort."""
    running = [job for job in _STARTED if job.active]
    for job in running:
        job.cancel()
    until = time.monotonic() + PATIENCE
    for job in running:
        job.join(until - time.monotonic())


atexit.register(end_all)


def error_line(error: BaseException) -> str:
    """An error as one readable line: ours as they are, others with their kind and place."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    places = traceback.extract_tb(error.__traceback__)
    where = f" ({places[-1].filename.rpartition('/')[2]}, line {places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {text[:300] or 'no message'}{where}"
