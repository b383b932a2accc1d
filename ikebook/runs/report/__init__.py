"""What evaluations found, as one report: the paper's tables with our numbers among them, and where the time went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from ikebook.base.check import InputError, require
from ikebook.base.provenance import SUPERVISION, Source, label_trained
from ikebook.datasets import open_dataset
from ikebook.runs.report.pages import OURS, Block, write_html, write_markdown
from ikebook.runs.report.pictures import bars, extreme_frames
from ikebook.runs.report.published import DATASETS, PAPER, PUBLISHED, TABLE_3, TITLES, WHOLE, Published
from ikebook.runs.results import Results, read_results
from ikebook.runs.tables import cycles

SCORES = {
    "J_mean": "J mean",
    "J_recall": "J recall",
    "J_decay": "J decay",
    "F_mean": "F mean",
    "F_recall": "F recall",
    "F_decay": "F decay",
    "MAE": "MAE",
    "Fbeta_adaptive": "F-measure, adaptive",
    "Fbeta_mean": "F-measure, mean",
    "Fbeta_max": "F-measure, greatest",
}
"""Scores that an entry may have, and what a table calls them. Those of J and F are shown in percent."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One folder that `ikebook evaluate` has written."""

    folder: Path
    results: Results

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.results["options"])

    @property
    def sequences(self) -> dict[str, Results]:
        return dict(self.results["sequences"])

    @property
    def dataset(self) -> str:
        return str(self.options["dataset"])

    @property
    def labels(self) -> str:
        """Whether human labels taught its sources: "yes", "no", or "?" where nobody has said; of masks made elsewhere, "?"."""
        sources = self.options.get("sources")
        known = None if sources is None else label_trained(Source(**one) for one in sources)
        return {True: "yes", False: "no", None: "?"}[known]

    @property
    def failed(self) -> dict[str, dict[str, str]]:
        return dict(self.results["failed"])

    @property
    def measures(self) -> tuple[str, str]:
        """The two scores that the paper's table of this data set has."""
        return ("Fbeta_max", "MAE") if "Fbeta_max" in self.results["mean"] else ("J_mean", "F_mean")


def write_report(folders: Sequence[Path], out: Path, date: str, *, frames: bool = True) -> list[Path]:
    """Write `report.md`, its pictures, and `report.html` to `out`; returns what was written first.

    Parameters
    ----------
    folders : of results, each the `--out` of an evaluation; their names are the runs' names
    out : folder
    date : of the report
    frames : show the best and the worst frames, where the data set still is where it was

    Raises
    ------
    InputError
        If a folder holds no results, they are damaged, or two have one name.
    """
    blocks = list(compose(read_runs(folders), date, frames=frames))
    write_markdown(out / "report.md", blocks)
    write_html(out / "report.html", blocks)
    return [out / "report.md", out / "report.html"]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The results in folders that `ikebook evaluate` has written."""
    runs: list[Run] = []
    for folder in folders:
        problem = f"{folder} holds no results of 'ikebook evaluate'; name the folder that was its --out."
        try:
            results = read_results(folder)
        except InputError:
            raise InputError(problem) from None
        require(_described(results["options"]), problem)
        require(len(results["sequences"]) > 0, f"{folder} has results of no sequence; run 'ikebook evaluate' first.")
        run = Run(folder=folder, results=results)
        require(
            run.name not in {other.name for other in runs},
            f"two folders are called {run.name!r}; rename one, as the report calls the runs by their folders.",
        )
        runs.append(run)
    return runs


def _described(options: Results) -> bool:
    """Whether options say what a report tells of them."""
    cycle, cues, sources = options.get("cycle", {}), options.get("cues", []), options.get("sources", [])
    if not isinstance(options.get("dataset"), str) or not isinstance(cycle, dict):
        return False
    if not isinstance(cues, list) or not isinstance(sources, list) or not all(isinstance(cue, str) for cue in cues):
        return False
    keys = {"role", "name", "supervision"}
    if not all(isinstance(one, dict) and set(one) == keys for one in sources):
        return False
    return all(
        all(isinstance(text, str) for text in one.values()) and one["supervision"] in SUPERVISION for one in sources
    )


def compose(runs: Sequence[Run], date: str, *, frames: bool = True) -> Iterator[Block]:
    """The report of some runs, block by block; see `write_report`."""
    yield Block("h1", "Results of ikebook")
    yield Block(
        "p",
        f"Written by `ikebook report` on {date}. J and F are in percent, means over sequences. Published numbers are quoted, "
        f"not measured here; tables are numbered as in {PAPER}.",
    )
    yield Block("h2", "The runs")
    head = ["run", "data set", "sequences", "flow", "features from outside", "cycles", "network", "human labels"]
    yield Block("table", rows=[head, *map(_run_row, runs)])
    for table in TITLES:
        yield from _paper_table(table, runs)
    for run in runs:
        yield Block("h2", f"{run.name}: sequence by sequence")
        yield Block("table", rows=_sequence_rows(run))
        for name, failure in run.failed.items():
            yield Block("p", f"{name} failed: {_impersonal(failure['reason'], run)}")
        yield from _pictures(run, frames=frames)
        if len(cycles(run.results)) > 1:
            yield Block("h2", f"{run.name}: cycle by cycle")
            yield Block("p", "J after each half of a cycle: x of the graph, s of the network. Below, means of J and F.")
            yield Block("table", rows=_half_rows(run))
    yield Block("h2", "Time and memory")
    where = " ".join(map(_machines, runs))
    yield Block(
        "p", f"Seconds of each stage, mean of the sequences; flow that was kept from before is only read. {where}"
    )
    yield Block("table", rows=_cost_rows(runs))
    yield Block("h2", "Options and versions")
    for run in runs:
        for what in ("options", "versions"):
            yield Block("p", f"{run.name}, {what}: `{json.dumps(_shown(run.results[what]), sort_keys=True)}`")


def _run_row(run: Run) -> list[str]:
    cycle = run.options.get("cycle") or {}
    flow = [str(_shown(run.options[key])) for key in ("flow", "feature_flow") if run.options.get(key)]
    cues = [Path(str(cue)).name for cue in run.options.get("cues") or []]
    whole = WHOLE.get(run.dataset)
    return [
        run.name,
        run.dataset,
        f"{len(run.sequences)} of {whole}" if whole else str(len(run.sequences)),
        " and ".join(flow) or "-",
        ", ".join(cues) or "none",
        str(cycle.get("cycles", "-")),
        "none" if cycle.get("network") is None or cycle.get("cycles") == 1 else "U-Net",
        run.labels,
    ]


def _paper_table(table: int, runs: Sequence[Run]) -> Iterator[Block]:
    """One of the paper's tables with rows of ours among its own; nothing where no run belongs there."""
    own = [run for run in runs if _belongs(run, table)]
    if not own:
        return
    yield Block("h2", f"Table {table}: {TITLES[table]}")
    if table == 3:
        yield Block(
            "p", "Relative change of J, percent: the paper's as means of four data sets, ours of the run's sequences."
        )
        head = ["", "x#1 to x#2", "x#2 to x#3", "x#1 to s#1", "s#1 to s#2", "source"]
        theirs = [
            [row.method, *map(_signed, (row.x2, row.x3, row.s1, row.s2)), "Table 3 of the paper"] for row in TABLE_3
        ]
        yield Block("table", rows=[head, *map(_change_row, own), *theirs])
        return
    short = [
        f"{run.name} has {len(run.sequences)} of {WHOLE[run.dataset]} sequences"
        for run in own
        if len(run.sequences) < WHOLE.get(run.dataset, 0)
    ]
    if short:
        yield Block("p", f"{'; '.join(short)}. A mean of some is not that of the whole data set, as the others' are.")
    yield Block(
        "p",
        "labels: human labels went into it at some stage. oracle: ground truth chose among the method's answers; ? where that "
        "is not known.",
    )
    measures = ["F-measure", "MAE"] if table == 4 else ["J", "F"]
    rows = [row for run in own for row in _score_rows(run, table)]
    theirs = [_published_row(row) for row in PUBLISHED if row.table == table]
    yield Block("table", rows=[["", "year", *measures, "labels", "oracle", "source"], *rows, *theirs])


def _belongs(run: Run, table: int) -> bool:
    """Whether a run is of the table's data set, and has what the table is about."""
    halves = cycles(run.results)
    if table == 3:
        return len(halves) > 1
    if run.dataset != DATASETS[table]:
        return False
    return table not in (1, 2) or (bool(halves) and bool(run.options.get("cues")) == (table == 2))


def _score_rows(run: Run, table: int) -> list[list[str]]:
    told = ["", run.labels, "no", run.name]
    if table in (1, 2):
        first = cycles(run.results)[0]
        return [[f"{OURS}{run.name}, first graph", "", _cell("J_mean", first), _cell("F_mean", first), *told[1:]]]
    rows = []
    for key, what in (("mean", ""), ("mean_refined", ", refined")):
        if (mean := run.results.get(key)) and mean.get(run.measures[0]) is not None:
            rows.append([f"{OURS}{run.name}{what}", "", *(_cell(measure, mean) for measure in run.measures), *told[1:]])
    return rows


def _published_row(row: Published) -> list[str]:
    given = (row.f_beta, row.mae) if row.table == 4 else (row.J, row.F)
    digits = 3 if row.table == 4 else 1
    return [
        f"{row.method} ({row.note})" if row.note else row.method,
        str(row.year),
        *("-" if value is None else f"{value:.{digits}f}" for value in given),
        "yes" if row.labels else "no",
        {None: "?", True: "yes", False: "no"}[row.oracle],
        row.source,
    ]


def _change_row(run: Run) -> list[str]:
    found = {(row["module"], row["cycle"]): row["J_change"] for row in cycles(run.results)}
    halves = (("graph", 2), ("graph", 3), ("network", 1), ("network", 2))
    return [f"{OURS}{run.name}", *(_signed(found.get(half)) for half in halves), run.name]


def _sequence_rows(run: Run) -> list[list[str]]:
    shown = [key for key in SCORES if key in run.results["mean"]]
    rows = [["", "frames", *(SCORES[key] for key in shown)]]
    for name, entry in run.sequences.items():
        rows.append([name, str(entry["frames"]), *(_cell(key, entry) for key in shown)])
    frames = str(sum(entry["frames"] for entry in run.sequences.values()))
    for key, what in (("mean", "mean"), ("mean_refined", "mean, refined")):
        if run.results.get(key):
            rows.append([f"{OURS}{what}", frames, *(_cell(score, run.results[key]) for score in shown)])
    return rows


def _half_rows(run: Run) -> list[list[str]]:
    """J of each sequence after each half of a cycle; a sequence that ended early has no more of them."""
    halves = cycles(run.results)
    order = [(half["cycle"], half["module"]) for half in halves]
    rows = [["", *(f"{'x' if module == 'graph' else 's'}#{cycle}" for cycle, module in order)]]
    for name, entry in run.sequences.items():
        found = {(half["cycle"], half["module"]): half for half in entry.get("cycles", [])}
        rows.append([name, *(_cell("J_mean", found.get(half, {})) for half in order)])
    means = ("J_mean", "F_mean")
    return rows + [[f"{OURS}mean {key[0]}", *(_cell(key, half) for half in halves)] for key in means]


def _machines(run: Run) -> str:
    """Where a run's sequences were segmented."""
    places = [entry.get("where", {}) for entry in run.sequences.values()]
    found = {f"{one.get('cpu', '?')}, threads: {one.get('threads', '?')}, {one.get('device', '?')}" for one in places}
    return f"{run.name}: {'; '.join(sorted(found))}."


def _pictures(run: Run, *, frames: bool) -> Iterator[Block]:
    scored = [key for key in run.measures if any(one.get(key) is not None for one in run.sequences.values())]
    columns = {key: SCORES[key] for key in scored}
    yield Block(
        "png", f"Scores of each sequence of {run.name}.", name=f"bars-{run.name}", data=bars(run.sequences, columns)
    )
    if not frames:
        return
    root = run.options.get("root")
    try:
        require(isinstance(root, str) and root != "", "these results do not say where the data set lies.")
        dataset = open_dataset(run.dataset, str(root))
        pictures = extreme_frames(dataset, run.folder / "masks", list(run.sequences))
    except InputError as error:
        yield Block("p", f"Its best and worst frames are not shown: {_impersonal(str(error), run)}")
        return
    for what, data in pictures.items():
        text = f"The {what} frames of {run.name}, one a sequence: masks above, annotations below."
        yield Block("png", text, name=f"{what}-{run.name}", data=data)


def _cost_rows(runs: Sequence[Run]) -> list[list[str]]:
    stages = list(
        dict.fromkeys(stage for run in runs for one in run.sequences.values() for stage in one.get("seconds", {}))
    )
    rows = [["run", "frames a sequence", *stages, "all", "greatest memory of a process, GB"]]
    for run in runs:
        entries = list(run.sequences.values())
        spent = [float(np.mean([one.get("seconds", {}).get(stage, 0.0) for one in entries])) for stage in stages]
        peaks = [one["peak_memory_bytes"] for one in entries if one.get("peak_memory_bytes")]
        frames = float(np.mean([one["frames"] for one in entries]))
        told = [f"{seconds:.1f}" for seconds in (*spent, sum(spent))]
        rows.append([run.name, f"{frames:.0f}", *told, f"{max(peaks) / 1e9:.2f}" if peaks else "-"])
    return rows


def _shown(value: Any) -> Any:
    """Options as others may read them: of a file or folder of this machine only its name."""
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if not isinstance(value, str):
        return value
    source, colon, weights = value.partition(":")
    if colon and _is_place(weights) and not _is_place(value):
        return f"{source}:{PureWindowsPath(weights).name}"
    return PureWindowsPath(value).name if _is_place(value) else value  # it takes both kinds of slashes


def _is_place(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def _impersonal(text: str, run: Run) -> str:
    """What went wrong, without the places on this machine of what went in and of the results."""
    given = [run.options.get(key) for key in ("root", "flow", "feature_flow", "masks")] + run.options.get("cues", [])
    for place in (*map(str, given), str(run.folder.resolve())):
        if _is_place(place) and (name := PureWindowsPath(place).name):
            text = text.replace(place, name)
    return text


def _cell(key: str, entry: Results) -> str:
    value = entry.get(key)
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if key[:2] in ("J_", "F_") else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
