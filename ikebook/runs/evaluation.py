"""A whole data set through the system, scored by its protocol; stopped and started again at will.

Each sequence is a task of its own, done in this process or by the workers of `ikebook.runs.cluster`. It ends with an entry on
disk (see `ikebook.runs.result_folder`), or with the reason why there is none; the others do not mind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import ikebook
from ikebook.base.check import InputError, require
from ikebook.base.files import remove_temporaries
from ikebook.base.machine import versions
from ikebook.base.places import user_path
from ikebook.base.progress import Progress, silent
from ikebook.base.written import WrittenFiles, check_written
from ikebook.datasets.registry import Dataset
from ikebook.flow import PROVIDERS, is_provider
from ikebook.networks.pretrained import is_network
from ikebook.runs.inputs import input_files
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import CHECKPOINTS, remove_checkpoints
from ikebook.runs.result_folder import (
    DamagedError,
    ResultsWriter,
    entry_path,
    is_current,
    lock_folder,
    options_hash,
    read_entry,
    read_failures,
)
from ikebook.runs.results import Entry, Failure, Results
from ikebook.runs.runners import LostTask, Runner, SerialRunner
from ikebook.runs.sequence import SequenceTask, evaluate_sequence

Report = Callable[[str, Entry | Failure], None]
"""Called with the name of a sequence and what is known of it, as soon as it is there."""


def evaluate(
    dataset: Dataset,
    out: str | Path,
    options: RunOptions | None = None,
    sequences: Sequence[str] | None = None,
    *,
    progress: Progress = silent,
    report: Report = lambda *_: None,
    runner: Runner | None = None,
) -> Results:
    """Segment and score sequences of a data set, by its own protocol (Sec. 6).

    A sequence that `out` already has, made with the same options, is not run again. One that can't be segmented, or
    scored, is named under `failed`, with the reason; the others are finished.

    Parameters
    ----------
    dataset : Dataset
        What to segment; see `ikebook.datasets.open_dataset`.
    out : str or Path
        Folder of results: gets masks/<sequence>/<frame>.png, results.json, results.csv and cycles.csv.
    options : RunOptions, optional
        One set for all sequences.
    sequences : sequence of str, optional
        Names; by default all that the data set has.
    progress : Progress, optional
        Shown within a sequence, where there is no `runner`.
    report : callable, optional
        Called with each sequence's name and its `Entry`, or `Failure`, as soon as it is there.
    runner : Runner, optional
        Where to run, such as `ikebook.runs.ClusterRunner`; by default one sequence after the other, in this process.

    Returns
    -------
    Results
        What results.json holds, a dict; see `ikebook.runs.Results`.

    Raises
    ------
    InputError
        If `out` holds results of other options, another run is writing to it, or a sequence is unknown.

    Examples
    --------
    >>> from ikebook.datasets import open_dataset
    >>> davis = open_dataset("davis2016", "DAVIS")  # doctest: +SKIP
    >>> results = evaluate(davis, "results", sequences=["camel"])  # doctest: +SKIP
    >>> results["sequences"]["camel"]["J_mean"]  # doctest: +SKIP
    0.87
    """
    options = options or RunOptions()
    used = options.as_dict() | {"root": str(dataset.root.resolve()), "ikebook": ikebook.__version__}
    for folder in (options.flow, options.feature_flow):
        require(
            folder is None or is_provider(folder) or user_path(folder).is_dir(),
            f"flow is {folder!r}; expected {', '.join(PROVIDERS)} or a folder with <sequence>/forward/*.flo and backward/*.flo.",
        )
    for cue in options.cues:
        require(
            is_network(cue) or user_path(cue).is_dir(),
            f"cue {cue} is no folder; expected one map for each frame in {cue}/<sequence>/.",
        )
    runner = runner or SerialRunner(progress=progress)
    return _evaluate(dataset, user_path(out), used, sequences, report, runner, options=options.with_absolute_paths())


def evaluate_masks(
    dataset: Dataset,
    masks: str | Path,
    out: str | Path,
    sequences: Sequence[str] | None = None,
    *,
    report: Report = lambda *_: None,
    runner: Runner | None = None,
) -> Results:
    """Score masks that were made elsewhere, by the data set's own protocol (Sec. 6).

    Those that were scored before are scored again, as they may have changed since.

    Parameters
    ----------
    dataset : Dataset
        Whose annotations they are scored with.
    masks : str or Path
        Folder with <sequence>/<frame>.png, grey, at the frames' own size; above 127 is object.
    out : str or Path
        Folder of results: gets results.json and results.csv.
    sequences, report, runner
        As `evaluate` takes them.

    Returns
    -------
    Results
        What results.json holds, a dict; see `ikebook.runs.Results`.

    Raises
    ------
    InputError
        If there is no such folder, `out` holds other results, another run is writing to it, or a sequence is unknown.

    Examples
    --------
    >>> from ikebook.datasets import open_dataset
    >>> davis = open_dataset("davis2016", "DAVIS")  # doctest: +SKIP
    >>> evaluate_masks(davis, "their/masks", "scores")["mean"]["J_mean"]  # doctest: +SKIP
    0.806
    """
    masks = user_path(masks)
    require(masks.is_dir(), f"{masks} is missing; expected masks in {masks}/<sequence>/<frame>.png.")
    runner = runner or SerialRunner()
    used = {"masks": str(masks)}
    return _evaluate(dataset, user_path(out), used, sequences, report, runner, masks=masks.absolute())


def _evaluate(
    dataset: Dataset,
    out: Path,
    used: dict[str, Any],
    sequences: Sequence[str] | None,
    report: Report,
    runner: Runner,
    *,
    options: RunOptions | None = None,
    masks: Path | None = None,
) -> Results:
    """Have all sequences evaluated that are not yet, and write what comes of them."""
    used = {"dataset": dataset.name} | used
    known, key = dataset.sequences(), options_hash(used)
    names = list(dict.fromkeys(sequences or known))
    for name in names:
        require(name in known, f"sequence {name!r} is not in {dataset.name}; there are {', '.join(known)}.")
    out = out.absolute()
    read_failures(out, used)  # of other options: say so before anything is written
    writer = ResultsWriter(out, used, known, dataset.protocol.mean)
    with lock_folder(out) as token, WrittenFiles(out).recording():
        for folder in {out, *(entry_path(out, name).parent for name in known)}:
            remove_temporaries(folder)
        stale = _read_earlier(writer, key, lambda name: input_files(dataset, name, options, masks))
        check_written(out, [file for name in names if name not in writer.entries for file in _pictures(out, name)])
        check_written(out, [out / table for table in ("results.json", "results.csv", "cycles.csv")])
        for name in stale & set(names):
            entry_path(out, name).unlink(missing_ok=True)
        tasks: dict[str, SequenceTask] = {}
        for name in names if isinstance(runner, SerialRunner) else _longest_first(dataset, names):
            if name in writer.entries and masks is None:  # masks that were made elsewhere are scored anew
                report(name, writer.entries[name])
                continue
            tasks[name] = SequenceTask(
                dataset=dataset,
                name=name,
                out=out,
                key=key,
                token=token,
                versions=versions(),
                options=options,
                masks=masks,
            )
        _run(runner, tasks, writer, report)
        remove_checkpoints(out / CHECKPOINTS)
        return writer.write()


def _read_earlier(writer: ResultsWriter, key: str, files: Callable[[str], Sequence[Path]]) -> set[str]:
    """Add what earlier runs with the same options have left: failures, and entries that are still right; names of the others.

    Parameters
    ----------
    writer : ResultsWriter
    key : str
        Of the options.
    files : callable
        Gives the files that a sequence's entry is made from.

    Raises
    ------
    InputError
        If an entry is of other options, whosever it is.
    """
    stale = set()
    for name, failure in read_failures(writer.out, writer.options).items():
        writer.add(name, failure)
    for name in writer.order:
        try:
            entry = read_entry(writer.out, name, key)
        except DamagedError:  # if it is not ours, whoever gets the task says so
            if WrittenFiles(writer.out, name).vouches(entry_path(writer.out, name)):
                stale.add(name)
            continue
        if entry is not None and _is_current(writer.out, name, files):
            writer.add(name, entry)
        elif entry is not None:
            stale.add(name)
    return stale


def _is_current(out: Path, name: str, files: Callable[[str], Sequence[Path]]) -> bool:
    with suppress(InputError, OSError):  # a folder that is missing
        return is_current(out, name, files(name))
    return False


def _pictures(out: Path, name: str) -> list[Path]:
    """The masks of a sequence that are there."""
    return [file for kind in ("masks", "refined") for file in sorted((out / kind / name).glob("[!.]*.png"))]


def _run(runner: Runner, tasks: dict[str, SequenceTask], writer: ResultsWriter, report: Report) -> None:
    """Run the tasks, and add what comes of them."""
    with ExitStack() as stack:
        stack.callback(writer.write_if_possible)
        for name, found in stack.enter_context(closing(runner(evaluate_sequence, tasks))):
            result = _lost(found) if isinstance(found, LostTask) else found
            writer.add(name, result)
            writer.write_now_and_then()
            report(name, result)


def _lost(task: LostTask) -> Failure:
    return Failure(kind="lost", reason=task.reason, where="")


def _longest_first(dataset: Dataset, names: Sequence[str]) -> list[str]:
    """Names by the number of frames: several workers then end at about the same time, as the last tasks are short."""

    def frames(name: str) -> int:
        with suppress(InputError, OSError):  # whoever gets the task says what is wrong
            return len(dataset.clip(name, (16, 16)))
        return 0

    return sorted(names, key=frames, reverse=True)
