"""How much of what is known should be the network's word: J of the second graph, by the share of s in K.

    python tests/experiments/network_share.py --root ../shared/davis2016_train

One graph and one network a sequence, at half size; then a second graph for each share, and one for the geometric mean of both, which
asks that they agree. First and last frames are not scored. Annotations are read for scoring alone.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from ikebook.cycle import CycleOptions, exchange
from ikebook.datasets import Davis2016
from ikebook.flow import FlowCache, compute_flow, provider
from ikebook.graph.graph_module import segment
from ikebook.graph.saliency import Evidence
from ikebook.video.clip import resize_area
from ikebook.video.metrics import region_similarity

SHARES = (0.0, 0.25, 0.5, 0.75)


def main() -> None:
    """Print a row for each sequence, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--size", default="208x112", help="working size (default: %(default)s)")
    parser.add_argument("--sequences", help="A,B: only these")
    arguments = parser.parse_args()
    dataset, cache = Davis2016(arguments.root), FlowCache()
    names = arguments.sequences.split(",") if arguments.sequences else dataset.sequences()
    width, head = max(map(len, names)), ["x#1", "s#1", *(f"{share:g}" for share in SHARES), "both"]
    print(f"{'':{width}} " + " ".join(f"{name:>5}" for name in head))
    rows = []
    for name in names:
        rows.append(row := scores(dataset, name, arguments.size, cache))
        print(f"{name:{width}} " + " ".join(f"{value:5.1f}" for value in row), flush=True)
    print(f"{'mean':{width}} " + " ".join(f"{value:5.1f}" for value in np.mean(rows, 0)))


def scores(dataset: Davis2016, name: str, size: str, cache: FlowCache) -> list[float]:
    """J, percent, of the first graph, the network, and of the second graph for each share."""
    clip = dataset.clip(name, size)
    flow = compute_flow(clip, provider("dis"), cache=cache)
    truth = [resize_area(mask.astype(np.float32), clip.size) > 0.5 for mask in dataset.annotations(name)]

    def score(soft: np.ndarray, threshold: float) -> float:
        pairs = list(zip(soft, truth, strict=True))[1:-1]
        return 100 * float(np.mean([region_similarity(frame > threshold, mask) for frame, mask in pairs]))

    graph, network = islice(exchange(clip, flow, options=CycleOptions(cycles=2, tolerance=0)), 2)
    found, predicted = np.asarray(graph.known), np.asarray(network.soft)
    evidence = Evidence(clip.frames, flow)
    row = [score(np.asarray(graph.soft), graph.threshold), score(predicted, 0.5)]
    for known in (*(found + np.float32(share) * (predicted - found) for share in SHARES), np.sqrt(found * predicted)):
        second = segment(clip, flow, saliency=evidence.saliency(known), reference=known)
        row.append(score(np.asarray(second.soft), second.threshold))
    return row


if __name__ == "__main__":
    main()
