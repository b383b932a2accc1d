"""Algorithm 1: knowledge goes back and forth between the graph and a network (Secs. 5 and 8).

A cycle's graph finds soft masks x from motion, time and what is known. Drawn to the frames' edges they become knowledge, and what
a network that is trained on them, from scratch, sees in single frames, s, does too: K, a running mean of all that was found, of
which a quarter is the network's word. The evidence of the next graph is estimated under K (`graph.saliency`): how the object moves and what colours it has is taken from
where it was found, and no longer from the frame's middle. The graph has the last word, since it alone sees time: three cycles are
three graphs, and two networks between.

The paper gives s back as a node feature of its own. That is still done where the graph has no saliency (the presets "paper" and
"released"). Beside a saliency it harms: of two features that are equally consistent along the chains, the leading eigenvector
takes their difference as readily as their sum (lambda2/lambda1 is 0.85 to 0.94 then, and 0.26 without).

Without a network (Table 3, 'w/o Network') K is made of the graph's own masks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base import check
from ikebook.base.arrays import Array, Memory
from ikebook.base.compute import Compute
from ikebook.base.progress import Progress, silent
from ikebook.base.tensors import chunks
from ikebook.flow import Flow, known_flow
from ikebook.flow.fields import without_repeats
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions
from ikebook.graph.result import GraphResult
from ikebook.graph.saliency import Evidence
from ikebook.matrix.features import Cue, checked_cues
from ikebook.networks.training import Training, TrainOptions, fingerprint, planned_steps, train
from ikebook.networks.unet import NetworkOptions, UNet, predict
from ikebook.video.clip import Clip, as_clip
from ikebook.video.edges import EdgeOptions, logistic, snap
from ikebook.video.metrics import region_similarity
from ikebook.video.repeats import Repeats, find_repeats

NETWORK_SHARE = 0.25
"""The network's part of K. It learned what it knows from the graph, smoke and shadow with it: a larger part gains no more than
chance, and harms where that was wrong (docs/accuracy.md)."""


@dataclass(frozen=True, kw_only=True)
class CycleOptions:
    """Everything that knowledge exchange can be told.

    Parameters
    ----------
    cycles : int, default 3
        Graphs, at most; between them a network is trained.
    graph : GraphOptions, default `GraphOptions()`
        Of all graphs.
    network : NetworkOptions or None, default `NetworkOptions()`
        None: there is no network, and only the graph's own masks come back (Table 3, "w/o Network").
    training : TrainOptions, default `TrainOptions()`
        How the network is trained.
    edges : EdgeOptions or None, default `EdgeOptions()`
        How masks and predictions are drawn to the frames' edges before they become knowledge; ours, not the paper's. None: they
        are not.
    tolerance : float, default 0.02
        Change of x, or of s, below which there is no further cycle.

    Examples
    --------
    >>> CycleOptions(cycles=2, network=None).cycles
    2
    """

    cycles: int = 3
    graph: GraphOptions = field(default_factory=GraphOptions)
    network: NetworkOptions | None = field(default_factory=NetworkOptions)
    training: TrainOptions = field(default_factory=TrainOptions)
    edges: EdgeOptions | None = field(default_factory=EdgeOptions)
    tolerance: float = 0.02

    def __post_init__(self) -> None:
        check.whole("CycleOptions.cycles", self.cycles, at_least=1)
        for name, kind, may_be_none in (
            ("graph", GraphOptions, False),
            ("network", NetworkOptions, True),
            ("training", TrainOptions, False),
            ("edges", EdgeOptions, True),
        ):
            value = getattr(self, name)
            if not (may_be_none and value is None):
                check.instance(f"CycleOptions.{name}", value, kind)
        check.number("CycleOptions.tolerance", self.tolerance, at_least=0)

    def as_dict(self) -> dict[str, Any]:
        """All options as plain values, for a summary."""
        return asdict(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class CycleState:
    """Half a cycle: what the graph, or the network, has found.

    Parameters
    ----------
    cycle : int
        From 1.
    soft : (m, h, w) float32
        x, the graph's soft masks, or s, the network's predictions, in [0, 1]; above `threshold` is object.
    threshold : float
    change : float, optional
        |soft - before| / |soft|, where `before` is the same module's of the last cycle; None in the first.
    known : (m, h, w) float32, optional
        K, how far each pixel is known to belong to the object after this half, in [0, 1]; None where nothing comes after it, or
        where the graph has no saliency to be estimated under it.
    score : float, optional
        Mean J at the working size, where the clip has masks; nothing depends on it.
    seconds : dict
        Time spent in each stage.
    graph : GraphResult, optional
        After a graph: eigenvalues, warnings and all else.
    training : Training, optional
        After a network: losses, and the network itself.
    last : bool
        Whether nothing comes after it.
    reason : str
        Of the last: "cycles" (all were done), "change" (x or s hardly changed any more), or "nothing" (there is no object:
        a network would make one up).
    """

    cycle: int
    soft: Array
    threshold: float
    change: float | None
    score: float | None
    seconds: dict[str, float]
    known: Array | None = None
    graph: GraphResult | None = None
    training: Training | None = None
    last: bool = False
    reason: str = ""

    def __repr__(self) -> str:
        m, h, w = self.soft.shape
        parts = [f"cycle {self.cycle}", self.module, f"{m} frames of {w}x{h}"]
        parts += [] if self.change is None else [f"change {self.change:.3f}"]
        parts += [] if self.score is None else [f"J {100 * self.score:.1f}%"]
        parts += [f"the last: {self.reason!r}"] if self.last else []
        return f"CycleState({', '.join(parts)})"

    @property
    def module(self) -> str:
        """Whose half it is: `graph` or `network`."""
        return "graph" if self.graph is not None else "network"


def exchange(
    clip: Clip,
    flow: Flow | str | None = None,
    *,
    cues: Sequence[Cue] = (),
    feature_flow: Flow | str | None = None,
    init: np.ndarray | None = None,
    options: CycleOptions | None = None,
    compute: Compute | None = None,
    checkpoints: Path | None = None,
    progress: Progress = silent,
    on_epoch: Callable[[int, Sequence[float]], None] = lambda cycle, losses: None,
    on_network: Callable[[int, UNet], None] = lambda cycle, network: None,
) -> Iterator[CycleState]:
    """Algorithm 1, half a cycle at a time; the last state is the result, and it is a graph's (Secs. 5 and 8).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two. Its masks, if it has any, are for the states' scores only.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        Node features from outside, in the first cycle only (Sec. 7.3): from then on it is what was learned from them that counts.
    feature_flow : Flow or str, optional
        A second flow, that node features come from too; see `ikebook.build`.
    init : (m, h, w), optional
        What somebody has drawn of the object, for the first graph; see `ikebook.segment`.
    options : CycleOptions, optional
        Of the cycles; those of the graph are within them.
    compute : Compute, optional
        Device, dtype of the graph, and memory. By default the CPU, float32, and as much memory as there is.
    checkpoints : Path, optional
        Folder for trainings that have begun, which a second run with the same input goes on from.
    progress : Progress, optional
        Shows how far a training is; it may wait, or raise to end everything (see `ikebook.networks.training`).
    on_epoch : callable, optional
        Is told the cycle and the mean losses of its training so far, after each epoch.
    on_network : callable, optional
        Is given the cycle and its network as it is after each epoch.

    Yields
    ------
    CycleState
        Graph, network, graph, network, ..., graph.

    Raises
    ------
    InputError
        At once, if an argument is of another kind or does not fit the others; one line says how to mend it.
    KeyboardInterrupt
        If a training is interrupted. Its checkpoint is there, if `checkpoints` is given.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> halves = ikebook.exchange(made.clip, made.flow, options=CycleOptions(cycles=2, network=None, tolerance=0))
    >>> [(state.cycle, state.module) for state in halves]
    [(1, 'graph'), (2, 'graph')]
    """
    clip, cues = as_clip(clip), checked_cues(cues)
    o = check.or_default("options", options, CycleOptions, "such as CycleOptions(graph=...) with options of the graph")
    compute = check.or_default("compute", compute, Compute)
    flow = known_flow(clip, flow, memory=compute.memory)
    second = None if feature_flow is None else known_flow(clip, feature_flow, "feature_flow", memory=compute.memory)
    if init is not None:
        check.shape("init", init, (len(clip), clip.size[1], clip.size[0]))
    teach = partial(_train, checkpoints, progress, on_epoch, on_network)
    repeats = find_repeats(clip.frames)
    if repeats is None:
        return _exchange(clip, flow, second, cues, init, o, compute, teach)
    memory = compute.memory
    states = _exchange(
        repeats.clip(clip),
        without_repeats(flow, repeats, memory),
        None if second is None else without_repeats(second, repeats, memory),
        [replace(cue, maps=repeats.pick(cue.maps, memory)) for cue in cues],
        None if init is None else repeats.greatest(init),
        o,
        compute,
        teach,
    )
    return (_spread(clip, state, repeats, memory) for state in states)


def _spread(clip: Clip, state: CycleState, repeats: Repeats, memory: Memory) -> CycleState:
    """A state of the frames that differ, for all frames."""
    graph = state.graph
    if graph is not None:
        graph = replace(graph.spread(repeats, memory), warnings=[repeats.note, *graph.warnings])
    soft = repeats.spread(state.soft, memory)
    return replace(
        state,
        soft=soft,
        known=None if state.known is None else repeats.spread(state.known, memory),
        score=score(clip, soft, state.threshold),
        graph=graph,
    )


def _exchange(
    clip: Clip,
    flow: Flow,
    feature_flow: Flow | None,
    cues: list[Cue],
    init: np.ndarray | None,
    o: CycleOptions,
    compute: Compute,
    teach: Callable[[Clip, Array, int, CycleOptions, Compute], Training],
) -> Iterator[CycleState]:
    begin = time.perf_counter()
    evidence = _evidence(clip, flow, feature_flow, o.graph, compute)
    has_evidence = evidence is not None
    x: Array | None = None
    s: Array | None = None
    known: Array | None = None
    settled = False
    for cycle in range(1, o.cycles + 1):
        saliency = None if evidence is None else evidence.saliency(known)
        if cycle == o.cycles:
            evidence = None  # nobody asks again, and it is as large as the flow
        estimating = time.perf_counter() - begin
        # From the second cycle on, what was learned says which eigenvector is the object: where it rests, nothing moves.
        result = segment(
            clip,
            flow,
            cues=cues,
            feature_flow=feature_flow,
            saliency=saliency,
            reference=known if known is not None else s if s is not None else x,
            init=init if cycle == 1 else None,
            options=o.graph if cycle == 1 else _by_what_is_known(o.graph),
            compute=compute,
        )
        seconds = result.seconds | {"features": result.seconds["features"] + estimating}
        change = difference(x, result.soft)
        settled = settled or (change is not None and change < o.tolerance)
        x, threshold = result.soft, result.threshold
        reason = _reason_to_end(result, cycle, o, settled)
        if has_evidence and not reason:
            begin = time.perf_counter()
            known = _mean(known, _drawn(clip, x, threshold, o.edges), 1 / cycle, len(clip), compute)
            seconds["edges"] = time.perf_counter() - begin
        yield _after_graph(clip, cycle, result, change, reason, None if reason else known, seconds)
        if reason:
            return
        del result, saliency
        begin = time.perf_counter()
        cues = [] if has_evidence else [Cue(name="graph", maps=x)]
        if o.network is None:
            continue
        pseudo = (threshold_to_half(np.asarray(frame), threshold) for frame in x)
        training = teach(clip, compute.memory.array(pseudo, len(x)), cycle, o, compute)
        begin = time.perf_counter()
        predicted = predict(training.network, clip.frames)
        predictions = compute.memory.array(_drawn(clip, predicted, 0.5, o.edges), len(clip))
        if has_evidence:
            known = _mean(known, predictions, NETWORK_SHARE, len(clip), compute)
        change = difference(s, predictions)
        settled = change is not None and change < o.tolerance
        s = predictions
        yield _after_network(clip, cycle, training, s, change, known, time.perf_counter() - begin)
        del training
        begin = time.perf_counter()
        if not has_evidence:
            cues.insert(0, Cue(name="network", maps=s))


def _by_what_is_known(options: GraphOptions) -> GraphOptions:
    """Options of a later graph: the number of an eigenvector is that of the first one's."""
    if isinstance(options.masks.object, str):
        return options
    return replace(options, masks=replace(options.masks, object="salient"))


def _evidence(
    clip: Clip, flow: Flow, feature_flow: Flow | None, options: GraphOptions, compute: Compute
) -> Evidence | None:
    """What motion and colour say of the object, where the graph has a saliency; it serves all cycles."""
    if options.saliency is None:
        return None
    flows = [flow] if feature_flow is None else [flow, feature_flow]
    return Evidence(clip.frames, flows, options.saliency, compute=compute)


def _mean(known: Array | None, found: Iterable[np.ndarray], share: float, count: int, compute: Compute) -> Array:
    """What is known, with a share of what has been found now, (m, h, w) float32, frame by frame."""
    if known is None:
        return compute.memory.array(found, count)
    both = zip(known, found, strict=True)
    return compute.memory.array((old + np.float32(share) * (new - old) for old, new in both), count)


def _after_graph(
    clip: Clip,
    cycle: int,
    result: GraphResult,
    change: float | None,
    reason: str,
    known: Array | None,
    seconds: dict[str, float],
) -> CycleState:
    return CycleState(
        cycle=cycle,
        soft=result.soft,
        threshold=result.threshold,
        change=change,
        score=score(clip, result.soft, result.threshold),
        seconds=seconds,
        known=known,
        graph=result,
        last=bool(reason),
        reason=reason,
    )


def _after_network(
    clip: Clip,
    cycle: int,
    training: Training,
    soft: Array,
    change: float | None,
    known: Array | None,
    seconds: float,
) -> CycleState:
    return CycleState(
        cycle=cycle,
        soft=soft,
        threshold=0.5,
        change=change,
        score=score(clip, soft, 0.5),
        seconds={"train": training.seconds, "predict": seconds},
        known=known,
        training=training,
    )


def _reason_to_end(result: GraphResult, cycle: int, options: CycleOptions, settled: bool) -> str:
    """Why nothing comes after this graph, as `CycleState.reason` says; "" if something does."""
    nothing = len(result.pairs.values) == 0 or not any(
        (np.asarray(frame) > result.threshold).any() for frame in result.soft
    )
    if nothing:
        return "nothing"
    return "change" if settled else "cycles" if cycle == options.cycles else ""


def _train(
    checkpoints: Path | None,
    progress: Progress,
    on_epoch: Callable[[int, Sequence[float]], None],
    on_network: Callable[[int, UNet], None],
    clip: Clip,
    pseudo: Array,
    cycle: int,
    o: CycleOptions,
    compute: Compute,
) -> Training:
    """A network trained from scratch on soft masks (m, h, w) (Eq. 3)."""
    assert o.network is not None
    file = None
    if checkpoints is not None:
        file = checkpoints / f"{fingerprint(clip.frames, pseudo, o.network, o.training)[:32]}.pt"
    training = train(
        clip.frames,
        pseudo,
        o.network,
        o.training,
        device=compute.device,
        checkpoint=file,
        progress=progress(f"network {cycle}", planned_steps(len(clip), o.training)),
        on_epoch=partial(on_epoch, cycle),
        on_network=partial(on_network, cycle),
    )
    if training.stopped == "interrupt":
        raise KeyboardInterrupt
    return training


def _drawn(clip: Clip, soft: Iterable[np.ndarray], threshold: float, edges: EdgeOptions | None) -> Iterator[np.ndarray]:
    """How probably each pixel of soft masks (h, w) is object, drawn to the edges of their frames (h, w, 3); above 0.5 is object."""
    for frame, one in zip(clip.frames, soft, strict=True):
        if edges is None or edges.smoothness == 0:
            yield threshold_to_half(np.asarray(one), threshold)
        else:
            yield snap(np.asarray(frame), logistic(np.asarray(one), threshold, edges), edges)


def threshold_to_half(soft: np.ndarray, threshold: float) -> np.ndarray:
    """Soft masks stretched, piecewise linearly, so that `threshold` comes to lie at 0.5. Same shape, float32."""
    low, high = max(threshold, 1e-6), max(1 - threshold, 1e-6)
    stretched = np.where(soft <= threshold, 0.5 * soft / low, 1 - 0.5 * (1 - soft) / high).astype(np.float32)
    return np.where(soft <= threshold, np.minimum(stretched, np.float32(0.5 - 2**-24)), stretched)  # at it: not object


def difference(before: Array | None, after: Array) -> float | None:
    """|after - before| / |after|, Euclidean, over the whole clip; None if there is nothing before."""
    if before is None:
        return None
    square = total = 0.0
    for old, new in zip(chunks(before), chunks(after), strict=True):
        square += float((new.double() - old.double()).square().sum())
        total += float(new.double().square().sum())
    return float(np.sqrt(square / total)) if total else float(square > 0)


def score(clip: Clip, soft: Array, threshold: float) -> float | None:
    """Mean J over all frames at the working size; None where the clip has no masks."""
    if clip.masks is None:
        return None
    return float(
        np.mean(
            [region_similarity(np.asarray(one) > threshold, mask) for one, mask in zip(soft, clip.masks, strict=True)]
        )
    )
