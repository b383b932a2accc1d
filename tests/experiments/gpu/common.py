"""What all sections have in common: the machine, its clips and their flow, and how a piece of work is timed."""

from __future__ import annotations

import contextlib
import functools
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from plan import Plan, Row

from ikebook.base import tensors
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.base.machine import machine, peak_memory
from ikebook.datasets.davis2016 import Davis2016
from ikebook.datasets.toys import demo, toy
from ikebook.flow import Flow, compute_flow
from ikebook.flow.raft import Raft, RaftOptions
from ikebook.flow.raft_small import RaftSmall
from ikebook.video.clip import Clip, resize_area


class Machine:
    """Where it is measured, and on what.

    Parameters
    ----------
    plan : what is to be measured
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.compute = Compute(device=plan.device)
        self.device = self.compute.device

    def about(self) -> dict[str, Any]:
        """The card, versions, and what the clips are."""
        found = machine()
        card: dict[str, Any] = {"card": found["cpu"]}
        if self.plan.cuda:
            properties = torch.cuda.get_device_properties(self.device)
            card = {
                "card": properties.name,
                "its memory": f"{properties.total_memory / 1e9:.0f} GB, {properties.multi_processor_count} multiprocessors, "
                f"compute capability {properties.major}.{properties.minor}",
                "CUDA": f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
            }
        load = found["load_average"] or 0.0
        return card | {
            "processor": f"{found['cpu']}, {found['cores']} cores, {found['threads']} threads, load {load:.1f}",
            "versions": ", ".join(f"{name} {version}" for name, version in found["versions"].items()),
            "clips": "toys"
            if self.plan.small
            else f"{', '.join(self.plan.sequences)} of DAVIS 2016, flow by RAFT-small"
            if self.plan.root and self.plan.weights
            else f"{', '.join(self.plan.sequences)} of DAVIS 2016, flow by DIS"
            if self.plan.root
            else "the embedded clip, with its exact flow",
            "weights of RAFT-small": "those of its authors"
            if self.plan.weights
            else "chance: times hold, flow does not",
        }

    def clip(self, size: tuple[int, int], name: str, frames: int | None = None) -> tuple[Clip, Flow]:
        """A clip at a working size, or its first frames, and its flow."""
        clip, flow = self._clip(size, name)
        if frames is None or frames >= len(clip):
            return clip, flow
        return clip.first(frames), Flow(forward=flow.forward[: frames - 1], backward=flow.backward[: frames - 1])

    @functools.cache  # noqa: B019  # there is one machine in a process
    def _clip(self, size: tuple[int, int], name: str) -> tuple[Clip, Flow]:
        frames = self.plan.frames_of(size)
        if self.plan.small:
            made = toy("disc", size, frames)
            return made.clip, made.flow
        if self.plan.root is None:
            made = demo(frames, size)
            return made.clip, made.flow
        davis = Davis2016(self.plan.root)
        clip = davis.clip(name, size).first(frames)
        masks = [
            resize_area(mask.astype(np.float32), size) > 0.5
            for mask, _ in zip(davis.annotations(name), range(len(clip)), strict=False)
        ]
        flow = compute_flow(clip, self.raft() if self.plan.weights else "dis")
        return replace(clip, masks=np.stack(masks)), flow

    @property
    def names(self) -> tuple[str, ...]:
        return self.plan.sequences if self.plan.root else ("disc" if self.plan.small else "embedded",)

    def raft(self, **options: Any) -> Raft:
        """RAFT-small with the weights that are there, or such as chance gives."""
        side = {"max_side": 128} if self.plan.small else {"max_side": 0}
        updates = {"updates": 2} if self.plan.small else {}
        wanted = side | updates | {"batch": 1 if self.plan.small else 8} | options
        weights = {} if self.plan.weights is None else {"weights": str(self.plan.weights)}
        made = Raft(RaftOptions(model="raft_small", **weights, **wanted), self.device)
        if self.plan.weights is None:
            torch.manual_seed(0)
            made._network = RaftSmall().to(self.device).eval()
        return made

    def wait(self) -> None:
        if self.plan.cuda:
            torch.cuda.synchronize(self.device)

    def clear(self) -> None:
        gc.collect()
        if self.plan.cuda:
            torch.cuda.empty_cache()

    def seconds(self, work: Callable[[], Any], repeat: int = 3) -> float:
        """The least time of several, after one more."""
        if self.plan.small:
            repeat = 1
        work()
        found = []
        for _ in range(repeat):
            self.wait()
            begin = time.perf_counter()
            work()
            self.wait()
            found.append(time.perf_counter() - begin)
        return min(found)

    def peak(self, work: Callable[[], Any]) -> float:
        """Most memory that a piece of work has held, MB: of the card, or of the process where there is none."""
        if not self.plan.cuda:
            work()
            return (peak_memory() or 0) / 1e6
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        self.wait()
        return torch.cuda.max_memory_allocated(self.device) / 1e6

    def row(self, columns: Row, work: Callable[[], Row]) -> Row:
        """A row of what work gives, or of why it gives nothing; the rest goes on."""
        try:
            return columns | work()
        except Exception as error:  # noqa: BLE001
            self.clear()
            lines = str(error).strip().splitlines()
            return columns | {"note": f"no result: {type(error).__name__}: {lines[0][:160] if lines else ''}"}


@contextlib.contextmanager
def batches(frames: int | None) -> Iterator[None]:
    """So many frames at once on a GPU, however large they are."""
    before = tensors.GPU_FRAMES, tensors.GPU_PIXELS
    if frames is not None:
        tensors.GPU_FRAMES, tensors.GPU_PIXELS = frames, 1 << 40
    try:
        yield
    finally:
        tensors.GPU_FRAMES, tensors.GPU_PIXELS = before


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether the program allows TF32 to matrix products and convolutions."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def words(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def compiled(machine: Machine, work: Any, **options: Any) -> Any:
    """By torch.compile; in a rehearsal without a compiler behind it, which takes half a minute."""
    import torch._dynamo

    torch._dynamo.reset()
    if machine.plan.small:
        return torch.compile(work, backend="eager")
    return torch.compile(work, **options)


__all__ = ["InputError", "Machine", "batches", "compiled", "tf32", "words"]
