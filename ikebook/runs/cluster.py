"""Where tasks run: one after the other in this process, or side by side on the workers of a Dask cluster.

Whoever has tasks gives a function of one task, and gets results in the order in which they come. A task is anything that
can be pickled; the function sees to it that a task that is run twice, or again, does no harm: workers die, and schedulers
are started anew.

Dask's workers take their orders as pickles, which can run any code: use a scheduler that only you reach, or TLS
(https://distributed.dask.org/en/stable/tls.html).
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import torch

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.progress import Progress, silent

Task = TypeVar("Task")
Result = TypeVar("Result")

TELL_SECONDS = 0.5
"""Seconds between two messages of a worker about how far it is."""

FIRST_PATIENCE = 30.0
"""Seconds that the scheduler may take to answer at first, when it is more likely that the address is wrong."""

PATIENCE = 600.0
"""Seconds that a scheduler may be away in the middle of the work."""

_IN_TURN = threading.Lock()
"""Held by the task that a worker's process is at: what one video may take of memory and threads is meant for the process."""


@dataclass(frozen=True)
class Lost:
    """In place of the result of a task that no worker lived through."""

    reason: str


class Runner(Protocol):
    """Runs a function on tasks by name."""

    def __call__(
        self, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | Lost], None, None]:
        """Names and results in the order in which they come. What `work` raises ends all of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class InTurn:
    """One task after the other, in this process.

    Parameters
    ----------
    progress : shown within a task
    threads : of the work on a task; None: PyTorch's. The graph does not depend on it; a network does, in the last bits.
    """

    progress: Progress = silent
    threads: int | None = None

    def __call__(
        self, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | Lost], None, None]:
        for name, task in tasks.items():
            with _threads(self.threads):
                result = work(task, self.progress)
            yield name, result


@dataclass(frozen=True, kw_only=True)
class OnCluster:
    """Each task on some worker of a Dask cluster, one at a time in a worker.

    Parameters
    ----------
    address : of the scheduler, such as tcp://host:8786; or a file that `dask scheduler --scheduler-file` has written
    resources : what a worker must have for a task, such as {"GPU": 1}; see `dask worker --resources`
    show : called with how far each task is, by its name, whenever that has changed
    threads : of the work on a task; None: what the worker's process has, which Dask sets to 1
    patience : seconds to wait for a scheduler that has gone in the middle; its unfinished tasks are then handed out again
    at_once : tasks that the scheduler has at a time, best as many as there are workers; None: all, so that a cluster that
        grows with the work sees how much there is
    """

    address: str
    resources: Mapping[str, float] = field(default_factory=dict)
    show: Callable[[Mapping[str, str]], None] = lambda _: None
    threads: int | None = None
    patience: float = PATIENCE
    at_once: int | None = None

    def __call__(
        self, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | Lost], None, None]:
        waiting = dict(tasks)
        suspects: dict[str, Task] = {}
        patience = FIRST_PATIENCE
        while waiting:
            with self._client(patience) as client:
                for name, result in self._round(client, work, waiting):
                    if isinstance(result, Lost):
                        suspects[name] = waiting.pop(name)
                    else:
                        del waiting[name]
                        yield name, result
            patience = self.patience
        # Dask blames a worker's death on all tasks that it had. Alone, each shows whether it was the one.
        for name, task in suspects.items():
            alone = {name: task}
            while alone:
                with self._client(patience) as client:
                    for _, result in self._round(client, work, alone):
                        alone = {}
                        yield name, result

    def _round(
        self, client: Any, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | Lost], None, None]:
        """Hand out tasks and give back what comes; ends early where the scheduler goes."""
        from distributed import as_completed

        topic = f"ikebook-{uuid.uuid4().hex}"
        states: dict[str, str] = {}

        def told(event: tuple[float, Mapping[str, Any]]) -> None:
            if event[1]["name"] not in done:  # a message may come late
                states[event[1]["name"]] = event[1]["state"]
            show()

        def show() -> None:  # from two threads
            self.show({name: state for name, state in list(states.items()) if name not in done})

        done: set[str] = set()
        client.subscribe_topic(topic, told)
        rest = iter(list(tasks.items()))
        handed: list[Any] = []

        def hand_out(count: int | None) -> list[Any]:
            futures = [
                client.submit(
                    _on_worker,
                    work,
                    task,
                    name,
                    topic,
                    self.threads,
                    key=(
                        topic,
                        name,
                    ),  # one group of tasks: if they are many, none waits for a worker while another is idle
                    pure=False,
                    resources=dict(self.resources) or None,
                )
                for name, task in itertools.islice(rest, count)
            ]
            handed.extend(futures)
            return futures

        try:
            coming = as_completed(hand_out(self.at_once), loop=client.loop)
            for future in coming:
                name = future.key[1]
                if future.status == "cancelled":  # with the scheduler, all that it knew has gone
                    return
                if self.at_once is not None:
                    coming.update(hand_out(1))
                done.add(name)
                states.pop(name, None)
                show()
                yield name, _result(future)
        finally:
            if client.status == "running":
                client.cancel(handed)
                client.unsubscribe_topic(topic)

    @contextmanager
    def _client(self, patience: float) -> Iterator[Any]:
        """A connection to the scheduler, as soon as there is one."""
        from distributed import Client

        until = time.monotonic() + patience
        where = {"scheduler_file": self.address} if Path(self.address).is_file() else {"address": self.address}
        client: Any = None
        while client is None:
            try:
                client = Client(**where, timeout=min(5.0, patience), set_as_default=False)
            except (OSError, ValueError, TypeError) as error:  # a timeout is an OSError, a wrong text a ValueError
                if isinstance(error, OSError) and time.monotonic() < until:
                    time.sleep(0.5)
                    continue
                raise InputError(
                    f"no Dask scheduler answers at {self.address} ({' '.join(str(error).split()) or type(error).__name__}); "
                    "start one with 'dask scheduler', or mend the address. What was finished is kept: run again to go on."
                ) from None
        try:
            yield client
        finally:
            with suppress(OSError):
                client.close(timeout=2)


@contextmanager
def workers(
    count: int,
    *,
    device: str = "cpu",
    threads: int | None = None,
    show: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> Iterator[OnCluster]:
    """Processes of this machine that work side by side, as long as the block lasts.

    Parameters
    ----------
    count : of processes; each has one GPU to itself if `device` is "cuda", in turn
    device : that tasks are meant for
    threads : of each; None: PyTorch's here, shared among them
    show : see `OnCluster`
    """
    check.whole("--workers", count, at_least=1, at_most=1024)
    dask, distributed = _dask()
    gpus = visible_gpus() if device == "cuda" else []
    resources = {"GPU": 1.0} if gpus else {}
    specification = {
        index: {
            "cls": distributed.Nanny,
            "options": {
                "nthreads": 1,
                "memory_limit": 0,  # videos mind `RunOptions.memory`; Dask would kill a worker that holds more than its share
                "resources": resources,
                "env": {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]} if gpus else {},
                "silence_logs": logging.CRITICAL,
                "dashboard": False,
            },
        }
        for index in range(count)
    }
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0", "dashboard": False},
    }
    settings = {
        "distributed.logging": {"distributed": "critical"},
        "distributed.scheduler.worker-saturation": 1.0,  # no video waits for one worker while another is idle
        "distributed.admin.log-length": 0,
        # Dask's own value has the C library ask the system for each array anew, which makes a video take two to three
        # times as long.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    with dask.config.set(settings):
        cluster = distributed.SpecCluster(workers=specification, scheduler=scheduler, silence_logs=logging.CRITICAL)
        with cluster:
            yield OnCluster(
                address=cluster.scheduler_address,
                resources=resources,
                show=show,
                at_once=count,
                threads=threads or shares(torch.get_num_threads(), count),
            )


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: whoever set it has given others to others."""
    given = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return given[:count] or [str(index) for index in range(count)]


def resources_of(text: str) -> dict[str, float]:
    """Read what workers must have, as `dask worker --resources` takes it.

    >>> resources_of("GPU=1,MEM=2e9")
    {'GPU': 1.0, 'MEM': 2000000000.0}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, amount = part.partition("=")
        try:
            found[name.strip()] = float(amount)
        except ValueError:
            raise InputError(f"--resources is {text!r}; expected NAME=AMOUNT, such as GPU=1.") from None
        require(
            bool(name.strip()) and 0 < found[name.strip()] < float("inf"), f"--resources is {text!r}; expected GPU=1."
        )
    return found


def on_cluster(address: str, **more: Any) -> OnCluster:
    """The cluster whose scheduler is at `address`; see `OnCluster`."""
    _dask()
    return OnCluster(address=address, **more)


def _dask() -> tuple[Any, Any]:
    """The packages `dask` and `distributed`, with little to say."""
    try:
        import dask
        import distributed
    except ImportError:
        raise InputError("Dask is not installed; it comes with: pip install 'ikebook[cluster]'.") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return dask, distributed


def _result(future: Any) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        return Lost(
            f"{getattr(error, 'allowed_failures', 3) + 1} workers in a row died of it, the last one at "
            f"{getattr(error.last_worker, 'address', 'an unknown place')}: it may need more memory than they have. See "
            "their logs; a smaller --size or --memory may help."
        )
    except (ImportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "deserialization" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"the scheduler or a worker of the cluster can't read a task ({reason}); give both the same ikebook as here."
        ) from None


def _on_worker(
    work: Callable[[Task, Progress], Result], task: Task, name: str, topic: str, threads: int | None
) -> Result:
    """What a worker does with a task."""
    from distributed import get_worker

    worker = get_worker()

    def tell(state: str) -> None:
        worker.log_event(topic, {"name": name, "state": state})

    with _IN_TURN, _threads(threads):
        return work(task, told_by(tell))


def told_by(tell: Callable[[str], None]) -> Progress:
    """Progress as texts such as "flow 12/49", not too many of them."""

    def progress(stage: str, steps: int) -> Iterator[None]:
        last = 0.0
        for step in range(steps):
            if time.monotonic() - last > TELL_SECONDS:
                tell(f"{stage} {step}/{steps}")
                last = time.monotonic()
            yield None

    return lambda stage, steps: iter(progress(stage, steps))


def shares(threads: int, count: int) -> int:
    """Threads of each of `count` processes that share so many."""
    return max(1, threads // count)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Work with so many threads, and afterwards with as many as before."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        if count is not None:
            torch.set_num_threads(count)
            cv2.setNumThreads(count)
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
