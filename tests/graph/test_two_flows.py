"""Two flows at once (Table 1): motion chains and M from one, node features from both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.base.arrays import Memory
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.cycle import CycleOptions, exchange
from ikebook.datasets.toys import toy
from ikebook.flow import Flow, provider
from ikebook.graph.graph_module import build, segment
from ikebook.graph.presets import GraphOptions, override, preset
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.features import FeatureMatrix, FeatureOptions
from ikebook.runs.options import RunOptions
from ikebook.runs.single import run

W, H, M = 16, 16, 4


def flow_of(seed: int, m: int = M, w: int = W, h: int = H) -> Flow:
    rng = np.random.default_rng(seed)
    return Flow(forward=rng.normal(0, 1.5, (m - 1, h, w, 2)), backward=rng.normal(0, 1.5, (m - 1, h, w, 2)))


def chains_of(flow: Flow, **options) -> MotionChains:
    return MotionChains(flow, ChainOptions(**options), compute=Compute(dtype=torch.float64))


@pytest.mark.parametrize("scale", ["none", "minmax"])
@pytest.mark.parametrize("ends", ["mirror", "hold"])
@pytest.mark.parametrize("batch", [1, 4])
def test_columns_are_those_of_each_flow_alone_side_by_side(scale, ends, batch) -> None:
    options = FeatureOptions(displacements="steps", half_window=2, scale=scale, ends=ends)
    first, second = (
        MotionChains(flow_of(seed), compute=Compute(dtype=torch.float64), batch=batch) for seed in (0, 1)
    )  # fmt: skip
    both = FeatureMatrix(first, options, further=[second])
    alone = [FeatureMatrix(chains, options) for chains in (first, second)]
    assert both.columns == (*alone[0].columns, *(name.replace("[", "2[") for name in alone[1].columns))
    assert torch.allclose(both.dense(), torch.cat([one.dense() for one in alone], dim=1), atol=1e-12)


@pytest.mark.parametrize("name", ["default", "paper", "released"])
@pytest.mark.parametrize("seed", range(2))
def test_the_exact_solver_finds_the_dense_matrix_s_spectrum(name, seed) -> None:
    made = toy("disc", (W, H), M)
    options = override(
        preset(name), "features.displacements=steps", "features.half_window=1", "solver.method=exact",
        "solver.normalisation=l2", "motion.radius=3",
    )  # fmt: skip
    matrix = build(
        made.clip, made.flow, options=options, feature_flow=flow_of(seed), compute=Compute(dtype=torch.float64)
    )
    result = segment(
        made.clip, made.flow, options=options, feature_flow=flow_of(seed), compute=Compute(dtype=torch.float64)
    )
    dense = matrix.dense()
    values = torch.linalg.eigvalsh((dense + dense.T) / 2).flip(0)
    found = result.pairs.values.cpu()
    count = min(3, len(found))
    assert torch.allclose(found[:count], values[:count], rtol=1e-6)
    x = torch.randn(dense.shape[0], dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(matrix @ x, dense @ x, atol=1e-8)


def test_m_does_not_know_the_second_flow() -> None:
    made = toy("disc", (W, H), M)
    alone, both = (
        build(made.clip, made.flow, options=GraphOptions(), feature_flow=one, compute=Compute(dtype=torch.float64))
        for one in (None, flow_of(0))
    )
    assert torch.equal(alone.motion.dense(), both.motion.dense())
    assert not torch.allclose(alone.projection.features.dense(), both.projection.features.dense())


@pytest.mark.parametrize("limit", [None, 0])
def test_the_saliency_is_the_mean_of_both(limit) -> None:
    made = toy("disc", (W, H), M)
    alone = [build(made.clip, flow).saliency for flow in (made.flow, flow_of(0))]
    both = build(made.clip, made.flow, feature_flow=flow_of(0), compute=Compute(memory=Memory(limit))).saliency
    expected = (np.asarray(alone[0]) + np.asarray(alone[1])) / 2
    assert np.allclose(np.asarray(both), expected, atol=1e-6)


def test_a_second_flow_that_is_the_first_changes_nothing() -> None:
    made = toy("disc", (32, 24), 6)
    options = override(GraphOptions(), "features.displacements=steps")
    alone, twice = (
        segment(made.clip, made.flow, options=options, feature_flow=one, compute=Compute(dtype=torch.float64))
        for one in (None, made.flow)
    )
    assert torch.allclose(alone.pairs.values[:3], twice.pairs.values[:3], rtol=1e-8)
    assert np.allclose(alone.soft, twice.soft, atol=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_a_flow_that_is_mostly_noise_gains_by_a_good_one_and_costs_it_little(seed) -> None:
    made = toy("disc", (48, 32), 8)
    rng = np.random.default_rng(seed)
    noisy = Flow(
        forward=made.flow.forward + rng.normal(0, 20, made.flow.forward.shape),
        backward=made.flow.backward + rng.normal(0, 20, made.flow.backward.shape),
    )

    def score(flow: Flow, second: Flow | None) -> float:
        masks = segment(made.clip, flow, feature_flow=second).masks
        return (masks & made.clip.masks).sum() / (masks | made.clip.masks).sum()

    assert score(noisy, made.flow) > score(noisy, None) + 0.3
    assert score(made.flow, noisy) > score(made.flow, None) - 0.02


def test_sizes_that_differ_are_named() -> None:
    made = toy("disc", (W, H), M)
    with pytest.raises(InputError, match=r"feature_flow has 2 fields of 16x16, but clip 'disc' has 4 frames"):
        build(made.clip, made.flow, feature_flow=flow_of(0, m=3))
    with pytest.raises(InputError, match=r"further flow has 3 frames of 16x16; expected 4 of 16x16"):
        FeatureMatrix(
            chains_of(flow_of(0)), FeatureOptions(displacements="steps"), further=[chains_of(flow_of(0, m=3))]
        )


def test_cycles_and_runs_take_it_along() -> None:
    made = toy("disc", (32, 24), 5)
    options = CycleOptions(cycles=2, network=None, tolerance=0)
    states = list(exchange(made.clip, made.flow, options=options, feature_flow=flow_of(0, 5, 32, 24)))
    assert len(states) == 2
    graph = override(GraphOptions(), "features.displacements=steps")
    run_options = RunOptions(
        cycle=CycleOptions(cycles=1, graph=graph), size=(32, 24), device="cpu", cache=False, feature_flow="farneback"
    )
    outcome = run(made.clip, provider("dis"), options=run_options)
    assert outcome.result.matrix.projection.features.columns[20] == "dx2[+1]"
    assert set(outcome.flow_quality) == {"flow", "feature flow"}
