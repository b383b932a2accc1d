"""Fig. 7: how many steps of the chain features should be collected from. J against the feature chain size 2q + 1.

The paper collects displacements, and finds a size of 3 best on DAVIS 2016, 13 on YouTube-Objects and SegTrackv2. Here the
same displacements are taken as printed (the preset `paper`, solved exactly), and, as those follow the camera, less each
frame's mean with our masks; and the motion saliency of the preset `saliency`. A chain of size 1 has no displacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base.files import plain, write_csv
from ikebook.experiments.common import Setup, mean_j, new_figure, percent, read_annotated, text_table, write_figure
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions, override, preset

PAPER = {3: "best on DAVIS", 13: "best on YouTube-Objects and SegTrack"}
"""What the paper says of chain sizes, for displacements (its text has no more numbers of Fig. 7)."""


@dataclass(frozen=True)
class Variant:
    """Features that are compared.

    Parameters
    ----------
    options : GraphOptions
        What makes them.
    window : str
        The option that is their window q.
    sizes : sequence of int
        Chain sizes 2q + 1 to try.
    """

    options: GraphOptions
    window: str
    sizes: Sequence[int]


VARIANTS = {
    "displacements, as printed": Variant(
        override(preset("paper"), "solver.method=exact"), "features.half_window", range(3, 15, 2)
    ),
    "displacements, centred": Variant(
        override(preset("saliency"), "saliency=none", "features.displacements=steps", "masks.object=principal"),
        "features.half_window",
        range(3, 15, 2),
    ),
    "saliency": Variant(preset("saliency"), "features.cue_window", range(1, 15, 2)),
}
"""What is compared."""


def run(setup: Setup) -> tuple[str, list[str]]:
    """Measure, write window.csv and window.png; the table as text, and the files' names."""
    rows = measure(setup)
    write_csv(setup.out / "window.csv", plain(rows))
    draw(setup.out / "window.png", rows)
    return chain_size_table(rows), ["window.csv", "window.png"]


def measure(setup: Setup) -> list[dict[str, Any]]:
    """J of each variant at each chain size: the mean, and that of each sequence. Flow by DIS."""
    scores: dict[tuple[str, int], list[float]] = {(name, size): [] for name, v in VARIANTS.items() for size in v.sizes}
    for name in setup.sequences:
        annotated = read_annotated(setup, name)
        flow = annotated.flow("dis")
        for (variant, size), found in scores.items():
            chosen = VARIANTS[variant]
            result = segment(annotated.clip, flow, options=override(chosen.options, f"{chosen.window}={size // 2}"))
            found.append(mean_j(result.soft, result.threshold, annotated.truth))
        setup.say(f"{name}: done")
    return [
        {
            "features": variant,
            "chain_size": size,
            "q": size // 2,
            "paper": PAPER.get(size, "") if variant.startswith("displacements") else "",
            "J": float(np.mean(found)),
        }
        | {f"J {name}": score for name, score in zip(setup.sequences, found, strict=True)}
        for (variant, size), found in scores.items()
    ]


def chain_size_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean J in percent, a line for each chain size."""
    cells = {(row["features"], row["chain_size"]): percent(row["J"]) for row in rows}
    return text_table(
        [
            {"chain size": str(size)}
            | {variant: cells.get((variant, size), "-") for variant in VARIANTS}
            | {"in the paper": PAPER.get(size, "")}
            for size in sorted({row["chain_size"] for row in rows})
        ]
    )


def draw(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw J against the chain size, a line for each variant."""
    figure = new_figure(6.4, 4.2)
    axis = figure.subplots()
    for variant in VARIANTS:
        shown = [row for row in rows if row["features"] == variant]
        axis.plot([row["chain_size"] for row in shown], [100 * row["J"] for row in shown], "o-", label=variant)
    axis.axvline(3, color="tab:grey", linestyle=":", label="the paper's best on DAVIS")
    axis.set_xticks(sorted({row["chain_size"] for row in rows}))
    axis.set_xlabel("feature chain size 2q + 1, frames")
    axis.set_ylabel("J mean, percent")
    axis.set_ylim(0)
    axis.grid(visible=True, linewidth=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    write_figure(path, figure)
