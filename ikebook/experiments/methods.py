"""Several ways to the leading eigenvector, for `ikebook bench`: ours, general solvers, and the authors' rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ikebook.base.check import require
from ikebook.experiments.baselines import ExplicitFeatureMotion, ScatterRule, arpack, torch_lobpcg
from ikebook.flow import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import GraphOptions, preset
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import Eigenpairs, attainable
from ikebook.solvers.power import power_iteration, start_labels
from ikebook.video.clip import Clip


@dataclass(frozen=True, eq=False)
class Problem:
    """What every method is given.

    Parameters
    ----------
    clip : Clip
    flow : Flow
    options : GraphOptions
    cues : sequence of Cue, optional
        More node features.
    """

    clip: Clip
    flow: Flow
    options: GraphOptions
    cues: Sequence[Cue] = ()

    def start(self, kind: str = "uniform") -> Tensor:
        """x(0), (n,)."""
        return start_labels(kind, len(self.clip), self.clip.size, seed=self.options.solver.seed)

    def matrix(self) -> FeatureMotion:
        """A, implicit, with its features: the motion saliency is computed here."""
        return build(self.clip, self.flow, options=self.options, cues=self.cues)

    def tolerance(self) -> float:
        """The relative residual that iterations stop at."""
        return attainable(self.options.solver.tolerance, torch.float32)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method finds.

    Parameters
    ----------
    vector : (n,) Tensor
    value : float
        Its eigenvalue; NaN if it is none of a linear map.
    products : int
        How many products with M it took.
    """

    vector: Tensor
    value: float
    products: int


@dataclass(frozen=True)
class Method:
    """One way to the leading eigenvector, in two parts that are timed by themselves.

    Parameters
    ----------
    title : str
    setup : callable
        Of a `Problem`; what it returns is what `solve` goes on with.
    solve : callable
        Of what `setup` has returned and the problem; gives an `Answer`.
    note : str
        What a reader of its numbers has to know.
    """

    title: str
    setup: Callable[[Problem], Any]
    solve: Callable[[Any, Problem], Answer]
    note: str


def _explicit(problem: Problem) -> ExplicitFeatureMotion:
    return ExplicitFeatureMotion(problem.matrix())


def _first(pairs: Eigenpairs) -> Answer:
    require(
        len(pairs.values) > 0,
        "A has no positive eigenvalue, as where nothing moves against the scene; time another clip.",
    )
    return Answer(pairs.volumes[0].flatten(), float(pairs.values[0]), pairs.products)


def _by_exact(matrix: Any, problem: Problem) -> Answer:
    return _first(exact(matrix, problem.options.solver))


def _by_power(matrix: Any, problem: Problem) -> Answer:
    solver = replace(problem.options.solver, method="power", pairs=1)
    return _first(power_iteration(matrix, problem.start(), solver))


def _by_arpack(explicit: ExplicitFeatureMotion, problem: Problem) -> Answer:
    value, vector = arpack(explicit, problem.start(), problem.tolerance())
    return Answer(vector, value, explicit.products)


def _by_lobpcg(explicit: ExplicitFeatureMotion, problem: Problem) -> Answer:
    value, vector = torch_lobpcg(explicit, problem.start(), problem.tolerance())
    return Answer(vector, value, explicit.products)


def released(options: GraphOptions) -> GraphOptions:
    """The preset `released` on the chains of `options`: the same p and sigma."""
    theirs = preset("released")
    motion = replace(theirs.motion, radius=options.motion.radius, sigma=options.motion.sigma)
    return replace(theirs, motion=motion, solver=replace(theirs.solver, seed=options.solver.seed))


def _scatter(problem: Problem) -> ScatterRule:
    return ScatterRule(problem.flow, released(problem.options))


def _by_scatter(rule: ScatterRule, problem: Problem) -> Answer:
    solver = released(problem.options).solver
    return Answer(rule.solve(problem.start(solver.start), solver.iterations), float("nan"), solver.iterations)


METHODS = {
    "exact": Method(
        "ours, exact",
        Problem.matrix,
        _by_exact,
        "ikebook.solvers.exact.exact. Set-up is the motion saliency; chains, features and the reduced problem are the solve.",
    ),
    "power": Method(
        "ours, power iteration",
        Problem.matrix,
        _by_power,
        "ikebook.solvers.power.power_iteration on the implicit A; chains are followed anew in each product.",
    ),
    "eigsh": Method(
        "sparse M, eigsh",
        _explicit,
        _by_arpack,
        "scipy.sparse.linalg.eigsh on PMP, M a scipy.sparse CSR matrix, P by dense columns of F; set-up builds both.",
    ),
    "lobpcg": Method(
        "sparse M, torch.lobpcg",
        _explicit,
        _by_lobpcg,
        "torch.lobpcg on the same products. It takes tensors only, so A comes as a tensor without entries that answers "
        "A @ x; and its own vectors are float64, as in float32 it does not converge.",
    ),
    "scatter": Method(
        "released rule by scatter",
        _scatter,
        _by_scatter,
        "Algorithm 2 as the authors' program runs it, twenty iterations, four links a point, chains kept in memory. Its "
        "rule is not linear, it has another M and F, and no saliency to set up: the residual is that of its labels' "
        "Rayleigh quotient on its own A, and the cosine compares answers to two different questions.",
    ),
}
