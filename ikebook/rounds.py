"""The four rounds that each part of a long video goes through; `ikebook.parts` joins what they find.

A part of n frames looks p + q frames beyond its ends: its *halo*. It finds flow and evidence there in the files of its
neighbours, which lie in OUT/parts until all is done, as does what each round has given back: asked again, it is only read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ikebook.chains import MotionChains
from ikebook.check import require
from ikebook.clip import ImageFolder, VideoFile, image_files, names_of, resize_area
from ikebook.cycle import Progress
from ikebook.features import Cue, FeatureMatrix
from ikebook.flow import Flow, FlowFiles, resize_flow
from ikebook.graph import enlarge
from ikebook.masks import area_counts, soft_masks
from ikebook.motion import MotionMatrix
from ikebook.operator import full_precision
from ikebook.reduced import reduce
from ikebook.results import is_held
from ikebook.run import RunOptions, silent
from ikebook.saliency import both_directions, motion_evidence, saliency_map
from ikebook.storage import pictures, tensor
from ikebook.writers import atomic, write_mask, write_soft

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
        for ahead, back in _provider(part, around).pairs(frames_of(part.path, around)):
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
        _save(
            part.file("frames"), np.stack([resize_area(frame, part.size) for frame in frames_of(part.path, part.own)])
        )
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
        for name, one, frame in zip(names, soft, frames_of(part.path, part.own), strict=True):
            large = enlarge(np.asarray(one), (frame.shape[1], frame.shape[0]))
            write_soft(part.out / "soft" / f"{name}.png", large)
            write_mask(part.out / "masks" / f"{name}.png", large > threshold)
            pixels += int((one > threshold).sum())
        return {"object": np.array(pixels)}

    return _once(part, "4", work)


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


def _provider(part: Part, frames: range) -> Any:
    provider = part.options.provider()
    if isinstance(provider, FlowFiles):
        pairs = slice(frames.start, frames.stop - 1)
        provider.forward, provider.backward = provider.forward[pairs], provider.backward[pairs]
    return provider


def frames_of(path: Path, frames: range) -> Iterator[np.ndarray]:
    """Some frames of a video at their own size."""
    if path.is_dir():
        return iter(ImageFolder(image_files(path)[frames.start : frames.stop]))
    return VideoFile(path).between(frames.start, frames.stop)


def _names(path: Path, frames: range) -> list[str]:
    if path.is_dir():
        return names_of(image_files(path))[frames.start : frames.stop]
    return [f"{index:05d}" for index in frames]
