"""What an evaluation found, as a few numbers: the scores of all sequences, and their means after each half of a cycle."""

from __future__ import annotations

import numpy as np

from ikebook.base.provenance import marks
from ikebook.runs.results import Results


def table(results: Results) -> str:
    """The scores as text, in percent: a line for each sequence and one for their mean, then what human labels taught.

    Empty where there is no sequence.
    """
    if not results["sequences"]:
        return ""
    columns = list(results["mean"])
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
            values = [one[key] for one in scored if one[key] is not None]
            row[key] = float(np.mean(values)) if values else None
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
