"""How to train the network: J of the first network and of the second graph, for several recipes on the same graph's masks.

    python tests/experiments/recipes.py --root ../shared/davis2016 --sequences car-shadow,dog,drift-chicane,goat

Every recipe starts from the same first graph, and its predictions go into the same second graph. Scores are DAVIS 2016's
J at 480p, mean over the sequences; seconds are of the training, a frame of the clip. `released` is the recipe of the
authors' program (5 epochs, 3 frames a step, learning rate 1e-4, no augmentation), on the small network.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

RECIPES = {
    "default": (),
    "released": (
        "training.epochs=5",
        "training.batch=3",
        "training.rate=1e-4",
        "training.decay=0.01",
        "training.flip=false",
        "training.patience=99",
    ),
    "released, as many steps": (
        "training.batch=3",
        "training.rate=1e-4",
        "training.flip=false",
    ),
    "no mirroring": ("training.flip=false",),
    "scale, colour": ("training.scale=1.5", "training.colour=0.2"),
    "4 frames a step": ("training.batch=4", "training.steps=250"),
    "finer stem": ("network.stem=2", "training.steps=300"),
    "half the steps": ("training.steps=500",),
    "cross-entropy alone": ("training.dice_weight=0", "training.cross_weight=1"),
    "Dice alone": ("training.dice_weight=1", "training.cross_weight=0"),
}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True)
    parser.add_argument("--sequences", default="car-shadow,dog,drift-chicane,goat")
    parser.add_argument("--recipes", default=",".join(RECIPES), help="names, as in the table")
    arguments = parser.parse_args()

    from ikebook.base.machine import cpu_name
    from ikebook.datasets import open_dataset

    dataset = open_dataset("davis2016", arguments.root)
    sequences = arguments.sequences.split(",")
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {cpu_name()}, {arguments.sequences}")
    print(f"{'recipe':26}{'x1':>7}{'s1':>7}{'x2':>7}{'s/frame':>9}")
    for name in arguments.recipes.split(",") if arguments.recipes != ",".join(RECIPES) else RECIPES:
        rows = np.array([measure(dataset, sequence, RECIPES[name]) for sequence in sequences])
        x1, s1, x2, seconds = rows.mean(axis=0)
        print(f"{name:26}{100 * x1:7.1f}{100 * s1:7.1f}{100 * x2:7.1f}{seconds:9.2f}", flush=True)


def measure(dataset, sequence: str, assignments: tuple[str, ...]) -> tuple[float, ...]:
    """J of the first graph, the network and the second graph; seconds of training, a frame."""
    from ikebook.cycle import CycleOptions, CycleState, exchange
    from ikebook.flow import FlowCache, compute_flow, provider
    from ikebook.graph.presets import override
    from ikebook.graph.result import enlarge
    from ikebook.video.metrics import davis_scores, summary

    clip = dataset.clip(sequence, "auto")
    flow = compute_flow(clip, provider("dis"), cache=FlowCache())

    def score(state: CycleState) -> float:
        masks: Iterator[np.ndarray] = (enlarge(soft, clip.original_size) > state.threshold for soft in state.soft)
        return summary(davis_scores(masks, dataset.annotations(sequence)))["J_mean"]

    options = replace(override(CycleOptions(cycles=2), *assignments), tolerance=0.0)
    first, network, second = exchange(clip, flow, options=options)
    return score(first), score(network), score(second), network.seconds["train"] / len(clip)


if __name__ == "__main__":
    main()
