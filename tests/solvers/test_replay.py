"""Algorithm 2 forth and back, and a graph with its solution and signs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.flow import noisy
from ikebook.graph.presets import GraphOptions, override
from ikebook.graph.principal import solve_graph
from ikebook.solvers.power import power_steps, start_labels
from ikebook.solvers.replay import Replay
from ikebook.solvers.theory import perturbation


@pytest.fixture(scope="module")
def made():
    return toy("disc", (20, 16), 5)


@pytest.fixture(scope="module")
def solved(made):
    return solve_graph(made.clip, made.flow, compute=Compute(dtype=torch.float64))


def begin(seed: int = 0) -> torch.Tensor:
    return start_labels("uniform", 5, (20, 16), seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_walk_has_the_steps_of_the_algorithm_and_finds_them_again(solved, seed) -> None:
    walk = Replay(solved.matrix, begin(seed), solved.labels().flatten())
    expected = list(power_steps(solved.matrix, begin(seed), iterations=4, tolerance=0.0, project_start=False))[1:]
    for state in expected:
        walk.forward()
        assert (walk.now.step, walk.now.iteration) == (state.step, state.iteration)
        assert torch.equal(walk.now.labels, state.labels)
    assert (walk.place, walk.completed) == (12, 4)
    assert walk.rayleigh[1:] == [state.value for state in expected if state.step == "normalisation"][1:]
    for state in expected[-2::-1]:
        walk.back()
        assert torch.equal(walk.now.labels, state.labels)
    assert (walk.place, walk.completed, walk.rayleigh, len(walk.cosines)) == (1, 0, [], 1)
    walk.back()
    walk.back()
    assert torch.equal(walk.now.labels, begin(seed))
    assert walk.sign == 1


def test_it_ends_at_the_eigenvector_or_its_opposite(solved) -> None:
    for start in (begin(), -solved.labels().flatten()):
        walk = Replay(solved.matrix, start, solved.labels().flatten())
        for _ in range(400):
            walk.forward()
        assert walk.converged
        assert walk.cosines[-1] == pytest.approx(1)
        assert torch.allclose(walk.sign * walk.now.labels, solved.labels().flatten(), atol=1e-5)
    assert walk.sign == -1


def test_without_a_matrix_it_can_t_begin(solved) -> None:
    walk = Replay(None, begin(), None)
    assert np.isnan(walk.cosines[0])
    with pytest.raises(InputError, match="has no matrix yet"):
        walk.forward()


def test_signs_are_positive_on_the_object(made, solved) -> None:
    labels = solved.labels().numpy()
    assert labels[made.clip.masks].mean() > 0 > labels[~made.clip.masks].mean()
    assert len(solved.signs) == len(solved.pairs.values)
    still = toy("still", (20, 16), 5)
    assert solve_graph(still.clip, still.flow).signs == []


@pytest.mark.parametrize(("scope", "at"), [("video", 1), ("frame", 5)])  # from small matrices, and by Lanczos
def test_a_measurement_of_noise_can_be_ended(made, scope, at) -> None:
    options, double = override(GraphOptions(), f"projection.scope={scope}"), Compute(dtype=torch.float64)
    solved = solve_graph(made.clip, made.flow, options=options, compute=double)
    changed = solve_graph(made.clip, noisy(made.flow, 0.1), options=options, compute=double)
    count = 0

    def product() -> None:
        nonlocal count
        count += 1
        if count == at:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        perturbation(solved.matrix, changed.matrix, on_product=product)
    assert count == at
    plain = perturbation(solved.matrix, changed.matrix)
    assert perturbation(solved.matrix, changed.matrix, on_product=lambda: None) == plain or np.isnan(plain.frobenius)
    assert plain.sine <= plain.davis_kahan
