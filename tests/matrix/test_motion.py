"""The motion matrix against its definition, on clips small enough to say by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.operator import DENSE_LIMIT
from ikebook.video.colours import lab_colours


def still(m: int, h: int = 4, w: int = 5) -> Flow:
    return Flow(forward=np.zeros((m - 1, h, w, 2)), backward=np.zeros((m - 1, h, w, 2)))


def shift(m: int, dx: float, h: int = 4, w: int = 6) -> Flow:
    forward = np.zeros((m - 1, h, w, 2))
    forward[..., 0] = dx
    return Flow(forward=forward, backward=-forward)


def k(dt: int, sigma: float = 4.0) -> float:
    return math.exp(-(dt**2) / (2 * sigma**2))


def matrix(flow: Flow, links: str = "nearest", **options: object) -> MotionMatrix:
    return MotionMatrix(
        MotionChains(flow, ChainOptions(links=links), compute=Compute(dtype=torch.float64)), MotionOptions(**options)
    )


@pytest.mark.parametrize(("edges", "votes"), [("count", 2.0), ("union", 1.0)])
def test_a_still_clip_joins_each_pixel_to_itself(edges, votes) -> None:
    m, n = 5, 20
    dense = matrix(still(m), edges=edges, radius=3).dense()
    expected = torch.zeros(m * n, m * n, dtype=torch.float64)
    for i in range(m):
        for j in range(m):
            if 0 < abs(i - j) <= 3:
                expected[i * n : (i + 1) * n, j * n : (j + 1) * n] = votes * k(i - j) * torch.eye(n)
    assert torch.allclose(dense, expected, atol=1e-15)


def test_a_shift_joins_pixels_along_it_and_none_beyond_the_border() -> None:
    dense = matrix(shift(3, 2.0), radius=2, sigma=1.5).dense().view(3, 4, 6, 3, 4, 6)
    for x in range(6):
        for other in range(6):
            joined = other == x + 2
            assert float(dense[0, 1, x, 1, 1, other]) == pytest.approx(2 * k(1, 1.5) * joined)
            joined = other == x + 4
            assert float(dense[0, 1, x, 2, 1, other]) == pytest.approx(2 * k(2, 1.5) * joined)
    assert float(dense[0, 1, :, 1, 2].abs().max()) == 0


def test_one_way_chains_vote_once() -> None:
    forward, backward = np.zeros((1, 4, 5, 2)), np.zeros((1, 4, 5, 2))
    forward[0, 1, 1] = (2, 1)  # from (1, 1) to (3, 2); backward from (3, 2) stays there
    counted = matrix(Flow(forward=forward, backward=backward), edges="count").dense().view(2, 4, 5, 2, 4, 5)
    united = matrix(Flow(forward=forward, backward=backward), edges="union").dense().view(2, 4, 5, 2, 4, 5)
    assert float(counted[0, 1, 1, 1, 2, 3]) == pytest.approx(k(1))
    assert float(united[0, 1, 1, 1, 2, 3]) == pytest.approx(k(1))
    assert float(counted[0, 1, 1, 1, 1, 1]) == pytest.approx(k(1))  # backward from (1, 1) meets (1, 1)
    assert float(counted[0, 0, 0, 1, 0, 0]) == pytest.approx(2 * k(1))
    assert float(united[0, 0, 0, 1, 0, 0]) == pytest.approx(k(1))


def test_four_links_share_a_sub_pixel_position() -> None:
    dense = matrix(shift(2, 0.5), links="corners").dense().view(2, 4, 6, 2, 4, 6)
    # Half a pixel ahead: floor and ceil in x differ, in y they are one, so each of two nodes counts twice; and so back.
    assert float(dense[0, 1, 2, 1, 1, 1]) == pytest.approx(0)
    assert float(dense[0, 1, 2, 1, 1, 2]) == pytest.approx(4 * k(1))
    assert float(dense[0, 1, 2, 1, 1, 3]) == pytest.approx(4 * k(1))
    assert float(dense[0, 1, 2, 1, 1, 4]) == pytest.approx(0)


def test_self_loops_add_the_identity() -> None:
    without, with_loops = (matrix(shift(3, 1.0), self_loop=loop).dense() for loop in (0.0, 1.5))
    assert torch.allclose(with_loops - without, 1.5 * torch.eye(len(without), dtype=torch.float64))


def test_rows_arrive_with_the_frames_they_lead_to() -> None:
    m, p = 9, 3
    motion = matrix(shift(m, 1.0), radius=p)
    seen: set[tuple[int, int]] = set()
    for arrival in motion.stream():
        now = arrival.frames[0]
        for row in arrival.rows:
            frame = row.frames[0]
            assert (frame, row.direction) not in seen
            seen.add((frame, row.direction))
            assert all(now - p <= frame + row.direction * k <= now for k in range(len(row.cells) + 1))
        assert arrival.complete == (m if now == m - 1 else max(0, now - p + 1))
    expected = {(i, d) for i in range(m) for d in (1, -1) if 0 <= i + d < m}
    assert seen == expected


@pytest.mark.parametrize(("edges", "links"), [("count", "nearest"), ("count", "corners"), ("union", "nearest")])
@pytest.mark.parametrize("colour", [None, 3.0])
def test_products_have_the_gradients_of_the_dense_matrix(edges, links, colour) -> None:
    """A pass writes over its memory again and again; what a gradient needs of it is still there afterwards."""
    made = toy("two_objects", (18, 16), 11)
    chains = MotionChains(made.flow, ChainOptions(links=links), compute=Compute(dtype=torch.float64))
    motion = MotionMatrix(chains, MotionOptions(radius=3, edges=edges, colour=colour), lab_colours(made.clip.frames))
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(motion.shape[0], generator=draw, dtype=torch.float64) for _ in range(2))
    (gradient,) = torch.autograd.grad((motion @ x.requires_grad_()) @ y, x)
    torch.testing.assert_close(gradient, motion.dense() @ y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("edges", ["count", "union"])
@pytest.mark.parametrize("radius", [1, 3, 20])
@pytest.mark.parametrize("batch", [2, 4, 32])
def test_products_do_not_depend_on_the_batch(edges, radius, batch) -> None:
    made = toy("two_objects", (18, 16), 11)
    x = torch.rand(11 * 18 * 16, generator=torch.Generator().manual_seed(batch), dtype=torch.float64)
    products = [
        MotionMatrix(
            MotionChains(made.flow, compute=Compute(dtype=torch.float64), batch=b),
            MotionOptions(edges=edges, radius=radius, self_loop=0.5),
        ).matvec(x)
        for b in (1, batch)
    ]
    assert float((products[0] - products[1]).abs().max()) < 1e-13 * float(products[0].abs().max())


def test_a_radius_beyond_the_clip_is_the_whole_clip() -> None:
    whole, beyond = (matrix(shift(4, 1.0), radius=radius) for radius in (3, 50))
    assert torch.equal(whole.dense(), beyond.dense())
    assert torch.equal(whole.matvec(torch.arange(96.0)), beyond.matvec(torch.arange(96.0)))


def test_dense_is_refused_for_real_videos_with_the_size_it_would_take() -> None:
    big = MotionMatrix(MotionChains(still(3, 224, 416)))
    with pytest.raises(InputError, match=r"279552 x 279552 entries would take 313 GB.*16384"):
        big.dense()
    assert DENSE_LIMIT == 16384


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0}, "radius is 0"),
        ({"radius": 2.5}, "radius is 2.5"),
        ({"sigma": 0.0}, "sigma is 0.0"),
        ({"edges": "all"}, "'all'; expected one of 'count', 'union'"),
        ({"self_loop": float("nan")}, "self_loop is nan"),
    ],
)
def test_bad_options(options, message) -> None:
    with pytest.raises(InputError, match=message):
        MotionOptions(**options)


def test_vectors_of_the_wrong_length() -> None:
    with pytest.raises(InputError, match=r"x has shape \(7,\); expected \(72,\)"):
        matrix(shift(3, 1.0)).matvec(torch.zeros(7))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("links", "edges"), [("nearest", "count"), ("nearest", "union"), ("corners", "count")])
def test_edges_that_know_colour_by_their_definition(seed, links, edges) -> None:
    """Pixel by pixel: each chain's step, weighed by the time it spans and by how alike both ends look."""
    noise = np.random.default_rng(seed)
    colours = noise.uniform(0, 40, (4, 7, 9, 3))
    flow = Flow(forward=noise.normal(0, 1.5, (3, 7, 9, 2)), backward=noise.normal(0, 1.5, (3, 7, 9, 2)))
    chains = MotionChains(flow, ChainOptions(links=links), compute=Compute(dtype=torch.float64))
    options = MotionOptions(radius=2, sigma=1.5, edges=edges, colour=12.0)
    n, expected = 4 * 63, np.zeros((4 * 63, 4 * 63))
    for frame in range(4):
        for y in range(7):
            for x in range(9):
                for direction in (1, -1):
                    for k, met in enumerate(steps(flow, frame, x, y, direction, 2, links), start=1):
                        for column, row in met:
                            change = colours[frame, y, x] - colours[frame + direction * k, row, column]
                            weight = math.exp(-(k**2) / (2 * 1.5**2)) * math.exp(-(change @ change) / (2 * 12.0**2))
                            a, b = frame * 63 + y * 9 + x, (frame + direction * k) * 63 + row * 9 + column
                            expected[a, b] += weight
    expected = expected + expected.T if edges == "count" else np.maximum(expected, expected.T)
    found = MotionMatrix(chains, options, colours)
    assert np.abs(found.dense().numpy() - expected).max() < 1e-12
    assert np.abs(found.to_scipy().toarray() - expected).max() < 1e-12
    index, weights = found.edge_list()
    assert np.abs(expected[tuple(index.numpy())] - weights.numpy()).max() < 1e-12
    x = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for batch in (1, 3):
        batched = MotionChains(flow, chains.options, compute=chains.compute, batch=batch)
        product = MotionMatrix(batched, options, colours).matvec(x)
        assert np.abs(product.numpy() - expected @ x.numpy()).max() < 1e-12


def steps(flow: Flow, frame: int, x: float, y: float, direction: int, count: int, links: str):
    """The pixels (x, y) that a chain meets, step by step, until it leaves the frame or the clip."""
    h, w = flow.forward.shape[1:3]
    for _ in range(count):
        if not 0 <= frame + direction < len(flow):
            return
        field = flow.forward[frame] if direction > 0 else flow.backward[frame - 1]
        dx, dy = field[math.floor(y + 0.5), math.floor(x + 0.5)]
        x, y, frame = x + float(dx), y + float(dy), frame + direction
        if not (0 <= math.floor(x + 0.5) < w and 0 <= math.floor(y + 0.5) < h):
            return
        if links == "nearest":
            yield [(math.floor(x + 0.5), math.floor(y + 0.5))]
        else:
            ends = [(column, row) for row in (math.floor(y), math.ceil(y)) for column in (math.floor(x), math.ceil(x))]
            yield [(column, row) for column, row in ends if 0 <= column < w and 0 <= row < h]


def test_edges_that_know_colour_need_colours() -> None:
    with pytest.raises(InputError, match=r"MotionOptions\.colour is 10\.0, but there are no colours"):
        matrix(still(3), colour=10.0)
    with pytest.raises(InputError, match="colours "):
        MotionMatrix(MotionChains(still(3)), MotionOptions(colour=10.0), np.zeros((3, 4, 4, 3)))
    with pytest.raises(InputError, match=r"MotionOptions\.colour is 0"):
        MotionOptions(colour=0)
