"""Where a command does its work: in this process, in several here, or on a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ikebook.base import check
from ikebook.base.check import require
from ikebook.cli.terminal import StatusLine, bar

if TYPE_CHECKING:
    from ikebook.runs.options import RunOptions
    from ikebook.runs.runners import Runner


def add_where(parser: argparse.ArgumentParser, what: str) -> argparse._ArgumentGroup:
    """Add what says where to run, and give the group."""
    where = parser.add_argument_group("where to run (docs/cluster.md)")
    where.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help=f"N {what} side by side, each in a process of its own (needs ikebook[cluster])",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="on the workers of this Dask scheduler, such as tcp://host:8786, or of its scheduler file; they must see the input "
        "and OUT under the same paths (needs ikebook[cluster])",
    )
    where.add_argument(
        "--resources", metavar="NAME=AMOUNT", help="with --cluster, only on workers that have this, such as GPU=1"
    )
    where.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of each process (default: PyTorch's, shared among --workers). With equal numbers, networks are equal to "
        "the last bit; the graph is so anyway",
    )
    return where


def several(options: argparse.Namespace) -> bool:
    """Whether several sequences, or parts of one, may be worked on at a time."""
    return bool(options.workers or options.cluster)


@contextmanager
def runner_of(
    options: argparse.Namespace, run_options: RunOptions | None, status: StatusLine
) -> Iterator[tuple[Runner, RunOptions | None]]:
    """Where to run, and the run's options as they are there."""
    from ikebook.runs.cluster import ClusterRunner, local_workers, parse_resources
    from ikebook.runs.runners import SerialRunner

    if options.threads is not None:
        check.whole("--threads", options.threads, at_least=1, at_most=1024)
    require(
        options.workers is None or not options.cluster,
        "--workers starts processes here, --cluster uses those that are there; give one of them.",
    )
    require(
        bool(options.cluster) or not options.resources,
        "--resources chooses workers of a --cluster; name the cluster too.",
    )
    if options.cluster:
        resources = parse_resources(options.resources) if options.resources else {}
        runner = ClusterRunner(address=options.cluster, resources=resources, show=status.show, threads=options.threads)
        yield runner, run_options
    elif options.workers is not None:
        check.whole("--workers", options.workers, at_least=1, at_most=1024)
        device = "cpu"
        if run_options is not None:
            from ikebook.base.machine import machine_memory

            device = run_options.torch_device()
            memory = run_options.memory or machine_memory() // 2
            run_options = replace(run_options, memory=memory // options.workers if memory else None)
        with local_workers(options.workers, device=device, show=status.show, threads=options.threads) as workers:
            yield workers, run_options
    else:
        yield SerialRunner(progress=bar, threads=options.threads), run_options
