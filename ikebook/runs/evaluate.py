"""A whole data set through the system, scored by its protocol; stopped and started again at will.

Each sequence is a task of its own, done in this process or by the workers of `ikebook.runs.cluster`. It ends with an entry on
disk (see `ikebook.runs.results`), or with the reason why there is none; the others do not mind.
"""

from __future__ import annotations

import platform
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

import ikebook
from ikebook.base.check import InputError, explain, require
from ikebook.base.files import sweep, write_mask
from ikebook.base.machine import cpu_name, versions
from ikebook.base.progress import Progress, silent
from ikebook.cycle import CycleState
from ikebook.datasets import Dataset
from ikebook.datasets.protocol import CURVE, is_score
from ikebook.flow import PROVIDERS, is_provider
from ikebook.graph.result import enlarge
from ikebook.networks.pretrained import is_network
from ikebook.runs.cluster import InTurn, Lost, Runner
from ikebook.runs.results import (
    DamagedError,
    Failed,
    Merged,
    Results,
    alone,
    earlier_failures,
    entry_file,
    finish,
    finished,
    held,
    is_held,
    key_of,
)
from ikebook.runs.run import CHECKPOINTS, Outcome, RunOptions, forget, refined, run, summarise
from ikebook.video.clip import Clip, image_files, read_image

REPORTED = (
    "eigenvalues",
    "eigenvalue_ratio",
    "residual",
    "threshold",
    "cycles",
    "seconds",
    "peak_memory_bytes",
    "warnings",
)
"""What each sequence's entry takes over from a run's summary."""

SAME = ("ikebook", "torch", "numpy", "scipy", "opencv")
"""What has to have the same version wherever sequences of one data set are segmented."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One sequence, and all that a worker needs to know about it: paths as they are called on every machine."""

    dataset: Dataset
    name: str
    out: Path
    key: str  # of the options
    token: str  # of the run
    versions: dict[str, str]
    options: RunOptions | None = None
    masks: Path | None = None  # to score, where nothing is to be segmented


def evaluate(
    dataset: Dataset,
    out: Path,
    options: RunOptions,
    sequences: Sequence[str] | None = None,
    *,
    progress: Progress = silent,
    report: Callable[[str, Results], None] | None = None,
    runner: Runner | None = None,
) -> Results:
    """Segment and score sequences; `out` gets masks, `results.json`, `results.csv`, and `cycles.csv`.

    A sequence that `out` already has, made with the same options, is not run again. One that can't be segmented, or
    scored, is named under `failed`, with the reason; the others are finished.

    Parameters
    ----------
    dataset : what to segment
    out : folder of results; see `ikebook.runs.results`
    options : one set for all sequences
    sequences : names; all of the data set's if None
    progress : shown within a sequence, where `runner` is None
    report : called with each sequence's name and entry, or `Failed`, as soon as it is there
    runner : where to run; None: one sequence after the other, in this process

    Returns
    -------
    dict
        What `results.json` holds.

    Raises
    ------
    InputError
        If `out` holds results of other options, another run is writing to it, or a sequence is unknown.
    """
    used = options.as_dict() | {"root": str(dataset.root.resolve()), "ikebook": ikebook.__version__}
    for folder in (options.flow, options.feature_flow):
        require(
            folder is None or is_provider(folder) or Path(folder).is_dir(),
            f"flow is {folder!r}; expected {', '.join(PROVIDERS)} or a folder with <sequence>/forward/*.flo and backward/*.flo.",
        )
    for cue in options.cues:
        require(
            is_network(cue) or Path(cue).is_dir(),
            f"cue {cue} is no folder; expected one map for each frame in {cue}/<sequence>/.",
        )
    placed = replace(
        options,
        flow=_placed(options.flow),
        feature_flow=None if options.feature_flow is None else _placed(options.feature_flow),
        cues=[_placed(cue) for cue in options.cues],
    )
    return _collect(dataset, out, used, sequences, report, runner or InTurn(progress=progress), options=placed)


def evaluate_masks(
    dataset: Dataset,
    masks: Path,
    out: Path,
    sequences: Sequence[str] | None = None,
    *,
    report: Callable[[str, Results], None] | None = None,
    runner: Runner | None = None,
) -> Results:
    """Score masks made elsewhere: `masks/<sequence>/<frame>.png`, grey, above 127 is object.

    Those that were scored before are scored again, as they may have changed since.
    """
    require(masks.is_dir(), f"{masks} is missing; expected masks in {masks}/<sequence>/<frame>.png.")
    return _collect(dataset, out, {"masks": str(masks)}, sequences, report, runner or InTurn(), masks=masks.absolute())


def _placed(source: str) -> str:
    """A source of flow or cues, with the path in it, if there is one, as it is called from any folder."""
    name, colon, weights = source.partition(":")
    if is_provider(source) or is_network(source):
        return f"{name}:{Path(weights).absolute()}" if colon and Path(weights).is_file() else source
    return str(Path(source).absolute())


def perform(task: Task, progress: Progress = silent) -> Results:
    """Segment and score one sequence, as far as that is not done yet: its entry, or `Failed`.

    Only an interrupt is raised.
    """
    try:
        _same_place(task)
        with alone(task.out, task.name):
            entry = finished(task.out, task.name, task.key)
            return entry or _performed(task, progress)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other sequences are to be finished
        told = explain(error)
        if told is not None:
            return Failed(kind=told[0], reason=told[1], where=platform.node())
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        trace = traceback.format_exc()
        return Failed(kind="bug", reason=f"a bug of ikebook's: {reason}", where=platform.node(), traceback=trace)


def _same_place(task: Task) -> None:
    """Check that this process sees what the one sees that hands out the tasks."""
    own = versions()
    for name in SAME:
        mine, theirs = own[name].partition("+")[0], task.versions[name].partition("+")[0]  # torch 2.9+cpu, 2.9+cu128
        require(
            mine == theirs,
            f"the worker on {platform.node()} has {name} {mine}, but the results are made with {theirs}; install the same.",
        )
    require(
        is_held(task.out, task.token),
        f"the worker on {platform.node()} does not see {task.out} as it is now; give it the folders of the results and of the "
        "data under the same paths.",
    )


def _performed(task: Task, progress: Progress) -> Results:
    where = {
        "host": platform.node(),
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "device": "cpu" if task.options is None else task.options.torch_device(),
    }
    if task.masks is not None:
        return finish(task.out, task.name, task.key, _scored(task.dataset, task.name, task.masks) | {"where": where})
    assert task.options is not None
    entry = _segmented(task.dataset, task.name, task.out, task.options, progress)
    folders = [task.out / kind / task.name for kind in ("masks", "refined")]
    return finish(task.out, task.name, task.key, entry | {"where": where}, folders)


def _segmented(dataset: Dataset, name: str, out: Path, options: RunOptions, progress: Progress) -> Results:
    """Segment a sequence, write its masks, score them."""
    masks, better, checkpoints = out / "masks" / name, out / "refined" / name, out / CHECKPOINTS / name
    for folder in (masks, better, checkpoints):
        sweep(folder)
    compute = options.compute(out)
    clip = dataset.clip(name, options.size)
    own, protocol = options.of_sequence(name), dataset.protocol

    def scored(state: CycleState) -> Results:
        def soft() -> Iterator[np.ndarray]:
            return (enlarge(one, clip.original_size) for one in state.soft)

        found = protocol.of_masks((one > state.threshold for one in soft()), _annotations(dataset, name, clip))
        return found | protocol.of_soft(soft(), _annotations(dataset, name, clip))

    def refined_masks(outcome: Outcome) -> Iterator[np.ndarray]:
        assert options.refine is not None
        for frame_name, mask in zip(clip.frame_names, refined(clip, outcome, options.refine), strict=True):
            write_mask(better / f"{frame_name}.png", mask)
            yield mask

    outcome = run(
        clip,
        own.provider(),
        options=own,
        compute=compute,
        progress=progress,
        checkpoints=checkpoints,
        observe=scored,
    )
    for index, frame_name in enumerate(clip.frame_names):
        mask = outcome.result.soft_at(index, clip.original_size) > outcome.result.threshold
        write_mask(masks / f"{frame_name}.png", mask)
    told = summarise(clip, outcome, options)
    final = {key: value for key, value in outcome.history[-1].items() if is_score(key) or key == CURVE}
    for half in outcome.history:  # once is enough: it is long
        half.pop(CURVE, None)
    entry = {"frames": len(clip)} | final | {key: told[key] for key in REPORTED}
    if options.refine is not None:
        entry["refined"] = protocol.of_masks(refined_masks(outcome), _annotations(dataset, name, clip))
    forget(checkpoints)
    return entry


def _scored(dataset: Dataset, name: str, masks: Path) -> Results:
    """Score a sequence's masks, made elsewhere."""
    folder = masks / name
    require(folder.is_dir(), f"{folder} is missing; expected masks in {masks}/<sequence>/<frame>.png.")
    files = {file.stem: file for file in image_files(folder)}
    clip = dataset.clip(name, (16, 16))

    def read() -> Iterator[np.ndarray]:
        for frame in clip.frame_names:
            require(frame in files, f"{folder} has no mask of frame {frame}.")
            mask = read_image(files[frame], 0)
            w, h = clip.original_size
            require(mask.shape == (h, w), f"{files[frame]} is {mask.shape[1]}x{mask.shape[0]}; expected {w}x{h}.")
            yield mask

    scores = dataset.protocol.of_masks((mask > 127 for mask in read()), _annotations(dataset, name, clip))
    return {"frames": len(clip)} | scores | dataset.protocol.of_soft(read(), _annotations(dataset, name, clip))


def _longest_first(dataset: Dataset, names: list[str]) -> list[str]:
    """Names by the number of frames: several workers then end at about the same time, as the last tasks are short."""

    def frames(name: str) -> int:
        with suppress(InputError, OSError):  # whoever gets the task says what is wrong
            return len(dataset.clip(name, (16, 16)))
        return 0

    return sorted(names, key=frames, reverse=True)


def _annotations(dataset: Dataset, name: str, clip: Clip) -> Iterator[np.ndarray | None]:
    w, h = clip.original_size
    for frame, annotation in zip(clip.frame_names, dataset.annotations(name), strict=True):
        if annotation is not None and annotation.shape != (h, w):
            size = f"{annotation.shape[1]}x{annotation.shape[0]}"
            raise InputError(f"the annotation of frame {frame} of {name} is {size}; its frame is {w}x{h}.")
        yield annotation


def _collect(
    dataset: Dataset,
    out: Path,
    used: Results,
    sequences: Sequence[str] | None,
    report: Callable[[str, Results], None] | None,
    runner: Runner,
    *,
    options: RunOptions | None = None,
    masks: Path | None = None,
) -> Results:
    """Have tasks done, and merge what comes of them."""
    used = {"dataset": dataset.name} | used
    known, key = dataset.sequences(), key_of(used)
    names = list(dict.fromkeys(sequences or known))
    for name in names:
        require(name in known, f"sequence {name!r} is not in {dataset.name}; there are {', '.join(known)}.")
    out = out.absolute()
    earlier_failures(out, used)  # of other options: say so before anything is written
    merged = Merged(out, used, known, dataset.protocol.mean)
    with held(out) as token:
        for folder in {out, *(entry_file(out, name).parent for name in known)}:
            sweep(folder)
        for name, failure in earlier_failures(out, used).items():
            merged.add(name, failure)
        for name in known:
            with suppress(DamagedError):  # whoever gets the task says so
                entry = finished(out, name, key)  # of other options: says so before any is removed
                if entry is not None and (masks is None or name not in names):
                    merged.add(name, entry)
        if masks is not None:  # they may have changed since
            for name in names:
                entry_file(out, name).unlink(missing_ok=True)
        tell = report or (lambda *_: None)
        tasks: dict[str, Task] = {}
        for name in names if isinstance(runner, InTurn) else _longest_first(dataset, names):
            if name in merged.entries:
                tell(name, merged.entries[name])
                continue
            tasks[name] = Task(
                dataset=dataset,
                name=name,
                out=out,
                key=key,
                token=token,
                versions=versions(),
                options=options,
                masks=masks,
            )
        with ExitStack() as stack:
            stack.callback(merged.try_to_write)
            for name, found in stack.enter_context(closing(runner(perform, tasks))):
                entry = Failed(kind="lost", reason=found.reason, where="") if isinstance(found, Lost) else found
                merged.add(name, entry)
                merged.write_now_and_then()
                tell(name, entry)
        forget(out / CHECKPOINTS)
        return merged.write()
