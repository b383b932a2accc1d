"""What each notebook costs while nbval runs it: minutes of one core, and peak memory, held against its header.

The minutes are those of the processor, which wait for nobody, and are counted in those of the machine that the headers were
measured on: a fixed piece of work is timed in the same kernel, before and after. Set IKEBOOK_COSTS to a folder to
have the measurements written, as tests/experiments/notebook_costs.py does; then nothing fails.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest

from ikebook.course.lab import costs

MINUTES_SLACK, MEMORY_SLACK = 0.25, 0.15
"""A header may be off by half of the larger figure, and by so many minutes and GB more: imports alone swing by that."""

REFERENCE = 0.15
"""Seconds of the processor that `WORK` took where the headers were measured: one core of an AMD EPYC, 2026-11-23."""

WORK = """
def _ikebook_work():
    import time, torch
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    index = torch.randint(1 << 20, (1 << 20,), generator=torch.Generator().manual_seed(0))
    values = torch.rand(1 << 20)
    began = time.process_time()
    for _ in range(40):
        values = values.index_select(0, index) * 0.5 + 0.25
    torch.set_num_threads(threads)
    return time.process_time() - began
def _ikebook_cost():
    import json, resource, sys
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return json.dumps([spent, peak, min(_ikebook_work() for _ in range(3))])
print(_ikebook_cost())
del _ikebook_work, _ikebook_cost
"""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After a notebook's last cell, before its kernel is stopped."""
    kernel = getattr(item.parent, "kernel", None)
    if kernel is None or (nextitem is not None and nextitem.parent is item.parent) or os.name == "nt":
        return
    spent, peak, work = _ask(kernel)
    measured = {"minutes": spent / 60 * REFERENCE / work, "memory": peak / 1e9, "work": work}
    folder = os.environ.get("IKEBOOK_COSTS")
    if folder:
        (Path(folder) / f"{item.path.stem}.json").write_text(json.dumps(measured))
        return
    minutes, memory = costs(nbformat.read(item.path, as_version=4).cells[0].source)
    say = f"{item.path.stem}: the header says {minutes:g} minutes and {memory:g} GB; measured {{:.2f}} minutes and {{:.2f}} GB"
    said = say.format(measured["minutes"], measured["memory"])
    near = abs(measured["minutes"] - minutes) <= max(measured["minutes"], minutes) / 2 + MINUTES_SLACK
    near &= abs(measured["memory"] - memory) <= max(measured["memory"], memory) / 2 + MEMORY_SLACK
    assert near, f"{said}. Run: .venv/bin/python tests/experiments/notebook_costs.py {item.path.stem[:2]}"
    assert measured["minutes"] <= 3 + MINUTES_SLACK, f"{said}; a notebook may take 3 minutes."
    assert measured["memory"] <= 1.2 + MEMORY_SLACK, f"{said}; a notebook may take 1.2 GB."


def _ask(kernel: object) -> list[float]:
    """What `WORK` prints in a notebook's kernel."""
    message = kernel.execute_cell_input(WORK)
    kernel.await_reply(message, 120)
    printed = ""
    while True:
        reply = kernel.get_message("iopub", timeout=120)
        if reply["parent_header"].get("msg_id") != message:
            continue
        if reply["msg_type"] == "stream" and reply["content"]["name"] == "stdout":
            printed += reply["content"]["text"]
        assert reply["msg_type"] != "error", reply["content"]
        if reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
            return json.loads(printed)
