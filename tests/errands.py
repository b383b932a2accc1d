"""What the tests of clusters have workers do: a module that workers can import, too."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def double(task, progress):
    return 2 * task


def die_once(task, progress):
    """Take the worker along the first time; which one lives through it."""
    with suppress(FileExistsError):
        Path(task).touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die(task, progress):
    """Take the worker along, if told so."""
    if task:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def wait_for(task, progress):
    """Wait until a file is there; another one says that this waits."""
    ticks = iter(progress("waiting", 10_000))
    Path(f"{task}.waits").touch()
    while not Path(task).exists():
        next(ticks, None)
        time.sleep(0.02)
    return os.getpid()


def resources(task, progress):
    """What the worker has."""
    from distributed import get_worker

    return dict(get_worker().state.total_resources)


def environment(task, progress):
    """The value of an environment variable."""
    return os.environ.get(task)


def evaluated(root, out, options, ready, dies_at):
    """Evaluate a data set, and die at the so-manieth thing that is written, with half of it on the disk; None: live."""
    from ikebook.datasets import Davis2016
    from ikebook.runs.evaluation import evaluate
    from ikebook.runs.runners import SerialRunner

    left = dies_at

    def dying(method):
        def write(path, content, *rest, **more):
            nonlocal left
            left -= 1
            if left == 0:
                method(path, content[: len(content) // 2], *rest, **more)
                os.kill(os.getpid(), signal.SIGKILL)
            return method(path, content, *rest, **more)

        return write

    if dies_at is not None:
        Path.write_bytes, Path.write_text = dying(Path.write_bytes), dying(Path.write_text)
    ready.set()
    evaluate(Davis2016(root), Path(out), options, runner=SerialRunner(threads=1))
