"""The Graph Module (Sec. 4): a clip and its flow in, the main object's soft masks out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.machine import return_memory
from ikebook.base.tensors import extent
from ikebook.base.threads import on_cores
from ikebook.flow import Flow, known_flow
from ikebook.flow.fields import without_repeats
from ikebook.graph.choice import choose, choose_closest, reference_maps
from ikebook.graph.confidence import Confidence, confidence_of
from ikebook.graph.masks import BINS, area_counts, histogram, soft_masks, threshold_of_counts
from ikebook.graph.objects import embedding, label_objects, residual_cues
from ikebook.graph.presets import GraphOptions
from ikebook.graph.result import GraphResult
from ikebook.graph.saliency import Evidence
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue, FeatureMatrix, checked_cues
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.projection import Projection
from ikebook.solvers.methods import solve
from ikebook.solvers.pairs import Eigenpairs, SolverOptions
from ikebook.video.clip import Clip, as_clip
from ikebook.video.colours import lab_colours, lab_on_device
from ikebook.video.repeats import find_repeats


def build(
    clip: Clip,
    flow: Flow | str | None = None,
    *,
    cues: Sequence[Cue] = (),
    feature_flow: Flow | str | None = None,
    saliency: Tensor | Array | None = None,
    options: GraphOptions | None = None,
    compute: Compute | None = None,
) -> FeatureMotion:
    """The space-time graph's matrix A = PMP, implicit (Sec. 4.2).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it (see `ikebook.provider`). By default OpenCV's DIS.
    cues : sequence of Cue
        More node features, maps (m, h, w) each.
    feature_flow : Flow or str, optional
        A second flow of the clip: M comes from `flow` alone, F from both (Sec. 7.2, Table 1). The saliency is the mean of
        both flows'; displacements, where they are asked for, are collected along each flow's own chains.
    saliency : (m, h, w), optional
        The motion saliency, where it is known already, as `graph.saliency.Evidence` gives it under what earlier graphs have found.
    options : GraphOptions, optional
        A preset, or your own.
    compute : Compute, optional
        Device, dtype and memory. By default the CPU, float32, and as much memory as there is.

    Returns
    -------
    FeatureMotion
        A, n x n with n = m h w. `matrix.motion` is M, `matrix.projection` P, `matrix.features` F, and `matrix.saliency` the
        motion saliency (m, h, w) among the features, or None.

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other, or an argument is of another kind; one line says how to mend it.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> ikebook.build(made.clip, made.flow)
    FeatureMotion(1280 x 1280, float32)
    """
    clip, o, compute = _arguments(clip, options, compute)
    return _matrix(clip, _flows(clip, flow, feature_flow, compute), checked_cues(cues), o, compute, saliency)


def segment(
    clip: Clip,
    flow: Flow | str | None = None,
    *,
    cues: Sequence[Cue] = (),
    feature_flow: Flow | str | None = None,
    saliency: Tensor | Array | None = None,
    start: np.ndarray | Tensor | None = None,
    reference: Tensor | Array | None = None,
    init: np.ndarray | Tensor | None = None,
    objects: int = 1,
    options: GraphOptions | None = None,
    compute: Compute | None = None,
) -> GraphResult:
    """Find the main object: the leading eigenvector of A (Eq. 1), as soft masks and a threshold.

    The clip's masks, if it has any, are not looked at. Of frames that stand twice, A has one; see `ikebook.video.repeats`.

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it (see `ikebook.provider`). By default OpenCV's DIS,
        computed anew in each call: keep what `ikebook.compute_flow` gives, to segment a clip more than once.
    cues : sequence of Cue
        More node features, maps (m, h, w) each (Sec. 7.3).
    feature_flow : Flow or str, optional
        A second flow of the clip, for F alone; see `ikebook.build`.
    saliency : (m, h, w), optional
        The motion saliency, where it is known already; see `ikebook.build`.
    start : (m, h, w), optional
        x(0), labels or masks, for the solvers that need one, in place of that in the options.
    reference : (m, h, w), optional
        Maps that are large on the object: they settle which eigenvector it is, and its sign. By default the motion saliency,
        together with cues that are large on objects.
    init : (m, h, w), optional
        What somebody has drawn of the object, 0 elsewhere and in all other frames: the start, where a solver needs one, and of all
        leading eigenvectors the one that is closest to it is the object. The graph knows where pixels move then, and not just how
        far, as with more than one of the `objects`: its eigenvectors tell things apart that move apart.
    objects : int, default 1
        With more, what has been found is divided into so many things that move apart, by clusters in the leading eigenspace of a
        graph that knows where pixels move: `result.objects` says which pixel is of which. See `ikebook.graph.objects`.
    options : GraphOptions, optional
        A preset, or your own.
    compute : Compute, optional
        Device, dtype and memory. By default the CPU, float32, and as much memory as there is.

    Returns
    -------
    GraphResult
        `masks` (m, h, w) bool, `soft` (m, h, w) in [0, 1], eigenpairs, and all else.

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other, or an argument is of another kind; one line says how to mend it.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> ikebook.segment(made.clip, made.flow).masks.shape
    (5, 16, 16)
    """
    clip, o, compute = _arguments(clip, options, compute)
    cues = checked_cues(cues)
    check.whole("objects", objects, at_least=1, at_most=255)
    begin = time.perf_counter()
    flows = _flows(clip, flow, feature_flow, compute)
    computing = {} if isinstance(flow, Flow) else {"flow": time.perf_counter() - begin}
    if reference is not None:
        check.shape("reference", reference, (len(clip), clip.size[1], clip.size[0]))
        check.finite("reference", torch.tensor(extent(reference)))
    if init is not None:
        check.shape("init", init, (len(clip), clip.size[1], clip.size[0]))
    repeats = find_repeats(clip.frames)
    if repeats is None:
        result = _segment(clip, flows, cues, saliency, start, reference, init, objects, o, compute)
        return replace(result, seconds=computing | result.seconds)
    memory = compute.memory

    def picked(values: Any) -> Any:
        return None if values is None else repeats.pick(values, memory)

    result = _segment(
        repeats.clip(clip),
        [without_repeats(one, repeats, memory) for one in flows],
        [replace(cue, maps=picked(cue.maps)) for cue in cues],
        picked(saliency),
        picked(start),
        picked(reference),
        None if init is None else repeats.greatest(init),
        objects,
        o,
        compute,
    )
    result = result.spread(repeats, memory)
    return replace(result, seconds=computing | result.seconds, warnings=[repeats.note, *result.warnings])


def _segment(
    clip: Clip,
    flows: Sequence[Flow],
    cues: Sequence[Cue],
    saliency: Tensor | Array | None,
    start: np.ndarray | Tensor | None,
    reference: Tensor | Array | None,
    init: np.ndarray | Tensor | None,
    objects: int,
    o: GraphOptions,
    compute: Compute,
) -> GraphResult:
    """`segment`, of a clip whose frames all differ, and flows."""
    known = time.perf_counter()
    if (init is not None or isinstance(o.masks.object, int)) and o.features.displacements == "none":
        # Whoever means one of several things needs eigenvectors that tell them apart, by where they move.
        cues = [*cues, *residual_cues(flows[0], compute)]
    matrix = _matrix(clip, flows, cues, o, compute, saliency)
    built = time.perf_counter()
    if init is not None:
        start = init if start is None else start
    pairs = solve(matrix, o.solver, start=start)
    solved = time.perf_counter()
    chosen, sign = 0, 1
    if len(pairs.values):
        if init is not None:
            chosen, sign = choose_closest(pairs, init)
        elif reference is None:
            chosen, sign = choose(pairs, reference_maps(clip, flows, matrix.saliency, cues, compute), o)
        else:
            chosen, sign = choose(pairs, reference, o)
    soft, counts = _soft(clip, _labels(pairs, chosen, sign), o, compute)
    matrix.motion.forget()
    return_memory(matrix.motion.row_bytes)
    threshold = threshold_of_counts(counts) if o.masks.threshold == "stable" else float(o.masks.threshold)
    confidence = confidence_of(soft, threshold, pairs, chosen, flows[0], counts)
    seconds = {"features": built - known, "solve": solved - built, "masks": time.perf_counter() - solved}
    return GraphResult(
        soft=soft,
        threshold=threshold,
        pairs=pairs,
        chosen=chosen,
        sign=sign,
        saliency=matrix.saliency,
        seconds=seconds,
        warnings=_warnings(matrix, pairs, chosen, confidence, _reference_name(cues, reference, init, o)),
        matrix=matrix,
        confidence=confidence,
        objects=None
        if objects == 1
        else _divided(clip, flows, cues, o, compute, matrix.saliency, np.asarray(soft) > threshold, objects),
    )


def _arguments(clip: Clip, options: GraphOptions | None, compute: Compute | None) -> tuple[Clip, GraphOptions, Compute]:
    """What all entrances have in common, checked, with defaults."""
    return (
        as_clip(clip),
        check.or_default("options", options, GraphOptions, "such as ikebook.preset('paper')"),
        check.or_default("compute", compute, Compute, "such as ikebook.Compute(dtype=torch.float64)"),
    )


def _flows(clip: Clip, flow: Flow | str | None, feature_flow: Flow | str | None, compute: Compute) -> list[Flow]:
    """The flow of M, and a second one of F if there is one."""
    flows = [known_flow(clip, flow, memory=compute.memory)]
    if feature_flow is not None:
        flows.append(known_flow(clip, feature_flow, "feature_flow", memory=compute.memory))
    return flows


def _matrix(
    clip: Clip,
    flows: Sequence[Flow],
    cues: Sequence[Cue],
    options: GraphOptions,
    compute: Compute,
    saliency: Tensor | Array | None = None,
) -> FeatureMotion:
    """A, and the motion saliency with it."""
    if options.saliency is None:
        require(saliency is None, "saliency is given, but the options have none; leave it out, or give it as a cue.")
    else:
        if saliency is None:
            saliency = Evidence(clip.frames, flows, options.saliency, compute=compute).saliency()
        cues = [Cue(name="saliency", maps=saliency), *cues]
    own = flows if options.features.displacements != "none" else flows[:1]
    chains = [MotionChains(one, options.chains, compute=compute) for one in own]
    colours = None
    if options.motion.colour is not None:
        colours = (
            lab_colours(clip.frames)
            if compute.device.type == "cpu"
            else compute.memory.tensor(lab_on_device(clip.frames, compute.device, compute.dtype), len(clip))
        )
    motion = MotionMatrix(chains[0], options.motion, colours)
    features = FeatureMatrix(chains[0], options.features, cues, further=chains[1:], motion=motion)
    return FeatureMotion(motion, Projection(features, options.projection), saliency=saliency)


def _divided(
    clip: Clip,
    flows: Sequence[Flow],
    cues: Sequence[Cue],
    o: GraphOptions,
    compute: Compute,
    saliency: Tensor | Array | None,
    masks: np.ndarray,
    count: int,
) -> np.ndarray:
    """Which of several objects each pixel of the masks is of, (m, h, w) uint8; 0 elsewhere."""
    # By motion alone: two things of different colours may well be one, and edges that know colour would cut it.
    o = replace(o, motion=replace(o.motion, colour=None))
    matrix = _matrix(clip, flows, [*cues, *residual_cues(flows[0], compute)], o, compute, saliency)
    pairs = solve(matrix, SolverOptions(pairs=count, measure=False))
    return label_objects(embedding(pairs), masks, count) if len(pairs.values) else np.zeros(masks.shape, np.uint8)


def _labels(pairs: Eigenpairs, chosen: int, sign: int) -> Iterator[Tensor]:
    """The labels of the object's eigenvector, a few frames (b, h, w) after the other; none where there is no vector."""
    if len(pairs.values):
        yield from (sign * labels[0] for labels in pairs.volumes.frames([chosen]))


def _soft(clip: Clip, labels: Iterable[Tensor], options: GraphOptions, compute: Compute) -> tuple[Array, Tensor]:
    """Labels as soft masks, empty ones where there are none; and how many pixels have which value, as `area_counts` tells."""
    counts = torch.zeros(BINS, dtype=torch.float64, device=compute.device)

    def find(part: Tensor) -> tuple[Tensor, Tensor]:
        soft = soft_masks(part, options.masks).float()
        return soft.cpu(), histogram(soft)

    def parts() -> Iterator[Tensor]:
        for soft, seen in on_cores(find, labels, compute):
            counts.add_(seen)
            yield soft

    masks = (mask for part in parts() for mask in part.numpy())
    first = next(masks, None)
    if first is None:
        first = np.zeros((clip.size[1], clip.size[0]), np.float32)
        found = compute.memory.array(itertools.repeat(first, len(clip)), len(clip))
        return found, area_counts(found)
    found = compute.memory.array(itertools.chain([first], masks), len(clip))
    return found, counts.cpu()


def _reference_name(
    cues: Sequence[Cue], reference: Tensor | Array | None, init: np.ndarray | Tensor | None, options: GraphOptions
) -> str:
    """What the eigenvector was chosen by, for a sentence; "" where the user has named it."""
    if init is not None:
        return "what was drawn"
    if isinstance(options.masks.object, int):
        return ""
    if reference is not None:
        return "what the last cycle found"
    return "the motion saliency and the cues" if any(cue.on_object for cue in cues) else "the motion saliency"


def _warnings(
    matrix: FeatureMotion, pairs: Eigenpairs, chosen: int, confidence: Confidence, reference: str
) -> list[str]:
    """What a user should know of the eigenvector, one sentence each."""
    if len(pairs.values) == 0:
        return [f"{_why_there_is_none(matrix, pairs)} The masks are empty."]
    found = pairs.complaints()
    if chosen != 0 and reference:
        found.append(f"Eigenvector {chosen + 1}, not the principal one, is closest to {reference}.")
    if confidence.sentence is not None:
        found.append(confidence.sentence)
    return found


def _why_there_is_none(matrix: FeatureMotion, pairs: Eigenpairs) -> str:
    """Why there is no eigenvector, in one sentence."""
    least, greatest = pairs.ends
    if least < 0 and greatest <= 0:
        return (
            f"A has no positive eigenvalue, its least is {least:.4g}: x'Ax is largest, 0, for labels that have nothing in common "
            "with the features."
        )
    ones = torch.ones(matrix.shape[0], dtype=matrix.dtype, device=matrix.device)
    if not bool(matrix.motion.matvec(ones).any()):
        return "No motion chain joins two pixels: the flow leads out of the frame everywhere, or edges have no weight."
    if _are_constant(matrix.features):
        return "Nothing moves against the scene: all features are constant, and there is no eigenvector."
    return "There is no eigenvector: the start is 0, or has nothing in common with the features."


def _are_constant(features: FeatureMatrix) -> bool:
    """Whether each column has one value in each frame."""
    values = (features.chains.grid.crop(block.mT).flatten(2) for _, block in features.blocks())  # each (b, d, h*w)
    return not any(bool((each.amax(-1) > each.amin(-1)).any()) for each in values)
