"""What `ikebook bench` compares with must give the same answers, or the comparison says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.experiments.baselines import ExplicitFeatureMotion, ScatterRule, arpack, torch_lobpcg
from ikebook.graph.graph_module import build, segment
from ikebook.graph.presets import PRESETS, override, preset
from ikebook.solvers.exact import exact
from ikebook.solvers.power import start_labels

SIZE = (20, 16)
NAMES = ["disc", "two_objects", "occluder"]


def matrix_of(name: str, *assignments: str, base: str = "default", frames: int = 6):
    made = toy(name, SIZE, frames)
    options = override(preset(base), *assignments)
    return build(made.clip, made.flow, options=options, compute=Compute(dtype=torch.float64))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["motion.edges=union", "motion.radius=3"],
        ["chains.links=corners", "motion.self_loop=0.5"],
        ["chains.consistent=true", "chains.sampling=bilinear"],
        ["chains.border=pass"],
    ],
)
def test_the_sparse_matrix_is_m(name, assignments) -> None:
    motion = matrix_of(name, *assignments).motion
    dense = motion.dense().numpy()
    sparse = motion.to_scipy()
    assert np.count_nonzero(dense) > 1000
    assert sparse.nnz == np.count_nonzero(dense)
    assert np.abs(sparse.toarray() - dense).max() < 1e-14


@pytest.mark.parametrize("base", PRESETS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_products_are_those_of_a(base, seed) -> None:
    matrix = matrix_of("disc", base=base)
    x = torch.randn(matrix.shape[0], 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = ExplicitFeatureMotion(matrix).product(x)
    for column in (0, 1):
        expected = matrix.matvec(x[:, column])
        assert float(expected.norm()) > 0.1
        assert float((found[:, column] - expected).norm() / expected.norm()) < 1e-10


@pytest.mark.parametrize("solver", [arpack, torch_lobpcg])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("assignments", [["features.displacements=steps"], ["projection.scope=frame"]])
def test_solvers_find_the_exact_vector(solver, name, assignments) -> None:
    matrix = matrix_of(name, *assignments)
    pairs = exact(matrix)
    explicit = ExplicitFeatureMotion(matrix)
    value, vector = solver(explicit, start_labels("uniform", 6, SIZE, dtype=torch.float64), 1e-10)
    assert value == pytest.approx(float(pairs.values[0]), rel=1e-9)
    assert abs(float(vector @ pairs.vectors[0])) > 1 - 1e-8
    assert 1 < explicit.products < 500


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("seed", "assignments"), [(0, []), (1, ["motion.radius=3", "motion.sigma=2", "projection.ridge=3"])]
)
def test_scatter_is_the_released_preset(name, seed, assignments) -> None:
    size = (24, 18)
    made = toy(name, size, 8)
    options = override(preset("released"), f"solver.seed={seed}", *assignments)
    expected = segment(made.clip, made.flow, options=options, compute=Compute(dtype=torch.float64)).pairs.vectors[0]
    start = start_labels("same", 8, size, seed=seed, dtype=torch.float64)
    rule = ScatterRule(made.flow, options, torch.float64)
    labels = rule.solve(start, options.solver.iterations)
    assert float(labels.std()) > 0.01
    assert float(labels.min()) == 0
    # Where a position falls on a pixel but for its last bit, floor and ceil are a matter of rounding.
    assert float(torch.corrcoef(torch.stack([labels, expected]))[0, 1]) > 1 - 1e-7
    assert float((labels / labels.norm() - expected).abs().max()) < 1e-4


def test_a_single_precision_rule_gives_the_same_labels() -> None:
    made = toy("disc", (32, 24), 8)
    options = preset("released")
    labels = [
        ScatterRule(made.flow, options, dtype).solve(start_labels("same", 8, (32, 24), dtype=dtype), 20).double()
        for dtype in (torch.float32, torch.float64)
    ]
    assert float(torch.corrcoef(torch.stack(labels))[0, 1]) > 0.9999
