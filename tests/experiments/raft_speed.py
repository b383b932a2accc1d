"""Seconds that RAFT-small needs for a pair of frames, both ways, on the clock and of the processor.

    OMP_NUM_THREADS=1 python tests/experiments/raft_speed.py raft-small.pth --size 640x352

The frames are those of the embedded clip. On a machine that others use too, the processor's time is what can be compared.
"""

from __future__ import annotations

import argparse
import time

import torch

import ikebook
from ikebook.base import check
from ikebook.flow.raft import Raft, RaftOptions

VARIANTS = ({}, {"half": True}, {"updates": 6}, {"max_side": 416})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="file of weights")
    parser.add_argument("--size", default="640x352", help="of the frames (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=2, help="timed, after one more (default: %(default)s)")
    given = parser.parse_args()
    frames = ikebook.demo(given.pairs + 2, check.size("--size", given.size)).clip.frames
    for options in VARIANTS:
        found = Raft(RaftOptions(model="raft_small", weights=given.weights, **options)).pairs(frames)
        next(found)  # reads the weights, too
        clock, processor = time.perf_counter(), time.process_time()
        count = sum(1 for _ in found)
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        print(
            f"{torch.get_num_threads()} threads, {options}: {clock / count:.2f} s, {processor / count:.2f} s of processor"
        )


if __name__ == "__main__":
    main()
