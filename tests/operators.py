"""One test case for every operator: the dot test, dense equality, symmetry, several seeds (after PyLops' dottest)."""

from __future__ import annotations

import torch

from ikebook.matrix.operator import LinearOperator


def relative(difference: torch.Tensor, against: torch.Tensor) -> float:
    """Largest difference, relative to the largest entry (or absolute where that is below 1)."""
    return float(difference.abs().max() / against.abs().max().clamp_min(1)) if difference.numel() else 0.0


def assert_operator(
    operator: LinearOperator, *, symmetric: bool, tolerance: float = 1e-10, seeds: int = 3
) -> torch.Tensor:
    """Assert that both evaluations of an operator are one linear map; return its matrix."""
    rows, columns = operator.shape
    dense = operator.dense()
    assert dense.shape == (rows, columns)
    assert dense.dtype == operator.dtype
    for seed in range(seeds):
        noise = torch.Generator().manual_seed(seed)
        v = torch.randn(columns, generator=noise, dtype=operator.dtype)
        u = torch.randn(rows, generator=noise, dtype=operator.dtype)
        product, back = operator.matvec(v), operator.rmatvec(u)
        assert relative(product - dense @ v, dense @ v) < tolerance
        assert relative(back - dense.T @ u, dense.T @ u) < tolerance
        scale = float(product.norm() * u.norm()) + 1
        assert abs(float(u @ product - back @ v)) < tolerance * scale
        assert relative(operator.matvec(2 * v) - 2 * product, product) < tolerance
    if symmetric:
        assert relative(dense - dense.T, dense) < tolerance
    return dense
