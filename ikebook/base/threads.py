"""Work on several threads, given in the order of what comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from ikebook.base.compute import Compute
from ikebook.base.tensors import MOST_AT_A_TIME

One = TypeVar("One")
Found = TypeVar("Found")

BYTES_OF_CORE = 1 << 29
"""Of the memory for arrays that there has to be for each of them: chains of 15 steps each way, with what they weigh, are 0.15 GB at 854x480."""


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


def cores(compute: Compute) -> int:
    """How many frames, or batches of them, are worked on at a time: as PyTorch has threads; one on a GPU, or in little memory."""
    if compute.device.type != "cpu":
        return 1
    limit = compute.memory.limit
    room = MOST_AT_A_TIME if limit is None else max(1, limit // BYTES_OF_CORE)
    return min(torch.get_num_threads(), MOST_AT_A_TIME, room)


def on_cores(work: Callable[[One], Found], items: Iterable[One], compute: Compute) -> Generator[Found, None, None]:
    """`work` of each item, in order, each on one core; meanwhile PyTorch divides no operation among several.

    An operation on one frame is too short to be divided: its threads mostly wait for each other, and where another program has the
    processor too they take many times as long as one of them alone (docs/speed.md). Frames side by side wait for nobody.

    Parameters
    ----------
    work : of one item, such as some frames, on one thread; it changes nothing that another one reads
    items : taken one after the other, by the thread that asks
    compute : where the work is done

    Examples
    --------
    >>> list(on_cores(abs, [-1, 2, -3], Compute()))
    [1, 2, 3]
    """
    count = cores(compute)
    if count == 1:
        yield from map(work, items)
        return
    before, gradients, inference = torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def as_here(item: One) -> Found:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):  # which each thread has of its own
            return work(item)

    torch.set_num_threads(1)  # of this thread, and of those that begin from now on
    try:
        yield from side_by_side(as_here, items, count, "cores")
    finally:
        torch.set_num_threads(before)
