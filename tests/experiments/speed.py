"""Seconds per frame and peak memory of the default recipe at 416x224.

    python tests/experiments/speed.py                                        the embedded clip, 50 frames, its exact flow
    python tests/experiments/speed.py --input DIR --repeat 5                 a video, or a folder of frames
    python tests/experiments/speed.py --input DIR --cycles 3                 with networks between the graphs

Two measurements, each in a process of its own: `segment`, the Graph Module alone (motion saliency, chains, features,
the exact solver, masks), repeated, least and median; and `ikebook segment` as a whole, with its greatest resident size.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], help="an option, such as features.displacements=steps")
    parser.add_argument("--cycles", default="1", help="of `ikebook segment` as a whole")
    parser.add_argument("--graph-only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.graph_only:
        graph(arguments)
        return
    from ikebook.base.machine import cpu_name

    print(
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    )
    subprocess.run([sys.executable, *sys.argv, "--graph-only"], check=True)
    if arguments.input:
        with tempfile.TemporaryDirectory() as out:
            command = [
                "segment",
                str(arguments.input),
                "--out",
                out,
                "--no-cache",
                "--cycles",
                arguments.cycles,
                *(f"--set={a}" for a in arguments.set),
            ]
            subprocess.run([sys.executable, "-m", "ikebook", *command], check=True, capture_output=True)
            summary = json.loads((Path(out) / "summary.json").read_text(encoding="utf-8"))
        seconds = "  ".join(f"{stage} {spent / summary['frames']:.3f}" for stage, spent in summary["seconds"].items())
        print(f"ikebook segment, {summary['frames']} frames, s/frame: {seconds}")
        print(f"in all: {sum(summary['seconds'].values()):.0f} s")
        print(f"peak memory: {summary['peak_memory_bytes'] / 1e9:.2f} GB")


def graph(arguments: argparse.Namespace) -> None:
    """Time the Graph Module's stages."""
    import torch

    from ikebook.datasets.toys import demo
    from ikebook.flow import FlowCache, compute_flow, provider
    from ikebook.graph.graph_module import segment
    from ikebook.graph.presets import GraphOptions, override
    from ikebook.video.clip import read_clip

    if arguments.input:
        clip = read_clip(arguments.input)
        flow = compute_flow(clip, provider("dis"), cache=FlowCache())
    else:
        made = demo(50)
        clip, flow = made.clip, made.flow
    options = override(GraphOptions(), *arguments.set)
    runs = [segment(clip, flow, options=options).seconds for _ in range(arguments.repeat)]
    w, h = clip.size
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads; {clip.name}: {len(clip)} frames of {w}x{h}")
    print("s/frame             least  median")
    for stage in runs[0]:
        report(stage, [run[stage] / len(clip) for run in runs])
    report("features and solve", [(run["features"] + run["solve"]) / len(clip) for run in runs])


def report(name: str, values: list[float]) -> None:
    """One row."""
    print(f"{name:18}  {min(values):.3f}   {statistics.median(values):.3f}")


if __name__ == "__main__":
    main()
