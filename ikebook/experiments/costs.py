"""What a way to the eigenvector costs: time, memory, and bytes moved, each measured in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from ikebook.base.machine import peak_memory, resident_memory
from ikebook.datasets.toys import toy
from ikebook.experiments.methods import METHODS, Problem
from ikebook.flow import Flow
from ikebook.graph.presets import GraphOptions, preset
from ikebook.matrix.features import Cue
from ikebook.solvers.exact import exact
from ikebook.video.clip import Clip

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """What a method took.

    Parameters
    ----------
    setup, solve : float
        Seconds of the repetition that took least in all.
    cpu : float
        Seconds that all processors together spent on it, which says more where others use the machine too.
    before : int
        Memory (bytes, resident) that the process held when it began, with data and libraries in it.
    peak : int
        The most that it held in the first repetition.
    """

    setup: float
    solve: float
    cpu: float
    before: int
    peak: int

    @property
    def total(self) -> float:
        """Seconds of both."""
        return self.setup + self.solve

    @property
    def added(self) -> int:
        """Bytes that the work has taken."""
        return max(self.peak - self.before, 0)


@dataclass(frozen=True)
class Measurement:
    """What a method took and found.

    Parameters
    ----------
    cost : Cost
    value : float
        Its eigenvalue; NaN if it has none.
    products : int
        How many products with M it took.
    """

    cost: Cost
    value: float
    products: int


@dataclass(frozen=True)
class Data:
    """A clip and its flow as files, for another process.

    Parameters
    ----------
    folder : Path
    cues : int, default 0
        How many maps of noise go with them as node features.
    """

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


def run_in_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """`function(*arguments)` in a new process, which ends with it: what it held can't be mistaken for another's."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(name: str, data: Data, options: GraphOptions, repeat: int, to: Path | None = None) -> Measurement:
    """Run a method `repeat` times in this process; keep its vector in the file `to`."""
    method = METHODS[name]
    _warm_up()
    problem = data.load(options)
    with suppress(OSError):  # Linux: forget what reading the data has held for a moment
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, peak = resident_memory(), 0
    times = []
    for _ in range(repeat):
        spent, begin = time.process_time(), time.perf_counter()
        state = method.setup(problem)
        ready = time.perf_counter()
        answer = method.solve(state, problem)
        end = time.perf_counter()
        times.append((end - begin, ready - begin, end - ready, time.process_time() - spent))
        peak = peak or peak_memory() or 0
    if to is not None:
        np.save(to, answer.vector.numpy())
    _, setup, solve, cpu = min(times)
    return Measurement(Cost(setup, solve, cpu, before, peak), answer.value, answer.products)


def _warm_up() -> None:
    """Solve a toy, so that nobody's time holds what is done once in a process: threads, imports, caches."""
    small = toy("disc", (16, 16), 4)
    problem = Problem(small.clip, small.flow, preset("default"))
    exact(problem.matrix(), problem.options.solver)


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
        matrix = problem.matrix()
        with GatherMeter() as meter:
            exact(matrix, options.solver)
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
