"""What a graph takes where other programs have the processor too: seconds of `segment` beside loops that do nothing.

    python tests/experiments/busy.py [--busy 0,1,2] [--frames 24] [--repeat 2] [--before CHECKOUT]

The embedded clip at 416x224 with its own flow, in a process of its own, the fastest of some repeats. With --before, the same by the
ikebook of another checkout, in turns. Prints a row for each number of loops.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]

MEASURE = """
import sys, time, ikebook
made, taken = ikebook.demo(frames=int(sys.argv[1])), []
for _ in range(1 + int(sys.argv[2])):
    begin = time.perf_counter()
    ikebook.segment(made.clip, made.flow)
    taken.append(time.perf_counter() - begin)
print(min(taken[1:]))  # the first one loads what the others find
"""

LOOP = "while True: pass"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", default="0,1,2", help="numbers of loops (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="another version, to be measured beside this one"
    )
    arguments = parser.parse_args()
    from ikebook.base.machine import cpu_name

    versions = {"this version": HERE} | ({"before": arguments.before} if arguments.before else {})
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    print("| other programs | " + " | ".join(f"{name}, s" for name in versions) + " |")
    print("|---:|" + "---:|" * len(versions))
    for busy in map(int, arguments.busy.split(",")):
        loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(busy)]
        try:
            found = [seconds(root, arguments.frames, arguments.repeat) for root in versions.values()]
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        print(f"| {busy} | " + " | ".join(f"{one:.1f}" for one in found) + " |", flush=True)


def seconds(root: Path, frames: int, repeat: int) -> float:
    """What the ikebook in `root` takes."""
    command = [sys.executable, "-c", MEASURE, str(frames), str(repeat)]
    environment = os.environ | {"PYTHONPATH": str(root.resolve())}
    return float(subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
