"""What each part of the default recipe is worth, measured on DAVIS sequences: the evidence behind the defaults.

    python tests/experiments/ablation.py --root ../shared/davis2016 --out ablation.csv

Each row is the default with the named options set (as `ikebook evaluate --set` takes them). Columns: J at the working
size with the mask rule as it is, with a fixed threshold of 0.5, and with the best single threshold for each clip, which
needs the annotations and so is only a bound; the first and last frame are not scored. Annotations are read for scoring
alone. Flow is cached, so a second run takes a third of the time.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

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

VARIANTS: dict[str, list[str]] = {
    "default": [],
    NO_GRAPH: [],
    # What the features know.
    "displacements alone": ["saliency=none", *RAW],
    "distance alone": PLAIN,
    "distance, displacements": [*PLAIN, "features.displacements=steps"],
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
    "as before: the same, blind to colour": ["features.mean=none", "features.cue_window=3", "motion.colour=none"],
    "mean 5": ["features.mean=5"],
    "mean 20": ["features.mean=20"],
    "ridge 10": ["projection.ridge=10"],
    # How masks are made of an eigenvector.
    "always the principal eigenvector": ["masks.object=principal"],
    # How sharp the choices are.
    "histograms of one frame": ["saliency.pool=0"],
    "histograms of 21 frames": ["saliency.pool=10"],
    "centre 0.2": ["saliency.centre=0.2"],
    "centre 0.35": ["saliency.centre=0.35"],
    "quantile 0.9": ["saliency.quantile=0.9"],
    "quantile 0.98": ["saliency.quantile=0.98"],
    "guide radius 0.04": ["saliency.guide_radius=0.04"],
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
    parser.add_argument("--only", help="variants whose name holds this text")
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
    width = max(map(len, VARIANTS))
    print(f"{'':{width}}     J  at .5  best   least")
    rows = []
    for variant, assignments in VARIANTS.items():
        if arguments.only and arguments.only not in variant:
            continue
        options = override(GraphOptions(), *assignments)
        scores = np.array([score(*masks_of(variant, clip, flow, options), truth) for clip, flow, truth in loaded])
        ours, half, best = 100 * scores.mean(0)
        print(
            f"{variant:{width}}  {ours:4.1f}   {half:4.1f}  {best:4.1f}    {100 * scores[:, 0].min():4.1f}", flush=True
        )
        rows.append({"variant": variant, "set": " ".join(assignments)} | dict(zip(names, scores[:, 0], strict=True)))
    if arguments.out:
        with arguments.out.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, fieldnames=list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def masks_of(variant: str, clip: Clip, flow: Flow, options: GraphOptions) -> tuple[np.ndarray, float]:
    """Soft masks of a clip, and their threshold."""
    result = segment(clip, flow, options=options)
    if variant != NO_GRAPH:
        return result.soft, result.threshold
    soft = soft_masks(result.saliency)
    return soft.numpy(), stable_threshold(soft)


def score(soft: np.ndarray, threshold: float, truth: list[np.ndarray]) -> tuple[float, float, float]:
    """J with the threshold, with 0.5, and with the best one."""

    def at(threshold: float) -> float:
        pairs = list(zip(soft, truth, strict=True))[1:-1]
        return float(np.mean([region_similarity(frame > threshold, mask) for frame, mask in pairs]))

    return at(threshold), at(0.5), max(at(t) for t in np.arange(0.1, 0.95, 0.05))


if __name__ == "__main__":
    main()
