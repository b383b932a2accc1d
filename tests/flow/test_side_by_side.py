"""Searches side by side on several threads: the same numbers, in order, and no thread left behind."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from ikebook.datasets.toys import demo
from ikebook.flow.dis import Dis
from ikebook.flow.farneback import Farneback
from ikebook.flow.pairwise import PairwiseFlow


@pytest.fixture
def threads():
    before = cv2.getNumThreads()
    yield cv2.setNumThreads
    cv2.setNumThreads(before)


def flow_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("flow")]


@pytest.mark.parametrize("source", [Dis(), Farneback()], ids=["dis", "farneback"])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_many_threads_give_the_numbers_of_one(source, count, threads) -> None:
    frames = demo(6, (128, 72)).clip.frames
    threads(1)
    alone = list(source.pairs(frames))
    threads(count)
    together = list(source.pairs(frames))
    assert len(alone) == len(together) == 5
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
    assert np.abs(alone[0][0] - alone[4][0]).max() > 0  # not the same pair again and again
    assert not flow_threads()


def steps_of(count: int):
    """Frames of one grey each, and a search that gives the difference of two greys and counts its makings."""
    made = []

    def new_search():
        made.append(threading.get_ident())
        return lambda first, second: second.astype(np.int64) - first

    return [np.full((64, 64, 3), 7 * k, np.uint8) for k in range(count)], new_search, made


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("frames", [0, 1, 2, 9])
def test_each_pair_both_ways_in_order(count, frames, threads) -> None:
    threads(count)
    pictures, new_search, made = steps_of(frames)
    pairs = list(PairwiseFlow(480).pairs_of_grey(pictures, new_search))
    assert [(int(ahead[0, 0]), int(back[0, 0])) for ahead, back in pairs] == [(7, -7)] * max(0, frames - 1)
    assert len(made) == len(set(made)) <= count


def test_no_more_frames_are_read_than_are_searched(threads) -> None:
    threads(2)
    pictures, new_search, _ = steps_of(30)
    read = []
    pairs = PairwiseFlow(480).pairs_of_grey((read.append(1) or one for one in pictures), new_search)
    next(pairs)
    assert len(read) <= 4  # and not the whole video
    pairs.close()
    assert not flow_threads()


def test_an_error_of_a_search_is_told_and_ends_all(threads) -> None:
    threads(2)

    def new_search():
        def search(first, second):
            raise cv2.error("out of memory")

        return search

    pictures, _, _ = steps_of(9)
    with pytest.raises(cv2.error, match="out of memory"):
        list(PairwiseFlow(480).pairs_of_grey(pictures, new_search))
    assert not flow_threads()
