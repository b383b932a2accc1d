"""Jobs: progress, pause, cancel, results and errors, without a race."""

from __future__ import annotations

import threading
import time

import pytest

from ikebook.base.check import InputError
from ikebook.widgets.background import Job, error_line
from ikebook.widgets.job_bar import JobBar


class Gate:
    """Work that stands still at a place the test knows."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.at = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.done: list[int] = []

    def __call__(self, job: Job) -> str:
        for k in range(self.count):
            self.at.release()
            assert self.go.acquire(timeout=10)
            self.done.append(k)
            job.step((k + 1) / self.count, f"part {k}")
        return "found"

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.at.acquire(timeout=10)
            self.go.release()


def test_a_job_reports_its_progress_its_result_and_its_end_in_order() -> None:
    said: list[object] = []
    job = Job(
        Gate(0).__class__(2),
        on_progress=lambda fraction, text: said.append((fraction, text)),
        on_result=said.append,
        on_end=lambda: said.append("end"),
    )
    assert (job.state, repr(job), job.active) == ("ready", "Job(ready)", False)
    assert job.start() is job
    job.work.let(2)
    assert job.wait(10)
    assert said == [(0.5, "part 0"), (1.0, "part 1"), "found", "end"]
    assert (job.state, job.result, job.error, job.active) == ("done", "found", "", False)


def test_a_generator_yields_its_progress_and_returns_its_result() -> None:
    said: list[object] = []

    def work(_):
        yield 0.5
        yield 0.75, "nearly"
        yield None
        return 7

    job = Job(work, on_progress=lambda *progress: said.append(progress)).start()
    assert job.wait(10)
    assert job.result == 7
    assert said == [(0.5, ""), (0.75, "nearly"), (None, "nearly")]


def test_a_cancelled_job_ends_at_its_next_step_without_a_result() -> None:
    gate, results, ends = Gate(), [], []
    job = Job(gate, on_result=results.append, on_end=lambda: ends.append(1)).start()
    gate.let()
    assert gate.at.acquire(timeout=10)
    job.cancel()
    gate.go.release()
    assert job.wait(10)
    assert (job.state, results, ends, gate.done) == ("cancelled", [], [1], [0, 1])
    assert job.cancelled


def test_a_cancelled_generator_is_closed() -> None:
    closed, begun = threading.Event(), threading.Event()

    def work(_):
        try:
            while True:
                begun.set()
                yield None
        finally:
            closed.set()

    job = Job(work).start()
    assert begun.wait(10)
    job.cancel()
    assert job.wait(10)
    assert closed.is_set()


def test_a_paused_job_waits_goes_on_and_can_be_cancelled() -> None:
    gate = Gate(4)
    job = Job(gate).start()
    gate.let()
    assert gate.at.acquire(timeout=10)
    job.pause()
    gate.go.release()
    assert not job.wait(0.1)
    assert (job.state, gate.done) == ("paused", [0, 1])
    assert not gate.at.acquire(timeout=0.05)
    job.resume()
    assert job.state == "running"
    assert gate.at.acquire(timeout=10)
    job.pause()
    job.cancel()
    gate.go.release()
    assert job.wait(10)
    assert (job.state, gate.done) == ("cancelled", [0, 1, 2])


def test_a_job_that_has_ended_can_t_be_paused_or_started_again() -> None:
    job = Job(lambda job: 1).start()
    assert job.wait(10)
    job.pause()
    job.resume()
    job.cancel()
    assert job.state == "done"
    with pytest.raises(InputError, match="a job is started once"):
        job.start()
    never = Job(lambda job: 1)
    never.cancel()
    assert never.wait(0)
    assert never.state == "cancelled"
    with pytest.raises(InputError, match="expected a function"):
        Job(3)


@pytest.mark.parametrize(
    "error", [InputError("sigma is 0; expected more."), ZeroDivisionError("no\n  way"), SystemExit(3)]
)
def test_an_error_is_one_line_and_never_lost(error) -> None:
    lines, ends = [], []

    def work(_):
        raise error

    job = Job(work, on_error=lines.append, on_end=lambda: ends.append(1)).start()
    assert job.wait(10)
    assert (job.state, job.exception, ends) == ("failed", error, [1])
    assert lines == [job.error]
    assert "\n" not in job.error
    if isinstance(error, InputError):
        assert job.error == "sigma is 0; expected more."
    else:
        assert job.error.startswith(f"{type(error).__name__}: ")
        assert "test_background.py, line" in job.error


def test_an_error_in_who_takes_the_result_is_the_job_s() -> None:
    def wrong(_):
        raise KeyError("gone")

    job = Job(lambda job: 1, on_result=wrong).start()
    assert job.wait(10)
    assert job.state == "failed"
    assert "KeyError: 'gone'" in job.error
    broken = Job(lambda job: 1, on_end=lambda: 1 / 0).start()
    assert broken.wait(10)
    assert (broken.state, broken.error[:17]) == ("failed", "ZeroDivisionError")


def test_a_job_that_waits_for_itself_is_told_so() -> None:
    job = Job(lambda job: job.wait()).start()
    assert job.wait(10)
    assert "can't wait for its own end" in job.error


def test_sleeping_ends_when_cancelled() -> None:
    begun = threading.Event()

    def work(job):
        begun.set()
        job.sleep(60)

    job = Job(work).start()
    assert begun.wait(10)
    begin = time.monotonic()
    job.cancel()
    assert job.wait(10)
    assert time.monotonic() - begin < 5
    assert job.state == "cancelled"


def test_the_bar_shows_progress_errors_and_rest() -> None:
    bar = JobBar()
    assert bar.row.layout.visibility == "hidden"
    bar.show(0.25, "half <b>")
    assert (bar.row.layout.visibility, bar.progress.value) == ("visible", 0.25)
    assert "half &lt;b&gt;" in bar.text.value
    assert 'role="status"' in bar.text.value
    bar.show(0.5, "half <b>")  # so soon after, it is not worth a message
    assert bar.progress.value == 0.25
    bar.show(None, "who knows")
    assert bar.progress.layout.display == "none"
    bar.show_error("a <wrong> line")
    assert (bar.error, bar.alert.layout.display) == ("a <wrong> line", "")
    assert 'role="alert"' in bar.alert.value
    assert "a &lt;wrong&gt; line" in bar.alert.value
    bar.show_error("")
    assert (bar.error, bar.alert.value, bar.alert.layout.display) == ("", "", "none")
    bar.hide()
    assert (bar.row.layout.visibility, bar.text.value) == ("hidden", "")


def test_the_bar_s_button_cancels_its_job() -> None:
    gate, bar = Gate(), JobBar()
    job = Job(gate).start()
    bar.watch(job)
    assert repr(bar) == "JobBar(Job(running))"
    bar.button.click()
    assert "stopping" in bar.text.value
    gate.let()
    assert job.wait(10)
    assert job.state == "cancelled"
    bar.stop()  # nothing is left to be stopped


def test_errors_without_words() -> None:
    assert error_line(ValueError()) == "ValueError: no message"
    assert len(error_line(ValueError("x" * 1000))) < 400
