"""The bilateral grid against its definition, and its solver against dense ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.video.edges import BilateralGrid

SEEDS = range(4)


def picture(seed: int, shape: tuple[int, int] = (9, 11)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def grid_of(seed: int, shape: tuple[int, int] = (9, 11), **options: float) -> BilateralGrid:
    return BilateralGrid(picture(seed, shape), **{"spatial": 3, "luma": 40, "chroma": 60} | options)


def halves(h: int = 20, w: int = 30) -> np.ndarray:
    """Left half dark, right half bright."""
    frame = np.full((h, w, 3), 40, np.uint8)
    frame[:, w // 2 :] = 200
    return frame


@pytest.mark.parametrize("seed", SEEDS)
def test_splat_and_slice_are_adjoint(seed) -> None:
    grid, noise = grid_of(seed), np.random.default_rng(seed)
    image, values = noise.normal(size=grid.shape), noise.normal(size=len(grid))
    assert float(grid.splat(image) @ values) == pytest.approx(float((image * grid.slice(values)).sum()), rel=1e-12)
    assert np.allclose(grid.splat(grid.slice(values)), grid.pixels * values)  # S S' = D_m


@pytest.mark.parametrize("seed", SEEDS)
def test_the_blur_links_vertices_one_step_apart_along_one_axis(seed) -> None:
    frame = picture(seed, (6, 7))
    grid = BilateralGrid(frame, spatial=2, luma=50, chroma=50)
    import cv2

    y, x = np.mgrid[:6, :7]
    colours = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)
    places = np.rint(np.dstack([x / 2, y / 2, colours / 50])).astype(int).reshape(-1, 5)
    of_vertex = {int(vertex): place for vertex, place in zip(grid.vertex, places, strict=True)}
    assert len(of_vertex) == len({tuple(place) for place in places}) == len(grid)
    blur = grid.blur.toarray()
    for a, b in itertools.product(range(len(grid)), repeat=2):
        distance = np.abs(of_vertex[a] - of_vertex[b]).sum()
        assert blur[a, b] == {0: 10, 1: 1}.get(int(distance), 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_affinities_of_each_pixel_sum_to_one(seed) -> None:
    grid = grid_of(seed, iterations=300)
    shares = grid.scale / grid.pixels
    slices = np.stack([grid.slice(column).ravel() for column in np.eye(len(grid))], axis=1)  # S', (pixels, n)
    affinity = slices @ (shares[:, None] * grid.blur.toarray() * shares) @ slices.T
    assert np.allclose(affinity, affinity.T)
    assert np.allclose(affinity.sum(1), 1, atol=1e-6)
    assert affinity.min() >= 0


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_iterations_nearly_normalise(seed) -> None:
    grid = grid_of(seed, (40, 60))
    sums = grid.scale * (grid.blur @ grid.scale) / grid.pixels
    assert np.abs(sums - 1).max() < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_the_energy_is_the_papers(seed) -> None:
    """The matrix is that of the sum over pairs of pixels, where the normalisation has converged."""
    grid, noise = grid_of(seed, (5, 6), iterations=2000), np.random.default_rng(seed)
    shares = grid.scale / grid.pixels
    affinity = (shares[:, None] * grid.blur.toarray() * shares)[np.ix_(grid.vertex, grid.vertex)]
    target, confidence, values = noise.random(grid.shape), noise.uniform(0.1, 1, grid.shape), noise.random(len(grid))
    matrix, right = grid.system(target, confidence, 3.0)
    x = grid.slice(values).ravel()
    pairs = 3.0 / 2 * (affinity * (x[:, None] - x) ** 2).sum()
    energy = pairs + (confidence.ravel() * (x - target.ravel()) ** 2).sum()
    constant = (confidence * target**2).sum()
    assert float(values @ (matrix @ values) - 2 * right @ values + constant) == pytest.approx(float(energy), rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("smoothness", [0.0, 0.5, 30.0])
def test_the_solver_equals_a_dense_solve(seed, smoothness) -> None:
    grid, noise = grid_of(seed), np.random.default_rng(seed)
    target, confidence = noise.random(grid.shape), noise.uniform(0.01, 1, grid.shape)
    matrix, right = grid.system(target, confidence, smoothness)
    expected = grid.slice(np.linalg.solve(matrix.toarray(), right))
    solved = grid.solve(target, confidence, smoothness, tolerance=1e-12, iterations=1000)
    assert np.abs(solved - expected).max() < 1e-9


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1e4))
def test_a_constant_stays(seed, value, smoothness) -> None:
    grid = grid_of(seed)
    confidence = np.random.default_rng(seed).uniform(0.01, 1, grid.shape)
    assert np.allclose(grid.solve(np.full(grid.shape, value), confidence, smoothness), value, atol=1e-9)


@given(st.integers(0, 1000), st.floats(0, 1e4))
def test_nothing_leaves_the_targets_range(seed, smoothness) -> None:
    grid, noise = grid_of(seed), np.random.default_rng(seed)
    target, confidence = noise.uniform(0.2, 0.7, grid.shape), noise.uniform(0.01, 1, grid.shape)
    solved = grid.solve(target, confidence, smoothness, tolerance=1e-8, iterations=1000)
    assert solved.min() > 0.2 - 1e-6
    assert solved.max() < 0.7 + 1e-6


def test_doubtful_pixels_follow_their_colour_and_not_their_neighbours() -> None:
    frame = halves()
    target = np.zeros((20, 30))
    target[:, 18:] = 1  # the object's edge lies three pixels to the left of where the target has it
    confidence = np.full((20, 30), 1.0)
    confidence[:, 10:20] = 0.01
    solved = BilateralGrid(frame, spatial=4, luma=16, chroma=16).solve(target, confidence, 16.0)
    assert np.array_equal(solved > 0.5, np.arange(30)[None] >= np.full((20, 1), 15))


def test_a_hundred_thousand_colours_do_not_confuse_the_grid() -> None:
    noise = picture(0, (100, 120))
    grid = BilateralGrid(noise, spatial=1, luma=1, chroma=1)
    assert len(grid) == 100 * 120
    assert (abs(grid.blur - grid.blur.T)).max() == 0


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (np.zeros((4, 5), np.uint8), {}, r"frame has shape \(4, 5\); expected \(h, w, 3\)."),
        (np.zeros((4, 5, 3)), {}, "frame is float64; expected uint8"),
        (np.zeros((4, 5, 3), np.uint8), {"spatial": 0}, "spatial is 0; expected a finite number above 0."),
        (np.zeros((4, 5, 3), np.uint8), {"luma": -1}, "luma is -1; expected a finite number above 0."),
        (np.zeros((4, 5, 3), np.uint8), {"chroma": float("nan")}, "chroma is nan; expected a finite number above 0."),
        (picture(0), {"luma": 1e-9, "chroma": 1e-9}, "spatial, luma or chroma is too small to count the grid's places"),
    ],
)
def test_wrong_frames_and_steps_are_refused(frame, options, message) -> None:
    with pytest.raises(InputError, match=message):
        BilateralGrid(frame, **{"spatial": 2, "luma": 8, "chroma": 8} | options)


def test_wrong_targets_are_refused() -> None:
    grid, ones = grid_of(0), np.ones((9, 11))
    with pytest.raises(InputError, match=r"target has shape \(3, 3\); expected \(9, 11\)."):
        grid.solve(np.zeros((3, 3)), ones, 1.0)
    with pytest.raises(InputError, match=r"confidence has shape \(3, 3\); expected \(9, 11\)."):
        grid.solve(ones, np.ones((3, 3)), 1.0)
    with pytest.raises(InputError, match=r"confidence has values of 0 or less; expected all above 0."):
        grid.solve(ones, ones * (np.arange(11) > 3), 1.0)
    with pytest.raises(InputError, match=r"smoothness is -1.0; expected a finite number, 0 or more."):
        grid.solve(ones, ones, -1.0)
