"""Algorithm 1 as a whole, and the flow before it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from common import Machine, words
from plan import Row

from ikebook.cycle import CycleOptions, exchange
from ikebook.flow import compute_flow
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions


def cycles(machine: Machine) -> Iterator[Row]:
    """Seconds by stage, and J where the clip has masks."""
    plan = machine.plan
    options = CycleOptions(tolerance=0.0)
    if plan.small:
        network = NetworkOptions(widths=(8, 16), dilations=(1,), stem=2)
        options = replace(options, network=network, training=TrainOptions(steps=4))
    runs = [(plan.sizes[0], name, turn) for name in machine.names for turn in ("first", "again")][
        : 2 if plan.small else None
    ]
    runs += [(plan.sizes[1], machine.names[0], "first")]
    for size, name, turn in runs:

        def work(size=size, name=name) -> Row:
            clip, flow = machine.clip(size, name)
            machine.wait()
            begin = time.perf_counter()
            seconds: dict[str, float] = {}
            for state in exchange(clip, flow, options=options, compute=machine.compute):
                for stage, spent in state.seconds.items():
                    seconds[stage] = seconds.get(stage, 0.0) + spent
                score, graphs = state.score, state.cycle
            machine.wait()
            whole = time.perf_counter() - begin
            goal = {"goal": {"cycles": whole}} if size == plan.sizes[0] and graphs == 3 else {}
            return {"in all": whole, **seconds, "cycles": graphs, "J": "" if score is None else 100 * score, **goal}

        columns = {"clip": name, "size": words(size), "frames": plan.frames_of(size), "run": turn}
        yield machine.row(columns, work)
        machine.clear()
    if plan.weights and plan.root:
        clip, _ = machine.clip(plan.sizes[0], machine.names[0])
        raft = machine.raft()

        def flow() -> Row:
            machine.wait()
            begin = time.perf_counter()
            compute_flow(clip, raft)
            return {"in all": time.perf_counter() - begin}

        yield machine.row(
            {"clip": f"{machine.names[0]}, its flow by RAFT-small", "size": "854x480", "frames": len(clip)}, flow
        )
