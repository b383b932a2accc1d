"""One clip from its frames to a folder of results: what `ikebook segment`, `demo` and `evaluate` have in common."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ikebook import check
from ikebook.check import require
from ikebook.clip import AUTO, Clip
from ikebook.cues import read_cue
from ikebook.flow import FlowCache, FlowProvider, compute_flow
from ikebook.graph import GraphResult, segment
from ikebook.machine import machine_memory, peak_memory, resident_memory, versions
from ikebook.plots import contact_sheet
from ikebook.presets import GraphOptions
from ikebook.storage import DiskArray, Room
from ikebook.writers import overlay, plain, write_json, write_mask, write_soft, write_video

Progress = Callable[[str, int], Iterable[None]]
"""Given a stage's name and its number of steps, an iterator that is advanced once a step."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run can be told, beside its input and its output."""

    graph: GraphOptions = field(default_factory=GraphOptions)
    flow: str = "dis"  # a provider's name, or a folder of .flo files
    size: tuple[int, int] | str = AUTO  # width and height that the graph works at, pixels; "auto" as in `read_clip`
    cues: Sequence[str] = ()  # folders of maps, more node features
    device: str = "auto"  # "auto": CUDA where there is one
    cache: bool = True  # keep flow between runs
    # Bytes that the process may take, about: arrays that would not fit go to disk. None: half of the machine's.
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None:
            check.whole("memory", self.memory, at_least=1)
        check.one_of("device", self.device, ["auto", "cpu", "cuda"])
        require(
            self.device != "cuda" or torch.cuda.is_available(),
            "device is 'cuda', but this PyTorch finds no CUDA device; use 'cpu', or install a CUDA build of PyTorch.",
        )

    def as_dict(self) -> dict[str, Any]:
        """All options as plain values: two runs with equal ones are the same run."""
        return {
            "flow": self.flow,
            "size": self.size if isinstance(self.size, str) else f"{self.size[0]}x{self.size[1]}",
            "cues": list(self.cues),
            "graph": self.graph.as_dict(),
        }

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


def run(
    clip: Clip,
    provider: FlowProvider,
    options: RunOptions | None = None,
    progress: Progress = silent,
    room: Room | None = None,
) -> tuple[GraphResult, dict[str, float]]:
    """Flow and graph of a clip at its working size.

    Parameters
    ----------
    clip : what to segment
    provider : of its flow
    options : see `RunOptions`
    progress : shows how far it is
    room : memory that arrays may take, from `RunOptions.room`; None for as much as there is

    Returns
    -------
    GraphResult
    dict
        Seconds spent on flow and in each stage of the graph.
    """
    options = options or RunOptions()
    begin = time.perf_counter()
    cues = [read_cue(folder, clip, room=room) for folder in options.cues]
    cache = FlowCache() if options.cache else None
    flow = None
    if len(clip) > 1:
        flow = compute_flow(clip, provider, cache=cache, progress=progress("flow", len(clip) - 1), room=room)
    seconds = {"flow": time.perf_counter() - begin}
    result = segment(clip, flow, options.graph, cues, device=options.torch_device(), room=room)
    return result, seconds | result.seconds


def write_results(
    folder: Path,
    clip: Clip,
    result: GraphResult,
    seconds: dict[str, float],
    options: RunOptions,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write masks, soft masks, overlay video, contact sheet and summary to `folder`, at the clip's own size.

    Returns
    -------
    dict
        What was written to `summary.json`.
    """
    begin = time.perf_counter()
    steps = iter(progress("write", len(clip)))
    _clear(folder)

    def overlays() -> Iterator[np.ndarray]:
        for index, (name, frame) in enumerate(zip(clip.frame_names, clip.originals(), strict=True)):
            soft = result.soft_at(index, clip.original_size)
            write_soft(folder / "soft" / f"{name}.png", soft)
            write_mask(folder / "masks" / f"{name}.png", soft > result.threshold)
            next(steps, None)
            yield overlay(frame, soft > result.threshold)

    write_video(folder / "overlay.mp4", overlays(), clip.fps)
    contact_sheet(folder / "sheet.png", clip, result)
    summary: dict[str, Any] = plain(summarise(clip, result, seconds | {"write": time.perf_counter() - begin}, options))
    write_json(folder / "summary.json", summary)
    return summary


def _clear(folder: Path) -> None:
    """Remove an earlier run's results, its summary last: a run that is stopped must not look like a mixture of two.

    Only where that summary says that ikebook made them; other people's files stay.
    """
    try:
        ours = "ikebook" in json.loads((folder / "summary.json").read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if ours:
        pictures = [file for kind in ("masks", "soft") for file in (folder / kind).glob("*.png")]
        for file in (*pictures, folder / "overlay.mp4", folder / "sheet.png", folder / "summary.json"):
            file.unlink(missing_ok=True)


def summarise(clip: Clip, result: GraphResult, seconds: dict[str, float], options: RunOptions) -> dict[str, Any]:
    """What a run was, what it found and what it took.

    `residual` is by a product with A, which takes longer than the exact solver did; of a clip on disk it is left out.
    `solver_residual` is what the solver says of itself.
    """
    begin = time.perf_counter()
    on_disk = isinstance(result.soft, DiskArray)
    residual = None if on_disk else result.residual()
    seconds = seconds | {"residual": time.perf_counter() - begin}
    values = [float(value) for value in result.pairs.values]
    gap, ratio = result.eigengap or (None, None)
    peak = peak_memory()
    warnings = list(result.warnings)
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
        "warnings": warnings,
        "seconds": {stage: round(time, 3) for stage, time in seconds.items()},
        "peak_memory_bytes": peak,
        "on_disk": on_disk,
        "device": options.torch_device(),
        "options": options.as_dict(),
        "versions": versions(),
    }
