"""A matrix that may be known only by what it does to a vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ikebook.base.check import InputError, require

DENSE_LIMIT = 16384
"""Most rows that `dense()` builds: 16384 x 16384 in float64 takes 2 GiB."""


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep GPUs from rounding float32 factors to TF32's ten bits, which a program may have allowed for its networks."""
    flags = torch.backends.cuda.matmul
    name, wanted = ("fp32_precision", "ieee") if hasattr(flags, "fp32_precision") else ("allow_tf32", False)
    before = getattr(flags, name)
    setattr(flags, name, wanted)
    try:
        yield
    finally:
        setattr(flags, name, before)


class LinearOperator(ABC):
    """A linear map, evaluated by `matvec` without building its matrix, or as that matrix by `dense`.

    The two are separate evaluations of one definition: `dense` never calls `matvec`, so that comparing them tests both.

    Parameters
    ----------
    shape : (rows, columns)
    dtype : floating dtype of vectors and matrix
    device : where vectors live
    """

    def __init__(self, shape: tuple[int, int], dtype: torch.dtype, device: torch.device) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shape[0]} x {self.shape[1]}, {str(self.dtype).removeprefix('torch.')})"

    def matvec(self, x: Tensor) -> Tensor:
        """Product with `x` (columns,), as a vector (rows,)."""
        with full_precision():
            return self._matvec(self._vector(x, self.shape[1]))

    def rmatvec(self, x: Tensor) -> Tensor:
        """Product of the transpose with `x` (rows,), as a vector (columns,)."""
        with full_precision():
            return self._rmatvec(self._vector(x, self.shape[0]))

    def __matmul__(self, x: Tensor) -> Tensor:
        return self.matvec(x)

    def dense(self) -> Tensor:
        """The matrix itself, for toys: refused above `DENSE_LIMIT` rows, with the size that it would have had."""
        self._check_dense()
        with full_precision():
            return self._dense()

    def _check_dense(self) -> None:
        rows, columns = self.shape
        if max(rows, columns) > DENSE_LIMIT:
            size = rows * columns * torch.empty((), dtype=self.dtype).element_size()
            raise InputError(
                f"A dense {type(self).__name__} of {rows} x {columns} entries would take {_bytes(size)}; "
                f"dense matrices are built up to {DENSE_LIMIT} nodes. Use matvec, or a smaller or shorter clip."
            )

    @abstractmethod
    def _matvec(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def _dense(self) -> Tensor: ...

    def _rmatvec(self, x: Tensor) -> Tensor:
        """The transpose; symmetric operators, the common case here, need not override it."""
        return self._matvec(x)

    def _vector(self, x: Tensor, length: int) -> Tensor:
        require(
            x.shape == (length,),
            f"x has shape {tuple(x.shape)}; expected ({length},) for a {self.shape[0]} x {self.shape[1]} "
            f"{type(self).__name__}. Flatten labels (m, h, w) with .flatten().",
        )
        return x.to(dtype=self.dtype, device=self.device)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"
