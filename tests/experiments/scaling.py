"""What several workers gain, and what the engine behind them costs.

    python tests/experiments/scaling.py --root DIR --sequences dog,cows,camel,goat --size auto     real sequences
    python tests/experiments/scaling.py                                                            toys, for a look

Leave the machine alone meanwhile. Every process has one thread, and no flow is kept. Measured are, from the first line to
the last, imports included:

    one          `ikebook evaluate` on all sequences
    separate     N of them at once, each on its share of the sequences (the longest first, each to whom has least)
    workers      one with --workers N
    efficiency   separate / workers: 1 if the engine costs nothing

and then, with tasks that do nothing, the engine's own cost of a task, that of starting N workers, and what the folder of
results costs for each sequence: its lock, its entry on the disk, its share of results.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TASKS = 1000


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="DAVIS 2016")
    parser.add_argument("--sequences", help="A,B,...: only these")
    parser.add_argument("--size", default="104x56")
    parser.add_argument("--cycles", default="1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    from ikebook.base.machine import cpu_name
    from ikebook.datasets import Davis2016
    from ikebook.video.images import image_files

    about = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(f"{about}, Python {platform.python_version()}; {' '.join(sys.argv[1:]) or 'toys'}")
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or toys(Path(folder) / "toys")
        dataset = Davis2016(root)
        names = arguments.sequences.split(",") if arguments.sequences else dataset.sequences()
        lengths = {name: len(image_files(dataset.frames / name)) for name in names}
        command = ["evaluate", "davis2016", "--root", str(root), "--size", arguments.size, "--cycles", arguments.cycles]
        command += ["--no-cache", "--threads", "1"]
        count = arguments.workers
        ways = {
            "one": [[*command, "--sequences", ",".join(names)]],
            "separate": [[*command, "--sequences", ",".join(share)] for share in shared(lengths, count)],
            "workers": [[*command, "--sequences", ",".join(names), "--workers", str(count)]],
        }
        best = dict.fromkeys(ways, float("inf"))
        for index in range(arguments.repeat):
            for way, commands in ways.items():
                out = Path(folder) / f"{way}-{index}"
                best[way] = min(best[way], timed(commands, out))
        print(f"{len(names)} sequences, {sum(lengths.values())} frames; seconds, least of {arguments.repeat}")
        print("  ".join(f"{way} {seconds:.1f}" for way, seconds in best.items()))
        print(f"efficiency of {count} workers against {count} separate runs: {best['separate'] / best['workers']:.2f}")
        print(f"speed-up over one: {best['one'] / best['workers']:.2f}")
        started, each, work = engine(count)
        print(
            f"starting {count} workers: {started:.1f} s; each task of {TASKS}: {each:.2f} ms, {work:.2f} of them computing"
        )
        each, work = results(Path(folder) / "results")
        print(f"folder of results, each of {TASKS} sequences: {each:.2f} ms, {work:.2f} of them computing")


def toys(root: Path) -> Path:
    """A data set of toys."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from layouts import write_davis

    return write_davis(root, ["disc", "occluder", "tracked", "two_objects"], size=(104, 56), frames=12)


def shared(lengths: dict[str, int], count: int) -> list[list[str]]:
    """Sequences dealt out among `count`, so that all have about as many frames."""
    hands: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(lengths, key=lambda name: -lengths[name]):
        min(hands, key=lambda hand: sum(lengths[one] for one in hand)).append(name)
    return [hand for hand in hands if hand]


def timed(commands: list[list[str]], out: Path) -> float:
    """Seconds until all of some commands that run at once are done."""
    begin = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "ikebook", *command, "--out", f"{out}-{index}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for index, command in enumerate(commands)
    ]
    for process in running:
        if process.wait():
            sys.exit(f"{' '.join(map(str, process.args))} failed")
    return time.perf_counter() - begin


def nothing(task: Any, progress: Any) -> None:
    """A task."""


def engine(count: int) -> tuple[float, float, float]:
    """Seconds to start workers and have each do something; ms of each task that follows, and of client and scheduler in it."""
    from ikebook.runs.cluster import local_workers

    begin = time.perf_counter()
    with local_workers(count) as runner:
        list(runner(nothing, {str(index): index for index in range(4 * count)}))
        started = time.perf_counter() - begin
        begin, work = time.perf_counter(), time.process_time()
        list(runner(nothing, {str(index): index for index in range(TASKS)}))
        return started, 1e3 * (time.perf_counter() - begin) / TASKS, 1e3 * (time.process_time() - work) / TASKS


def results(out: Path) -> tuple[float, float]:
    """Milliseconds of what the folder of results does for each sequence, and how many of them are computing."""
    from ikebook.runs.result_folder import ResultsWriter, lock_folder, lock_sequence, read_entry, write_entry

    half = {"cycle": 1, "module": "graph", "J_mean": 0.5, "F_mean": 0.5, "change": None, "object_share": 0.1}
    entry = {"frames": 80, "J_mean": 0.5, "F_mean": 0.5, "cycles": [half | {"seconds": {"features": 1.0}}]}
    names = [f"sequence{index}" for index in range(TASKS)]
    begin, work = time.perf_counter(), time.process_time()
    with lock_folder(out):
        writer = ResultsWriter(out, {}, names, lambda _: {"J_mean": 0.5})
        for name in names:
            with lock_sequence(out, name):
                read_entry(out, name, "key")
                writer.add(name, write_entry(out, name, "key", entry))
            writer.write_now_and_then()
        writer.write()
    return 1e3 * (time.perf_counter() - begin) / TASKS, 1e3 * (time.process_time() - work) / TASKS


if __name__ == "__main__":
    main()
