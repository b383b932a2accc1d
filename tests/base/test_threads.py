"""Work side by side: in order, no farther ahead than it must be, and nothing left behind."""

from __future__ import annotations

import threading
import time

import pytest

from ikebook.base.threads import side_by_side


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
