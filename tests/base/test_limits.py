"""Memory that a container, a job of a cluster or a shell allows: made-up trees of groups, and a limit that holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ikebook
from ikebook.base import machine as of_machine
from ikebook.base.limits import group_limit
from ikebook.runs.options import RunOptions

NONE = "9223372036854771712"
GB = 10**9


@pytest.fixture
def tree(tmp_path):
    """Makes a process: lines of its cgroup and its mountinfo, and the files of groups; gives the folder to read of it."""

    def make(groups: list[str], mounts: list[tuple[str, str, str, str]], files: dict[str, str]) -> Path:
        (tmp_path / "process").mkdir()
        (tmp_path / "process" / "cgroup").write_text("\n".join(groups) + "\n")
        lines = [
            f"{30 + k} 23 0:{k} {root} {tmp_path / place} rw,relatime shared:9 - {kind} {kind} {options}"
            for k, (kind, root, place, options) in enumerate(mounts)
        ]
        (tmp_path / "process" / "mountinfo").write_text(
            "\n".join(["21 1 8:1 / / rw - ext4 /dev/sda rw", *lines]) + "\n"
        )
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content + "\n")
        return tmp_path / "process"

    return make


UNIFIED = [("cgroup2", "/", "fs", "rw,nsdelegate")]
MEMORY = [("cgroup", "/", "fs/cpu", "rw,cpu,cpuacct"), ("cgroup", "/", "fs/memory", "rw,memory")]


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "limit"),
    [
        # Docker with a name space of its own, version 2
        (["0::/"], UNIFIED, {"fs/memory.max": str(GB), "fs/memory.high": "max"}, GB),
        # Kubernetes, as a Binder: the pod allows less than the container
        (
            ["0::/kubepods/pod1/c1"],
            UNIFIED,
            {"fs/kubepods/pod1/c1/memory.max": str(3 * GB), "fs/kubepods/pod1/memory.max": str(2 * GB)},
            2 * GB,
        ),
        # what is slowed down above it counts as a limit, too
        (["0::/job"], UNIFIED, {"fs/job/memory.max": str(3 * GB), "fs/job/memory.high": str(GB)}, GB),
        # a group of systemd's without any limit
        (["0::/user.slice"], UNIFIED, {"fs/user.slice/memory.max": "max", "fs/user.slice/memory.high": "max"}, None),
        # SLURM, version 1: limits of the step, the job and the user
        (
            ["5:memory:/slurm/uid_1/job_2/step_0", "4:cpu,cpuacct:/slurm", "0::/system.slice"],
            MEMORY,
            {
                "fs/memory/slurm/uid_1/job_2/step_0/memory.limit_in_bytes": NONE,
                "fs/memory/slurm/uid_1/job_2/memory.limit_in_bytes": str(4 * GB),
                "fs/memory/slurm/uid_1/memory.limit_in_bytes": NONE,
                "fs/memory/memory.limit_in_bytes": NONE,
            },
            4 * GB,
        ),
        # Docker of version 1: the path is the one outside, what is mounted is the container's group
        (
            ["4:memory:/docker/0123"],
            [("cgroup", "/docker/0123", "fs/memory", "rw,memory")],
            {"fs/memory/memory.limit_in_bytes": str(GB)},
            GB,
        ),
        # the same, where nothing but the path is from outside
        (
            ["4:memory:/docker/0123"],
            [("cgroup", "/other", "fs/memory", "rw,memory")],
            {"fs/memory/memory.limit_in_bytes": str(GB)},
            GB,
        ),
        # both versions: memory is of the first
        (
            ["4:memory:/job", "0::/job"],
            [*MEMORY, ("cgroup2", "/", "fs/unified", "rw")],
            {"fs/memory/job/memory.limit_in_bytes": str(GB), "fs/unified/job/cgroup.procs": "1"},
            GB,
        ),
        # nothing to be read
        (["0::/"], UNIFIED, {"fs/memory.max": "what?"}, None),
        ([], [], {}, None),
    ],
)  # fmt: skip
def test_the_least_limit_of_all_groups(groups, mounts, files, limit, tree) -> None:
    assert group_limit(tree(groups, mounts, files)) == limit


def test_a_system_without_groups(tmp_path) -> None:
    assert group_limit(tmp_path / "nowhere") is None


def test_a_run_keeps_to_the_limit_of_its_group(monkeypatch) -> None:
    monkeypatch.setattr(of_machine, "group_limit", lambda: 2 * GB)
    assert of_machine.machine_memory() == 2 * GB
    monkeypatch.setattr("ikebook.runs.options.resident_memory", lambda: GB // 2)
    assert RunOptions().compute().memory.limit == GB // 6
    monkeypatch.setattr(of_machine, "group_limit", lambda: GB // 2)
    assert RunOptions().compute().memory.limit == 0  # all goes to the disk


def test_a_limit_of_the_address_space_that_holds() -> None:
    """In a process of its own, as nothing takes such a limit back."""
    pytest.importorskip("resource")
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not say how large a process is")
    code = """
import resource, sys
import numpy as np
from ikebook.base.machine import machine_memory, resident_memory
before, page = machine_memory(), resource.getpagesize()
size = int(open("/proc/self/statm").read().split()[0]) * page
resource.setrlimit(resource.RLIMIT_AS, (size + 400_000_000, resource.RLIM_INFINITY))
room = machine_memory() - resident_memory()
assert machine_memory() < before, (machine_memory(), before)
assert 380e6 < room < 402e6, room
held = np.ones(int(0.7 * room), np.uint8)
assert abs(machine_memory() - resident_memory() - 0.3 * room) < 30e6
try:
    np.ones(room, np.uint8)
except MemoryError:
    print("as told")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(ikebook.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "as told\n", "")
