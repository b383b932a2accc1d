"""What the machine can do, and whether the tests pass on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import torch
from common import Machine, tf32
from plan import Row


def card(machine: Machine) -> Iterator[Row]:
    """Rates of copies and products, and the price of a launch."""
    small, cuda = machine.plan.small, machine.plan.cuda
    yield machine.row({"what": "a copy, read and written"}, lambda: {"rate": copy_rate(machine) / 1e9, "unit": "GB/s"})
    side = 256 if small else 8192
    kinds = [("float32", torch.float32, False), ("float64", torch.float64, False)]
    if cuda:
        kinds[1:1] = [("TF32", torch.float32, True), ("bfloat16", torch.bfloat16, False)]
    for name, dtype, loose in kinds:
        yield machine.row(
            {"what": f"a product of {side} x {side}, {name}"},
            lambda dtype=dtype, loose=loose: {
                "rate": product_rate(machine, side, dtype, loose) / 1e12,
                "unit": "TFLOP/s",
            },
        )
    yield machine.row({"what": "an operation on 64 numbers, one after the other"}, lambda: launches(machine))
    if cuda:
        for pinned in (False, True):
            yield machine.row(
                {"what": f"from {'pinned' if pinned else 'plain'} memory to the card"},
                lambda pinned=pinned: {"rate": upload_rate(machine, pinned) / 1e9, "unit": "GB/s"},
            )


def copy_rate(machine: Machine) -> float:
    """Bytes read and written a second."""
    count = 1 << (20 if machine.plan.small else 28)
    source = torch.ones(count, device=machine.device)
    target = torch.zeros_like(source)
    return 2 * source.nbytes / machine.seconds(lambda: target.copy_(source), 5)


def product_rate(machine: Machine, side: int, dtype: torch.dtype, loose: bool) -> float:
    """Operations a second, two for each product of numbers."""
    a = torch.rand(side, side, device=machine.device).to(dtype)
    out = torch.empty_like(a)
    with tf32(loose):
        return 2 * side**3 / machine.seconds(lambda: torch.mm(a, a, out=out))


def launches(machine: Machine) -> Row:
    values, count = torch.ones(64, device=machine.device), 100 if machine.plan.small else 2000

    def many() -> None:
        for _ in range(count):
            values.mul_(1.0)

    return {"rate": machine.seconds(many) / count * 1e6, "unit": "us"}


def upload_rate(machine: Machine, pinned: bool) -> float:
    source = torch.ones(1 << 25)
    source = source.pin_memory() if pinned else source
    target = torch.empty_like(source, device=machine.device)
    return source.nbytes / machine.seconds(lambda: target.copy_(source, non_blocking=pinned))


def tests(machine: Machine) -> Iterator[Row]:
    """tests/test_gpu.py, the device's half of it; a few of them in a rehearsal."""
    chosen = "cuda" if machine.plan.cuda else "cpu and default and every"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", "-k", chosen]
    done = subprocess.run(
        [*command, "tests/test_gpu.py"],
        cwd=machine.plan.repository,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(machine.plan.repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    for line in lines:
        if line.startswith(("FAILED", "ERROR")):
            yield {"test": line.split(" - ")[0], "": "failed", "why": line.partition(" - ")[2][:160]}
    yield {"test": "all of them", "": lines[-1].strip("= ") if lines else done.stderr.strip()[-160:]}
    if done.returncode:
        raise RuntimeError(f"pytest ended with {done.returncode}")
