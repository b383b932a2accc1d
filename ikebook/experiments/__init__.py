"""The paper's experiments, to run again on DAVIS 2016: `ikebook experiment NAME`. Each writes its figure and its numbers.

A module for each has `run(task)`, which returns a table as text and the names of the files that it has written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ikebook.base import check
from ikebook.base.check import require
from ikebook.datasets import open_dataset
from ikebook.experiments import cycles, initialisation, spectrum, window
from ikebook.experiments.common import Report, Task

__all__ = ["EXPERIMENTS", "Experiment", "perform"]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is run, and on what unless told otherwise: `sequences` of None are all that the data set has."""

    run: Callable[[Task], tuple[str, list[str]]]
    size: tuple[int, int] = (208, 112)  # half of what `segment` works at, to be done in minutes
    sequences: Sequence[str] | None = None
    takes_cue: bool = False


EXPERIMENTS = {
    "initialisation": Experiment(run=initialisation.run),
    "window": Experiment(run=window.run),
    "spectrum": Experiment(run=spectrum.run, size=(16, 16), sequences=["car-roundabout"], takes_cue=True),
    "cycles": Experiment(run=cycles.run),
}
"""All of them, by the name that the command line knows."""


def perform(
    name: str,
    root: str | Path,
    out: Path,
    sequences: str | None = None,
    size: str | None = None,
    cue: str | None = None,
    say: Report = lambda _: None,
) -> str:
    """Run an experiment; what it found and wrote, as text.

    Parameters
    ----------
    name : one of `EXPERIMENTS`
    root : folder of DAVIS 2016
    out : folder for the results
    sequences, size : such as "camel,dog" and "208x112", in place of the experiment's own
    cue : folder of maps, `cue/<sequence>/`, for an experiment that takes them
    say : is told of each sequence as it ends
    """
    check.one_of("experiment", name, EXPERIMENTS)
    experiment, dataset = EXPERIMENTS[name], open_dataset("davis2016", root)
    require(cue is None or experiment.takes_cue, f"--cue is of no use with {name}; leave it out.")
    known = dataset.sequences()
    chosen = sequences.split(",") if sequences else experiment.sequences or known
    for sequence in chosen:
        require(sequence in known, f"sequence {sequence!r} is not in {dataset.name}; name some of {', '.join(known)}.")
    task = Task(
        dataset=dataset,
        out=out,
        sequences=chosen,
        size=check.size("--size", size) if size else experiment.size,
        cue=Path(cue) if cue else None,
        say=say,
    )
    text, written = experiment.run(task)
    return f"{text}\nWritten to {out}: {', '.join(written)}"
