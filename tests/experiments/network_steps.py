"""How long the network has to be trained: its J, and that of the second graph, by the number of steps.

    python tests/experiments/network_steps.py --root ../shared/davis2016_train

One graph a sequence at 416x224, a network for each number of steps, trained on its masks from scratch, and a second graph of what both
know. Seconds are those of the processor, in all steps, on one thread; the processor may be shared. Differences are from the first
column, mean over sequences with their 95% interval by a bootstrap. First and last frames are not scored. Annotations are read for
scoring alone.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from ablation import against

from ikebook.cycle import CycleOptions, exchange
from ikebook.datasets import Davis2016
from ikebook.flow import FlowCache, compute_flow, provider
from ikebook.networks.training import TrainOptions
from ikebook.video.clip import resize_area
from ikebook.video.metrics import region_similarity

STEPS = (1000, 500, 300)


def main() -> None:
    """Print a row for each sequence, and the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--size", default="416x224", help="working size (default: %(default)s)")
    parser.add_argument("--sequences", help="A,B: only these")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset, cache = Davis2016(arguments.root), FlowCache()
    names = arguments.sequences.split(",") if arguments.sequences else dataset.sequences()
    width = max(map(len, names))
    print(f"{'':{width}}   x#1 " + "   ".join(f"{steps:>5} s#1   x#2 seconds" for steps in STEPS))
    rows = []
    for name in names:
        first, columns = scores(dataset, name, arguments.size, cache)
        rows.append(columns)
        print(
            f"{name:{width}} {first:5.1f} " + "   ".join("{:9.1f} {:5.1f} {:7.1f}".format(*one) for one in columns),
            flush=True,
        )
    found = np.array(rows)  # (sequences, steps, 3)
    print(f"{'mean':{width}}       " + "   ".join("{:9.1f} {:5.1f} {:7.1f}".format(*one) for one in found.mean(0)))
    for index, steps in list(enumerate(STEPS))[1:]:
        for column, what in enumerate(("s#1", "x#2")):
            print(f"{steps} steps, {what}: {against(found[:, index, column] - found[:, 0, column], names)}")


def scores(
    dataset: Davis2016, name: str, size: str, cache: FlowCache
) -> tuple[float, list[tuple[float, float, float]]]:
    """J, percent, of the first graph; of the network and the second graph for each number of steps, and seconds of training."""
    clip = dataset.clip(name, size)
    flow = compute_flow(clip, provider("dis"), cache=cache)
    truth = [resize_area(mask.astype(np.float32), clip.size) > 0.5 for mask in dataset.annotations(name)]

    def score(soft: np.ndarray, threshold: float) -> float:
        pairs = list(zip(np.asarray(soft), truth, strict=True))[1:-1]
        return 100 * float(np.mean([region_similarity(frame > threshold, mask) for frame, mask in pairs]))

    first, columns = 0.0, []
    for steps in STEPS:
        options = CycleOptions(cycles=2, tolerance=0, training=TrainOptions(steps=steps))
        halves = exchange(clip, flow, options=options)
        graph = next(halves)
        begin = time.process_time()
        network = next(halves)
        seconds = time.process_time() - begin
        second = next(islice(halves, 1))
        first = score(graph.soft, graph.threshold)
        columns.append((score(network.soft, network.threshold), score(second.soft, second.threshold), seconds))
    return first, columns


if __name__ == "__main__":
    main()
