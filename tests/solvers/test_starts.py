"""Several starts at once: the same as Algorithm 2 for each of them alone."""

from __future__ import annotations

import pytest
import torch

from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import build
from ikebook.graph.presets import override, preset
from ikebook.matrix.features import Cue
from ikebook.solvers.exact import exact
from ikebook.solvers.power import power_steps, start_labels
from ikebook.solvers.starts import race

SHAPE = (5, 16, 20)


@pytest.fixture(scope="module")
def made():
    return toy("disc", (20, 16), 5)


def some_starts(seed: int) -> dict[str, torch.Tensor]:
    kinds = {"noise": "uniform", "gaussian": "gaussian"}
    return {
        name: start_labels(kind, 5, (20, 16), seed=seed, dtype=torch.float64).view(SHAPE)
        for name, kind in kinds.items()
    }


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "options",
    [
        preset("default"),
        preset("paper"),
        override(preset("default"), "projection.ridge=0.5"),
        override(preset("default"), "projection.scope=frame"),
        preset("released"),
    ],
    ids=["default", "paper", "ridge", "frame", "released"],
)
def test_a_race_is_algorithm_2_for_each_start(made, options, seed) -> None:
    matrix = build(made.clip, made.flow, options=options, compute=Compute(dtype=torch.float64))
    starts = some_starts(seed)
    rule = options.solver.normalisation
    found = list(race(matrix, starts, 8, rule))
    assert len(found) == 9
    for name, start in starts.items():
        assert torch.equal(found[0][name], start)
        steps = power_steps(
            matrix, start.flatten(), iterations=8, tolerance=0.0, normalisation=rule, project_start=False
        )
        alone = [state.labels.view(SHAPE) for state in steps if state.step == "normalisation"]
        for labels, expected in zip(found[1:], alone, strict=True):
            assert torch.allclose(labels[name], expected, atol=1e-9)


def test_they_all_come_to_the_eigenvector(made) -> None:
    matrix = build(made.clip, made.flow, compute=Compute(dtype=torch.float64))
    vector = exact(matrix).vectors[0]
    last = list(race(matrix, some_starts(3), 60))[-1]
    assert all(abs(float(x.flatten() @ vector)) > 0.9999 for x in last.values())


def test_a_start_that_has_nothing_in_common_with_the_features_stays_nothing(made) -> None:
    options = override(preset("default"), "motion.radius=1")
    zero = torch.zeros(SHAPE, dtype=torch.float64)
    for ridge in (0.0, 0.5):
        matrix = build(
            made.clip,
            made.flow,
            options=override(options, f"projection.ridge={ridge}"),
            compute=Compute(dtype=torch.float64),
        )
        found = list(race(matrix, {"nothing": zero, **some_starts(0)}, 3))
        assert all(not bool(labels["nothing"].any()) for labels in found)
        assert bool(found[-1]["noise"].any())


def test_a_start_of_which_rounding_alone_is_left_is_nothing() -> None:
    """Nothing moves, so that M makes of a constant another one, which centred columns have nothing in common with."""
    still = toy("still", (20, 16), 5)
    noise = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = build(
        still.clip,
        still.flow,
        cues=[Cue(name="noise", maps=noise)],
        options=override(preset("default"), "saliency=none"),
        compute=Compute(dtype=torch.float64),
    )
    last = list(race(matrix, {"constant": torch.ones(SHAPE, dtype=torch.float64), **some_starts(0)}, 3))[-1]
    assert not bool(last["constant"].any())
    assert bool(last["noise"].any())
