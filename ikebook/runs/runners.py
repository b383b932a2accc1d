"""Where tasks run: one after the other in this process, or on a cluster's workers (`ikebook.runs.cluster`).

Whoever has tasks gives a function of one task, and gets results in the order in which they come. A task is anything that
can be pickled; the function sees to it that a task that is run twice, or again, does no harm: workers die, and schedulers
are started anew.

Neither module imports PyTorch before it is needed: a scheduler has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ikebook.base.progress import Progress, silent

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class LostTask:
    """In place of the result of a task that no worker lived through.

    Parameters
    ----------
    reason : str
        One sentence.
    """

    reason: str


class Runner(Protocol):
    """Runs a function on tasks by name."""

    def __call__(
        self, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | LostTask], None, None]:
        """Names and results in the order in which they come. What `work` raises ends all of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class SerialRunner:
    """Runs one task after the other, in this process.

    Parameters
    ----------
    progress : Progress, optional
        Shown within a task.
    threads : int, optional
        Of the work on a task, by default PyTorch's. The graph does not depend on it; a network does, in the last bits.

    Examples
    --------
    >>> list(SerialRunner()(lambda task, progress: 2 * task, {"a": 1, "b": 2}))
    [('a', 2), ('b', 4)]
    """

    progress: Progress = silent
    threads: int | None = None

    def __call__(
        self, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | LostTask], None, None]:
        for name, task in tasks.items():
            with limit_threads(self.threads):
                result = work(task, self.progress)
            yield name, result


@contextmanager
def limit_threads(count: int | None) -> Iterator[None]:
    """Work with so many threads, and afterwards with as many as before; None: as many as there are."""
    if count is None:
        yield
        return
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(count)
        cv2.setNumThreads(count)
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
