"""Fig. 9 and Table 3: what each cycle brings, with the network and without it. J after each graph and each network.

A sequence that ended early, as nothing changed any more, keeps its last scores. The relative change is in percent of J of
the same module a cycle before; that of the first network, of the graph that it learned from. The paper's numbers are means
over four data sets, with RAFT; Fig. 9 gives no numbers in its text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base.check import InputError
from ikebook.base.files import plain, write_csv
from ikebook.cycle import CycleOptions
from ikebook.experiments.common import Setup, new_figure, percent, text_table, write_figure
from ikebook.runs.evaluation import evaluate
from ikebook.runs.options import RunOptions
from ikebook.runs.tables import cycle_means

VARIANTS = {"with network": CycleOptions(), "without network": CycleOptions(network=None)}
"""What is compared."""

PAPER = {
    "with network": {(1, "network"): 7.0, (2, "graph"): 10.4, (2, "network"): 2.1, (3, "graph"): 1.7},
    "without network": {(2, "graph"): 1.3, (3, "graph"): 0.4},
}
"""Relative change, percent, of Table 3, unsupervised: after which half."""


def run(setup: Setup) -> tuple[str, list[str]]:
    """Measure, write cycles.csv and cycles.png; the table as text, and the files' names.

    Each variant's results lie in a folder of their own, as `ikebook evaluate` writes them; run again, it goes on there.
    """
    rows = measure(setup)
    write_csv(setup.out / "cycles.csv", plain(rows))
    draw(setup.out / "cycles.png", rows)
    return change_table(rows), ["cycles.csv", "cycles.png", *(f"{_folder(name)}/" for name in VARIANTS)]


def measure(setup: Setup) -> list[dict[str, Any]]:
    """Mean scores after each half of a cycle, for each variant. Every cycle is run, however little it changes."""
    rows = []
    for name, options in VARIANTS.items():
        setup.say(f"{name}:")
        run_options = RunOptions(size=setup.size, cycle=replace(options, tolerance=0.0))
        results = evaluate(
            setup.dataset, setup.out / _folder(name), run_options, setup.sequences, report=_reporter(setup)
        )
        for sequence, failure in results["failed"].items():
            raise InputError(f"{sequence}: {failure['reason']}")
        for row in cycle_means(results):
            known = PAPER[name].get((row["cycle"], row["module"]))
            rows.append({"variant": name, **row, "paper_J_change": known})
    return rows


def change_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Scores in percent, and their relative change beside the paper's."""

    def signed(change: float | None) -> str:
        return "" if change is None else f"{change:+.1f}"

    return text_table(
        [
            {
                "": row["variant"],
                "cycle": str(row["cycle"]),
                "module": row["module"],
                "J mean": percent(np.nan if row["J_mean"] is None else row["J_mean"]),
                "F mean": percent(np.nan if row["F_mean"] is None else row["F_mean"]),
                "change of J, %": signed(row["J_change"]),
                "in the paper": signed(row["paper_J_change"]),
            }
            for row in rows
        ]
    )


def draw(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw J of graph and network over the cycles, with the network and without."""
    figure = new_figure(6.4, 4.2)
    axis = figure.subplots()
    styles = {("with network", "graph"): "o-", ("with network", "network"): "s--", ("without network", "graph"): "o:"}
    for (variant, module), style in styles.items():
        shown = [row for row in rows if (row["variant"], row["module"]) == (variant, module)]
        label = f"{module}, {variant}" if module == "graph" else module
        axis.plot(
            [row["cycle"] for row in shown],
            [np.nan if row["J_mean"] is None else 100 * row["J_mean"] for row in shown],
            style,
            label=label,
        )
    axis.set_xticks(sorted({row["cycle"] for row in rows}))
    axis.set_xlabel("cycle")
    axis.set_ylabel("J mean, percent")
    axis.grid(visible=True, linewidth=0.3)
    axis.legend(fontsize="small")
    write_figure(path, figure)


def _reporter(setup: Setup) -> Callable[[str, Any], None]:
    return lambda sequence, _: setup.say(f"{sequence}: done")


def _folder(variant: str) -> str:
    return variant.replace(" ", "-")
