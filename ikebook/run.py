"""One clip from its frames to a folder of results: what `ikebook segment`, `demo` and `evaluate` have in common."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ikebook import check
from ikebook.check import require
from ikebook.clip import AUTO, Clip
from ikebook.cue_networks import cue_source, find_cues, is_network
from ikebook.cycle import CycleOptions, CycleState, Progress, exchange
from ikebook.features import Cue
from ikebook.flow import Flow, FlowCache, FlowProvider, compute_flow, flow_source, is_provider, provider
from ikebook.graph import GraphResult
from ikebook.machine import machine_memory, peak_memory, resident_memory, versions
from ikebook.plots import contact_sheet
from ikebook.presets import GraphOptions
from ikebook.refine import RefineOptions, refine
from ikebook.sources import Source, label_trained
from ikebook.storage import DiskArray, Room
from ikebook.trust import FlowTrust, examine
from ikebook.writers import overlay, plain, write_json, write_mask, write_soft, write_video

CHECKPOINTS = "checkpoints"
"""Folder, within that of the results, of trainings that have begun; it goes when all is done."""

CHECKPOINT_NAME = re.compile(r"\.?[0-9a-f]{32}(-\w+)?\.pt")
"""What `ikebook.cycle` calls them, and `ikebook.writers.atomic` what it was writing when the program was killed."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run can be told, beside its input and its output."""

    graph: GraphOptions = field(default_factory=GraphOptions)
    cycle: CycleOptions = field(default_factory=lambda: CycleOptions(cycles=1))  # one: the graph alone
    flow: str = "dis"  # a provider's name, or a folder of .flo files
    feature_flow: str | None = None  # a second one: M comes from `flow`, F from both (Table 1)
    half: bool = False  # networks that compute flow and cues in half precision
    size: tuple[int, int] | str = AUTO  # width and height that the graph works at, pixels; "auto" as in `read_clip`
    cues: Sequence[str] = ()  # folders of maps, or networks that compute them: more node features
    refine: RefineOptions | None = None  # masks drawn to the frames' edges, as a last step apart from the method
    device: str = "auto"  # "auto": CUDA where there is one
    cache: bool = True  # keep flow between runs
    # Bytes that the process may take, about: arrays that would not fit go to disk. None: half of the machine's.
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None:
            check.whole("memory", self.memory, at_least=1)
        check.flag("half", self.half)
        check.one_of("device", self.device, ["auto", "cpu", "cuda"])
        require(
            self.device != "cuda" or torch.cuda.is_available(),
            "device is 'cuda', but this PyTorch finds no CUDA device; use 'cpu', or install a CUDA build of PyTorch.",
        )

    def as_dict(self) -> dict[str, Any]:
        """All options as plain values: two runs with equal ones are the same run."""
        return {
            "flow": self.flow,
            "feature_flow": self.feature_flow,
            "half": self.half,
            "size": self.size if isinstance(self.size, str) else f"{self.size[0]}x{self.size[1]}",
            "cues": list(self.cues),
            "graph": self.graph.as_dict(),
            "cycle": self.cycle.as_dict(),
            "refine": None if self.refine is None else asdict(self.refine),
            "sources": [source.as_dict() for source in self.sources()],
        }

    def sources(self) -> list[Source]:
        """Who computes flow and cues, and what taught them: no result goes without."""
        second = [] if self.feature_flow is None else [flow_source(self.feature_flow, "feature flow")]
        return [flow_source(self.flow), *second, *(cue_source(cue) for cue in self.cues)]

    def of_sequence(self, name: str) -> RunOptions:
        """The same for one sequence of a data set: of folders of flow and cues, those within that are called `name`."""

        def within(folder: str) -> str:
            return str(Path(folder) / name)

        second = self.feature_flow
        return replace(
            self,
            flow=self.flow if is_provider(self.flow) else within(self.flow),
            feature_flow=second if second is None or is_provider(second) else within(second),
            cues=[cue if is_network(cue) else within(cue) for cue in self.cues],
        )

    def provider(self) -> FlowProvider:
        """Who computes `flow`, on this device."""
        return provider(self.flow, device=self.torch_device(), half=self.half)

    def feature_provider(self) -> FlowProvider | None:
        """Who computes `feature_flow`, if anyone."""
        if self.feature_flow is None:
            return None
        return provider(self.feature_flow, device=self.torch_device(), half=self.half)

    def torch_device(self) -> str:
        """The device that `device` stands for here."""
        return ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device

    def room(self, folder: Path | None = None) -> Room:
        """What is left of `memory` for arrays: half, the other half being for the work on them; the rest to `folder`."""
        memory = self.memory or machine_memory() // 2
        return Room(max(0, memory - resident_memory()) // 2 if memory else None, folder)


def silent(stage: str, steps: int) -> Iterable[None]:
    """No progress shown."""
    return ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What a run has found: the last graph, the flow it used, seconds of each stage, and what each half cycle reports.

    `trust` says by role ("flow", "feature flow") how far flow may be believed.
    """

    result: GraphResult
    flow: Flow | None
    seconds: dict[str, float]
    history: list[dict[str, Any]]
    trust: dict[str, FlowTrust] = field(default_factory=dict)


def run(
    clip: Clip,
    provider: FlowProvider,
    options: RunOptions | None = None,
    progress: Progress = silent,
    room: Room | None = None,
    *,
    checkpoints: Path | None = None,
    observe: Callable[[CycleState], dict[str, Any]] = lambda _: {},
) -> Outcome:
    """Flow and graph of a clip at its working size, and as many cycles as the options say.

    Parameters
    ----------
    clip : what to segment
    provider : of its flow
    options : see `RunOptions`; `options.flow` is `provider`'s name, and only told
    progress : shows how far it is
    room : memory that arrays may take, from `RunOptions.room`; None for as much as there is
    checkpoints : folder for trainings that have begun; see `ikebook.cycle.exchange`
    observe : sees each half of a cycle; what it returns is added to the history
    """
    options = options or RunOptions()
    begin = time.perf_counter()
    cues: list[Cue] = []
    for name in options.cues:
        cues += find_cues(
            name,
            clip,
            device=options.torch_device(),
            half=options.half,
            cache=options.cache,
            room=room,
            progress=progress(f"cue {name}", len(clip)) if is_network(name) else None,
        )
    seconds = {"cues": time.perf_counter() - begin} if cues else {}
    begin = time.perf_counter()
    cache = FlowCache() if options.cache else None
    flows: dict[str, Flow] = {}
    second = options.feature_provider()
    for role, source in (("flow", provider), ("feature flow", second)):
        if len(clip) > 1 and source is not None:
            flows[role] = compute_flow(clip, source, cache=cache, progress=progress(role, len(clip) - 1), room=room)
    trust = {role: examine(flow) for role, flow in flows.items()}
    flow = flows.get("flow")
    seconds["flow"] = time.perf_counter() - begin
    history: list[dict[str, Any]] = []
    result: GraphResult | None = None
    for state in exchange(
        clip,
        flow,
        options.graph,
        options.cycle,
        cues,
        feature_flow=flows.get("feature flow"),
        device=options.torch_device(),
        room=room,
        checkpoints=checkpoints,
        progress=progress,
    ):
        history.append(plain(_report(state) | observe(state)))
        for stage, spent in state.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
        if state.last:
            result = state.graph
        del state  # a graph that nobody asks any more must not take the next one's memory
    assert result is not None
    return Outcome(result=result, flow=flow, seconds=seconds, history=history, trust=trust)


def _report(state: CycleState) -> dict[str, Any]:
    """Half a cycle as plain values, for a summary."""
    told: dict[str, Any] = {
        "cycle": state.cycle,
        "module": state.module,
        "change": state.change,
        "object_share": float(np.mean([(np.asarray(soft) > state.threshold).mean() for soft in state.soft])),
        "seconds": {stage: round(spent, 3) for stage, spent in state.seconds.items()},
    }
    if state.graph is not None:
        told |= {
            "threshold": state.threshold,
            "eigenvalues": [float(value) for value in state.graph.pairs.values],
            "eigenvalue_ratio": state.graph.eigengap[1] if state.graph.eigengap else None,
            "warnings": state.graph.warnings,
        }
    if state.training is not None:
        told |= {"losses": state.training.losses, "stopped": state.training.stopped, "warnings": []}
        if state.training.stopped == "nan":
            told["warnings"] = ["The network's loss became NaN; the weights from before are used. Lower training.rate."]
    return told


def write_results(
    folder: Path,
    clip: Clip,
    outcome: Outcome,
    options: RunOptions,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write masks, soft masks, overlay video, contact sheet and summary to `folder`, at the clip's own size.

    Returns
    -------
    dict
        What was written to `summary.json`.
    """
    begin, result = time.perf_counter(), outcome.result
    steps = iter(progress("write", len(clip)))
    clear(folder)

    def overlays() -> Iterator[np.ndarray]:
        for index, (name, frame) in enumerate(zip(clip.frame_names, clip.originals(), strict=True)):
            soft = result.soft_at(index, clip.original_size)
            write_soft(folder / "soft" / f"{name}.png", soft)
            write_mask(folder / "masks" / f"{name}.png", soft > result.threshold)
            next(steps, None)
            yield overlay(frame, soft > result.threshold)

    write_video(folder / "overlay.mp4", overlays(), clip.fps)
    contact_sheet(folder / "sheet.png", clip, result)
    if options.refine is not None:
        frames = zip(clip.frame_names, clip.originals(), refined(clip, outcome, options.refine), strict=True)

        def refined_overlays() -> Iterator[np.ndarray]:
            for name, frame, mask in frames:
                write_mask(folder / "refined" / f"{name}.png", mask)
                yield overlay(frame, mask)

        write_video(folder / "refined.mp4", refined_overlays(), clip.fps)
    summary: dict[str, Any] = plain(summarise(clip, outcome, options, {"write": time.perf_counter() - begin}))
    write_json(folder / "summary.json", summary)
    forget(folder / CHECKPOINTS)
    return summary


def refined(clip: Clip, outcome: Outcome, options: RefineOptions) -> Iterator[np.ndarray]:
    """Refined masks (H, W) bool of an outcome, frame by frame, at the clip's own size."""
    assert outcome.flow is not None
    result = outcome.result
    return (soft > 0.5 for soft in refine(clip, result.soft, result.threshold, outcome.flow, options))


def forget(checkpoints: Path) -> None:
    """Remove trainings that nobody will go on with, and their folder if nothing else is in it: other people's files stay."""
    for file in [*checkpoints.glob("*.pt"), *checkpoints.glob(".*.pt")]:
        if CHECKPOINT_NAME.fullmatch(file.name):
            file.unlink(missing_ok=True)
    with suppress(OSError):
        checkpoints.rmdir()


def clear(folder: Path) -> None:
    """Remove an earlier run's results, its summary last: a run that is stopped must not look like a mixture of two.

    Only where that summary says that ikebook made them; other people's files stay.
    """
    try:
        ours = "ikebook" in json.loads((folder / "summary.json").read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if ours:
        for file in (file for kind in ("masks", "soft", "refined") for file in (folder / kind).glob("*.png")):
            file.unlink(missing_ok=True)
        for name in ("overlay.mp4", "refined.mp4", "sheet.png", "summary.json"):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            (folder / "refined").rmdir()


def summarise(
    clip: Clip, outcome: Outcome, options: RunOptions, further: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What a run was, what it found and what it took.

    `residual` is by a product with A, which takes longer than the exact solver did; of a clip on disk it is left out.
    `solver_residual` is what the solver says of itself. `further` are seconds of what came after the run.
    """
    begin, result = time.perf_counter(), outcome.result
    on_disk = isinstance(result.soft, DiskArray)
    residual = None if on_disk else result.residual()
    seconds = outcome.seconds | dict(further or {}) | {"residual": time.perf_counter() - begin}
    values = [float(value) for value in result.pairs.values]
    gap, ratio = result.eigengap or (None, None)
    peak = peak_memory()
    warnings = list(result.warnings)
    for role, found in outcome.trust.items():
        warnings += [one.replace("Flow:", f"{role.capitalize()}:", 1) for one in found.warnings()]
    for half in outcome.history[:-1]:
        warnings += [f"Cycle {half['cycle']}: {warning}" for warning in half["warnings"]]
    if options.memory is not None and peak is not None and peak > options.memory:
        warnings.append(
            f"It took {peak / 1e9:.2f} GB, more than the {options.memory / 1e9:.2f} GB allowed: what one step of the work needs "
            "does not go to disk. A smaller size or radius needs less."
        )
    return {
        "clip": clip.name,
        "frames": len(clip),
        "original_size": f"{clip.original_size[0]}x{clip.original_size[1]}",
        "working_size": f"{clip.size[0]}x{clip.size[1]}",
        "solver": result.pairs.method,
        "eigenvalues": values,
        "eigenvector": result.chosen + 1,
        "eigengap": gap,
        "eigenvalue_ratio": ratio,
        "residual": residual,
        "solver_residual": float(result.pairs.residuals[result.chosen]) if values else None,
        "converged": result.pairs.converged,
        "products": result.pairs.products,
        "threshold": result.threshold,
        "object_share": result.object_share,
        "flow": {role: found.as_dict() for role, found in outcome.trust.items()},
        "label_trained": label_trained(options.sources()),
        "warnings": warnings,
        "cycles": outcome.history,
        "seconds": {stage: round(time, 3) for stage, time in seconds.items()},
        "peak_memory_bytes": peak,
        "on_disk": on_disk,
        "device": options.torch_device(),
        "options": options.as_dict(),
        "versions": versions(),
    }
