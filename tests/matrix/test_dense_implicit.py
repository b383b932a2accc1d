"""The dense builder and the implicit operators are two evaluations of one graph: for every option, on every toy.

Any three options, the toy among them, meet with all of their values; not all options with all (see `covering`).
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import scipy.linalg
import torch
from covering import covering
from hypothesis import given, settings
from hypothesis import strategies as st
from operators import assert_operator, relative
from windows import SIZE, window

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import TOYS, toy
from ikebook.graph.saliency import SaliencyOptions, motion_saliency
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.feature_motion import FeatureMotion, explicit
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.projection import Projection, ProjectionOptions
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.power import power_iteration, start_labels
from ikebook.solvers.reduced import reduce
from ikebook.video.colours import lab_colours

FRAMES = 4

CHAINS = {
    "sampling": ["nearest", "bilinear"],
    "border": ["end", "pass"],
    "links_edges": [("nearest", "count"), ("nearest", "union"), ("corners", "count")],
    "consistent": [False, True],
}
MOTION = {"self_loop": [0.0, 1.0], "radius": [1, 3], "colour": [None, 10.0]}
FEATURES = {
    "displacements": ["steps", "flows", "none"],
    "center": ["frame", "video", "none"],
    "scale": ["none", "minmax"],
    "bias": [False, True],
    "ends": ["mirror", "hold"],
    "mean": [None, 2.0],
}
PROJECTION = {"scope": ["video", "frame"], "ridge": [0.0, 0.7]}


def chains_of(name: str, *, seed: int = 0, **options: object) -> MotionChains:
    return MotionChains(window(name, FRAMES, seed).flow, ChainOptions(**options), compute=Compute(dtype=torch.float64))


@functools.cache
def colours_of(name: str, seed: int = 0) -> np.ndarray:
    return np.asarray(lab_colours(window(name, FRAMES, seed).clip.frames))


def motion_of(chains: MotionChains, name: str, seed: int = 0, **options: object) -> MotionMatrix:
    return MotionMatrix(chains, MotionOptions(**options), colours_of(name, seed))


@functools.cache
def saliency_of(name: str) -> Cue:
    made = window(name, FRAMES)
    frames = torch.from_numpy(made.clip.frames)
    maps = motion_saliency(frames, made.flow, SaliencyOptions(), compute=Compute(dtype=torch.float64))
    return Cue(name="saliency", maps=maps)


def graph_options(case: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The options of the chains, and those of M, of one case."""
    links, edges = case["links_edges"]
    chain = {name: case[name] for name in ("sampling", "border", "consistent")} | {"links": links}
    return chain, {name: case[name] for name in MOTION if name in case} | {"edges": edges}


def rounding(projection: Projection) -> float:
    """What P, and A, may be off by: what grows with F's condition number, and not with its square."""
    return 1e-10 + 4 * torch.finfo(torch.float64).eps * max(span.condition for span in projection.spans())


def label(options: dict[str, object]) -> str:
    return "-".join(str(value) for value in options.values())


@pytest.mark.parametrize("case", covering(3, name=list(TOYS), **CHAINS, **MOTION), ids=label)
def test_motion_matrix(case) -> None:
    chain, motion = graph_options(case)
    dense = assert_operator(
        motion_of(chains_of(case["name"], **chain), case["name"], **motion), symmetric=True, seeds=1
    )
    assert float(dense.min()) >= 0
    assert torch.all(dense.diagonal() == motion["self_loop"])


@pytest.mark.parametrize("case", covering(2, **{one: CHAINS[one] for one in CHAINS if one != "links_edges"}), ids=label)
def test_a_union_of_four_links_is_refused(case) -> None:
    with pytest.raises(InputError, match="union"):
        MotionMatrix(chains_of("disc", links="corners", **case), MotionOptions(edges="union"))


@pytest.mark.parametrize("case", covering(3, name=list(TOYS), **FEATURES), ids=label)
def test_features_and_projection(case) -> None:
    name, features = case["name"], {one: case[one] for one in FEATURES}
    options = FeatureOptions(half_window=2, cue_window=1, **features)
    chains = chains_of(name)
    matrix = FeatureMatrix(chains, options, [saliency_of(name)], motion=motion_of(chains, name, radius=2, colour=10.0))
    dense = assert_operator(matrix, symmetric=False)
    assert dense.shape[1] == len(matrix.columns)
    for projection in covering(2, **PROJECTION):
        operator = Projection(matrix, ProjectionOptions(**projection))
        p = assert_operator(operator, symmetric=True, seeds=1, tolerance=rounding(operator))
        if operator.is_projector:
            assert relative(p @ p - p, p) < rounding(operator)
            lost = (p @ dense - dense).norm() / dense.norm().clamp_min(1)  # P F = F, but for dependent directions
            assert float(lost) < 1e-7


@pytest.mark.parametrize(
    "case",
    covering(3, name=list(TOYS), **CHAINS, **PROJECTION, colour=MOTION["colour"], mean=FEATURES["mean"]),
    ids=label,
)
def test_feature_motion_and_reduced_matrices(case) -> None:
    chain, edges = graph_options(case)
    chains = chains_of(case["name"], **chain)
    options = FeatureOptions(displacements="steps", half_window=2, cue_window=2, mean=case["mean"])
    motion = motion_of(chains, case["name"], self_loop=0.5, radius=3, **edges)
    features = FeatureMatrix(chains, options, [saliency_of(case["name"])], motion=motion)
    f = features.dense()
    m = motion.dense()
    reduced = reduce(motion, features)
    assert relative(reduced.gram - f.T @ f, f.T @ f) < 1e-11
    assert relative(reduced.motion - f.T @ m @ f, f.T @ m @ f) < 1e-11
    projection = Projection(features, ProjectionOptions(scope=case["scope"], ridge=case["ridge"]))
    matrix = FeatureMotion(motion, projection)
    p = projection.dense()
    a = p @ m @ p
    x = torch.randn(len(a), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert relative(matrix.matvec(x) - a @ x, a @ x) < rounding(projection)
    assert_exact(matrix, a)


def assert_exact(matrix: FeatureMotion, a: torch.Tensor) -> None:
    """The exact pairs are those of the dense A: its positive eigenvalues, four at most, and none of its zeros."""
    pairs = exact(matrix, SolverOptions(pairs=4))
    n = len(a)
    expected = scipy.linalg.eigh(a.numpy(), eigvals_only=True, subset_by_index=[n - 4, n - 1])[::-1].copy()
    size = float(np.abs([*expected, *pairs.ends]).max())
    bound = rounding(matrix.projection) * size
    positive = expected[expected > 1e-9 * size]
    assert len(pairs.values) == len(positive)
    assert pairs.converged
    assert pairs.ends[1] == pytest.approx(max(0, expected[0]), abs=bound)
    if len(positive):
        assert np.abs(pairs.values.numpy() - positive).max() < bound
        residuals = (a @ pairs.vectors.T - pairs.vectors.T * pairs.values).norm(dim=0)
        assert float(residuals.max()) < bound
        assert relative(pairs.vectors @ pairs.vectors.T - torch.eye(len(pairs.values)), torch.ones(1)) < 1e-9


def test_one_matrix_as_a_whole() -> None:
    """`FeatureMotion.dense` itself, and the shared case on A."""
    chains = chains_of("two_objects")
    features = FeatureMatrix(
        chains, FeatureOptions(displacements="steps", half_window=2, cue_window=2), [saliency_of("two_objects")]
    )
    matrix = FeatureMotion(MotionMatrix(chains), Projection(features, ProjectionOptions(ridge=0.3)))
    assert_exact(matrix, assert_operator(matrix, symmetric=True))


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(TOYS)),
    case=st.fixed_dictionaries({one: st.sampled_from(values) for one, values in (CHAINS | MOTION).items()}),
    features=st.fixed_dictionaries({one: st.sampled_from(values) for one, values in FEATURES.items()}),
    projection=st.fixed_dictionaries({one: st.sampled_from(values) for one, values in PROJECTION.items()}),
    windows=st.tuples(st.integers(1, 4), st.integers(0, 4)),
    seed=st.integers(0, 100),
)
def test_any_combination_of_all_options(name, case, features, projection, windows, seed) -> None:
    chain, motion = graph_options(case)
    chains = chains_of(name, seed=seed, **chain)
    noise = torch.rand(FRAMES, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    options = FeatureOptions(half_window=windows[0], cue_window=windows[1], **features)
    m = motion_of(chains, name, seed, **motion)
    f = FeatureMatrix(chains, options, [Cue(name="noise", maps=noise)], motion=m)
    matrix = FeatureMotion(m, Projection(f, ProjectionOptions(**projection)))
    dense = matrix.dense()
    x = torch.randn(len(dense), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert relative(matrix @ x - dense @ x, dense @ x) < 1e-9
    assert relative(dense - dense.T, dense) < 1e-9
    assert_exact(matrix, dense)


@pytest.mark.parametrize(
    "case", covering(2, name=[name for name in TOYS if name != "still"], ridge=[0.0, 0.5], seed=[0, 1]), ids=label
)
def test_exact_agrees_with_converged_power_iteration(case) -> None:
    name, ridge, seed = case.values()
    size, frames = (20, 16), 5
    made = toy(name, size, frames, seed=seed)
    chains = MotionChains(made.flow, compute=Compute(dtype=torch.float64))
    maps = motion_saliency(torch.from_numpy(made.clip.frames), made.flow, compute=Compute(dtype=torch.float64))
    features = FeatureMatrix(
        chains, FeatureOptions(displacements="steps", half_window=2, cue_window=1), [Cue(name="saliency", maps=maps)]
    )
    motion = MotionMatrix(chains, MotionOptions(self_loop=1.0))
    matrix = FeatureMotion(motion, Projection(features, ProjectionOptions(ridge=ridge)))
    pairs = exact(matrix)
    ratio = float(pairs.values[1] / pairs.values[0])
    start = start_labels("uniform", frames, size, seed=seed, dtype=torch.float64)
    power = power_iteration(matrix, start, SolverOptions(method="power", tolerance=1e-9, iterations=2000))
    assert power.converged
    assert abs(float(power.values[0] / pairs.values[0]) - 1) < 1e-9
    if ratio < 0.95:
        assert abs(float(power.vectors[0] @ pairs.vectors[0])) > 1 - 1e-8


@pytest.mark.parametrize("features", [{"scope": "video", "ridge": 0.0}, {"scope": "frame", "ridge": 0.7}], ids=label)
def test_a_matrix_with_its_entries_built_is_the_same(features) -> None:
    chains = chains_of("disc")
    projection = Projection(FeatureMatrix(chains, cues=[saliency_of("disc")]), ProjectionOptions(**features))
    matrix = FeatureMotion(MotionMatrix(chains), projection)
    built = explicit(matrix)
    for ours, theirs in ((built, matrix), (built.motion, matrix.motion), (built.projection, matrix.projection)):
        assert relative(assert_operator(ours, symmetric=True) - theirs.dense(), theirs.dense()) < 1e-12
        x = torch.randn(matrix.shape[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert relative(ours.matvec(x) - theirs.matvec(x), x) < 1e-10
    assert built.projection.is_projector == matrix.projection.is_projector
