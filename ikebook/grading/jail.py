"""Starts the runner of a notebook where it can do no harm, and watches over it from outside: `python -m ikebook.grading.jail SPEC`.

On Linux with user namespaces the runner gets a file system of its own (the system and Python read-only, one small folder to write to;
no home, no other notebook, no solutions, no checks), no network, and sees no other process. Elsewhere on Unix only time, memory,
processes and the size of files are limited. Nothing here needs a tool or a right that a plain user hasn't.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ENDED, LATE, MEMORY, PROCESSES, NO_JAIL = 100, 101, 102, 103, 104
"""Exit codes of the one who watches; the runner's own does not show, so that none can be forged."""

NEW_SPACES, NEW_MOUNTS = 0x10000000 | 0x40000000 | 0x20000000 | 0x08000000 | 0x04000000, 0x00020000
"""CLONE_NEWUSER, NEWNET, NEWPID, NEWIPC and NEWUTS; CLONE_NEWNS."""

BIND, RECURSIVE, PRIVATE, NO_SUID, NO_DEVICES, NO_PROGRAMS = 0x1000, 0x4000, 1 << 18, 2, 4, 8
READ_ONLY, REMOUNT, WHOLE_TREE, MOUNT_SETATTR, DETACHED = 1, 32, 0x8000, 442, 2
NO_NEW_PRIVILEGES, DIE_WITH_PARENT = 38, 1
INSIDE = 1000
"""The user inside: not root, so that all rights over the new spaces go when the runner starts."""

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix",
    "/etc/ld.so.cache",
    "/etc/fonts",
    "/etc/localtime",
)
DEVICES = ("null", "zero", "full", "random", "urandom")
HOME = "/home/student"


class Refused(Exception):  # noqa: N818
    """The kernel does not give what a jail needs."""


def _libc(name: str, *arguments: Any) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        result = getattr(library, name)(*arguments)
    except AttributeError:
        raise Refused(f"no {name} here") from None
    if result != 0:
        raise Refused(f"{name}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    _libc("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def _show(source: str, root: str) -> None:
    """Have a file or folder of the system inside, at the same place, read-only."""
    target = root + source
    if Path(source).is_symlink():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).symlink_to(Path(source).readlink())
        return
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    _mount(source, target, flags=BIND | RECURSIVE)
    _seal(target, READ_ONLY | NO_SUID)


def _seal(target: str, flags: int) -> None:
    """Make a mount and all in it read-only for good."""
    wish = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    here = ctypes.c_int(-100)  # AT_FDCWD
    sizes = (ctypes.c_uint(WHOLE_TREE), ctypes.byref(wish), ctypes.c_size_t(ctypes.sizeof(wish)))
    _libc("syscall", ctypes.c_long(MOUNT_SETATTR), here, target.encode(), *sizes)


def enter() -> None:
    """Leave the machine's users, network and processes for new ones, in which the user owns nothing."""
    user, group = os.getuid(), os.getgid()
    _libc("unshare", NEW_SPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INSIDE} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{INSIDE} {group} 1")


def furnish(spec: dict[str, Any]) -> None:
    """Have a file system in which there is what a notebook needs, and move into it. The one who watches stays outside."""
    root = spec["root"]
    _libc("unshare", NEW_MOUNTS)
    _mount("none", "/", flags=RECURSIVE | PRIVATE)
    _mount("tmpfs", root, "tmpfs", NO_SUID | NO_DEVICES, "size=1m,mode=755")
    for place in ("/tmp", "/dev/shm", HOME):  # noqa: S108  # of the new root; before the rest, which may lie in them
        Path(root + place).mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", root + place, "tmpfs", NO_SUID | NO_DEVICES, f"size={spec['files']},mode=777")
    for place in sorted({*SYSTEM, *spec["shown"]}, key=len):
        if os.path.lexists(place) and not os.path.lexists(root + place):
            _show(place, root)
    for place in spec["hidden"]:
        if Path(root + place).is_dir():
            _mount("tmpfs", root + place, "tmpfs", READ_ONLY, "size=4k,mode=755")
    Path(root + "/proc").mkdir()
    for device in DEVICES:
        Path(f"{root}/dev/{device}").touch()
        _mount(f"/dev/{device}", f"{root}/dev/{device}", flags=BIND)
    with suppress(Refused, OSError):  # some containers forbid it; most programs do without
        _mount("proc", root + "/proc", "proc", NO_SUID | NO_DEVICES | NO_PROGRAMS)
        Path(root + "/proc/sys/user/max_user_namespaces").write_text("0")
    os.chdir(root)
    _libc("pivot_root", b".", b".")
    _libc("umount2", b".", DETACHED)
    _mount("none", "/", flags=REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES)
    os.chdir(HOME)


def limit(spec: dict[str, Any]) -> None:
    """Limits that the kernel keeps for one process."""
    import resource

    wishes = {
        "RLIMIT_DATA": spec["memory"],
        "RLIMIT_FSIZE": spec["files"],
        "RLIMIT_CPU": int(spec["seconds"]) + 60,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 256,
    }
    for name, most in wishes.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):  # macOS knows some of them by name only
            resource.setrlimit(getattr(resource, name), (value, value))


def start(spec: dict[str, Any]) -> NoReturn:
    """Become the runner."""
    try:
        os.setsid()
        if spec["jailed"]:
            _libc("prctl", DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
            furnish(spec)
            _libc("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        limit(spec)
        os.execve(sys.executable, [sys.executable, *spec["program"]], spec["environment"])  # noqa: S606
    except (Refused, OSError) as error:
        print(f"no jail: {error}", file=sys.stderr, flush=True)
        os._exit(NO_JAIL)


def family(process: int) -> list[int]:
    """A process and all that it has started, as far as the system tells."""
    found, places = [], [process]
    while places:
        one = places.pop()
        found.append(one)
        with suppress(OSError, ValueError):
            for task in Path(f"/proc/{one}/task").iterdir():
                places += map(int, (task / "children").read_text().split())
    return found


def memory(processes: list[int]) -> int:
    """Bytes that processes hold at the moment; 0 where the system does not tell."""
    page, held = os.sysconf("SC_PAGE_SIZE"), 0
    for one in processes:
        with suppress(OSError, ValueError, IndexError):
            held += page * int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return held


def watch(runner: int, spec: dict[str, Any]) -> int:
    """Wait for the runner, and end it with all it has started when it takes too much; the exit code that says why."""
    began, guardian = time.monotonic(), os.getppid()
    try:
        while True:
            done, status = os.waitpid(runner, os.WNOHANG)
            if done:
                return 0 if spec["probing"] and status == 0 else ENDED
            kin = family(runner)
            if os.getppid() != guardian:
                return ENDED
            if time.monotonic() - began > spec["seconds"]:
                return LATE
            if memory(kin) > spec["memory"]:
                return MEMORY
            if len(kin) > spec["processes"]:
                return PROCESSES
            time.sleep(0.1)
    finally:
        for one in reversed(family(runner)):
            with suppress(OSError):
                os.kill(one, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(runner, 0)  # the first of the new spaces is gone when all others are


def main() -> None:
    """Start the runner and watch over it."""
    spec = json.loads(sys.argv[1])

    def stop(*_: object) -> None:
        raise SystemExit(ENDED)

    signal.signal(signal.SIGTERM, stop)
    if spec["jailed"]:
        try:
            enter()
        except (Refused, OSError) as error:
            print(f"no jail: {error}", file=sys.stderr, flush=True)
            sys.exit(NO_JAIL)
    runner = os.fork()
    if runner == 0:
        start(spec)
    for stream in (0, 1):
        os.close(stream)  # so that the one who asks sees when the runner has gone
    os._exit(watch(runner, spec))


if __name__ == "__main__":
    main()
