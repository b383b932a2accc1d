"""Motion saliency: how much a pixel's motion speaks for the object, from the flow of one frame and the frame itself.

The graph finds what is consistent along motion chains; camera motion is too. Saliency is the node feature that tells
the two apart, without a label. For each frame and each direction of flow:

1. the *dominant motion* is a quadratic polynomial fitted robustly to the flow, and the residual r is what is left;
2. the *distance* d = |r| says how far a pixel moves against the scene;
3. the *contrast* L = log p(r | centre) - log p(r | border) says whether motions like r occur inside the frame rather
   than along its border, from histograms of r weighted by a centred Gaussian and its complement. Parallax of what the
   border cuts off is common there; the main object is not.

With both directions taken as independent, P(object) = sigmoid(L_forward + L_backward + prior), and

    saliency = sqrt(1 - exp(-d / scale)) * P(object),    d = sqrt(d_forward d_backward),

smoothed along the frame's edges by a guided filter. `scale` is a quantile of d over the clip, so that no frame's noise
is blown up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as nn
from torch import Tensor

from ikebook import check
from ikebook.check import require
from ikebook.flow.fields import Flow

STILL = 0.05
"""Residual motion that is taken for none, pixels: where a whole clip has less, its saliency fades instead of showing
rounding errors of the flow."""


@dataclass(frozen=True, kw_only=True)
class SaliencyOptions:
    contrast: bool = True  # weigh the distance by P(object)
    centre: float = 0.25  # sigma of the centred Gaussian, fraction of the frame's sides
    prior: float = -1.0  # log-odds that a pixel belongs to the object before its motion is seen
    bins: int = 65  # of the residuals' histogram, along each axis
    quantile: float = 0.95  # of the distance over the clip, that gives its scale
    iterations: int = 10  # of the robust fit of the dominant motion
    guide_radius: float = 0.02  # of the guided filter's window, fraction of the frame's width; 0: no filter
    guide_epsilon: float = 1e-3  # variance of colour below which the filter smooths, squared range of RGB

    def __post_init__(self) -> None:
        check.number("SaliencyOptions.centre", self.centre, above=0)
        check.number("SaliencyOptions.prior", self.prior)
        check.flag("SaliencyOptions.contrast", self.contrast)
        check.whole("SaliencyOptions.bins", self.bins, at_least=3, at_most=1025)
        check.number("SaliencyOptions.quantile", self.quantile, above=0)
        require(self.quantile <= 1, f"SaliencyOptions.quantile is {self.quantile}; expected 1 or less.")
        check.whole("SaliencyOptions.iterations", self.iterations, at_least=1)
        check.number("SaliencyOptions.guide_radius", self.guide_radius, at_least=0)
        require(self.guide_radius <= 0.5, f"SaliencyOptions.guide_radius is {self.guide_radius}; expected 0.5 or less.")
        check.number("SaliencyOptions.guide_epsilon", self.guide_epsilon, above=0)


def motion_saliency(
    frames: Tensor,
    flow: Flow,
    options: SaliencyOptions | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Saliency of each pixel.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8 RGB, on the device to compute on
    flow : forward and backward fields, of the frames' size
    options : see `SaliencyOptions`
    dtype : of the result

    Returns
    -------
    Tensor
        (m, h, w), in [0, 1].
    """
    options = options or SaliencyOptions()
    check.shape("frames", frames, (len(flow), *flow.size[::-1], 3))
    m, h, w = frames.shape[:3]
    distance = torch.ones(m, h, w, dtype=dtype, device=frames.device)
    evidence = torch.zeros_like(distance)  # L_forward + L_backward
    seen = torch.zeros(m, 1, 1, dtype=dtype, device=frames.device)
    for first, fields in ((0, flow.forward), (1, flow.backward)):
        for index in range(m - 1):
            field = torch.from_numpy(fields[index]).to(frames.device, dtype)
            residual = field - dominant_motion(field, options.iterations)
            distance[index + first] *= residual.norm(dim=-1)
            if options.contrast:
                evidence[index + first] += motion_contrast(residual, options)
            seen[index + first] += 1
    distance = distance ** (1 / seen)  # the geometric mean; at the clip's ends there is one direction only,
    evidence = evidence * (2 / seen)  # which then stands for both
    scale = max(quantile(distance, options.quantile), STILL)
    saliency = torch.sqrt(-torch.expm1(-distance / scale))
    if options.contrast:
        saliency *= torch.sigmoid(evidence + options.prior)
    radius = round(options.guide_radius * w)
    if radius > 0:
        for index in range(m):
            guide = frames[index].to(dtype).movedim(-1, 0) / 255
            saliency[index] = guided_filter(guide, saliency[index], radius, options.guide_epsilon)
    return saliency.clamp(0, 1)


def dominant_motion(field: Tensor, iterations: int = 10) -> Tensor:
    """The motion of the scene: a quadratic polynomial in x and y, fitted to a flow field by reweighted least squares.

    Parameters
    ----------
    field : (h, w, 2)
        Flow, pixels.
    iterations : int
        The first weighs pixels by nearness to the border, the others by Cauchy's 1 / (1 + (|r| / s)^2) with s = 1.5
        times the median of the residual |r| (Holland & Welsch 1977, doi:10.1080/03610927708827533).

    Returns
    -------
    Tensor
        (h, w, 2), pixels.
    """
    h, w, _ = field.shape
    basis = quadratic_basis(h, w, field)
    step = max(1, round(math.sqrt(h * w / 6000)))  # a few thousand pixels fix 12 coefficients well enough
    part, seen = (a[::step, ::step].flatten(0, 1).double() for a in (basis, field))
    x, y = (part[:, i].abs() for i in (1, 2))
    margin = (1 - torch.maximum(x, y)) / 2  # distance to the border as a fraction of the frame's side
    weights = torch.exp(-((margin / 0.1) ** 2)) + 0.05
    coefficients = seen.new_zeros(part.shape[1], 2)
    for _ in range(iterations):
        weighted = part * weights[:, None]
        normal = weighted.T @ part
        normal += 1e-12 * normal.trace() * torch.eye(len(normal), dtype=normal.dtype, device=normal.device)
        coefficients = torch.linalg.solve(normal, weighted.T @ seen)
        size = (seen - part @ coefficients).norm(dim=1)
        weights = 1 / (1 + (size / (1.5 * size.median() + 1e-6)) ** 2)
    return basis @ coefficients.to(field.dtype)


def quadratic_basis(h: int, w: int, like: Tensor) -> Tensor:
    """1, x, y, x^2, xy, y^2 at each pixel, (h, w, 6), with x and y from -1 to 1 across the frame."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, h, dtype=like.dtype, device=like.device),
        torch.linspace(-1, 1, w, dtype=like.dtype, device=like.device),
        indexing="ij",
    )
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], dim=-1)


def motion_contrast(residual: Tensor, options: SaliencyOptions | None = None) -> Tensor:
    """L = log p(r | centre) - log p(r | border) of each pixel's residual motion.

    Residuals are taken in units of 1.5 times their median length and compressed to r log(1 + |r|) / |r|, so that the
    bins are fine where motions are small.

    Parameters
    ----------
    residual : (h, w, 2)
        Flow less the dominant motion, pixels.

    Returns
    -------
    Tensor
        (h, w), natural logarithm; positive where the motion is commoner inside the frame than along its border.
    """
    options = options or SaliencyOptions()
    h, w, _ = residual.shape
    bins, reach = options.bins, 4.0  # log(1 + 54): motions 54 times the unit and more share the last bins
    length = residual.norm(dim=-1, keepdim=True)
    unit = 1.5 * length.median() + STILL
    compressed = residual / unit * (torch.log1p(length / unit) / (length / unit).clamp_min(1e-9))
    column, row = ((compressed + reach) / (2 * reach) * (bins - 1)).round().clamp(0, bins - 1).long().unbind(-1)
    index = (row * bins + column).flatten()
    y, x = torch.meshgrid(_centred(h, residual), _centred(w, residual), indexing="ij")
    centre = torch.exp(-(x**2 + y**2) / (2 * options.centre**2)).flatten()
    logs = []
    for weights in (centre, 1 - centre):
        histogram = torch.bincount(index, weights / weights.sum(), minlength=bins * bins).view(bins, bins)
        logs.append(torch.log(_smooth(histogram) + 1e-6))
    return (logs[0] - logs[1]).flatten()[index].view(h, w)


def guided_filter(guide: Tensor, image: Tensor, radius: int, epsilon: float) -> Tensor:
    """Smooth an image, except across the edges of a colour guide (He, Sun & Tang, PAMI 2013, doi:10.1109/TPAMI.2012.213).

    In each window the result is affine in the guide's colours. The coefficients are found at half the size and
    enlarged (He & Sun, 'Fast guided filter', arXiv:1505.00996), which takes a quarter of the time.

    Parameters
    ----------
    guide : (3, h, w)
        Colours, in [0, 1].
    image : (h, w)
    radius : of the square window, in pixels of the image
    epsilon : colour variance below which a window counts as flat

    Returns
    -------
    Tensor
        (h, w)
    """
    h, w = image.shape
    small = nn.interpolate(torch.cat([guide, image[None]])[None], size=((h + 1) // 2, (w + 1) // 2), mode="area")[0]
    reach = max(1, radius // 2)
    mean = _box(small, reach)
    pairs = [(i, j) for i in range(3) for j in range(i, 4)]
    products = torch.stack([small[i] * small[j] for i, j in pairs])
    second = _box(products, reach)
    covariance = small.new_empty(3, 4, *small.shape[1:])
    for value, (i, j) in zip(second, pairs, strict=True):
        covariance[i, j] = value - mean[i] * mean[j]
        if j < 3:
            covariance[j, i] = covariance[i, j]
    left = covariance[:, :3].movedim((0, 1), (-2, -1)) + epsilon * torch.eye(3, dtype=image.dtype, device=image.device)
    slope = torch.linalg.solve(left, covariance[:, 3].movedim(0, -1))  # (h/2, w/2, 3)
    slope = slope.movedim(-1, 0)
    offset = mean[3] - (slope * mean[:3]).sum(0)
    planes = _box(torch.cat([slope, offset[None]]), reach)
    planes = nn.interpolate(planes[None], size=(h, w), mode="bilinear", align_corners=False)[0]
    return (planes[:3] * guide).sum(0) + planes[3]


def quantile(values: Tensor, q: float) -> float:
    """Quantile of all values, from at most a million of them evenly picked."""
    flat = values.flatten()
    return float(torch.quantile(flat[:: max(1, len(flat) // 1_000_000)], q))


def _centred(length: int, like: Tensor) -> Tensor:
    """Positions of pixel centres from the frame's centre, as fractions of its side."""
    return (torch.arange(length, dtype=like.dtype, device=like.device) + 0.5) / length - 0.5


def _smooth(histogram: Tensor) -> Tensor:
    """Gaussian of one bin."""
    reach = torch.arange(-4, 5, dtype=histogram.dtype, device=histogram.device)
    kernel = torch.exp(-(reach**2) / 2)
    kernel = kernel / kernel.sum()
    padded = nn.pad(histogram[None, None], (4, 4, 4, 4), mode="replicate")
    return nn.conv2d(nn.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[0, 0]


def _box(planes: Tensor, reach: int) -> Tensor:
    """Mean over windows of 2 reach + 1 pixels, cut off at the frame's border. (c, h, w)."""
    side = 2 * reach + 1
    for kernel, padding in (((1, side), (0, reach)), ((side, 1), (reach, 0))):
        planes = nn.avg_pool2d(planes[None], kernel, stride=1, padding=padding, count_include_pad=False)[0]
    return planes
