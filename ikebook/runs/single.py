"""One clip from its frames to its masks: what `ikebook segment`, `demo` and `evaluate` have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ikebook.base import check
from ikebook.base.check import require, short
from ikebook.base.compute import Compute
from ikebook.base.files import plain
from ikebook.base.progress import Progress, silent
from ikebook.cycle import CycleState, exchange
from ikebook.datasets.protocol import SequenceScores
from ikebook.flow import Flow, FlowCache, FlowProvider, compute_flow
from ikebook.flow.fields import without_repeats
from ikebook.flow.quality import FlowQuality, measure_quality
from ikebook.graph.result import GraphResult
from ikebook.matrix.features import Cue
from ikebook.networks.pretrained import find_cues, is_network
from ikebook.runs.drawn import read_drawn
from ikebook.runs.options import RunOptions
from ikebook.runs.results import HalfCycle
from ikebook.video.clip import Clip, as_clip
from ikebook.video.repeats import find_repeats


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What a run has found.

    Parameters
    ----------
    result : GraphResult
        The last graph's.
    flow : Flow
        That it used.
    seconds : dict
        Time spent in each stage.
    history : list of HalfCycle
        What each half of a cycle reports, in their order.
    flow_quality : dict
        By role ("flow", "feature flow"), how far flow may be believed.
    """

    result: GraphResult
    flow: Flow
    seconds: dict[str, float]
    history: list[HalfCycle]
    flow_quality: dict[str, FlowQuality] = field(default_factory=dict)


def run(
    clip: Clip,
    flow: FlowProvider | None = None,
    *,
    options: RunOptions | None = None,
    compute: Compute | None = None,
    checkpoints: Path | None = None,
    progress: Progress = silent,
    observe: Callable[[CycleState], SequenceScores] = lambda _: {},
) -> Outcome:
    """Flow, cues and graph of a clip at its working size, and as many cycles as the options say (Algorithm 1).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two. Its masks, if it has any, are not looked at.
    flow : FlowProvider, optional
        Who computes the flow, where `options.provider()` has been called before, say, to see whether it can be.
    options : RunOptions, optional
        Flow, cues, cycles and all else; by default OpenCV's DIS and the graph alone.
    compute : Compute, optional
        Device, dtype and memory; by default the options' device, and as much memory as there is.
    checkpoints : Path, optional
        Folder for trainings that have begun, which a second run with the same input goes on from.
    progress : Progress, optional
        Shows how far it is.
    observe : callable, optional
        Sees each half of a cycle; the scores that it returns are added to the history.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other; one line says how to mend it.
    KeyboardInterrupt
        If it is stopped. The checkpoint of a training is there, if `checkpoints` is given.

    Examples
    --------
    >>> import ikebook
    >>> outcome = run(ikebook.toy("disc").clip, options=RunOptions(cache=False))
    >>> outcome.result.masks.shape
    (5, 16, 16)
    """
    clip = as_clip(clip)
    options = check.or_default("options", options, RunOptions)
    compute = compute or Compute(device=options.torch_device())
    require(len(clip) >= 2, f"clip {clip.name!r} has {len(clip)} frame; motion needs two or more. Give a longer video.")
    drawn = None if options.init is None else read_drawn(options.init, clip)
    begin = time.perf_counter()
    cues = _cues(clip, options, compute, progress)
    seconds = {"cues": time.perf_counter() - begin} if cues else {}
    begin = time.perf_counter()
    flows = _flows(clip, options.provider() if flow is None else flow, options, compute, progress)
    repeats = find_repeats(clip.frames)
    quality = {
        role: measure_quality(one if repeats is None else without_repeats(one, repeats, compute.memory))
        for role, one in flows.items()
    }
    seconds["flow"] = time.perf_counter() - begin
    history: list[HalfCycle] = []
    result: GraphResult | None = None
    for state in exchange(
        clip,
        flows["flow"],
        cues=cues,
        feature_flow=flows.get("feature flow"),
        init=drawn,
        options=options.cycle,
        compute=compute,
        checkpoints=checkpoints,
        progress=progress,
    ):
        history.append(_half_cycle(state, observe(state)))
        for stage, spent in state.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
        if state.last:
            result = state.graph
        del state  # a graph that nobody asks any more must not take the next one's memory
    assert result is not None
    return Outcome(result=result, flow=flows["flow"], seconds=seconds, history=history, flow_quality=quality)


def _cues(clip: Clip, options: RunOptions, compute: Compute, progress: Progress) -> list[Cue]:
    """What the options' cues say of a clip."""
    cues: list[Cue] = []
    for name in options.cues:
        steps = progress(f"cue {name}", len(clip)) if is_network(name) else None
        cues += find_cues(name, clip, half=options.half, cache=options.cache, compute=compute, progress=steps)
    return cues


def _flows(
    clip: Clip, provider: FlowProvider, options: RunOptions, compute: Compute, progress: Progress
) -> dict[str, Flow]:
    """The clip's flow, and the second one if there is one, by role."""
    require(
        hasattr(provider, "pairs"),
        f"flow is {short(provider)}; expected who computes it, as options.provider() gives it. A flow of your own goes to "
        "ikebook.segment or ikebook.exchange, or lies in a folder that RunOptions.flow names.",
    )
    cache = FlowCache() if options.cache else None
    flows: dict[str, Flow] = {}
    for role, source in (("flow", provider), ("feature flow", options.feature_provider())):
        if source is not None:
            steps = progress(role, len(clip) - 1)
            flows[role] = compute_flow(clip, source, cache=cache, progress=steps, memory=compute.memory)
    return flows


def _half_cycle(state: CycleState, scores: SequenceScores) -> HalfCycle:
    """Half a cycle as plain values, for a summary."""
    half: HalfCycle = {
        "cycle": state.cycle,
        "module": "network" if state.graph is None else "graph",
        "change": state.change,
        "object_share": float(np.mean([(np.asarray(soft) > state.threshold).mean() for soft in state.soft])),
        "seconds": {stage: round(spent, 3) for stage, spent in state.seconds.items()},
    }
    if state.graph is not None:
        half["threshold"] = state.threshold
        half["eigenvalues"] = [float(value) for value in state.graph.pairs.values]
        half["eigenvalue_ratio"] = state.graph.eigengap[1] if state.graph.eigengap else None
        half["warnings"] = state.graph.warnings
    if state.training is not None:
        half["losses"], half["stopped"], half["warnings"] = [*state.training.losses], state.training.stopped, []
        if state.training.stopped == "nan":
            half["warnings"] = ["The network's loss became NaN; the weights from before are used. Lower training.rate."]
    known: HalfCycle = plain({**half, **scores})
    return known
