"""Iterative knowledge exchange (Algorithm 1): graph and network teach each other in cycles, without a label.

In each cycle the graph finds the main object by motion and by what the last cycle knew; its soft masks x are what the
network is trained on, from scratch; what the network then sees in single frames, s, comes back to the graph as a node
feature. The graph has the last word, since it alone sees time: three cycles are three graphs, and two networks between.

Without a network (Table 3, 'w/o Network') the graph's own masks come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base import check
from ikebook.base.arrays import Array, chunks
from ikebook.base.compute import Compute
from ikebook.base.progress import Progress, silent
from ikebook.flow import Flow, known_flow
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions
from ikebook.graph.result import GraphResult
from ikebook.matrix.features import Cue, checked_cues
from ikebook.networks.training import Training, TrainOptions, fingerprint, planned_steps, train
from ikebook.networks.unet import NetworkOptions, predict
from ikebook.video.clip import Clip, as_clip
from ikebook.video.edges import EdgeOptions, logistic, snap
from ikebook.video.metrics import region_similarity


@dataclass(frozen=True, kw_only=True)
class CycleOptions:
    """Everything that knowledge exchange can be told.

    Parameters
    ----------
    cycles : int, default 3
        Graphs, at most; between them a network is trained.
    graph : GraphOptions, default `GraphOptions()`
        Of the first cycle's graph. Later ones differ in what `keep_saliency` and `cue_window` say.
    network : NetworkOptions or None, default `NetworkOptions()`
        None: there is no network, and the graph's own masks come back (Table 3, "w/o Network").
    training : TrainOptions, default `TrainOptions()`
        How the network is trained.
    graph_cue : bool, default True
        The graph's own masks come back beside the network's predictions (Sec. 8.1).
    keep_saliency : bool, default False
        The motion saliency stays among the features after the first cycle, whose masks hold it.
    cue_window : int, default 1
        Features of later cycles are taken from so many steps of the chain, each way: masks are surer than motion.
    edges : EdgeOptions or None, default `EdgeOptions()`
        How predictions are drawn to the frames' edges; ours, not the paper's. None: they are not.
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
    graph_cue: bool = True
    keep_saliency: bool = False
    cue_window: int = 1
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
        check.flag("CycleOptions.graph_cue", self.graph_cue)
        check.flag("CycleOptions.keep_saliency", self.keep_saliency)
        check.whole("CycleOptions.cue_window", self.cue_window, at_most=100)
        check.number("CycleOptions.tolerance", self.tolerance, at_least=0)

    def later_graph(self) -> GraphOptions:
        """The options of the graphs after the first."""
        return replace(
            self.graph,
            saliency=self.graph.saliency if self.keep_saliency else None,
            features=replace(self.graph.features, cue_window=self.cue_window),
        )

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
    options: CycleOptions | None = None,
    compute: Compute | None = None,
    checkpoints: Path | None = None,
    progress: Progress = silent,
    on_epoch: Callable[[int, Sequence[float]], None] = lambda cycle, losses: None,
) -> Iterator[CycleState]:
    """Algorithm 1, half a cycle at a time; the last state is the result, and it is a graph's (Secs. 5 and 8).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two. Its masks, if it has any, are for the states' scores only.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        Node features from outside, in the first cycle only (Sec. 7.3): from then on it is what was learned from them.
    feature_flow : Flow or str, optional
        A second flow, that node features come from too; see `ikebook.build`.
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
    return _exchange(clip, flow, second, cues, o, compute, partial(_train, checkpoints, progress, on_epoch))


def _exchange(
    clip: Clip,
    flow: Flow,
    feature_flow: Flow | None,
    cues: list[Cue],
    o: CycleOptions,
    compute: Compute,
    teach: Callable[[Clip, Array, int, CycleOptions, Compute], Training],
) -> Iterator[CycleState]:
    x: Array | None = None
    s: Array | None = None
    settled = False
    for cycle in range(1, o.cycles + 1):
        # From the second cycle on, what was learned says which eigenvector is the object: where it rests, nothing moves.
        result = segment(
            clip,
            flow,
            cues=cues,
            feature_flow=feature_flow,
            reference=s if s is not None else x,
            options=o.graph if cycle == 1 else o.later_graph(),
            compute=compute,
        )
        change = difference(x, result.soft)
        settled = settled or (change is not None and change < o.tolerance)
        x, threshold = result.soft, result.threshold
        reason = _reason_to_end(result, cycle, o, settled)
        yield _after_graph(clip, cycle, result, change, reason)
        if reason:
            return
        del result
        cues = [Cue(name="graph", maps=x)] if o.graph_cue or o.network is None else []
        if o.network is None:
            continue
        pseudo = (threshold_to_half(np.asarray(frame), threshold) for frame in x)
        training = teach(clip, compute.memory.array(pseudo, len(x)), cycle, o, compute)
        begin = time.perf_counter()
        drawn = _drawn_to_edges(clip.frames, predict(training.network, clip.frames), o.edges)
        predictions = compute.memory.array(drawn, len(clip))
        change = difference(s, predictions)
        settled = change is not None and change < o.tolerance
        s = predictions
        yield _after_network(clip, cycle, training, s, change, time.perf_counter() - begin)
        del training
        cues.insert(0, Cue(name="network", maps=s))


def _after_graph(clip: Clip, cycle: int, result: GraphResult, change: float | None, reason: str) -> CycleState:
    return CycleState(
        cycle=cycle,
        soft=result.soft,
        threshold=result.threshold,
        change=change,
        score=score(clip, result.soft, result.threshold),
        seconds=result.seconds,
        graph=result,
        last=bool(reason),
        reason=reason,
    )


def _after_network(
    clip: Clip, cycle: int, training: Training, soft: Array, change: float | None, seconds: float
) -> CycleState:
    return CycleState(
        cycle=cycle,
        soft=soft,
        threshold=0.5,
        change=change,
        score=score(clip, soft, 0.5),
        seconds={"train": training.seconds, "predict": seconds},
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
    )
    if training.stopped == "interrupt":
        raise KeyboardInterrupt
    return training


def _drawn_to_edges(
    frames: Array, predictions: Iterator[np.ndarray], edges: EdgeOptions | None
) -> Iterator[np.ndarray]:
    """Predictions (h, w), drawn to the edges of their frames (h, w, 3): the network sees coarsely."""
    for frame, prediction in zip(frames, predictions, strict=True):
        if edges is None or edges.smoothness == 0:
            yield prediction
        else:
            yield snap(np.asarray(frame), logistic(prediction, 0.5, edges), edges)


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
