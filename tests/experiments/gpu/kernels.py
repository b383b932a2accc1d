"""What is waited for, which operations the time goes to and how fast they move their bytes, and other ways to gather."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from common import Machine, batches, compiled, words
from plan import Row
from rates import copy_rate
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ikebook.graph.choice import choose, reference_maps
from ikebook.graph.graph_module import build, segment
from ikebook.graph.masks import soft_masks
from ikebook.graph.presets import preset
from ikebook.graph.saliency import Evidence
from ikebook.networks.training import TrainOptions, train
from ikebook.networks.unet import NetworkOptions
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.power import power_steps
from ikebook.solvers.reduced import _RecentFeatures, reduce

ASKED = {"aten::_local_scalar_dense"}
WAITED = {"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy"}


def watched(machine: Machine, work: Callable[[], Any]) -> Any:
    """A profile of work."""
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * machine.plan.cuda
    with profile(activities=activities) as found:
        work()
        machine.wait()
    return found


def counted(machine: Machine, work: Callable[[], Any]) -> dict[str, int]:
    """How often values are asked for, copied back, and waited for."""
    counts: dict[str, int] = defaultdict(int)
    for event in watched(machine, work).key_averages():
        if event.key in ASKED:
            counts["values asked for"] += event.count
        elif event.key in WAITED:
            counts["waits"] += event.count
        elif event.key.startswith("Memcpy DtoH"):
            counts["copies back"] += event.count
        elif event.key.startswith("Memcpy HtoD"):
            counts["copies there"] += event.count
        elif event.key in ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel"):
            counts["kernels"] += event.count
    return counts


def round_trips(machine: Machine) -> Iterator[Row]:
    """Each stage of a graph, a power iteration and an epoch of training."""
    plan = machine.plan
    clip, flow = machine.clip(plan.sizes[0], machine.names[0])
    options, compute = preset("default"), machine.compute
    segment(clip, flow, options=options, compute=compute)  # what a process does once is done
    ready = build(clip, flow, options=options, compute=compute)
    pairs = exact(ready, SolverOptions(measure=False))
    reference = reference_maps(clip, [flow], ready.saliency, [], compute)
    paper = build(clip, flow, options=preset("paper"), compute=compute)
    start = torch.rand(paper.shape[0], device=machine.device)
    list(power_steps(paper, start, iterations=1))
    network = NetworkOptions(widths=(8, 16), dilations=(1,), stem=2) if plan.small else NetworkOptions()
    masks = (clip.masks if clip.masks is not None else clip.frames[..., 0] > 127).astype("float32")

    def one_epoch(steps: int) -> Any:
        return train(clip.frames, masks, network, TrainOptions(epochs=1, steps=steps), device=machine.device)

    one_epoch(1)
    turns, steps = (1, 2) if plan.small else (10, plan.frames)
    nothing = counted(machine, lambda: None)
    stages: list[tuple[str, Callable[[], Any]]] = [
        (
            "the pass: chains, F, F'F and F'MF, flow fetched anew",
            lambda: reduce(
                (fresh := build(clip, flow, saliency=ready.saliency, options=options, compute=compute)).motion,
                fresh.features,
            ),
        ),
        ("the pass alone", lambda: reduce(ready.motion, ready.features)),
        ("saliency", lambda: Evidence(clip.frames, flow, options.saliency, compute=compute).saliency()),
        ("exact solver, the pass in it", lambda: exact(ready, SolverOptions(measure=False))),
        ("choice of the eigenvector", lambda: choose(pairs, reference, options)),
        ("labels and soft masks, on the card", lambda: [soft_masks(one[0]) for one in pairs.volumes.frames([0])]),
        ("segment as a whole", lambda: segment(clip, flow, options=options, compute=compute)),
        (f"{turns} power iterations", lambda: list(power_steps(paper, start, iterations=turns, tolerance=0))),
        (f"an epoch of training, {steps} steps", lambda: one_epoch(steps)),
    ]
    for name, work in stages:

        def row(name=name, work=work) -> Row:
            counts = {kind: count - nothing.get(kind, 0) for kind, count in counted(machine, work).items()}
            # A value of the card's that is asked for is copied and waited for; others lie in the computer's memory anyway.
            kinds = ("copies back", "waits") if plan.cuda else ("values asked for",)
            trips = max(counts.get(kind, 0) for kind in kinds)
            columns = ("values asked for", "copies back", "waits", "copies there", "kernels")
            goal = {"goal": {"trips": float(trips)}} if name == "the pass alone" else {}
            return {column: counts.get(column, 0) for column in columns} | goal

        yield machine.row({"stage": name, "frames": plan.frames}, row)


class Moved(TorchDispatchMode):
    """Marks each operation for the profiler, and adds up the bytes that it has to read and to write.

    Of a selection by an index only what is selected is read. Views move nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = defaultdict(int)
        self.moved: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        with record_function(f"op {name}"):
            result = func(*args, **kwargs)
        if not func.is_view:
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            self.calls[name] += 1
            self.moved[name] += least_bytes(name, given, made)
        return result


def least_bytes(name: str, given: list[torch.Tensor], made: list[torch.Tensor]) -> int:
    """What an operation reads and writes at the least."""
    if name in ("aten::index_select", "aten::gather", "aten::index"):
        return 2 * made[0].nbytes + sum(one.nbytes for one in given[1:])
    if name.startswith("aten::_embedding_bag"):
        table, index, *rest = given
        row = table.shape[1] * table.element_size()
        return (
            index.numel() * row
            + index.nbytes
            + made[0].nbytes
            + max((one.nbytes for one in rest if one.is_floating_point()), default=0)
        )
    if name in ("aten::empty", "aten::new_empty", "aten::empty_like", "aten::detach", "aten::_reshape_alias"):
        return 0
    apart = {(one.data_ptr(), one.shape): one.nbytes for one in given}
    fills = name.endswith(("::zero_", "::fill_", "::copy_"))
    read = sum(apart.values()) - (given[0].nbytes if fills and given else 0)
    return read + sum(one.nbytes for one in made)


def operations(machine: Machine) -> Iterator[Row]:
    """The pass by its operations."""
    plan = machine.plan
    rate = copy_rate(machine)
    sizes = plan.sizes[:1] if plan.small else plan.sizes
    for size in sizes:
        clip, flow = machine.clip(size, machine.names[0])
        matrix = build(clip, flow, options=preset("default"), compute=machine.compute)

        def work(matrix=matrix) -> None:
            matrix.features._kinds[-1]._kept = {}  # the means anew, as in a first pass
            reduce(matrix.motion, matrix.features)

        alone = machine.seconds(work)
        moved = Moved()

        def marked(work=work, moved=moved) -> None:
            with moved:
                work()

        found = watched(machine, marked)
        times: dict[str, float] = defaultdict(float)
        for event in found.key_averages():
            if event.key.startswith("op ") and event.device_type == DeviceType.CPU:
                spent = event.device_time_total if plan.cuda else event.cpu_time_total
                times[event.key.removeprefix("op ")] += spent / 1e6
        whole = sum(times.values()) or 1.0
        times = {name: spent for name, spent in times.items() if moved.calls[name]}  # the rest are views
        for name in sorted(times, key=times.__getitem__, reverse=True)[: 5 if plan.small else 14]:
            seconds, size_ = times[name], moved.moved[name]
            achieved = size_ / seconds if seconds else 0.0
            yield {
                "size": words(size),
                "operation": name,
                "calls": moved.calls[name],
                "ms": 1e3 * seconds,
                "share": f"{100 * seconds / whole:.0f}%",
                "GB": size_ / 1e9,
                "GB/s": achieved / 1e9,
                "of a copy": f"{100 * achieved / rate:.0f}%",
            }
        total = sum(moved.moved.values())
        yield {
            "size": words(size),
            "operation": "all, by the clock, without the profiler",
            "calls": sum(moved.calls.values()),
            "ms": 1e3 * alone,
            "GB": total / 1e9,
            "GB/s": total / alone / 1e9,
            "of a copy": f"{100 * total / alone / rate:.0f}%",
        }


def gathers(machine: Machine) -> Iterator[Row]:
    """One batch's rows of CF, in several ways."""
    plan = machine.plan
    clip, flow = machine.clip(plan.sizes[0], machine.names[0])
    rate = copy_rate(machine)
    with batches(None):
        matrix = build(clip, flow, options=preset("default"), compute=machine.compute)
        recent = _RecentFeatures(matrix.motion, matrix.features)
        # Copies: a pass writes over the rows of an arrival once the next one comes.
        copies = (
            replace(one, cells=one.cells.clone(), weights=one.weights.clone())
            for _, rows in recent.arrivals()
            for one in rows
        )
        row = max(copies, key=lambda one: one.cells.numel())
    cells = (row.cells + row.first(recent.slots))[:, 0].flatten(1)  # (steps, b * cells)
    weights = row.weights.expand(row.cells.shape)[:, 0].flatten(1)
    d = recent.d
    narrow = recent.table.flatten(0, 1)[:, :d].contiguous()
    wide = torch.nn.functional.pad(narrow, (0, -d % (32 // narrow.element_size())))
    known = recent.propagate(row)[..., :d].flatten(0, 1)
    count = cells.numel()
    least = count * (4 * d + 4 + 4) + known.nbytes  # rows of d numbers, indices, weights, and sums

    def loop(table: torch.Tensor, cells: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(cells.shape[1], table.shape[1], dtype=table.dtype, device=table.device)
        for k in range(len(cells)):
            total = total + table.index_select(0, cells[k]) * weights[k][:, None]
        return total

    def bag(table: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding_bag(
            cells.T.contiguous(), table, mode="sum", per_sample_weights=weights.T.contiguous()
        )

    plainly = loop
    ways: list[tuple[str, Callable[[], torch.Tensor]]] = [
        ("as it is", lambda: recent.propagate(row)[..., :d].flatten(0, 1)),
        (f"a bag of rows of {d}", lambda: bag(narrow)),
        ("a bag of rows padded to 32 bytes", lambda: bag(wide)[:, :d]),
        ("step by step", lambda: loop(narrow, cells, weights)),
        ("step by step, padded rows", lambda: loop(wide, cells, weights)[:, :d]),
    ]
    for name, table in (("step by step, compiled", narrow), ("step by step, compiled, padded rows", wide)):
        ways.append((name, lambda table=table: loop(table, cells, weights)[:, :d]))
    for name, way in ways:

        def work(name=name, way=way) -> Row:
            nonlocal loop
            if "compiled" in name and loop is plainly:
                loop = compiled(machine, plainly)
            off = float((way() - known).abs().max() / known.abs().max())
            spent = machine.seconds(way)
            return {
                "ms": 1e3 * spent,
                "GB/s": least / spent / 1e9,
                "of a copy": f"{100 * least / spent / rate:.0f}%",
                "off by": off,
            }

        yield machine.row({"way": name, "rows": count}, work)
