"""How much memory a process may have: limits of containers (cgroups of both versions) and of the shell (`ulimit -v`).

Docker, Binder, Kubernetes and SLURM tell the machine's memory to whoever asks for it, and kill what takes more than its share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

PROCESS = Path("/proc/self")
"""Where Linux says of a process in which groups it is, and where these are mounted."""

FILES = {"cgroup": ("memory.limit_in_bytes",), "cgroup2": ("memory.max", "memory.high")}
"""By the version of cgroups, the files of a group with limits: what is above them is killed or slowed down."""


def group_limit(process: Path = PROCESS) -> int | None:
    """The least memory that any of the groups allows that the process is in, in bytes; None where none says so."""
    limits = []
    for kind, top, group in _groups(process):
        for folder in _upwards(top, group):
            limits += [found for name in FILES[kind] if (found := _read(folder / name)) is not None]
    return min(limits, default=None)


def address_space_limit(process: Path = PROCESS) -> int | None:
    """What the process can hold at most before its address space is as large as `RLIMIT_AS` allows; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    # Much of the address space is only reserved: it counts for the limit, and holds nothing.
    try:
        size, resident, *_ = map(int, (process / "statm").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return limit
    return max(1, limit - (size - resident) * resource.getpagesize())


def _groups(process: Path) -> Iterator[tuple[str, Path, PurePosixPath]]:
    """Of each hierarchy of groups that limits memory: its version, where it is mounted, and the process's group below that."""
    paths: dict[str, PurePosixPath] = {}
    for line in _lines(process / "cgroup"):  # 4:memory:/docker/0123, or 0::/user.slice
        _, _, named = line.partition(":")
        controllers, _, called = named.partition(":")
        if not controllers or "memory" in controllers.split(","):
            paths["cgroup" if controllers else "cgroup2"] = PurePosixPath(called)
    for line in _lines(process / "mountinfo"):  # 35 31 0:32 ROOT PLACE rw,relatime ... - cgroup cgroup rw,memory
        mounted, _, system = line.partition(" - ")
        kind, _, options = system.partition(" ")
        if kind not in paths or (kind == "cgroup" and "memory" not in options.rpartition(" ")[2].split(",")):
            continue
        root, place = mounted.split(" ")[3:5]
        path = paths[kind]
        # In a container the group that is mounted may be called otherwise than outside, where the path is from.
        inner = path.relative_to(root) if path.is_relative_to(root) else PurePosixPath()
        yield kind, Path(place.replace("\\040", " ")), inner


def _upwards(top: Path, group: PurePosixPath) -> Iterator[Path]:
    """The folders of a group and of all those that it is in."""
    yield top / group
    yield from (top / parent for parent in group.parents)


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _read(file: Path) -> int | None:
    """A limit in bytes; None where there is none: "max", or nearly the largest number there is, or 0 in nobody's use."""
    with suppress(OSError, ValueError):
        value = int(file.read_text(encoding="ascii"))
        return value if 0 < value < 1 << 60 else None
    return None
