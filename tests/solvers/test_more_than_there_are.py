"""Asked for as many pairs as A has of a kind, or more, every solver gives those of the dense A, in float32, and no others."""

from __future__ import annotations

import numpy as np
import pytest

import ikebook
from ikebook.solvers.methods import solve
from ikebook.solvers.pairs import SolverOptions

MADE = ikebook.toy("disc")


@pytest.fixture(scope="module", params=["saliency", "paper", "default"])
def known(request):
    """A, and its eigenvalues by the definition, in float64; of the default's two features it has one of either sign."""
    options = None if request.param == "default" else ikebook.preset(request.param)
    matrix = ikebook.build(MADE.clip, MADE.flow, options=options)
    return matrix, np.linalg.eigvalsh(matrix.dense().double().numpy())


@pytest.mark.parametrize("method", ["exact", "lanczos", "lobpcg", "power"])
@pytest.mark.parametrize("which", ["LA", "SA", "LM"])
@pytest.mark.parametrize("pairs", [2, 5])
def test_every_solver_gives_what_there_is(known, method, which, pairs) -> None:
    matrix, values = known
    size = np.abs(values).max()
    wanted = {
        "LA": values[values > 1e-4 * size],
        "SA": values[values < -1e-4 * size],
        "LM": values[np.abs(values) > 1e-4 * size],
    }
    order = {"LA": lambda v: -v, "SA": lambda v: v, "LM": lambda v: -abs(v)}[which]
    expected = sorted(wanted[which], key=order)[:pairs]
    iterations = 40 if method == "lobpcg" else 1000
    found = solve(matrix, SolverOptions(method=method, which=which, pairs=pairs, iterations=iterations))
    assert found.values.tolist() == pytest.approx(expected, abs=1e-4 * size)
    assert found.ends == pytest.approx((values[0], values[-1]), abs=2e-3 * size)
