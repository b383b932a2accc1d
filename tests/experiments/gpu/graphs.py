"""The Graph Module: whether it finds what the CPU finds, how long it takes, and other solvers beside the exact one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from common import Machine, batches, tf32, words
from plan import Row

from ikebook.base.compute import Compute
from ikebook.graph import graph_module
from ikebook.graph.graph_module import build, segment
from ikebook.graph.presets import override, preset
from ikebook.graph.result import GraphResult
from ikebook.solvers.methods import solve
from ikebook.solvers.pairs import SolverOptions, residual_norms


def agreement(machine: Machine) -> Iterator[Row]:
    """The CPU's result and the device's, of the same input."""
    plan = machine.plan
    cases = [(plan.sizes[0], name, "default", False) for name in machine.names]
    cases += [(plan.sizes[0], machine.names[0], "default", True), (plan.sizes[0], machine.names[0], "saliency", False)]
    cases += [(plan.sizes[1], machine.names[0], "default", False)]
    known: dict[Any, GraphResult] = {}
    for size, name, options, loose in cases:
        frames = plan.frames_of(size)
        columns = {
            "clip": name,
            "size": words(size),
            "frames": frames,
            "preset": options,
            "TF32": "allowed" if loose else "",
        }

        def compare(size=size, name=name, options=options, loose=loose, frames=frames) -> Row:
            clip, flow = machine.clip(size, name, frames)
            key = size, name, options
            if key not in known:
                known[key] = segment(clip, flow, options=preset(options))
            with tf32(loose):
                there = segment(clip, flow, options=preset(options), compute=machine.compute)
            return differences(known[key], there)

        yield machine.row(columns, compare)


def differences(here: GraphResult, there: GraphResult) -> Row:
    """How far two results of one clip are apart."""
    x, y = (result.labels.double().flatten().cpu() for result in (here, there))
    cosine = 1 - abs(float(x @ y)) / float(x.norm() * y.norm())
    masks = float((here.masks != there.masks).mean())
    values = float((here.pairs.values - there.pairs.values).abs().max() / here.pairs.values[0])
    return {
        "1 - cos": max(cosine, 0.0),
        "masks": masks,
        "eigenvalues": values,
        "residual": there.residual(),
        "threshold": "same" if here.threshold == there.threshold else f"{here.threshold} / {there.threshold}",
        "goal": {"cosine": max(cosine, 0.0), "masks": masks},
    }


def stages(machine: Machine) -> Iterator[Row]:
    """Milliseconds a frame, by size, frames at once, and preset."""
    plan, name = machine.plan, machine.names[0]
    sweep = (None, 2) if plan.small else (None, 1, 4, 8, 16, 32, 64)
    cases: list[tuple[tuple[int, int], int | None, str, bool]] = [
        (size, batch, "default", False)
        for size in plan.sizes
        for batch in (sweep if plan.cuda or plan.small else (None,))
    ]
    cases += [(plan.sizes[0], None, "default", True), (plan.sizes[0], None, "saliency", False)]
    for size, batch, options, loose in cases:
        columns = {
            "size": words(size),
            "frames at once": "default" if batch is None else batch,
            "preset": options,
            "TF32": "allowed" if loose else "",
        }

        def measure(size=size, batch=batch, options=options, loose=loose) -> Row:
            clip, flow = machine.clip(size, name)

            def work() -> GraphResult:
                return segment(clip, flow, options=preset(options), compute=machine.compute)

            with batches(batch), tf32(loose):
                found = 1e3 * machine.seconds(work) / len(clip)
                parts = split(machine, work)
                peak = machine.peak(work)
            goal = {"goal": {"graph": found}} if size == plan.sizes[0] and options == "default" else {}
            return {
                "all": found,
                **{stage: 1e3 * spent / len(clip) for stage, spent in parts.items()},
                "peak, MB": round(peak),
                **goal,
            }

        yield machine.row(columns, measure)
        machine.clear()


def split(machine: Machine, work: Callable[[], GraphResult]) -> dict[str, float]:
    """Seconds of each stage, which the card is waited for between them."""
    before = graph_module.solve

    def waited(*given: Any, **named: Any) -> Any:
        machine.wait()
        found = before(*given, **named)
        machine.wait()
        return found

    graph_module.solve = waited
    try:
        return work().seconds
    finally:
        graph_module.solve = before


def spectrum(machine: Machine) -> Iterator[Row]:
    """Solvers on one clip."""
    plan = machine.plan
    clip, flow = machine.clip(plan.sizes[0], machine.names[0], max(2, plan.frames // 2))
    options = override(preset("paper"), "projection.ridge=0")
    matrix = build(clip, flow, options=options, compute=Compute(device=machine.device))
    exact = solve(matrix, SolverOptions(measure=False))
    for method, more in (("exact", {}), ("power", {"iterations": 200}), ("lanczos", {})):

        def work(method=method, more=more) -> Row:
            wanted = SolverOptions(method=method, measure=False, pairs=None if method == "exact" else 1, **more)
            machine.wait()
            begin = time.perf_counter()
            pairs = solve(matrix, wanted)
            machine.wait()
            spent = time.perf_counter() - begin
            x = pairs.vectors[:1]
            residual = float(residual_norms(matrix, pairs.values[:1], x)[0])
            cosine = abs(float(x[0].double() @ exact.vectors[0].double()))
            return {
                "seconds": spent,
                "products": pairs.products,
                "ms a product": 1e3 * spent / pairs.products,
                "residual": residual,
                "1 - cos": max(1 - cosine, 0.0),
                "largest": ", ".join(f"{value:.4g}" for value in pairs.values[:3].tolist()),
            }

        yield machine.row({"solver": method}, work)
    product = machine.seconds(lambda: matrix.motion.matvec(torch.ones(matrix.shape[0], device=machine.device)))
    yield {"solver": "M x alone", "ms a product": 1e3 * product}
