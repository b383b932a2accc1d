"""`ikebook bench`: what the leading eigenvector costs, in several ways, side by side on one machine and one clip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ikebook.base import check
from ikebook.base.files import plain, write_csv, write_json
from ikebook.base.machine import machine
from ikebook.experiments.baselines import NoConvergenceError
from ikebook.experiments.costs import Cost, Data, apart, measure, measure_gather
from ikebook.experiments.methods import METHODS, Problem, released
from ikebook.flow import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import GraphOptions
from ikebook.solvers.pairs import residual_norms, unit
from ikebook.video.clip import Clip

RECIPE = ("features.displacements=steps",)
"""What is set on top of the preset `default`: the saliency at 7 nodes and 2 x 10 displacements make d = 27 columns."""

Report = Callable[[str], None]


def bench(
    clip: Clip, flow: Flow, options: GraphOptions, *, repeat: int = 1, say: Report = lambda _: None
) -> dict[str, Any]:
    """Run every method on one clip, each in a process of its own, one after the other.

    Parameters
    ----------
    clip, flow : what all are given
    options : of the graph; `released rule by scatter` takes only p, sigma and the seed from them
    repeat : rounds over all methods; of each the round that took least counts
    say : is told of each method as it ends

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
        best: dict[str, tuple[Cost, Any]] = {}
        failures: dict[str, str] = {}
        for turn in range(repeat):
            for name, method in METHODS.items():
                if name in failures:
                    continue
                try:
                    cost, found = apart(measure, name, data, options, 1, folder / f"{name}.npy")
                except (MemoryError, BrokenProcessPool):
                    failures[name] = "no result: its process was stopped, for lack of memory most likely."
                except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
                    failures[name] = f"no result: {error}"
                except RuntimeError as error:  # PyTorch has no type of its own for too little memory
                    if not isinstance(error, NoConvergenceError) and "memory" not in str(error):
                        raise
                    failures[name] = f"no result: {str(error).splitlines()[0]}"
                else:
                    known = best.get(name)
                    if known is None or cost.setup + cost.solve < known[0].setup + known[0].solve:
                        best[name] = cost, found
                    say(f"{method.title}, round {turn + 1} of {repeat}: {cost.setup + cost.solve:.1f} s")
        best = {name: found for name, found in best.items() if name not in failures}
        gather = apart(measure_gather, data, options, repeat + 1)
        say("gathers measured")
        vectors = {name: torch.from_numpy(np.load(folder / f"{name}.npy")) for name in best}
    problem = Problem(clip, flow, options)
    matrix = problem.matrix()
    rows = []
    for name, method in METHODS.items():
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"method": name, "title": method.title, "frames": len(clip), "note": failures.get(name, method.note)}
        if name in best:
            cost, (value, products) = best[name]
            row |= {
                "setup_s_per_frame": cost.setup / len(clip),
                "solve_s_per_frame": cost.solve / len(clip),
                "total_s_per_frame": (cost.setup + cost.solve) / len(clip),
                "cpu_s_per_frame": cost.cpu / len(clip),
                "peak_bytes": cost.peak,
                "added_bytes": max(cost.peak - cost.before, 0),
                "products": products,
                "eigenvalue": value,
            }
            own = build(clip, flow, options=released(options)) if name == "scatter" else matrix
            x = unit(vectors[name])
            if np.isnan(value):
                value = float(x @ own.matvec(x))
            row["residual"] = float(residual_norms(own, torch.tensor([value]), x[None])[0])
            if "exact" in best:
                row["cosine"] = abs(float(x.double() @ unit(vectors["exact"]).double()))
                ours = best["exact"][0]
                row["times_exact"] = (cost.setup + cost.solve) / (ours.setup + ours.solve)
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


def table(results: Mapping[str, Any]) -> str:
    """What `bench` has measured, to read."""
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
    lines.append(f"{'':26}{'seconds per frame':^36}{'times':>9}{'MB at':>9}{'of it':>9}{'':>11}{'cosine':>11}")
    heads = {
        "set-up": 9,
        "solve": 9,
        "total": 9,
        "CPU": 9,
        "exact": 9,
        "peak": 9,
        "added": 9,
        "residual": 11,
        "to exact": 11,
    }
    lines += [f"{'method':26}" + "".join(f"{head:>{width}}" for head, width in heads.items()) + f"{'products':>10}"]
    for row in results["rows"]:
        cells = [
            _cell(row["setup_s_per_frame"], 9, ".3f"),
            _cell(row["solve_s_per_frame"], 9, ".3f"),
            _cell(row["total_s_per_frame"], 9, ".3f"),
            _cell(row["cpu_s_per_frame"], 9, ".3f"),
            _cell(row["times_exact"], 9, ".1f"),
            _cell(row["peak_bytes"], 9, ".0f", 1e-6),
            _cell(row["added_bytes"], 9, ".0f", 1e-6),
            _cell(row["residual"], 11, ".1e"),
            _cell(row["cosine"], 11, ".7f"),
            _cell(row["products"], 10, "d"),
        ]
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


def _cell(value: float | None, width: int, form: str, scale: float = 1) -> str:
    return f"{'' if value is None else format(value * scale if scale != 1 else value, form):>{width}}"


def write_bench(folder: Path, results: Mapping[str, Any]) -> None:
    """Write what `bench` has measured: bench.csv and bench.json."""
    write_csv(folder / "bench.csv", plain(results["rows"]))
    write_json(folder / "bench.json", results)
