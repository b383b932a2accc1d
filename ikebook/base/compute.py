"""Where work is done: on which device, how precisely, and in how much memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ikebook.base import check
from ikebook.base.arrays import Memory
from ikebook.base.check import InputError, require


@dataclass(frozen=True, eq=False, kw_only=True, init=False)
class Compute:
    """Where work is done: one argument, in place of three, of whatever computes something.

    Parameters
    ----------
    device : torch.device or str
        "cpu" (default), or a GPU, such as "cuda" or "cuda:1".
    dtype : torch.dtype
        torch.float32 (default), or torch.float64 for toys and proofs.
    memory : Memory, int or str, optional
        What arrays of a clip may take together, in bytes or as a text such as "800M": what does not fit lies on disk.
        As much as there is, by default.

    Raises
    ------
    InputError
        If this PyTorch has no such device, or the dtype is another one.

    Examples
    --------
    >>> Compute(dtype=torch.float64)
    Compute(cpu, float64)
    """

    device: torch.device
    dtype: torch.dtype
    memory: Memory

    def __init__(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        memory: Memory | int | str | None = None,
    ) -> None:
        require(dtype in (torch.float32, torch.float64), f"dtype is {dtype}; expected torch.float32 or torch.float64.")
        try:
            torch.empty(0, dtype=torch.float64, device=device)  # in which sums are taken
        except (RuntimeError, AssertionError, TypeError):  # PyTorch has one of these for each way to lack a device
            raise InputError(
                f"device is {str(device)!r}, which this PyTorch has not, or has without float64; use 'cpu'."
            ) from None
        if isinstance(memory, str):
            memory = check.memory("memory", memory)
        if not isinstance(memory, Memory):
            if memory is not None:
                check.whole("memory", memory, at_least=1)
            memory = Memory(memory)
        for name, value in (("device", torch.device(device)), ("dtype", dtype), ("memory", memory)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        limit = "" if self.memory.limit is None else f", {self.memory.limit} bytes"
        return f"Compute({self.device}, {str(self.dtype).removeprefix('torch.')}{limit})"
