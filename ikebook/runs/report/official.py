"""DAVIS 2016's official evaluation of other methods, sequence by sequence: all means over the very sequences that a run has.

`davis2016_official.csv` holds, in percent, the means over frames of the benchmark's own per-frame results of 25 unsupervised methods
(https://davischallenge.org/davis2016/soa_compare.html). Whether human labels went into a method at some stage is said as in the
paper's Tables 5 to 7, and "?" for methods that those have not. Nothing of it was measured here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ikebook.datasets.protocol import scores_of
from ikebook.runs.report.pages import OURS
from ikebook.runs.report.run_folders import EvaluatedRun


@dataclass(frozen=True, kw_only=True)
class OfficialMethod:
    """One method's scores.

    Parameters
    ----------
    name : str
    labels : str
        "yes", "no" or "?": whether human labels, of any kind and at any stage, went into it.
    J, F : mapping
        Region similarity and contour accuracy of each sequence, percent.
    """

    name: str
    labels: str
    J: Mapping[str, float]
    F: Mapping[str, float]


@cache
def official_methods() -> tuple[OfficialMethod, ...]:
    """All that the official evaluation has, in its order."""
    text = (files("ikebook.runs.report") / "davis2016_official.csv").read_text(encoding="utf-8")
    found: dict[str, dict[str, dict[str, float]]] = {}
    labels: dict[str, str] = {}
    for row in csv.DictReader(text.splitlines()):
        name, measure = row.pop("method"), row.pop("measure")
        labels[name] = row.pop("labels")
        found.setdefault(name, {})[measure] = {sequence: float(value) for sequence, value in row.items()}
    return tuple(OfficialMethod(name=name, labels=labels[name], **scores) for name, scores in found.items())


def shared_sequences(run: EvaluatedRun) -> list[str]:
    """Those sequences of a run that the official evaluation has, in the run's order."""
    known = official_methods()[0].J
    return [name for name in run.sequences if name in known and _ours(run, name, "J") is not None]


def method_rows(run: EvaluatedRun) -> list[list[str]]:
    """A run among the official methods, by J over the run's sequences, the best first; its head."""
    names = shared_sequences(run)
    whole = len(official_methods()[0].J)
    head = ["", "labels", f"J, these {len(names)}", f"F, these {len(names)}", f"J, all {whole}", "better in"]
    ours = {name: _ours(run, name, "J") or 0.0 for name in names}
    rows = []
    for method in official_methods():
        better = sum(method.J[name] > ours[name] for name in names)
        means = [_mean(scores[name] for name in names) for scores in (method.J, method.F)]
        rows.append((means[0], [method.name, method.labels, *_cells(*means, _mean(method.J.values())), str(better)]))
    mean = _mean(ours.values())
    contours = [value for name in names if (value := _ours(run, name, "F")) is not None]
    accuracy = _cells(_mean(contours))[0] if len(contours) == len(names) else "-"
    rows.append((mean, [f"{OURS}{run.name}", run.labels, *_cells(mean), accuracy, "-", "-"]))
    return [head, *(row for _, row in sorted(rows, key=lambda row: -row[0]))]


def sequence_rank_rows(run: EvaluatedRun) -> list[list[str]]:
    """J of each sequence, beside the best and the median of the official methods, without labels and of all; and our rank."""
    methods = official_methods()
    groups = {"without labels": [one for one in methods if one.labels == "no"], "all": list(methods)}
    head = ["", "J", *(f"{what}, {group}" for group in groups for what in ("best", "median")), "rank"]
    rows = [head]
    for name in shared_sequences(run):
        value = _ours(run, name, "J") or 0.0
        cells = [name, *_cells(value)]
        for group in groups.values():
            best = max(group, key=lambda method: method.J[name])
            median = float(np.median([method.J[name] for method in group]))
            cells += [f"{best.J[name]:.1f} {best.name}", *_cells(median)]
        rank = 1 + sum(method.J[name] > value for method in methods)
        rows.append([*cells, f"{rank} of {len(methods) + 1}"])
    return rows


def _ours(run: EvaluatedRun, name: str, measure: str) -> float | None:
    """A run's score of a sequence, percent."""
    value = scores_of(run.sequences[name]).get(f"{measure}_mean")
    return None if value is None else 100 * value


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _cells(*values: float) -> list[str]:
    return [f"{value:.1f}" for value in values]
