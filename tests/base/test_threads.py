"""Work side by side: in order, no farther ahead than it must be, and nothing left behind."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from ikebook.base.compute import Compute
from ikebook.base.tensors import FrameCache
from ikebook.base.threads import cores, on_cores, side_by_side


def left() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("test-work")]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_in_order_whoever_is_first(threads, count) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item**2

    assert list(side_by_side(work, range(count), threads, "test-work")) == [item**2 for item in range(count)]
    assert not left()


def test_several_at_a_time() -> None:
    meeting = threading.Barrier(3, timeout=10)  # nobody goes on before three are there
    assert list(side_by_side(lambda item: meeting.wait() is not None, range(6), 3, "test-work")) == [True] * 6


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_is_taken_than_is_worked_on(threads) -> None:
    taken = []
    found = side_by_side(lambda item: item, (taken.append(k) or k for k in range(50)), threads, "test-work")
    assert next(found) == 0
    assert len(taken) <= threads + 1
    found.close()
    assert not left()


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_of_the_work_and_of_the_items_end_all(threads) -> None:
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda item: 1 / item, [2, 1, 0, 5], threads, "test-work"))

    def items():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(side_by_side(lambda item: item, items(), threads, "test-work"))
    assert not left()


def threads_here(_: object = None) -> int:
    torch.ones(2) + 1  # a thread's number is settled by the first operation on it
    return torch.get_num_threads()


@pytest.fixture
def three_threads():
    """PyTorch with three threads, as on a machine with three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_on_cores_no_operation_is_divided_and_afterwards_all_is_as_before() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def work(item: int) -> int:
        meeting.wait()
        return threads_here()

    for found in on_cores(work, range(6), Compute()):
        assert (found, threads_here()) == (1, 1)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_on_cores_all_is_as_before_when_it_ends_early() -> None:
    found = on_cores(threads_here, range(9), Compute())
    next(found)
    found.close()
    assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError):
        list(on_cores(lambda item: 1 / item, [1, 0], Compute()))
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_on_cores_within_each_other_there_are_no_more_threads_than_cores() -> None:
    def outer(item: int) -> set[int]:
        return {threading.get_ident()} | set(on_cores(lambda _: threading.get_ident(), range(4), Compute()))

    assert all(len(found) == 1 for found in on_cores(outer, range(6), Compute()))


@pytest.mark.usefixtures("three_threads")
def test_on_cores_little_memory_holds_one_frame_at_a_time() -> None:
    found = [cores(Compute(memory=memory)) for memory in (None, "8G", "1.5G", "600M", "100M")]
    assert found == [3, 3, 2, 1, 1]
    taken = []
    found = on_cores(lambda item: item, (taken.append(k) or k for k in range(9)), Compute(memory="500M"))
    assert next(found) == 0
    assert len(taken) == 1


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_on_cores_gradients_are_kept_or_not_as_where_it_is_asked_for(mode) -> None:
    def modes(_: object = None) -> tuple[bool, bool]:
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    with mode():
        assert set(on_cores(modes, range(6), Compute())) == {modes()}


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("limit", "kept"), [(0, 4), (100, 5), (1000, 6)])
def test_frames_under_way_are_kept_as_far_as_they_may(limit, kept) -> None:
    cache = FrameCache(
        np.zeros((40, 25), np.float32), torch.from_numpy, limit
    )  # 100 bytes each, which lie in memory already
    cache.at_least = 4
    for frame in range(40):
        cache[frame]
    assert len(cache._kept) == kept
