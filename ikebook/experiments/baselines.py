"""Other ways to A's leading eigenvector, or to what the authors' program makes of it, for `ikebook bench` to compare with.

Each is what a careful programmer would write without the reduced problem of `ikebook.solvers.exact`: M as a sparse matrix with P
applied through dense columns of F, for ARPACK and for `torch.lobpcg`; and Algorithm 2 by scatter, with the rule of the
authors' program. Nothing else in the library depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from ikebook.flow.fields import Flow
from ikebook.graph.presets import GraphOptions
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.operator import ProductTensor
from ikebook.solvers.pairs import unit


class NoConvergenceError(RuntimeError):
    """ARPACK has found no eigenvector. (Its own errors can't be handed from one process to another.)"""


def dense_features(features: FeatureMatrix) -> Tensor:
    """F, (m, h, w, d), however large."""
    grid = features.chains.grid
    return torch.cat([grid.crop(block.mT).movedim(1, -1) for _, block in features.blocks()])


class ExplicitFeatureMotion:
    """A = P M P with M and F in memory: products with blocks of vectors (n, k), on the CPU."""

    def __init__(self, matrix: FeatureMotion) -> None:
        self.shape = matrix.shape
        self.dtype = matrix.dtype
        self.motion = matrix.motion.to_scipy()
        self.features = dense_features(matrix.features)  # (m, h, w, d)
        self.products = 0
        self._one = matrix.projection.options.scope == "video"
        self._projection = matrix.projection

    def project(self, x: Tensor) -> Tensor:
        """P x."""
        labels = x.view(*self.features.shape[:3], -1)  # (m, h, w, k)
        products = self._inner(self.features, labels)  # (m, d, k)
        if self._one:
            products = products.sum(0, keepdim=True)
        weights = self._projection.solve(products).to(self.dtype)
        return (self.features.flatten(1, 2) @ weights).view(x.shape)

    @staticmethod
    def _inner(a: Tensor, b: Tensor) -> Tensor:
        """For each frame the products a'b, from (..., h, w, d) and (..., h, w, k), (..., d, k) float64.

        In float32 no more than a row is summed: with sums over a frame, `torch.lobpcg` stalls at 3e-5.
        """
        return (a.transpose(-1, -2) @ b).double().sum(-3)

    def product(self, x: Tensor) -> Tensor:
        """A x."""
        self.products += 1
        return self.project(torch.from_numpy(self.motion @ self.project(x.contiguous()).numpy()))


def arpack(matrix: ExplicitFeatureMotion, start: Tensor, tolerance: float) -> tuple[float, Tensor]:
    """The largest eigenpair, by `scipy.sparse.linalg.eigsh`."""

    def product(x: np.ndarray) -> np.ndarray:
        return matrix.product(torch.from_numpy(x.reshape(-1, 1).copy())).numpy()[:, 0]

    begin = unit(matrix.project(start[:, None])[:, 0]).numpy()
    operator = scipy.sparse.linalg.LinearOperator(matrix.shape, matvec=product, dtype=begin.dtype)
    try:
        values, vectors = scipy.sparse.linalg.eigsh(operator, k=1, which="LA", v0=begin, tol=tolerance)
    except scipy.sparse.linalg.ArpackError as stopped:
        raise NoConvergenceError(str(stopped)) from None
    return float(values[0]), torch.from_numpy(vectors[:, 0].copy())


def torch_lobpcg(matrix: ExplicitFeatureMotion, start: Tensor, tolerance: float) -> tuple[float, Tensor]:
    """The largest eigenpair, by `torch.lobpcg`, which takes no function for a matrix: see `ProductTensor`.

    Its own vectors are float64, whatever A is: with a million nodes in float32 its inner products keep three digits,
    its residual stops falling at some 2e-4, and it would go on to the last of its iterations.
    """
    begin = unit(matrix.project(start[:, None])[:, 0]).double()  # it is overwritten
    a = ProductTensor(matrix.shape, lambda x: matrix.product(x.to(matrix.dtype)))
    values, vectors = torch.lobpcg(a, k=1, X=begin[:, None], tol=tolerance, niter=200, largest=True)
    return float(values[0]), vectors[:, 0].to(matrix.dtype)


class ScatterRule:
    """Algorithm 2 as the authors' program runs it, by scatter: the preset `released`, written down plainly.

    From each pixel the flow of the nearest pixel is followed p steps ahead and behind, on the frame's border that of
    the border. Each point of a chain exchanges labels with the four pixels around it, each with the full weight
    k(a, b); those outside the frame count nothing. Of each chain the points are kept in memory, which saves following
    it anew in each iteration, and costs 8 bytes for each of n * 2p points; the four pixels are found when they are used.
    F is the displacements along the chain, scaled by least and greatest flow in each direction and axis, and a bias.

    Parameters
    ----------
    flow : Flow
    options : GraphOptions
        Of which p, sigma, the self-loop, q, and the ridge are read.
    dtype : torch.dtype, default torch.float32
        Of everything inside.
    """

    def __init__(self, flow: Flow, options: GraphOptions, dtype: torch.dtype = torch.float32) -> None:
        self.frames, (self.w, self.h) = len(flow), flow.size
        self.self_loop, self.ridge = options.motion.self_loop, options.projection.ridge
        p, q, sigma = options.motion.radius, options.features.half_window, options.motion.sigma
        fields = {
            1: torch.from_numpy(flow.forward).to(dtype).flatten(1, 2),  # (m-1, h*w, 2)
            -1: torch.from_numpy(flow.backward).to(dtype).flatten(1, 2),
        }
        row, column = torch.meshgrid(torch.arange(self.h), torch.arange(self.w), indexing="ij")
        pixels = torch.stack([column, row], -1).view(-1, 2).to(dtype)  # (h*w, 2): x, y
        self.points: list[list[tuple[int, float, Tensor]]] = []  # for each frame: target frame, weight, (h*w, 2)
        features = []
        for frame in range(self.frames):
            points: list[tuple[int, float, Tensor]] = []
            columns = []
            for direction, field in fields.items():
                low, high = field.amin((0, 1)), field.amax((0, 1))
                spread = torch.where(high > low, high - low, torch.ones_like(high))
                point, step = pixels, torch.zeros_like(pixels)
                for k in range(1, max(p, q) + 1):
                    target = frame + direction * k
                    if 0 <= target < self.frames:
                        step = field[min(target, target - direction)][self._nearest(point)]
                        point = point + step
                        if k <= p:
                            points.append((target, float(np.exp(-(k**2) / (2 * sigma**2))), point))
                    if k <= q:  # beyond the clip's end, the last step stands in
                        columns.append((step - low) / spread)
            self.points.append(points)
            features.append(torch.cat([*columns, torch.ones_like(pixels[:, :1])], 1))
        self.features = torch.stack(features)  # (m, h*w, 4q + 1)
        self.grams = self.features.transpose(1, 2) @ self.features

    def solve(self, start: Tensor, iterations: int) -> Tensor:
        """Labels (n,) after so many iterations from x(0), (n,)."""
        x = start.view(self.frames, -1)
        for _ in range(iterations):
            x = _minmax(self._propagate(x))
            x = self._regress(x)
            x = _minmax(x.clamp_min(0))
        return x.flatten()

    def _propagate(self, x: Tensor) -> Tensor:
        votes = self.self_loop * x
        for frame, points in enumerate(self.points):
            for target, weight, point in points:
                for node, inside in self._corners(point):
                    strength = weight * inside
                    votes[frame] += strength * x[target][node]
                    votes[target].index_add_(0, node, strength * x[frame])
        return votes

    def _regress(self, x: Tensor) -> Tensor:
        ridge = self.ridge * torch.eye(self.grams.shape[1], dtype=x.dtype)
        weights = torch.linalg.solve(self.grams + ridge, self.features.transpose(1, 2) @ x[..., None])
        return (self.features @ weights)[..., 0]

    def _nearest(self, point: Tensor) -> Tensor:
        """The pixel y*w + x nearest to each position (h*w, 2), at most on the border."""
        x, y = (point + 0.5).floor().long().unbind(-1)
        return y.clamp(0, self.h - 1) * self.w + x.clamp(0, self.w - 1)

    def _corners(self, point: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The four pixels around each position (h*w, 2), and 1 where it lies inside the frame, else 0."""
        low, high = point.floor().long(), point.ceil().long()
        for y in (low[:, 1], high[:, 1]):
            for x in (low[:, 0], high[:, 0]):
                inside = (x >= 0) & (x < self.w) & (y >= 0) & (y < self.h)
                yield torch.where(inside, y * self.w + x, 0), inside.to(point.dtype)


def _minmax(x: Tensor) -> Tensor:
    """Each frame's labels (m, h*w) scaled to [0, 1]; a frame without contrast becomes 0."""
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    return (x - low) / torch.where(high > low, high - low, torch.ones_like(high))
