"""A matrix that may be known only by what it does to a vector."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base.check import InputError, require

DENSE_LIMIT = 16384
"""Most rows of a square matrix that `dense()` builds: 16384 x 16384 in float64 takes 2 GiB."""


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep GPUs from rounding float32 factors to TF32's ten bits, which a program may have allowed for its networks.

    The setting is the whole program's: of several threads, the first that comes changes it, and the last that goes restores it.
    """
    flags = torch.backends.cuda.matmul
    name, wanted = ("fp32_precision", "ieee") if hasattr(flags, "fp32_precision") else ("allow_tf32", False)
    with _PRECISE.lock:
        if _PRECISE.threads == 0:
            _PRECISE.before = getattr(flags, name)
            setattr(flags, name, wanted)
        _PRECISE.threads += 1
    try:
        yield
    finally:
        with _PRECISE.lock:
            _PRECISE.threads -= 1
            if _PRECISE.threads == 0:
                setattr(flags, name, _PRECISE.before)


class _Precise:
    """Who is in `full_precision`, and what was set before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0
        self.before: Any = None


_PRECISE = _Precise()


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

    def matmat(self, x: Tensor) -> Tensor:
        """Product with the columns of `x` (columns, k), (rows, k)."""
        _check_tensor(x)
        require(
            x.ndim == 2 and len(x) == self.shape[1],
            f"x has shape {tuple(x.shape)}; expected ({self.shape[1]}, k) for a {self.shape[0]} x {self.shape[1]} "
            f"{type(self).__name__}.",
        )
        products = [self.matvec(column) for column in x.T]
        return torch.stack(products, dim=1) if products else x.new_empty(self.shape[0], 0)

    def __call__(self, x: Tensor) -> Tensor:
        """Product with a vector (columns,), or with the columns of a matrix (columns, k): what libraries take for a map."""
        _check_tensor(x)
        return self.matmat(x) if x.ndim == 2 else self.matvec(x)

    def __matmul__(self, x: Tensor) -> Tensor:
        return self(x)

    def as_linear_operator(self) -> Any:
        """As a `scipy.sparse.linalg.LinearOperator`: for scipy's solvers, on NumPy arrays, wherever the matrix itself lives.

        Examples
        --------
        >>> import ikebook
        >>> from scipy.sparse.linalg import eigsh
        >>> made = ikebook.toy("disc")
        >>> a = ikebook.build(made.clip, made.flow).as_linear_operator()
        >>> round(float(eigsh(a, k=1, which="LA", return_eigenvectors=False)[0]), 2)
        5.92
        """
        import scipy.sparse.linalg

        def wrapped(product: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
            return lambda x: product(torch.from_numpy(np.ascontiguousarray(x))).cpu().numpy()

        return scipy.sparse.linalg.LinearOperator(
            self.shape,
            matvec=wrapped(lambda x: self.matvec(x.flatten())),
            rmatvec=wrapped(lambda x: self.rmatvec(x.flatten())),
            matmat=wrapped(self.matmat),
            rmatmat=wrapped(lambda x: torch.stack([self.rmatvec(column) for column in x.T], dim=1)),
            dtype=torch.empty((), dtype=self.dtype).numpy().dtype,
        )

    def as_tensor(self) -> Tensor:
        """As a float64 tensor of its shape and without entries, that answers `a @ x` and nothing else: for `torch.lobpcg`.

        A sparse tensor would do for M, but PMP is dense, and n^2 numbers fit nowhere.

        Examples
        --------
        >>> import ikebook, torch
        >>> made = ikebook.toy("disc")
        >>> a = ikebook.build(made.clip, made.flow, compute=ikebook.Compute(dtype=torch.float64))
        >>> start = torch.rand(a.shape[0], 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        >>> round(float(torch.lobpcg(a.as_tensor(), X=start, largest=True)[0]), 2)
        5.92
        """
        return ProductTensor(self.shape, self)

    def dense(self) -> Tensor:
        """The matrix itself, for toys: refused above `DENSE_LIMIT` squared entries, with the size that it would have had."""
        self._check_dense()
        with full_precision():
            return self._dense()

    def _check_dense(self) -> None:
        rows, columns = self.shape
        if rows * columns > DENSE_LIMIT**2:
            size = rows * columns * torch.empty((), dtype=self.dtype).element_size()
            raise InputError(
                f"A dense {type(self).__name__} of {rows} x {columns} entries would take {_bytes(size)}; "
                f"dense matrices are built up to {DENSE_LIMIT} x {DENSE_LIMIT}. Use matvec, or a smaller or shorter clip."
            )

    @abstractmethod
    def _matvec(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def _dense(self) -> Tensor: ...

    def _rmatvec(self, x: Tensor) -> Tensor:
        """The transpose; symmetric operators, the common case here, need not override it."""
        return self._matvec(x)

    def _vector(self, x: Tensor, length: int) -> Tensor:
        _check_tensor(x)
        require(
            x.shape == (length,),
            f"x has shape {tuple(x.shape)}; expected ({length},) for a {self.shape[0]} x {self.shape[1]} "
            f"{type(self).__name__}. Flatten labels (m, h, w) with .flatten().",
        )
        return x.to(dtype=self.dtype, device=self.device)


def _check_tensor(x: object) -> None:
    require(
        isinstance(x, Tensor),
        f"x is a {type(x).__name__}; expected a tensor: torch.from_numpy(x) makes one of an array, and as_linear_operator() takes arrays.",
    )


class ProductTensor(Tensor):
    """A float64 tensor without entries, which answers `a @ x` by a function of x (n, k), and nothing else."""

    product: Callable[[Tensor], Tensor]

    @staticmethod
    def __new__(  # noqa: PYI034  # mypy wants no Self here
        cls: type[ProductTensor], shape: tuple[int, int], product: Callable[[Tensor], Tensor]
    ) -> ProductTensor:
        made: ProductTensor = Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float64)  # noqa: SLF001
        made.product = product
        return made

    def __init__(self, shape: tuple[int, int], product: Callable[[Tensor], Tensor]) -> None:
        pass

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"ProductTensor({self.shape[0]} x {self.shape[1]})"

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # noqa: SLF001

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.mm.default and isinstance(args[0], cls):
            return args[0].product(args[1]).double()
        return NotImplemented


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"
