"""`ikebook bench`: what the leading eigenvector costs, in several ways, side by side on one machine and one clip."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.files import plain, write_csv, write_json
from ikebook.base.machine import machine
from ikebook.experiments.baselines import NoConvergenceError
from ikebook.experiments.common import Report
from ikebook.experiments.costs import Data, Measurement, measure, measure_gather, run_in_process
from ikebook.experiments.methods import METHODS, Problem, released
from ikebook.flow import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import GraphOptions
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.pairs import residual_norms, unit
from ikebook.video.clip import Clip

RECIPE = ("features.displacements=steps",)
"""What is set on top of the preset `default`: the saliency at 7 nodes and 2 x 10 displacements make d = 27 columns."""


def compare_methods(
    clip: Clip, flow: Flow, options: GraphOptions, *, repeat: int = 1, say: Report = lambda _: None
) -> dict[str, Any]:
    """Run every method on one clip, each in a process of its own, one after the other; what `ikebook bench` does.

    Parameters
    ----------
    clip : Clip
    flow : Flow
        That all are given.
    options : GraphOptions
        Of the graph; the released rule by scatter takes only p, sigma and the seed from them.
    repeat : int, default 1
        Rounds over all methods; of each the round that took least counts.
    say : callable, optional
        Is told of each method as it ends.

    Returns
    -------
    dict
        `rows`, one for each method, `gather`, and what was measured on what.
    """
    check.whole("repeat", repeat, at_least=1)
    about = machine()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data = Data.save(folder, clip, flow)
        best, failures = _measure_all(data, options, folder, repeat, say)
        gather = run_in_process(measure_gather, data, options, repeat + 1)
        say("gathers measured")
        vectors = {name: unit(torch.from_numpy(np.load(folder / f"{name}.npy"))) for name in best}
    matrix = Problem(clip, flow, options).matrix()
    rows = []
    for name, method in METHODS.items():
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"method": name, "title": method.title, "frames": len(clip), "note": failures.get(name, method.note)}
        if name in best:
            operator = build(clip, flow, options=released(options)) if name == "scatter" else matrix
            row |= _costs(best[name], len(clip)) | {"residual": _residual(operator, best[name].value, vectors[name])}
            if "exact" in best:
                row["cosine"] = abs(float(vectors[name].double() @ vectors["exact"].double()))
                row["times_exact"] = best[name].cost.total / best["exact"].cost.total
            say(f"{method.title}: residual measured")
        rows.append(row)
    return {
        "clip": clip.name,
        "frames": len(clip),
        "size": f"{clip.size[0]}x{clip.size[1]}",
        "nodes": matrix.shape[0],
        "columns": matrix.features.shape[1],
        "radius": options.motion.radius,
        "repeat": repeat,
        "rows": rows,
        "gather": gather,
        "machine": about,
        "options": options.as_dict(),
    }


def _measure_all(
    data: Data, options: GraphOptions, folder: Path, repeat: int, say: Report
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """Each method's fastest round, and why others have none; vectors go to files in `folder`."""
    best: dict[str, Measurement] = {}
    failures: dict[str, str] = {}
    for turn in range(repeat):
        for name, method in METHODS.items():
            if name in failures:
                continue
            try:
                found = run_in_process(measure, name, data, options, 1, folder / f"{name}.npy")
            except (MemoryError, BrokenProcessPool):
                failures[name] = "no result: its process was stopped, for lack of memory most likely."
            except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
                failures[name] = f"no result: {error}"
            except RuntimeError as error:  # PyTorch has no type of its own for too little memory
                if not isinstance(error, NoConvergenceError) and "memory" not in str(error):
                    raise
                failures[name] = f"no result: {str(error).splitlines()[0]}"
            else:
                if name not in best or found.cost.total < best[name].cost.total:
                    best[name] = found
                say(f"{method.title}, round {turn + 1} of {repeat}: {found.cost.total:.1f} s")
    return {name: found for name, found in best.items() if name not in failures}, failures


def _costs(found: Measurement, frames: int) -> dict[str, Any]:
    cost = found.cost
    return {
        "setup_s_per_frame": cost.setup / frames,
        "solve_s_per_frame": cost.solve / frames,
        "total_s_per_frame": cost.total / frames,
        "cpu_s_per_frame": cost.cpu / frames,
        "peak_bytes": cost.peak,
        "added_bytes": cost.added,
        "products": found.products,
        "eigenvalue": found.value,
    }


def _residual(matrix: FeatureMotion, value: float, x: Tensor) -> float:
    """|A x - lambda x| / |lambda| of a unit vector (n,); without an eigenvalue, with the Rayleigh quotient."""
    if np.isnan(value):
        value = float(x @ matrix.matvec(x))
    return float(residual_norms(matrix, torch.tensor([value]), x[None])[0])


COLUMNS = (
    "method",
    "title",
    "frames",
    "setup_s_per_frame",
    "solve_s_per_frame",
    "total_s_per_frame",
    "cpu_s_per_frame",
    "times_exact",
    "peak_bytes",
    "added_bytes",
    "residual",
    "cosine",
    "products",
    "eigenvalue",
    "note",
)
"""Columns of bench.csv."""


TABLE_COLUMNS = (
    ("", "set-up", "setup_s_per_frame", 9, ".3f", 1),
    ("", "solve", "solve_s_per_frame", 9, ".3f", 1),
    ("", "total", "total_s_per_frame", 9, ".3f", 1),
    ("", "CPU", "cpu_s_per_frame", 9, ".3f", 1),
    ("times", "exact", "times_exact", 9, ".1f", 1),
    ("MB at", "peak", "peak_bytes", 9, ".0f", 1e-6),
    ("of it", "added", "added_bytes", 9, ".0f", 1e-6),
    ("", "residual", "residual", 11, ".1e", 1),
    ("cosine", "to exact", "cosine", 11, ".7f", 1),
    ("", "products", "products", 10, "d", 1),
)
"""Columns of the table: two lines of its head, which column of bench.csv, width, format, and scale."""


def cost_table(results: Mapping[str, Any]) -> str:
    """What `compare_methods` has measured, to read."""
    about, gather = results["machine"], results["gather"]
    software = ", ".join(
        f"{name} {about['versions'][name]}" for name in ("ikebook", "python", "torch", "numpy", "scipy")
    )
    clip = (
        f"{results['clip']}: {results['frames']} frames of {results['size']}, {results['nodes']} nodes, p = "
        f"{results['radius']}, d = {results['columns']}; every method on all of them, best of {results['repeat']}"
    )
    where = (
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, load {about['load_average'] or 0:.1f}, "
        f"{about['date']}, {software}"
    )
    lines = [clip, where, ""]
    seconds = sum(width for _, _, column, width, _, _ in TABLE_COLUMNS if column.endswith("_per_frame"))
    above = [f"{top:>{width}}" for top, _, column, width, _, _ in TABLE_COLUMNS if not column.endswith("_per_frame")]
    lines.append((" " * 26 + f"{'seconds per frame':^{seconds}}" + "".join(above)).rstrip())
    lines.append(f"{'method':26}" + "".join(f"{head:>{width}}" for _, head, _, width, _, _ in TABLE_COLUMNS))
    for row in results["rows"]:
        cells = (_cell(row[column], width, form, scale) for _, _, column, width, form, scale in TABLE_COLUMNS)
        lines.append(f"{row['title']:26}" + "".join(cells))
    lines += ["", *(f"{row['title']}: {row['note']}" for row in results["rows"])]
    if gather["seconds"]:
        lines.append("")
        lines.append(
            f"Gathers of the exact solver: {gather['bytes'] / 1e9:.2f} GB in {gather['seconds']:.2f} s, "
            f"{gather['bytes_per_second'] / 1e9:.1f} GB/s, {100 * gather['share_of_copy']:.0f}% of the "
            f"{gather['copy_bytes_per_second'] / 1e9:.1f} GB/s (read and written) of a plain copy"
        )
    return "\n".join(lines)


def _cell(value: float | None, width: int, form: str, scale: float) -> str:
    return f"{'' if value is None else format(value * scale if scale != 1 else value, form):>{width}}"


FILES = ("bench.csv", "bench.json")
"""What `write_bench` writes."""


def write_bench(folder: Path, results: Mapping[str, Any]) -> None:
    """Write what `compare_methods` has measured: bench.csv and bench.json."""
    write_csv(folder / "bench.csv", plain(results["rows"]))
    write_json(folder / "bench.json", results)
