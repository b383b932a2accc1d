"""Eigenpairs of A by scipy's solvers on the implicit matrix: Lanczos iterations, and LOBPCG."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from torch import Tensor

from ikebook.base.check import require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.pairs import (
    PAIRS,
    Eigenpairs,
    SolverOptions,
    attainable,
    no_pairs,
    residual_norms,
    stored_volumes,
    unit,
)


def lanczos(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """The largest eigenpairs, by the implicitly restarted Lanczos method (`scipy.sparse.linalg.eigsh`), on the CPU."""
    o = options or SolverOptions(method="lanczos")
    operator, products = _counted(matrix)
    count = min(o.pairs or PAIRS, matrix.shape[0] - 1)
    tolerance = attainable(o.tolerance, matrix.dtype)
    begin = unit(matrix.projection.matvec(start)).cpu().numpy()
    first = operator.matvec(begin) if np.any(begin) else begin
    if not np.any(first):
        return no_pairs(matrix, "lanczos", len(products))
    scale = float(np.linalg.norm(first.astype(np.float64)))  # |A x| <= |A|
    try:
        values, vectors = scipy.sparse.linalg.eigsh(operator, k=count, which="LA", v0=begin, tol=tolerance / 10)
    except scipy.sparse.linalg.ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
        require(len(values) > 0, "Lanczos found no eigenpair; use method='exact'.")
    return _measured(
        matrix,
        values,
        vectors,
        len(products),
        "lanczos",
        complete=len(values) == count,
        tolerance=tolerance,
        scale=scale,
    )


def lobpcg(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """The largest eigenpairs, by locally optimal block conjugate gradients (Knyazev 2001, doi:10.1137/S1064827500366124).

    `scipy.sparse.linalg.lobpcg`, on the CPU, without a preconditioner. The block begins with x(0) and noise.
    """
    o = options or SolverOptions(method="lobpcg")
    operator, products = _counted(matrix)
    n = matrix.shape[0]
    count = max(1, min(o.pairs or PAIRS, n // 5))
    tolerance = attainable(o.tolerance, matrix.dtype)
    noise = torch.Generator().manual_seed(o.seed)
    block = [start, *(torch.randn(n, generator=noise, dtype=matrix.dtype) for _ in range(count - 1))]
    begin = np.stack([unit(matrix.projection.matvec(x)).double().cpu().numpy() for x in block], axis=1)
    left, triangle, _ = scipy.linalg.qr(begin, mode="economic", pivoting=True)
    lengths = np.abs(triangle.diagonal())
    count = int((lengths > attainable(0.0, matrix.dtype) * lengths[0]).sum())
    if count == 0:
        return no_pairs(matrix, "lobpcg", 0)
    begin = left[:, :count].astype(operator.dtype)
    scale = max(float(np.linalg.norm(operator.matvec(x).astype(np.float64))) for x in begin.T)
    if scale == 0:
        return no_pairs(matrix, "lobpcg", len(products))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged, or why, is said in the result
        values, vectors = scipy.sparse.linalg.lobpcg(
            operator, begin, largest=True, tol=scale * tolerance / 10, maxiter=o.iterations
        )
    return _measured(matrix, values, vectors, len(products), "lobpcg", complete=True, tolerance=tolerance, scale=scale)


def _counted(matrix: FeatureMotion) -> tuple[Any, list[None]]:
    """A as scipy's operator on the CPU, and a list that grows by one with each product."""
    products: list[None] = []

    def product(x: np.ndarray) -> np.ndarray:
        products.append(None)
        return matrix.matvec(torch.from_numpy(np.ascontiguousarray(x.reshape(-1)))).cpu().numpy()

    dtype = torch.empty((), dtype=matrix.dtype).numpy().dtype
    return scipy.sparse.linalg.LinearOperator(matrix.shape, matvec=product, dtype=dtype), products


def _measured(
    matrix: FeatureMotion,
    values: np.ndarray,
    vectors: np.ndarray,
    products: int,
    method: str,
    *,
    complete: bool,
    tolerance: float,
    scale: float,
) -> Eigenpairs:
    """Eigenpairs in decreasing order, their residuals measured by a product with A each.

    What belongs to A's zeros is left out, as the exact solver does: it has no relative residual. `scale` is |A x| for
    some unit x, so that zeros are known even where nothing else was found.
    """
    order = np.argsort(values)[::-1]
    sizes = np.abs(values[order])
    order = order[sizes > attainable(1e-6, matrix.dtype) * max(scale, sizes.max(initial=0))]
    if len(order) == 0:
        return replace(no_pairs(matrix, method, products), converged=complete)
    x = torch.from_numpy(np.ascontiguousarray(vectors[:, order].T)).to(matrix.device)
    value = torch.from_numpy(values[order].astype(np.float64))
    residuals = residual_norms(matrix, value, x)
    return Eigenpairs(
        values=value,
        volumes=stored_volumes(matrix, x),
        residuals=residuals,
        products=products,
        converged=complete and bool((residuals <= tolerance).all()),
        method=method,
    )
