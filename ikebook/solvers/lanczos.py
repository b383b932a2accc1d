"""Eigenpairs of A by scipy's solvers on the implicit matrix: Lanczos iterations, and LOBPCG."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from torch import Tensor

from ikebook.base.check import require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.operator import LinearOperator
from ikebook.solvers.pairs import (
    PAIRS,
    Eigenpairs,
    SolverOptions,
    attainable,
    no_pairs,
    select,
    unit,
    with_residuals,
)
from ikebook.solvers.volumes import stored_volumes

ENDS = 1e-3
"""Relative tolerance of the other end of the spectrum, which nobody asked for: to know whether it lies farther from 0."""


def lanczos(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """Eigenpairs by the implicitly restarted Lanczos method (`scipy.sparse.linalg.eigsh`), on the CPU.

    Parameters
    ----------
    matrix : FeatureMotion
        A.
    start : (n,)
        x(0), of which the part in the span of F is used.
    options : SolverOptions, optional
        Which pairs, how many, and when to stop.

    Returns
    -------
    Eigenpairs
    """
    o = options or SolverOptions(method="lanczos")
    operator, products = _counted(matrix)
    begin = unit(matrix.projection.matvec(start)).cpu().numpy()
    if not np.any(begin) or not np.any(operator.matvec(begin)):
        return no_pairs(matrix, "lanczos", len(products))
    count = min(o.pairs or PAIRS, matrix.shape[0] - 1)
    tolerance = attainable(o.tolerance, matrix.dtype) / 10
    complete = True
    try:
        values, vectors = scipy.sparse.linalg.eigsh(operator, k=count, which=o.which, v0=begin, tol=tolerance)
    except scipy.sparse.linalg.ArpackNoConvergence as stopped:
        values, vectors, complete = stopped.eigenvalues, stopped.eigenvectors, False
        require(len(values) > 0, "Lanczos found no eigenpair; use method='exact'.")
    ends = _other_ends(operator, begin, values, o.which)
    return _measured(matrix, values, vectors, ends, products, "lanczos", o, complete=complete)


def lobpcg(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """Eigenpairs by locally optimal block conjugate gradients (Knyazev 2001, doi:10.1137/S1064827500366124).

    `scipy.sparse.linalg.lobpcg`, on the CPU, without a preconditioner. The block begins with x(0) and noise.

    Parameters
    ----------
    matrix : FeatureMotion
        A.
    start : (n,)
        x(0), of which the part in the span of F is used.
    options : SolverOptions, optional
        Which pairs, how many, and when to stop. It knows one end of the spectrum at a time, so which="LM" looks for both.

    Returns
    -------
    Eigenpairs
    """
    o = options or SolverOptions(method="lobpcg")
    operator, products = _counted(matrix)
    begin = _block(matrix, start, o)
    if begin is None:
        return no_pairs(matrix, "lobpcg", 0)
    scale = max(float(np.linalg.norm(operator.matvec(x).astype(np.float64))) for x in begin.T)
    if scale == 0:
        return no_pairs(matrix, "lobpcg", len(products))
    tolerance = scale * attainable(o.tolerance, matrix.dtype) / 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged, or why, is said in the result
        found = [
            scipy.sparse.linalg.lobpcg(
                operator, begin.astype(operator.dtype), largest=largest, tol=tolerance, maxiter=o.iterations
            )
            for largest in {"LA": [True], "SA": [False], "LM": [True, False]}[o.which]
        ]
    values, vectors = (np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True))
    if len(found) > 1:
        values, vectors = _ritz(operator, vectors)
    ends = _other_ends(operator, begin[:, 0].astype(operator.dtype), values, o.which)
    return _measured(matrix, values, vectors, ends, products, "lobpcg", o, complete=True)


def extreme_value(
    operator: LinearOperator,
    which: str,
    tolerance: float,
    *,
    start: Tensor | None = None,
    on_product: Callable[[], None] = lambda: None,
) -> float:
    """The least ("SA") or greatest ("LA") eigenvalue of a symmetric operator, by Lanczos iterations.

    Parameters
    ----------
    operator : n x n
    which : the end
    tolerance : relative
    start : (n,); noise if None
    on_product : is called at each product; it may raise, to end it all
    """
    implicit, _ = _counted(operator, on_product)
    n = operator.shape[0]
    begin = np.random.default_rng(0).standard_normal(n) if start is None else start.cpu().numpy()
    begin = begin.astype(implicit.dtype)
    if not np.any(implicit.matvec(begin)):
        return 0.0
    return float(
        scipy.sparse.linalg.eigsh(implicit, k=1, which=which, v0=begin, tol=tolerance, return_eigenvectors=False)[0]
    )


def both_ends(matrix: FeatureMotion, begin: Tensor) -> tuple[tuple[float, float], int]:
    """Both ends of A's spectrum, its zeros included, roughly, from a vector (n,) in the span of F; and the products it took."""
    operator, products = _counted(matrix)
    vector = begin.cpu().numpy()
    if not np.any(operator.matvec(vector)):
        return (0.0, 0.0), len(products)
    return _other_ends(operator, vector, np.zeros(0), "LM"), len(products)


def _block(matrix: FeatureMotion, start: Tensor, o: SolverOptions) -> np.ndarray | None:
    """Orthonormal vectors in the span of F to begin with, (n, r); None if there is none."""
    n = matrix.shape[0]
    count = max(1, min(o.pairs or PAIRS, n // 5))
    d = matrix.features.shape[1]
    if matrix.projection.options.scope == "video" and 6 * count >= d:
        # Three blocks do not fit into where A is not 0, which can be much less than the span: one that fills it has it all at once.
        count = min(d, n // 5)
    noise = torch.Generator().manual_seed(o.seed)
    block = [start, *(torch.randn(n, generator=noise, dtype=matrix.dtype) for _ in range(count - 1))]
    begin = np.stack([unit(matrix.projection.matvec(x)).double().cpu().numpy() for x in block], axis=1)
    left, triangle, _ = scipy.linalg.qr(begin, mode="economic", pivoting=True)
    lengths = np.abs(triangle.diagonal())
    count = int((lengths > attainable(0.0, matrix.dtype) * lengths[0]).sum())
    return left[:, :count] if count else None


def _ritz(operator: Any, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best eigenpairs within the span of vectors (n, r) that may be dependent."""
    left, triangle, _ = scipy.linalg.qr(vectors.astype(np.float64), mode="economic", pivoting=True)
    lengths = np.abs(triangle.diagonal())
    left = left[:, lengths > 1e-6 * lengths[0]]
    products = np.stack([operator.matvec(x.astype(operator.dtype)) for x in left.T], axis=1)
    small = left.T @ products
    values, rotation = scipy.linalg.eigh((small + small.T) / 2)
    return values, left @ rotation


def _counted(operator: LinearOperator, on_product: Callable[[], None] = lambda: None) -> tuple[Any, list[None]]:
    """A symmetric operator as scipy's on the CPU, and a list that grows by one with each product."""
    products: list[None] = []

    def product(x: np.ndarray) -> np.ndarray:
        products.append(None)
        on_product()
        return operator.matvec(torch.from_numpy(np.ascontiguousarray(x.reshape(-1)))).cpu().numpy()

    dtype = torch.empty((), dtype=operator.dtype).numpy().dtype
    return scipy.sparse.linalg.LinearOperator(operator.shape, matvec=product, dtype=dtype), products


def _other_ends(operator: Any, begin: np.ndarray, values: np.ndarray, which: str) -> tuple[float, float]:
    """Both ends of A's spectrum, zeros included: the one that was asked for is among `values`; at the other, a rough look.

    What a solver gives beyond the wanted end, of rounding or of a block that was larger, is not the other end.
    """
    least, greatest = min(0.0, float(values.min(initial=0.0))), max(0.0, float(values.max(initial=0.0)))
    zero = 1e-6 * max(-least, greatest)
    known = {"SA": which in ("SA", "LM") and -least > zero, "LA": which in ("LA", "LM") and greatest > zero}
    for end in (end for end in known if not known[end]):
        try:
            found = scipy.sparse.linalg.eigsh(operator, k=1, which=end, v0=begin, tol=ENDS, return_eigenvectors=False)
        except scipy.sparse.linalg.ArpackNoConvergence as stopped:
            found = stopped.eigenvalues
        least, greatest = min([least, *found.tolist()]), max([greatest, *found.tolist()])
    zero = 1e-6 * max(-least, greatest)
    return (least if -least > zero else 0.0), (greatest if greatest > zero else 0.0)


def _measured(
    matrix: FeatureMotion,
    values: np.ndarray,
    vectors: np.ndarray,
    ends: tuple[float, float],
    products: list[None],
    method: str,
    o: SolverOptions,
    *,
    complete: bool,
) -> Eigenpairs:
    """Eigenpairs with their residuals measured by a product with A each; those of A's zeros are left out."""
    known = torch.from_numpy(values.astype(np.float64))
    zero = attainable(1e-6, matrix.dtype) * max(map(abs, ends))
    chosen = select(known, zero, o)
    if len(chosen) == 0:
        return replace(no_pairs(matrix, method, len(products)), which=o.which, ends=ends, converged=complete)
    x = torch.from_numpy(np.ascontiguousarray(vectors[:, chosen.numpy()].T)).to(matrix.device, matrix.dtype)
    pairs = Eigenpairs(
        values=known[chosen],
        volumes=stored_volumes(matrix, x),
        residuals=torch.full((len(chosen),), torch.nan, dtype=torch.float64),
        products=len(products),
        converged=False,
        method=method,
        which=o.which,
        ends=ends,
        complete=len(chosen) < (o.pairs or PAIRS),
    )
    pairs = with_residuals(matrix, pairs, o.tolerance, measured=True)
    return replace(pairs, converged=pairs.converged and complete)
