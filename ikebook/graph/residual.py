"""What the scene's own motion leaves over of a flow field: the residual motion. Ours, not the paper's.

For each frame and each direction of flow, the *dominant motion* is a quadratic polynomial in x and y that is fitted robustly to
the flow, and the residual is what is left. What moves with the camera has none.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ikebook.flow.fields import Flow

STILL = 0.05
"""Residual motion that is taken for none, pixels: where a whole clip has less, its saliency fades instead of showing
rounding errors of the flow."""

FITTED = 6000
"""Pixels of a frame that the dominant motion is fitted to, about, on a regular grid: they fix 12 coefficients well enough."""

MARGIN, INSIDE = 0.1, 0.05
"""Width of the border that the first fit goes by, fraction of the frame's sides, and the weight of what lies inside of it.
Fixed by eye on the clips of `tests/experiments/ablation.py`: the object seldom fills the border."""


def both_directions(flow: Flow, frames: range) -> tuple[np.ndarray, np.ndarray]:
    """Forward and backward fields (b, h, w, 2) of some frames; at the clip's ends the only one stands for both."""
    start, stop = frames.start, frames.stop
    forward, backward = flow.forward[start:stop], flow.backward[max(start - 1, 0) : stop - 1]
    if start == 0:
        backward = np.concatenate([forward[:1], backward])
    if stop == len(flow):
        forward = np.concatenate([forward, backward[-1:]])
    return forward, backward


def dominant_motion(fields: Tensor, iterations: int = 10) -> Tensor:
    """The motion of the scene: a quadratic polynomial in x and y, fitted to a flow field by reweighted least squares.

    Parameters
    ----------
    fields : (b, h, w, 2)
        Flow, pixels; each field is fitted on its own.
    iterations : int
        The first weighs pixels by nearness to the border, the others by Cauchy's 1 / (1 + (|r| / s)^2) with s = 1.5
        times the median of the residual |r| (Holland & Welsch 1977, doi:10.1080/03610927708827533).

    Returns
    -------
    Tensor
        (b, h, w, 2), pixels.
    """
    b, h, w, _ = fields.shape
    basis = quadratic_basis(h, w, fields)
    step = max(1, round(math.sqrt(h * w / FITTED)))
    part = basis[:, ::step, ::step].flatten(1).double()  # (6, n)
    seen = fields[:, ::step, ::step].flatten(1, 2).double().mT.contiguous()  # (b, 2, n)
    products = (part[:, None] * part).flatten(0, 1)  # (36, n)

    def fit(weights: Tensor) -> Tensor:  # (b or 1, n) -> (b, 2, 6)
        normal = (weights @ products.T).view(-1, 6, 6)
        diagonal = normal.diagonal(dim1=1, dim2=2)
        diagonal += 1e-12 * diagonal.sum(1, keepdim=True)
        right = (weights[:, None] * seen) @ part.T  # (b, 2, 6)
        return torch.linalg.solve_ex(normal, right.mT)[0].mT  # _ex: does not wait for a GPU to report errors

    x, y = part[1].abs(), part[2].abs()
    margin = (1 - torch.maximum(x, y)) / 2  # distance to the border as a fraction of the frame's side
    coefficients = fit(torch.exp(-((margin / MARGIN) ** 2))[None] + INSIDE)
    for _ in range(iterations - 1):
        square = (seen - coefficients @ part).square().sum(1)  # |r|^2, (b, n)
        coefficients = fit(1 / (1 + square / (1.5 * median(square).sqrt() + 1e-6) ** 2))
    motion = torch.bmm(coefficients.to(fields.dtype), basis.flatten(1).expand(b, -1, -1))
    return motion.view(b, 2, h, w).movedim(1, -1)


def quadratic_basis(h: int, w: int, like: Tensor) -> Tensor:
    """1, x, y, x^2, xy, y^2 at each pixel, (6, h, w), with x and y from -1 to 1 across the frame."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, h, dtype=like.dtype, device=like.device),
        torch.linspace(-1, 1, w, dtype=like.dtype, device=like.device),
        indexing="ij",
    )
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])


def median(values: Tensor) -> Tensor:
    """Lower median of each row, (b, n) -> (b, 1). As torch.median, which takes eight times as long on a CPU."""
    if values.device.type != "cpu":
        return values.median(dim=1, keepdim=True).values
    middle = (values.shape[1] - 1) // 2
    return torch.from_numpy(np.partition(values.numpy(), middle)[:, middle : middle + 1])


def planar(vectors: Tensor) -> Tensor:
    """Vectors (b, h, w, c) laid out in memory one component after the other: arithmetic on them is several times faster."""
    return vectors.movedim(-1, 1).contiguous().movedim(1, -1)


def length(vectors: Tensor) -> Tensor:
    """|r| along the last axis, of two. Tensor.norm takes five times as long for so short a one."""
    x, y = vectors.unbind(-1)
    return torch.sqrt(x * x + y * y)
