"""Graphs made to break the solvers: signs, near-degenerate pairs, zeros, dependent columns, bad units.

Most graphs here stand on still flow and bare cues, so that A is known in advance: with K the weights between frames,
M = K (x) I, and a column that is u in space and g in time has the Rayleigh quotient g'Kg.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from covering import covering
from hypothesis import given
from hypothesis import strategies as st
from windows import SIZE, window

import ikebook.solvers.exact
from ikebook.base.compute import Compute
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import TOYS, toy
from ikebook.flow import Flow, compute_flow, provider
from ikebook.graph.graph_module import build, segment
from ikebook.graph.presets import GraphOptions, override, preset
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.projection import Projection, ProjectionOptions
from ikebook.solvers.exact import exact
from ikebook.solvers.lanczos import lanczos, lobpcg
from ikebook.solvers.pairs import (
    Eigenpairs,
    SolverOptions,
    residual_norms,
    volume_residuals,
)
from ikebook.solvers.power import power_iteration, start_labels
from ikebook.video.clip import Clip

M, H, W = 6, 5, 7
SOLVERS = ("exact", "lanczos", "lobpcg", "power")
FLOATS = [torch.float64, torch.float32]
DTYPES = pytest.mark.parametrize("dtype", FLOATS, ids=["float64", "float32"])
SCOPES = pytest.mark.parametrize("scope", ["video", "frame"])
RIDGES = pytest.mark.parametrize("ridge", [0.0, 3.0])


def cases(strength: int = 2, **choices: list) -> pytest.MarkDecorator:
    """Parameters of which any two (three, ...) meet with all of their values."""
    rows = [tuple(case.values()) for case in covering(strength, **choices)]
    return pytest.mark.parametrize(
        tuple(choices), rows, ids=lambda value: str(value).removeprefix("torch.") if value in FLOATS else None
    )


BARE = FeatureOptions(cue_window=0, center="none")


def still(frames: int = M, size: tuple[int, int] = (W, H), velocity: float = 0.0) -> Flow:
    field = np.full((frames - 1, size[1], size[0], 2), velocity)
    return Flow(forward=field, backward=field.copy())


def graph(
    flow: Flow,
    maps: list[np.ndarray] | np.ndarray,
    *,
    dtype: torch.dtype = torch.float64,
    scope: str = "video",
    ridge: float = 0.0,
    features: FeatureOptions = BARE,
    **motion: object,
) -> FeatureMotion:
    """A of some flow and of one column for each of the maps (m, h, w)."""
    chains = MotionChains(flow, compute=Compute(dtype=dtype))
    cues = [Cue(name=f"cue{index}", maps=each) for index, each in enumerate(maps)]
    projection = Projection(FeatureMatrix(chains, features, cues), ProjectionOptions(scope=scope, ridge=ridge))
    return FeatureMotion(MotionMatrix(chains, MotionOptions(**motion)), projection)


def solve(method: str, matrix: FeatureMotion, *, seed: int = 0, **options: object) -> Eigenpairs:
    grid = matrix.motion.chains.grid
    start = start_labels("uniform", matrix.motion.chains.frames, (grid.w, grid.h), seed=seed, dtype=matrix.dtype)
    o = SolverOptions(method=method, seed=seed, **options)
    if method == "exact":
        return exact(matrix, o)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, of ill-conditioned blocks; what counts is what is returned
        return {"lanczos": lanczos, "lobpcg": lobpcg, "power": power_iteration}[method](matrix, start, o)


def dense_spectrum(matrix: FeatureMotion) -> np.ndarray:
    """All eigenvalues of the dense A, by NumPy, decreasing."""
    a = matrix.dense().double().numpy()
    return np.linalg.eigvalsh((a + a.T) / 2)[::-1]


def largest_first(values: np.ndarray, count: int) -> np.ndarray:
    """The `count` values of largest size, decreasing by value."""
    return np.sort(values[np.argsort(-np.abs(values))[:count]])[::-1]


def rounding(dtype: torch.dtype) -> float:
    return 1e-10 if dtype == torch.float64 else 1e-5


def check_honest(matrix: FeatureMotion, pairs: Eigenpairs, tolerance: float = 1e-5) -> None:
    """No NaN, unit length, and `converged` only where a product with A says so of every listed pair."""
    assert not bool(pairs.values.isnan().any())
    assert not bool(pairs.vectors.isnan().any())
    assert not bool(pairs.residuals.isnan().any())
    assert pairs.vectors.shape == (len(pairs.values), matrix.shape[0])
    lengths = pairs.vectors.double().norm(dim=1)
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3)
    if pairs.converged and len(pairs.values):
        largest = float(pairs.values.abs().max())
        true = residual_norms(matrix, pairs.values, pairs.vectors) * pairs.values.abs() / largest
        assert float(true.max()) < tolerance + 10 * rounding(matrix.dtype)


# 1. Negative eigenvalues


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def alternating() -> np.ndarray:
    """A map that changes its sign from frame to frame, (m, h, w): with radius 1 its quotient is negative."""
    return np.where(np.arange(M) % 2, -1.0, 1.0)[:, None, None] * np.abs(noise(1, H, W))


@cases(3, method=[*SOLVERS], which=["LA", "LM", "SA"], dtype=FLOATS, ridge=[0.0, 3.0])
def test_a_single_negative_eigenvalue(method, which, dtype, ridge) -> None:
    a = graph(still(), [alternating()], dtype=dtype, ridge=ridge, radius=1)
    weight = 2 * float(np.exp(-1 / 32))  # both chains
    length = float((alternating() ** 2).sum())
    known = -weight * 2 * (M - 1) / M * (length / (length + ridge)) ** 2
    pairs = solve(method, a, which=which)
    assert pairs.values.tolist() == pytest.approx(
        [] if which == "LA" else [known], rel=1e-5
    )  # Eq. 1 has no maximum above 0
    assert pairs.ends == (pytest.approx(known, rel=1e-5), 0.0)
    assert pairs.converged
    check_honest(a, pairs)
    assert np.abs(dense_spectrum(a)).max() == pytest.approx(-known, rel=1e-5)


@cases(dtype=FLOATS, ridge=[0.0, 3.0], seed=[0, 1, 2])
def test_lanczos_lists_no_zeros(dtype, ridge, seed) -> None:
    a = graph(still(), [alternating()], dtype=dtype, ridge=ridge, radius=1)
    pairs = solve("lanczos", a, seed=seed)
    assert len(pairs.values) == 0  # nothing lies above A's zeros
    a = graph(still(), noise(3, M, H, W, seed=seed), dtype=dtype, ridge=ridge)
    pairs, known = solve("lanczos", a, seed=seed), solve("exact", a)
    assert pairs.converged
    positive = known.values[known.values > 0]
    assert torch.allclose(pairs.values, positive, rtol=1e-4, atol=1e-6)


@cases(dtype=FLOATS, ridge=[0.0, 3.0], seed=[0, 1])
def test_solvers_find_the_end_that_they_are_asked_for(dtype, ridge, seed) -> None:
    """Spectrum: one large negative eigenvalue and two small positive ones."""
    t = np.arange(M)
    swinging = np.where(t % 2, -1.0, 1.0)
    quiet = [swinging + 1.2, swinging + 1.4]  # in time: quotients above 0, but below that of `swinging` in size
    space = np.linalg.qr(noise(H * W, 3, seed=seed))[0].T * 10
    maps = [np.outer(g, u).reshape(M, H, W) for g, u in zip([swinging, *quiet], space, strict=True)]
    a = graph(still(), maps, dtype=dtype, ridge=ridge, radius=1)
    spectrum = dense_spectrum(a)
    assert spectrum[-1] < -1.2 * spectrum[0] < 0
    expected = {"LA": spectrum[:2], "SA": spectrum[-1:], "LM": [spectrum[-1], spectrum[0]]}
    for method in SOLVERS:
        for which, values in expected.items():
            pairs = solve(method, a, which=which, pairs=2, iterations=3000)
            check_honest(a, pairs)
            if method == "lobpcg" and not pairs.converged:  # its three blocks of two do not fit into rank 3
                continue
            assert pairs.converged
            assert pairs.values.numpy() == pytest.approx(
                values, abs=1e-4 if method == "power" else 10 * rounding(dtype)
            )
            assert pairs.ends == pytest.approx((spectrum[-1], spectrum[0]), rel=1e-3)
            assert (len(pairs.complaints()) > 0) == (len(values) > 0)  # of |lambda_n| > lambda_1


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_with_one_projection_for_each_frame_and_radius_one_every_eigenvalue_has_its_negative(ridge) -> None:
    a = graph(still(), [alternating()], scope="frame", ridge=ridge, radius=1)
    values = solve("exact", a).spectrum.numpy()
    assert len(values) == M
    assert values == pytest.approx(-values[::-1], abs=1e-12)
    one, two = (solve("power", a, which="LM", pairs=pairs, iterations=150) for pairs in (1, 2))
    assert not one.converged
    assert float(one.residuals[0]) > 1e-3
    assert np.sort(two.values) == pytest.approx([values[-1], values[0]], rel=0.05)  # their span holds both
    largest = solve("power", a, iterations=150)
    assert largest.converged  # A + |lambda_n| P is iterated
    assert largest.values.tolist() == pytest.approx([values[0]], rel=1e-6)
    for pairs in (one, two):
        check_honest(a, pairs)


@pytest.mark.parametrize("method", ["exact", "power"])
def test_a_clip_whose_only_eigenvalue_is_negative_has_empty_masks_and_says_why(method) -> None:
    made = toy("disc", (16, 16), 4)
    cue = Cue(name="swing", maps=np.where(np.arange(4) % 2, -1.0, 1.0)[:, None, None] * np.abs(noise(1, 16, 16)))
    options = override(
        GraphOptions(), "saliency=none", "features.mean=none", "features.center=none", "motion.colour=none"
    )
    options = override(options, "motion.radius=1", f"solver.method={method}", "solver.pairs=1")
    result = segment(made.clip, made.flow, options=options, cues=[cue], compute=Compute(dtype=torch.float64))
    assert len(result.pairs.values) == 0
    assert not np.asarray(result.masks).any()
    assert len(result.warnings) == 1
    assert "A has no positive eigenvalue, its least is -" in result.warnings[0]


# 2. Near-degenerate pairs


def twins(gap: float, *, seed: int = 0, **options: object) -> tuple[FeatureMotion, np.ndarray]:
    """Eigenvalues lambda, lambda (1 - gap), two far below, in columns that mix them; and the four as they are meant."""
    t = np.arange(M)
    apart = np.abs(t[:, None] - t)
    kernel = 2 * np.exp(-(apart**2) / 32) * (apart > 0)
    values, times = np.linalg.eigh(kernel)
    high, low = times[:, -1], times[:, -3]
    share = (values[-1] * (1 - gap) - values[-3]) / (values[-1] - values[-3])
    second = np.sqrt(share) * high + np.sqrt(1 - share) * low
    third = (high + times[:, 0]) / np.sqrt(2)
    space = np.linalg.qr(noise(H * W, 4, seed=seed))[0].T
    pure = [np.outer(g, u).reshape(M, H, W) for g, u in zip((high, second, third, times[:, 0]), space, strict=True)]
    mixed = np.tensordot(noise(4, 4, seed=seed + 100), np.stack(pure), 1)
    return graph(still(), mixed, **options), np.array([g @ kernel @ g for g in (high, second, third, times[:, 0])])


@cases(method=[*SOLVERS], gap=[1e-3, 1e-6, 1e-10, 0.0], dtype=FLOATS)
def test_near_degenerate_pairs_span_the_right_plane(method, gap, dtype) -> None:
    a, known = twins(gap, dtype=dtype)
    exactly, _ = twins(gap)
    dense = exactly.dense().numpy()
    plane = np.linalg.eigh(dense)[1][:, -2:]
    assert np.linalg.eigvalsh(dense)[::-1][:2] == pytest.approx(known[:2], rel=1e-12)
    pairs = solve(method, a, pairs=2, iterations=100)
    bound = 1e-5 if method == "power" else 1e-10
    bound = bound if dtype == torch.float64 else max(bound, 1e-4)
    x = pairs.vectors.double().numpy()
    assert pairs.values.numpy() == pytest.approx(known[:2], rel=bound)
    assert np.linalg.norm(x.T @ x - plane @ plane.T, 2) < bound  # the projectors agree
    assert np.abs(x @ x.T - np.eye(2)).max() < bound
    assert pairs.converged
    true = residual_norms(a, pairs.values, pairs.vectors)
    assert float(true.max()) < bound
    assert method == "exact" or float((true - pairs.residuals).abs().max()) < 2 * rounding(dtype)


@pytest.mark.parametrize("gap", [1e-3, 1e-6])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_single_pair_of_twins_is_said_to_have_converged_only_where_it_has(gap, seed) -> None:
    """A gap of 1e-3 needs thousands of iterations; one of 1e-6 is below the tolerance, and any vector of the plane does."""
    a, known = twins(gap, seed=seed)
    pairs = solve("power", a, seed=seed, iterations=200)
    true = residual_norms(a, pairs.values, pairs.vectors)
    assert float((true - pairs.residuals).abs().max()) < 1e-12
    assert pairs.converged == (float(true[0]) <= 1e-6)
    assert pairs.converged == (gap < 1e-5)
    assert known[1] * (1 - 1e-9) <= float(pairs.values[0]) <= known[0] * (1 + 1e-9)


@pytest.mark.parametrize("iterations", [3, 30])
def test_pairs_stopped_early_have_their_own_residuals(iterations) -> None:
    """Deflation by a vector that has not converged: the residual is against A, not against what is left of it."""
    a, _ = twins(1e-3)
    for pairs in (solve(method, a, pairs=3, iterations=iterations) for method in ("power", "lobpcg")):
        true = residual_norms(a, pairs.values, pairs.vectors)
        assert torch.allclose(true, pairs.residuals, rtol=1e-6, atol=1e-12)
        assert pairs.converged == (float(true.max()) <= 1e-6)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-10, 0.0])
@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_twins_with_one_projection_for_each_frame(gap, ridge, monkeypatch) -> None:
    """Two patterns that differ in brightness by the gap, in clips long enough for the sparse solver too."""
    space = np.linalg.qr(noise(H * W, 2))[0].T.reshape(2, 1, H, W)
    maps = np.ones((1, M, 1, 1)) * space * np.array([1.0, 1.0]).reshape(2, 1, 1, 1)
    maps[1, M // 2] *= 1 + gap  # a ridge makes of this a gap between eigenvalues; without one they are equal
    a = graph(still(), maps, scope="frame", ridge=ridge)
    values, vectors = np.linalg.eigh(a.dense().numpy())
    plane = vectors[:, -2:]
    assert values[-3] < 0.5 * values[-2]
    for limit in (1500, 0):
        monkeypatch.setattr(ikebook.solvers.exact, "DENSE_FRAMES", limit)
        pairs = solve("exact", a, pairs=2)
        x = pairs.vectors.numpy()
        assert pairs.values.numpy() == pytest.approx(values[::-1][:2], rel=1e-10)
        assert np.linalg.norm(x.T @ x - plane @ plane.T, 2) < 1e-8


# 3. Zeros


def nothing(kind: str, **options: object) -> FeatureMotion:
    """Graphs with A = 0."""
    some, constant = noise(M, H, W), np.full((M, H, W), 0.5)  # the mean of 0.5 is exact
    centred = FeatureOptions(cue_window=0)
    return {
        "no weight": lambda: graph(still(), [some], sigma=0.01, **options),  # k = exp(-5000)
        "no chain": lambda: graph(still(velocity=100.0), [some], **options),
        "no feature": lambda: graph(still(), [constant], features=centred, **options),
        "neither": lambda: graph(still(velocity=100.0), [constant], features=centred, **options),
        "zero": lambda: graph(still(), [np.zeros((M, H, W))], **options),
    }[kind]()


@cases(
    3,
    method=[*SOLVERS],
    kind=["no weight", "no chain", "no feature", "neither", "zero"],
    dtype=FLOATS,
    scope=["video", "frame"],
    ridge=[0.0, 3.0],
)
def test_no_matrix_no_pairs(method, kind, dtype, scope, ridge) -> None:
    a = nothing(kind, dtype=dtype, scope=scope, ridge=ridge)
    assert float(a.dense().abs().max()) == 0
    pairs = solve(method, a)
    assert pairs.converged
    assert len(pairs.values) == 0
    check_honest(a, pairs)


# k(1) = 1e-34, 5e-42 (float32: denormal), 1e-87 (float32: 0)
@cases(3, method=["exact", "power"], sigma=[0.08, 0.0725, 0.05], dtype=FLOATS, scope=["video", "frame"])
def test_weights_near_the_end_of_the_numbers(method, sigma, dtype, scope) -> None:
    a = graph(still(), noise(2, M, H, W), dtype=dtype, scope=scope, sigma=sigma)
    pairs = solve(method, a, iterations=30)
    weight = float(a.motion.kernel()[0])
    if weight == 0:
        assert len(pairs.values) == 0
    elif dtype == torch.float64:
        check_honest(a, pairs)
        assert float(pairs.values.abs().max()) < 4 * weight
    elif sigma == 0.08:
        check_honest(a, pairs, tolerance=1e-3)
    assert not bool(pairs.vectors.isnan().any())


@DTYPES
@SCOPES
@pytest.mark.parametrize("size", [(16, 16), (18, 16), (47, 33)])
def test_a_constant_cue_is_no_feature_whatever_its_value(size, scope, dtype) -> None:
    centred = FeatureOptions(cue_window=0)
    for value in (0.1, 0.3, 1 / 3, 0.7, 1e-3, 255.1, 1e6 + 0.1):
        a = graph(still(3, size), [np.full((3, *size[::-1]), value)], features=centred, dtype=dtype, scope=scope)
        assert len(solve("exact", a).values) == 0


@DTYPES
def test_a_constant_cue_beside_a_real_one_changes_nothing(dtype) -> None:
    centred = FeatureOptions(cue_window=0)
    size = (24, 20)
    some = noise(5, 20, 24)
    flow = toy("two_objects", size, 5).flow
    alone = solve("exact", graph(flow, [some], features=centred, dtype=dtype))
    for value in (0.1, 0.3, 0.7):
        beside = solve("exact", graph(flow, [some, np.full((5, 20, 24), value)], features=centred, dtype=dtype))
        assert torch.allclose(beside.values, alone.values)


# 4. Columns


def columns(kind: str) -> tuple[Flow, np.ndarray, int]:
    """Flow, maps (d, m, h, w), and the rank of the columns that they are."""
    if kind in ("small", "small and positive"):
        forward, backward = noise(2, 2, 4, 4, 2)
        maps = noise(100, 3, 4, 4, seed=1)
        maps = np.abs(maps) if kind == "small and positive" else maps
        return Flow(forward=forward, backward=backward), maps, 48
    made = toy("two_objects", (17, 16), 3)
    a, b, c = some = noise(3, 3, 16, 17)
    one = np.ones_like(a)
    maps, rank = {
        "one": ([a], 1),
        "hundred": (noise(100, 3, 16, 17), 100),
        "twice": ([a, b, a, b, a], 2),
        "sums": ([a, b, c, a + b, a + b + c, b - 2 * c], 3),
        "scaled": ([a, b, c, 1e-6 * a, 1e6 * b, 1e-6 * a + 1e6 * b], 3),
        "constant": ([*some, one, 5 * one, 0 * one], 4),
        "units": ([a, 1e-6 * b, 1e6 * c, 0.01 * b], 3),
        "far units": ([1e-12 * a, b, 1e12 * c], 3),
        "nearly": ([a, a + 1e-2 * b, c], 3),
        "very nearly": ([a, a + 1e-4 * b, c], 3),  # the angle's sine, and the limits are 1e-8 and, in float32, 1e-6
        "too nearly": ([a, a + 1e-10 * b, c], 2),
    }[kind]
    return made.flow, np.stack(maps), rank


KINDS = [
    *("one", "small", "small and positive", "hundred", "twice", "sums", "scaled"),
    *("constant", "units", "far units", "nearly", "very nearly", "too nearly"),
]


def rounding_of(kind: str, dtype: torch.dtype) -> float:
    """What is lost to rounding, which grows with F's condition number and not with its square."""
    return {"nearly": 1e2, "very nearly": 1e4}.get(kind, 1) * 2 * torch.finfo(dtype).eps + rounding(dtype)


@cases(kind=KINDS, scope=["video", "frame"], dtype=FLOATS)
def test_columns_of_every_kind(kind, scope, dtype) -> None:
    flow, maps, rank = columns(kind)
    if kind == "hundred" and scope == "frame":
        maps, rank = maps[:40], 40  # 3 P of 272 x 272
    a = graph(flow, maps, scope=scope, dtype=dtype)
    frames = len(flow)
    ranks = [len(span.singular) for span in a.projection.spans()]
    if scope == "video":
        assert ranks == [rank]
    else:
        assert ranks == [min(rank, flow.size[0] * flow.size[1])] * frames
    bound = rounding_of(kind, dtype)
    x = torch.from_numpy(noise(a.shape[0], seed=2)).to(dtype)
    projected = a.projection @ x
    assert float((a.projection @ projected - projected).norm() / projected.norm()) < bound  # P^2 = P
    pairs = solve("exact", a, which="LM", pairs=10**6)
    spectrum = dense_spectrum(a)
    top = np.abs(spectrum).max()
    assert len(pairs.values) == sum(ranks) or kind.startswith("small")  # where all chains of some pixels have ended
    assert len(pairs.values) <= sum(ranks)
    assert np.abs(largest_first(spectrum, len(pairs.values)) - np.sort(pairs.values)[::-1]).max() < bound * top
    rest = np.sort(np.abs(spectrum))[::-1][len(pairs.values) :]
    assert rest.max(initial=0) < rounding(dtype) * top
    gram = pairs.vectors.double() @ pairs.vectors.double().T
    assert float((gram - torch.eye(len(gram))).abs().max()) < bound
    residuals = residual_norms(a, pairs.values, pairs.vectors) * pairs.values.abs() / top
    assert float(residuals.max()) < bound


@cases(
    kind=[kind for kind in KINDS if kind not in ("hundred", "scaled", "units", "far units")],
    scope_ridge=[("video", 0.5), ("frame", 1e3)],
    dtype=FLOATS,
)
def test_columns_of_every_kind_under_a_ridge(kind, scope_ridge, dtype) -> None:
    scope, ridge = scope_ridge
    flow, maps, _ = columns(kind)
    a = graph(flow, maps, scope=scope, dtype=dtype, ridge=ridge)
    bound = rounding_of(kind, dtype)
    pairs = solve("exact", a, which="LM", pairs=10**6)
    spectrum = dense_spectrum(a)
    top = np.abs(spectrum).max()
    assert np.abs(largest_first(spectrum, len(pairs.values)) - np.sort(pairs.values)[::-1]).max() < bound * top
    rest = np.sort(np.abs(spectrum))[::-1][len(pairs.values) :]
    assert rest.max(initial=0) < bound * top
    residuals = residual_norms(a, pairs.values, pairs.vectors) * pairs.values.abs() / top
    assert float(residuals.max()) < bound


# 5. Residuals of the exact solver


OPTIONS = {
    "default": (),
    "union": ("motion.edges=union", "motion.radius=3"),
    "corners": ("chains.links=corners", "chains.border=pass", "motion.self_loop=1"),
    "frame": ("projection.scope=frame",),
    "ridge": ("projection.ridge=1",),
    "frame and ridge": ("projection.scope=frame", "projection.ridge=1"),
    "displacements": ("features.displacements=steps", "features.half_window=2"),
    "paper": (),
    "released": ("solver.method=exact", "solver.normalisation=l2"),
}


def options_named(name: str) -> GraphOptions:
    return override(preset(name if name in ("paper", "released") else "default"), *OPTIONS[name])


def assert_residuals(matrix: FeatureMotion) -> float:
    """Assert what the exact solver owes, by products with A; return the largest |Ax - lambda x| / lambda_1.

    A direction that has a share s of F'F's largest eigenvalue is known to eps / sqrt(s) only, by any method that is
    given F in this dtype: P divides by it. So pairs after the first are judged against lambda_1, and in float32 less
    strictly: there s may be as small as 1e-12 (`ProjectionOptions.tolerance`, squared).
    """
    pairs = exact(matrix, SolverOptions(pairs=10**6))
    leading = pairs.values > 1e-3 * pairs.values[0]
    assert float(pairs.values[0]) > 0
    values, vectors = pairs.values[leading][:12], pairs.vectors[leading][:12]
    residuals = residual_norms(matrix, values, vectors)
    against_first = residuals * values / values[0]
    lost = 4 * torch.finfo(matrix.dtype).eps * pairs.condition
    first, rest = (1e-10 + lost, 1e-10 + lost) if matrix.dtype == torch.float64 else (1e-5 + lost, 1e-4 + lost)
    assert float(residuals[0]) < first
    assert float(against_first.max()) < rest
    return float(against_first.max())


@cases(name=[name for name in TOYS if name != "still"], options=[*OPTIONS], dtype=FLOATS)
def test_residuals_of_the_exact_pairs_on_toys(name, options, dtype) -> None:
    made = toy(name, (18, 16), 5)
    matrix = build(made.clip, made.flow, options=options_named(options), compute=Compute(dtype=dtype))
    assert_residuals(matrix)


def davis_matrix(root, sequence: str, size, options: str, dtype: torch.dtype, frames: int | None) -> FeatureMotion:
    clip = Davis2016(root).clip(sequence, size)
    clip = Clip(frames=clip.frames[:frames], name=sequence)
    return build(
        clip, compute_flow(clip, provider("dis")), options=options_named(options), compute=Compute(dtype=dtype)
    )


@pytest.mark.data
@DTYPES
@pytest.mark.parametrize("sequence", ["dog", "car-shadow"])
@pytest.mark.parametrize("options", ["default", "frame"])
def test_residuals_of_the_exact_pairs_on_real_clips(davis_root, sequence, options, dtype) -> None:
    assert_residuals(davis_matrix(davis_root, sequence, (104, 56), options, dtype, 5))


@pytest.mark.data
@pytest.mark.slow
def test_residuals_of_the_exact_pairs_on_all_real_clips(davis_root) -> None:
    sequences = Davis2016(davis_root).sequences()
    assert len(sequences) >= 12
    for sequence in sequences:
        clip = Davis2016(davis_root).clip(sequence, (416, 224))
        flow = compute_flow(clip, provider("dis"))
        found = []
        for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
            matrix = build(clip, flow, options=options_named("default"), compute=Compute(dtype=dtype))
            pairs = exact(matrix)
            found.append(float(volume_residuals(matrix, pairs.values, pairs.volumes, 0)))
            assert found[-1] < bound, f"{sequence}, {dtype}"
        print(f"{sequence:20s} float32 {found[0]:.1e}  float64 {found[1]:.1e}")


# 6. Any graph

GRAPHS = {
    "name": st.sampled_from([name for name in TOYS if name != "still"]),
    "links": st.sampled_from(["nearest", "corners"]),
    "border": st.sampled_from(["end", "pass"]),
    "radius": st.integers(1, 4),
    "self_loop": st.sampled_from([0.0, 1.0]),
    "scope": st.sampled_from(["video", "frame"]),
    "center": st.sampled_from(["frame", "none"]),
    "count": st.integers(1, 5),
    "seed": st.integers(0, 1000),
}


def any_graph(maps, *, name, links, border, radius, self_loop, scope, center, seed, ridge=0.0, **_) -> FeatureMotion:
    chains = MotionChains(
        window(name, 4, seed).flow,
        ChainOptions(links=links, border=border),
        compute=Compute(dtype=torch.float64),
    )
    cues = [Cue(name=f"cue{index}", maps=each) for index, each in enumerate(maps)]
    features = FeatureMatrix(chains, FeatureOptions(cue_window=0, center=center), cues)
    motion = MotionMatrix(chains, MotionOptions(radius=radius, self_loop=self_loop))
    return FeatureMotion(motion, Projection(features, ProjectionOptions(scope=scope, ridge=ridge)))


@given(st.fixed_dictionaries(GRAPHS | {"ridge": st.sampled_from([0.0, 0.1, 100.0])}))
def test_exact_pairs_are_those_of_the_dense_matrix(drawn) -> None:
    a = any_graph(noise(drawn["count"], 4, *SIZE[::-1], seed=drawn["seed"]), **drawn)
    pairs = solve("exact", a, which="LM", pairs=10**6)
    dense = a.dense().numpy()
    spectrum = np.linalg.eigvalsh(dense)
    top = np.abs(spectrum).max()
    assert np.abs(largest_first(spectrum, len(pairs.values)) - np.sort(pairs.values)[::-1]).max() < 1e-10 * top
    assert np.sort(np.abs(spectrum))[::-1][len(pairs.values) :].max() < 1e-10 * top
    x = pairs.vectors.numpy()
    assert np.abs(x @ x.T - np.eye(len(x))).max() < 1e-10
    assert np.abs(x @ dense - pairs.values.numpy()[:, None] * x).max() < 1e-10 * top


@given(
    st.fixed_dictionaries(GRAPHS),
    st.lists(st.floats(-9, 9), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_units_and_mixtures_of_columns_do_not_matter_without_a_ridge(drawn, exponents, flips) -> None:
    count = drawn["count"]
    maps = noise(count, 4, *SIZE[::-1], seed=drawn["seed"])
    factors = 10.0 ** np.array(exponents[:count]) * np.where(flips[:count], -1, 1)
    turn = np.linalg.qr(noise(count, count, seed=drawn["seed"] + 1))[0]
    mixture = turn @ np.diag(np.linspace(1, 5, count)) @ turn.T  # invertible, its condition is 5
    known = solve("exact", any_graph(maps, **drawn), which="LM", pairs=10**6)
    top = float(known.values.abs().max())
    for changed in (maps * factors[:, None, None, None], np.tensordot(mixture, maps, 1)):
        found = solve("exact", any_graph(changed, **drawn), which="LM", pairs=10**6)
        assert len(found.values) == len(known.values)
        # Sorted: of two that are equal in size, rounding says which comes first.
        assert float((found.values.sort().values - known.values.sort().values).abs().max()) < 1e-9 * top
        # vectors as a whole: A itself, on a vector of its range
        x = torch.from_numpy(noise(known.vectors.shape[1], seed=3))
        one, other = ((pairs.vectors.T * pairs.values) @ (pairs.vectors @ x) for pairs in (known, found))
        assert float((one - other).norm() / one.norm()) < 1e-8


@DTYPES
@SCOPES
@pytest.mark.parametrize("ridge", [0.5, 1e3])
def test_a_ridge_and_columns_of_widely_different_units(ridge, scope, dtype) -> None:
    """A ridge leaves a column of length L its share L^2 / (L^2 + rho), whatever the units of the others."""
    flow = toy("two_objects", (17, 16), 4).flow
    one, two, three = noise(3, 4, 16, 17)
    columns = [one, 1e-6 * two, 1e6 * three]
    a = graph(flow, columns, scope=scope, dtype=dtype, ridge=ridge)
    pairs = solve("exact", a, which="LM", pairs=10**6)
    f = np.stack(columns, axis=-1).reshape(-1, 3)
    scaled = f / np.linalg.norm(f, axis=0)
    blocks = np.split(np.arange(len(f)), 1 if scope == "video" else 4)
    p = np.zeros((len(f), len(f)))
    for rows in blocks:  # P = F (F'F + rho)^-1 F', columns of unit length: Sc (Sc'Sc + rho / L^2)^-1 Sc'
        own = scaled[rows]
        inner = own.T @ own + np.diag(ridge / np.linalg.norm(f, axis=0) ** 2)
        p[np.ix_(rows, rows)] = own @ np.linalg.solve(inner, own.T)
    spectrum = np.linalg.eigvalsh(p @ a.motion.dense().double().numpy() @ p)[::-1]
    top = np.abs(spectrum).max()
    assert spectrum[0] == pytest.approx(float(pairs.spectrum[0]), abs=1e-5 * top)
    assert np.abs(largest_first(spectrum, len(pairs.values)) - np.sort(pairs.values)[::-1]).max() < 1e-5 * top
