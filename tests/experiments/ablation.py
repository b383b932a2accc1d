"""What each part of the default recipe is worth, measured on DAVIS sequences: the evidence behind the defaults.

    python tests/experiments/ablation.py --root ../shared/davis2016_train --out ablation.csv

Each row is the default with the named options set (as `ikebook evaluate --set` takes them); those with "x3" are three cycles without
a network, the others one graph. Columns: mean J at the working size; J with the best single threshold for each clip, which needs the
annotations and so is only a bound; what the row differs in J from the first of its kind, as mean over sequences, its 95% interval by
a bootstrap over sequences, and the sequence that loses most. First and last frames are not scored. Annotations are read for scoring
alone. Flow is cached, so a second run takes a third of the time.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from ikebook.cycle import CycleOptions, exchange
from ikebook.datasets import Davis2016
from ikebook.flow import Flow, FlowCache, compute_flow, provider
from ikebook.graph.graph_module import segment
from ikebook.graph.masks import soft_masks, stable_threshold
from ikebook.graph.presets import GraphOptions, override
from ikebook.video.clip import Clip, resize_area
from ikebook.video.metrics import region_similarity

PLAIN = ["saliency.contrast=false", "saliency.guide_radius=0"]  # of the saliency, only the distance
RAW = ["features.displacements=steps", "masks.object=principal"]

NO_GRAPH = "the saliency itself, no graph"
DRAWS = 10_000

GRAPHS: dict[str, list[str]] = {
    "default": [],
    NO_GRAPH: [],
    # What the features know.
    "displacements alone": ["saliency=none", *RAW],
    "distance alone": PLAIN,
    "saliency, displacements": ["features.displacements=steps"],
    "no contrast": ["saliency.contrast=false"],
    "no guided filter": ["saliency.guide_radius=0"],
    "not centred": ["features.center=none"],
    # How the graph is made.
    "union edges": ["motion.edges=union"],
    "consistent chains": ["chains.consistent=true"],
    "bilinear sampling": ["chains.sampling=bilinear"],
    "radius 5": ["motion.radius=5"],
    "radius 25, sigma 8": ["motion.radius=25", "motion.sigma=8"],
    "edges blind to colour": ["motion.colour=none"],
    "colour 7": ["motion.colour=7"],
    "colour 15": ["motion.colour=15"],
    "no mean along the chains": ["features.mean=none"],
    "-3, ..., 3 in place of the mean": ["features.mean=none", "features.cue_window=3"],
    "the preset saliency": ["features.mean=none", "features.cue_window=3", "motion.colour=none"],
    "mean 5": ["features.mean=5"],
    "mean 20": ["features.mean=20"],
    "ridge 10": ["projection.ridge=10"],
    # How masks are made of an eigenvector.
    "always the principal eigenvector": ["masks.object=principal"],
    "threshold 0.5": ["masks.threshold=0.5"],
    # How sharp the choices are.
    "histograms of one frame": ["saliency.pool=0"],
    "histograms of 21 frames": ["saliency.pool=10"],
    "33 bins": ["saliency.bins=33"],
    "centre 0.2": ["saliency.centre=0.2"],
    "centre 0.35": ["saliency.centre=0.35"],
    "quantile 0.9": ["saliency.quantile=0.9"],
    "quantile 0.98": ["saliency.quantile=0.98"],
    "guide radius 0.04": ["saliency.guide_radius=0.04"],
}
CYCLES: dict[str, list[str]] = {
    "x3": [],
    "x3, the preset saliency": ["features.mean=none", "features.cue_window=3", "motion.colour=none"],
    "x3, K alone in q": ["saliency.mix=0"],
    "x3, q as in the first cycle": ["saliency.mix=1"],
    "x3, histograms of 21 frames": ["saliency.pool=10"],
    "x3, centre 0.35": ["saliency.centre=0.35"],
    "x3, quantile 0.98": ["saliency.quantile=0.98"],
    "x3, 8 colours an axis": ["saliency.colour_bins=8"],
    "x3, 2 colours an axis": ["saliency.colour_bins=2"],
}


def main() -> None:
    """Measure the variants and print a table, one row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--out", type=Path, help="CSV file with J of each sequence")
    parser.add_argument(
        "--size", default="208x112", help="working size (default: %(default)s, half of what segment uses)"
    )
    parser.add_argument("--sequences", help="A,B: only these")
    parser.add_argument("--only", help="variants whose name holds this text, and the first of each kind")
    arguments = parser.parse_args()
    dataset, cache = Davis2016(arguments.root), FlowCache()
    names = arguments.sequences.split(",") if arguments.sequences else dataset.sequences()
    size = tuple(map(int, arguments.size.split("x")))
    loaded = []
    for name in names:
        clip = dataset.clip(name, arguments.size)
        flow = compute_flow(clip, provider("dis"), cache=cache)
        truth = [resize_area(mask.astype(np.float32), size) > 0.5 for mask in dataset.annotations(name)]
        loaded.append((clip, flow, truth))
        print(f"{name} read", file=sys.stderr)
    width = max(map(len, GRAPHS | CYCLES))
    print(f"{'':{width}}     J  best   difference   interval       worst")
    rows = []
    for kind in (GRAPHS, CYCLES):
        first = None
        for variant, assignments in kind.items():
            if arguments.only and arguments.only not in variant and first is not None:
                continue
            options = override(GraphOptions(), *assignments)
            scores = np.array([score(*masks_of(variant, clip, flow, options), truth) for clip, flow, truth in loaded])
            ours, best = 100 * scores.T
            first = ours if first is None else first
            print(
                f"{variant:{width}}  {ours.mean():4.1f}  {best.mean():4.1f}   {against(ours - first, names)}",
                flush=True,
            )
            rows.append({"variant": variant, "set": " ".join(assignments)} | dict(zip(names, ours / 100, strict=True)))
    if arguments.out:
        with arguments.out.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, fieldnames=list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def against(changes: np.ndarray, names: list[str]) -> str:
    """The mean of what sequences change, points of J, its 95% interval over sequences, and the one that loses most."""
    if not changes.any():
        return ""
    drawn = np.random.default_rng(0).integers(0, len(changes), (DRAWS, len(changes)))
    low, high = np.quantile(changes[drawn].mean(1), [0.025, 0.975])
    least = int(changes.argmin())
    return f"{changes.mean():+5.1f}  [{low:+5.1f}, {high:+5.1f}]  {changes[least]:+6.1f} {names[least]}"


def masks_of(variant: str, clip: Clip, flow: Flow, options: GraphOptions) -> tuple[np.ndarray, float]:
    """Soft masks of a clip, and their threshold."""
    if variant in CYCLES:
        *_, last = exchange(clip, flow, options=CycleOptions(graph=options, network=None))
        return np.asarray(last.soft), last.threshold
    result = segment(clip, flow, options=options)
    if variant != NO_GRAPH:
        return np.asarray(result.soft), result.threshold
    soft = soft_masks(result.saliency)
    return soft.numpy(), stable_threshold(soft)


def score(soft: np.ndarray, threshold: float, truth: list[np.ndarray]) -> tuple[float, float]:
    """J with the threshold, and with the best one."""

    def at(threshold: float) -> float:
        pairs = list(zip(soft, truth, strict=True))[1:-1]
        return float(np.mean([region_similarity(frame > threshold, mask) for frame, mask in pairs]))

    return at(threshold), max(at(t) for t in np.arange(0.1, 0.95, 0.05))


if __name__ == "__main__":
    main()
