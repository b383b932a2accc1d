"""One part of a long video, and the five rounds that it goes through; `ikebook.runs.parts` joins what they find.

A part of n frames looks p + q frames beyond its ends: its *halo*. It finds flow and evidence there in the files of its
neighbours, which lie in OUT/parts until all is done, as does what each round has given back: asked again, it is only read.
"""

from __future__ import annotations

import hashlib
import itertools
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.files import atomic, write_mask, write_soft
from ikebook.base.progress import Progress, silent
from ikebook.base.replacing import NEW
from ikebook.base.written import WrittenFiles
from ikebook.flow import Flow, FlowFiles, FlowProvider
from ikebook.flow.compute import fields_of
from ikebook.graph.choice import about_means
from ikebook.graph.contrast import motion_contrast
from ikebook.graph.masks import area_counts, soft_masks
from ikebook.graph.presets import GraphOptions
from ikebook.graph.result import enlarge
from ikebook.graph.saliency import batch_size, bell, histograms_of, map_of, measure, sample_part
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import CombinedFeatures, Cue, FeatureMatrix
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.operator import full_precision
from ikebook.matrix.projection import sample_gram, sampled_frames
from ikebook.runs.frame_source import FrameSource
from ikebook.runs.options import RunOptions
from ikebook.runs.result_folder import has_lock
from ikebook.solvers.reduced import reduce
from ikebook.solvers.volumes import SpannedVolumes
from ikebook.video.clip import resize_area
from ikebook.video.colours import lab_colours

Arrays = dict[str, np.ndarray]
"""What a round gives back of a part, by name."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a long video, and where all of it lies.

    Parameters
    ----------
    source : FrameSource
        Of the video.
    out : Path
        Folder of results.
    token : str
        Of the run; see `lock_folder`.
    frames : int
        m, those of the video.
    start, stop : int
        The part's frames are those from `start` to before `stop`.
    length : int
        Frames of each part but the last.
    size : (int, int)
        Width and height that the graph works at.
    options : RunOptions
    """

    source: FrameSource
    out: Path
    token: str
    frames: int
    start: int
    stop: int
    length: int
    size: tuple[int, int]
    options: RunOptions

    @property
    def frame_range(self) -> range:
        """The part's frames, counted in the video."""
        return range(self.start, self.stop)

    @property
    def graph(self) -> GraphOptions:
        """The options of the one graph that there is."""
        return self.options.cycle.graph

    @property
    def reach(self) -> int:
        """q: frames that features depend on, each way."""
        return self.graph.features.reach(self.graph.motion.radius, cues=True)

    def compute(self) -> Compute:
        """Where this worker computes."""
        return Compute(device=self.options.torch_device())

    def around(self, halo: int) -> range:
        """The part's frames and `halo` more on either side, as far as there are."""
        return range(max(0, self.start - halo), min(self.frames, self.stop + halo))

    def within(self, frames: range) -> range:
        """The part's frames, counted from the first of `frames`."""
        return range(self.start - frames.start, self.stop - frames.start)

    def batches(self, frames: range, first: int = 0) -> Iterator[range]:
        """Frames as the saliency takes them at a time, counted from `first`."""
        size = batch_size(self.compute(), self.size)
        for start in range(frames.start, frames.stop, size):
            yield range(start - first, min(start + size, frames.stop) - first)

    @property
    def new(self) -> Path:
        """Where masks lie until those of all parts are there."""
        return self.out / "parts" / NEW

    def file(self, name: str, start: int | None = None) -> Path:
        """A file of this part, or of the one that begins at `start`."""
        return self.out / "parts" / f"{self.start if start is None else start:09d}-{name}.npy"


def find_evidence(part: Part, progress: Progress = silent) -> Arrays:
    """First round: frames, flow, motion evidence and its histograms to files; values (k,) for the quantile of the distance."""

    def work() -> Arrays:
        around, options, compute = part.around(1), part.graph.saliency, part.compute()
        assert options is not None
        flow = _flow(part, around, progress)
        middle = bell(part.size[::-1], options, compute)
        evidence, histograms = [], []
        for frames in part.batches(part.frame_range, around.start):
            measured = measure(flow, frames, options, compute)
            counted = histograms_of(measured, middle.expand(len(frames), -1, -1), options, compute)
            evidence.append(measured.cpu().numpy())
            histograms.append(counted.cpu().numpy())
        pictures = np.stack([resize_area(frame, part.size) for frame in part.source.read(part.frame_range)])
        _save(part.file("frames"), pictures)
        pairs = slice(part.start - around.start, min(part.stop, part.frames - 1) - around.start)
        _save(part.file("flow"), np.stack([flow.forward[pairs], flow.backward[pairs]], axis=1))  # (n, 2, h, w, 2)
        _save(part.file("evidence"), np.concatenate(evidence))  # (n, 3, h, w)
        _save(part.file("histograms"), np.concatenate(histograms))  # (n, 2, 2, bins * bins)
        pixels, distance = part.size[0] * part.size[1], np.concatenate([one[:, 0] for one in evidence])
        return {"picked": sample_part(distance, part.start * pixels, part.frames * pixels).astype(np.float64)}

    return _once(part, "evidence", work)


def sample_features(task: tuple[Part, float], progress: Progress = silent) -> Arrays:
    """Second round: the saliency to a file; F'F (d, d) of those frames that F is looked at beforehand; names of F's columns."""
    part, scale = task

    def work() -> Arrays:
        around = part.around(part.graph.motion.radius + part.reach)
        saliency = _saliency(part, around, scale)
        _save(part.file("saliency"), saliency)
        _, features = _matrices(part, around, saliency)
        frames = [frame - around.start for frame in sampled_frames(part.frames) if frame in part.frame_range]
        return {"gram": sample_gram(features, frames).cpu().numpy(), "columns": np.array(features.columns)}

    return _once(part, "sample", work)


def reduce_part(task: tuple[Part, np.ndarray], progress: Progress = silent) -> Arrays:
    """Third round, for columns F T: (F T)'(F T) and (F T)'M(F T), (r, r), and F_i' times ones and the centred saliency, (n, d, 2)."""
    part, combinations = task

    def work() -> Arrays:
        around = part.around(part.graph.motion.radius + part.reach)
        saliency = _load(part.file("saliency"))
        motion, features = _matrices(part, around, saliency)
        inside = part.within(around)
        with full_precision():
            reduced = reduce(motion, CombinedFeatures(features, torch.from_numpy(combinations)), inside)
        sums = features.inner(about_means(saliency, features.device), inside)
        found = {"gram": reduced.gram, "motion": reduced.motion, "sums": sums}
        return {name: values.cpu().numpy() for name, values in found.items()}

    name = hashlib.sha256(combinations.tobytes()).hexdigest()[:16]  # another T, another look
    return _once(part, f"reduced-{name}", work)


def label_part(task: tuple[Part, np.ndarray], progress: Progress = silent) -> Arrays:
    """Fourth round: soft masks from weights (d,) of F's columns, to a file; how many pixels have which value, (200,)."""
    part, weights = task

    def work() -> Arrays:
        around, halo = part.around(part.graph.motion.radius + part.reach), part.around(part.reach)
        saliency = _load(part.file("saliency"))[halo.start - around.start : halo.stop - around.start]
        _, features = _matrices(part, halo, saliency)
        vector = SpannedVolumes(features, torch.from_numpy(weights)[None, :, None], part.within(halo))  # (1, d, 1)
        soft = np.concatenate(
            [soft_masks(labels[0], part.graph.masks).float().cpu().numpy() for labels in vector.frames()]
        )
        _save(part.file("soft"), soft)
        return {"counts": area_counts(soft).numpy()}

    return _once(part, "labels", work)


def write_part(task: tuple[Part, float], progress: Progress = silent) -> Arrays:
    """Fifth round: masks and soft masks, at the video's own size; the pixels of the object."""
    part, threshold = task
    written = WrittenFiles(part.new, f"part {part.start}")

    def work() -> Arrays:
        soft, pixels = _load(part.file("soft")), 0
        names = part.source.names(part.frame_range)
        with written.recording():
            for name, one, frame in zip(names, soft, part.source.read(part.frame_range), strict=True):
                large = enlarge(np.asarray(one), (frame.shape[1], frame.shape[0]))
                write_soft(part.new / "soft" / f"{name}.png", large)
                write_mask(part.new / "masks" / f"{name}.png", large > threshold)
                pixels += int((one > threshold).sum())
        return {"object": np.array(pixels)}

    return _once(part, "written", work, still_right=written.intact)


def _once(part: Part, name: str, work: Callable[[], Arrays], still_right: Callable[[], bool] = lambda: True) -> Arrays:
    """What a part's work in a round finds, or what it has found before, if that is still right."""
    require(has_lock(part.out, part.token), f"this worker does not see {part.out} as it is now; it has to be shared.")
    path = part.file(f"found-{name}").with_suffix(".npz")
    if path.exists() and still_right():
        with suppress(OSError, ValueError, zipfile.BadZipFile, zlib.error), np.load(path, allow_pickle=False) as known:
            return dict(known)  # unless the power failed before it was on the disk
    found = work()
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **found)  # type: ignore[arg-type]
    return found


def _flow(part: Part, frames: range, progress: Progress) -> Flow:
    """The flow between some frames, computed."""
    ticks = iter(progress("flow", len(frames) - 1))
    fields = []
    source = part.source
    pictures = source.read(frames)
    first = next(pictures)
    own, pictures = (first.shape[1], first.shape[0]), itertools.chain([first], pictures)
    for pair in fields_of(_provider(part, frames), pictures, part.size, source.names(frames), own):
        fields.append(pair)
        next(ticks, None)
    return Flow(forward=np.stack([one for one, _ in fields]), backward=np.stack([one for _, one in fields]))


def _provider(part: Part, frames: range) -> FlowProvider:
    """Who computes the flow between some frames; of flow in files, those of these frames."""
    provider = part.options.provider()
    if isinstance(provider, FlowFiles):
        pairs = slice(frames.start, frames.stop - 1)
        provider.forward, provider.backward = provider.forward[pairs], provider.backward[pairs]
    return provider


def _matrices(part: Part, frames: range, saliency: np.ndarray) -> tuple[MotionMatrix, FeatureMatrix]:
    """M and F of some frames, as if there were no others."""
    fields = _gather(part, "flow", range(frames.start, frames.stop - 1))
    flow = Flow(forward=fields[:, 0], backward=fields[:, 1])
    chains = MotionChains(flow, part.graph.chains, compute=part.compute())
    colours = None
    if part.graph.motion.colour is not None:
        colours = lab_colours(_gather(part, "frames", frames))
    motion = MotionMatrix(chains, part.graph.motion, colours)
    cue = Cue(name="saliency", maps=saliency)
    return motion, FeatureMatrix(chains, part.graph.features, [cue], keep=0, motion=motion)


def _saliency(part: Part, frames: range, scale: float) -> np.ndarray:
    """The motion saliency (b, h, w) of some frames, from the evidence in the files."""
    options, compute = part.graph.saliency, part.compute()
    assert options is not None
    prior = torch.logit(bell(part.size[::-1], options, compute).mean())
    maps = []
    for batch in part.batches(frames):
        measured, pictures = _gather(part, "evidence", batch), _gather(part, "frames", batch)
        contrast = torch.stack([_motion_contrast(part, frame) for frame in batch]) if options.contrast else None
        maps.append(map_of(measured, contrast, prior, pictures, scale, options, compute))
    return torch.cat(maps).cpu().numpy()


def _motion_contrast(part: Part, frame: int) -> Tensor:
    """How much each cell of motion speaks for the object in one frame, (2, bins * bins), by the histograms in the files."""
    options = part.graph.saliency
    assert options is not None
    near = range(max(0, frame - options.pool), min(part.frames, frame + options.pool + 1))
    found = torch.from_numpy(_gather(part, "histograms", near)).to(part.compute().device)
    return motion_contrast(found, options.bins)


def _gather(part: Part, name: str, items: range) -> np.ndarray:
    """Items of the whole video, from the files of the parts that have them; of each only what is asked for is read."""
    pieces = []
    for start in range(items.start // part.length * part.length, items.stop, part.length):
        piece = _load(part.file(name, start))[max(0, items.start - start) : items.stop - start]
        pieces.append(np.asarray(piece))
    return np.concatenate(pieces)


def _save(path: Path, array: np.ndarray) -> None:
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def _load(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)
