"""A data set on several workers: real schedulers, workers and clients on loopback, killed when it hurts most."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from errands import die, die_once, double, environment, resources, wait_for
from layouts import tree, write_davis, write_frames

from ikebook.base.check import InputError
from ikebook.base.machine import versions
from ikebook.cli import main
from ikebook.cycle import CycleOptions
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import toy
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.runs.cluster import (
    ClusterRunner,
    _result,
    local_workers,
    parse_resources,
    progress_messages,
    threads_each,
    visible_gpus,
)
from ikebook.runs.evaluation import evaluate
from ikebook.runs.options import RunOptions
from ikebook.runs.parts import segment_parts
from ikebook.runs.result_folder import has_lock, lock_folder
from ikebook.runs.runners import LostTask, SerialRunner
from ikebook.runs.sequence import SequenceTask, evaluate_sequence

pytest.importorskip("distributed")
pytest.importorskip("cryptography")

# Once, on a busy machine, one of these stood still for minutes, nobody knows which or why; the limit prints where.
pytestmark = [pytest.mark.timeout(240), pytest.mark.flaky(reruns=1)]

SEQUENCES = ["disc", "occluder", "tracked"]
OPTIONS = RunOptions(
    size=(16, 16),
    device="cpu",
    cache=False,
    cycle=CycleOptions(
        cycles=2,
        network=NetworkOptions(widths=(8, 16), stem=1),
        training=TrainOptions(epochs=2, batch=2),
        tolerance=0.0,
    ),
)
HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH")])),
}
"""Of processes that find the modules of the tests, and ikebook where this process finds it."""
PATIENCE = 60
"""Seconds that a busy machine may take for what takes one or two."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_davis(tmp_path_factory.mktemp("data") / "DAVIS", SEQUENCES, size=(24, 16))


@pytest.fixture(scope="module")
def dataset(root):
    return Davis2016(root)


@pytest.fixture(scope="module")
def expected(dataset, tmp_path_factory):
    """What one process finds, one sequence after the other."""
    out = tmp_path_factory.mktemp("one") / "out"
    return out, evaluate(dataset, out, OPTIONS, runner=SerialRunner(threads=1))


def lasting(results):
    """The part of the results that does not depend on when and where they were made."""

    def cleaned(value):
        if isinstance(value, dict):
            return {
                key: cleaned(one) for key, one in value.items() if key not in ("seconds", "where", "peak_memory_bytes")
            }
        return [cleaned(one) for one in value] if isinstance(value, list) else value

    return cleaned(json.loads(json.dumps(results)))


def assert_same(out, results, expected) -> None:
    """Whether results and masks are those of one process, to the last bit, and no other file is left."""
    assert lasting(results) == lasting(expected[1])
    assert lasting(json.loads((out / "results.json").read_text())) == lasting(expected[1])
    assert tree(out) == tree(expected[0])
    for file in expected[0].glob("masks/*/*.png"):
        assert (out / file.relative_to(expected[0])).read_bytes() == file.read_bytes()


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def dask(*arguments) -> subprocess.Popen:
    """A scheduler or a worker, as `dask` starts it."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *map(str, arguments[1:])],
                            env=ENVIRONMENT, start_new_session=True, **quiet)  # fmt: skip


def kill(process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def processes():
    """A list for processes, which end with the block."""
    started: list[subprocess.Popen] = []
    try:
        yield started
    finally:
        for process in started:
            kill(process)


def scheduler(number: int) -> subprocess.Popen:
    process = dask("scheduler", "--host", "127.0.0.1", "--port", number, "--dashboard-address", "127.0.0.1:0")

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", number), timeout=1):
            return True
        return False

    wait(answers, process)
    return process


def worker(number: int, *more) -> subprocess.Popen:
    return dask("worker", f"tcp://127.0.0.1:{number}", "--nthreads", "1", "--no-nanny", "--no-dashboard",
                "--memory-limit", "0", *more)  # fmt: skip


def wait(condition, *needed) -> None:
    """Wait for a condition, as long as the processes live that it needs."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert all(process.poll() is None for process in needed), "a process has ended"
        assert time.monotonic() < until
        time.sleep(0.05)


class TestWithoutProcesses:
    def test_in_turn(self) -> None:
        assert list(SerialRunner()(double, {"a": 1, "b": 2})) == [("a", 2), ("b", 4)]

    def test_a_scheduler_needs_no_pytorch(self) -> None:
        program = "import sys, ikebook.runs.cluster; sys.exit(bool({'torch', 'cv2'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, check=False).returncode == 0

    def test_resources(self) -> None:
        assert parse_resources("GPU=1, MEM=2e9") == {"GPU": 1.0, "MEM": 2e9}
        for text in ("GPU", "GPU=", "=1", "GPU=0", "GPU=-1", "GPU=nan", "GPU=inf", "GPU=1,", ""):
            with pytest.raises(InputError, match="expected"):
                parse_resources(text)

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--workers", "2", "--cluster", "tcp://x:1"], "give one of them"),
            (["--resources", "GPU=1"], "--resources chooses workers of a --cluster"),
            (["--workers", "0"], "--workers is 0; expected a whole number, 1 or more"),
            (["--threads", "0"], "--threads is 0"),
            (["--cluster", "tcp://x:1", "--resources", "GPU"], "expected NAME=AMOUNT, such as GPU=1"),
        ],
    )
    def test_wrong_arguments(self, root, tmp_path, capsys, more, message) -> None:
        assert main(["evaluate", "davis2016", "--root", str(root), "--out", str(tmp_path / "out"), *more]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_without_dask(self, root, tmp_path, capsys, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        for more in (["--workers", "2"], ["--cluster", "tcp://x:1"]):
            assert main(["evaluate", "davis2016", "--root", str(root), "--out", str(tmp_path / "out"), *more]) == 2
            assert "it comes with: pip install 'ikebook[cluster]'" in capsys.readouterr().err

    def test_without_cryptography_no_worker_is_started(self, root, tmp_path, capsys, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "cryptography", None)
        arguments = ["evaluate", "davis2016", "--root", str(root), "--out", str(tmp_path / "out"), "--workers", "2"]
        assert main(arguments) == 2
        assert "--workers needs cryptography" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_threads_are_shared(self) -> None:
        assert [threads_each(8, count) for count in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]

    @pytest.mark.parametrize(
        ("given", "count", "expected"),
        [
            ("2,3", 2, ["2", "3"]),
            (None, 2, ["0", "1"]),
            ("GPU-8a, GPU-9b,", 2, ["GPU-8a", "GPU-9b"]),
            ("", 0, []),
            ("1,-1,0", 1, ["1"]),
        ],
    )
    def test_gpus_are_those_that_this_process_may_use(self, given, count, expected, monkeypatch) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if given is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        monkeypatch.setattr("torch.cuda.device_count", lambda: count)
        assert visible_gpus() == expected

    def test_progress_tells_the_first_step_and_not_all(self) -> None:
        said: list[str] = []
        for _ in progress_messages(said.append)("flow", 500):
            pass
        assert said[0] == "flow 0/500"
        assert len(said) < 50

    @pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "/nowhere/scheduler.json"])
    def test_nobody_answers(self, address, monkeypatch) -> None:
        monkeypatch.setattr("ikebook.runs.cluster.CONNECT_SECONDS", 0.5)
        with pytest.raises(InputError, match=r"no Dask scheduler answers at .*run again to go on"):
            list(ClusterRunner(address=address)(double, {"a": 1}))

    @pytest.mark.parametrize(
        "error",
        [RuntimeError("Error during deserialization of the task graph. This\nfrequently"), ImportError("no ikebook")],
    )
    def test_a_cluster_without_ikebook(self, error) -> None:
        """What Dask raises where the scheduler, or the worker, can't import what a task is made of."""

        class Future:
            def result(self):
                raise error

        message = f"can't read a task \\({str(error).splitlines()[0]}\\); give both the same ikebook"
        with pytest.raises(InputError, match=message):
            _result(Future())
        error.args = ("something else",)
        if isinstance(error, RuntimeError):
            with pytest.raises(RuntimeError, match="something else"):
                _result(Future())

    def test_a_worker_that_sees_another_folder_or_has_other_versions(self, dataset, tmp_path, monkeypatch) -> None:
        task = {"dataset": dataset, "name": "disc", "out": tmp_path / "out", "key": "", "options": OPTIONS}
        monkeypatch.setattr("ikebook.runs.sequence.has_lock", partial(has_lock, patience=0))
        failed = evaluate_sequence(SequenceTask(**task, token="another", versions=versions()))
        assert (failed["kind"], "does not see" in failed["reason"]) == ("input", True)
        failed = evaluate_sequence(SequenceTask(**task, token="", versions=versions() | {"torch": "1.0.0"}))
        assert "the results are made with 1.0.0; install the same" in failed["reason"]
        with lock_folder(tmp_path / "out") as token:
            same_build = versions() | {"torch": versions()["torch"].partition("+")[0] + "+cu130"}
            assert evaluate_sequence(SequenceTask(**task, token=token, versions=same_build))["frames"] == 5


SHOWN: list[dict[str, str]] = []
"""What `local` has shown."""


@pytest.fixture(scope="module")
def others():
    """Where this process and what it has started listen before there are workers: other tests may have a JupyterLab here."""
    return set(listening(descendants(os.getpid()))) if Path("/proc/net/tcp").exists() else set()


@pytest.fixture(scope="module")
def local(others):
    """Two workers of this machine."""
    with local_workers(2, threads=1, show=lambda states: SHOWN.append(dict(states))) as runner:
        yield runner


def descendants(pid) -> list[int]:
    """A process and all that it has started, but for those that end meanwhile."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in descendants(child))]


def listening(pids) -> dict[str, int]:
    """The sockets that processes listen on: address and port, and whose they are."""
    owners: dict[str, int] = {}
    for pid in pids:
        with suppress(OSError):
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    owners[str(handle.readlink())] = pid
    found: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in owners:
                found[address] = owners[f"socket:[{inode}]"]
    return found


class TestStrangers:
    """Whoever may give a worker orders runs code as its user."""

    @pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from /proc")
    def test_all_processes_listen_on_loopback_only(self, local, others) -> None:
        dict(local(double, {str(index): index for index in range(4)}))  # all workers are there
        everywhere = listening(descendants(os.getpid()))
        found = {address: pid for address, pid in everywhere.items() if address not in others}
        assert len(set(found.values())) >= 3  # this process, for the scheduler, and two workers, with who minds them
        assert {address.partition(":")[0] for address in found} == {"0100007F"}  # 127.0.0.1

    @pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from /proc")
    def test_no_port_talks_to_who_has_no_key(self, local, others) -> None:
        found = set(listening(descendants(os.getpid()))) - others
        ports = [int(address.partition(":")[2], 16) for address in found]
        assert len(ports) >= 3
        stranger = ssl.create_default_context()
        stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
        answers = []
        for number in ports:
            with suppress(OSError), socket.create_connection(("127.0.0.1", number), timeout=0.5) as plain:
                answers.append(plain.recv(1))  # Dask's greeting, where no key is asked for
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", number), timeout=0.5) as plain,
                stranger.wrap_socket(plain) as talking,  # TLS 1.3 says only afterwards that there was no certificate
            ):
                answers.append(talking.recv(1))
        assert b"".join(answers) == b""

    def test_no_client_gives_orders_without_the_key(self, local) -> None:
        from distributed import Client, Security

        host = local.address.partition("://")[2]
        for address, key in ((f"tcp://{host}", None), (f"tls://{host}", Security.temporary())):
            with pytest.raises(OSError):
                Client(address, security=key, timeout=2, set_as_default=False)

    def test_the_key_is_not_shown(self, local) -> None:
        assert "PRIVATE" in local.security.tls_client_key
        assert "PRIVATE" not in repr(local)
        if Path("/proc").exists():
            for pid in descendants(os.getpid()):
                with suppress(OSError):  # what has ended meanwhile
                    shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
                    assert b"PRIVATE KEY" not in shown


class TestWorkersOfThisMachine:
    def test_the_same_as_one_process_to_the_last_bit_with_live_progress(
        self, local, dataset, expected, tmp_path
    ) -> None:
        SHOWN.clear()
        results = evaluate(dataset, tmp_path / "out", OPTIONS, runner=local)
        assert_same(tmp_path / "out", results, expected)
        assert {name for states in SHOWN for name in states} == set(SEQUENCES)
        assert any(state.startswith("network 1 ") for states in SHOWN for state in states.values())
        assert SHOWN[-1] == {}

    def test_they_keep_memory_instead_of_asking_for_it_anew(self, local) -> None:
        """Dask's own setting makes a video take two to three times as long."""
        names = ["MALLOC_TRIM_THRESHOLD_", "OPENBLAS_NUM_THREADS"]
        found = dict(local(environment, {name: name for name in names}))
        assert found == {"MALLOC_TRIM_THRESHOLD_": None, "OPENBLAS_NUM_THREADS": "1"}

    def test_a_long_video_in_parts(self, local, tmp_path) -> None:
        folder = write_frames(tmp_path / "frames", toy("two_objects", (48, 36), 13).clip.frames)
        options = RunOptions(size=(32, 24), device="cpu")
        summary = segment_parts(folder, tmp_path / "out", options, part_length=5, runner=local)
        assert summary == segment_parts(folder, tmp_path / "serial", options, part_length=5)
        assert tree(tmp_path / "out") == tree(tmp_path / "serial")
        for file in (tmp_path / "serial").glob("*/*.png"):
            assert (tmp_path / "out" / file.relative_to(tmp_path / "serial")).read_bytes() == file.read_bytes()


@pytest.fixture(scope="class")
def cluster():
    """A scheduler and two workers, one of them with a GPU, so it says."""
    number = port()
    with processes() as started:
        started.append(scheduler(number))
        started += [worker(number, "--resources", "GPU=1"), worker(number)]
        yield f"tcp://127.0.0.1:{number}"


class TestClusters:
    def test_a_data_set(self, cluster, dataset, expected, tmp_path) -> None:
        results = evaluate(dataset, tmp_path / "out", OPTIONS, runner=ClusterRunner(address=cluster, threads=1))
        assert_same(tmp_path / "out", results, expected)

    def test_the_command_and_masks_made_elsewhere(self, cluster, root, expected, tmp_path, capsys) -> None:
        arguments = ["evaluate", "davis2016", "--root", str(root), "--out", str(tmp_path / "out"), "--cluster", cluster]
        assert main([*arguments, "--masks", str(expected[0] / "masks"), "--resources", "GPU=1"]) == 0
        printed, error = capsys.readouterr()
        assert printed.splitlines()[-1] == f"Written to {tmp_path / 'out'}: results.json, results.csv"
        assert sorted(line.split(":")[0] for line in error.splitlines()) == SEQUENCES
        assert json.loads((tmp_path / "out" / "results.json").read_text())["mean"] == expected[1]["mean"]

    def test_tasks_go_where_the_resources_are(self, cluster) -> None:
        found = list(ClusterRunner(address=cluster, resources={"GPU": 1})(resources, dict.fromkeys("abcd", 0)))
        assert [one for _, one in found] == [{"GPU": 1.0}] * 4

    def test_so_many_at_a_time(self, cluster) -> None:
        tasks = {str(number): number for number in range(7)}
        one = list(ClusterRunner(address=cluster, at_once=1)(double, tasks))
        assert one == [(name, 2 * number) for name, number in tasks.items()]  # each waits for the one before it
        assert sorted(ClusterRunner(address=cluster, at_once=3)(double, tasks)) == one

    def test_what_always_fails_is_named_and_the_rest_is_finished(self, cluster, root, expected, tmp_path) -> None:
        (root / "JPEGImages" / "480p" / "broken").mkdir()
        (root / "JPEGImages" / "480p" / "broken" / "00000.jpg").write_bytes(b"no picture")
        try:
            results = evaluate(
                Davis2016(root), tmp_path / "out", OPTIONS, runner=ClusterRunner(address=cluster, threads=1)
            )
        finally:
            (root / "JPEGImages" / "480p" / "broken" / "00000.jpg").unlink()
            (root / "JPEGImages" / "480p" / "broken").rmdir()
        assert list(results["failed"]) == ["broken"]
        assert "00000.jpg is no image that OpenCV can read" in results["failed"]["broken"]["reason"]
        assert lasting(results["sequences"]) == lasting(expected[1]["sequences"])

    def test_the_client_killed_and_started_again(self, cluster, root, dataset, expected, tmp_path) -> None:
        out = tmp_path / "out"
        command = [sys.executable, "-c", CLIENT, str(root), str(out), cluster]
        with processes() as started:
            started.append(client := subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True))
            wait(lambda: list(out.glob("sequences/*.json")) and len(list(out.glob("masks/*"))) > 1, client)
            kill(client)
        assert 1 <= len(list(out.glob("sequences/*.json"))) < len(SEQUENCES)
        results = evaluate(dataset, out, OPTIONS, runner=ClusterRunner(address=cluster, threads=1))
        assert_same(out, results, expected)


CLIENT = """
import sys
from pathlib import Path
from test_cluster import OPTIONS, ClusterRunner, Davis2016, evaluate
root, out, address = sys.argv[1:]
one_worker = ClusterRunner(address=address, threads=1, resources={"GPU": 1})
evaluate(Davis2016(root), Path(out), OPTIONS, runner=one_worker)
"""
"""Segments one sequence after the other, on a worker."""


class TestDeaths:
    def test_a_worker_killed_in_the_middle(self, tmp_path) -> None:
        number = port()
        with processes() as started:
            started += [scheduler(number), worker(number), worker(number)]
            runner = ClusterRunner(address=f"tcp://127.0.0.1:{number}")
            tasks = {str(index): str(tmp_path / str(index)) for index in range(3)}
            found = dict(runner(die_once, {"0": tasks["0"]}))
            assert found["0"] in {process.pid for process in started[1:]}
            assert sum(process.poll() is None for process in started) == 2

    def test_a_task_that_kills_every_worker_is_lost_and_the_others_are_not(self) -> None:
        import dask

        with dask.config.set({"distributed.scheduler.allowed-failures": 1}), local_workers(2) as runner:
            light = replace(runner, threads=None)  # a worker that is not told how many need not import PyTorch
            found = dict(light(die, {"a": False, "killer": True, "b": False, "c": False}))
        assert isinstance(found["killer"], LostTask)
        assert found["killer"].reason.startswith("2 workers in a row died of it")
        assert all(isinstance(found[name], int) for name in "abc")

    def test_a_scheduler_started_anew(self, tmp_path) -> None:
        number = port()
        with processes() as started:
            started += [scheduler(number), worker(number)]
            runner = ClusterRunner(address=f"tcp://127.0.0.1:{number}", patience=PATIENCE)
            first, second = tmp_path / "first", tmp_path / "second"
            first.touch()
            found = runner(wait_for, {"first": str(first), "second": str(second)})
            assert next(found) == ("first", started[1].pid)
            wait((tmp_path / "second.waits").exists)
            kill(started[0])
            kill(started[1])
            started += [scheduler(number), worker(number)]
            second.touch()
            assert list(found) == [("second", started[3].pid)]

    def test_a_scheduler_that_does_not_come_back(self, tmp_path) -> None:
        number = port()
        with processes() as started:
            started += [scheduler(number), worker(number)]
            runner = ClusterRunner(address=f"tcp://127.0.0.1:{number}", patience=1)
            (tmp_path / "first").touch()
            found = runner(wait_for, {"first": str(tmp_path / "first"), "second": str(tmp_path / "second")})
            next(found)
            kill(started[0])
            with pytest.raises(InputError, match="What was finished is kept: run again to go on"):
                next(found)


def test_a_notebook_s_own_cluster(dataset, expected, tmp_path) -> None:
    """As docs/cluster.md shows it."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as local_cluster:
        results = evaluate(
            dataset, tmp_path / "out", OPTIONS, runner=ClusterRunner(address=local_cluster.scheduler_address, threads=1)
        )
    assert_same(tmp_path / "out", results, expected)
