"""The Graph Module (Sec. 4): a clip and its flow in, the main object's soft masks out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.chains import KEEP_BYTES as KEEP_FLOW
from ikebook.chains import MotionChains
from ikebook.check import InputError, require
from ikebook.clip import Clip
from ikebook.eigen import Eigenpairs, exact, lanczos, lobpcg, reachable, volume_residuals
from ikebook.feature_motion import FeatureMotion
from ikebook.features import KEEP_BYTES as KEEP_FEATURES
from ikebook.features import Cue, FeatureMatrix, Projection
from ikebook.flow.fields import Flow
from ikebook.masks import soft_masks, stable_threshold
from ikebook.motion import MotionMatrix
from ikebook.power import power_iteration, start_labels
from ikebook.presets import GraphOptions
from ikebook.saliency import SaliencyOptions, motion_saliency
from ikebook.storage import Array, Room, extent, tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphResult:
    """What the Graph Module found.

    Parameters
    ----------
    soft : (m, h, w) float32
        Soft segmentation, in [0, 1]; on disk where there was no room for it.
    threshold : float
        Above it lies the object.
    pairs : Eigenpairs
        Leading eigenpairs of A.
    chosen : int
        The one that `soft` was made of.
    sign : int
        1, or -1 where its labels were negative on the object.
    saliency : (m, h, w), optional
        The motion saliency among the features.
    seconds : dict
        Time spent in each stage.
    warnings : list
        What the user should know, one sentence each.
    matrix : FeatureMotion
        A, implicit.
    """

    soft: Array
    threshold: float
    pairs: Eigenpairs
    chosen: int
    sign: int
    saliency: Tensor | Array | None
    seconds: dict[str, float]
    warnings: list[str]
    matrix: FeatureMotion

    @cached_property
    def labels(self) -> Tensor:
        """The eigenvector that `soft` was made of, (m, h, w), unit length, positive on the object; 0 if there is none."""
        if len(self.pairs.values) == 0:
            return torch.zeros(self.soft.shape, dtype=self.matrix.dtype, device=self.matrix.device)
        return self.sign * self.pairs.volumes[self.chosen]

    def residual(self) -> float:
        """|A x - lambda x| / |lambda| of the object's eigenpair, by a product with A; NaN where there is none."""
        if self.chosen >= len(self.pairs.values) or not bool(self.pairs.values[self.chosen].isfinite()):
            return float("nan")
        return float(volume_residuals(self.matrix, self.pairs.values, self.pairs.volumes, self.chosen)[0])

    @property
    def eigengap(self) -> tuple[float, float] | None:
        """The distance from the object's eigenvalue to the nearest other one of A, and that one over the object's.

        A has the eigenvalue 0 too, which the exact solver does not list: it stands before the negative ones. None where
        fewer than two eigenvalues have been found.
        """
        values = [float(value) for value in self.pairs.values]
        if len(values) <= 1 or values[self.chosen] == 0:
            return None
        others = [max(value, 0.0) for index, value in enumerate(values) if index != self.chosen]
        nearest = min(others, key=lambda other: abs(values[self.chosen] - other))
        return abs(values[self.chosen] - nearest), nearest / values[self.chosen]

    def mask(self, frame: int) -> np.ndarray:
        """The object in one frame, (h, w) bool, at the working size."""
        return np.asarray(self.soft[frame] > self.threshold)

    @property
    def masks(self) -> np.ndarray:
        """The object, (m, h, w) bool, at the working size."""
        return np.stack([self.mask(frame) for frame in range(len(self.soft))])

    @property
    def object_share(self) -> float:
        """Share of the clip's pixels that belong to the object."""
        return float(np.mean([self.mask(frame).mean() for frame in range(len(self.soft))]))

    def soft_at(self, frame: int, size: tuple[int, int]) -> np.ndarray:
        """The soft mask of one frame enlarged to `size` (width, height), (h, w) float32; above `threshold` is object."""
        return enlarge(np.asarray(self.soft[frame]), size)


def enlarge(soft: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A soft mask (h, w) float32 at another size (width, height), linearly interpolated."""
    if (soft.shape[1], soft.shape[0]) == size:
        return soft
    return cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)


def build(
    clip: Clip,
    flow: Flow,
    options: GraphOptions | None = None,
    cues: Sequence[Cue] = (),
    *,
    feature_flow: Flow | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    room: Room | None = None,
) -> tuple[FeatureMotion, Tensor | Array | None]:
    """The space-time graph's matrix A, implicit, and the motion saliency (m, h, w) among its features, if any.

    Parameters
    ----------
    clip : m frames, at least two
    flow : of the clip's working size
    options : a preset or your own
    cues : more node features, maps (m, h, w)
    feature_flow : a second flow of the clip: M comes from `flow` alone, F from both (Sec. 7.2, Table 1). The saliency is
        the mean of both flows'; displacements, where they are asked for, are collected along each flow's own chains.
    dtype, device : of everything inside
    room : memory that the saliency, and what is kept to save time, may take; on disk, or computed again, if it does not fit
    """
    o = options or GraphOptions()
    room = room or Room()
    require(
        isinstance(o, GraphOptions),
        f"options is {o!r}; expected GraphOptions, such as preset('paper').",
    )
    require(dtype in (torch.float32, torch.float64), f"dtype is {dtype}; expected torch.float32 or torch.float64.")
    _check_device(device)
    flows = [flow] if feature_flow is None else [flow, feature_flow]
    for name, one in zip(("flow", "feature_flow"), flows, strict=False):
        same_clip(clip, one, name)
    saliency = None
    cues = list(cues)
    if o.saliency is not None:
        saliency = _saliency(clip, flows, o.saliency, dtype, device, room)
        cues.insert(0, Cue(name="saliency", maps=saliency))
    chains = MotionChains(flow, o.chains, dtype=dtype, device=device, keep=room.share(KEEP_FLOW))
    further = []
    if feature_flow is not None and o.features.displacements:
        further = [MotionChains(feature_flow, o.chains, dtype=dtype, device=device, keep=room.share(KEEP_FLOW))]
    keep = room.share(KEEP_FEATURES)
    features = FeatureMatrix(chains, o.features, cues, keep=keep, further=further)
    return FeatureMotion(MotionMatrix(chains, o.motion), Projection(features, o.projection)), saliency


def same_clip(clip: Clip, flow: Flow, name: str = "flow") -> None:
    """Raise unless the flow is of a clip of so many frames of this size; `name` is what it is called."""
    require(
        len(flow) == len(clip) and flow.size == clip.size,
        f"{name} has {len(flow) - 1} fields of {flow.size[0]}x{flow.size[1]}, but clip {clip.name!r} has {len(clip)} frames "
        f"of {clip.size[0]}x{clip.size[1]}: m frames need m-1 fields ({len(clip) - 1}) of their size.",
    )


def _check_device(device: torch.device | str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError):  # PyTorch has one of these for each way to lack a device
        raise InputError(f"device is {str(device)!r}, which this PyTorch has not; use 'cpu'.") from None


def segment(
    clip: Clip,
    flow: Flow | None,
    options: GraphOptions | None = None,
    cues: Sequence[Cue] = (),
    *,
    start: np.ndarray | Tensor | None = None,
    reference: Tensor | Array | None = None,
    feature_flow: Flow | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    room: Room | None = None,
) -> GraphResult:
    """Find the main object: the leading eigenvector of A, as soft masks and a threshold.

    The clip's masks, if it has any, are not looked at. Parameters are those of `build`, and

    Parameters
    ----------
    start : x(0), labels or masks (m, h, w), for the solvers that need one, in place of that in the options
    reference : maps (m, h, w), large on the object, that settle which eigenvector it is, and its sign; the motion
        saliency if None
    """
    o = options or GraphOptions()
    room = room or Room()
    if len(clip) < 2:
        raise InputError(f"clip {clip.name!r} has {len(clip)} frame; motion needs two or more. Give a longer video.")
    if flow is None:
        raise InputError("flow is None; compute it with compute_flow(clip, provider('dis')).")
    begin = time.perf_counter()
    matrix, saliency = build(clip, flow, o, cues, feature_flow=feature_flow, dtype=dtype, device=device, room=room)
    built = time.perf_counter()
    if o.solver.method == "exact":
        pairs = exact(matrix, o.solver)
    else:
        solver = {"power": power_iteration, "lanczos": lanczos, "lobpcg": lobpcg}[o.solver.method]
        if start is None:
            labels = start_labels(
                o.solver.start, len(clip), clip.size, seed=o.solver.seed, width=o.solver.start_width, dtype=dtype
            )
        else:
            check.shape("start", start, (len(clip), clip.size[1], clip.size[0]))
            labels = torch.as_tensor(start).to(dtype).flatten()
        pairs = solver(matrix, labels.to(device), o.solver)
    solved = time.perf_counter()
    warnings: list[str] = []
    chosen, sign = 0, 1
    if len(pairs.values) == 0:
        warnings.append("Nothing moves against the scene: there is no eigenvector, and the masks are empty.")
        empty = np.zeros((clip.size[1], clip.size[0]), np.float32)
        soft = room.array((empty for _ in range(len(clip))), len(clip))
    else:
        against, named = reference, "what the last cycle found"
        if against is None:
            flows = [flow] if feature_flow is None else [flow, feature_flow]
            against = where_salient(clip, flows, saliency, cues, dtype, device, room)
            named = "the motion saliency"
        chosen, sign = choose(pairs, against, o)
        if chosen != 0:
            warnings.append(f"Eigenvector {chosen + 1}, not the principal one, is closest to {named}.")
        soft = room.array(
            (
                mask
                for labels in pairs.volumes.frames([chosen])
                for mask in soft_masks(sign * labels[0], o.masks).float().cpu().numpy()
            ),
            len(clip),
        )
    threshold = stable_threshold(soft) if o.masks.threshold == "stable" else float(o.masks.threshold)
    if len(pairs.values) and float(pairs.residuals[chosen]) > (tolerance := reachable(o.solver.tolerance, dtype)):
        warnings.append(
            f"The {pairs.method} solver stopped at a residual of {float(pairs.residuals[chosen]):.1e}, above its tolerance "
            f"of {tolerance:.1e}. Use the exact solver, or more iterations."
        )
    seconds = {"features": built - begin, "solve": solved - built, "masks": time.perf_counter() - solved}
    return GraphResult(
        soft=soft,
        threshold=threshold,
        pairs=pairs,
        chosen=chosen,
        sign=sign,
        saliency=saliency,
        seconds=seconds,
        warnings=warnings,
        matrix=matrix,
    )


def where_salient(
    clip: Clip,
    flows: Sequence[Flow],
    saliency: Tensor | Array | None,
    cues: Sequence[Cue],
    dtype: torch.dtype,
    device: torch.device | str,
    room: Room,
) -> Tensor | Array:
    """Maps (m, h, w) that are large on what moves, to choose eigenvectors and their signs by.

    The saliency among the features; for presets without it, the distance from the dominant motion. Where that is the same
    everywhere, as nothing moves, the first cue that is large on objects has to say what is object.
    """
    if saliency is None:
        plain = SaliencyOptions(contrast=False, guide_radius=0)
        saliency = _saliency(clip, flows, plain, dtype, device, room)
    low, high = extent(saliency)
    return next((cue.maps for cue in cues if cue.on_object), saliency) if low == high else saliency


def _saliency(
    clip: Clip,
    flows: Sequence[Flow],
    options: SaliencyOptions,
    dtype: torch.dtype,
    device: torch.device | str,
    room: Room,
) -> Tensor | Array:
    """The motion saliency (m, h, w), of two flows their mean: a column for each would leave the solver to tell good from bad."""
    maps = [motion_saliency(clip.frames, flow, options, dtype=dtype, device=device, room=room) for flow in flows]
    if len(maps) == 1:
        return maps[0]
    parts = (torch.stack([tensor(one[i : i + 1]) for one in maps]).mean(0) for i in range(len(clip)))
    return room.tensor((part.to(device, dtype) for part in parts), len(clip))


def choose(pairs: Eigenpairs, reference: Tensor | Array, options: GraphOptions) -> tuple[int, int]:
    """Which eigenvector is the object, and the sign, 1 or -1, that makes it positive there.

    An eigenvector has no sign of its own, and which of two near eigenvalues comes first is chance. Both are settled by
    the correlation with maps (m, h, w) that are large on the object.
    """
    return pick(pairs.values, likeness(pairs, reference), options)


def pick(values: Tensor, found: Tensor, options: GraphOptions) -> tuple[int, int]:
    """The same from eigenvalues (r,) and the likeness (r,) of their vectors to the object."""
    if options.masks.object == "principal":
        chosen = 0
    else:
        candidates = values >= 0.5 * values[0]
        chosen = int(torch.where(candidates, found.abs(), -1.0).argmax())
    if options.solver.normalisation == "minmax":  # labels were in [0, 1] all the time: their sign is settled
        return chosen, 1
    return chosen, 1 if found[chosen] >= 0 else -1


def likeness(pairs: Eigenpairs, reference: Tensor | Array) -> Tensor:
    """The correlation of each eigenvector with maps (m, h, w), frame by frame about their means; (r,) float64."""

    def maps(frames: range) -> Tensor:  # ones, and the reference less its mean
        salient = tensor(reference[frames.start : frames.stop]).to(pairs.volumes.device, torch.float64)
        return torch.stack([torch.ones_like(salient), salient - salient.mean(dim=(1, 2), keepdim=True)], dim=1)

    sums, products = pairs.volumes.products(maps).cpu().unbind(-1)  # each (m, r)
    return correlation(sums, products, reference.shape[1] * reference.shape[2])


def correlation(sums: Tensor, products: Tensor, pixels: int) -> Tensor:
    """The same, but for a common factor, from what it depends on; (r,).

    Parameters
    ----------
    sums, products : (m, r)
        Of each unit eigenvector in each frame: the sum of its labels, and their product with the centred reference.
    pixels : of a frame
    """
    # Squared lengths of the unit vectors, less their means in each frame. Where no more than rounding is left, the vector
    # is one constant a frame, and like nothing.
    contrast = 1 - (sums**2).sum(0) / pixels
    return torch.where(contrast > 1e-5, products.sum(0) / contrast.clamp_min(1e-5).sqrt(), 0.0)
