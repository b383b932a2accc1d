"""Thirty workers of Dask's in this process, and hundreds of tasks: what is finished is not kept. How long it takes is not looked at."""

from __future__ import annotations

import gc
import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("distributed")

SOURCE = Path(__file__).parents[1] / "experiments" / "scheduler.py"
SPEC = importlib.util.spec_from_file_location("scheduler_experiment", SOURCE)
experiment = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(experiment)

WORKERS, TASKS, WINDOW = 30, 600, 60


class Result:
    """What a task gives, of which the garbage collector can tell how many there are."""

    def __init__(self, task: int) -> None:
        self.task = task


def give(task: int, progress) -> Result:
    return Result(task)


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore:Creating scratch directories:UserWarning")  # on a busy machine
def test_neither_client_nor_scheduler_keeps_what_is_finished() -> None:
    with experiment.light_workers(WORKERS) as (runner_of, scheduler):
        most = results = 0
        found = set()
        for name, result in runner_of(at_once=WINDOW)(give, {f"video-{index}": index for index in range(TASKS)}):
            assert name == f"video-{result.task}"
            found.add(result.task)
            most = max(most, len(scheduler.tasks))
            if len(found) % 150 == 0:
                gc.collect()
                results = max(results, sum(type(one) is Result for one in gc.get_objects()))
        assert found == set(range(TASKS))
        assert WORKERS <= most <= 3 * WINDOW  # some are on their way to be forgotten
        assert results <= 3 * WINDOW
        assert len(scheduler.workers) == WORKERS


def test_a_runner_that_is_told_nothing_has_a_bound(monkeypatch) -> None:
    """As many are handed out at first as the bound says, and then one for each that comes back."""
    from ikebook.runs import cluster

    handed_out = []

    class Future:
        status = "finished"

        def __init__(self, name) -> None:
            self.key = ("topic", name)

        def result(self) -> None:
            return None

        def release(self) -> None:
            handed_out.append(f"{self.key[1]} released")

    class Client:
        status, loop = "running", None

        def subscribe_topic(self, *_) -> None:
            pass

        unsubscribe_topic = cancel = subscribe_topic

    class Coming(list):
        def __iter__(self):
            while self:
                yield self.pop(0)

        update = list.extend

    monkeypatch.setattr("distributed.as_completed", lambda futures, loop: Coming(futures))

    def submit(self, client, work, name, task, topic) -> Future:
        handed_out.append(name)
        return Future(name)

    monkeypatch.setattr(cluster.ClusterRunner, "_submit", submit)
    runner = cluster.ClusterRunner(address="nowhere")
    bound = runner.at_once
    count = bound + 3
    coming = runner._round(Client(), None, dict.fromkeys(range(count)))
    assert next(coming) == (0, None)
    assert handed_out == [*range(bound), bound, "0 released"]
    assert [name for name, _ in coming] == list(range(1, count))
    assert sum(isinstance(one, str) for one in handed_out) == count
