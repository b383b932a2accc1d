"""Three solvers, one answer; starts, signs and stops on spectra that are known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from covering import covering

import ikebook.solvers.exact
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.projection import Projection, ProjectionOptions, complete, precondition
from ikebook.solvers.exact import exact, solve_reduced
from ikebook.solvers.lanczos import lanczos, lobpcg
from ikebook.solvers.pairs import SolverOptions, residual_norms, volume_residuals
from ikebook.solvers.power import power_iteration, power_steps, start_labels
from ikebook.solvers.reduced import Reduced
from ikebook.solvers.volumes import SpannedVolumes, StoredVolumes

SIZE, FRAMES = (18, 16), 5  # 1440 nodes


def matrix(
    name: str = "two_objects",
    *,
    seed: int = 0,
    ridge: float = 0.0,
    scope: str = "video",
    dtype: torch.dtype = torch.float64,
    **motion: object,
) -> FeatureMotion:
    made = toy(name, SIZE, FRAMES, seed=seed)
    chains = MotionChains(made.flow, compute=Compute(dtype=dtype))
    maps = torch.rand(FRAMES, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert made.clip.masks is not None
    cue = Cue(name="cue", maps=maps + torch.from_numpy(made.clip.masks))
    features = FeatureMatrix(chains, FeatureOptions(displacements="steps", half_window=2, cue_window=1), [cue])
    projection = Projection(features, ProjectionOptions(ridge=ridge, scope=scope))
    return FeatureMotion(MotionMatrix(chains, MotionOptions(**motion)), projection)


def start(seed: int = 0, kind: str = "uniform", **options: object) -> torch.Tensor:
    return start_labels(kind, FRAMES, SIZE, seed=seed, dtype=torch.float64, **options)


@pytest.mark.parametrize(
    ("solver", "seed", "ridge"),
    [
        tuple(case.values())
        for case in covering(2, solver=[lanczos, lobpcg, power_iteration], seed=[0, 1, 2], ridge=[0.0, 0.5])
    ],
)
def test_every_solver_finds_the_same_pairs(solver, seed, ridge) -> None:
    a = matrix(seed=seed, ridge=ridge, self_loop=3.0)  # a self-loop puts the largest eigenvalues above the rest in size
    method = solver.__name__.removesuffix("_iteration")
    options = SolverOptions(method=method, pairs=3, tolerance=1e-8, iterations=3000)
    found, known = solver(a, start(seed), options), exact(a)
    assert found.converged
    assert found.method == method
    assert torch.allclose(found.values, known.values[:3], rtol=1e-8)
    likeness = (found.vectors @ known.vectors[:3].T).diagonal().abs()
    assert float(likeness.min()) > 1 - 1e-8
    assert float(residual_norms(a, found.values, found.vectors).max()) < 1e-7
    assert found.products >= 3


def test_solvers_return_as_many_pairs_as_asked_for() -> None:
    a = matrix()
    spectrum = exact(a).spectrum
    positive = int((spectrum > 0).sum())
    assert 2 < positive < len(spectrum)
    for found in (exact(a), lanczos(a, start())):
        assert len(found.values) == min(6, positive)
    assert len(exact(a, SolverOptions(which="LM", pairs=50)).values) == len(spectrum)
    assert len(exact(a, SolverOptions(which="SA", pairs=50)).values) == len(spectrum) - positive
    assert len(lanczos(a, start(), SolverOptions(method="lanczos", pairs=2)).values) == 2
    assert len(power_iteration(a, start(), SolverOptions(method="power", iterations=5)).values) == 1
    assert len(exact(a, SolverOptions(pairs=2)).values) == 2


@pytest.mark.parametrize("seed", [0, 1])
def test_the_residuals_of_the_reduced_problem_are_those_of_the_matrix(seed) -> None:
    for dtype, bound in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        a = matrix(seed=seed, dtype=dtype, self_loop=1.0)
        pairs = exact(a, SolverOptions(pairs=3))
        true = residual_norms(a, pairs.values, pairs.vectors)
        assert float(true.max()) < bound
        assert float(pairs.residuals.max()) < bound
        assert torch.allclose(pairs.vectors.double().norm(dim=1), torch.ones(3, dtype=torch.float64), atol=1e-4)


def test_pairs_come_in_decreasing_order_and_are_orthonormal() -> None:
    a = matrix()
    pairs = exact(a, SolverOptions(which="LM", pairs=50))
    assert bool((pairs.values[:-1].abs() >= pairs.values[1:].abs()).all())
    positive = exact(a, SolverOptions(pairs=50)).values
    assert torch.equal(positive, pairs.values[pairs.values > 0])
    gram = pairs.vectors @ pairs.vectors.T
    assert torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-8)
    assert len(pairs.values) == np.linalg.matrix_rank(a.features.dense().numpy(), tol=1e-6)


def test_the_trace_of_the_spectrum_is_that_of_the_matrix() -> None:
    a = matrix(ridge=0.3)
    p = a.projection.dense()
    trace = float((p @ p * a.motion.dense()).sum())  # tr(PMP) = tr(PPM)
    assert float(exact(a).spectrum.sum()) == pytest.approx(trace, rel=1e-9)


@pytest.mark.parametrize("kind", ["uniform", "same", "constant", "gaussian"])
def test_the_start_does_not_matter(kind) -> None:
    a = matrix("disc", self_loop=1.0)
    known = exact(a).vectors[0]
    # Columns are centred, so a constant start has nothing in common with them: noise is mixed in.
    begin = start(kind=kind) + 0.01 * start(seed=5)
    found = power_iteration(a, begin, SolverOptions(method="power", tolerance=1e-10, iterations=5000))
    assert found.converged
    assert abs(float(found.vectors[0] @ known)) > 1 - 1e-8


def test_algorithm_2_with_radius_one_never_settles_where_each_frame_has_its_own_projection() -> None:
    """M is bipartite then, between even and odd frames: -lambda is an eigenvalue of M too, and of P M P with a P of blocks."""
    m = matrix("disc", radius=1).motion.dense()
    values = scipy.linalg.eigvalsh(m.numpy())
    assert np.allclose(values, -values[::-1], atol=1e-10)
    options = SolverOptions(method="power", which="LM", iterations=300)
    swinging = power_iteration(matrix("disc", scope="frame", radius=1), start(), options)
    settled = power_iteration(matrix("disc", scope="frame", radius=1, self_loop=2.0), start(), options)
    assert not swinging.converged
    assert float(swinging.residuals[0]) > 1e-3
    assert settled.converged
    mixed = power_iteration(matrix("disc", radius=1), start(), options)  # one P for the clip joins even and odd frames
    assert mixed.converged


def test_power_steps_are_those_of_the_algorithm() -> None:
    a = matrix(self_loop=1.0)
    steps = list(power_steps(a, start(), iterations=2))
    assert [s.step for s in steps] == ["start", *(["propagation", "projection", "normalisation"] * 2)]
    assert [s.iteration for s in steps] == [0, 1, 1, 1, 2, 2, 2]
    m, p = a.motion.dense(), a.projection.dense()
    x = p @ start()
    x = x / x.norm()
    assert torch.allclose(steps[0].labels, x)
    assert torch.allclose(steps[1].labels, m @ x)
    assert torch.allclose(steps[2].labels, p @ (m @ x))
    assert torch.allclose(steps[3].labels, (p @ (m @ x)) / (p @ (m @ x)).norm())
    once = p @ (m @ (p @ x))
    assert steps[2].value == pytest.approx(float(x @ once))
    assert steps[2].residual == pytest.approx(float((once - steps[2].value * x).norm()) / steps[2].value)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_steps_from_a_start_as_it_is_given_are_those_printed(ridge) -> None:
    a = matrix(ridge=ridge)
    begin = start(kind="gaussian")
    states = list(power_steps(a, 3 * begin, iterations=3, tolerance=0.0, project_start=False))
    x = begin / begin.norm()
    assert torch.allclose(states[0].labels, x)
    p, m = a.projection.dense(), a.motion.dense()
    for iteration in (1, 2, 3):
        before, once = x, p @ (m @ x) if ridge == 0 else p @ (m @ (p @ x))
        x = once / once.norm()
        last = [state for state in states if state.iteration == iteration][-1]
        assert torch.allclose(last.labels, x)
        if iteration == 1 and ridge == 0:
            assert np.isnan(last.value)
            assert np.isnan(last.residual)
        else:
            assert last.value == pytest.approx(float(before @ (p @ (m @ (p @ before)))))


def test_minmax_rule_keeps_labels_in_the_unit_interval_and_calls_nothing_converged() -> None:
    a = matrix(self_loop=1.0, scope="frame", ridge=10.0)
    states = list(power_steps(a, start(kind="same"), iterations=4, normalisation="minmax"))
    assert len(states) == 1 + 4 * 3
    for state in states:
        if state.step == "normalisation":
            frames = state.labels.view(FRAMES, -1)
            assert torch.equal(frames.amin(1), torch.zeros(FRAMES, dtype=torch.float64))
            assert torch.equal(frames.amax(1), torch.ones(FRAMES, dtype=torch.float64))
    pairs = power_iteration(a, start(), SolverOptions(method="power", normalisation="minmax", iterations=4))
    assert not pairs.converged
    assert pairs.products == 4


def test_a_negative_and_a_near_degenerate_spectrum() -> None:
    noise = np.random.default_rng(0)
    rotation = np.linalg.qr(noise.normal(size=(6, 6)))[0]
    for spectrum in ([-1, -2, -3, -4, -5, -6], [5, 5 - 1e-9, 1, 0.5, -4, -5]):
        motion = torch.from_numpy(rotation @ np.diag(np.array(spectrum, float)) @ rotation.T)
        lengths = torch.from_numpy(noise.uniform(0.1, 10, 6))
        gram = torch.diag(lengths**2)
        conditioner = precondition(gram)
        t = conditioner.matrix
        reduced = Reduced(t.T @ gram @ t, t.T @ (motion * lengths[:, None] * lengths) @ t)
        span = complete(conditioner, reduced.gram, ProjectionOptions(), torch.float64)
        found = solve_reduced(reduced, span, torch.float64, SolverOptions(which="LM"))
        ordered = torch.tensor(sorted(spectrum, reverse=True), dtype=torch.float64)
        assert torch.allclose(found.spectrum, ordered, atol=1e-10)
        assert torch.allclose(found.values.sort(descending=True).values, ordered, atol=1e-10)
        lengths_of = found.weights[0].T @ gram @ found.weights[0]
        assert torch.allclose(lengths_of, torch.eye(6, dtype=torch.float64), atol=1e-10)


class TestStarts:
    def test_are_in_the_unit_interval_and_reproducible(self) -> None:
        for kind in ("uniform", "same", "constant", "gaussian"):
            x = start(3, kind)
            assert x.shape == (FRAMES * SIZE[0] * SIZE[1],)
            assert float(x.min()) >= 0
            assert float(x.max()) <= 1
            assert torch.equal(x, start(3, kind))
        assert not torch.equal(start(0), start(1))

    def test_the_same_noise_lies_in_each_frame(self) -> None:
        frames = start(kind="same").view(FRAMES, -1)
        assert torch.equal(frames[0], frames[-1])

    def test_the_gaussian_has_its_width(self) -> None:
        x = start_labels("gaussian", 1, (400, 200), width=0.1, dtype=torch.float64).view(200, 400)
        assert float(x.max()) == pytest.approx(1, abs=1e-3)
        assert float(x[100, 200 + 40]) == pytest.approx(np.exp(-0.5), abs=0.02)
        assert float(x[100 + 20, 200]) == pytest.approx(np.exp(-0.5), abs=0.04)

    def test_an_unknown_one(self) -> None:
        with pytest.raises(InputError, match="'ones'; expected one of 'uniform', 'same', 'constant', 'gaussian'"):
            start(kind="ones")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "qr"}, "'qr'; expected one of 'exact', 'power', 'lanczos', 'lobpcg'"),
        ({"pairs": 0}, "pairs is 0"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"normalisation": "minmax"}, 'set method="power" too'),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_options(options, message) -> None:
    with pytest.raises(InputError, match=message):
        SolverOptions(**options)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_projection_for_each_frame_has_the_same_pairs_by_every_method(ridge, seed, monkeypatch) -> None:
    a = matrix(seed=seed, scope="frame", ridge=ridge, self_loop=1.0)
    known = exact(a, SolverOptions(pairs=3))
    monkeypatch.setattr(ikebook.solvers.exact, "DENSE_FRAMES", 0)
    banded = exact(a, SolverOptions(pairs=3))
    found = lanczos(a, start(seed), SolverOptions(method="lanczos", pairs=3, tolerance=1e-10))
    for pairs in (banded, found):
        assert torch.allclose(pairs.values, known.values, rtol=1e-9)
        assert float((pairs.vectors @ known.vectors.T).diagonal().abs().min()) > 1 - 1e-8
    assert float(residual_norms(a, known.values, known.vectors).max()) < 1e-9
    assert float(known.residuals.max()) < 1e-12


def test_a_radius_far_beyond_the_clip_costs_no_more() -> None:
    near, far = (exact(matrix(radius=radius)) for radius in (FRAMES - 1, 10**9))
    assert torch.allclose(near.values, far.values)


@pytest.mark.parametrize("scope", ["video", "frame"])
def test_volumes_are_the_vectors_frame_by_frame(scope) -> None:
    pairs = exact(matrix(scope=scope), SolverOptions(which="LM"))
    known = StoredVolumes(pairs.vectors, pairs.volumes.shape)
    noise = torch.rand(FRAMES, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for volumes in (pairs.volumes, known):
        assert len(volumes) == 6
        assert torch.allclose(volumes[2].flatten(), pairs.vectors[2], rtol=0, atol=1e-15)
        assert torch.equal(volumes[-1], volumes[5])
        chosen = torch.cat(list(volumes.frames([4, 1])), dim=1)
        assert torch.allclose(chosen.flatten(1), pairs.vectors[[4, 1]], rtol=0, atol=1e-15)
        expected = torch.einsum("rmp,mcp->mrc", pairs.vectors.view(6, FRAMES, -1), noise.flatten(2))
        found = volumes.products(lambda frames: noise[frames.start : frames.stop])
        assert torch.allclose(found, expected, rtol=0, atol=1e-13)
        with pytest.raises(IndexError, match="there is no eigenvector 6; there are 6"):
            volumes[6]


def test_labels_are_made_when_they_are_asked_for(monkeypatch) -> None:
    asked = []
    frames = SpannedVolumes.frames
    monkeypatch.setattr(
        SpannedVolumes, "frames", lambda self, chosen=None: asked.append(chosen) or frames(self, chosen)
    )
    a = matrix()
    pairs = exact(a, SolverOptions(which="LM", pairs=100, measure=False))
    spectrum = torch.linalg.eigvalsh(a.dense())
    assert len(pairs.values) == int((spectrum.abs() > 1e-10 * spectrum.max()).sum())
    assert asked == []
    assert pairs.volumes[3].shape == (FRAMES, SIZE[1], SIZE[0])
    assert pairs.vectors is pairs.vectors
    assert asked == [[3], None]


def test_the_residual_frame_by_frame_is_that_of_the_vectors() -> None:
    for ridge, scope in ((0.0, "video"), (5.0, "frame")):
        a = matrix(ridge=ridge, scope=scope)
        pairs, dense = exact(a), a.dense()
        direct = [(dense @ x - v * x).norm() / abs(v) for v, x in zip(pairs.values, pairs.vectors + 1e-4, strict=True)]
        moved = StoredVolumes(pairs.vectors + 1e-4, pairs.volumes.shape)
        assert volume_residuals(a, pairs.values, moved) == pytest.approx(torch.stack(direct), rel=1e-9)
        assert float(volume_residuals(a, pairs.values, moved, 2)) == pytest.approx(float(direct[2]), rel=1e-9)
