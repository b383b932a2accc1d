"""What is said of a solver that stopped early is true of it, and the mend is one that it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.solvers.methods import solve
from ikebook.solvers.pairs import SolverOptions

MADE = ikebook.toy("disc")


def test_labels_of_the_authors_rule_are_not_judged_as_an_eigenvector() -> None:
    result = ikebook.segment(MADE.clip, MADE.flow, options=ikebook.preset("released"))
    assert not any("nan" in warning or "residual" in warning for warning in result.warnings)


def test_nobody_is_sent_from_the_exact_solver_to_the_exact_solver() -> None:
    matrix = ikebook.build(MADE.clip, MADE.flow)
    early = solve(matrix, SolverOptions(method="power", iterations=2))
    assert not early.converged
    assert "Use the exact solver, more iterations, or float64." in early.complaints()[-1]
    assert early.complaints()[-1].startswith("The power solver stopped at a residual of ")
    assert replace(early, method="exact").complaints()[-1].endswith("above its tolerance. Use float64.")


@pytest.mark.parametrize("of", ["motion", "projection", "features", None])
@pytest.mark.parametrize("x", [np.ones(1280), [1.0] * 1280, None])
def test_an_operator_says_what_it_multiplies(of, x) -> None:
    matrix = ikebook.build(MADE.clip, MADE.flow)
    operator = matrix if of is None else getattr(matrix, of)
    for product in (operator.__matmul__, operator.matvec, operator.matmat, operator.rmatvec):
        with pytest.raises(InputError, match=r"expected a tensor: torch\.from_numpy"):
            product(x)
    assert torch.equal(matrix @ torch.ones(1280), matrix.matvec(torch.ones(1280)))
