"""The dense builder and the implicit operators are two evaluations of one graph: for every option, on every toy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from operators import assert_operator, relative

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import TOYS, toy
from ikebook.graph.saliency import SaliencyOptions, motion_saliency
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.feature_motion import FeatureMotion, explicit
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.projection import Projection, ProjectionOptions, rank_tolerance
from ikebook.solvers.exact import exact, reduce
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.power import power_iteration, start_labels

SIZE, FRAMES = (17, 16), 4  # a width that is not the height tells x from y


def all_of(**choices: list[object]) -> list[dict[str, object]]:
    """Every combination of the choices."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


CHAINS = all_of(
    sampling=["nearest", "bilinear"], border=["end", "pass"], links=["nearest", "corners"], consistent=[False, True]
)
MOTION = all_of(edges=["count", "union"], self_loop=[0.0, 1.0], radius=[1, 3])
FEATURES = all_of(
    displacements=[True, False],
    center=["frame", "none"],
    scale=["none", "minmax"],
    bias=[False, True],
    ends=["mirror", "hold"],
)
PROJECTION = all_of(scope=["video", "frame"], ridge=[0.0, 0.7])


def chains_of(name: str, **options: object) -> MotionChains:
    return MotionChains(toy(name, SIZE, FRAMES).flow, ChainOptions(**options), compute=Compute(dtype=torch.float64))


def saliency_of(name: str) -> Cue:
    made = toy(name, SIZE, FRAMES)
    frames = torch.from_numpy(made.clip.frames)
    maps = motion_saliency(frames, made.flow, SaliencyOptions(), compute=Compute(dtype=torch.float64))
    return Cue(name="saliency", maps=maps)


def label(options: dict[str, object]) -> str:
    return "-".join(str(value) for value in options.values())


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("chain", CHAINS, ids=label)
@pytest.mark.parametrize("motion", MOTION, ids=label)
def test_motion_matrix(name, chain, motion) -> None:
    chains = chains_of(name, **chain)
    if motion["edges"] == "union" and chain["links"] == "corners":
        with pytest.raises(InputError, match="union"):
            MotionMatrix(chains, MotionOptions(**motion))
        return
    dense = assert_operator(MotionMatrix(chains, MotionOptions(**motion)), symmetric=True, seeds=1)
    assert float(dense.min()) >= 0
    assert torch.all(dense.diagonal() == motion["self_loop"])


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("features", FEATURES, ids=label)
def test_features_and_projection(name, features) -> None:
    chains = chains_of(name)
    matrix = FeatureMatrix(chains, FeatureOptions(half_window=2, cue_window=1, **features), [saliency_of(name)])
    dense = assert_operator(matrix, symmetric=False)
    assert dense.shape[1] == len(matrix.columns)
    for projection in PROJECTION:
        operator = Projection(matrix, ProjectionOptions(**projection))
        p = assert_operator(operator, symmetric=True, seeds=1, tolerance=1e-9)
        if operator.is_projector:
            assert relative(p @ p - p, p) < 1e-9
            lost = (p @ dense - dense).norm() / dense.norm().clamp_min(1)  # P F = F, but for dependent directions
            assert float(lost) < rank_tolerance(torch.float64) ** 0.5


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("chain", CHAINS, ids=label)
def test_feature_motion_and_reduced_matrices(name, chain) -> None:
    chains = chains_of(name, **chain)
    features = FeatureMatrix(
        chains, FeatureOptions(displacements="steps", half_window=2, cue_window=2), [saliency_of(name)]
    )
    f = features.dense()
    for edges in ["count"] if chain["links"] == "corners" else ["count", "union"]:
        motion = MotionMatrix(chains, MotionOptions(edges=edges, self_loop=0.5, radius=3))
        m = motion.dense()
        reduced = reduce(motion, features)
        assert relative(reduced.gram - f.T @ f, f.T @ f) < 1e-11
        assert relative(reduced.motion - f.T @ m @ f, f.T @ m @ f) < 1e-11
        for options in PROJECTION:
            projection = Projection(features, ProjectionOptions(**options))
            matrix = FeatureMotion(motion, projection)
            p = projection.dense()
            a = p @ m @ p
            x = torch.randn(len(a), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
            assert relative(matrix.matvec(x) - a @ x, a @ x) < 1e-10
            assert_exact(matrix, a)


def assert_exact(matrix: FeatureMotion, a: torch.Tensor) -> None:
    """The exact pairs are those of the dense A."""
    pairs = exact(matrix, SolverOptions(pairs=4))
    if len(pairs.values) == 0:  # nothing moves
        assert float(a.abs().max()) == 0
        return
    positive = pairs.values[pairs.values > 1e-6 * float(pairs.values.abs().max())]
    n = len(a)
    expected = scipy.linalg.eigh(a.numpy(), eigvals_only=True, subset_by_index=[n - len(positive), n - 1])[::-1]
    assert np.abs(positive.numpy() - expected).max() < 1e-10 * float(pairs.values.abs().max())
    vectors = pairs.vectors[: len(positive)]
    residuals = (a @ vectors.T - vectors.T * positive).norm(dim=0) / float(pairs.values.abs().max())
    assert float(residuals.max()) < 1e-10
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
    chain=st.sampled_from(CHAINS),
    motion=st.sampled_from(MOTION),
    features=st.sampled_from(FEATURES),
    projection=st.sampled_from(PROJECTION),
    windows=st.tuples(st.integers(1, 4), st.integers(0, 4)),
    seed=st.integers(0, 100),
)
def test_any_combination_of_all_options(name, chain, motion, features, projection, windows, seed) -> None:
    made = toy(name, SIZE, FRAMES, seed=seed)
    chains = MotionChains(made.flow, ChainOptions(**chain), compute=Compute(dtype=torch.float64))
    if motion["edges"] == "union" and chain["links"] == "corners":
        motion = {**motion, "edges": "count"}
    noise = torch.rand(FRAMES, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    options = FeatureOptions(half_window=windows[0], cue_window=windows[1], **features)
    matrix = FeatureMotion(
        MotionMatrix(chains, MotionOptions(**motion)),
        Projection(FeatureMatrix(chains, options, [Cue(name="noise", maps=noise)]), ProjectionOptions(**projection)),
    )
    dense = matrix.dense()
    x = torch.randn(len(dense), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert relative(matrix @ x - dense @ x, dense @ x) < 1e-9
    assert relative(dense - dense.T, dense) < 1e-9
    assert_exact(matrix, dense)


@pytest.mark.parametrize("name", [name for name in TOYS if name != "still"])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_agrees_with_converged_power_iteration(name, ridge, seed) -> None:
    made = toy(name, (24, 20), 7, seed=seed)
    chains = MotionChains(made.flow, compute=Compute(dtype=torch.float64))
    maps = motion_saliency(torch.from_numpy(made.clip.frames), made.flow, compute=Compute(dtype=torch.float64))
    features = FeatureMatrix(
        chains, FeatureOptions(displacements="steps", half_window=2, cue_window=1), [Cue(name="saliency", maps=maps)]
    )
    motion = MotionMatrix(chains, MotionOptions(self_loop=1.0))
    matrix = FeatureMotion(motion, Projection(features, ProjectionOptions(ridge=ridge)))
    pairs = exact(matrix)
    ratio = float(pairs.values[1] / pairs.values[0])
    start = start_labels("uniform", 7, (24, 20), seed=seed, dtype=torch.float64)
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
