"""A solver that says what it did: indefinite, rank-deficient, badly scaled and degenerate A, against NumPy on dense matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import ikebook
from ikebook.base.compute import Compute
from ikebook.graph.presets import override, preset
from ikebook.matrix.features import Cue
from ikebook.solvers.exact import exact
from ikebook.solvers.methods import solve
from ikebook.solvers.pairs import SolverOptions, volume_residuals

METHODS = ("exact", "power", "lanczos", "lobpcg")
DOUBLE, SINGLE = Compute(dtype=torch.float64), Compute()
PLAIN = override(preset("default"), "saliency=none", "features.mean=none", "features.center=none", "motion.colour=none")
TOY = ikebook.toy("disc", (16, 16), 4)
SHAPE = TOY.clip.masks.shape


class Yardstick:
    """A by its definition, P M P with P from NumPy's singular value decomposition of F: nothing of the solvers is in it."""

    def __init__(self, matrix, tolerance: float = 1e-9) -> None:
        f = matrix.features.dense().double().numpy()
        lengths = np.linalg.norm(f, axis=0)
        left, values, _ = np.linalg.svd(f / np.where(lengths > 0, lengths, 1), full_matrices=False)
        kept = values > tolerance * values[0] if len(values) and values[0] > 0 else np.zeros(len(values), bool)
        q = left[:, kept]
        self.condition = values[kept][0] / values[kept][-1] if kept.any() else 1.0
        small = q.T @ matrix.motion.dense().double().numpy() @ q
        self.values, vectors = np.linalg.eigh((small + small.T) / 2)
        self.vectors = q @ vectors
        self.a = q @ small @ q.T

    @property
    def ends(self) -> tuple[float, float]:
        return min(0.0, self.values.min(initial=0)), max(0.0, self.values.max(initial=0))

    def wanted(self, which: str, zero: float) -> np.ndarray:
        kept = {"LA": self.values > zero, "SA": self.values < -zero, "LM": abs(self.values) > zero}[which]
        key = {"LA": -self.values, "SA": self.values, "LM": -abs(self.values)}[which]
        return self.values[np.argsort(np.where(kept, key, np.inf), kind="stable")[: kept.sum()]]

    def residuals(self, pairs) -> np.ndarray:
        x = pairs.vectors.double().numpy()
        return np.linalg.norm(x @ self.a - pairs.values.numpy()[:, None] * x, axis=1)


def graph(*maps, options=PLAIN, compute=DOUBLE):
    cues = [Cue(name=chr(97 + k), maps=one) for k, one in enumerate(maps)]
    return ikebook.build(TOY.clip, TOY.flow, cues=cues, options=options, compute=compute)


def blob(centre=(6, 6), width=20.0) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    return np.broadcast_to(np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width), SHAPE).copy()


def flips() -> np.ndarray:
    return TOY.clip.masks * np.resize([1.0, -1.0], SHAPE[0])[:, None, None]


@pytest.mark.parametrize(
    ("compute", "step"), [(DOUBLE, 3e-3), (DOUBLE, 1e-5), (DOUBLE, 1e-7), (SINGLE, 1e-2), (SINGLE, 3e-4)]
)
def test_nearly_dependent_features_are_not_cut_in_silence(compute, step) -> None:
    """The error grows with F's condition number, and not with its square; what is claimed of it is no less than what it is."""
    matrix = graph(blob(), blob() + step * TOY.clip.masks, compute=compute)
    true, found = Yardstick(matrix), exact(matrix)
    eps = torch.finfo(compute.dtype).eps
    assert found.condition == pytest.approx(true.condition, rel=1e-2 + 100 * eps * true.condition)
    assert len(found.values) == 2
    assert found.dropped == ()
    scale = true.ends[1]
    assert np.abs(found.values.numpy() - true.wanted("LA", 0)).max() <= 20 * eps * true.condition * scale
    assert true.residuals(found).max() <= 20 * eps * true.condition * scale
    unmeasured = exact(matrix, SolverOptions(measure=False))
    assert not unmeasured.measured
    assert true.residuals(unmeasured).max() <= 3 * float((unmeasured.residuals * unmeasured.values.abs()).max())
    assert unmeasured.accuracy <= 30 * eps * true.condition * scale  # and not so pessimistic that it says nothing


@pytest.mark.parametrize(("compute", "step"), [(DOUBLE, 1e-12), (SINGLE, 1e-8)])
def test_what_is_dropped_is_counted_and_named(compute, step) -> None:
    matrix = graph(blob(), 3 * blob() + step * TOY.clip.masks, np.zeros(SHAPE), compute=compute)
    found = exact(matrix)
    assert len(found.values) == 1
    assert len(found.dropped) == 2
    assert {"+1.00 c[+0]"} < set(found.dropped)
    assert any("a[+0]" in name and "b[+0]" in name for name in found.dropped)
    assert "2 directions of F dropped" in repr(found)


def test_the_tolerance_is_an_option() -> None:
    maps = blob(), blob() + 1e-4 * TOY.clip.masks
    for tolerance, count in ((1e-6, 2), (1e-2, 1)):
        options = override(PLAIN, f"projection.tolerance={tolerance}")
        assert len(exact(graph(*maps, options=options)).values) == count
        dense = graph(*maps, options=options).projection.dense()
        assert float(dense.trace()) == pytest.approx(count)


class TestIndefinite:
    @pytest.mark.parametrize("method", METHODS)
    def test_no_positive_eigenvalue(self, method) -> None:
        matrix = graph(flips())
        true = Yardstick(matrix)
        assert true.ends[0] < -1
        assert true.ends[1] == 0
        found = {which: solve(matrix, SolverOptions(method=method, which=which)) for which in ("LA", "LM", "SA")}
        assert len(found["LA"].values) == 0
        for which in ("LM", "SA"):
            assert found[which].values.numpy() == pytest.approx(true.values, rel=1e-6)
            assert found[which].converged
        assert all(pairs.ends == pytest.approx(true.ends, rel=1e-3, abs=1e-9) for pairs in found.values())
        result = ikebook.segment(
            TOY.clip,
            TOY.flow,
            cues=matrix.features.cues,
            options=override(PLAIN, f"solver.method={method}"),
            compute=DOUBLE,
        )
        assert not result.masks.any()
        assert len(result.warnings) == 1
        assert result.warnings[0].startswith(
            f"A has no positive eigenvalue, its least is {true.ends[0]:.4g}: x'Ax is largest, 0,"
        )

    @pytest.mark.parametrize("method", METHODS)
    def test_a_negative_one_that_is_larger_in_size(self, method) -> None:
        steady = np.zeros(SHAPE)
        steady[[0, 3], 2:4, 2:4] = 1.0  # joined over three frames only
        matrix = graph(flips(), steady)
        true = Yardstick(matrix)
        assert -true.ends[0] > true.ends[1] > 0
        found = solve(matrix, SolverOptions(method=method, pairs=1))
        assert float(found.values[0]) == pytest.approx(true.ends[1], rel=1e-6)
        assert found.converged
        assert any("as large as its greatest" in told for told in found.complaints())
        largest = solve(matrix, SolverOptions(method=method, pairs=1, which="LM"))
        assert float(largest.values[0]) == pytest.approx(true.ends[0], rel=1e-6)

    def test_two_eigenvalues_that_are_one(self) -> None:
        left, right = np.zeros(SHAPE), np.zeros(SHAPE)
        still = ikebook.toy("still", (16, 16), 4)
        left[:, 2:5, 2:5] = right[:, 7:10, 7:10] = 1.0
        cues = [Cue(name="left", maps=left), Cue(name="right", maps=right)]
        for method in METHODS:
            result = ikebook.segment(
                still.clip,
                still.flow,
                cues=cues,
                options=override(PLAIN, f"solver.method={method}", "solver.pairs=2"),
                compute=DOUBLE,
            )
            first, second = result.pairs.values.tolist()
            assert first == pytest.approx(second, rel=1e-6)
            assert result.pairs.gap() == pytest.approx(0, abs=1e-5)
            assert any("agree to the accuracy reached" in told for told in result.warnings), method


class TestGap:
    def test_a_s_zeros_count(self) -> None:
        made = ikebook.toy("disc", frames=2)
        matrix = ikebook.build(made.clip, made.flow, compute=DOUBLE)
        for method in METHODS:
            pairs = solve(matrix, SolverOptions(method=method, pairs=2))
            assert [round(value, 3) for value in pairs.values.tolist()] == [1.666]
            assert pairs.gap() == pytest.approx(1.666, abs=1e-3)
            assert pairs.nearest() == 0
        both = exact(matrix)
        assert both.spectrum.tolist() == pytest.approx([1.6664, -1.8747], abs=1e-4)
        assert both.ends == pytest.approx((-1.8747, 1.6664), abs=1e-4)

    def test_of_a_pair_further_down_and_of_the_last_that_was_looked_for(self) -> None:
        matrix = ikebook.build(TOY.clip, TOY.flow, compute=DOUBLE)
        whole = exact(matrix)
        spectrum = [*whole.spectrum.tolist(), 0.0]
        for k, value in enumerate(whole.values.tolist()):
            others = [other for other in spectrum if other != value]
            assert whole.gap(k) == pytest.approx(min(abs(value - other) for other in others))
        first = solve(matrix, SolverOptions(method="lanczos", pairs=1))
        assert first.gap() is None
        assert first.nearest(5) is None


def test_zeros_are_no_pairs() -> None:
    made = ikebook.toy("disc")
    found = exact(ikebook.build(made.clip, made.flow, options=preset("paper"), compute=DOUBLE))
    assert found.converged
    assert float(found.residuals.max()) < 1e-12
    assert float(found.values.min()) > 0.1
    assert len(found.spectrum) == 6
    assert float(found.spectrum.abs().min()) > 0.1


def test_products_are_vectors_that_m_was_applied_to() -> None:
    made = ikebook.toy("disc")
    matrix = ikebook.build(made.clip, made.flow, compute=DOUBLE)
    assert exact(matrix, SolverOptions(measure=False)).products == matrix.features.shape[1] == 2
    assert exact(matrix, SolverOptions(pairs=2)).products == 3  # and to one vector, for its residual


def seeded(seed: int, kinds: tuple[str, ...], cond: float) -> list[np.ndarray]:
    """Maps of which the last are nearly, or quite, those before; scaled apart by up to 1e6."""
    rng = np.random.default_rng(seed)
    maps = [rng.standard_normal(SHAPE) * 0.2 + blob(rng.uniform(2, 9, 2), 15.0)]
    for kind in kinds:
        last = maps[-1]
        maps.append(
            {
                "noise": rng.standard_normal(SHAPE),
                "near": last + rng.standard_normal(SHAPE) * np.abs(last).mean() / cond,
                "same": 2 * last,
                "nothing": np.zeros(SHAPE),
                "flips": flips() + 0.01 * rng.standard_normal(SHAPE),
                "large": 1e6 * blob(rng.uniform(2, 9, 2), 9.0),
            }[kind]
        )
    return maps


@given(
    seed=st.integers(0, 10**6),
    kinds=st.lists(st.sampled_from(["noise", "near", "same", "nothing", "flips", "large"]), min_size=1, max_size=4).map(tuple),
    cond=st.floats(0, 7).map(lambda power: 10**power),
    options=st.lists(
        st.sampled_from(
            ["motion.radius=1", "motion.edges=union", "features.center=frame", "features.center=video", "features.cue_window=1",
             "motion.self_loop=0.5", "chains.consistent=true"]
        ),
        unique_by=lambda text: text.partition("=")[0],
        max_size=2,
    ),
    method=st.sampled_from(METHODS),
    which=st.sampled_from(["LA", "LM", "SA"]),
)  # fmt: skip
@example(seed=0, kinds=("near",), cond=1e7, options=[], method="exact", which="LA")
@example(seed=1, kinds=("same", "nothing", "large"), cond=1.0, options=[], method="lobpcg", which="LM")
@example(seed=2, kinds=("flips",), cond=1.0, options=["motion.radius=1"], method="power", which="LA")
def test_every_method_is_right_or_says_so(seed, kinds, cond, options, method, which) -> None:
    matrix = graph(*seeded(seed, kinds, cond), options=override(PLAIN, *options))
    true = Yardstick(matrix, matrix.projection.options.rank_tolerance(torch.float64))
    if 1e-9 < 1 / Yardstick(matrix, 0.0).condition < 1e-7:  # so near the tolerance, rounding decides what is dropped
        return
    pairs = solve(matrix, SolverOptions(method=method, which=which, pairs=2, iterations=400))
    size = max(map(abs, true.ends))
    zero = max(1e-5 * size, 30 * pairs.accuracy)
    assert pairs.ends[0] == pytest.approx(true.ends[0], abs=5e-3 * size + 1e-12)
    assert pairs.ends[1] == pytest.approx(true.ends[1], abs=5e-3 * size + 1e-12)
    wanted = true.wanted(which, zero)[: len(pairs.values)]
    errors = true.residuals(pairs)
    if pairs.converged:
        allowed = 3e-6 * size + 1e-12 * true.condition * size
        assert errors.max(initial=0.0) <= allowed
        strong = wanted[abs(wanted) > zero]
        assert len(pairs.values) >= min(1, len(strong))
        if len(strong) and len(pairs.values):
            assert float(pairs.values[0]) == pytest.approx(strong[0], abs=2 * allowed + zero * 1e-3)
    else:
        assert any("stopped at a residual" in told for told in pairs.complaints()) or len(pairs.values) == 0
    claimed = (pairs.residuals * pairs.values.abs()).numpy()
    assert (errors <= 3 * claimed + 1e-11 * true.condition * size).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_measured_residuals_are_those_of_dense_matrices(seed) -> None:
    matrix = graph(*seeded(seed, ("noise", "near"), 1e3))
    pairs = exact(matrix)
    known = Yardstick(matrix).residuals(pairs) / pairs.values.abs().numpy()
    measured = volume_residuals(matrix, pairs.values, pairs.volumes).numpy()
    assert np.abs(known - measured).max() < 1e-10
    assert math.isfinite(measured.sum())
