"""One very long video in parts, side by side: the same eigenvector as in one piece, since all it takes are sums.

F'F and F'MF, of which the exact solver makes the eigenvectors, are sums over frames (`ikebook.solvers.reduced`), and what else
belongs to the whole video is a quantile, a histogram, or a sum, too. So there are five rounds, and between them this
process has a few numbers of each part in its hands, never a frame:

    part: flow, motion evidence               -> values of its quantile    together: the saliency's scale
    part: saliency, F'F of sampled frames     -> d^2 numbers               together: T, for which F T is well conditioned
    part: (F T)'(F T) and (F T)'M(F T)        -> 2 d^2 + 2 d n numbers     together: eigenvectors, which one, its sign
    part: labels, soft masks                  -> a histogram               together: the threshold
    part: masks at the video's own size, written

The rounds are in `ikebook.runs.part`. What each part has given back, and the masks, lie in OUT/parts until all is done: run again with the
same options, it goes on there.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ikebook
from ikebook.base import check
from ikebook.base.check import InputError, readable, require
from ikebook.base.files import TEMPORARY, plain, write_json
from ikebook.base.machine import versions
from ikebook.base.places import user_path
from ikebook.base.progress import Progress
from ikebook.base.provenance import label_trained
from ikebook.base.replacing import put_in_place
from ikebook.base.written import LISTS, WrittenFiles
from ikebook.flow import FlowFiles
from ikebook.graph.choice import choose_by, correlation
from ikebook.graph.masks import threshold_of_counts
from ikebook.graph.presets import GraphOptions
from ikebook.graph.saliency import scale_of
from ikebook.matrix.operator import full_precision
from ikebook.matrix.projection import Preconditioner, Span, complete, precondition
from ikebook.runs.frame_source import FrameSource
from ikebook.runs.json_types import read_json
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import check_place, remove_results
from ikebook.runs.part import Arrays, Part, find_evidence, label_part, reduce_part, sample_features, write_part
from ikebook.runs.result_folder import lock_folder
from ikebook.runs.results import PartsSummary
from ikebook.runs.runners import LostTask, Runner, SerialRunner
from ikebook.solvers.exact import reduce_whitened, solve_reduced
from ikebook.solvers.pairs import spectrum_complaints
from ikebook.solvers.reduced import Reduced
from ikebook.video.clip import resize_area, working_size
from ikebook.video.repeats import find_repeats
from ikebook.video.selection import Selection

PART_FILE = re.compile(r"plan\.json|\d{9}-[\w-]+\.np[yz]")
"""What is written to OUT/parts, here and by `Part.file`."""

LOOKED_AT = 120
"""Frames that are looked at for repeats, from the first one."""


def segment_parts(
    path: str | Path,
    out: str | Path,
    options: RunOptions | None = None,
    *,
    part_length: int,
    start: int | str | None = None,
    end: int | str | None = None,
    every: int = 1,
    runner: Runner | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> PartsSummary:
    """Segment a long video in parts, side by side or one after the other, by the eigenvector of the whole (Sec. 4.3).

    Ours, not the paper's. Stopped and run again with the same arguments, it goes on where it was.

    Parameters
    ----------
    path : str or Path
        Folder of images, or a video file, of which each part decodes all frames before its own.
    out : str or Path
        Folder of results: gets masks/<frame>.png, soft/<frame>.png and summary.json. Workers see it under the same path, as
        they see `path`.
    options : RunOptions, optional
        Of one graph: its exact solver, one P for the video, the motion saliency, no cues, no cycles.
    part_length : int
        Frames of a part, all of which a worker holds in memory, with flow, colours and maps, and up to 2p more on either side.
    start, end, every
        Which frames, as `ikebook.read_clip` takes them.
    runner : Runner, optional
        Where the parts are computed; by default one after the other, in this process.
    say : callable, optional
        Is told in one line what has been found, four times.

    Returns
    -------
    PartsSummary
        What summary.json holds.

    Raises
    ------
    InputError
        If the video can't be read, the options need it in one piece, or `out` is of another video or of other options.

    Examples
    --------
    >>> import tempfile
    >>> import ikebook
    >>> from ikebook.base.files import write_video
    >>> from ikebook.runs import RunOptions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_video(Path(folder) / "video.mp4", ikebook.toy("disc", (48, 32), frames=6).clip.frames, 24)
    ...     options = RunOptions(size=(48, 32))
    ...     summary = segment_parts(f"{folder}/video.mp4", f"{folder}/out", options, part_length=3)
    >>> summary["frames"], summary["parts"]
    (6, 2)
    """
    options = (options or RunOptions()).with_absolute_paths()
    graph = _one_graph(options)
    check.whole("part_length", part_length, at_least=1)
    source, out = FrameSource(user_path(path).absolute(), Selection(start, end, every)), user_path(out).absolute()
    source = replace(source, whole=source.indexes())
    runner = runner or SerialRunner()
    frames = source.count()
    require(frames >= 2, f"{source.path} has {frames} frames; motion needs two or more.")
    first = next(source.read(range(1)))
    size = working_size(first, options.size)
    repeats = _repeats(source, frames, size)
    plan = _plan(source, frames, part_length, size, options)
    with lock_folder(out) as token:
        check_place(out, source.names(range(frames)))
        _clear_up(out)
        _check_plan(out / "parts", plan)
        parts = {
            f"part {start}": Part(
                source=source,
                out=out,
                token=token,
                frames=frames,
                start=start,
                stop=min(start + part_length, frames),
                length=part_length,
                size=size,
                options=options,
            )
            for start in range(0, frames, part_length)
        }
        say(f"{frames} frames in {len(parts)} parts")
        for warning in repeats:
            say(warning)
        found = _five_rounds(parts, graph, size, runner, say)
        summary: PartsSummary = plain(
            {
                "clip": readable(source.path.stem),
                "input": {"path": str(source.path), "fps": source.fps()},
                "frames": frames,
                "parts": len(parts),
                "original_size": f"{first.shape[1]}x{first.shape[0]}",
                "working_size": f"{size[0]}x{size[1]}",
                "eigenvalues": found.eigenvector.values,
                "eigenvector": found.eigenvector.chosen + 1,
                "solver_residual": found.eigenvector.residual,
                "warnings": [*repeats, *found.eigenvector.warnings],
                "saliency_scale": found.scale,
                "threshold": found.threshold,
                "object_share": found.pixels / (frames * size[0] * size[1]),
                "label_trained": label_trained(options.sources()),
                "options": plan["options"],
                "versions": versions(),
            }
        )
        _put_in_place(parts.values(), summary)
        _remove_parts(out)
    return summary


@dataclass(frozen=True, eq=False)
class _Eigenvector:
    """The object's eigenvector of the whole video: the leading eigenvalues, which of them is its, and x = F w.

    Parameters
    ----------
    values : list of float
        Leading eigenvalues, decreasing.
    chosen : int
        Index of the object's.
    weights : (d,) float64
        w, with its sign.
    residual : float or None
        Of this eigenvector, as rounding lets expect; None where there is none.
    warnings : list of str
        What is to be said against it.
    """

    values: list[float]
    chosen: int
    weights: np.ndarray
    residual: float | None
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class _Found:
    """What the five rounds find of the whole video; `pixels` are those of the object."""

    scale: float
    eigenvector: _Eigenvector
    threshold: float
    pixels: int


def _five_rounds(
    parts: Mapping[str, Part], graph: GraphOptions, size: tuple[int, int], runner: Runner, say: Callable[[str], None]
) -> _Found:
    assert graph.saliency is not None
    evidence = _round(runner, find_evidence, parts)
    scale = scale_of(np.concatenate([one["picked"] for one in evidence]), graph.saliency)
    say(f"motion that counts as large: {scale:.3g} pixels")
    eigenvector = _solve(parts, graph, size, runner, scale)
    say(f"eigenvalues: {'  '.join(f'{value:.4g}' for value in eigenvector.values)}")
    for warning in eigenvector.warnings:
        say(warning)
    labels = _round(runner, label_part, {name: (part, eigenvector.weights) for name, part in parts.items()})
    if graph.masks.threshold == "stable":
        threshold = float(threshold_of_counts(torch.from_numpy(sum(one["counts"] for one in labels))))
    else:
        threshold = float(graph.masks.threshold)
    say(f"threshold: {threshold:.3g}")
    written = _round(runner, write_part, {name: (part, threshold) for name, part in parts.items()})
    return _Found(scale, eigenvector, threshold, sum(int(one["object"]) for one in written))


def _round(runner: Runner, work: Callable[[Any, Progress], Arrays], tasks: Mapping[str, Any]) -> list[Arrays]:
    """What all parts have found, in the video's order."""
    found: dict[str, Arrays] = {}
    with closing(runner(work, tasks)) as results:
        for name, result in results:
            if isinstance(result, LostTask):
                raise InputError(f"{name}: {result.reason}")
            found[name] = result
    return [found[name] for name in tasks]


def _solve(
    parts: Mapping[str, Part], graph: GraphOptions, size: tuple[int, int], runner: Runner, scale: float
) -> _Eigenvector:
    """The object's eigenvector, from all parts' sums."""
    seen = _round(runner, sample_features, {name: (part, scale) for name, part in parts.items()})
    latest: list[Arrays] = []

    def sums(combinations: Tensor) -> Reduced:
        tasks = {name: (part, combinations.numpy()) for name, part in parts.items()}
        latest[:] = _round(runner, reduce_part, tasks)
        return Reduced(*(_sum(latest, name) for name in ("gram", "motion")))

    def span_of(conditioner: Preconditioner, gram: Tensor) -> Span:
        return complete(conditioner, gram, graph.projection, torch.float32, seen[0]["columns"].tolist())

    with full_precision():
        reduced, span = reduce_whitened(precondition(_sum(seen, "gram")), sums, span_of)
        found = solve_reduced(reduced, span, torch.float32, graph.solver)
    if len(found.values) == 0:  # nothing moves against the scene: empty masks
        return _Eigenvector([], 0, np.zeros(len(span.basis)), None, ["There is no eigenvector. The masks are empty."])
    per_frame = torch.from_numpy(np.concatenate([one["sums"] for one in latest]))  # (m, d, 2)
    weights = found.weights[0]  # (d, r)
    ones, salient = (weights.T @ per_frame).unbind(-1)  # each (m, r)
    chosen, sign = choose_by(found.values, correlation(ones, salient, size[0] * size[1]), graph)
    residual = found.accuracy / abs(float(found.values[chosen]))
    complaints = spectrum_complaints(found.values, found.ends, found.accuracy)
    return _Eigenvector(found.values.tolist(), chosen, (sign * weights[:, chosen]).numpy(), residual, complaints)


def _sum(found: Sequence[Arrays], name: str) -> Tensor:
    return sum_of(torch.from_numpy(one[name]) for one in found)


def sum_of(parts: Iterator[Tensor]) -> Tensor:
    """The sum of some tensors, from the first to the last: always the same, to the last bit."""
    total = next(parts).clone()
    for part in parts:
        total += part
    return total


def _one_graph(options: RunOptions) -> GraphOptions:
    """The options of the graph; raise unless all else is left out that needs the video as a whole."""
    graph = options.cycle.graph
    fits = graph.saliency is not None and graph.features.scale == "none" and graph.features.center != "video"
    fits = fits and graph.projection.scope == "video" and graph.solver.method == "exact"
    fits = fits and options.cycle.cycles == 1 and options.refine is None and options.init is None
    fits = fits and isinstance(graph.masks.object, str)
    require(
        fits and not options.cues and options.feature_flow is None,
        "a video in parts takes one graph with the exact solver, one P for the video, features as they are, centred by frame, and "
        "the motion saliency: leave out other presets, --cycles, --cue, --feature-flow, --init, --object and --refine, or leave out --parts.",
    )
    return graph


def _repeats(source: FrameSource, frames: int, size: tuple[int, int]) -> list[str]:
    """What is to be said of frames that stand twice or more, by a look at the first ones: here, unlike elsewhere, each counts."""
    seen = np.stack([resize_area(frame, size) for frame in source.read(range(min(frames, LOOKED_AT)))])
    found = find_repeats(seen)
    if found is None:
        return []
    again = len(seen) - len(found.first)
    told = f"Of the first {len(seen)} frames {again} repeat the one before: in parts they count as standing still."
    return [f"{told} Leave them out, with --every 2, say, or segment the video in one piece."]


def _plan(
    source: FrameSource, frames: int, part_length: int, size: tuple[int, int], options: RunOptions
) -> dict[str, Any]:
    """What the parts' files are made of: only a run with an equal plan goes on with them."""
    flow = options.provider()
    require(
        not isinstance(flow, FlowFiles) or len(flow.forward) == frames - 1,
        f"{options.flow} has flow of {len(getattr(flow, 'forward', ()))} pairs of frames, but {source.path} has {frames} frames: "
        f"expected {frames - 1}.",
    )
    plan: dict[str, Any] = plain(
        {
            "path": str(source.path),
            "frames": frames,
            "part_length": part_length,
            "size": size,
            "ikebook": ikebook.__version__,
            "fingerprint": source.fingerprint(),
            "flow": flow.describe(),
            "options": options.as_dict(),
        }
    )
    return plan


def _put_in_place(parts: Collection[Part], summary: PartsSummary) -> None:
    """Have the masks of all parts, and the summary, take the place of an earlier result."""
    first = next(iter(parts))
    together = WrittenFiles(first.new)
    with together.recording():
        write_json(first.new / "summary.json", summary)
    lists = [WrittenFiles(first.new, f"part {part.start}") for part in parts]
    put_in_place(first.out, [*lists, together], partial(remove_results, first.out))
    shutil.rmtree(first.new, ignore_errors=True)


def _remove_parts(out: Path) -> None:
    """Remove the files of the parts, by another name first: where some of them are missing, no run could go on."""
    folder, gone = out / "parts", out / LISTS / "parts"
    gone.parent.mkdir(exist_ok=True)
    folder.replace(gone)
    _clear_up(out)


def _clear_up(out: Path) -> None:
    """Remove parts that are done with, also those of a run that was killed at that; what somebody has put there goes back."""
    folder, gone = out / "parts", out / LISTS / "parts"
    for file in list(gone.glob("*")):
        if PART_FILE.fullmatch(file.name) or TEMPORARY.fullmatch(file.name):
            file.unlink()
    with suppress(OSError):
        gone.rmdir()
    if gone.exists() and not folder.exists():
        gone.replace(folder)


def _check_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Make the folder of the parts, or check that what lies there is of the same run: it is removed in the end."""
    path = folder / "plan.json"
    if not path.exists():
        others = folder.exists() and not (
            folder.is_dir() and all(TEMPORARY.fullmatch(one.name) for one in folder.iterdir())
        )
        require(not others, f"{folder} is there, and is none of ikebook's; move it, or choose another --out.")
        write_json(path, plan)
    require(
        read_json(path, dict[str, Any]) == plan,
        f"{folder} is of a video or of options that are not these; remove it, or choose another --out.",
    )
