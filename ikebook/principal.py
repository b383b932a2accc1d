"""A graph with what its iterations lead to: the leading eigenpairs, with signs that are positive on the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.clip import Clip
from ikebook.eigen import PAIRS, Eigenpairs, SolverOptions, exact
from ikebook.feature_motion import FeatureMotion
from ikebook.features import Cue
from ikebook.flow.fields import Flow
from ikebook.graph import build, likeness, where_salient
from ikebook.presets import GraphOptions
from ikebook.storage import Room


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


def solve(
    clip: Clip,
    flow: Flow,
    options: GraphOptions | None = None,
    cues: Sequence[Cue] = (),
    *,
    pairs: int = PAIRS,
    dtype: torch.dtype = torch.float32,
) -> Solved:
    """Build a graph and solve it exactly, whatever solver the options name; signs as in `graph.segment`.

    Parameters
    ----------
    clip, flow, options, cues, dtype : see `graph.build`
    pairs : eigenpairs, fewer if A's rank is lower
    """
    o = options or GraphOptions()
    matrix, saliency = build(clip, flow, o, cues, dtype=dtype)
    found = exact(matrix, SolverOptions(pairs=pairs))
    against = where_salient(clip, [flow], saliency, cues, dtype, matrix.device, Room())
    signs = [1 if value >= 0 else -1 for value in likeness(found, against)] if len(found.values) else []
    return Solved(matrix, found, signs)
