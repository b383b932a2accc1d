"""Motion saliency: how much a pixel's motion, and later its colour, speaks for the object. Ours, not the paper's.

The graph finds what is consistent along motion chains; camera motion is too. Saliency is the node feature that tells
the two apart, without a label. With q the degree to which each pixel is believed to belong to the object:

1. the *distance* d is the length of the residual motion (`graph.residual`), the geometric mean of both directions': how far a
   pixel moves against the scene;
2. the *contrast* L says whether motions like its own occur under q rather than under 1 - q (`graph.contrast`), for each
   direction of flow. Then, with all taken as independent (Bayes' rule),

       logit P(object) = logit(mean of q) + L_forward + L_backward + L_colour;

3. saliency = sqrt(1 - exp(-d / scale)) P(object), drawn to the frame's edges by a guided filter.

At first nothing is known, and q is a bell in the frame's middle: parallax of what the border cuts off is common outside of it, the
main object is not. The bell says nothing of colour, so L_colour is left out. Later q is half the bell and half K, what earlier
graphs and networks have found (Algorithm 1), and colour's histogram is taken under K; the prior is the mean of K. In frames where
nothing moves any more the distance says nothing, and K stands in for it.

`scale` is a quantile of d over the clip, so that no frame's noise is blown up. It needs d of all frames, so there are two sweeps:
`measure` gives d and what the histograms are made of, `Evidence.saliency` the saliency under what is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.tensors import chunks, frames_at_once, on_device, pictures, tensor
from ikebook.base.threads import on_cores
from ikebook.flow.fields import Flow
from ikebook.graph.contrast import (
    colour_cells,
    colour_contrast,
    colour_tables,
    colours_of,
    histograms,
    motion_cells,
    motion_contrast,
    windows,
)
from ikebook.graph.guided_filter import guided_filter
from ikebook.graph.residual import STILL, both_directions, dominant_motion, length, planar
from ikebook.matrix.operator import full_precision

PICKED = 1_000_000
"""Values that a quantile over a clip is taken of, at least, if there are as many."""


REST = 0.1
"""Share of the clip's scale: frames whose own quantile of the distance is about so small, or smaller, are at rest. It is for videos
whose object rests for a while; of the 1400 frames of DAVIS 2016's 20 training sequences some 50 are, and J is the same to 0.1."""


@dataclass(frozen=True, kw_only=True)
class SaliencyOptions:
    """The motion saliency's options. Ours, not the paper's.

    Parameters
    ----------
    contrast : bool, default True
        Weigh the distance by P(object).
    centre : float, default 0.25
        Standard deviation of the bell in the frame's middle, fraction of the frame's sides.
    mix : float, default 0.5
        Share of the bell in q once something is known, in [0, 1].
    pool : int, default 5
        Frames ahead and behind whose histograms of motion are averaged.
    bins : int, default 65
        Cells of motion's histogram, along each of two axes, from 3 to 1025.
    colour_bins : int, default 16
        Cells of colour's histogram, along each of three axes, from 2 to 64.
    quantile : float, default 0.95
        Quantile of the distance over the clip that gives its scale, in (0, 1].
    iterations : int, default 10
        Sweeps of the robust fit of the dominant motion.
    guide_radius : float, default 0.02
        Half the side of the guided filter's window, fraction of the frame's width, at most 0.5; 0: no filter.
    guide_epsilon : float, default 1e-3
        Variance of colour below which the filter smooths, squared range of RGB.

    Notes
    -----
    `mix`, `pool` and `colour_bins` were fixed on 20 sequences of DAVIS 2016's training set, the others on 12 of its validation
    set, by `tests/experiments/ablation.py`, which prints what others do.
    """

    contrast: bool = True
    centre: float = 0.25
    mix: float = 0.5
    pool: int = 5
    bins: int = 65
    colour_bins: int = 16
    quantile: float = 0.95
    iterations: int = 10
    guide_radius: float = 0.02
    guide_epsilon: float = 1e-3

    def __post_init__(self) -> None:
        check.number("SaliencyOptions.centre", self.centre, above=0)
        check.number("SaliencyOptions.mix", self.mix, at_least=0)
        require(self.mix <= 1, f"SaliencyOptions.mix is {self.mix}; expected 1 or less.")
        check.flag("SaliencyOptions.contrast", self.contrast)
        check.whole("SaliencyOptions.pool", self.pool)
        check.whole("SaliencyOptions.bins", self.bins, at_least=3, at_most=1025)
        check.whole("SaliencyOptions.colour_bins", self.colour_bins, at_least=2, at_most=64)
        check.number("SaliencyOptions.quantile", self.quantile, above=0)
        require(self.quantile <= 1, f"SaliencyOptions.quantile is {self.quantile}; expected 1 or less.")
        check.whole("SaliencyOptions.iterations", self.iterations, at_least=1)
        check.number("SaliencyOptions.guide_radius", self.guide_radius, at_least=0)
        require(self.guide_radius <= 0.5, f"SaliencyOptions.guide_radius is {self.guide_radius}; expected 0.5 or less.")
        check.number("SaliencyOptions.guide_epsilon", self.guide_epsilon, above=0)


class Evidence:
    """What a clip's motion and colours say of the object, as often as something more is known of it.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8
        RGB.
    flows : Flow, or a sequence of them
        Forward and backward fields, of the frames' size. Of two flows the saliency is the mean of both': a column of F for each
        would leave the solver to tell good from bad.
    options : SaliencyOptions, optional
    compute : Compute, optional
        Device and dtype of the work, and of the result; arrays go to disk where they do not fit into the memory.
    batch : int, optional
        Frames at a time; by default what suits the device. The result does not depend on it.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> evidence = Evidence(made.clip.frames, made.flow)
    >>> first = evidence.saliency()  # nothing is known yet
    >>> later = evidence.saliency(known=made.clip.masks)
    >>> bool(later[made.clip.masks].mean() > first[made.clip.masks].mean())
    True
    """

    def __init__(
        self,
        frames: Array | Tensor,
        flows: Flow | Sequence[Flow],
        options: SaliencyOptions | None = None,
        *,
        compute: Compute | None = None,
        batch: int | None = None,
    ) -> None:
        self.options = check.or_default("options", options, SaliencyOptions)
        self.compute = check.or_default("compute", compute, Compute)
        flows = [flows] if isinstance(flows, Flow) else flows
        for flow in flows:
            check.shape("frames", frames, (len(flow), *flow.size[::-1], 3))
        self.frames, m, size = frames, len(flows[0]), flows[0].size
        batch = batch_size(self.compute, size) if batch is None else batch
        check.whole("batch", batch, at_least=1)
        self._parts = [range(start, min(start + batch, m)) for start in range(0, m, batch)]
        self._measured = [
            self.compute.memory.tensor(
                on_cores(partial(measure, flow, options=self.options, compute=self.compute), self._parts, self.compute),
                m,
            )
            for flow in flows
        ]  # each (m, 3, h, w)
        self._scales = [
            max(
                sampled_quantile((part[:, 0] for part in chunks(one)), m * size[0] * size[1], self.options.quantile),
                STILL,
            )
            for one in self._measured
        ]
        self._cells: dict[range, Tensor] = {}  # of colour, on a GPU, which would wait for the CPU to find them anew

    def saliency(self, known: np.ndarray | Tensor | Array | None = None) -> Tensor | Array:
        """The saliency of each pixel, (m, h, w) in [0, 1].

        Parameters
        ----------
        known : (m, h, w), optional
            K, how far each pixel is known to belong to the object, in [0, 1]; by default nothing is known.
        """
        m, (h, w) = len(self.frames), self.frames.shape[1:3]
        colour: Tensor | None = None
        if known is None:
            prior = torch.logit(self._bell.mean())
        else:
            check.shape("known", known, (m, h, w))
            prior = torch.logit(self._mean(known).clamp(1e-4, 0.5))
            with full_precision():
                colour = self._colour_contrast(known)
        maps = (
            self._sweep(measured, scale, known, prior, colour)
            for measured, scale in zip(self._measured, self._scales, strict=True)
        )
        with full_precision():
            return self.compute.memory.tensor((torch.stack(parts).mean(0) for parts in zip(*maps, strict=True)), m)

    def _sweep(
        self, measured: Tensor | Array, scale: float, known: Tensor | Array | None, prior: Tensor, colour: Tensor | None
    ) -> Iterator[Tensor]:
        """The saliency by one flow, part by part."""
        contrasts = self._motion_contrasts(measured, known)

        def find(given: tuple[range, Tensor | None]) -> Tensor:
            part, contrast = given
            further = prior if colour is None else prior + colour[self._cells_of(part)]  # a number, or (b, h, w)
            frames, seen = self.frames[part.start : part.stop], tensor(measured[part.start : part.stop])
            least = None if known is None else self._rest(seen[:, 0], scale) * self._known(known, part)
            return map_of(seen, contrast, further, frames, scale, self.options, self.compute, least)

        parts = (
            (part, torch.stack([next(contrasts) for _ in part]) if self.options.contrast else None)
            for part in self._parts
        )
        return on_cores(find, parts, self.compute)

    def _motion_contrasts(self, measured: Tensor | Array, known: Tensor | Array | None) -> Iterator[Tensor]:
        """L of each cell of motion, (2, bins * bins), frame by frame."""
        found = (
            one
            for part in self._parts
            for one in histograms_of(measured[part.start : part.stop], self._q(known, part), self.options, self.compute)
        )
        return (motion_contrast(near, self.options.bins) for near in windows(found, self.options.pool))

    @cached_property
    def _bell(self) -> Tensor:
        return bell(tuple(self.frames.shape[1:3]), self.options, self.compute)

    def _known(self, known: Tensor | Array, part: range) -> Tensor:
        values = known[part.start : part.stop]
        values = values if isinstance(values, Tensor) else tensor(np.asarray(values))
        return on_device(values, self.compute.device, self.compute.dtype)

    def _q(self, known: Tensor | Array | None, part: range) -> Tensor:
        """What is believed of some frames, (b, h, w)."""
        own = self._bell.expand(len(part), -1, -1)
        return own if known is None else self.options.mix * own + (1 - self.options.mix) * self._known(known, part)

    def _rest(self, distance: Tensor, scale: float) -> Tensor:
        """How far each frame is at rest, (b, 1, 1): 1 where nothing moves against the scene, near 0 where anything does."""
        if distance.device.type == "cpu":  # where torch.quantile, which sorts them all, takes several times as long
            large = torch.tensor(
                np.array([np.quantile(one.numpy().ravel()[::7], self.options.quantile) for one in distance])
            )
        else:
            large = distance.flatten(1)[:, ::7].quantile(self.options.quantile, dim=1)
        rest = torch.exp(-((large / (REST * scale)) ** 2))
        return rest.to(self.compute.device, self.compute.dtype)[:, None, None]

    def _mean(self, known: Tensor | Array) -> Tensor:
        sums = torch.stack([self._known(known, part).double().sum() for part in self._parts])
        return (sums.sum() / (len(self.frames) * self._bell.numel())).to(self.compute.dtype)

    def _colour_contrast(self, known: Tensor | Array) -> Tensor:
        """L of each cell of colour, (colour_bins^3,)."""
        bins = self.options.colour_bins
        counts = torch.zeros(2, bins**3, dtype=self.compute.dtype, device=self.compute.device)
        for part in self._parts:
            cells, q = self._cells_of(part).flatten(), self._known(known, part).flatten()
            counts[0].scatter_add_(0, cells, q)
            counts[1].scatter_add_(0, cells, 1 - q)
        return colour_contrast(counts, bins)

    @cached_property
    def _tables(self) -> np.ndarray:
        """Which cell each value of each axis of colour lies in."""
        counts = np.zeros((3, 256), np.int64)
        for part in self._parts:
            lab = self._lab(part).reshape(-1, 3)
            counts += np.stack([np.bincount(values, minlength=256) for values in lab.T])
        return colour_tables(counts, self.options.colour_bins)

    def _lab(self, part: range) -> np.ndarray:
        frames = self.frames[part.start : part.stop]
        return colours_of(frames.cpu().numpy() if isinstance(frames, Tensor) else np.asarray(frames))

    def _cells_of(self, part: range) -> Tensor:
        """The cell of colour of each pixel, (b, h, w) int64."""
        if part in self._cells:
            return self._cells[part].long()
        cells = torch.from_numpy(colour_cells(self._lab(part), self._tables, self.options.colour_bins))
        if self.compute.device.type == "cpu":
            return cells
        self._cells[part] = on_device(cells, self.compute.device, torch.int32)
        return self._cells[part].long()


def motion_saliency(
    frames: Array | Tensor,
    flow: Flow,
    options: SaliencyOptions | None = None,
    *,
    compute: Compute | None = None,
    batch: int | None = None,
) -> Tensor | Array:
    """Saliency of each pixel, (m, h, w) in [0, 1], before anything is known of the object; see `Evidence`."""
    return Evidence(frames, flow, options, compute=compute, batch=batch).saliency()


def batch_size(compute: Compute, size: tuple[int, int]) -> int:
    """Frames of `size` (width, height) that are best worked on at a time."""
    return frames_at_once(compute.device, size[0] * size[1], on_cpu=2)


def measure(flow: Flow, frames: range, options: SaliencyOptions, compute: Compute) -> Tensor:
    """Of some frames of a clip, (b, 3, h, w): the distance, pixels, and the cells that both directions' residuals lie in.

    In the last and in the first frame the only direction stands for both. Cells are whole numbers, in the dtype of the distance.
    """
    fields = [planar(on_device(tensor(one), compute.device, compute.dtype)) for one in both_directions(flow, frames)]
    with full_precision():
        residuals = [one - dominant_motion(one, options.iterations) for one in fields]
    distance = torch.sqrt(length(residuals[0]) * length(residuals[1]))
    cells = [motion_cells(one, options.bins).to(compute.dtype) for one in residuals]
    return torch.stack([distance, *cells], dim=1)


def bell(size: tuple[int, ...], options: SaliencyOptions, compute: Compute) -> Tensor:
    """What is believed before anything is known: a Gaussian in the middle of a frame of `size` (height, width), (h, w)."""
    sides = []
    for pixels in size:
        position = (torch.arange(pixels, dtype=compute.dtype, device=compute.device) + 0.5) / pixels - 0.5
        sides.append(torch.exp(-(position**2) / (2 * options.centre**2)))
    return torch.outer(*sides)


def histograms_of(measured: np.ndarray | Tensor, q: Tensor, options: SaliencyOptions, compute: Compute) -> Tensor:
    """Histograms of both directions' motion under q (b, h, w) and under 1 - q, frame by frame, (b, 2, 2, bins * bins)."""
    cells = tensor(measured).to(compute.device)[:, 1:].long()
    return torch.stack([histograms(one, q, options.bins**2) for one in cells.unbind(1)], dim=1)


def map_of(
    measured: np.ndarray | Tensor,
    contrast: Tensor | None,
    further: Tensor,
    frames: np.ndarray | Tensor,
    scale: float,
    options: SaliencyOptions,
    compute: Compute,
    least: Tensor | None = None,
) -> Tensor:
    """The saliency of some frames, (b, h, w) in [0, 1].

    Parameters
    ----------
    measured : (b, 3, h, w)
        As `measure` gives it.
    contrast : (b, 2, bins * bins), optional
        L of each cell of motion, for each frame and direction; None: P(object) is 1.
    further : (b, h, w), or a number
        All else that the log-odds of P(object) are the sum of: the prior, and L of each pixel's colour.
    frames : (b, h, w, 3) uint8
        RGB.
    scale : float
        Distance that counts as large, pixels.
    least : (b, h, w), optional
        What sqrt(1 - exp(-d / scale)) is taken to be at least, as in frames at rest.
    """
    measured = tensor(measured).to(compute.device, compute.dtype)
    saliency = torch.sqrt(-torch.expm1(-measured[:, 0] / scale))
    if least is not None:
        saliency = torch.maximum(saliency, least)
    if contrast is not None:
        seen = contrast.gather(2, measured[:, 1:].long().flatten(2)).sum(1).view_as(saliency)
        saliency = saliency * torch.sigmoid(seen + further)
    radius = round(options.guide_radius * saliency.shape[2])
    if radius > 0:
        guide = (
            planar(on_device(pictures(frames), compute.device)).movedim(-1, 1).to(saliency.dtype) / 255
        )  # (b, 3, h, w)
        saliency = guided_filter(guide, saliency, radius, options.guide_epsilon)
    return saliency.clamp(0, 1)


def scale_of(picked: np.ndarray, options: SaliencyOptions) -> float:
    """The distance that counts as large, pixels, from those (k,) that were picked of a clip."""
    return max(float(np.quantile(picked, options.quantile)), STILL)  # torch.quantile sorts them all


def sampled_quantile(parts: Iterable[Tensor], count: int, quantile: float) -> float:
    """A quantile of `count` values that come in parts, from those that `sample_part` picks; on a GPU it is found there."""
    parts = iter(parts)
    first = next(parts)
    everything = itertools.chain([first], parts)
    if first.device.type == "cpu":
        return float(np.quantile(sample_parts(everything, count), quantile))  # torch.quantile sorts them all
    step, picked, seen = max(1, count // PICKED), [], 0
    for part in everything:
        picked.append(part.reshape(-1)[-seen % step :: step])
        seen += part.numel()
    return float(torch.cat(picked).double().quantile(quantile))


def sample_part(values: np.ndarray, seen: int, count: int) -> np.ndarray:
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


def sample_parts(parts: Iterable[Tensor], count: int) -> np.ndarray:
    """What `sample_part` picks of all parts, (k,) float64."""
    # One array for all: many small ones, each made while a frame is held, would leave holes of a frame's size between them.
    picked = np.empty(-(-count // max(1, count // PICKED)))
    seen = filled = 0
    for part in parts:
        values = sample_part(part.cpu().numpy(), seen, count)
        picked[filled : filled + len(values)] = values
        seen, filled = seen + part.numel(), filled + len(values)
    return picked[:filled]
