"""`ikebook bench --curves`: how the exact solver's time and memory grow with frames, pixels, p and d."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ikebook.base.files import plain, write_csv, write_json
from ikebook.base.machine import machine
from ikebook.datasets.toys import demo
from ikebook.experiments.bench import RECIPE
from ikebook.experiments.common import Report, new_figure, write_figure
from ikebook.experiments.costs import Cost, Data, measure, run_in_process
from ikebook.graph.presets import GraphOptions, override, preset


@dataclass(frozen=True)
class Setting:
    """One point of a curve: the embedded clip at some length and size, with options and cues.

    Parameters
    ----------
    x : float
        Value of the sweep's quantity.
    frames : int
    size : (int, int)
        Width and height, pixels.
    options : sequence of str
        Assignments as `ikebook.override` takes them.
    cues : int, default 0
        How many maps of noise are among the features.
    """

    x: float
    frames: int
    size: tuple[int, int]
    options: tuple[str, ...] = RECIPE
    cues: int = 0


@dataclass(frozen=True)
class Sweep:
    """The exact solver's cost against one quantity, all else held.

    Parameters
    ----------
    name : str
        Of the quantity.
    points : sequence of Setting
        Its values, and the settings that make them.
    base : Setting, optional
        A point whose cost and value are taken off the others', where much of the cost does not depend on the quantity.
    """

    name: str
    points: Sequence[Setting]
    base: Setting | None = None


SMALL = (208, 112)
"""Size of the clips of those sweeps that are not about it."""


def _radius(p: int) -> Setting:
    return Setting(p, 192, SMALL, (*RECIPE, "saliency=none", f"motion.radius={p}"))


SWEEPS = (
    # A chain ends with the clip, so that a clip of m frames has less than 2p steps a frame: 12% less at 64 of them.
    Sweep("frames", [Setting(m, m, SMALL) for m in (64, 96, 128, 192, 256)]),
    Sweep(
        "pixels",
        [Setting(w * h, 24, (w, h)) for w, h in (SMALL, (304, 160), (416, 224), (592, 320), (832, 448))],
    ),
    # Features, F'F and two more products of that size are computed once a frame, and cost as much as a dozen steps; and
    # displacements are collected along 5 steps, whatever p is. What p is charged for is the steps beyond those.
    Sweep("radius", [_radius(p) for p in (10, 15, 20, 30, 40)], base=_radius(5)),
    # Each map among the features has two columns: itself, and its mean along the chains.
    Sweep("columns", [Setting(2 * (1 + c), 48, SMALL, (), c) for c in (0, 1, 3, 7, 13)]),
)
"""What `--curves` measures."""


def measure_curves(
    options: Sequence[str] = (), *, repeat: int = 2, sweeps: Sequence[Sweep] | None = None, say: Report = lambda _: None
) -> list[dict[str, Any]]:
    """Time and memory of the exact solver along each sweep, one row for each point.

    Parameters
    ----------
    options : sequence of str, optional
        Assignments as `ikebook.override` takes them, set before each point's own.
    repeat : int, default 2
        Rounds over each sweep's points, each run in a process of its own; of each point the least time counts.
    sweeps : sequence of Sweep, optional
        What to measure, by default `SWEEPS`.
    say : callable, optional
        Is told of each point as it ends.
    """
    rows: list[dict[str, Any]] = []
    for sweep in SWEEPS if sweeps is None else sweeps:
        with tempfile.TemporaryDirectory() as place:
            rows += _along(sweep, Path(place), options, repeat, say)
    return rows


def _along(sweep: Sweep, folder: Path, options: Sequence[str], repeat: int, say: Report) -> list[dict[str, Any]]:
    """Rows of one sweep. Its points take turns, so that what else the machine does for a while strikes all alike."""
    points = [*([sweep.base] if sweep.base else []), *sweep.points]
    chosen = [override(preset("default"), *options, *point.options) for point in points]
    data, best = [], [Cost(inf, inf, inf, 0, 0)] * len(points)
    for index, point in enumerate(points):
        made = demo(point.frames, point.size)
        (folder / str(index)).mkdir()
        data.append(replace(Data.save(folder / str(index), made.clip, made.flow), cues=point.cues))
    for turn in range(repeat):
        for index, point in enumerate(points):
            cost = run_in_process(measure, "exact", data[index], chosen[index], 1).cost
            best[index] = min(best[index], cost, key=lambda cost: cost.total)
            say(f"{sweep.name} {point.x:g}, round {turn + 1} of {repeat}: {cost.total:.2f} s")
    return [
        {
            "sweep": sweep.name,
            "x": _columns(graph, point.cues) if sweep.name == "columns" else point.x,
            "base": point is sweep.base,
            "frames": point.frames,
            "width": point.size[0],
            "height": point.size[1],
            "radius": graph.motion.radius,
            "d": _columns(graph, point.cues),
            "setup_s": cost.setup,
            "solve_s": cost.solve,
            "total_s": cost.total,
            "cpu_s": cost.cpu,
            "peak_bytes": cost.peak,
            "added_bytes": cost.added,
        }
        for point, graph, cost in zip(points, chosen, best, strict=True)
    ]


def fit_exponent(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The exponent b and the factor a of y = a x^b, by least squares of the logarithms; NaN for less than two points."""
    if len(x) < 2:
        return float("nan"), float("nan")
    slope, level = np.polyfit(np.log(x), np.log(y), 1)
    return float(slope), float(np.exp(level))


def _columns(options: GraphOptions, cues: int) -> int:
    """d: columns of F with so many cues beside the saliency."""
    o = options.features
    maps = cues + (options.saliency is not None)
    return (
        4 * o.half_window * (o.displacements == "steps") + (2 * o.cue_window + 1 + (o.mean is not None)) * maps + o.bias
    )


def _curve(rows: Sequence[Mapping[str, Any]], name: str, quantity: str) -> tuple[np.ndarray, np.ndarray, float]:
    """One sweep's values and cost, with its base taken off both if it has one, and the base's value, else 0.

    Without points that came out no dearer than the base: they have no logarithm, and say that the machine was busy.
    """
    points = [row for row in rows if row["sweep"] == name]
    base = next((row for row in points if row["base"]), {"x": 0.0, quantity: 0.0})
    rest = [row for row in points if not row["base"]]
    cost = np.array([row[quantity] for row in rest], float) - base[quantity]
    dearer = cost > 0
    return np.array([row["x"] for row in rest], float)[dearer] - base["x"], cost[dearer], base["x"]


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["sweep"] for row in rows))


def fits(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Exponents of time and memory in each sweep's quantity."""
    return {
        name: {quantity: fit_exponent(*_curve(rows, name, quantity)[:2])[0] for quantity in ("total_s", "added_bytes")}
        for name in _names(rows)
    }


def draw_curves(path: Path, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Draw time and memory along each sweep, on logarithmic axes, each with the power law that fits it best."""
    names = _names(rows)
    figure = new_figure(3.4 * len(names), 6.4)
    axes = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        _draw_curve(axes[0, column], rows, name, "total_s", "seconds", 1.0)
        _draw_curve(axes[1, column], rows, name, "added_bytes", "MB", 1e-6)
    figure.suptitle(
        f"The exact solver, from flow to eigenvectors: time and added memory. {about['cpu']}, threads: {about['threads']}",
        parse_math=False,
    )
    write_figure(path, figure)


def _draw_curve(
    axis: Axes, rows: Sequence[Mapping[str, Any]], name: str, quantity: str, label: str, scale: float
) -> None:
    """Draw one quantity along one sweep."""
    x, y, base = _curve(rows, name, quantity)
    exponent, factor = fit_exponent(x, y * scale)
    axis.loglog(x, factor * x**exponent, color="tab:grey", linewidth=1, zorder=1)
    axis.loglog(x, y * scale, "o", color="tab:red", markersize=5)
    missing = sum(row["sweep"] == name and not row["base"] for row in rows) - len(x)
    axis.set_title(f"exponent {exponent:.2f}" + f" ({missing} points in noise)" * (missing > 0), fontsize="medium")
    axis.set_xticks(x, [f"{value + base:g}" for value in x], rotation=30)
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.tick_params(which="both", labelsize="small")
    axis.set_xlabel(LABELS[name])
    axis.set_ylabel(f"{label} more than at {base:g}" if base else label)
    axis.grid(visible=True, which="both", linewidth=0.3)


LABELS = {"frames": "frames m", "pixels": "pixels a frame", "radius": "radius p", "columns": "columns d"}
"""What each sweep's axis is called."""


FILES = ("curves.csv", "curves.json", "curves.png")
"""What `write_curves` writes."""


def write_curves(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what `measure_curves` has measured: curves.csv, curves.json with the exponents, and curves.png."""
    write_csv(folder / "curves.csv", plain(rows))
    about = machine()
    write_json(folder / "curves.json", {"exponents": fits(rows), "rows": list(rows), "machine": about})
    draw_curves(folder / "curves.png", rows, about)
