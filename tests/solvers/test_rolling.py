"""Frames that come and go: the sums of a clip that has moved on are those of the clip itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.graph.presets import override, preset
from ikebook.solvers.differentiable import small_eigenpairs
from ikebook.solvers.exact import exact, reduce
from ikebook.solvers.rolling import RollingSolver

MADE = ikebook.toy("two_objects", (20, 16), 24)
OPTIONS = override(preset("paper"), "motion.radius=3", "features.half_window=2", "features.center=frame")


def cued(*changes: str):
    """A graph whose features are three maps of noise: independent for sure."""
    noise = np.random.default_rng(0).standard_normal((3, 8, 16, 20)) + MADE.clip.masks[:8]
    cues = [ikebook.Cue(name=str(k), maps=maps) for k, maps in enumerate(noise)]
    flow = Flow(forward=MADE.flow.forward[:7], backward=MADE.flow.backward[:7])
    options = override(preset("default"), "saliency=none", "features.cue_window=0", *changes)
    return ikebook.build(MADE.clip.frames[:8], flow, cues=cues, options=options, compute=Compute(dtype=torch.float64))


def cut(start: int, stop: int, *changes: str):
    flow = Flow(forward=MADE.flow.forward[start : stop - 1], backward=MADE.flow.backward[start : stop - 1])
    options = override(OPTIONS, *changes)
    return ikebook.build(MADE.clip.frames[start:stop], flow, options=options, compute=Compute(dtype=torch.float64))


@pytest.mark.parametrize("changes", [(), ("motion.edges=union",), ("motion.self_loop=0.5", "chains.consistent=true")])
def test_frames_come_and_go(changes) -> None:
    solver = RollingSolver(cut(0, 18, *changes))
    assert solver.pairs().values.tolist() == pytest.approx(exact(cut(0, 18, *changes)).values.tolist(), rel=1e-10)
    for start, stop, again in ((0, 19, 6), (1, 19, 5), (3, 22, 5 + 5 + 3), (3, 22, 0), (4, 24, 5 + 5 + 2)):
        before = (start, stop)
        dropped = start - getattr(test_frames_come_and_go, "at", 0)
        assert solver.move(cut(*before, *changes), dropped=dropped) == again
        test_frames_come_and_go.at = start
        known = exact(cut(start, stop, *changes))
        assert len(solver) == stop - start
        assert solver.pairs().values.tolist() == pytest.approx(known.values.tolist(), rel=1e-10)
        assert abs(float(solver.pairs().vectors[0] @ known.vectors[0])) > 1 - 1e-10
    test_frames_come_and_go.at = 0


def test_a_start_from_before_saves_products() -> None:
    """Warm start: the labels that are there, and the last frame's for the new one."""
    before, after = cut(0, 20), cut(0, 21)
    labels = exact(before).volumes[0]
    warm = torch.cat([labels, labels[-1:]])
    counts = {}
    for name, start in (("cold", None), ("warm", warm)):
        pairs = ikebook.solvers.solve(after, ikebook.solvers.SolverOptions(method="power", which="LM"), start=start)
        assert pairs.converged
        counts[name] = pairs.products
    assert counts["warm"] < 0.8 * counts["cold"]


def test_a_bootstrap_has_bars_around_the_value() -> None:
    solver = RollingSolver(cut(0, 24))
    drawn = solver.bootstrap(40, pairs=2, seed=1)
    assert drawn.shape == (40, 2)
    low, high = np.quantile(drawn[:, 0], [0.02, 0.98])
    assert low < float(solver.pairs().values[0]) < high
    assert (drawn[:, 0] >= drawn[:, 1]).all()
    assert np.array_equal(drawn, solver.bootstrap(40, pairs=2, seed=1))
    assert not np.array_equal(drawn, solver.bootstrap(40, pairs=2, seed=2))


def test_what_does_not_fit_is_refused() -> None:
    solver = RollingSolver(cut(0, 10))
    with pytest.raises(InputError, match="matrix has 8 frames; expected 9 or more: those from before less 1"):
        solver.move(cut(1, 9), dropped=1)
    with pytest.raises(InputError, match="expected those from before"):
        solver.move(cut(0, 11, "features.half_window=1"))
    with pytest.raises(InputError, match="one P for the clip"):
        RollingSolver(cut(0, 10, "projection.scope=frame"))


@pytest.mark.parametrize("ridge", [0.0, 3.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_of_the_small_problem(ridge, seed) -> None:
    noise = torch.Generator().manual_seed(seed)
    f = torch.randn(12, 4, dtype=torch.float64, generator=noise)
    m = torch.randn(12, 12, dtype=torch.float64, generator=noise)
    gram, motion = f.T @ f, f.T @ (m + m.T) @ f

    def observed(gram, motion):
        values, weights = small_eigenpairs(gram, motion, ridge)
        return values, weights[:, :1] @ weights[:, :1].T  # free of the sign

    assert torch.autograd.gradcheck(observed, (gram.requires_grad_(), motion.requires_grad_()))


@pytest.mark.parametrize("ridge", [0.0, 5.0])
def test_the_small_problem_is_that_of_the_exact_solver(ridge) -> None:
    matrix = cued(f"projection.ridge={ridge}")
    reduced = reduce(matrix.motion, matrix.features)
    values, weights = small_eigenpairs(reduced.gram, reduced.motion, ridge)
    known = exact(matrix)
    assert values.tolist() == pytest.approx(known.spectrum.tolist(), rel=1e-8)
    x = matrix.features @ weights[:, 0]
    assert float(x.norm()) == pytest.approx(1, rel=1e-8)
    assert abs(float(x @ known.vectors[0])) > 1 - 1e-8


def test_through_it_features_learn() -> None:
    """A cue's weight that makes the first eigenvalue larger, by gradient."""
    matrix = cued()
    f, m = matrix.features.dense(), matrix.motion.dense()
    scale = torch.ones(f.shape[1], dtype=torch.float64, requires_grad=True)
    weighted = f * scale
    values, _ = small_eigenpairs(weighted.T @ weighted, weighted.T @ m @ weighted, ridge=1.0)
    values[0].backward()
    assert bool(scale.grad.isfinite().all())
    assert float(scale.grad.abs().max()) > 0


def test_dependent_columns_have_no_gradient() -> None:
    with pytest.raises(InputError, match="not positive definite: columns of F are dependent"):
        small_eigenpairs(torch.ones(2, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64))
