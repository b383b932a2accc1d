"""One sequence of a data set, segmented and scored, wherever that is done: in this process, or by a worker."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from ikebook.base.check import InputError, explain, require
from ikebook.base.files import remove_temporaries, write_mask
from ikebook.base.machine import cpu_name, versions
from ikebook.base.progress import Progress, silent
from ikebook.base.written import WrittenFiles
from ikebook.cycle import CycleState
from ikebook.datasets.masks import Masks
from ikebook.datasets.protocol import CURVE, Scores, SequenceScores, is_score
from ikebook.datasets.registry import Dataset
from ikebook.graph.refine import RefineOptions
from ikebook.graph.result import enlarge
from ikebook.runs.inputs import input_files, look
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import CHECKPOINTS, refined_masks, remove_checkpoints
from ikebook.runs.result_folder import entry_path, has_lock, lock_sequence, read_entry, write_entry
from ikebook.runs.results import Entry, Failure, Place
from ikebook.runs.single import Outcome, run
from ikebook.runs.summary import summarise
from ikebook.video.clip import Clip
from ikebook.video.images import image_files

SAME_VERSIONS = ("ikebook", "torch", "numpy", "scipy", "opencv")
"""What has to have the same version wherever sequences of one data set are segmented."""


@dataclass(frozen=True, kw_only=True)
class SequenceTask:
    """One sequence, and all that a worker needs to know about it.

    Parameters
    ----------
    dataset : Dataset
    name : str
        Of the sequence.
    out : Path
        Folder of results, as it is called on every machine.
    key : str
        Differs wherever options do; see `options_hash`.
    token : str
        Of the run; see `lock_folder`.
    versions : dict of str
        Of what the run is made with.
    options : RunOptions, optional
    masks : Path, optional
        Folder of masks to score, where nothing is to be segmented: anew, whatever an earlier run has found.
    """

    dataset: Dataset
    name: str
    out: Path
    key: str
    token: str
    versions: dict[str, str]
    options: RunOptions | None = None
    masks: Path | None = None


def evaluate_sequence(task: SequenceTask, progress: Progress = silent) -> Entry | Failure:
    """Segment and score one sequence, as far as that is not done yet: its entry, or why there is none.

    Only an interrupt is raised.
    """
    try:
        _check_worker(task)
        with lock_sequence(task.out, task.name):
            known = read_entry(task.out, task.name, task.key)
            if known is not None and task.masks is None:
                return known
            entry_path(task.out, task.name).unlink(missing_ok=True)
            return _evaluate(task, progress)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other sequences are to be finished
        return failure_of(error)


def failure_of(error: Exception) -> Failure:
    """Why something has no result, as plain values."""
    host = platform.node()
    explained = explain(error)
    if explained is not None:
        kind, reason = explained
        return cast("Failure", {"kind": kind, "reason": reason, "where": host})
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    trace = "".join(traceback.format_exception(error))
    return Failure(kind="bug", reason=f"a bug of ikebook's: {reason}", where=host, traceback=trace)


def _check_worker(task: SequenceTask) -> None:
    """Check that this process sees what the one sees that hands out the tasks."""
    here = versions()
    for name in SAME_VERSIONS:
        mine, theirs = here[name].partition("+")[0], task.versions[name].partition("+")[0]  # torch 2.9+cpu, 2.9+cu128
        require(
            mine == theirs,
            f"the worker on {platform.node()} has {name} {mine}, but the results are made with {theirs}; install the same.",
        )
    require(
        has_lock(task.out, task.token),
        f"the worker on {platform.node()} does not see {task.out} as it is now; give it the folders of the results and of the "
        "data under the same paths.",
    )


def _evaluate(task: SequenceTask, progress: Progress) -> Entry:
    inputs = look(input_files(task.dataset, task.name, task.options, task.masks))
    if task.masks is not None:
        entry, folders = _score_masks(task.dataset, task.name, task.masks), []
    else:
        assert task.options is not None
        entry = _segment(task.dataset, task.name, task.out, task.options, progress)
        folders = [task.out / kind / task.name for kind in ("masks", "refined")]
    entry["where"] = Place(
        host=platform.node(),
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        device="cpu" if task.options is None else task.options.torch_device(),
    )
    with WrittenFiles(task.out, task.name).recording():
        return write_entry(task.out, task.name, task.key, entry, folders, inputs)


def _segment(dataset: Dataset, name: str, out: Path, options: RunOptions, progress: Progress) -> Entry:
    """Segment a sequence, write its masks, score them."""
    masks, checkpoints = out / "masks" / name, out / CHECKPOINTS / name
    for folder in (masks, out / "refined" / name, checkpoints):
        remove_temporaries(folder)
    compute = options.compute(out)
    clip = dataset.clip(name, options.size)
    here = options.for_sequence(name)

    def scores(state: CycleState) -> SequenceScores:
        def soft() -> Iterator[np.ndarray]:
            return (enlarge(one, clip.original_size) for one in state.soft)

        return _score(dataset, name, clip, (one > state.threshold for one in soft()), soft())

    outcome = run(
        clip,
        here.provider(),
        options=here,
        compute=compute,
        checkpoints=checkpoints,
        progress=progress,
        observe=scores,
    )
    written = WrittenFiles(out, name)
    written.remove()  # what a run has left that was killed, or was of other frames
    entry = _entry(dataset, clip, outcome, options)
    with written.recording():
        for index, frame in enumerate(clip.frame_names):
            mask = outcome.result.soft_at(index, clip.original_size) > outcome.result.threshold
            write_mask(masks / f"{frame}.png", mask)
        if options.refine is not None:
            entry["refined"] = _refine(dataset, name, clip, outcome, options.refine, out / "refined" / name)
    remove_checkpoints(checkpoints)
    return entry


def _entry(dataset: Dataset, clip: Clip, outcome: Outcome, options: RunOptions) -> Entry:
    """What is known of a sequence after its run, scores among it."""
    summary = summarise(clip, outcome, options)
    last = {key: value for key, value in outcome.history[-1].items() if is_score(key) or key == CURVE}
    for half in outcome.history:  # once is enough: it is long
        half.pop(CURVE, None)
    entry = _with_scores(len(clip), cast("SequenceScores", last))
    entry["eigenvalues"] = summary["eigenvalues"]
    entry["eigenvalue_ratio"] = summary["eigenvalue_ratio"]
    entry["residual"] = summary["residual"]
    entry["confidence"] = summary["confidence"]
    entry["threshold"] = summary["threshold"]
    entry["cycles"] = outcome.history
    entry["seconds"] = summary["seconds"]
    entry["peak_memory_bytes"] = summary["peak_memory_bytes"]
    entry["warnings"] = [*_notes(dataset, clip.name), *summary["warnings"]]
    return entry


def _with_scores(frames: int, scores: SequenceScores) -> Entry:
    return cast("Entry", {"frames": frames, **scores})


def _refine(dataset: Dataset, name: str, clip: Clip, outcome: Outcome, options: RefineOptions, folder: Path) -> Scores:
    """Write a sequence's refined masks, and score them."""

    def masks() -> Iterator[np.ndarray]:
        for frame, mask in zip(clip.frame_names, refined_masks(clip, outcome, options), strict=True):
            write_mask(folder / f"{frame}.png", mask)
            yield mask

    return dataset.protocol.score_masks(masks(), _annotations(dataset, name, clip))


def _score_masks(dataset: Dataset, name: str, masks: Path) -> Entry:
    """Score a sequence's masks, made elsewhere."""
    folder = masks / name
    require(folder.is_dir(), f"{folder} is missing; expected masks in {masks}/<sequence>/<frame>.png.")
    files = {file.stem: file for file in image_files(folder)}
    found = Masks(files.values())
    clip = dataset.clip(name, (16, 16))
    scored = _scored(dataset, name, clip) if any(frame not in files for frame in clip.frame_names) else set()

    def masks_by(read: Callable[[Path], np.ndarray]) -> Iterator[np.ndarray]:
        w, h = clip.original_size
        for frame in clip.frame_names:
            if frame not in files:
                require(frame not in scored, f"{folder} has no mask of frame {frame}.")
                yield np.zeros((h, w), bool)  # which nobody looks at
                continue
            mask = read(files[frame])
            require(mask.shape == (h, w), f"{files[frame]} is {mask.shape[1]}x{mask.shape[0]}; expected {w}x{h}.")
            yield mask

    entry = _with_scores(len(clip), _score(dataset, name, clip, masks_by(found.read), masks_by(found.read_soft)))
    notes = [*_notes(dataset, name), *([found.note] if found.note else [])]
    if notes:
        entry["warnings"] = notes
    return entry


def _scored(dataset: Dataset, name: str, clip: Clip) -> set[str]:
    """The names of the frames of a sequence that are scored."""
    annotated = (
        None if one is None else np.array(index) for index, one in enumerate(_annotations(dataset, name, clip))
    )
    indices = (np.array(index) for index in range(len(clip)))
    return {clip.frame_names[int(index)] for index, _ in dataset.protocol.scored_frames(indices, annotated)}


def _notes(dataset: Dataset, name: str) -> list[str]:
    """What a user should know of a sequence's annotations, of a data set that says so."""
    return list(getattr(dataset, "notes", lambda _: ())(name))


def _score(
    dataset: Dataset, name: str, clip: Clip, masks: Iterator[np.ndarray], soft: Iterator[np.ndarray]
) -> SequenceScores:
    """All scores of a sequence, by the data set's protocol."""
    return {
        **dataset.protocol.score_masks(masks, _annotations(dataset, name, clip)),
        **dataset.protocol.score_soft_masks(soft, _annotations(dataset, name, clip)),
    }


def _annotations(dataset: Dataset, name: str, clip: Clip) -> Iterator[np.ndarray | None]:
    w, h = clip.original_size
    for frame, annotation in zip(clip.frame_names, dataset.annotations(name), strict=True):
        if annotation is not None and annotation.shape != (h, w):
            size = f"{annotation.shape[1]}x{annotation.shape[0]}"
            raise InputError(f"the annotation of frame {frame} of {name} is {size}; its frame is {w}x{h}.")
        yield annotation
