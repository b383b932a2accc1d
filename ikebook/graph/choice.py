"""Which eigenvector is the object, and its sign. Ours: the paper takes the principal one (Eq. 1), and says nothing of signs.

An eigenvector has no sign of its own, and which of two near eigenvalues comes first is chance. Both are settled by the
correlation with maps that are large on the object: the motion saliency and cues, or what the last cycle has found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.tensors import chunks, tensor
from ikebook.flow.fields import Flow
from ikebook.graph.presets import GraphOptions
from ikebook.graph.saliency import Evidence, SaliencyOptions
from ikebook.matrix.features import Cue
from ikebook.solvers.pairs import Eigenpairs
from ikebook.video.clip import Clip

CANDIDATES = 0.5
"""Eigenvectors whose eigenvalue is at least this share of the largest may be the object."""

CONTRAST = 1e-5
"""Squared length of a unit vector, less its mean in each frame, below which no more than rounding is left of it."""


def reference_maps(
    clip: Clip, flows: Sequence[Flow], saliency: Tensor | Array | None, cues: Sequence[Cue], compute: Compute
) -> Tensor | Array:
    """Maps (m, h, w) that are large on the object, to choose eigenvectors and their signs by.

    The saliency among the features; for presets without it, the distance from the dominant motion. With it count the cues that are
    large on objects, each as much: who gives one knows something that motion does not. Each map is about its mean in each frame, and of
    length 1; what is the same everywhere, as the saliency where nothing moves, has no say.
    """
    if saliency is None:
        saliency = Evidence(
            clip.frames, flows, SaliencyOptions(contrast=False, guide_radius=0), compute=compute
        ).saliency()
    maps = [saliency, *(cue.maps for cue in cues if cue.on_object)]
    if len(maps) == 1:
        return saliency
    telling = [(one, length) for one in maps if (length := _length(one)) > 0]

    def combined() -> Iterator[Tensor]:
        for start in range(len(clip)):
            frame = slice(start, start + 1)
            yield sum(
                (tensor(one[frame]).to(compute.device, torch.float64) / length for one, length in telling),
                torch.zeros(1, *clip.frames.shape[1:3], dtype=torch.float64, device=compute.device),
            ).to(compute.dtype)

    return compute.memory.tensor(combined(), len(clip))


def _length(maps: Tensor | Array) -> float:
    """Of maps (m, h, w) as one vector, less their mean in each frame."""
    square = 0.0
    for part in chunks(maps):
        values = tensor(part).to(torch.float64).flatten(1)
        square += float((values - values.mean(1, keepdim=True)).square().sum())
    return math.sqrt(square)


def choose(pairs: Eigenpairs, reference: Tensor | Array, options: GraphOptions) -> tuple[int, int]:
    """Which eigenvector is the object, from 0, and the sign, 1 or -1, that makes it positive there.

    Parameters
    ----------
    pairs : at least one
    reference : (m, h, w), large on the object
    options : `masks.object` says whether any but the principal one may be chosen, or which one it is
    """
    return choose_by(pairs.values, likeness(pairs, reference), options)


def choose_by(values: Tensor, likeness: Tensor, options: GraphOptions) -> tuple[int, int]:
    """`choose`, from eigenvalues (r,) and the likeness (r,) of their vectors to the object."""
    number = options.masks.object
    if isinstance(number, int):
        require(
            number <= len(values),
            f"object is {number}, but there are {len(values)} eigenvectors; choose one of them, or more, with --set solver.pairs=N and "
            "the exact solver.",
        )
        chosen = number - 1
    elif number == "principal":
        chosen = 0
    else:
        candidates = values >= CANDIDATES * values[0]
        chosen = int(torch.where(candidates, likeness.abs(), -1.0).argmax())
    if options.solver.normalisation == "minmax":  # labels were in [0, 1] all the time: their sign is settled
        return chosen, 1
    return chosen, 1 if likeness[chosen] >= 0 else -1


def choose_closest(pairs: Eigenpairs, drawn: Tensor | Array) -> tuple[int, int]:
    """Which of all leading eigenvectors is closest to what somebody has drawn, maps (m, h, w), from 0, and its sign, 1 or -1.

    It is one of them, and no mixture of two, which would be no solution of Eq. 1.
    """
    alike = likeness_where_drawn(pairs, drawn)
    chosen = int(alike.abs().argmax())
    return chosen, 1 if alike[chosen] >= 0 else -1


def likeness_where_drawn(pairs: Eigenpairs, drawn: Tensor | Array) -> Tensor:
    """The correlation of each eigenvector with maps (m, h, w) over the frames where there is anything in them; (r,) float64.

    Of one frame that was drawn: how large an eigenvector is in the others is none of its business.
    """
    sums = torch.zeros(3, len(pairs.values), dtype=torch.float64)  # of products, and of both squares
    begin = 0
    for labels in pairs.volumes.frames():  # (r, b, h, w)
        maps = tensor(drawn[begin : begin + labels.shape[1]]).to(labels.device, torch.float64).flatten(1)  # (b, pixels)
        begin += labels.shape[1]
        there = maps.amax(1) > maps.amin(1)
        if not bool(there.any()):
            continue
        x, y = labels[:, there].double().flatten(2), maps[there]
        x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
        sums += torch.stack([(x * y).sum((1, 2)), x.square().sum((1, 2)), y.square().sum().expand(len(x))]).cpu()
    return sums[0] / (sums[1] * sums[2]).sqrt().clamp_min(CONTRAST * 1e-5)


def likeness(pairs: Eigenpairs, reference: Tensor | Array) -> Tensor:
    """The correlation of each eigenvector with maps (m, h, w), frame by frame about their means; (r,) float64."""
    sums, products = (
        pairs.volumes.products(about_means(reference, pairs.volumes.device)).cpu().unbind(-1)
    )  # each (m, r)
    return correlation(sums, products, reference.shape[1] * reference.shape[2])


def about_means(reference: Tensor | Array, device: torch.device) -> Callable[[range], Tensor]:
    """Gives, for consecutive frames, a map of ones and the reference less its mean in each frame, (b, 2, h, w) float64."""

    def maps(frames: range) -> Tensor:
        salient = tensor(reference[frames.start : frames.stop]).to(device, torch.float64)
        return torch.stack([torch.ones_like(salient), salient - salient.mean(dim=(1, 2), keepdim=True)], dim=1)

    return maps


def correlation(sums: Tensor, products: Tensor, pixels: int) -> Tensor:
    """`likeness`, but for a common factor, from what it depends on; (r,).

    Parameters
    ----------
    sums, products : (m, r)
        Of each unit eigenvector in each frame: the sum of its labels, and their product with the centred reference.
    pixels : of a frame
    """
    contrast = 1 - (sums**2).sum(0) / pixels
    return torch.where(contrast > CONTRAST, products.sum(0) / contrast.clamp_min(CONTRAST).sqrt(), 0.0)
