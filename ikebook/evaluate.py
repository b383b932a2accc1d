"""A whole data set through the system, scored by its protocol; stopped and started again at will."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ikebook
from ikebook.check import InputError, require
from ikebook.clip import Clip, image_files, read_image
from ikebook.cycle import CycleState, Progress
from ikebook.datasets import Dataset
from ikebook.graph import enlarge
from ikebook.machine import versions
from ikebook.metrics import summary
from ikebook.protocol import is_score
from ikebook.run import CHECKPOINTS, Outcome, RunOptions, forget, refined, run, silent, summarise
from ikebook.sources import marks
from ikebook.writers import plain, write_csv, write_json, write_mask

Results = dict[str, Any]
"""What `results.json` holds: `mean`, `sequences`, `options`, `versions`."""

REPORTED = ("eigenvalues", "eigenvalue_ratio", "residual", "threshold", "cycles", "seconds", "warnings")
"""What each sequence's entry takes over from a run's summary."""


def evaluate(
    dataset: Dataset,
    out: Path,
    options: RunOptions,
    sequences: Sequence[str] | None = None,
    *,
    progress: Progress = silent,
    report: Callable[[str, Results], None] | None = None,
) -> Results:
    """Segment and score sequences; `out` gets `masks/<sequence>/<frame>.png`, `results.json`, `results.csv`, and `cycles.csv`.

    A sequence that `out/results.json` already has, made with the same options, is not run again.

    Parameters
    ----------
    dataset : what to segment
    out : folder of results
    options : one set for all sequences
    sequences : names; all of the data set's if None
    progress : shown within a sequence
    report : called with each sequence's name and entry as soon as it is there

    Raises
    ------
    InputError
        If `out` holds results of other options, or a sequence is unknown.
    """
    protocol = dataset.protocol

    def measure(name: str) -> Results:
        clip = dataset.clip(name, options.size)
        own = options.of_sequence(name)
        checkpoints = out / CHECKPOINTS / name

        def scored(state: CycleState) -> Results:
            def soft() -> Iterator[np.ndarray]:
                return (enlarge(one, clip.original_size) for one in state.soft)

            masks = (one > state.threshold for one in soft())
            scores = protocol.of_masks(masks, _annotations(dataset, name, clip))
            return scores | protocol.of_soft(soft(), _annotations(dataset, name, clip))

        outcome = run(
            clip,
            own.provider(),
            own,
            progress,
            options.room(out),
            checkpoints=checkpoints,
            observe=scored,
        )
        for index, frame_name in enumerate(clip.frame_names):
            mask = outcome.result.soft_at(index, clip.original_size) > outcome.result.threshold
            write_mask(out / "masks" / name / f"{frame_name}.png", mask)
        told = summarise(clip, outcome, options)
        final = {key: value for key, value in outcome.history[-1].items() if is_score(key)}
        entry = {"frames": len(clip)} | final | {key: told[key] for key in REPORTED}
        if options.refine is not None:
            entry["refined"] = protocol.of_masks(refined_masks(name, clip, outcome), _annotations(dataset, name, clip))
        forget(checkpoints)
        forget(checkpoints.parent)
        return entry

    def refined_masks(name: str, clip: Clip, outcome: Outcome) -> Iterator[np.ndarray]:
        assert options.refine is not None
        for frame_name, mask in zip(clip.frame_names, refined(clip, outcome, options.refine), strict=True):
            write_mask(out / "refined" / name / f"{frame_name}.png", mask)
            yield mask

    used = options.as_dict() | {"root": str(dataset.root.resolve()), "ikebook": ikebook.__version__}
    return _collect(dataset, out, used, sequences, measure, report)


def evaluate_masks(
    dataset: Dataset,
    masks: Path,
    out: Path,
    sequences: Sequence[str] | None = None,
    *,
    report: Callable[[str, Results], None] | None = None,
) -> Results:
    """Score masks made elsewhere: `masks/<sequence>/<frame>.png`, grey, above 127 is object."""

    def measure(name: str) -> Results:
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

    return _collect(dataset, out, {"masks": str(masks)}, sequences, measure, report, resume=False)


def table(results: Results) -> str:
    """The scores as text, in percent, a line for each sequence and one for their mean; then what human labels taught."""
    columns = [key for key in next(iter(results["sequences"].values())) if is_score(key)]
    entries = results["sequences"] | {"mean": results["mean"]}
    if "mean_refined" in results:
        entries["mean, refined"] = results["mean_refined"]
    width = max(map(len, entries))
    room = max(10, *(len(column) + 2 for column in columns))
    lines = [" " * width + "".join(f"{column:>{room}}" for column in columns)]
    for name, entry in entries.items():
        found = [entry.get(column) for column in columns]  # refined masks have no soft ones
        cells = ["-" if score is None else f"{100 * score:.1f}" for score in found]
        lines.append(f"{name:{width}}" + "".join(f"{cell:>{room}}" for cell in cells))
    return "\n".join([*lines, *marks(results["options"].get("sources", ()))])


def cycles(results: Results) -> list[Results]:
    """Mean scores after each half of a cycle, over all sequences, and their relative change (Table 3).

    A sequence that ended early, as nothing changed any more, keeps its last scores.

    Returns
    -------
    list of dict
        `cycle`, `module` ("graph" or "network"), `J_mean`, `F_mean`, and `J_change`, percent of the J of the same module
        a cycle before; for the first network, of the graph that it learned from.
    """
    histories = [entry["cycles"] for entry in results["sequences"].values() if entry.get("cycles")]
    halves: list[Results] = max(histories, key=len, default=[])
    rows: list[Results] = []
    for half in halves:
        scored = []
        for history in histories:
            ended = [one for one in history if one["module"] == half["module"] and one["cycle"] <= half["cycle"]]
            if ended and ended[-1]["J_mean"] is not None:
                scored.append(ended[-1])
        row = {"cycle": half["cycle"], "module": half["module"], "sequences": len(scored)}
        for key in ("J_mean", "F_mean"):
            row[key] = float(np.mean([one[key] for one in scored])) if scored else None
        before = [one for one in rows if one["module"] == row["module"]] or rows[-1:]
        known = before[-1]["J_mean"] if before else None
        row["J_change"] = 100 * (row["J_mean"] - known) / known if known and row["J_mean"] is not None else None
        rows.append(row)
    return rows


def cycles_table(results: Results) -> str:
    """`cycles` as text, scores in percent; empty where there was one cycle only."""
    rows = cycles(results)
    if len(rows) < 2:
        return ""
    lines = ["cycle  module     J_mean  F_mean  change of J, % of the last"]
    for row in rows:
        scores = ["       -" if row[key] is None else f"{100 * row[key]:8.1f}" for key in ("J_mean", "F_mean")]
        change = "" if row["J_change"] is None else f"{row['J_change']:+8.1f}"
        lines.append(f"{row['cycle']:5}  {row['module']:8}" + "".join(scores) + change)
    return "\n".join(lines)


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
    options: Results,
    sequences: Sequence[str] | None,
    measure: Callable[[str], Results],
    report: Callable[[str, Results], None] | None,
    *,
    resume: bool = True,
) -> Results:
    known = dataset.sequences()
    names = list(sequences or known)
    for name in names:
        require(name in known, f"sequence {name!r} is not in {dataset.name}; there are {', '.join(known)}.")
    done = _earlier(out / "results.json", options)
    if not resume:  # masks made elsewhere may have changed since
        done = {}
    results: Results = {}
    for name in names:
        entry = done.get(name) or plain(measure(name))
        done[name] = entry
        if report is not None:
            report(name, entry)
        kept = {key: done[key] for key in known if key in done}
        mean = dataset.protocol.mean
        results = {"mean": mean(kept), "sequences": kept, "options": options, "versions": versions()}
        if all("refined" in one for one in kept.values()):
            results["mean_refined"] = mean({key: one["refined"] for key, one in kept.items()})
        write_json(out / "results.json", results)
        write_csv(out / "results.csv", [{"sequence": key} | _scores(entry) for key, entry in kept.items()])
        halves = [{"sequence": key} | _half(half) for key, entry in kept.items() for half in entry.get("cycles", [])]
        if halves:
            write_csv(out / "cycles.csv", halves)
    return results


def _earlier(path: Path, options: Results) -> dict[str, Results]:
    """The sequences that an earlier run with the same options has scored."""
    if not path.exists():
        return {}
    damaged = f"{path} is no results file of ikebook; choose another --out, or remove it."
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        sequences, before = dict(earlier["sequences"]), earlier["options"]
        columns = summary({"J": (), "F": ()})
        sound = all(isinstance(entry[key], float | None) for entry in sequences.values() for key in columns)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(damaged) from None
    require(sound, damaged)
    if before != json.loads(json.dumps(options)):
        raise InputError(f"{path} was made with other options; choose another --out, or remove it.")
    return sequences


def _scores(entry: Results) -> dict[str, float | None]:
    return {key: value for key, value in entry.items() if is_score(key)}


def _half(half: Results) -> dict[str, Any]:
    kept = ("cycle", "module", "J_mean", "F_mean", "change", "object_share")
    return {key: half[key] for key in kept} | {"seconds": sum(half["seconds"].values())}
