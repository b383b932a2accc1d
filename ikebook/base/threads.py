"""Work on several threads, given in the order of what comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Found = TypeVar("Found")


def side_by_side(
    work: Callable[[One], Found], items: Iterable[One], threads: int, name: str
) -> Generator[Found, None, None]:
    """`work` of each item, in order, on so many threads; no more items are taken than these have, and one.

    It pays where the work lets go of Python's lock for long, as a call of OpenCV's does; conjugate gradients of SciPy's, with many short
    calls, take longer so. An error of the work, or of the items, ends
    all; so does whoever asks for no more.

    Parameters
    ----------
    work : of one item; of several at a time
    items : taken one after the other, by the thread that asks
    threads : 1: none but the one that asks
    name : of the threads

    Examples
    --------
    >>> list(side_by_side(abs, [-1, 2, -3], threads=2, name="example"))
    [1, 2, 3]
    """
    if threads <= 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Found]] = deque()
    pool = ThreadPoolExecutor(threads, name)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
