"""A report, block by block, and its files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ikebook.base.check import InputError, require
from ikebook.base.places import user_path
from ikebook.base.written import WrittenFiles
from ikebook.datasets.protocol import scores_of
from ikebook.datasets.registry import open_dataset
from ikebook.runs.report.official import method_rows, sequence_rank_rows, shared_sequences
from ikebook.runs.report.pages import Block, write_html, write_markdown
from ikebook.runs.report.pictures import bars, extreme_frames
from ikebook.runs.report.published import DATASETS, PAPER, TITLES, WHOLE
from ikebook.runs.report.rows import (
    RUN_HEAD,
    SCORES,
    change_rows,
    comparison_rows,
    cost_rows,
    half_cycle_rows,
    machines,
    run_row,
    sequence_rows,
)
from ikebook.runs.report.run_folders import EvaluatedRun, read_runs, without_places
from ikebook.runs.tables import cycle_means


def write_report(
    folders: Sequence[str | Path], out: str | Path, date: str | None = None, *, frames: bool = True
) -> list[Path]:
    """Put evaluations beside the paper's tables: report.md with its pictures, and report.html, one file.

    Parameters
    ----------
    folders : sequence of str or Path
        Of results, each the `out` of an evaluation; their names are the runs' names.
    out : str or Path
        Folder for the report.
    date : str, optional
        Of the report; by default today, in UTC.
    frames : bool, default True
        Show the best and the worst frames, where the data set still is where it was.

    Returns
    -------
    list of Path
        What is to be read: report.md and report.html.

    Raises
    ------
    InputError
        If a folder holds no results, they are damaged, or two folders have one name; or if `out` has files of these names
        that no report has written.

    Examples
    --------
    >>> write_report(["results/dis", "results/raft"], "report")  # doctest: +SKIP
    [PosixPath('report/report.md'), PosixPath('report/report.html')]
    """
    out, today = user_path(out), f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    written, pages = WrittenFiles(out, kind="report"), ["report.md", "report.html"]
    written.check(pages)
    blocks = list(compose(read_runs(folders), date or today, frames=frames))
    written.check(f"{block.name}.png" for block in blocks if block.kind == "png")  # before the first is written
    with written.recording():
        write_markdown(out / "report.md", blocks)
        write_html(out / "report.html", blocks)
    return [out / name for name in pages]


def compose(runs: Sequence[EvaluatedRun], date: str, *, frames: bool = True) -> Iterator[Block]:
    """The report of some runs, block by block; see `write_report`."""
    yield Block("h1", "Results of ikebook")
    yield Block(
        "p",
        f"Written by `ikebook report` on {date}. J and F are in percent, means over sequences. Published numbers are quoted, "
        f"not measured here; tables are numbered as in {PAPER}.",
    )
    yield Block("h2", "The runs")
    yield Block("table", rows=[RUN_HEAD, *map(run_row, runs)])
    for number in TITLES:
        yield from _paper_table(number, [run for run in runs if _belongs(run, number)])
    for run in runs:
        if run.dataset == "davis2016" and shared_sequences(run):
            yield from _official(run)
    for run in runs:
        yield from _one_run(run, frames=frames)
    yield Block("h2", "Time and memory")
    where = " ".join(map(machines, runs))
    yield Block(
        "p", f"Seconds of each stage, mean of the sequences; flow that was kept from before is only read. {where}"
    )
    yield Block("table", rows=cost_rows(runs))
    yield Block("h2", "Options and versions")
    for run in runs:
        for what, values in (("options", run.results["options"]), ("versions", run.results["versions"])):
            yield Block("p", f"{run.name}, {what}: `{json.dumps(without_places(values), sort_keys=True)}`")


def _belongs(run: EvaluatedRun, number: int) -> bool:
    """Whether a run is of the data set of one of the paper's tables, and has what the table is about."""
    halves = cycle_means(run.results)
    if number == 3:
        return len(halves) > 1
    if run.dataset != DATASETS[number]:
        return False
    return number not in (1, 2) or (bool(halves) and bool(run.options.get("cues")) == (number == 2))


def _paper_table(number: int, runs: Sequence[EvaluatedRun]) -> Iterator[Block]:
    """One of the paper's tables with rows of ours among its own; nothing where no run belongs there."""
    if not runs:
        return
    yield Block("h2", f"Table {number}: {TITLES[number]}")
    if number == 3:
        yield Block(
            "p", "Relative change of J, percent: the paper's as means of four data sets, ours of the run's sequences."
        )
        yield Block("table", rows=change_rows(runs))
        return
    short = [
        f"{run.name} has {len(run.sequences)} of {WHOLE[run.dataset]} sequences"
        for run in runs
        if len(run.sequences) < WHOLE.get(run.dataset, 0)
    ]
    if short:
        yield Block("p", f"{'; '.join(short)}. A mean of some is not that of the whole data set, as the others' are.")
    yield Block(
        "p",
        "labels: human labels went into it at some stage. Methods of which it is known that ground truth chooses among their answers "
        "(which segment is the object) have their J in a column of their own; it can't be compared with the others'.",
    )
    yield Block("table", rows=comparison_rows(runs, number))


def _official(run: EvaluatedRun) -> Iterator[Block]:
    """A run beside the methods of DAVIS 2016's official evaluation, over the same sequences."""
    yield Block("h2", f"{run.name}: beside the official evaluation")
    yield Block(
        "p",
        f"Means over the {len(shared_sequences(run))} sequences that this run has, from the official evaluation's results of each; "
        '"better in": in how many of them a method has a larger J than this run. labels: human labels went into it at some stage, '
        "as the paper has it; ? for methods that it does not class.",
    )
    yield Block("table", rows=method_rows(run))
    yield Block("h2", f"{run.name}: its sequences beside the official evaluation")
    yield Block("table", rows=sequence_rank_rows(run))


def _one_run(run: EvaluatedRun, *, frames: bool) -> Iterator[Block]:
    """A run by itself: sequence by sequence, what failed, pictures, cycle by cycle."""
    yield Block("h2", f"{run.name}: sequence by sequence")
    yield Block("table", rows=sequence_rows(run))
    for name, failure in run.failed.items():
        yield Block("p", f"{name} failed: {run.impersonal(failure['reason'])}")
    yield from _pictures(run, frames=frames)
    if len(cycle_means(run.results)) > 1:
        yield Block("h2", f"{run.name}: cycle by cycle")
        yield Block("p", "J after each half of a cycle: x of the graph, s of the network. Below, means of J and F.")
        yield Block("table", rows=half_cycle_rows(run))


def _pictures(run: EvaluatedRun, *, frames: bool) -> Iterator[Block]:
    scores = {name: scores_of(entry) for name, entry in run.sequences.items()}
    shown = {key: SCORES[key] for key in run.measures if any(one.get(key) is not None for one in scores.values())}
    yield Block("png", f"Scores of each sequence of {run.name}.", name=f"bars-{run.name}", data=bars(scores, shown))
    if not frames:
        return
    root = run.options.get("root")
    try:
        require(isinstance(root, str) and root != "", "these results do not say where the data set lies.")
        dataset = open_dataset(run.dataset, str(root))
        pictures = extreme_frames(dataset, run.folder / "masks", list(run.sequences))
    except InputError as error:
        yield Block("p", f"Its best and worst frames are not shown: {run.impersonal(str(error))}")
        return
    for what, data in pictures.items():
        text = f"The {what} frames of {run.name}, one a sequence: masks above, annotations below."
        yield Block("png", text, name=f"{what}-{run.name}", data=data)
