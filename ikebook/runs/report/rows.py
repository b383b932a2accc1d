"""Rows of a report's tables: what was run, ours among the published numbers, sequence by sequence, time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.datasets.protocol import scores_of
from ikebook.runs.report.pages import OURS
from ikebook.runs.report.published import PUBLISHED, TABLE_3, WHOLE, Published
from ikebook.runs.report.run_folders import EvaluatedRun, without_places
from ikebook.runs.tables import cycle_means

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

RUN_HEAD = ["run", "data set", "sequences", "flow", "features from outside", "cycles", "network", "human labels"]


def run_row(run: EvaluatedRun) -> list[str]:
    """What was run, under `RUN_HEAD`."""
    cycle = run.options.get("cycle") or {}
    flow = [str(without_places(one)) for one in (run.options.get("flow"), run.options.get("feature_flow")) if one]
    cues = [Path(cue).name for cue in run.options.get("cues", [])]
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


def comparison_rows(runs: Sequence[EvaluatedRun], number: int) -> list[list[str]]:
    """One of the paper's Tables 1, 2 and 4 to 7: its head, ours, and the published ones."""
    measures = ["F-measure", "MAE"] if number == 4 else ["J", "J, chosen by ground truth", "F"]
    ours = [row for run in runs for row in _score_rows(run, number)]
    theirs = [_published_row(row) for row in PUBLISHED if row.table == number]
    return [["", "year", *measures, "labels", "source"], *ours, *theirs]


def change_rows(runs: Sequence[EvaluatedRun]) -> list[list[str]]:
    """The paper's Table 3, relative changes between cycles: its head, ours, and the paper's."""
    head = ["", "x#1 to x#2", "x#2 to x#3", "x#1 to s#1", "s#1 to s#2", "source"]
    theirs = [[row.method, *map(_signed, (row.x2, row.x3, row.s1, row.s2)), "Table 3 of the paper"] for row in TABLE_3]
    return [head, *map(_change_row, runs), *theirs]


def _change_row(run: EvaluatedRun) -> list[str]:
    found = {(row["module"], row["cycle"]): row["J_change"] for row in cycle_means(run.results)}
    changes = [found.get(("graph", 2)), found.get(("graph", 3)), found.get(("network", 1)), found.get(("network", 2))]
    return [f"{OURS}{run.name}", *map(_signed, changes), run.name]


def _score_rows(run: EvaluatedRun, number: int) -> list[list[str]]:
    """A run's scores: of the first graph beside Tables 1 and 2, of the result, and of refined masks, beside others."""
    if number in (1, 2):
        first = cycle_means(run.results)[0]
        return [
            [
                f"{OURS}{run.name}, first graph",
                "",
                _cell("J_mean", first),
                "-",
                _cell("F_mean", first),
                run.labels,
                run.name,
            ]
        ]
    rows = []
    for mean, what in _means(run, "", ", refined"):
        if mean.get(run.measures[0]) is not None:
            cells = [_cell(measure, mean) for measure in run.measures]
            if number != 4:
                cells.insert(1, "-")
            rows.append([f"{OURS}{run.name}{what}", "", *cells, run.labels, run.name])
    return rows


def _means(run: EvaluatedRun, result: str, refined: str) -> list[tuple[Mapping[str, Any], str]]:
    """The means of a run's scores, each with what it is called."""
    means: list[tuple[Mapping[str, Any], str]] = [(run.results["mean"], result)]
    if "mean_refined" in run.results:
        means.append((run.results["mean_refined"], refined))
    return [(mean, name) for mean, name in means if mean]


def _published_row(row: Published) -> list[str]:
    jaccard = (None, row.J) if row.oracle else (row.J, None)
    given = (row.f_beta, row.mae) if row.table == 4 else (*jaccard, row.F)
    digits = 3 if row.table == 4 else 1
    return [
        f"{row.method} ({row.note})" if row.note else row.method,
        str(row.year),
        *("-" if value is None else f"{value:.{digits}f}" for value in given),
        "yes" if row.labels else "no",
        row.source,
    ]


def sequence_rows(run: EvaluatedRun) -> list[list[str]]:
    """All scores of a run, sequence by sequence, and their means."""
    shown = [key for key in SCORES if key in run.results["mean"]]
    rows = [["", "frames", *(SCORES[key] for key in shown)]]
    for name, entry in run.sequences.items():
        rows.append([name, str(entry["frames"]), *(_cell(key, entry) for key in shown)])
    frames = str(sum(entry["frames"] for entry in run.sequences.values()))
    for mean, what in _means(run, "mean", "mean, refined"):
        rows.append([f"{OURS}{what}", frames, *(_cell(key, mean) for key in shown)])
    return rows


def half_cycle_rows(run: EvaluatedRun) -> list[list[str]]:
    """J of each sequence after each half of a cycle; a sequence that ended early has no more of them."""
    halves = cycle_means(run.results)
    order = [(half["cycle"], half["module"]) for half in halves]
    rows = [["", *(f"{'x' if module == 'graph' else 's'}#{cycle}" for cycle, module in order)]]
    for name, entry in run.sequences.items():
        found = {(half["cycle"], half["module"]): scores_of(half) for half in entry.get("cycles", [])}
        rows.append([name, *(_cell("J_mean", found.get(half, {})) for half in order)])
    return rows + [[f"{OURS}mean {key[0]}", *(_cell(key, half) for half in halves)] for key in ("J_mean", "F_mean")]


def cost_rows(runs: Sequence[EvaluatedRun]) -> list[list[str]]:
    """Seconds of each stage, mean of a run's sequences, and the greatest memory."""
    stages = list(
        dict.fromkeys(stage for run in runs for one in run.sequences.values() for stage in one.get("seconds", {}))
    )
    rows = [["run", "frames a sequence", *stages, "all", "greatest memory of a process, GB"]]
    for run in runs:
        entries = list(run.sequences.values())
        spent = [float(np.mean([one.get("seconds", {}).get(stage, 0.0) for one in entries])) for stage in stages]
        peaks = [peak for one in entries if (peak := one.get("peak_memory_bytes"))]
        frames = float(np.mean([one["frames"] for one in entries]))
        cells = [f"{seconds:.1f}" for seconds in (*spent, sum(spent))]
        rows.append([run.name, f"{frames:.0f}", *cells, f"{max(peaks) / 1e9:.2f}" if peaks else "-"])
    return rows


def machines(run: EvaluatedRun) -> str:
    """Where a run's sequences were segmented."""
    places = [entry.get("where", {}) for entry in run.sequences.values()]
    found = {f"{one.get('cpu', '?')}, threads: {one.get('threads', '?')}, {one.get('device', '?')}" for one in places}
    return f"{run.name}: {'; '.join(sorted(found))}."


def _cell(key: str, scores: Mapping[str, Any]) -> str:
    value = scores.get(key)
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if key[:2] in ("J_", "F_") else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
