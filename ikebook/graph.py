"""The Graph Module (Sec. 4): a clip and its flow in, the main object's soft masks out."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, get_type_hints

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook import check
from ikebook.chains import ChainOptions, MotionChains
from ikebook.check import InputError, require
from ikebook.clip import Clip
from ikebook.eigen import (
    Eigenpairs,
    SolverOptions,
    exact,
    lanczos,
    power_iteration,
    reachable,
    residual_norms,
    start_labels,
)
from ikebook.feature_motion import FeatureMotion
from ikebook.features import Cue, FeatureMatrix, FeatureOptions, Projection, ProjectionOptions
from ikebook.flow.fields import Flow
from ikebook.motion import MotionMatrix, MotionOptions
from ikebook.saliency import SaliencyOptions, motion_saliency


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    object: str = (
        "salient"  # of the leading eigenvectors, the one closest to the motion saliency, or the "principal" one
    )
    map: str = "median"  # to [0, 1] in each frame: from its "median" to its `top` quantile, or from least to greatest
    # ("minmax")
    top: float = 0.995  # quantile of a frame's labels that becomes 1
    threshold: float | str = "stable"  # of the masks: a number, or where the masks' area over the clip changes least

    def __post_init__(self) -> None:
        check.one_of("MaskOptions.object", self.object, ["salient", "principal"])
        check.one_of("MaskOptions.map", self.map, ["median", "minmax"])
        check.number("MaskOptions.top", self.top, above=0.5)
        require(self.top <= 1, f"MaskOptions.top is {self.top}; expected 1 or less.")
        if self.threshold != "stable":
            check.number("MaskOptions.threshold", self.threshold, at_least=0)


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """Everything the Graph Module can be told, one group for each of its parts."""

    chains: ChainOptions = field(default_factory=ChainOptions)
    motion: MotionOptions = field(default_factory=MotionOptions)
    saliency: SaliencyOptions | None = field(default_factory=SaliencyOptions)  # None: not among the features
    # The saliency alone: beside it, displacements bring in the camera's motion (tests/experiments/ablation.py).
    features: FeatureOptions = field(default_factory=FeatureOptions)
    projection: ProjectionOptions = field(default_factory=ProjectionOptions)
    solver: SolverOptions = field(default_factory=SolverOptions)
    masks: MaskOptions = field(default_factory=MaskOptions)

    def as_dict(self) -> dict[str, Any]:
        """All options as plain values, for a summary."""
        return asdict(self)


PRESETS = {
    # Ours: the same graph, solved exactly, on a feature that knows the dominant motion.
    "default": GraphOptions(),
    # The paper as printed: each pair of joined nodes once, raw displacements, one P, L2, random start.
    "paper": GraphOptions(
        motion=MotionOptions(edges="union"),
        saliency=None,
        features=FeatureOptions(displacements=True, center="none"),
        solver=SolverOptions(method="power"),
        masks=MaskOptions(object="principal", map="minmax", threshold=0.5),
    ),
    # What the authors' program does, from a description of it: another M, one P for each frame, and a rule that is not
    # linear in place of the L2 norm.
    "released": GraphOptions(
        chains=ChainOptions(border="pass", links="corners"),
        motion=MotionOptions(self_loop=1.0),
        saliency=None,
        features=FeatureOptions(
            displacements=True, center="none", scale="minmax", bias=True, ends="hold", cue_window=1
        ),
        projection=ProjectionOptions(scope="frame", ridge=100.0),
        solver=SolverOptions(method="power", normalisation="minmax", iterations=20, start="same"),
        masks=MaskOptions(object="principal", map="minmax", threshold=0.5),
    ),
}
"""Named sets of options: `default` (ours), `paper` (as printed), `released` (as the authors' program runs)."""


def preset(name: str) -> GraphOptions:
    """The preset called `name`."""
    check.one_of("preset", name, PRESETS)
    return PRESETS[name]


def override(options: GraphOptions, *assignments: str) -> GraphOptions:
    """Options with some of them set from texts, as `--set` takes them: "motion.radius=10", "saliency=none".

    Options of one group are set at once, so that those that depend on each other may come in any order.

    >>> override(GraphOptions(), "motion.radius=10", "motion.sigma=3").motion
    MotionOptions(radius=10, sigma=3.0, edges='count', self_loop=0.0)
    """
    changes: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        group, _, name = path.partition(".")
        groups = [f.name for f in fields(options)]
        require(
            bool(equals) and group in groups,
            f"{assignment!r} sets no option; expected GROUP.OPTION=VALUE, where GROUP is one of {', '.join(groups)}.",
        )
        if path == "saliency":
            require(text == "none", f"{assignment!r}: only saliency=none switches a whole group, off.")
            options = replace(options, saliency=None)
            changes.pop(group, None)
            continue
        part = getattr(options, group)
        require(part is not None, f"{assignment!r} sets an option of {group}, which is switched off here.")
        names = [f.name for f in fields(part)]
        require(name in names, f"{assignment!r}: {group} has no option {name!r}; it has {', '.join(names)}.")
        changes.setdefault(group, {})[name] = _value(text, get_type_hints(type(part))[name], assignment)
    return replace(options, **{group: replace(getattr(options, group), **change) for group, change in changes.items()})


def _value(text: str, kind: Any, assignment: str) -> bool | float | str:
    """A text as a value of an option's type."""
    kinds = getattr(kind, "__args__", (kind,))
    if bool in kinds:
        require(text in ("true", "false"), f"{assignment!r}: expected true or false.")
        return text == "true"
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                continue
    require(str in kinds, f"{assignment!r}: expected a {'whole number' if int in kinds else 'number'}.")
    return text


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

        A has the eigenvalue 0 too, which no solver lists: it stands before the negative ones. None where there is no
        eigenvalue, or the solver has found but one that is not the only one.
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
        if start is None:
            labels = start_labels(
                o.solver.start, len(clip), clip.size, seed=o.solver.seed, width=o.solver.start_width, dtype=dtype
            )
        else:
            check.shape("start", start, (len(clip), clip.size[1], clip.size[0]))
            labels = torch.as_tensor(start).to(dtype).flatten()
        pairs = (power_iteration if o.solver.method == "power" else lanczos)(matrix, labels.to(device), o.solver)
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


def soft_masks(labels: Tensor, options: MaskOptions | None = None) -> Tensor:
    """Labels (m, h, w) to soft masks in [0, 1], frame by frame; a frame without contrast has an empty one."""
    o = options or MaskOptions()
    frames = labels.flatten(1)
    if o.map == "minmax":
        low, high = frames.amin(1, keepdim=True), frames.amax(1, keepdim=True)
    else:
        low = frames.median(1, keepdim=True).values
        high = frames.kthvalue(math.ceil(o.top * frames.shape[1]), dim=1, keepdim=True).values
    spread = torch.where(high > low, high - low, torch.full_like(high, torch.inf))
    return ((frames - low) / spread).clamp(0, 1).view_as(labels)


def stable_threshold(soft: Tensor) -> float:
    """The threshold around which the masks' area over the clip changes least, in proportion.

    The idea of maximally stable extremal regions (Matas et al., BMVC 2002, doi:10.5244/C.16.36), for a whole clip:
    the t between 0.2 and 0.85 for which area(t + 0.1) / area(t - 0.1) is greatest.
    """
    bins, reach = 200, 0.1
    counts = torch.histc(soft.float(), bins, 0.0, 1.0).cpu().double()
    area = counts.flip(0).cumsum(0).flip(0)  # area[k]: pixels with soft >= k / bins
    steps = round(reach * bins)
    candidates = torch.arange(round(0.2 * bins), round(0.85 * bins) + 1)
    ratios = (area[candidates + steps] + 1) / (area[candidates - steps] + 1)
    return float(candidates[int(ratios.argmax())]) / bins
