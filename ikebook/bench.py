"""`ikebook bench`: what the leading eigenvector costs, in several ways, side by side on one machine and one clip."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ikebook import check
from ikebook.baselines import ExplicitFeatureMotion, NoConvergenceError, ScatterRule, arpack, torch_lobpcg
from ikebook.check import require
from ikebook.clip import Clip
from ikebook.eigen import Eigenpairs, exact, reachable, residual_norms, unit
from ikebook.features import Cue
from ikebook.flow import Flow
from ikebook.graph import build
from ikebook.power import power_iteration, start_labels
from ikebook.presets import GraphOptions, preset
from ikebook.run import peak_memory, versions
from ikebook.toys import toy
from ikebook.writers import plain, write_csv, write_json

RECIPE = ("features.displacements=true",)
"""What is set on top of the preset `default`: the saliency at 7 nodes and 2 x 10 displacements make d = 27 columns."""

Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Problem:
    """What every method is given: a clip, its flow, the graph's options, and further cues."""

    clip: Clip
    flow: Flow
    options: GraphOptions
    cues: Sequence[Cue] = ()

    def start(self, kind: str = "uniform") -> Tensor:
        """x(0), (n,)."""
        return start_labels(kind, len(self.clip), self.clip.size, seed=self.options.solver.seed)

    def tolerance(self) -> float:
        """The relative residual that iterations stop at."""
        return reachable(self.options.solver.tolerance, torch.float32)


@dataclass(frozen=True, eq=False)
class Answer:
    """A vector (n,), its eigenvalue (NaN if it is none of a linear map), and how many products with M it took."""

    vector: Tensor
    value: float
    products: int


@dataclass(frozen=True)
class Method:
    """One way to the vector, in two parts that are timed apart. What `setup` returns is what `solve` goes on with."""

    title: str
    setup: Callable[[Problem], Any]
    solve: Callable[[Any, Problem], Answer]
    note: str


def _build(problem: Problem) -> Any:
    return build(problem.clip, problem.flow, problem.options, problem.cues)[0]


def _explicit(problem: Problem) -> ExplicitFeatureMotion:
    return ExplicitFeatureMotion(_build(problem))


def _first(pairs: Eigenpairs) -> Answer:
    require(len(pairs.values) > 0, "nothing moves against the scene in this clip, so A = 0; time another one.")
    return Answer(pairs.volumes[0].flatten(), float(pairs.values[0]), pairs.products)


def _by_exact(matrix: Any, problem: Problem) -> Answer:
    return _first(exact(matrix, problem.options.solver))


def _by_power(matrix: Any, problem: Problem) -> Answer:
    solver = replace(problem.options.solver, method="power", pairs=1)
    return _first(power_iteration(matrix, problem.start(), solver))


def _by_arpack(explicit: ExplicitFeatureMotion, problem: Problem) -> Answer:
    value, vector = arpack(explicit, problem.start(), problem.tolerance())
    return Answer(vector, value, explicit.products)


def _by_lobpcg(explicit: ExplicitFeatureMotion, problem: Problem) -> Answer:
    value, vector = torch_lobpcg(explicit, problem.start(), problem.tolerance())
    return Answer(vector, value, explicit.products)


def _released(options: GraphOptions) -> GraphOptions:
    """The preset `released` on the chains of `options`: the same p and sigma."""
    released = preset("released")
    motion = replace(released.motion, radius=options.motion.radius, sigma=options.motion.sigma)
    return replace(released, motion=motion, solver=replace(released.solver, seed=options.solver.seed))


def _scatter(problem: Problem) -> ScatterRule:
    return ScatterRule(problem.flow, _released(problem.options))


def _by_scatter(rule: ScatterRule, problem: Problem) -> Answer:
    solver = _released(problem.options).solver
    return Answer(rule.solve(problem.start(solver.start), solver.iterations), float("nan"), solver.iterations)


METHODS = {
    "exact": Method(
        "ours, exact",
        _build,
        _by_exact,
        "ikebook.eigen.exact. Set-up is the motion saliency; chains, features and the reduced problem are the solve.",
    ),
    "power": Method(
        "ours, power iteration",
        _build,
        _by_power,
        "ikebook.power.power_iteration on the implicit A; chains are followed anew in each product.",
    ),
    "eigsh": Method(
        "sparse M, eigsh",
        _explicit,
        _by_arpack,
        "scipy.sparse.linalg.eigsh on PMP, M a scipy.sparse CSR matrix, P by dense columns of F; set-up builds both.",
    ),
    "lobpcg": Method(
        "sparse M, torch.lobpcg",
        _explicit,
        _by_lobpcg,
        "torch.lobpcg on the same products. It takes tensors only, so A comes as a tensor without entries that answers "
        "A @ x; and its own vectors are float64, as in float32 it does not converge.",
    ),
    "scatter": Method(
        "released rule by scatter",
        _scatter,
        _by_scatter,
        "Algorithm 2 as the authors' program runs it, twenty iterations, four links a point, chains kept in memory. Its "
        "rule is not linear, it has another M and F, and no saliency to set up: the residual is that of its labels' "
        "Rayleigh quotient on its own A, and the cosine compares answers to two different questions.",
    ),
}


@dataclass(frozen=True)
class Cost:
    """What a method took.

    `setup` and `solve` are seconds of the repetition that took least in all, and `cpu` the seconds that all processors
    together spent on it, which says more where others use the machine too; `before` is the memory (bytes, resident)
    that the process held when it began, with data and libraries in it, and `peak` the most that it held in the first
    repetition.
    """

    setup: float
    solve: float
    cpu: float
    before: int
    peak: int


@dataclass(frozen=True)
class Data:
    """A clip and its flow as files, for another process; of `columns`, how many cues of noise go with them."""

    folder: Path
    cues: int = 0

    @staticmethod
    def save(folder: Path, clip: Clip, flow: Flow) -> Data:
        """Write a clip and its flow to a folder."""
        for name, array in (("frames", clip.frames), ("forward", flow.forward), ("backward", flow.backward)):
            np.save(folder / f"{name}.npy", np.asarray(array, np.uint8 if name == "frames" else np.float32))
        return Data(folder)

    def load(self, options: GraphOptions) -> Problem:
        """Read them, as the methods' input."""
        frames, forward, backward = (np.load(self.folder / f"{name}.npy") for name in ("frames", "forward", "backward"))
        cues = [Cue(name=f"noise {k}", maps=torch.rand(frames.shape[:3])) for k in range(self.cues)]
        return Problem(Clip(frames=frames), Flow(forward=forward, backward=backward), options, cues)


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` in a new process, which ends with it: what it held can't be mistaken for another's."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(name: str, data: Data, options: GraphOptions, repeat: int, to: Path | None = None) -> tuple[Cost, Any]:
    """Run a method `repeat` times in this process; keep its vector in the file `to`.

    Returns
    -------
    Cost
    tuple
        Eigenvalue and products with M.
    """
    method = METHODS[name]
    _warm_up()
    problem = data.load(options)
    with suppress(OSError):  # Linux: forget what reading the data has held for a moment
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, peak = resident()[0], 0
    times = []
    for _ in range(repeat):
        spent, begin = time.process_time(), time.perf_counter()
        state = method.setup(problem)
        ready = time.perf_counter()
        answer = method.solve(state, problem)
        end = time.perf_counter()
        times.append((end - begin, ready - begin, end - ready, time.process_time() - spent))
        peak = peak or resident()[1]
    if to is not None:
        np.save(to, answer.vector.numpy())
    _, setup, solve, cpu = min(times)
    return Cost(setup, solve, cpu, before, peak), (answer.value, answer.products)


def _warm_up() -> None:
    """Solve a toy, so that nobody's time holds what is done once in a process: threads, imports, caches."""
    small = toy("disc", (16, 16), 4)
    problem = Problem(small.clip, small.flow, preset("default"))
    _by_exact(_build(problem), problem)


def resident() -> tuple[int, int]:
    """Memory that this process holds now, and the most that it has held, bytes.

    From /proc on Linux, where the system's other count, `ru_maxrss`, includes what the parent process held. Elsewhere
    `ru_maxrss` stands for both (0 where there is none): then what a method adds to it is a lower bound.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
        return int(sizes["VmRSS"].split()[0]) * 1024, int(sizes["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):
        most = peak_memory() or 0
        return most, most


class GatherMeter(TorchFunctionMode):
    """Within it, `seconds` and `moved` bytes of the calls of `embedding_bag`: the gathers of the exact solver.

    Counted are the rows of F that are read, one for each link, their indices and weights, and the sums that are written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self.moved = 0.0, 0

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        begin = time.perf_counter()
        result = func(*args, **kwargs)
        if func is torch.nn.functional.embedding_bag:
            self.seconds += time.perf_counter() - begin
            index, table, weights = args[0], args[1], kwargs["per_sample_weights"]
            row = table.shape[1] * table.element_size()
            self.moved += index.numel() * (row + index.element_size() + weights.element_size())
            self.moved += result.numel() * result.element_size()
        return result


def measure_gather(data: Data, options: GraphOptions, repeat: int) -> dict[str, float]:
    """Bytes a second of the exact solver's gathers, and of a plain copy."""
    _warm_up()
    problem = data.load(options)
    meters = []
    for _ in range(repeat):
        matrix = _build(problem)
        with GatherMeter() as meter:
            _by_exact(matrix, problem)
        meters.append(meter)
    best = min(meters, key=lambda meter: meter.seconds)
    copy = copy_bandwidth()
    rate = best.moved / best.seconds if best.seconds else float("nan")
    return {
        "bytes": best.moved,
        "seconds": best.seconds,
        "bytes_per_second": rate,
        "copy_bytes_per_second": copy,
        "share_of_copy": rate / copy,
    }


def copy_bandwidth(size: int = 1 << 28, repeat: int = 7) -> float:
    """Bytes read and written a second when a buffer of `size` bytes is copied by all threads, at best."""
    source = torch.ones(size // 4)
    target = torch.zeros_like(source)
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        target.copy_(source)
        seconds.append(time.perf_counter() - begin)
    return 2 * size / min(seconds)


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }


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
    matrix = _build(problem)
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
            own = build(clip, flow, _released(options))[0] if name == "scatter" else matrix
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
