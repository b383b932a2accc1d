"""Iterative knowledge exchange (Algorithm 1): graph and network teach each other in cycles, without a label.

In each cycle the graph finds the main object by motion and by what the last cycle knew; its soft masks x are what the
network is trained on, from scratch; what the network then sees in single frames, s, comes back to the graph as a node
feature. The graph has the last word, since it alone sees time: three cycles are three graphs, and two networks between.

Without a network (Table 3, 'w/o Network') the graph's own masks come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ikebook import check
from ikebook.bilateral import EdgeOptions, logistic, snap
from ikebook.clip import Clip
from ikebook.features import Cue
from ikebook.flow.fields import Flow
from ikebook.graph import GraphResult, segment
from ikebook.metrics import region_similarity
from ikebook.network import NetworkOptions, predict
from ikebook.presets import GraphOptions
from ikebook.storage import Array, Room, chunks
from ikebook.train import Training, TrainOptions, fingerprint, planned_steps, train

Progress = Callable[[str, int], Iterable[None]]
"""Given a stage's name and its number of steps, an iterator that is advanced once a step."""


@dataclass(frozen=True, kw_only=True)
class CycleOptions:
    cycles: int = 3  # graphs, at most; between them the network is trained
    network: NetworkOptions | None = field(default_factory=NetworkOptions)  # None: the graph's own masks come back
    training: TrainOptions = field(default_factory=TrainOptions)
    own: bool = True  # the graph's own masks come back beside the network's predictions (Sec. 8.1)
    saliency: bool = False  # the motion saliency stays among the features after the first cycle, whose masks hold it
    window: int = (
        1  # features of later cycles are taken from so many steps of the chain, each way: masks are surer than motion
    )
    edges: EdgeOptions | None = field(
        default_factory=EdgeOptions
    )  # predictions are drawn to the frames' edges; None: not
    tolerance: float = 0.02  # change of x, or of s, below which there is no further cycle

    def __post_init__(self) -> None:
        check.whole("CycleOptions.cycles", self.cycles, at_least=1)
        check.flag("CycleOptions.own", self.own)
        check.flag("CycleOptions.saliency", self.saliency)
        check.whole("CycleOptions.window", self.window, at_most=100)
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

    @property
    def module(self) -> str:
        """Whose half it is: `graph` or `network`."""
        return "graph" if self.graph is not None else "network"


def exchange(
    clip: Clip,
    flow: Flow | None,
    graph: GraphOptions | None = None,
    options: CycleOptions | None = None,
    cues: Sequence[Cue] = (),
    *,
    feature_flow: Flow | None = None,
    device: torch.device | str = "cpu",
    room: Room | None = None,
    checkpoints: Path | None = None,
    progress: Progress = lambda stage, steps: (),
    on_epoch: Callable[[int, Sequence[float]], None] = lambda cycle, losses: None,
) -> Iterator[CycleState]:
    """Algorithm 1, half a cycle at a time; the last state is the result, and it is a graph's.

    Parameters
    ----------
    clip, flow : of one video, at the working size
    graph : options of the Graph Module
    options : of the cycles, the network and its training
    cues : node features from outside, in the first cycle only (Sec. 7.3): from then on it is what was learned from them
    feature_flow : a second flow, that node features come from too; see `ikebook.graph.build`
    device : of everything
    room : memory that arrays may take
    checkpoints : folder for trainings that have begun, which a second run with the same input goes on from
    progress : shows how far a training is; it may wait, or raise to end everything (see `train`)
    on_epoch : is told the cycle and the mean losses of its training so far, after each epoch

    Yields
    ------
    CycleState
        Graph, network, graph, network, ..., graph.

    Raises
    ------
    KeyboardInterrupt
        If a training is interrupted. Its checkpoint is there, if `checkpoints` is given.
    """
    o, room, graph = options or CycleOptions(), room or Room(), graph or GraphOptions()
    x: Array | None = None
    s: Array | None = None
    back: list[Cue] = list(cues)
    settled = False
    for cycle in range(1, o.cycles + 1):
        # From the second cycle on, what was learned says which eigenvector is the object: where it rests, nothing moves.
        known = s if s is not None else x
        result = segment(clip, flow, graph, back, reference=known, feature_flow=feature_flow, device=device, room=room)
        change = difference(x, result.soft)
        settled = settled or (change is not None and change < o.tolerance)
        x, threshold = result.soft, result.threshold
        nothing = len(result.pairs.values) == 0 or not any((np.asarray(frame) > threshold).any() for frame in x)
        last = cycle == o.cycles or settled or nothing
        yield CycleState(
            cycle=cycle,
            soft=x,
            threshold=threshold,
            change=change,
            score=score(clip, x, threshold),
            seconds=result.seconds,
            graph=result,
            last=last,
            reason="" if not last else "nothing" if nothing else "change" if settled else "cycles",
        )
        if last:
            return
        del result
        back = [Cue(name="graph", maps=x)] if o.own or o.network is None else []
        graph = replace(
            graph,
            saliency=graph.saliency if o.saliency else None,
            features=replace(graph.features, cue_window=o.window),
        )
        if o.network is None:
            continue
        pseudo = room.array((halved(np.asarray(frame), threshold) for frame in x), len(x))
        file = None
        if checkpoints is not None:
            file = checkpoints / f"{fingerprint(clip.frames, pseudo, o.network, o.training)[:32]}.pt"
        training = train(
            clip.frames,
            pseudo,
            o.network,
            o.training,
            device=device,
            checkpoint=file,
            progress=progress(f"network {cycle}", planned_steps(len(clip), o.training)),
            on_epoch=partial(on_epoch, cycle),
        )
        del pseudo
        if training.stopped == "interrupt":
            raise KeyboardInterrupt
        begin = time.perf_counter()
        predictions = room.array(_drawn(clip.frames, predict(training.network, clip.frames), o.edges), len(clip))
        change = difference(s, predictions)
        settled = change is not None and change < o.tolerance
        s = predictions
        yield CycleState(
            cycle=cycle,
            soft=s,
            threshold=0.5,
            change=change,
            score=score(clip, s, 0.5),
            seconds={"train": training.seconds, "predict": time.perf_counter() - begin},
            training=training,
        )
        del training
        back.insert(0, Cue(name="network", maps=s))


def _drawn(frames: Array, predictions: Iterator[np.ndarray], edges: EdgeOptions | None) -> Iterator[np.ndarray]:
    """Predictions (h, w), drawn to the edges of their frames (h, w, 3): the network sees coarsely."""
    for frame, prediction in zip(frames, predictions, strict=True):
        if edges is None or edges.smoothness == 0:
            yield prediction
        else:
            yield snap(np.asarray(frame), logistic(prediction, 0.5, edges), edges)


def halved(soft: np.ndarray, threshold: float) -> np.ndarray:
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
