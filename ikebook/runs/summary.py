"""What a run was, what it found and what it took, in numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ikebook.base.arrays import DiskArray
from ikebook.base.check import readable
from ikebook.base.files import plain
from ikebook.base.machine import peak_memory, versions
from ikebook.base.provenance import label_trained
from ikebook.runs.options import RunOptions
from ikebook.runs.results import Input, Summary
from ikebook.runs.single import Outcome
from ikebook.video.clip import Clip
from ikebook.video.images import ImageFolder


def summarise(clip: Clip, outcome: Outcome, options: RunOptions, further: Mapping[str, float] | None = None) -> Summary:
    """The summary of a run; `further` are seconds of what came after it.

    `residual` is by a product with A, where the solver has made one, or the options ask for it; of a clip on disk it is left out.
    """
    begin, result = time.perf_counter(), outcome.result
    on_disk = isinstance(result.soft, DiskArray)
    seconds = outcome.seconds | dict(further or {})
    residual = None
    if not on_disk and result.pairs.measured:
        residual = float(result.pairs.residuals[result.chosen]) if len(result.pairs.values) else None
    elif not on_disk and options.measure:
        residual = result.residual()
        seconds["residual"] = time.perf_counter() - begin
    values = [float(value) for value in result.pairs.values]
    gap, ratio = result.eigengap or (None, None)
    peak = peak_memory()
    summary: Summary = plain(
        {
            "clip": readable(clip.name),
            **input_of(clip),
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
            "confidence": result.confidence.confidence,
            "confidence_measures": result.confidence.as_dict(),
            "flow": {role: found.as_dict() for role, found in outcome.flow_quality.items()},
            "label_trained": label_trained(options.sources()),
            "warnings": [*clip.notes, *_warnings(outcome, options.memory, peak)],
            "cycles": outcome.history,
            "seconds": {stage: round(spent, 3) for stage, spent in seconds.items()},
            "peak_memory_bytes": peak,
            "on_disk": on_disk,
            "device": options.torch_device(),
            "options": options.as_dict(),
            "versions": versions(),
        }
    )
    return summary


def input_of(clip: Clip) -> dict[str, Input]:
    """What a clip was read from, files or an address, under the key `input`; nothing where it was made in memory."""
    if clip.origin:
        return {"input": Input(path=clip.origin, fps=clip.fps)}
    source: Any = clip.source
    while hasattr(source, "source"):  # a part of another
        source = source.source
    path = source.files[0].parent if isinstance(source, ImageFolder) else getattr(source, "path", None)
    return {"input": Input(path=str(path.absolute()), fps=clip.fps)} if isinstance(path, Path) else {}


def _warnings(outcome: Outcome, memory: int | None, peak: int | None) -> list[str]:
    """What a user should know of a run, one sentence each."""
    warnings = list(outcome.result.warnings)
    for role, quality in outcome.flow_quality.items():
        warnings += [one.replace("Flow:", f"{role.capitalize()}:", 1) for one in quality.warnings()]
    for half in outcome.history[:-1]:
        warnings += [f"Cycle {half['cycle']}: {warning}" for warning in half["warnings"]]
    if memory is not None and peak is not None and peak > memory:
        warnings.append(
            f"It took {peak / 1e9:.2f} GB, more than the {memory / 1e9:.2f} GB allowed: what one step of the work needs "
            "does not go to disk. A smaller size or radius needs less."
        )
    return warnings
