"""A graph with what its iterations lead to: the leading eigenpairs, with signs that are positive on the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ikebook.base import check
from ikebook.base.compute import Compute
from ikebook.flow import Flow, known_flow
from ikebook.graph.choice import likeness, reference_maps
from ikebook.graph.graph_module import build
from ikebook.graph.presets import GraphOptions
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import PAIRS, Eigenpairs, SolverOptions
from ikebook.video.clip import Clip, as_clip


@dataclass(frozen=True, eq=False)
class Solved:
    """A graph and its exact solution.

    Parameters
    ----------
    matrix : A
    pairs : its leading eigenpairs, by the exact solver; none where nothing moves
    signs : 1 or -1 for each, so that sign times vector is positive on the object; list of r
    """

    matrix: FeatureMotion
    pairs: Eigenpairs
    signs: list[int]

    def labels(self, k: int = 0) -> Tensor:
        """An eigenvector with its sign, (m, h, w), unit length."""
        return self.signs[k] * self.pairs.volumes[k]


def solve_graph(
    clip: Clip,
    flow: Flow | str | None = None,
    *,
    cues: Sequence[Cue] = (),
    pairs: int = PAIRS,
    options: GraphOptions | None = None,
    compute: Compute | None = None,
) -> Solved:
    """Build a graph and solve it exactly, whatever solver the options name; signs as `ikebook.segment` settles them.

    Parameters
    ----------
    clip, flow, cues, options, compute
        See `ikebook.build`.
    pairs : int
        Eigenpairs, fewer if A's rank is lower.

    Returns
    -------
    Solved

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> solve_graph(made.clip, made.flow).labels().shape
    torch.Size([5, 16, 16])
    """
    compute = check.or_default("compute", compute, Compute)
    flow = known_flow(as_clip(clip), flow, memory=compute.memory)
    matrix = build(clip, flow, cues=cues, options=options, compute=compute)
    found = exact(matrix, SolverOptions(pairs=pairs))
    against = reference_maps(as_clip(clip), [flow], matrix.saliency, cues, compute)
    signs = [1 if value >= 0 else -1 for value in likeness(found, against)] if len(found.values) else []
    return Solved(matrix, found, signs)
