"""How many threads a container may have: from files as the kernel writes them, and from PyTorch itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ikebook.base.quota import ask_for_threads, processor_quota

SECOND = "0::/{group}\n"
FIRST = "4:memory:/elsewhere\n2:cpu,cpuacct:/{group}\n1:cpuset:/\n"


def system(folder, groups: str, files: dict[str, str]):
    """Files as a system has them; those of control groups lie where it mounts them."""
    for name, text in {
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def first(folder: str, quota: int) -> dict[str, str]:
    """A limit of version 1, in microseconds out of 100,000."""
    return {f"cpu/{folder}cpu.cfs_quota_us": f"{quota}\n", f"cpu/{folder}cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        pytest.param(SECOND.format(group=""), {"cpu.max": "150000 100000\n"}, 1.5, id="a container of its own"),
        pytest.param(SECOND.format(group=""), {"cpu.max": "max 100000\n"}, None, id="no limit"),
        pytest.param(SECOND.format(group=""), {}, None, id="the root, which has no file"),
        pytest.param(
            SECOND.format(group="a/b"), {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, 2.0, id="above"
        ),
        pytest.param(
            SECOND.format(group="a/b"), {"a/b/cpu.max": "50000 100000", "a/cpu.max": "max 100000"}, 0.5, id="below"
        ),
        pytest.param(SECOND.format(group="docker/id"), {"cpu.max": "100000 100000"}, 1.0, id="not in what is mounted"),
        pytest.param(SECOND.format(group=""), {"cpu.max": "nonsense\n"}, None, id="nonsense"),
        pytest.param(FIRST.format(group=""), first("", 250000), 2.5, id="version 1"),
        pytest.param(FIRST.format(group="a"), first("a/", -1), None, id="version 1 without a limit"),
        pytest.param(FIRST.format(group="a"), first("a/", -1) | first("", 100000), 1.0, id="version 1, above"),
        pytest.param(FIRST.format(group="docker/id"), first("", 300000), 3.0, id="version 1, not in what is mounted"),
    ],
)
def test_the_quota_of_a_container(tmp_path, groups, files, cores) -> None:
    assert processor_quota(system(tmp_path, groups, files)) == cores


def test_a_system_without_control_groups_has_no_quota(tmp_path) -> None:
    assert processor_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "threads"), [(50000, "1"), (100000, "1"), (150000, "2"), (700000, "7"), (800000, None)]
)
def test_no_more_threads_than_the_container_may_use(tmp_path, monkeypatch, quota, threads) -> None:
    monkeypatch.setattr("ikebook.base.quota.usable_processors", lambda: 8)
    environment: dict[str, str] = {}
    ask_for_threads(environment, system(tmp_path, SECOND.format(group=""), {"cpu.max": f"{quota} 100000"}))
    assert environment.get("OMP_NUM_THREADS") == threads


def test_what_the_user_has_set_stays(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ikebook.base.quota.usable_processors", lambda: 8)
    asked = {"OMP_NUM_THREADS": "5"}
    environment = dict(asked)
    ask_for_threads(environment, system(tmp_path, SECOND.format(group=""), {"cpu.max": "100000 100000"}))
    assert environment == asked


def test_pytorch_has_as_many() -> None:
    """In a process whose files say that it may use one core of the many that it sees."""
    code = (
        "import ikebook.base.quota as o, os; o.usable_processors = lambda: 64; o.processor_quota = lambda root: 0.7; "
    )
    code += "o.ask_for_threads(os.environ); import torch; print(torch.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"
