"""All solvers by name, behind one function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.exact import exact
from ikebook.solvers.lanczos import lanczos, lobpcg
from ikebook.solvers.pairs import Eigenpairs, SolverOptions
from ikebook.solvers.power import power_iteration, start_labels

ITERATIVE: dict[str, Callable[[FeatureMotion, Tensor, SolverOptions], Eigenpairs]] = {
    "power": power_iteration,
    "lanczos": lanczos,
    "lobpcg": lobpcg,
}
"""Those that need a start x(0)."""


def solve(
    matrix: FeatureMotion, options: SolverOptions | None = None, *, start: np.ndarray | Tensor | None = None
) -> Eigenpairs:
    """The leading eigenpairs of A, by the method that the options name.

    Parameters
    ----------
    matrix : FeatureMotion
        A = PMP, n x n, implicit.
    options : SolverOptions, optional
        The method, how many pairs, and when to stop.
    start : (m, h, w), optional
        x(0) for the methods that need one, in place of the one that the options name.

    Returns
    -------
    Eigenpairs
        In the order of the option `which`: by default the positive ones, decreasing.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> pairs = solve(ikebook.build(made.clip, made.flow, options=ikebook.preset("saliency")), SolverOptions(pairs=2))
    >>> [round(float(value), 2) for value in pairs.values]
    [6.79, 1.03]
    """
    o = options or SolverOptions()
    if o.method == "exact":
        return exact(matrix, o)
    grid, frames = matrix.motion.chains.grid, matrix.motion.chains.frames
    if start is None:
        labels = start_labels(o.start, frames, (grid.w, grid.h), seed=o.seed, width=o.start_width, dtype=matrix.dtype)
    else:
        check.shape("start", start, (frames, grid.h, grid.w))
        labels = torch.as_tensor(start).to(matrix.dtype).flatten()
        check.finite("start", labels)
    return ITERATIVE[o.method](matrix, labels.to(matrix.device), o)
