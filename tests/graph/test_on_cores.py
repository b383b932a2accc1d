"""Frames side by side on several cores: the same numbers as one after the other, but for the rounding of the small eigenproblem."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.arrays import DiskArray, Memory
from ikebook.base.tensors import FrameCache
from ikebook.cycle import CycleOptions
from ikebook.graph.presets import PRESETS
from ikebook.matrix.operator import full_precision


def assert_same(alone: list[np.ndarray], beside: list[np.ndarray]) -> None:
    """Equal to what LAPACK, which has as many threads as PyTorch, may round otherwise."""
    assert len(alone) == len(beside)
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6 * float(np.abs(one).max()))


def results(clip, flow, options, threads: int, **given) -> list[np.ndarray]:
    """What `segment` finds, with so many of PyTorch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = ikebook.segment(clip, flow, options=options, **given)
        assert torch.get_num_threads() == threads
        arrays = [found.soft, found.masks, found.pairs.values, found.saliency]
        return [np.asarray(one) for one in arrays if one is not None]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_graph_is_the_same_on_any_number_of_cores(name, threads) -> None:
    made = ikebook.demo(frames=17, size=(72, 40))
    options = ikebook.preset(name)
    alone, beside = (results(made.clip, made.flow, options, count) for count in (1, threads))
    assert_same(alone, beside)


@pytest.mark.parametrize(
    "assignments",
    [
        ["motion.edges=union"],
        ["chains.links=corners", "chains.sampling=bilinear"],
        ["chains.consistent=true"],
        ["projection.scope=frame"],
        ["features.displacements=flows", "features.center=video"],
    ],
    ids=",".join,
)
def test_so_is_one_of_any_kind(assignments) -> None:
    made = ikebook.demo(frames=12, size=(72, 40))
    options = ikebook.override(ikebook.preset("saliency"), *assignments)
    alone, beside = (results(made.clip, made.flow, options, count) for count in (1, 3))
    assert_same(alone, beside)


def test_so_are_cycles() -> None:
    made = ikebook.demo(frames=8, size=(72, 40))
    found = []
    before = torch.get_num_threads()
    for threads in (1, 4):
        torch.set_num_threads(threads)
        halves = list(ikebook.exchange(made.clip, made.flow, options=CycleOptions(cycles=2, network=None, tolerance=0)))
        assert torch.get_num_threads() == threads
        found.append(np.asarray(halves[-1].soft))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_an_array_on_disk_gives_each_thread_what_it_asks_for() -> None:
    memory = Memory(limit=1)
    array = memory.array(np.full((50, 300), k, np.float32) for k in range(40))
    assert isinstance(array, DiskArray)
    cache = FrameCache(array, torch.from_numpy, limit=0)
    wrong: list[int] = []

    def read(seed: int) -> None:
        chosen = np.random.default_rng(seed).integers(0, 40, 300).tolist()
        wrong.extend(k for k in chosen if not ((array[k] == k).all() and bool((cache[k] == k).all())))

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_full_precision_ends_with_the_last_thread_that_is_in_it() -> None:
    flags = torch.backends.cuda.matmul
    name, allowed, exact = (
        ("fp32_precision", "tf32", "ieee") if hasattr(flags, "fp32_precision") else ("allow_tf32", True, False)
    )
    before = getattr(flags, name)
    setattr(flags, name, allowed)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with full_precision():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    try:
        with full_precision():
            thread.start()
            assert inside.wait(10)
        assert getattr(flags, name) == exact  # the other one is still in it
        leave.set()
        thread.join()
        assert getattr(flags, name) == allowed
    finally:
        leave.set()
        setattr(flags, name, before)
