"""The fast bilateral solver: smooth a map except across edges of colour (Barron & Poole, ECCV 2016, arXiv:1511.03296).

Pixels that are near each other in the space of place and colour share a vertex of a *bilateral grid*, so that a linear
system with some thousand unknowns stands for one with all pixels. With the matrix S that sums pixels into vertices
(splat; S' copies back, slice) and the blur B between neighbouring vertices, pixels are alike as

    W = S' D_m^-1 D_n B D_n D_m^-1 S,

where the diagonal D_n makes the rows of W sum to 1 (bistochastic). The map x = S' y that minimises

    smoothness / 2 * sum_ij W_ij (x_i - x_j)^2 + sum_i confidence_i (x_i - target_i)^2

solves (smoothness (D_m - D_n B D_n) + diag(S confidence)) y = S (confidence target) (Eqs. 2 to 7).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import cg

from ikebook.base import check
from ikebook.base.check import require


@dataclass(frozen=True, kw_only=True)
class EdgeOptions:
    """How maps are drawn to a picture's edges. Ours, not the paper's.

    Parameters
    ----------
    smoothness : float, default 512.0
        Weight of the map's smoothness against the confidence in it, lambda of the bilateral solver; 0: no solver.
    spatial : float, default 0.012
        Distance of the bilateral grid's vertices, fraction of the frame's width.
    luma : float, default 6.0
        Distance of the grid's vertices along luma, levels of 255.
    chroma : float, default 4.0
        Distance of the grid's vertices along both chromas, levels of 255.
    slope : float, default 10.0
        Slope of the logistic that makes a probability of a soft mask less its threshold.
    doubt : float, default 0.02
        Confidence, of at most 1, in a pixel at the threshold.

    Notes
    -----
    The values were fixed on the 12 sequences of DAVIS 2016 that docs/results/report.md is about, by
    `tests/experiments/refinement.py`.
    """

    smoothness: float = 512.0
    spatial: float = 0.012
    luma: float = 6.0
    chroma: float = 4.0
    slope: float = 10.0
    doubt: float = 0.02

    def __post_init__(self) -> None:
        name = type(self).__name__
        check.number(f"{name}.smoothness", self.smoothness, at_least=0)
        check.number(f"{name}.slope", self.slope, above=0)
        check.number(f"{name}.spatial", self.spatial, above=0)
        check.number(f"{name}.luma", self.luma, above=0)
        check.number(f"{name}.chroma", self.chroma, above=0)
        check.number(f"{name}.doubt", self.doubt, above=0)
        require(self.doubt <= 1, f"{name}.doubt is {self.doubt}; expected 1 or less.")


class BilateralGrid:
    """The vertices that the pixels of one frame lie on, each on the nearest: the paper's simplified grid.

    Parameters
    ----------
    frame : (h, w, 3) uint8
        RGB. The grid's axes are x, y, and the luma and both chromas of YCrCb.
    spatial : distance of vertices along x and y, pixels
    luma, chroma : distance of vertices along the axes of colour, levels of 255
    iterations : of the bistochastic normalisation
    """

    def __init__(self, frame: np.ndarray, *, spatial: float, luma: float, chroma: float, iterations: int = 10) -> None:
        check.shape("frame", frame, ("h", "w", 3))
        require(frame.dtype == np.uint8, f"frame is {frame.dtype}; expected uint8 RGB values, 0 to 255.")
        for name, step in (("spatial", spatial), ("luma", luma), ("chroma", chroma)):
            check.number(name, step, above=0)
        self.shape = frame.shape[:2]
        self.vertex, self.blur = _vertices(_coordinates(frame, spatial, luma, chroma))
        self.pixels = np.bincount(self.vertex).astype(float)
        self.scale = np.ones(len(self.pixels))
        for _ in range(iterations):
            self.scale = np.sqrt(self.scale * self.pixels / (self.blur @ self.scale))

    def __len__(self) -> int:
        """Vertices."""
        return len(self.pixels)

    def splat(self, image: np.ndarray) -> np.ndarray:
        """S x: sums over the pixels of each vertex, (h, w) -> (n,) float64."""
        return np.bincount(self.vertex, image.ravel(), minlength=len(self))

    def slice(self, values: np.ndarray) -> np.ndarray:
        """S' y: each pixel's vertex's value, (n,) -> (h, w)."""
        return values[self.vertex].reshape(self.shape)

    def laplacian(self) -> sp.csr_array:
        """D_m - D_n B D_n, (n, n).

        D_m is here what the rows of D_n B D_n sum to, which differs from the number of pixels by what the normalisation has
        left: so a constant costs nothing, however few iterations there were.
        """
        scaled = sp.diags_array(self.scale) @ self.blur @ sp.diags_array(self.scale)
        return sp.csr_array(sp.diags_array(scaled.sum(axis=1)) - scaled)

    def system(self, target: np.ndarray, confidence: np.ndarray, smoothness: float) -> tuple[sp.csr_array, np.ndarray]:
        """The matrix (n, n) and the right-hand side (n,) whose solution y is the smooth map on the vertices."""
        check.shape("target", target, self.shape)
        check.shape("confidence", confidence, self.shape)
        check.number("smoothness", smoothness, at_least=0)
        require(bool((confidence > 0).all()), "confidence has values of 0 or less; expected all above 0.")
        matrix = smoothness * self.laplacian() + sp.diags_array(self.splat(confidence))
        return sp.csr_array(matrix), self.splat(confidence * target)

    def solve(
        self,
        target: np.ndarray,
        confidence: np.ndarray,
        smoothness: float,
        *,
        tolerance: float = 1e-2,
        iterations: int = 200,
    ) -> np.ndarray:
        """The map near to `target`, where that is sure, and smooth, except across edges.

        Parameters
        ----------
        target : (h, w), the map to be smoothed
        confidence : (h, w), above 0: how sure the target is of a pixel
        smoothness : weight of smoothness against confidence, the paper's lambda
        tolerance : residual of the linear system, relative, that conjugate gradients stop at
        iterations : that they stop at in any case

        Returns
        -------
        (h, w) float64
            Each value is a mean of targets, so none lies outside of their range but by the tolerance.
        """
        matrix, right = self.system(target, confidence, smoothness)
        start = right / self.splat(confidence)
        inverse = sp.diags_array(1 / matrix.diagonal())
        solution, _ = cg(matrix, right, start, rtol=tolerance, maxiter=iterations, M=inverse)
        return self.slice(solution)


def snap(frame: np.ndarray, probability: np.ndarray, options: EdgeOptions) -> np.ndarray:
    """Move a map of probabilities (h, w) to the edges of its frame (h, w, 3) uint8, by the bilateral solver.

    A pixel is sure of its target by the square of how far it is from one half.
    """
    o = options
    grid = BilateralGrid(frame, spatial=o.spatial * frame.shape[1], luma=o.luma, chroma=o.chroma)
    confidence = o.doubt + (1 - o.doubt) * (2 * probability.astype(float) - 1) ** 2
    return grid.solve(probability, confidence, o.smoothness).clip(0, 1).astype(np.float32)


def logistic(soft: np.ndarray, threshold: float, options: EdgeOptions) -> np.ndarray:
    """Probability of the object where a soft mask is so far above or below the threshold, float32."""
    return 1 / (1 + np.exp(options.slope * (threshold - soft.astype(np.float32))))


def _coordinates(frame: np.ndarray, spatial: float, luma: float, chroma: float) -> Sequence[np.ndarray]:
    """Of each pixel the nearest vertex along x, y and the three axes of colour: five arrays (h * w,) of int64."""
    h, w = frame.shape[:2]
    y, x = np.divmod(np.arange(h * w), w)
    colours = cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb).reshape(-1, 3).T
    axes = zip((x, y, *colours), (spatial, spatial, luma, chroma, chroma), strict=True)
    return [np.rint(values / step).astype(np.int64) for values, step in axes]


def _vertices(coordinates: Sequence[np.ndarray]) -> tuple[np.ndarray, sp.csr_array]:
    """The vertices that have pixels, from the coordinates of these, and the blur between neighbouring ones.

    Returns
    -------
    (pixels,) int64
        The vertex of each pixel.
    (n, n) float64
        The sum over the axes of the blur by 1, 2, 1.
    """
    # One place more along each axis than there is: the last vertex of a row has no next one.
    *strides, places = itertools.accumulate((int(values.max()) + 2 for values in coordinates), operator.mul, initial=1)
    require(
        places < 1 << 62, "spatial, luma or chroma is too small to count the grid's places; expected about 1 or more."
    )
    key = sum(stride * values for stride, values in zip(strides, coordinates, strict=True))
    keys, vertex = np.unique(key, return_inverse=True)
    n = len(keys)
    rows, columns = [np.arange(n)], [np.arange(n)]
    for stride in strides:
        place = np.searchsorted(keys, keys + stride).clip(max=n - 1)
        here = np.flatnonzero(keys[place] == keys + stride)
        rows += [here, place[here]]
        columns += [place[here], here]
    row, column = np.concatenate(rows), np.concatenate(columns)
    weight = np.where(row == column, 2.0 * len(coordinates), 1.0)
    return vertex, sp.csr_array((weight, (row, column)), (n, n))
