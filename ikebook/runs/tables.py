"""What an evaluation found, as a few numbers: the scores of all sequences, and their means after each half of a cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, cast

import numpy as np

from ikebook.base.provenance import marks
from ikebook.datasets.protocol import Scores, scores_of
from ikebook.runs.results import HalfCycle, Results


def scores_table(results: Results) -> str:
    """The scores as text, in percent: a line for each sequence and one for their mean, then what human labels taught.

    Empty where there is no sequence.
    """
    if not results["sequences"]:
        return ""
    rows = {name: scores_of(entry) for name, entry in results["sequences"].items()} | {
        "mean": scores_of(results["mean"])
    }
    columns = list(rows["mean"])
    if "mean_refined" in results:
        rows["mean, refined"] = scores_of(results["mean_refined"])
    first = max(map(len, rows))
    width = max(10, *(len(column) + 2 for column in columns))
    lines = [" " * first + "".join(f"{column:>{width}}" for column in columns)]
    for name, scores in rows.items():
        found = [scores.get(column) for column in columns]  # refined masks have no soft ones
        cells = ["-" if score is None else f"{100 * score:.1f}" for score in found]
        lines.append(f"{name:{first}}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join([*lines, *marks(results["options"].get("sources", ()))])


def of_sequences(
    results: Results, names: Sequence[str], mean: Callable[[Mapping[str, Mapping[str, Any]]], Scores]
) -> Results:
    """The results of these sequences alone, where a folder holds more; `mean` is that of the data set's protocol."""
    entries = {name: entry for name, entry in results["sequences"].items() if name in names}
    failed = {name: failure for name, failure in results["failed"].items() if name in names}
    found = cast("Results", {**results, "mean": mean(entries), "sequences": entries, "failed": failed})
    found.pop("mean_refined", None)
    refined = {name: entry["refined"] for name, entry in entries.items() if "refined" in entry}
    if refined and len(refined) == len(entries):
        found["mean_refined"] = mean(refined)
    return found


class CycleMean(TypedDict):
    """Mean scores of a data set's sequences after half a cycle.

    Parameters
    ----------
    cycle : int
        From 1.
    module : "graph" or "network"
    sequences : int
        How many have been scored.
    J_mean, F_mean : float or None
        In [0, 1].
    J_change : float or None
        Percent of the J of the same module a cycle before; for the first network, of the graph that it learned from.
    """

    cycle: int
    module: Literal["graph", "network"]
    sequences: int
    J_mean: float | None
    F_mean: float | None
    J_change: float | None


def cycle_means(results: Results) -> list[CycleMean]:
    """Mean scores after each half of a cycle, over all sequences, and their relative change (Table 3).

    A sequence that ended early, as nothing changed any more, keeps its last scores.
    """
    histories = [entry["cycles"] for entry in results["sequences"].values() if entry.get("cycles")]
    longest: list[HalfCycle] = max(histories, key=len, default=[])
    rows: list[CycleMean] = []
    for half in longest:
        scored = [last for history in histories if (last := _last_scored(history, half)) is not None]
        j_mean = _mean([one["J_mean"] for one in scored])
        before = [one for one in rows if one["module"] == half["module"]] or rows[-1:]
        known = before[-1]["J_mean"] if before else None
        rows.append(
            CycleMean(
                cycle=half["cycle"],
                module=half["module"],
                sequences=len(scored),
                J_mean=j_mean,
                F_mean=_mean([one.get("F_mean") for one in scored]),
                J_change=100 * (j_mean - known) / known if known and j_mean is not None else None,
            )
        )
    return rows


def _last_scored(history: list[HalfCycle], half: HalfCycle) -> HalfCycle | None:
    """A sequence's last half of the same module up to this one; None where it has none, or that has no J."""
    ended = [one for one in history if one["module"] == half["module"] and one["cycle"] <= half["cycle"]]
    return ended[-1] if ended and ended[-1].get("J_mean") is not None else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def cycles_table(results: Results) -> str:
    """`cycle_means` as text, scores in percent; empty where there was one cycle only."""
    rows = cycle_means(results)
    if len(rows) < 2:
        return ""
    lines = ["cycle  module     J_mean  F_mean  change of J, % of the last"]
    for row in rows:
        scores = ["       -" if score is None else f"{100 * score:8.1f}" for score in (row["J_mean"], row["F_mean"])]
        change = "" if row["J_change"] is None else f"{row['J_change']:+8.1f}"
        lines.append(f"{row['cycle']:5}  {row['module']:8}" + "".join(scores) + change)
    return "\n".join(lines)
