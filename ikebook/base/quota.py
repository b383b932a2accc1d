"""How many threads PyTorch begins: no more than a container may use, said in the environment before PyTorch is loaded.

OpenMP, whose threads they are, counts the cores of the machine, and on Binder or a JupyterHub a container may use one or two of dozens. Its
threads spin while they wait for each other: those that have their turn use up what the container may have, and the others do not
come to theirs.
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path


def ask_for_threads(environment: MutableMapping[str, str], root: Path = Path("/")) -> None:
    """Have OpenMP begin no more threads than this process may use; what is set already stays.

    Parameters
    ----------
    environment : variables, such as `os.environ`
    root : where the files of the system begin
    """
    allowed = processor_quota(root)
    if allowed is not None and allowed < usable_processors():
        environment.setdefault("OMP_NUM_THREADS", str(max(1, math.ceil(allowed))))


def usable_processors() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_quota(root: Path = Path("/")) -> float | None:
    """How many cores' time the container of this process may use; None: there is no limit, or none that is told.

    Linux control groups of either version: https://docs.kernel.org/admin-guide/cgroup-v2.html, "cpu.max". A group's limit holds for all
    groups within, so the least one from this process's own group upwards is given.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text()
    except OSError:
        return None
    found = []
    for line in groups.splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, read = root / "sys/fs/cgroup", _quota_of_second
        elif "cpu" in controllers.split(","):
            base, read = root / "sys/fs/cgroup/cpu", _quota_of_first
        else:
            continue
        place = Path(group.lstrip("/"))
        found += [read(base / inner) for inner in (place, *place.parents)]
    limits = [quota for quota in found if quota is not None]
    return min(limits, default=None)


def _quota_of_second(folder: Path) -> float | None:
    """The limit in `cpu.max`: "max 100000", or microseconds out of a period."""
    return _share(_words(folder / "cpu.max"))


def _quota_of_first(folder: Path) -> float | None:
    """The limit of control groups of version 1: -1, or microseconds out of a period."""
    return _share(_words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us"))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _share(words: list[str]) -> float | None:
    """A quota over its period; None where there is none."""
    try:
        quota, period = (float(word) for word in words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None
