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
is blown up. It needs d of all frames, so there are two sweeps: `motion_evidence` gives d and P(object) of each frame, and
`saliency_map` the saliency once the scale is known. Both take a batch of frames, of any number, and treat each alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array, chunks, frames_at_once, pictures, tensor
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.flow.fields import Flow
from ikebook.graph.guided_filter import guided_filter
from ikebook.matrix.operator import full_precision
from ikebook.video.clip import Clip

STILL = 0.05
"""Residual motion that is taken for none, pixels: where a whole clip has less, its saliency fades instead of showing
rounding errors of the flow."""

PICKED = 1_000_000
"""Values that a quantile over a clip is taken of, at least, if there are as many."""


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
    frames: Array | Tensor,
    flow: Flow,
    options: SaliencyOptions | None = None,
    *,
    compute: Compute | None = None,
    batch: int | None = None,
) -> Tensor | Array:
    """Saliency of each pixel.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8 RGB
    flow : forward and backward fields, of the frames' size
    options : see `SaliencyOptions`
    compute : device and dtype of the work, and of the result; on disk, if it does not fit into the memory
    batch : frames at a time; None: what suits the device. The result does not depend on it.

    Returns
    -------
    Tensor, or array on disk
        (m, h, w), in [0, 1].
    """
    options, compute = options or SaliencyOptions(), check.or_default("compute", compute, Compute)
    check.shape("frames", frames, (len(flow), *flow.size[::-1], 3))
    batch = batch_size(compute, flow.size) if batch is None else batch
    check.whole("batch", batch, at_least=1)
    m = len(flow)
    parts = [range(start, min(start + batch, m)) for start in range(0, m, batch)]
    evidence = compute.memory.tensor((evidence_of(flow, part, options, compute) for part in parts), m)  # (m, 2, h, w)
    distances = (part[:, 0] for part in chunks(evidence))
    scale = scale_of(pick(distances, m * flow.size[0] * flow.size[1]), options)
    maps = (map_of(evidence[p.start : p.stop], frames[p.start : p.stop], scale, options, compute) for p in parts)
    return compute.memory.tensor(maps, m)


def clip_saliency(clip: Clip, flows: Sequence[Flow], options: SaliencyOptions, compute: Compute) -> Tensor | Array:
    """The motion saliency (m, h, w) of a clip, of two flows their mean: a column for each would leave the solver to tell
    good from bad.
    """
    maps = [motion_saliency(clip.frames, flow, options, compute=compute) for flow in flows]
    if len(maps) == 1:
        return maps[0]
    parts = (torch.stack([tensor(one[i : i + 1]) for one in maps]).mean(0) for i in range(len(clip)))
    return compute.memory.tensor((part.to(compute.device, compute.dtype) for part in parts), len(clip))


def batch_size(compute: Compute, size: tuple[int, int]) -> int:
    """Frames of `size` (width, height) that are best worked on at a time."""
    return frames_at_once(compute.device, size[0] * size[1], on_cpu=2)


def evidence_of(flow: Flow, frames: range, options: SaliencyOptions, compute: Compute) -> Tensor:
    """`motion_evidence` of some frames of a clip, both in one: (b, 2, h, w), the distance and P(object)."""
    forward, backward = (tensor(fields).to(compute.device, compute.dtype) for fields in both_directions(flow, frames))
    with full_precision():
        return torch.stack(motion_evidence(forward, backward, options), dim=1)


def map_of(
    evidence: np.ndarray | Tensor, frames: np.ndarray | Tensor, scale: float, options: SaliencyOptions, compute: Compute
) -> Tensor:
    """`saliency_map` of some frames (b, h, w, 3) from their evidence (b, 2, h, w)."""
    distance, probability = tensor(evidence).to(compute.device, compute.dtype).unbind(1)
    return saliency_map(distance, probability, pictures(frames).to(compute.device), scale, options)


def both_directions(flow: Flow, frames: range) -> tuple[np.ndarray, np.ndarray]:
    """Forward and backward fields (b, h, w, 2) of some frames; at the clip's ends the only one stands for both."""
    start, stop = frames.start, frames.stop
    forward, backward = flow.forward[start:stop], flow.backward[max(start - 1, 0) : stop - 1]
    if start == 0:
        backward = np.concatenate([forward[:1], backward])
    if stop == len(flow):
        forward = np.concatenate([forward, backward[-1:]])
    return forward, backward


def motion_evidence(forward: Tensor, backward: Tensor, options: SaliencyOptions | None = None) -> tuple[Tensor, Tensor]:
    """How far each pixel moves against the scene, and how probably it belongs to the object. The first of two sweeps.

    Parameters
    ----------
    forward, backward : (b, h, w, 2)
        Flow from b frames to the next and to the previous ones, pixels.

    Returns
    -------
    Tensor
        (b, h, w), the distance d, pixels: the geometric mean of both directions'.
    Tensor
        (b, h, w), P(object), in [0, 1]; 1 without `options.contrast`.
    """
    options = options or SaliencyOptions()
    b = len(forward)
    fields = planar(torch.cat([forward, backward]))  # (2b, h, w, 2)
    residual = fields - dominant_motion(fields, options.iterations)
    length = _length(residual)
    distance = torch.sqrt(length[:b] * length[b:])
    if not options.contrast:
        return distance, torch.ones_like(distance)
    contrast = motion_contrast(residual, options)
    return distance, torch.sigmoid(contrast[:b] + contrast[b:] + options.prior)


def saliency_map(
    distance: Tensor, probability: Tensor, frames: Tensor, scale: float, options: SaliencyOptions | None = None
) -> Tensor:
    """Saliency of each pixel from the evidence for it. The second of two sweeps.

    Parameters
    ----------
    distance, probability : (b, h, w), of `motion_evidence`
    frames : (b, h, w, 3) uint8 RGB
    scale : distance that counts as large, pixels

    Returns
    -------
    Tensor
        (b, h, w), in [0, 1].
    """
    options = options or SaliencyOptions()
    saliency = torch.sqrt(-torch.expm1(-distance / scale)) * probability
    radius = round(options.guide_radius * saliency.shape[2])
    if radius > 0:
        guide = planar(frames).movedim(-1, 1).to(saliency.dtype) / 255  # (b, 3, h, w)
        saliency = guided_filter(guide, saliency, radius, options.guide_epsilon)
    return saliency.clamp(0, 1)


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
    step = max(1, round(math.sqrt(h * w / 6000)))  # a few thousand pixels fix 12 coefficients well enough
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
    coefficients = fit(torch.exp(-((margin / 0.1) ** 2))[None] + 0.05)
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


def motion_contrast(residual: Tensor, options: SaliencyOptions | None = None) -> Tensor:
    """L = log p(r | centre) - log p(r | border) of each pixel's residual motion.

    Residuals are taken in units of 1.5 times their field's median length and compressed to r log(1 + |r|) / |r|, so that
    the bins are fine where motions are small.

    Parameters
    ----------
    residual : (b, h, w, 2)
        Flow less the dominant motion, pixels.

    Returns
    -------
    Tensor
        (b, h, w), natural logarithm; positive where the motion is commoner inside the frame than along its border.
    """
    options = options or SaliencyOptions()
    b, h, w, _ = residual.shape
    bins, reach = options.bins, 4.0  # log(1 + 54): motions 54 times the unit and more share the last bins
    length = _length(residual)
    unit = 1.5 * median(length.flatten(1))[..., None] + STILL  # (b, 1, 1)
    length = length / unit
    compressed = residual / unit[..., None] * (torch.log1p(length) / length.clamp_min(1e-9))[..., None]
    column, row = ((compressed + reach) / (2 * reach) * (bins - 1)).round().clamp(0, bins - 1).unbind(-1)
    index = (row * bins + column).long().flatten(1)  # (b, hw)
    centre = torch.outer(_bell(h, options.centre, residual), _bell(w, options.centre, residual)).flatten()
    logs = []
    for weights in (centre, 1 - centre):
        share = (weights / weights.sum()).expand(b, -1)
        histogram = residual.new_zeros(b, bins * bins).scatter_add_(1, index, share).view(b, bins, bins)
        logs.append(torch.log(_smooth(histogram) + 1e-6))
    return (logs[0] - logs[1]).flatten(1).gather(1, index).view(b, h, w)


def scale_of(picked: np.ndarray, options: SaliencyOptions) -> float:
    """The distance that counts as large, pixels, from those (k,) that were picked of a clip."""
    return max(float(np.quantile(picked, options.quantile)), STILL)  # torch.quantile sorts them all


def evenly(values: np.ndarray, seen: int, count: int) -> np.ndarray:
    """Of `count` values that come in parts, those of one part that are picked for a quantile, (k,).

    Every so many-th of them, a million or two in all, or all if there are fewer; which they are does not depend on the parts.

    Parameters
    ----------
    values : of this part, of any shape
    seen : how many have come before
    count : of all parts
    """
    step = max(1, count // PICKED)
    return values.reshape(-1)[-seen % step :: step]


def pick(parts: Iterable[Tensor], count: int) -> np.ndarray:
    """What `evenly` picks of all parts, (k,) float64."""
    # One array for all: many small ones, each made while a frame is held, would leave holes of a frame's size between them.
    picked = np.empty(-(-count // max(1, count // PICKED)))
    seen = filled = 0
    for part in parts:
        values = evenly(part.cpu().numpy(), seen, count)
        picked[filled : filled + len(values)] = values
        seen, filled = seen + part.numel(), filled + len(values)
    return picked[:filled]


def median(values: Tensor) -> Tensor:
    """Lower median of each row, (b, n) -> (b, 1). As torch.median, which takes eight times as long on a CPU."""
    if values.device.type != "cpu":
        return values.median(dim=1, keepdim=True).values
    middle = (values.shape[1] - 1) // 2
    return torch.from_numpy(np.partition(values.numpy(), middle)[:, middle : middle + 1])


def planar(vectors: Tensor) -> Tensor:
    """The same vectors (b, h, w, c), in memory one component after the other: arithmetic on them is several times faster."""
    return vectors.movedim(-1, 1).contiguous().movedim(1, -1)


def _length(vectors: Tensor) -> Tensor:
    """|r| along the last axis, of two. Tensor.norm takes five times as long for so short a one."""
    x, y = vectors.unbind(-1)
    return torch.sqrt(x * x + y * y)


def _bell(length: int, sigma: float, like: Tensor) -> Tensor:
    """Gaussian around the centre of a frame's side; sigma is a fraction of the side."""
    position = (torch.arange(length, dtype=like.dtype, device=like.device) + 0.5) / length - 0.5
    return torch.exp(-(position**2) / (2 * sigma**2))


def _smooth(histogram: Tensor) -> Tensor:
    """Gaussian of one bin; beyond the border are the bins on it. (b, bins, bins)."""
    bins = histogram.shape[1]
    reach = torch.arange(-4, 5, device=histogram.device)
    kernel = torch.exp(-(reach.to(histogram.dtype) ** 2) / 2)
    neighbours = (torch.arange(bins, device=histogram.device)[:, None] + reach).clamp(0, bins - 1)  # (bins, 9)
    rows = histogram.new_zeros(bins, bins).scatter_add_(1, neighbours, (kernel / kernel.sum()).expand(bins, -1))
    return rows @ histogram @ rows.T
