"""One very long video in parts, side by side: the same eigenvector as in one piece, since all it takes are sums.

F'F and F'MF, of which the exact solver makes the eigenvectors, are sums over frames (`ikebook.solvers.exact`), and what else
belongs to the whole video is a quantile, a histogram, or a sum, too. So there are four rounds, and between them this
process has a few numbers of each part in its hands, never a frame:

    part: flow, motion evidence               -> values of its quantile    together: the saliency's scale
    part: saliency, features, (F'F, F'MF)     -> 2 d^2 + 2 d n numbers     together: eigenvectors, which one, its sign
    part: labels, soft masks                  -> a histogram               together: the threshold
    part: masks at the video's own size, written

The rounds are in `ikebook.runs.part`. What each part has given back lies in OUT/parts until all is done: run again with the
same options, it goes on there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ikebook
from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.files import TEMPORARY, plain, write_json
from ikebook.base.machine import versions
from ikebook.base.progress import Progress
from ikebook.base.provenance import label_trained
from ikebook.flow import FlowFiles, is_provider
from ikebook.graph.choice import choose_by, correlation
from ikebook.graph.masks import threshold_of_counts
from ikebook.graph.presets import GraphOptions
from ikebook.graph.saliency import scale_of
from ikebook.matrix.operator import full_precision
from ikebook.runs.cluster import Lost, Runner
from ikebook.runs.part import Part, find_evidence, frames_of, label, sum_up, write
from ikebook.runs.results import held
from ikebook.runs.run import RunOptions, clear
from ikebook.solvers.exact import Reduced, leading
from ikebook.solvers.pairs import PAIRS
from ikebook.video.clip import VideoFile, files_fingerprint, image_files, working_size


def segment_parts(
    path: Path,
    out: Path,
    options: RunOptions,
    every: int,
    runner: Runner,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Segment a long video in parts of `every` frames; `out` gets masks/, soft/ and summary.json.

    Parameters
    ----------
    path : folder of images, or a video file, of which each part decodes all frames before its own
    out : folder of results, which the workers see under the same path, as they see `path`
    options : of one graph: its exact solver, one P for the video, the motion saliency, no cues, no cycles
    every : frames of a part, of which a worker holds about 7 MB each at 416x224
    runner : where the parts are computed
    say : told what is going on

    Returns
    -------
    dict
        What summary.json holds.
    """
    graph = _one_graph(options)
    assert graph.saliency is not None
    check.whole("--parts", every, at_least=1)
    if not is_provider(options.flow):
        options = replace(options, flow=str(Path(options.flow).absolute()))
    path, out = path.absolute(), out.absolute()
    frames = _count(path)
    require(frames >= 2, f"{path} has {frames} frames; motion needs two or more.")
    first = next(frames_of(path, range(1)))
    size = working_size(first, options.size)
    plan = _plan(path, frames, every, size, options)
    with held(out) as token:
        _same_plan(out / "parts", plan)
        whole = Part(
            path=path,
            out=out,
            token=token,
            frames=frames,
            start=0,
            stop=frames,
            every=every,
            size=size,
            options=options,
        )
        parts = {
            f"part {start}": replace(whole, start=start, stop=min(start + every, frames))
            for start in range(0, frames, every)
        }
        say(f"{frames} frames in {len(parts)} parts")
        picked = [one["picked"] for one in _round(runner, find_evidence, parts)]
        scale = scale_of(np.concatenate(picked), graph.saliency)
        say(f"motion that counts as large: {scale:.3g} pixels")
        values, weights, residual, eigenvector = _solve(
            _round(runner, sum_up, {name: (part, scale) for name, part in parts.items()}), options, size
        )
        say(f"eigenvalues: {'  '.join(f'{value:.4g}' for value in values)}")
        counts = _round(runner, label, {name: (part, weights) for name, part in parts.items()})
        threshold = graph.masks.threshold
        if threshold == "stable":
            threshold = threshold_of_counts(torch.from_numpy(sum(one["counts"] for one in counts)))
        threshold = float(threshold)
        say(f"threshold: {threshold:.3g}")
        pixels = _round(runner, write, {name: (part, threshold) for name, part in parts.items()})
        summary = {
            "clip": path.stem,
            "frames": frames,
            "parts": len(parts),
            "original_size": f"{first.shape[1]}x{first.shape[0]}",
            "working_size": f"{size[0]}x{size[1]}",
            "eigenvalues": values,
            "eigenvector": eigenvector + 1,
            "solver_residual": residual,
            "saliency_scale": scale,
            "threshold": threshold,
            "object_share": sum(int(one["object"]) for one in pixels) / (frames * size[0] * size[1]),
            "label_trained": label_trained(options.sources()),
            "options": plan["options"],
            "versions": versions(),
        }
        write_json(out / "summary.json", summary)
        shutil.rmtree(out / "parts")
    return dict(plain(summary))


def _one_graph(options: RunOptions) -> GraphOptions:
    """The options of the graph; raise unless all else is left out that needs the video as a whole."""
    graph = options.cycle.graph
    fits = graph.saliency is not None and graph.features.scale == "none" and graph.projection.scope == "video"
    fits = fits and graph.solver.method == "exact" and options.cycle.cycles == 1 and options.refine is None
    require(
        fits and not options.cues and options.feature_flow is None,
        "a video in parts takes one graph with the exact solver, one P for the video, features as they are and the motion "
        "saliency: leave out other presets, --cycles, --cue, --feature-flow and --refine, or leave out --parts.",
    )
    return graph


def _plan(path: Path, frames: int, every: int, size: tuple[int, int], options: RunOptions) -> dict[str, Any]:
    """What the parts' files are made of: only a run with an equal plan goes on with them."""
    flow = options.provider()
    require(
        not isinstance(flow, FlowFiles) or len(flow.forward) == frames - 1,
        f"{options.flow} has flow of {len(getattr(flow, 'forward', ()))} pairs of frames, but {path} has {frames} frames: "
        f"expected {frames - 1}.",
    )
    plan = {"path": str(path), "frames": frames, "every": every, "size": list(size), "ikebook": ikebook.__version__}
    return plan | {"fingerprint": _fingerprint(path), "flow": flow.describe(), "options": plain(options.as_dict())}


def _solve(
    found: list[dict[str, np.ndarray]], options: RunOptions, size: tuple[int, int]
) -> tuple[list[float], np.ndarray, float | None, int]:
    """Eigenvalues, weights (d,) of the object's labels, its residual, and which eigenvector it is, from all parts' sums."""
    graph = options.cycle.graph
    total = Reduced(*(sum_of(torch.from_numpy(one[name]) for one in found) for name in ("gram", "motion")))
    with full_precision():
        count = graph.solver.pairs or PAIRS
        values, weights, residuals = leading(total, graph.projection.ridge, torch.float32, count)
    if not bool(values.any()):  # nothing moves against the scene: empty masks
        return [], np.zeros(len(total.gram)), None, 0
    sums = torch.from_numpy(np.concatenate([one["sums"] for one in found]))  # (m, d, 2)
    ones, salient = (weights.float().double().T @ sums).unbind(-1)  # each (m, r)
    chosen, sign = choose_by(values, correlation(ones, salient, size[0] * size[1]), graph)
    return values.tolist(), (sign * weights[:, chosen]).numpy(), float(residuals[chosen]), chosen


def sum_of(parts: Iterator[Tensor]) -> Tensor:
    """Their sum, from the first to the last: always the same."""
    total = next(parts).clone()
    for part in parts:
        total += part
    return total


def _round(
    runner: Runner, work: Callable[[Any, Progress], dict[str, np.ndarray]], tasks: Mapping[str, Any]
) -> list[dict[str, np.ndarray]]:
    """What all parts have found, in the video's order."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with closing(runner(work, tasks)) as results:
        for name, result in results:
            if isinstance(result, Lost):
                raise InputError(f"{name}: {result.reason}")
            found[name] = result
    return [found[name] for name in tasks]


def _same_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Make the folder of the parts, or check that what lies there is of the same run: all of it is removed in the end."""
    path = folder / "plan.json"
    if not path.exists():
        others = folder.exists() and not (
            folder.is_dir() and all(TEMPORARY.fullmatch(one.name) for one in folder.iterdir())
        )
        require(not others, f"{folder} is there, and is none of ikebook's; move it, or choose another --out.")
        clear(folder.parent)
        write_json(path, plan)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    require(
        known == plain(plan),
        f"{folder} is of a video or of options that are not these; remove it, or choose another --out.",
    )


def _fingerprint(path: Path) -> str:
    """A text that changes when any frame does."""
    return files_fingerprint(image_files(path) if path.is_dir() else [path])


def _count(path: Path) -> int:
    require(path.exists(), f"{path} does not exist; expected a folder of images or a video file.")
    return len(image_files(path)) if path.is_dir() else VideoFile(path).count()
