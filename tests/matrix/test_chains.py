"""Chains follow what moves, end where it ends, and are those of a plain loop over pixels."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.layers import apply_affine, invert_affine
from ikebook.datasets.toys import TOYS, toy
from ikebook.flow import Flow
from ikebook.matrix.chains import ChainOptions, Grid, MotionChains


def flow_of(m: int, h: int, w: int, seed: int, reach: float = 3.0) -> Flow:
    noise = np.random.default_rng(seed)
    forward, backward = noise.uniform(-reach, reach, (2, m - 1, h, w, 2))
    return Flow(forward=forward, backward=backward)


def nearest(value: float) -> int:
    return math.floor(value + 0.5)


def plain_chain(flow: Flow, frame: int, x: int, y: int, direction: int, steps: int) -> list[tuple[float, float] | None]:
    """One chain, by the definition: nearest sampling, ended at the frame's border. None once it has ended."""
    _, h, w, _ = flow.forward.shape
    px, py, points, alive = float(x), float(y), [], True
    for step in range(1, steps + 1):
        target = frame + direction * step
        if not 0 <= target < len(flow):
            break
        if alive:
            fields = flow.forward if direction > 0 else flow.backward
            dx, dy = fields[min(target, target - direction), nearest(py), nearest(px)]
            px, py = px + dx, py + dy
            alive = 0 <= nearest(px) < w and 0 <= nearest(py) < h
        points.append((px, py) if alive else None)
    return points


@given(st.integers(2, 5), st.integers(4, 7), st.integers(4, 8), st.integers(0, 10**6))
def test_chains_are_those_of_a_loop_over_pixels(m, h, w, seed) -> None:
    flow = flow_of(m, h, w, seed)
    chains = MotionChains(flow, compute=Compute(dtype=torch.float64))
    frame = seed % m
    trace = chains.trace(frame, 4)
    for direction, steps in ((1, trace.ahead), (-1, trace.behind)):
        for y in range(h):
            for x in range(w):
                expected = plain_chain(flow, frame, x, y, direction, 4)
                cell = (y + 1) * (w + 2) + x + 1
                assert len(steps) == len(expected)
                for step, point in zip(steps, expected, strict=True):
                    node = int(chains.nodes(step.cell, step.targets[0])[0, cell])
                    if point is None:
                        assert node == -1
                    else:
                        assert (float(step.x[0, cell]), float(step.y[0, cell])) == pytest.approx(point, abs=1e-12)
                        assert node == step.targets[0] * h * w + nearest(point[1]) * w + nearest(point[0])


long_toy = functools.cache(toy)


@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
@pytest.mark.parametrize(("name", "seed"), [("disc", 0), ("two_objects", 1), ("deforming", 0), ("tracked", 1)])
def test_chains_follow_the_object_to_half_a_pixel(name, sampling, seed) -> None:
    made = long_toy(name, (96, 80), 18, seed=seed)
    assert made.clip.masks is not None
    chains = MotionChains(made.flow, ChainOptions(sampling=sampling), compute=Compute(dtype=torch.float64))
    w = 96
    for frame, direction in ((0, 1), (17, -1)):
        trace = chains.trace(frame, 15)
        # Well inside the object, so that nearest and bilinear sampling do not read the scene behind it.
        exact_x, exact_y, inside = exact_path(made, frame, direction)
        for k, step in enumerate((trace.ahead if direction > 0 else trace.behind)[:15]):
            x, y = (chains.grid.crop(values[0]).numpy() for values in (step.x, step.y))
            off = np.hypot(x - exact_x[k], y - exact_y[k])[inside]
            assert len(off) > 20
            assert off.max() < 0.5, f"step {k + 1}: {off.max():.2f} px"
            assert (chains.nodes(step.cell, step.targets[0]).max() < step.targets.stop * w * 80).all()


def exact_path(made, frame: int, direction: int) -> tuple[list, list, np.ndarray]:
    """Where points of the first object go, from its placement and not from the flow; and which points are well inside."""
    m, h, w, _ = made.clip.frames.shape
    layer = next(layer for layer in TOYS[made.clip.name](w, h, m, 0) if layer.is_object)
    where = np.stack(np.meshgrid(np.arange(float(w)), np.arange(float(h))), -1)
    own = invert_affine(layer.place(frame), where)
    paths = [
        apply_affine(layer.place(frame + direction * k), own) for k in range(1, m) if 0 <= frame + direction * k < m
    ]
    return [p[..., 0] for p in paths], [p[..., 1] for p in paths], layer.alpha(1.4 * own) > 0.5


@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
def test_a_chain_ends_at_the_border_and_does_not_come_back(sampling) -> None:
    forward = np.zeros((3, 6, 8, 2))
    forward[0, ..., 0], forward[1, ..., 0], forward[2, ..., 0] = 5, -5, 0
    flow = Flow(forward=forward, backward=-forward)
    ends, passes = (
        MotionChains(flow, ChainOptions(sampling=sampling, border=border), compute=Compute(dtype=torch.float64))
        .trace(0, 3)
        .ahead
        for border in ("end", "pass")
    )
    grid = Grid((8, 6))
    left = grid.crop(grid.pixel_of(ends[0].cell[0]))
    assert (left[:, 3:] == -1).all()
    assert (left[:, :3] >= 0).all()
    assert (grid.crop(grid.pixel_of(ends[1].cell[0]))[:, 3:] == -1).all()  # the flow would have brought it back
    assert (grid.crop(grid.pixel_of(passes[0].cell[0]))[:, 3:] == -1).all()
    home = torch.arange(48).view(6, 8)
    assert torch.equal(grid.crop(grid.pixel_of(passes[1].cell[0])), home)


def test_consistent_chains_end_at_occlusions() -> None:
    made = toy("occluder", (64, 48), 12)
    assert made.clip.masks is not None
    plain = MotionChains(made.flow, compute=Compute(dtype=torch.float64))
    checked = MotionChains(made.flow, ChainOptions(consistent=True), compute=Compute(dtype=torch.float64))
    object_now = torch.from_numpy(made.clip.masks[0])
    step, checked_step = plain.trace(0, 6).ahead[-1], checked.trace(0, 6).ahead[-1]
    grid = plain.grid
    target = grid.pixel_of(step.cell[0])
    on_object = torch.from_numpy(made.clip.masks[6]).flatten()
    # A point of the object whose chain lies on something else six frames later has been passed by the post.
    lost = grid.crop((target >= 0) & ~on_object[target.clamp_min(0)]) & object_now
    kept = grid.crop((target >= 0) & on_object[target.clamp_min(0)]) & object_now
    ended = grid.crop(grid.pixel_of(checked_step.cell[0])) == -1
    assert int(lost.sum()) > 20
    assert float(ended[lost].double().mean()) > 0.9
    assert float(ended[kept].double().mean()) < 0.1


@pytest.mark.parametrize("border", ["end", "pass"])
@pytest.mark.parametrize("links", ["nearest", "corners"])
def test_a_chain_that_fails_the_check_ends_for_good(border, links) -> None:
    forward = np.ones((5, 8, 8, 2))
    backward = -forward
    backward[0, 5, 5] = 4  # the way back from (5, 5) does not lead to (4, 4)
    options = ChainOptions(border=border, links=links, consistent=True)
    chains = MotionChains(Flow(forward=forward, backward=backward), options, compute=Compute(dtype=torch.float64))
    cell = 5 * 10 + 5
    for step in chains.trace(0, 5).ahead:
        assert chains.grid.pixel_of(chains.links(step)[:, 0, cell]).tolist() == [-1] * (1 if links == "nearest" else 4)
        assert (float(step.dx[0, cell]), float(step.dy[0, cell])) == (0, 0)


def test_a_chain_that_has_left_by_less_than_a_pixel_has_no_corner_inside() -> None:
    forward = np.zeros((4, 5, 5, 2))
    forward[0, 2, 0, 0] = -0.7
    chains = MotionChains(
        Flow(forward=forward, backward=-forward), ChainOptions(links="corners"), compute=Compute(dtype=torch.float64)
    )
    for step in chains.trace(0, 4).ahead:
        assert chains.grid.pixel_of(chains.links(step)[:, 0, 3 * 7 + 1]).tolist() == [-1] * 4


@pytest.mark.parametrize(
    ("frames", "named"), [(-1, "-1 to -1"), (4, "4 to 4"), (range(2, 5), "2 to 4"), (range(2, 2), "2 to 1")]
)
def test_a_trace_of_frames_that_are_not_there(frames, named) -> None:
    with pytest.raises(InputError, match=f"frames are {named}; expected some of 0 to 3"):
        MotionChains(flow_of(4, 5, 6, 0)).trace(frames, 2)


@pytest.mark.parametrize("border", ["end", "pass"])
@pytest.mark.parametrize("links", ["nearest", "corners"])
@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("consistent", [False, True])
def test_frames_traced_together_have_the_chains_of_each_alone(border, links, sampling, consistent) -> None:
    options = ChainOptions(border=border, links=links, sampling=sampling, consistent=consistent)
    chains = MotionChains(flow_of(7, 6, 5, 3), options, compute=Compute(dtype=torch.float64))
    for frames in (range(7), range(2, 5), range(5, 7)):
        together = chains.trace(frames, 4)
        for i, frame in enumerate(frames):
            alone = chains.trace(frame, 4)
            for direction, steps in ((1, alone.ahead), (-1, alone.behind)):
                met, own = together.met[direction], alone.met[direction]
                assert torch.equal(met[: len(own), :, i], own[:, :, 0])
                assert not met[len(own) :, :, i].any()
                for step in steps:
                    joint = together.at(step.offset)
                    assert joint is not None
                    row = joint.frames.index(frame)
                    assert joint.targets[row] == step.targets[0] == frame + step.offset
                    for name in ("x", "y", "cell", "dx", "dy"):
                        assert torch.equal(getattr(joint, name)[row], getattr(step, name)[0])


def test_steps_beyond_those_kept_are_met_all_the_same() -> None:
    chains = MotionChains(flow_of(7, 6, 5, 3), compute=Compute(dtype=torch.float64))
    whole, short = chains.trace(range(1, 4), 5), chains.trace(range(1, 4), 5, keep=2)
    assert [len(short.ahead), len(short.behind)] == [2, 2]
    assert all(torch.equal(whole.met[direction], short.met[direction]) for direction in (1, -1))


@pytest.mark.parametrize(("batch", "cuts"), [(1, ()), (3, ()), (4, (5, 6)), (32, (0, 11)), (5, (1, 10))])
def test_batches_cover_all_frames_and_cross_no_multiple_and_no_cut(batch, cuts) -> None:
    chains = MotionChains(flow_of(11, 4, 4, 0), batch=batch)
    found = list(chains.batches(range(1, 11), cuts))
    assert [frame for frames in found for frame in frames] == list(range(1, 11))
    for frames in found:
        assert frames[0] // batch == frames[-1] // batch
        assert not any(frames.start < cut < frames.stop for cut in cuts)


def test_zero_flow_stays_on_its_pixel() -> None:
    flow = Flow(forward=np.zeros((4, 5, 6, 2)), backward=np.zeros((4, 5, 6, 2)))
    for sampling in ("nearest", "bilinear"):
        for links in ("nearest", "corners"):
            chains = MotionChains(
                flow, ChainOptions(sampling=sampling, links=links), compute=Compute(dtype=torch.float64)
            )
            for step in chains.trace(2, 5).ahead + chains.trace(2, 5).behind:
                for cells in chains.links(step)[:, 0]:
                    assert torch.equal(chains.grid.crop(chains.grid.pixel_of(cells)), torch.arange(30).view(5, 6))


def test_corners_of_a_position() -> None:
    forward = np.zeros((1, 5, 6, 2))
    forward[0, 2, 2] = (1.25, -0.5)
    chains = MotionChains(
        Flow(forward=forward, backward=-forward), ChainOptions(links="corners"), compute=Compute(dtype=torch.float64)
    )
    step = chains.trace(0, 1).ahead[0]
    cells = chains.links(step)[:, 0, (2 + 1) * 8 + 2 + 1]
    assert sorted(chains.grid.pixel_of(cells).tolist()) == sorted([1 * 6 + 3, 1 * 6 + 4, 2 * 6 + 3, 2 * 6 + 4])


@given(st.integers(4, 40), st.integers(4, 40), st.floats(-100, 100), st.floats(-100, 100))
def test_cells_and_pixels(w, h, x, y) -> None:
    grid = Grid((w, h))
    pixel = int(grid.pixel_of(grid.cell_of(torch.tensor([x]).double(), torch.tensor([y]).double()))[0])
    column, row = nearest(x), nearest(y)
    inside = 0 <= column < w and 0 <= row < h
    assert pixel == (row * w + column if inside else -1)
