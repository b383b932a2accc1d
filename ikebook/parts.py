"""One very long video in parts, side by side: the same eigenvector as in one piece, since all it takes are sums.

F'F and F'MF, of which the exact solver makes the eigenvectors, are sums over frames (`ikebook.reduced`), and what else
belongs to the whole video is a quantile, a histogram, or a sum, too. So there are four rounds, and between them this
process has a few numbers of each part in its hands, never a frame:

    part: flow, motion evidence               -> values of its quantile    together: the saliency's scale
    part: saliency, features, (F'F, F'MF)     -> 2 d^2 + 2 d n numbers     together: eigenvectors, which one, its sign
    part: labels, soft masks                  -> a histogram               together: the threshold
    part: masks at the video's own size, written

A part of n frames looks p + q frames beyond its ends: its *halo*. It finds flow and evidence there in the files of its
neighbours, which lie in OUT/parts until all is done, as does what each part has given back: run again with the same
options, it goes on there.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ikebook
from ikebook import check
from ikebook.chains import MotionChains
from ikebook.check import InputError, require
from ikebook.clip import (
    AUTO,
    WORKING_SIZE,
    ImageFolder,
    VideoFile,
    files_fingerprint,
    image_files,
    names_of,
    resize_area,
)
from ikebook.cluster import Lost, Runner
from ikebook.cycle import Progress
from ikebook.eigen import PAIRS
from ikebook.features import Cue, FeatureMatrix
from ikebook.flow import Flow, FlowFiles, is_provider, resize_flow
from ikebook.graph import correlation, enlarge, pick
from ikebook.machine import versions
from ikebook.masks import area_counts, soft_masks, stable
from ikebook.motion import MotionMatrix
from ikebook.operator import full_precision
from ikebook.reduced import Reduced, reduce, reduced_residuals, solve_reduced
from ikebook.results import held, is_held
from ikebook.run import RunOptions, clear, silent
from ikebook.saliency import STILL, both_directions, motion_evidence, saliency_map
from ikebook.sources import label_trained
from ikebook.storage import pictures, tensor
from ikebook.writers import TEMPORARY, atomic, plain, write_json, write_mask, write_soft

PICKED = 1_000_000
"""Values that a quantile is taken of, about, as in `ikebook.saliency.quantile`."""

BATCH = 2
"""Frames of which evidence and saliency are computed at a time, as `motion_saliency` does."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Frames `start` to before `stop` of a video of `frames` frames, and where all of it lies."""

    path: Path
    out: Path
    token: str
    frames: int
    start: int
    stop: int
    every: int  # frames of each part
    size: tuple[int, int]
    options: RunOptions

    @property
    def own(self) -> range:
        return range(self.start, self.stop)

    @property
    def reach(self) -> int:
        """q: steps of the chains that features are taken from."""
        features = self.options.graph.features
        return max(features.cue_window, features.half_window if features.displacements else 0)

    def around(self, halo: int) -> range:
        """The part's frames and `halo` more on either side, as far as there are."""
        return range(max(0, self.start - halo), min(self.frames, self.stop + halo))

    def file(self, name: str, start: int | None = None) -> Path:
        """A file of this part, or of the one that begins at `start`."""
        return self.out / "parts" / f"{self.start if start is None else start:09d}-{name}.npy"


def find_evidence(part: Part, progress: Progress = silent) -> dict[str, np.ndarray]:
    """First round: frames, flow and motion evidence to files; values (k,) for the quantile of the distance."""

    def work() -> dict[str, np.ndarray]:
        around = part.around(1)
        ticks = iter(progress("flow", len(around) - 1))
        fields: list[tuple[np.ndarray, np.ndarray]] = []
        for ahead, back in _provider(part, around).pairs(_frames(part.path, around)):
            pair = around.start + len(fields)
            require(
                bool(np.isfinite(ahead).all() and np.isfinite(back).all()),
                f"the flow between frames {pair} and {pair + 1} has values that are NaN or infinite; compute it again, or by "
                "another method.",
            )
            fields.append((resize_flow(ahead, part.size), resize_flow(back, part.size)))
            next(ticks, None)
        require(
            len(fields) == len(around) - 1,
            f"flow has {len(fields)} fields for frames {around.start} to {around.stop - 1}; expected {len(around) - 1}.",
        )
        flow = Flow(forward=np.stack([one for one, _ in fields]), backward=np.stack([one for _, one in fields]))
        evidence = [_evidence(flow, frames, part) for frames in _batches(part.own, around.start)]
        _save(part.file("frames"), np.stack([resize_area(frame, part.size) for frame in _frames(part.path, part.own)]))
        pairs = slice(part.start - around.start, min(part.stop, part.frames - 1) - around.start)
        _save(part.file("flow"), np.stack([flow.forward[pairs], flow.backward[pairs]], axis=1))  # (n, 2, h, w, 2)
        _save(part.file("evidence"), np.concatenate(evidence))  # (n, 2, h, w)
        pixels = part.size[0] * part.size[1]
        step = max(1, part.frames * pixels // PICKED)
        distances = np.concatenate(evidence)[:, 0].reshape(-1)
        return {"picked": distances[-part.start * pixels % step :: step].astype(np.float64)}

    return _once(part, "1", work)


def sum_up(task: tuple[Part, float], progress: Progress = silent) -> dict[str, np.ndarray]:
    """Second round: F'F and F'MF, (d, d), and in each frame F_i' times ones and the centred saliency, (n, d, 2)."""
    part, scale = task

    def work() -> dict[str, np.ndarray]:
        around = part.around(part.options.graph.motion.radius + part.reach)
        saliency = _saliency(part, around, scale)
        _save(part.file("saliency"), saliency)
        motion, features = _matrices(part, around, saliency)
        own = range(part.start - around.start, part.stop - around.start)
        with full_precision():
            reduced = reduce(motion, features, own)
            sums = []
            for frames in features.chains.batches(own, (own.start, own.stop)):
                block = features.block(features.chains.trace(frames, features.reach))
                salient = tensor(saliency[frames.start : frames.stop]).double()
                maps = torch.stack([torch.ones_like(salient), salient - salient.mean(dim=(1, 2), keepdim=True)], dim=1)
                grid = features.chains.grid
                sums.append(grid.inner(block, grid.pad(maps.to(block)).mT.contiguous()))
        found = {"gram": reduced.gram, "motion": reduced.motion, "sums": torch.cat(sums)}
        return {name: values.cpu().numpy() for name, values in found.items()}

    return _once(part, "2", work)


def label(task: tuple[Part, np.ndarray], progress: Progress = silent) -> dict[str, np.ndarray]:
    """Third round: soft masks from weights (d,) of F's columns, to a file; how many pixels have which value, (200,)."""
    part, weights = task

    def work() -> dict[str, np.ndarray]:
        around, halo = part.around(part.options.graph.motion.radius + part.reach), part.around(part.reach)
        saliency = _load(part.file("saliency"))[halo.start - around.start : halo.stop - around.start]
        _, features = _matrices(part, halo, saliency)
        own = range(part.start - halo.start, part.stop - halo.start)
        soft = []
        column = torch.from_numpy(weights).to(features.device, features.dtype)[None, :, None]  # (1, d, 1)
        for frames in features.chains.batches(own, (own.start, own.stop)):
            block = features.block(features.chains.trace(frames, features.reach))
            with full_precision():
                labels = features.chains.grid.crop((block @ column).movedim(-1, 0))[0]
            soft.append(soft_masks(labels, part.options.graph.masks).float().cpu().numpy())
        _save(part.file("soft"), np.concatenate(soft))
        return {"counts": area_counts(np.concatenate(soft)).numpy()}

    return _once(part, "3", work)


def write(task: tuple[Part, float], progress: Progress = silent) -> dict[str, np.ndarray]:
    """Fourth round: masks and soft masks, at the video's own size; the pixels of the object."""
    part, threshold = task

    def work() -> dict[str, np.ndarray]:
        soft, names, pixels = _load(part.file("soft")), _names(part.path, part.own), 0
        for name, one, frame in zip(names, soft, _frames(part.path, part.own), strict=True):
            large = enlarge(np.asarray(one), (frame.shape[1], frame.shape[0]))
            write_soft(part.out / "soft" / f"{name}.png", large)
            write_mask(part.out / "masks" / f"{name}.png", large > threshold)
            pixels += int((one > threshold).sum())
        return {"object": np.array(pixels)}

    return _once(part, "4", work)


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
    graph = options.graph
    fits = graph.saliency is not None and graph.features.scale == "none" and graph.projection.scope == "video"
    fits = fits and graph.solver.method == "exact" and options.cycle.cycles == 1 and options.refine is None
    require(
        fits and not options.cues and options.feature_flow is None,
        "a video in parts takes one graph with the exact solver, one P for the video, features as they are and the motion "
        "saliency: leave out other presets, --cycles, --cue, --feature-flow and --refine, or leave out --parts.",
    )
    assert graph.saliency is not None
    if not is_provider(options.flow):
        options = replace(options, flow=str(Path(options.flow).absolute()))
    check.whole("--parts", every, at_least=1)
    path, out = path.absolute(), out.absolute()
    frames = _count(path)
    require(frames >= 2, f"{path} has {frames} frames; motion needs two or more.")
    first = next(_frames(path, range(1)))
    size = (WORKING_SIZE if first.shape[1] >= first.shape[0] else WORKING_SIZE[::-1]) if options.size == AUTO else None
    size = size or check.size("size", options.size)
    flow = options.provider()
    require(
        not isinstance(flow, FlowFiles) or len(flow.forward) == frames - 1,
        f"{options.flow} has flow of {len(getattr(flow, 'forward', ()))} pairs of frames, but {path} has {frames} frames: "
        f"expected {frames - 1}.",
    )
    told = {"path": str(path), "frames": frames, "every": every, "size": list(size), "ikebook": ikebook.__version__}
    told |= {"fingerprint": _fingerprint(path), "flow": flow.describe(), "options": plain(options.as_dict())}
    with held(out) as token:
        _same_plan(out / "parts", told)
        parts = {
            f"part {start}": Part(
                path=path,
                out=out,
                token=token,
                frames=frames,
                start=start,
                stop=min(start + every, frames),
                every=every,
                size=size,
                options=options,
            )
            for start in range(0, frames, every)
        }
        say(f"{frames} frames in {len(parts)} parts")
        picked = [one["picked"] for one in _round(runner, find_evidence, parts)]
        scale = max(float(np.quantile(np.concatenate(picked), graph.saliency.quantile)), STILL)
        say(f"motion that counts as large: {scale:.3g} pixels")
        values, weights, residual, eigenvector = _solve(
            _round(runner, sum_up, {name: (part, scale) for name, part in parts.items()}), options, size
        )
        say(f"eigenvalues: {'  '.join(f'{value:.4g}' for value in values)}")
        counts = _round(runner, label, {name: (part, weights) for name, part in parts.items()})
        threshold = graph.masks.threshold
        if threshold == "stable":
            threshold = stable(torch.from_numpy(sum(one["counts"] for one in counts)))
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
            "options": told["options"],
            "versions": versions(),
        }
        write_json(out / "summary.json", summary)
        shutil.rmtree(out / "parts")
    return dict(plain(summary))


def _solve(
    found: list[dict[str, np.ndarray]], options: RunOptions, size: tuple[int, int]
) -> tuple[list[float], np.ndarray, float | None, int]:
    """Eigenvalues, weights (d,) of the object's labels, its residual, and which eigenvector it is, from all parts' sums."""
    graph, dtype = options.graph, torch.float32
    total = Reduced(*(sum_of(torch.from_numpy(one[name]) for one in found) for name in ("gram", "motion")))
    with full_precision():
        values, weights = solve_reduced(total, graph.projection.ridge, dtype)
        count = graph.solver.pairs or PAIRS
        values, weights = values[:count], weights[:, :count]
        if not bool(values.any()):  # nothing moves against the scene: empty masks
            return [], np.zeros(len(total.gram)), None, 0
        residuals = reduced_residuals(total, graph.projection.ridge, values, weights, dtype)
    sums = torch.from_numpy(np.concatenate([one["sums"] for one in found]))  # (m, d, 2)
    ones, salient = (weights.to(dtype).double().T @ sums).unbind(-1)  # each (m, r)
    chosen, sign = pick(values, correlation(ones, salient, size[0] * size[1]), graph)
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


def _once(part: Part, stage: str, work: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What a part's work finds, or what it has found before."""
    require(is_held(part.out, part.token), f"this worker does not see {part.out} as it is now; it has to be shared.")
    path = part.file(f"round{stage}").with_suffix(".npz")
    if path.exists():
        with suppress(OSError, ValueError, zipfile.BadZipFile, zlib.error), np.load(path, allow_pickle=False) as known:
            return dict(known)  # unless the power failed before it was on the disk
    found = work()
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **found)  # type: ignore[arg-type]
    return found


def _matrices(part: Part, frames: range, saliency: np.ndarray) -> tuple[MotionMatrix, FeatureMatrix]:
    """M and F of some frames, as if there were no others."""
    graph, device = part.options.graph, part.options.torch_device()
    pairs = range(frames.start, frames.stop - 1)
    fields = _gathered(part, "flow", pairs)
    flow = Flow(forward=fields[:, 0], backward=fields[:, 1])
    chains = MotionChains(flow, graph.chains, dtype=torch.float32, device=device)
    features = FeatureMatrix(chains, graph.features, [Cue(name="saliency", maps=saliency)])
    return MotionMatrix(chains, graph.motion), features


def _saliency(part: Part, frames: range, scale: float) -> np.ndarray:
    device, options = part.options.torch_device(), part.options.graph.saliency
    maps = []
    for batch in _batches(frames, 0):
        distance, probability = tensor(_gathered(part, "evidence", batch)).to(device).unbind(1)
        images = pictures(_gathered(part, "frames", batch)).to(device)
        maps.append(saliency_map(distance, probability, images, scale, options).cpu().numpy())
    return np.concatenate(maps)


def _evidence(flow: Flow, frames: range, part: Part) -> np.ndarray:
    device = part.options.torch_device()
    ahead, back = both_directions(flow, slice(frames.start, frames.stop))
    forward, backward = tensor(ahead).to(device, torch.float32), tensor(back).to(device, torch.float32)
    with full_precision():
        evidence = motion_evidence(forward, backward, part.options.graph.saliency)
    return torch.stack(evidence, dim=1).cpu().numpy()


def _batches(frames: range, first: int) -> Iterator[range]:
    """`BATCH` frames at a time, counted from `first`."""
    for start in range(frames.start, frames.stop, BATCH):
        yield range(start - first, min(start + BATCH, frames.stop) - first)


def _gathered(part: Part, name: str, items: range) -> np.ndarray:
    """Items of the whole video, from the files of the parts that have them; of each only what is asked for is read."""
    pieces = []
    for start in range(items.start // part.every * part.every, items.stop, part.every):
        own = _load(part.file(name, start))[max(0, items.start - start) : items.stop - start]
        pieces.append(np.asarray(own))
    return np.concatenate(pieces)


def _save(path: Path, array: np.ndarray) -> None:
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def _load(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _same_plan(folder: Path, told: dict[str, Any]) -> None:
    """Make the folder of the parts, or check that what lies there is of the same run: all of it is removed in the end."""
    path = folder / "plan.json"
    if not path.exists():
        others = folder.exists() and not (
            folder.is_dir() and all(TEMPORARY.fullmatch(one.name) for one in folder.iterdir())
        )
        require(not others, f"{folder} is there, and is none of ikebook's; move it, or choose another --out.")
        clear(folder.parent)
        write_json(path, told)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    require(
        known == plain(told),
        f"{folder} is of a video or of options that are not these; remove it, or choose another --out.",
    )


def _provider(part: Part, frames: range) -> Any:
    provider = part.options.provider()
    if isinstance(provider, FlowFiles):
        pairs = slice(frames.start, frames.stop - 1)
        provider.forward, provider.backward = provider.forward[pairs], provider.backward[pairs]
    return provider


def _fingerprint(path: Path) -> str:
    """A text that changes when any frame does."""
    return files_fingerprint(image_files(path) if path.is_dir() else [path])


def _count(path: Path) -> int:
    require(path.exists(), f"{path} does not exist; expected a folder of images or a video file.")
    return len(image_files(path)) if path.is_dir() else VideoFile(path).count()


def _frames(path: Path, frames: range) -> Iterator[np.ndarray]:
    """Some frames of a video at their own size."""
    if path.is_dir():
        return iter(ImageFolder(image_files(path)[frames.start : frames.stop]))
    return VideoFile(path).between(frames.start, frames.stop)


def _names(path: Path, frames: range) -> list[str]:
    if path.is_dir():
        return names_of(image_files(path))[frames.start : frames.stop]
    return [f"{index:05d}" for index in frames]
