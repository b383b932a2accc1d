"""The d x d problem as a function that PyTorch differentiates: what the eigenvalues owe to F'F and F'MF, and through them to features."""

from __future__ import annotations

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require


def small_eigenpairs(gram: Tensor, motion: Tensor, ridge: float = 0.0) -> tuple[Tensor, Tensor]:
    """Eigenvalues and weights of A = PMP on the span of F, as a differentiable function of two small matrices.

    A = Q K Q' with orthonormal Q = F L^-T, L L' = F'F; with a ridge K = S Q'MQ S, S = L'(F'F + rho I)^-1 L. Eigenvalues
    have gradients, equal ones their sum; the vector w of one that differs from all others has them up to its sign, so take what
    does not hang on that, such as w w'.

    Parameters
    ----------
    gram : (d, d) float64
        F'F, positive definite.
    motion : (d, d) float64
        F'MF, symmetric.
    ridge : float, default 0.0
        rho.

    Returns
    -------
    values : (d,)
        Decreasing.
    weights : (d, d)
        Columns w with unit eigenvectors x = F w; their signs are arbitrary.

    Raises
    ------
    InputError
        If shapes differ, values are NaN or infinite, or F'F is not positive definite.

    Examples
    --------
    >>> gram, motion = torch.eye(2, dtype=torch.float64), torch.diag(torch.tensor([1.0, 3.0], dtype=torch.float64))
    >>> values, _ = small_eigenpairs(gram, motion.requires_grad_())
    >>> values[0].backward(); motion.grad.tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    for name, matrix in (("gram", gram), ("motion", motion)):
        check.instance(name, matrix, Tensor, "a torch tensor (d, d)")
        check.shape(name, matrix, ("d", "d"))
        check.shape(name, matrix, (len(gram), len(gram)))
        check.finite(name, matrix.detach(), "leave out what made them so")
    d = len(gram)
    check.number("ridge", ridge, at_least=0)
    gram, motion = (gram + gram.T) / 2, (motion + motion.T) / 2
    lower, failed = torch.linalg.cholesky_ex(gram)
    require(not bool(failed), "gram is not positive definite: columns of F are dependent; leave some out.")
    inverse = torch.linalg.solve_triangular(lower, torch.eye(d, dtype=gram.dtype, device=gram.device), upper=False)
    small = inverse @ motion @ inverse.T
    if ridge:
        eye = torch.eye(d, dtype=gram.dtype, device=gram.device)
        shrink = lower.T @ torch.linalg.solve(gram + ridge * eye, lower)
        small = shrink @ small @ shrink
    values, vectors = torch.linalg.eigh((small + small.T) / 2)
    return values.flip(0), inverse.T @ vectors.flip(1)
