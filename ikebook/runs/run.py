"""One clip from its frames to a folder of results: what `ikebook segment`, `demo` and `evaluate` have in common."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ikebook.base import check
from ikebook.base.arrays import DiskArray, Memory
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.files import overlay, plain, write_json, write_mask, write_soft, write_video
from ikebook.base.machine import machine_memory, peak_memory, resident_memory, versions
from ikebook.base.progress import Progress, silent
from ikebook.base.provenance import Source, label_trained
from ikebook.cycle import CycleOptions, CycleState, exchange
from ikebook.flow import Flow, FlowCache, FlowProvider, compute_flow, flow_source, is_provider, provider
from ikebook.flow.quality import FlowTrust, examine
from ikebook.graph.refine import RefineOptions, refine
from ikebook.graph.result import GraphResult
from ikebook.matrix.features import Cue
from ikebook.networks.pretrained import cue_source, find_cues, is_network
from ikebook.runs.sheet import contact_sheet
from ikebook.video.clip import AUTO, Clip

CHECKPOINTS = "checkpoints"
"""Folder, within that of the results, of trainings that have begun; it goes when all is done."""

CHECKPOINT_NAME = re.compile(r"\.?[0-9a-f]{32}(-\w+)?\.pt")
"""What `ikebook.cycle` calls them, and `ikebook.base.files.atomic` what it was writing when the program was killed."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run can be told, beside its input and its output.

    Parameters
    ----------
    cycle : CycleOptions, default `CycleOptions(cycles=1)`
        Of graph and network; by default the graph alone.
    flow : str, default "dis"
        A provider's name, or a folder of .flo files.
    feature_flow : str or None, default None
        A second flow: M comes from `flow`, F from both (Table 1).
    half : bool, default False
        Networks that compute flow and cues in half precision.
    size : (int, int) or str, default "auto"
        Width and height that the graph works at, pixels; "auto" as in `ikebook.read_clip`.
    cues : sequence of str, default none
        Folders of maps, or networks that compute them: more node features.
    refine : RefineOptions or None, default None
        Masks drawn to the frames' edges, as a last step apart from the method.
    device : str, default "auto"
        "cpu", "cuda", or "auto": CUDA where there is one.
    cache : bool, default True
        Keep flow between runs.
    memory : int or None, default None
        Bytes that the process may take, about: arrays that would not fit go to disk. None: half of the machine's.
    """

    cycle: CycleOptions = field(default_factory=lambda: CycleOptions(cycles=1))
    flow: str = "dis"
    feature_flow: str | None = None
    half: bool = False
    size: tuple[int, int] | str = AUTO
    cues: Sequence[str] = ()
    refine: RefineOptions | None = None
    device: str = "auto"
    cache: bool = True
    memory: int | None = None

    def __post_init__(self) -> None:
        check.instance("RunOptions.cycle", self.cycle, CycleOptions)
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

    def compute(self, folder: Path | None = None) -> Compute:
        """Where this is computed; of `memory`, arrays get half of what is left, the other half being for the work on them.

        The rest goes to `folder`.
        """
        memory = self.memory or machine_memory() // 2
        limit = max(0, memory - resident_memory()) // 2 if memory else None
        return Compute(device=self.torch_device(), memory=Memory(limit, folder))


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
    *,
    options: RunOptions | None = None,
    compute: Compute | None = None,
    progress: Progress = silent,
    checkpoints: Path | None = None,
    observe: Callable[[CycleState], dict[str, Any]] = lambda _: {},
) -> Outcome:
    """Flow and graph of a clip at its working size, and as many cycles as the options say.

    Parameters
    ----------
    clip : Clip
        What to segment.
    provider : FlowProvider
        Of its flow.
    options : RunOptions, optional
        `options.flow` is `provider`'s name, and only told.
    compute : Compute, optional
        From `RunOptions.compute`; by default with as much memory as there is.
    progress : Progress, optional
        Shows how far it is.
    checkpoints : Path, optional
        Folder for trainings that have begun; see `ikebook.exchange`.
    observe : callable, optional
        Sees each half of a cycle; what it returns is added to the history.

    Returns
    -------
    Outcome
    """
    options = check.or_default("options", options, RunOptions)
    compute = compute or Compute(device=options.torch_device())
    begin = time.perf_counter()
    cues = _cues(clip, options, compute, progress)
    seconds = {"cues": time.perf_counter() - begin} if cues else {}
    begin = time.perf_counter()
    flows = _flows(clip, provider, options, compute, progress)
    trust = {role: examine(flow) for role, flow in flows.items()}
    flow = flows.get("flow")
    seconds["flow"] = time.perf_counter() - begin
    history: list[dict[str, Any]] = []
    result: GraphResult | None = None
    for state in exchange(
        clip,
        flow,
        cues=cues,
        feature_flow=flows.get("feature flow"),
        options=options.cycle,
        compute=compute,
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
    """The clip's flow, and the second one if there is one, by role; of a single frame there is none."""
    cache = FlowCache() if options.cache else None
    flows: dict[str, Flow] = {}
    for role, source in (("flow", provider), ("feature flow", options.feature_provider())):
        if len(clip) > 1 and source is not None:
            steps = progress(role, len(clip) - 1)
            flows[role] = compute_flow(clip, source, cache=cache, progress=steps, memory=compute.memory)
    return flows


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
