"""Norms of the difference of two graphs from small matrices, against the matrices themselves."""

from __future__ import annotations

import pytest
import torch

import ikebook
from ikebook.base.compute import Compute
from ikebook.flow import noisy
from ikebook.solvers.span_difference import difference_norms, spans_video


@pytest.mark.parametrize("name", ["default", "saliency", "paper"])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.5])
def test_they_are_those_of_the_matrices(name, noise) -> None:
    made = ikebook.toy("disc", (16, 16), 3)
    options = {"options": ikebook.preset(name), "compute": Compute(dtype=torch.float64)}
    matrix = ikebook.build(made.clip, made.flow, **options)
    changed = ikebook.build(made.clip, noisy(made.flow, noise), **options)
    found = difference_norms(matrix, changed)
    difference = changed.dense() - matrix.dense()
    scale = float(matrix.dense().norm())
    assert found.whole == pytest.approx(scale, rel=1e-9)
    assert found.frobenius == pytest.approx(float(difference.norm()), abs=1e-7 * scale)
    assert found.spectral == pytest.approx(float(torch.linalg.eigvalsh(difference).abs().max()), abs=1e-7 * scale)


def test_not_every_matrix_is_spanned_so() -> None:
    made = ikebook.toy("disc", (16, 16), 3)
    assert spans_video(ikebook.build(made.clip, made.flow))
    for change in ("projection.scope=frame", "projection.ridge=1.0"):
        options = ikebook.override(ikebook.preset("saliency"), change)
        assert not spans_video(ikebook.build(made.clip, made.flow, options=options))
