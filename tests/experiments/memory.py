"""Greatest memory against a video's length: a generated video of 416x224, through all of `ikebook segment`.

    python tests/experiments/memory.py --frames 100,1000,10000 --memory 1G

The embedded clip plays to and fro, frame by frame from a source that holds 25 frames, with its exact flow. Each length
is run in a process of its own, which prints its greatest resident size, and what of it came after the libraries: of their files a
system maps more or less, 0.1 GB more where they have just been installed. Ten thousand frames take about 35 GB on the disk.
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PERIOD = 25


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", default="100,300,1000", help="lengths to try")
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--set", action="append", default=[], help="an option, such as features.displacements=steps")
    parser.add_argument("--out", type=Path, help="folder for intermediate results, on a disk with memory for them")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments)
        return
    from ikebook.base.machine import cpu_name

    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {cpu_name()}, --memory {arguments.memory}")
    print("frames   peak GB   beside libraries   s/frame   arrays")
    for frames in arguments.frames.split(","):
        assignments = [part for name in arguments.set for part in ("--set", name)]
        place = ["--out", str(arguments.out)] if arguments.out else []
        command = [sys.executable, __file__, "--one", frames, "--memory", arguments.memory, *assignments, *place]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)


class ToAndFro:
    """Frames 0, 1, ..., 24, 23, ..., 0, 1, ... of the embedded clip, and their flow: a source and a provider in one."""

    def __init__(self, frames: int) -> None:
        from ikebook.datasets.toys import demo

        made = demo(PERIOD)
        self.frames = frames
        self.pictures = np.asarray(made.clip.frames)
        self.forward, self.backward = (np.asarray(fields) for fields in (made.flow.forward, made.flow.backward))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.pictures[self._at(index)] for index in range(self.frames))

    def fingerprint(self) -> str:
        return f"to and fro {self.frames}"

    def describe(self) -> str:
        return "exact"

    def pairs(self, frames: object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index in range(self.frames - 1):
            now, then = self._at(index), self._at(index + 1)
            pair = min(now, then)
            fields = self.forward[pair], self.backward[pair]
            yield fields if then > now else fields[::-1]

    def _at(self, index: int) -> int:
        place = index % (2 * PERIOD - 2)
        return min(place, 2 * PERIOD - 2 - place)


def one(arguments: argparse.Namespace) -> None:
    """A row: one length, in this process."""
    from ikebook.base import check
    from ikebook.base.machine import resident_memory
    from ikebook.cycle import CycleOptions
    from ikebook.graph.presets import GraphOptions, override
    from ikebook.runs.options import RunOptions
    from ikebook.runs.outputs import write_results
    from ikebook.runs.single import run
    from ikebook.video.clip import Clip

    begin, libraries = time.perf_counter(), resident_memory()
    video = ToAndFro(arguments.one)
    options = RunOptions(
        cycle=CycleOptions(cycles=1, graph=override(GraphOptions(), *arguments.set)),
        cache=False,
        memory=check.memory("--memory", arguments.memory),
        device="cpu",
    )
    with tempfile.TemporaryDirectory(dir=arguments.out) as folder:
        out = Path(folder)
        compute = options.compute(out)
        clip = Clip(frames=compute.memory.array(iter(video), arguments.one), name="to and fro", source=video)
        outcome = run(clip, video, options=options, compute=compute)
        summary = write_results(out, clip, outcome, options)
    spent = (time.perf_counter() - begin) / arguments.one
    where = "on disk" if summary["on_disk"] else "in memory"
    peak = summary["peak_memory_bytes"] / 1e9
    print(f"{arguments.one:6}   {peak:7.2f}   {peak - libraries / 1e9:16.2f}   {spent:7.3f}   {where}")


if __name__ == "__main__":
    main()
