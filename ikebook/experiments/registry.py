"""The experiments by name. Each has a module with `run(setup)`, which returns a table as text and the files it has written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.base.written import WrittenFiles
from ikebook.datasets.registry import open_dataset
from ikebook.experiments import cycles, initialisation, spectrum, window
from ikebook.experiments.common import Report, Setup


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is run, and on what unless told otherwise.

    Parameters
    ----------
    run : callable
        Of a `Setup`; returns a table as text and the names of the files that it has written.
    files : sequence of str
        What it writes: names, with "{}" for that of each sequence.
    size : (int, int), default (208, 112)
        Width and height that the graph works at: half of what `ikebook segment` works at, to be done in minutes.
    sequences : sequence of str, optional
        Names; by default all that the data set has.
    takes_cue : bool, default False
        Whether maps of the user's may stand for a cue.
    """

    run: Callable[[Setup], tuple[str, list[str]]]
    files: Sequence[str]
    size: tuple[int, int] = (208, 112)
    sequences: Sequence[str] | None = None
    takes_cue: bool = False


EXPERIMENTS = {
    "initialisation": Experiment(run=initialisation.run, files=["initialisation.csv", "initialisation.png"]),
    "window": Experiment(run=window.run, files=["window.csv", "window.png"]),
    "spectrum": Experiment(
        run=spectrum.run,
        files=["spectrum.csv", "spectrum-{}.png"],
        size=(16, 16),
        sequences=["car-roundabout"],
        takes_cue=True,
    ),
    "cycles": Experiment(run=cycles.run, files=["cycles.csv", "cycles.png"]),
}
"""All of them, by the name that the command line knows."""


def run_experiment(
    name: str,
    root: str | Path,
    out: str | Path,
    sequences: str | None = None,
    size: str | None = None,
    cue: str | Path | None = None,
    say: Report = lambda _: None,
) -> str:
    """Run one of the paper's experiments on DAVIS 2016 (Secs. 7 and 8).

    Parameters
    ----------
    name : str
        "initialisation" (Fig. 6), "window" (Fig. 7), "spectrum" (Fig. 8) or "cycles" (Fig. 9, Table 3).
    root : str or Path
        Folder of DAVIS 2016.
    out : str or Path
        Folder for the results: a figure and its numbers.
    sequences : str, optional
        Such as "camel,dog", in place of the experiment's own.
    size : str, optional
        Such as "208x112", in place of the experiment's own.
    cue : str or Path, optional
        Folder of maps, `cue/<sequence>/`, for an experiment that takes them.
    say : callable, optional
        Is told of each sequence as it ends.

    Returns
    -------
    str
        What it found and wrote.

    Raises
    ------
    InputError
        If there is no such experiment, data set or sequence; or if `out` has files of these names that this experiment has
        not written.

    Examples
    --------
    >>> print(run_experiment("window", "DAVIS", "window", sequences="camel,dog"))  # doctest: +SKIP
    """
    check.one_of("experiment", name, EXPERIMENTS)
    experiment, dataset, out = EXPERIMENTS[name], open_dataset("davis2016", root), user_path(out)
    require(cue is None or experiment.takes_cue, f"--cue is of no use with {name}; leave it out.")
    known = dataset.sequences()
    chosen = check.names("--sequences", sequences) if sequences else experiment.sequences or known
    for sequence in chosen:
        require(sequence in known, f"sequence {sequence!r} is not in {dataset.name}; name some of {', '.join(known)}.")
    setup = Setup(
        dataset=dataset,
        out=out,
        sequences=chosen,
        size=check.size("--size", size) if size else experiment.size,
        cue=user_path(cue) if cue else None,
        say=say,
    )
    ours = WrittenFiles(out, kind=f"experiment-{name}")
    ours.check(file.format(sequence) for file in experiment.files for sequence in chosen)
    with ours.recording():
        text, written = experiment.run(setup)
    return f"{text}\nWritten to {out}: {', '.join(written)}"
