"""What 4,000 videos and 100,000 hours would take, from measured seconds: the tables of docs/cluster.md, as Markdown.

    python tests/experiments/estimate.py --summary OUT/summary.json                     a run of `ikebook segment`, one graph
    python tests/experiments/estimate.py --summary OUT/summary.json --cycles CYCLES/summary.json
    python tests/experiments/estimate.py --graph 0.32 --flow 0.27 --training 85 --exchange 0.8

Seconds a frame are those that the summary's stages add up to, without the training, divided by its frames, on so many cores as the run had
(--cores, 2 by default). `--cycles`: the same of a run with three cycles, whose training does not grow with the video.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

VIDEOS, FRAMES, RATE, HOURS = 4000, 130, 24, 100_000


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", type=Path, help="of a run with one graph")
    parser.add_argument("--cycles", type=Path, help="of a run with three cycles")
    parser.add_argument("--graph", type=float, help="seconds a frame of one graph, flow and all")
    parser.add_argument("--flow", type=float, help="those of them that flow takes")
    parser.add_argument("--training", type=float, help="seconds of three cycles that do not grow with the video")
    parser.add_argument("--exchange", type=float, help="and seconds a frame that do")
    parser.add_argument("--cores", type=int, default=2, help="that these seconds are on")
    parser.add_argument(
        "--task", type=float, default=8.0, help="milliseconds that client, scheduler and folder take for a video"
    )
    arguments = parser.parse_args()
    graph, flow, training, exchange = arguments.graph, arguments.flow, arguments.training, arguments.exchange
    if arguments.summary is not None:
        _, graph, flow = measured(arguments.summary)
    if arguments.cycles is not None:
        training, exchange, _ = measured(arguments.cycles)
    if graph is None:
        parser.error("--summary, or --graph")
    print("\n".join(tables(graph, flow, training, exchange, arguments.cores, arguments.task)))


def measured(path: Path) -> tuple[float, float, float]:
    """Of a summary: seconds of training; seconds a frame of all else; those of flow among them."""
    summary = json.loads(path.read_text(encoding="utf-8"))
    frames, seconds = summary["frames"], summary["seconds"]
    training = seconds.get("train", 0.0)
    flow = sum(spent for stage, spent in seconds.items() if "flow" in stage)
    return training, (sum(seconds.values()) - training) / frames, flow / frames


def tables(
    graph: float, flow: float | None, training: float | None, exchange: float | None, cores: int, task: float
) -> list[str]:
    """The lines."""
    rows = [("one graph", FRAMES * graph, f"{FRAMES} x {graph:.3g}")]
    if training is not None and exchange is not None:
        rows.append(("three cycles", training + FRAMES * exchange, f"{training:.3g} + {FRAMES} x {exchange:.3g}"))
    workers = 64 // cores
    lines = [f"| | a video | {VIDEOS:,} on {cores} cores | on 64 cores, {workers} workers |", "|---|---:|---:|---:|"]
    for name, each, how in rows:
        hours = VIDEOS * each / 3600
        lines.append(f"| {name} | {how} = {each:.0f} s | {hours:.0f} h | {hours / workers:.1f} h |")
    frames = HOURS * 3600 * RATE
    core_hours = frames * graph * cores / 3600
    lines += [
        "",
        f"The engine adds {VIDEOS:,} x {task:g} ms = {VIDEOS * task / 1e3:.0f} s.",
        "",
        f"{HOURS:,} hours are {frames:.3g} frames: {core_hours / 1e6:.2f} million core-hours, {core_hours / 24 / 1000:.1f} days on 1,000 cores, "
        f"{core_hours / 24 / 10_000:.1f} on 10,000."
        + (f" Of that, {100 * flow / graph:.0f}% is flow." if flow is not None else ""),
    ]
    minutes = 5 * 60 * RATE * graph / 60
    ending = 10_000 / cores / (minutes * 60)
    lines.append(
        f"In videos of five minutes: {HOURS * 12:,} tasks of {minutes:.0f} minutes; of 10,000 cores {ending:.1f} end a second, and at {task:g} ms "
        f"each the engine sees to {1e3 / task:.0f}."
    )
    return lines


if __name__ == "__main__":
    main()
