"""Tasks side by side on the workers of a Dask cluster: on this machine, or on others.

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
from typing import Any

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.progress import Progress
from ikebook.runs.runners import LostTask, Result, Task, limit_threads

MESSAGE_SECONDS = 0.5
"""Seconds between two messages of a worker about how far it is."""

CONNECT_SECONDS = 30.0
"""Seconds that the scheduler may take to answer at first, when it is more likely that the address is wrong."""

RECONNECT_SECONDS = 600.0
"""Seconds that a scheduler may be away in the middle of the work."""

_ONE_AT_A_TIME = threading.Lock()
"""Held by the task that a worker's process is at: what one video may take of memory and threads is meant for the process."""


@dataclass(frozen=True, kw_only=True)
class ClusterRunner:
    """Runs each task on some worker of a Dask cluster, one at a time in a worker.

    Parameters
    ----------
    address : str
        Of the scheduler, such as "tcp://host:8786"; or a file that `dask scheduler --scheduler-file` has written.
    resources : dict, optional
        What a worker must have for a task, such as {"GPU": 1}; see `dask worker --resources`.
    show : callable, optional
        Called with how far each task is, by its name, whenever that has changed.
    threads : int, optional
        Of the work on a task; by default what the worker's process has, which Dask sets to 1.
    patience : float, default 600
        Seconds to wait for a scheduler that has gone in the middle; its unfinished tasks are then handed out again.
    at_once : int, default 4096
        Tasks that the scheduler has at a time, at least one for each worker. Of what is finished nothing is kept.
    security : distributed.Security, optional
        Keys and certificates for an address that begins with tls://; by default those in Dask's configuration.

    Raises
    ------
    InputError
        If Dask is not installed.

    Examples
    --------
    >>> from ikebook.datasets import open_dataset
    >>> from ikebook.runs import evaluate
    >>> davis = open_dataset("davis2016", "/data/DAVIS")  # doctest: +SKIP
    >>> evaluate(davis, "/data/results", runner=ClusterRunner(address="tcp://host:8786"))  # doctest: +SKIP
    """

    address: str
    resources: Mapping[str, float] = field(default_factory=dict)
    show: Callable[[Mapping[str, str]], None] = lambda _: None
    threads: int | None = None
    patience: float = RECONNECT_SECONDS
    at_once: int = 4096
    security: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _dask()

    def __call__(
        self, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | LostTask], None, None]:
        waiting = dict(tasks)
        suspects: dict[str, Task] = {}
        patience = CONNECT_SECONDS
        while waiting:
            with self._client(patience) as client:
                for name, result in self._round(client, work, waiting):
                    if isinstance(result, LostTask):
                        suspects[name] = waiting.pop(name)
                    else:
                        del waiting[name]
                        yield name, result
            patience = self.patience
        # Dask blames a worker's death on all tasks that it had. By itself, each shows whether it was the one.
        for name, task in suspects.items():
            single = {name: task}
            while single:
                with self._client(patience) as client:
                    for _, result in self._round(client, work, single):
                        single = {}
                        yield name, result

    def _round(
        self, client: Any, work: Callable[[Task, Progress], Result], tasks: Mapping[str, Task]
    ) -> Generator[tuple[str, Result | LostTask], None, None]:
        """Submit tasks and give back what comes; ends early where the scheduler goes."""
        from distributed import as_completed

        topic = f"ikebook-{uuid.uuid4().hex}"
        states: dict[str, str] = {}
        outstanding: dict[str, Any] = {}  # futures by name: what nobody holds, the scheduler and the workers forget

        def receive(event: tuple[float, Mapping[str, Any]]) -> None:
            if event[1]["name"] in outstanding:  # a message may come late
                states[event[1]["name"]] = event[1]["state"]
            show()

        def show() -> None:  # from two threads
            self.show({name: state for name, state in list(states.items()) if name in outstanding})

        client.subscribe_topic(topic, receive)
        rest = iter(list(tasks.items()))

        def submit(count: int) -> list[Any]:
            new = {name: self._submit(client, work, name, task, topic) for name, task in itertools.islice(rest, count)}
            outstanding.update(new)
            return list(new.values())

        try:
            coming = as_completed(submit(self.at_once), loop=client.loop)
            for future in coming:
                name = future.key[1]
                if future.status == "cancelled":  # with the scheduler, all that it knew has gone
                    return
                del outstanding[name]
                coming.update(submit(1))
                states.pop(name, None)
                show()
                result = _result(future)
                future.release()
                yield name, result
        finally:
            if client.status == "running":
                client.cancel(list(outstanding.values()))
                client.unsubscribe_topic(topic)

    def _submit(self, client: Any, work: Callable[[Task, Progress], Result], name: str, task: Task, topic: str) -> Any:
        return client.submit(
            _run_on_worker,
            work,
            task,
            name,
            topic,
            self.threads,
            key=(topic, name),  # one group of tasks: if they are many, none waits for a worker while another is idle
            pure=False,
            resources=dict(self.resources) or None,
        )

    @contextmanager
    def _client(self, patience: float) -> Iterator[Any]:
        """A connection to the scheduler, as soon as there is one."""
        from distributed import Client

        until = time.monotonic() + patience
        where = {"scheduler_file": self.address} if Path(self.address).is_file() else {"address": self.address}
        client: Any = None
        while client is None:
            try:
                client = Client(**where, timeout=min(5.0, patience), set_as_default=False, security=self.security)
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


LOOPBACK = "127.0.0.1"  # reached from this machine alone

DASK_SETTINGS = {
    "distributed.logging": {"distributed": "critical"},
    "distributed.scheduler.worker-saturation": 1.0,  # no video waits for one worker while another is idle
    "distributed.admin.log-length": 0,
    # Dask's own value has the C library ask the system for each array anew, which makes a video take two to three
    # times as long.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # Pages about scheduler and workers, which nobody asks for, and which have no key.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Where Dask's own settings do not suit workers on this machine."""


@contextmanager
def local_workers(
    count: int,
    *,
    device: str = "cpu",
    threads: int | None = None,
    show: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> Iterator[ClusterRunner]:
    """Start processes on this machine that work side by side, as long as the block lasts.

    They listen on loopback only, and take orders, which can be any code, by a key alone that is made here and ends with them.

    Parameters
    ----------
    count : int
        Of processes.
    device : str, default "cpu"
        That tasks are meant for. With "cuda" each process has one GPU to itself, in turn.
    threads : int, optional
        Of each process; by default PyTorch's here, shared among them.
    show : callable, optional
        Called with how far each task is; see `ClusterRunner`.

    Yields
    ------
    ClusterRunner

    Raises
    ------
    InputError
        If Dask, or cryptography, which makes the key, is not installed.

    Examples
    --------
    >>> from ikebook.datasets import open_dataset
    >>> from ikebook.runs import evaluate
    >>> with local_workers(4) as runner:  # doctest: +SKIP
    ...     results = evaluate(open_dataset("davis2016", "DAVIS"), "results", runner=runner)
    """
    check.whole("count", count, at_least=1, at_most=1024)
    import torch

    dask, distributed = _dask()
    security = _own_key()
    gpus = visible_gpus() if device == "cuda" else []
    resources = {"GPU": 1.0} if gpus else {}
    workers = {
        index: {
            "cls": distributed.Nanny,
            "options": {
                "host": LOOPBACK,
                "security": security,
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
        "options": {
            "host": LOOPBACK,
            "port": 0,
            "protocol": "tls",
            "security": security,
            "dashboard_address": f"{LOOPBACK}:0",
            "dashboard": False,
        },
    }
    with (
        dask.config.set(DASK_SETTINGS),
        distributed.SpecCluster(
            workers=workers, scheduler=scheduler, security=security, silence_logs=logging.CRITICAL
        ) as cluster,
    ):
        yield ClusterRunner(
            address=cluster.scheduler_address,
            resources=resources,
            show=show,
            at_once=count,
            security=security,
            threads=threads or threads_each(torch.get_num_threads(), count),
        )


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: whoever set it has given others to others."""
    import torch

    given = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return given[:count] or [str(index) for index in range(count)]


def parse_resources(text: str) -> dict[str, float]:
    """Read what workers must have, as `dask worker --resources` takes it.

    >>> parse_resources("GPU=1,MEM=2e9")
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


def _dask() -> tuple[Any, Any]:
    """The packages `dask` and `distributed`, with little to say."""
    try:
        import dask
        import distributed
    except ImportError:
        raise InputError("Dask is not installed; it comes with: pip install 'ikebook[cluster]'.") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return dask, distributed


def _own_key() -> Any:
    """A key and its certificate, which are nowhere but in the memory of the processes that get them."""
    from distributed import Security

    try:
        return Security.temporary()
    except ImportError:
        raise InputError(
            "--workers needs cryptography, for a key that keeps others out: pip install 'ikebook[cluster]'."
        ) from None


def _result(future: Any) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        return LostTask(
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


def _run_on_worker(
    work: Callable[[Task, Progress], Result], task: Task, name: str, topic: str, threads: int | None
) -> Result:
    """What a worker does with a task."""
    from distributed import get_worker

    worker = get_worker()

    def send(state: str) -> None:
        worker.log_event(topic, {"name": name, "state": state})

    with _ONE_AT_A_TIME, limit_threads(threads):
        return work(task, progress_messages(send))


def progress_messages(send: Callable[[str], None]) -> Progress:
    """Progress as texts such as "flow 12/49", not too many of them."""

    def progress(stage: str, steps: int) -> Iterator[None]:
        last = 0.0
        for step in range(steps):
            if time.monotonic() - last > MESSAGE_SECONDS:
                send(f"{stage} {step}/{steps}")
                last = time.monotonic()
            yield None

    return lambda stage, steps: iter(progress(stage, steps))


def threads_each(threads: int, count: int) -> int:
    """Threads of each of `count` processes that share so many."""
    return max(1, threads // count)
