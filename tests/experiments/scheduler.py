"""A thousand workers that sleep: what client and scheduler compute for each task, and what they keep of finished ones.

    python tests/experiments/scheduler.py [--workers 1000] [--tasks 20000] [--seconds 0.5] [--at-once 4096] [--heartbeat 60]

Dask's own scheduler, workers and client, all in this process, and tasks that sleep, handed out by `ikebook.runs.ClusterRunner` as those of
`ikebook evaluate` are. The workers' part of the computing can't be told apart here, so the milliseconds are more than client and
scheduler take. A thousand workers in one process tell each few seconds that they live, which is work, too: --heartbeat has them say so less often,
where the machine has other things to do. Memory is this process's resident size; what the scheduler has of tasks, and the client of futures, is counted.
Prints a line for each quarter of the tasks, then the costs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import os
import platform
import time
from contextlib import contextmanager, nullcontext
from typing import Any


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--at-once", type=int, default=4096)
    parser.add_argument("--heartbeat", type=float, help="seconds between two heartbeats of a worker (default: Dask's)")
    arguments = parser.parse_args()
    import distributed

    if arguments.heartbeat is not None:
        distributed.scheduler.heartbeat_interval = lambda _: arguments.heartbeat

    from ikebook.base.machine import cpu_name, resident_memory

    about = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(f"{about}, Python {platform.python_version()}, distributed {distributed.__version__}")
    begin, work = time.perf_counter(), time.process_time()
    with light_workers(arguments.workers) as (runner_of, scheduler):
        found = runner_of(at_once=arguments.at_once)(sleep, dict.fromkeys(map(str, range(arguments.workers)), 0.0))
        assert sum(1 for _ in found) == arguments.workers
        print(
            f"{len(scheduler.workers)} workers started in {time.perf_counter() - begin:.0f} s, {time.process_time() - work:.0f} computing"
        )
        tasks = {f"video-{index:07d}": arguments.seconds for index in range(arguments.tasks)}
        seen = []
        begin, work = time.perf_counter(), time.process_time()
        for count, _ in enumerate(runner_of(at_once=arguments.at_once)(sleep, tasks), 1):
            if count % (arguments.tasks // 4) == 0:
                gc.collect()
                seen.append(resident_memory())
                held = f"{len(scheduler.tasks)} tasks at the scheduler"
                print(f"{count} tasks finished: {seen[-1] / 1e6:.1f} MB, {held}", flush=True)
        spent, worked = time.perf_counter() - begin, time.process_time() - work
    print(
        f"{1e3 * worked / arguments.tasks:.2f} ms of computing for each task, {1e3 * spent / arguments.tasks:.2f} ms of waiting for it"
    )
    grown = (seen[-1] - seen[1]) / (arguments.tasks / 2)
    print(f"memory for each task of the second half: {grown:.0f} bytes")


BRIEF = {
    "distributed.admin.low-level-log-length": 1,
    "distributed.admin.system-monitor.log-length": 1,
    "distributed.admin.system-monitor.interval": "1h",
    "distributed.admin.tick.interval": "1h",
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.comm.timeouts.connect": "10m",
}
"""Workers keep their last thousand steps, and an hour of their machine's load: a thousand of them would fill this process with that. Fifty times
a second each looks whether its loop still runs, which here is one loop. And none is taken for dead because all of them share a processor."""


@contextmanager
def light_workers(count: int):
    """So many workers of this process: what makes a runner for them, and their scheduler."""
    import dask
    from distributed import LocalCluster

    from ikebook.runs import cluster as module

    one_at_a_time = module._ONE_AT_A_TIME
    module._ONE_AT_A_TIME = nullcontext()  # of a process, which has a thousand workers here
    try:
        with (
            dask.config.set(module.DASK_SETTINGS | BRIEF),
            LocalCluster(
                n_workers=count, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", memory_limit=0
            ) as cluster,
        ):

            def runner_of(**options: Any) -> Any:
                return module.ClusterRunner(address=cluster.scheduler_address, **options)

            yield runner_of, cluster.scheduler
    finally:
        module._ONE_AT_A_TIME = one_at_a_time


def sleep(seconds: float, progress: Any) -> None:
    """A task."""
    time.sleep(seconds)


if __name__ == "__main__":
    main()
