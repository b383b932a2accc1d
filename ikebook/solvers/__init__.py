"""Eigenpairs of A, several ways and one answer: exactly on the span of F, by Lanczos iterations, by Algorithm 2.

The paper's Sec. 4.3: the exact solver (`exact`), power iteration step by step (`power`), scipy's solvers (`lanczos`); and what
Sec. 4.4 claims of its matrices, measured (`theory`).
"""

from ikebook.solvers.methods import solve
from ikebook.solvers.pairs import Eigenpairs, SolverOptions
from ikebook.solvers.power import power_iteration, power_steps

__all__ = ["Eigenpairs", "SolverOptions", "power_iteration", "power_steps", "solve"]
