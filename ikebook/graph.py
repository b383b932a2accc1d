"""The Graph Module (Sec. 4): a clip and its flow in, the main object's soft masks out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.chains import MotionChains
from ikebook.check import InputError, require
from ikebook.clip import Clip
from ikebook.eigen import Eigenpairs, exact, lanczos, lobpcg, reachable, residual_norms
from ikebook.feature_motion import FeatureMotion
from ikebook.features import Cue, FeatureMatrix, Projection
from ikebook.flow.fields import Flow
from ikebook.masks import soft_masks, stable_threshold
from ikebook.motion import MotionMatrix
from ikebook.power import power_iteration, start_labels
from ikebook.presets import GraphOptions
from ikebook.saliency import SaliencyOptions, motion_saliency


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphResult:
    """What the Graph Module found.

    Parameters
    ----------
    soft : (m, h, w) float32
        Soft segmentation, in [0, 1].
    threshold : float
        Above it lies the object.
    labels : (m, h, w) Tensor
        The eigenvector that `soft` was made of, unit length, positive on the object.
    pairs : Eigenpairs
        Leading eigenpairs of A; `labels` is number `chosen` of them, up to its sign.
    chosen : int
    saliency : (m, h, w) Tensor, optional
        The motion saliency among the features.
    seconds : dict
        Time spent in each stage.
    warnings : list
        What the user should know, one sentence each.
    matrix : FeatureMotion
        A, implicit.
    """

    soft: np.ndarray
    threshold: float
    labels: Tensor
    pairs: Eigenpairs
    chosen: int
    saliency: Tensor | None
    seconds: dict[str, float]
    warnings: list[str]
    matrix: FeatureMotion

    def residual(self) -> float:
        """|A x - lambda x| / |lambda| of the object's eigenpair, by a product with A; NaN where there is none."""
        value = self.pairs.values[self.chosen : self.chosen + 1]
        if not bool(value.isfinite().any()):
            return float("nan")
        return float(residual_norms(self.matrix, value, self.labels.flatten()[None])[0])

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

    @property
    def masks(self) -> np.ndarray:
        """The object, (m, h, w) bool, at the working size."""
        return self.soft > self.threshold

    def soft_at(self, frame: int, size: tuple[int, int]) -> np.ndarray:
        """The soft mask of one frame enlarged to `size` (width, height), (h, w) float32; above `threshold` is object."""
        if (self.soft.shape[2], self.soft.shape[1]) == size:
            return np.asarray(self.soft[frame])
        return cv2.resize(self.soft[frame], size, interpolation=cv2.INTER_LINEAR)


def build(
    clip: Clip,
    flow: Flow,
    options: GraphOptions | None = None,
    cues: Sequence[Cue] = (),
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[FeatureMotion, Tensor | None]:
    """The space-time graph's matrix A, implicit, and the motion saliency (m, h, w) among its features, if any.

    Parameters
    ----------
    clip : m frames, at least two
    flow : of the clip's working size
    options : a preset or your own
    cues : more node features, maps (m, h, w)
    dtype, device : of everything inside
    """
    o = options or GraphOptions()
    require(
        isinstance(o, GraphOptions),
        f"options is {o!r}; expected GraphOptions, such as preset('paper').",
    )
    require(dtype in (torch.float32, torch.float64), f"dtype is {dtype}; expected torch.float32 or torch.float64.")
    _check_device(device)
    require(
        len(flow) == len(clip) and flow.size == clip.size,
        f"flow has {len(flow) - 1} fields of {flow.size[0]}x{flow.size[1]}, but clip {clip.name!r} has {len(clip)} frames "
        f"of {clip.size[0]}x{clip.size[1]}: m frames need m-1 fields ({len(clip) - 1}) of their size.",
    )
    saliency = None
    cues = list(cues)
    if o.saliency is not None:
        saliency = motion_saliency(_frames(clip, device), flow, o.saliency, dtype=dtype)
        cues.insert(0, Cue(name="saliency", maps=saliency))
    chains = MotionChains(flow, o.chains, dtype=dtype, device=device)
    features = FeatureMatrix(chains, o.features, cues)
    return FeatureMotion(MotionMatrix(chains, o.motion), Projection(features, o.projection)), saliency


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
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> GraphResult:
    """Find the main object: the leading eigenvector of A, as soft masks and a threshold.

    Parameters are those of `build`, and `start`: x(0), labels or masks (m, h, w), for the solvers that need one, in
    place of that in the options. The clip's masks, if it has any, are not looked at.
    """
    o = options or GraphOptions()
    if len(clip) < 2:
        raise InputError(f"clip {clip.name!r} has {len(clip)} frame; motion needs two or more. Give a longer video.")
    if flow is None:
        raise InputError("flow is None; compute it with compute_flow(clip, provider('dis')).")
    begin = time.perf_counter()
    matrix, saliency = build(clip, flow, o, cues, dtype=dtype, device=device)
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
    shape = (len(clip), clip.size[1], clip.size[0])
    warnings: list[str] = []
    if len(pairs.values) == 0:
        warnings.append("Nothing moves against the scene: there is no eigenvector, and the masks are empty.")
        labels, chosen = torch.zeros(shape, dtype=dtype, device=device), 0
    else:
        against = saliency if saliency is not None else motion_saliency_of(clip, flow, dtype, device)
        if cues and float(against.max()) == float(against.min()):  # nothing moves: a cue has to say what is object
            against = cues[0].maps.to(against)
        chosen, labels = choose(pairs, against, o)
        if chosen != 0:
            warnings.append(f"Eigenvector {chosen + 1}, not the principal one, is closest to the motion saliency.")
    if len(pairs.values) and float(pairs.residuals[chosen]) > (tolerance := reachable(o.solver.tolerance, dtype)):
        warnings.append(
            f"The {pairs.method} solver stopped at a residual of {float(pairs.residuals[chosen]):.1e}, above its tolerance "
            f"of {tolerance:.1e}. Use the exact solver, or more iterations."
        )
    soft = soft_masks(labels, o.masks)
    threshold = stable_threshold(soft) if o.masks.threshold == "stable" else float(o.masks.threshold)
    seconds = {"features": built - begin, "solve": solved - built, "masks": time.perf_counter() - solved}
    return GraphResult(
        soft=soft.float().cpu().numpy(),
        threshold=threshold,
        labels=labels,
        pairs=pairs,
        chosen=chosen,
        saliency=saliency,
        seconds=seconds,
        warnings=warnings,
        matrix=matrix,
    )


def motion_saliency_of(clip: Clip, flow: Flow, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Distance from the dominant motion alone, for presets without saliency: only an eigenvector's sign depends on it."""
    plain = SaliencyOptions(contrast=False, guide_radius=0)
    return motion_saliency(_frames(clip, device), flow, plain, dtype=dtype)


def _frames(clip: Clip, device: torch.device | str) -> Tensor:
    return torch.from_numpy(np.require(clip.frames, requirements=["C", "W"])).to(device)


def choose(pairs: Eigenpairs, saliency: Tensor, options: GraphOptions) -> tuple[int, Tensor]:
    """Which eigenvector is the object, and its labels (m, h, w) with the sign that makes the object positive.

    An eigenvector has no sign of its own, and which of two near eigenvalues comes first is chance. Both are settled by
    the correlation with the motion saliency.
    """
    salient = saliency - saliency.mean(dim=(1, 2), keepdim=True)
    vectors = pairs.vectors.view(len(pairs.values), *saliency.shape)
    likeness = torch.stack([_likeness(vector, salient) for vector in vectors])
    if options.masks.object == "principal":
        chosen = 0
    else:
        candidates = pairs.values >= 0.5 * pairs.values[0]
        chosen = int(torch.where(candidates.to(likeness.device), likeness.abs(), -1.0).argmax())
    if options.solver.normalisation == "minmax":  # labels were in [0, 1] all the time: their sign is settled
        return chosen, vectors[chosen]
    return chosen, vectors[chosen] if likeness[chosen] >= 0 else -vectors[chosen]


def _likeness(vector: Tensor, salient: Tensor) -> Tensor:
    """Correlation of a vector (m, h, w) with a map of mean 0 in each frame, up to the map's length."""
    centred = vector - vector.mean(dim=(1, 2), keepdim=True)
    return (centred * salient).sum() / centred.norm().clamp_min(1e-30)
