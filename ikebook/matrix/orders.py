"""The matrices of a toy, to look at: what an entry joins, orders that show clusters, and facts (Fig. 8, Sec. 7.4)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ikebook.base import check
from ikebook.base.check import require

ORDERS = ("pixel", "object", "eigenvector")


@dataclass(frozen=True)
class MatrixFacts:
    """What is to be seen on a symmetric matrix.

    Parameters
    ----------
    nodes : n
    sparsity : share of entries that are 0, beyond rounding
    asymmetry : largest |X - X'| over the largest |X|
    trace : sum of the diagonal
    rank : eigenvalues that are not 0, beyond rounding
    least, greatest : eigenvalues at the ends
    """

    nodes: int
    sparsity: float
    asymmetry: float
    trace: float
    rank: int
    least: float
    greatest: float

    def as_dict(self) -> dict[str, float]:
        """All of them by name."""
        return asdict(self)


def facts(matrix: np.ndarray, rounding: float = 1e-12) -> MatrixFacts:
    """Look at a symmetric matrix (n, n), float64.

    Parameters
    ----------
    matrix : its entries
    rounding : over the largest entry, what counts as 0
    """
    check.shape("matrix", matrix, (len(matrix), len(matrix)))
    size = np.abs(matrix)
    largest = float(size.max(initial=0.0))
    values = np.linalg.eigvalsh(matrix)
    spread = float(np.abs(values).max(initial=0.0))
    return MatrixFacts(
        nodes=len(matrix),
        sparsity=float((size <= rounding * largest).mean()),
        asymmetry=float(np.abs(matrix - matrix.T).max() / largest) if largest else 0.0,
        trace=float(np.trace(matrix)),
        rank=int((np.abs(values) > len(matrix) * np.finfo(float).eps * spread).sum()) if spread else 0,
        least=float(values[0]),
        greatest=float(values[-1]),
    )


def node_place(node: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The frame, x and y of a node of a clip of m frames of h x w pixels.

    >>> node_place(16 * 16 + 2 * 16 + 5, (5, 16, 16))
    (1, 5, 2)
    """
    m, h, w = shape
    check.whole("node", node, at_most=m * h * w - 1)
    frame, pixel = divmod(int(node), h * w)
    return frame, pixel % w, pixel // w


def node_at(frame: int, x: int, y: int, shape: tuple[int, int, int]) -> int:
    """The node at pixel (x, y) of a frame: frame*h*w + y*w + x."""
    for name, value, count in zip(("frame", "y", "x"), (frame, y, x), shape, strict=True):
        check.whole(name, value, at_most=count - 1)
    return frame * shape[1] * shape[2] + y * shape[2] + x


def node_order(order: str, *, masks: np.ndarray | None = None, labels: np.ndarray | None = None) -> np.ndarray:
    """An order of nodes, (n,): place k of the reordered matrix belongs to node `order[k]`.

    Parameters
    ----------
    order : "pixel", as nodes are counted; "object": the object's first, as in Fig. 8, the rest after it, both as counted;
        "eigenvector": from the largest label to the least
    masks : (m, h, w) bool, the object
    labels : (m, h, w) real, an eigenvector that is positive on the object; also says how many nodes there are
    """
    check.one_of("order", order, ORDERS)
    if order == "object":
        require(masks is not None, 'order="object" needs the clip\'s masks, which it has not; use order="eigenvector".')
        assert masks is not None
        return np.argsort(~masks.reshape(-1), kind="stable")
    require(labels is not None, f"order={order!r} needs labels (m, h, w).")
    assert labels is not None
    if order == "pixel":
        return np.arange(labels.size)
    return np.argsort(-labels.reshape(-1), kind="stable")
