"""The small matrices are sums over frames: those of parts, made apart, add up to those of the whole."""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np
import pytest
import torch

import ikebook.matrix.chains
import ikebook.matrix.columns
import ikebook.matrix.motion
from ikebook.base.compute import Compute
from ikebook.base.tensors import FrameCache, Spare
from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.solvers.reduced import reduce, reduce_frames

SIZE, FRAMES, RADIUS, WINDOW = (18, 16), 17, 3, 2
MAPS = torch.rand(FRAMES, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def operators(first: int = 0, last: int = FRAMES, edges: str = "count", batch: int = 1, **chain: object):
    """M and F of frames first to last (not included) of one clip, as if there were no others."""
    flow = toy("two_objects", SIZE, FRAMES).flow
    piece = Flow(forward=flow.forward[first : last - 1], backward=flow.backward[first : last - 1])
    chains = MotionChains(piece, ChainOptions(**chain), compute=Compute(dtype=torch.float64), batch=batch)
    options = FeatureOptions(displacements="steps", half_window=WINDOW, cue_window=WINDOW)
    features = FeatureMatrix(chains, options, [Cue(name="noise", maps=MAPS[first:last])])
    return MotionMatrix(chains, MotionOptions(radius=RADIUS, edges=edges, self_loop=0.5)), features


@pytest.mark.parametrize("edges", ["count", "union"])
@pytest.mark.parametrize("cuts", [(0, 9, 17), (0, 1, 2, 16, 17), (0, 5, 6, 12, 17), tuple(range(18))])
def test_parts_add_up_to_the_whole(edges, cuts) -> None:
    motion, features = operators(edges=edges)
    whole = reduce(motion, features)
    parts = [reduce(motion, features, range(a, b)) for a, b in itertools.pairwise(cuts)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert torch.allclose(total.gram, whole.gram, rtol=1e-12, atol=1e-12)
    assert torch.allclose(total.motion, whole.motion, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("edges", ["count", "union"])
@pytest.mark.parametrize("consistent", [False, True])
def test_two_halves_made_apart_with_their_halos_add_up(edges, consistent) -> None:
    halo, middle = RADIUS + WINDOW, 9
    motion, features = operators(edges=edges, consistent=consistent)
    whole = reduce(motion, features)
    early = reduce(*operators(0, middle + halo, edges=edges, consistent=consistent), range(middle))
    shift = middle - halo
    late = reduce(*operators(shift, FRAMES, edges=edges, consistent=consistent), range(middle - shift, FRAMES - shift))
    total = early + late
    assert torch.allclose(total.gram, whole.gram, rtol=1e-12, atol=1e-12)
    assert torch.allclose(total.motion, whole.motion, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("edges", "links"), [("count", "nearest"), ("count", "corners"), ("union", "nearest")])
@pytest.mark.parametrize("batch", [2, 4, 32])
def test_sums_do_not_depend_on_the_batch(edges, links, batch) -> None:
    one, many = (operators(edges=edges, links=links, batch=b) for b in (1, batch))
    whole = reduce(*one)
    for part in (None, range(17), range(3, 14)):
        known, found = reduce(*one, part), reduce(*many, part)
        assert torch.allclose(known.gram, found.gram, rtol=1e-12, atol=1e-12)
        assert torch.allclose(known.motion, found.motion, rtol=1e-12, atol=1e-12 * float(whole.motion.abs().max()))
    known, found = reduce_frames(*one), reduce_frames(*many)
    assert known.motion.keys() == found.motion.keys()
    assert torch.allclose(known.grams, found.grams, rtol=1e-12, atol=1e-12)
    assert all(
        torch.allclose(block, found.motion[pair], rtol=1e-12, atol=1e-10) for pair, block in known.motion.items()
    )


@pytest.mark.parametrize("batch", [1, 4])
def test_frames_sums_add_up_to_the_clip_s(batch) -> None:
    motion, features = operators(batch=batch)
    whole, frames = reduce(motion, features), reduce_frames(motion, features)
    assert torch.allclose(frames.grams.sum(0), whole.gram, rtol=1e-12, atol=1e-12)
    total = sum(block if i == j else block + block.T for (i, j), block in frames.motion.items())
    assert torch.allclose(total, whole.motion, rtol=1e-12, atol=1e-10)


def test_a_halo_that_is_too_short_shows() -> None:
    whole = reduce(*operators())
    early, late = reduce(*operators(0, 10), range(9)), reduce(*operators(8, FRAMES), range(1, 9))
    assert not torch.allclose((early + late).motion, whole.motion, rtol=1e-3)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_pass_reads_each_field_once_and_holds_a_window_of_them(batch, monkeypatch) -> None:
    held, read = [], []

    class Counting(FrameCache):
        def __getitem__(self, frame):
            new = frame not in self._kept
            values = super().__getitem__(frame)
            held.append(len(self._kept))
            if new:
                read.append((id(self), frame))
            return values

    monkeypatch.setattr(ikebook.matrix.chains, "FrameCache", Counting)
    monkeypatch.setattr(ikebook.matrix.columns, "FrameCache", Counting)
    flow = toy("two_objects", SIZE, FRAMES).flow
    compute = Compute(dtype=torch.float64, memory="100M")  # so little that one frame comes after the other
    chains = MotionChains(flow, compute=compute, batch=batch, keep=0)
    features = FeatureMatrix(
        chains, FeatureOptions(displacements="steps", half_window=2), [Cue(name="c", maps=MAPS)], keep=0
    )
    reduce(MotionMatrix(chains, MotionOptions(radius=RADIUS)), features)
    assert max(held) <= 2 * max(RADIUS, features.reach) + batch
    assert len(read) == len(set(read)) == 2 * (FRAMES - 1) + FRAMES


class Poisoned(Spare):
    """Memory that is given back is overwritten; it counts the tensors that it has had to make."""

    made: ClassVar[list[int]] = []

    def empty(self, shape, dtype):
        if not self._free:
            self.made.append(1)
        return super().empty(shape, dtype)

    def give(self, tensor):
        if tensor.untyped_storage().nbytes() == self.size:
            torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()).fill_(255)  # NaN, or cell -1
        super().give(tensor)


@pytest.mark.parametrize(("edges", "links"), [("count", "nearest"), ("count", "corners"), ("union", "nearest")])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_pass_reuses_memory_and_nobody_looks_at_what_is_given_back(edges, links, threads, monkeypatch) -> None:
    made = toy("two_objects", SIZE, 40)
    before = torch.get_num_threads()

    def sums(frames: int):
        flow = Flow(forward=made.flow.forward[: frames - 1], backward=made.flow.backward[: frames - 1])
        chains = MotionChains(flow, ChainOptions(links=links), compute=Compute(dtype=torch.float64))
        colours = np.random.default_rng(0).normal(size=(frames, SIZE[1], SIZE[0], 3))
        motion = MotionMatrix(chains, MotionOptions(radius=RADIUS, edges=edges, colour=2.0), colours)
        maps = np.random.default_rng(1).normal(size=(frames, SIZE[1], SIZE[0]))
        options = FeatureOptions(mean=2.0, cue_window=1)
        return reduce(motion, FeatureMatrix(chains, options, [Cue(name="c", maps=maps)], motion=motion))

    torch.set_num_threads(threads)
    try:
        known = {frames: sums(frames) for frames in (20, 40)}
        monkeypatch.setattr(ikebook.matrix.motion, "Spare", Poisoned)
        counts = {}
        for frames, wanted in known.items():
            Poisoned.made.clear()
            found = sums(frames)
            counts[frames] = len(Poisoned.made)
            assert torch.equal(found.gram, wanted.gram)
            assert torch.equal(found.motion, wanted.motion)
    finally:
        torch.set_num_threads(before)
    # Rows ahead of p frames wait, with weights only where those are halved; the rest is of the frames under way.
    waiting = (2 if edges == "union" else 1) * (RADIUS + 1)
    assert max(counts.values()) <= waiting + 4 * threads + 2 * (threads + 1) + 4


def test_a_part_sees_only_the_frames_that_its_rows_lead_to() -> None:
    motion, _ = operators()
    arrivals = list(motion.stream(part=range(8, 10)))
    assert [frame for arrival in arrivals for frame in arrival.frames] == list(range(5, 13))
    assert {frame for arrival in arrivals for row in arrival.rows for frame in row.frames} == {8, 9}
