"""RAFT-small, and the network of the Network Module: batches, precision, compiled, and as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from common import Machine, compiled, tf32, words
from plan import Row

from ikebook.flow.raft_small import RaftSmall
from ikebook.networks.losses import knowledge_loss
from ikebook.networks.training import TrainOptions, train
from ikebook.networks.unet import NetworkOptions, new_network, predict

SMALL = NetworkOptions(widths=(8, 16), dilations=(1,), stem=2)


def raft(machine: Machine) -> Iterator[Row]:
    """Milliseconds for a pair."""
    plan = machine.plan
    sweep = (1,) if plan.small or not plan.cuda else (1, 4, 8, 16)
    sizes = ((128, 128),) if plan.small else plan.sizes
    cases: list[tuple[tuple[int, int], int, str, bool, str]] = [
        (size, batch, "float32", loose, "plain")
        for size in sizes
        for batch in sweep
        for loose in ((False, True) if plan.cuda else (False,))
    ]
    cases += [(size, sweep[-1], "half", False, "plain") for size in sizes if plan.cuda or plan.small]
    cases += [
        (sizes[0], batch, "float32", True, way) for way in ("graphed", "compiled") for batch in {sweep[0], sweep[-1]}
    ]
    for size, batch, precision, loose, way in cases:
        columns = {
            "size": words(size),
            "pairs at once": batch,
            "precision": "TF32 allowed" if loose else precision,
            "way": way,
        }

        def work(size=size, batch=batch, precision=precision, loose=loose, way=way) -> Row:
            source = machine.raft(half=precision == "half", batch=batch, max_side=0)
            clip, _ = machine.clip(size, machine.names[0], 2)
            frames = [frame for _ in range(max(1, plan.pairs // batch) * batch) for frame in clip.frames[:2]]
            pairs = list(zip(frames[::2], frames[1::2], strict=True))
            network = source.network()
            assert isinstance(network, RaftSmall)
            if way == "compiled":
                network.update_block = compiled(machine, network.update_block)
            if way == "graphed":
                source._predict = graphed_prediction(machine, source, size, batch)

            def all_pairs() -> None:
                for start in range(0, len(pairs), batch):
                    for _ in source._flows(pairs[start : start + batch]):
                        pass

            with tf32(loose):
                spent = machine.seconds(all_pairs)
                peak = machine.peak(all_pairs)
            return {"ms a pair": 1e3 * spent / len(pairs), "peak, MB": round(peak)}

        yield machine.row(columns, work)
        machine.clear()


def graphed_prediction(machine: Machine, source: Any, size: tuple[int, int], batch: int) -> Callable[..., Any]:
    """The prediction of frames of one size, captured once as a CUDA graph."""
    if not machine.plan.cuda:
        raise RuntimeError("CUDA graphs need CUDA")
    w, h = size
    held = [torch.zeros(2 * batch, 3, h, w, dtype=torch.uint8, device=machine.device) for _ in range(2)]
    predict_plainly = source._predict
    replay, out = captured(lambda: predict_plainly(*held))

    def prediction(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        held[0].copy_(start)
        held[1].copy_(end)
        replay()
        return out

    return prediction


def captured(work: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """Work as a CUDA graph: how it is run again, and where its result lies."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()
    return graph.replay, out


def training(machine: Machine) -> Iterator[Row]:
    """Steps a second: of the package's own training, and of its step in other ways."""
    plan = machine.plan
    network = SMALL if plan.small else NetworkOptions()
    for size in plan.sizes:
        clip, _ = machine.clip(size, machine.names[0])
        pseudo = (
            torch.zeros(clip.frames.shape[:3]).index_fill_(2, torch.arange(size[0] // 4, size[0] // 2), 1.0).numpy()
        )
        steps = 4 if plan.small else 200

        def whole(clip=clip, pseudo=pseudo, steps=steps) -> Row:
            options = TrainOptions(steps=steps, epochs=1000, patience=1000)
            train(clip.frames, pseudo, network, TrainOptions(steps=2, epochs=1), device=machine.device)
            found: list[Any] = []
            peak = machine.peak(
                lambda: found.append(train(clip.frames, pseudo, network, options, device=machine.device))
            )
            return {"steps/s": steps / found[0].seconds, "peak, MB": round(peak)}

        yield machine.row({"size": words(size), "frames a step": 1, "way": "ikebook's training"}, whole)
        model = new_network(network).to(machine.device)
        yield machine.row(
            {"size": words(size), "way": "its prediction, ms a frame"},
            lambda clip=clip, model=model: {
                "ms": 1e3 * machine.seconds(lambda: list(predict(model, clip.frames))) / len(clip)
            },
        )
    cases = [
        (plan.sizes[0], batch, way)
        for batch in ((1, 2) if plan.small else (1, 4, 16))
        for way in ("float32", "bfloat16", "channels last", "graphed", "graphed, channels last")
    ]
    cases += [(plan.sizes[1], 1, "graphed"), (plan.sizes[0], 1, "compiled"), (plan.sizes[0], 1, "compiled and graphed")]
    for size, batch, way in cases:
        if way == "bfloat16" and not plan.cuda:
            continue  # there the training is in float32

        def work(size=size, batch=batch, way=way) -> Row:
            step = stepper(machine, network, size, batch, way)
            count = 2 if plan.small else 100

            def many() -> None:
                for _ in range(count):
                    step()

            spent = machine.seconds(many, 2) / count
            return {"steps/s": 1 / spent, "frames/s": batch / spent, "peak, MB": round(machine.peak(step))}

        yield machine.row({"size": words(size), "frames a step": batch, "way": way}, work)
        machine.clear()


def stepper(
    machine: Machine, network: NetworkOptions, size: tuple[int, int], batch: int, way: str
) -> Callable[[], Any]:
    """One step of the training, on frames that are there already."""
    device, graphed = machine.device, "graphed" in way and "compiled" not in way
    model: Any = new_network(network).to(device).train()
    if "channels last" in way:
        model = model.to(memory_format=torch.channels_last)
    if graphed and not machine.plan.cuda:
        raise RuntimeError("CUDA graphs need CUDA")
    rate: Any = torch.tensor(1e-3, device=device) if graphed else 1e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2, fused=True, capturable=graphed)
    if "compiled" in way:
        model = compiled(machine, model, **({"mode": "reduce-overhead"} if "graphed" in way else {}))
    images = torch.randint(0, 256, (batch, size[1], size[0], 3), device=device).to(torch.uint8)
    targets = torch.rand(batch, size[1], size[0], device=device)
    mixed = machine.plan.cuda and way != "float32"

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed, cache_enabled=not graphed):
            logits = model(images)
        loss = knowledge_loss(logits.float(), targets)
        loss.backward()
        optimizer.step()
        return loss

    return captured(step)[0] if graphed else step
