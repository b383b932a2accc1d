"""A in the span of F: a few numbers that iterate as Algorithm 2 does."""

from __future__ import annotations

import pytest
import torch

import ikebook
from ikebook import preset
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.graph.presets import override
from ikebook.solvers.power import power_steps
from ikebook.solvers.spanned import spanned


@pytest.mark.parametrize("name", ["default", "saliency", "paper"])
def test_it_iterates_as_algorithm_2_does(name) -> None:
    made = ikebook.toy("disc")
    matrix = ikebook.build(made.clip, made.flow, options=preset(name), compute=Compute(dtype=torch.float64))
    found = spanned(matrix)
    r, n = found.columns.shape
    assert torch.allclose(found.columns @ found.columns.T, torch.eye(r, dtype=torch.float64), atol=1e-10)
    start = torch.zeros(n, dtype=torch.float64)
    start[300:310] = 1
    y = found.first(start)
    steps = power_steps(matrix, start, iterations=4, tolerance=0.0, project_start=False)
    for state in (state for state in steps if state.step == "normalisation"):
        y = y / y.norm()
        assert torch.allclose(y @ found.columns, state.labels, atol=1e-9)
        assert torch.allclose(found.coordinates(state.labels), y, atol=1e-9)
        y = found.small @ y


@pytest.mark.parametrize("assignment", ["projection.scope=frame", "projection.ridge=1.0"])
def test_other_projections_are_refused(assignment) -> None:
    made = ikebook.toy("disc")
    matrix = ikebook.build(made.clip, made.flow, options=override(preset("saliency"), assignment))
    with pytest.raises(InputError, match="expected one P for the clip, 'video', without a ridge"):
        spanned(matrix)
