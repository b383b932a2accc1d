"""What the optional refinement of the masks adds, on DAVIS sequences: the evidence behind `RefineOptions`.

    python tests/experiments/refinement.py --root ../shared/davis2016 --set smoothness=16

Each sequence is segmented by the default preset, and its masks are scored at 480p, in percent: J and F as they are, after
the temporal median alone, after the bilateral solver alone, and after both; then the seconds a frame that these took.
Annotations are read for scoring alone. Flow is cached, so a second run takes a third of the time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from ikebook.datasets import Davis2016
from ikebook.flow import FlowCache, compute_flow, provider
from ikebook.graph.graph_module import segment
from ikebook.graph.refine import RefineOptions, refine
from ikebook.video.metrics import davis_scores


def main() -> None:
    """Print one line a sequence, as soon as it is known, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--sequences", help="A,B: only these")
    parser.add_argument("--set", action="append", default=[], help="a number of RefineOptions, such as smoothness=16")
    arguments = parser.parse_args()
    kinds = {field.name: type(field.default) for field in fields(RefineOptions)}
    changes = {name: kinds[name](value) for name, value in (text.split("=") for text in arguments.set)}
    both = replace(RefineOptions(), **changes)
    steps = {
        "median": replace(both, smoothness=0.0),
        "solver": replace(both, median=0),
        "both": both,
    }
    dataset = Davis2016(arguments.root)
    names = arguments.sequences.split(",") if arguments.sequences else dataset.sequences()
    print(both)
    print(" " * 16 + "".join(f"{title:>14}" for title in ("graph", *steps)) + "   seconds a frame")
    print(" " * 16 + f"{'J':>7}{'F':>7}" * (1 + len(steps)))
    rows = []
    for name in names:
        row = measure(dataset, name, steps)
        rows.append(row)
        line(name, row)
    line("mean", np.mean(rows, axis=0))


def measure(dataset: Davis2016, name: str, steps: dict[str, RefineOptions]) -> list[float]:
    """J and F before, and after each of the steps, in percent; then the seconds a frame of each."""
    clip = dataset.clip(name, "auto")
    flow = compute_flow(clip, provider("dis"), cache=FlowCache())
    result = segment(clip, flow)
    plain = (result.soft_at(index, clip.original_size) > result.threshold for index in range(len(clip)))
    row, seconds = scores(dataset, name, plain), []
    for options in steps.values():
        begin = time.perf_counter()
        masks = [mask > 0.5 for mask in refine(clip, result.soft, result.threshold, flow, options)]
        seconds.append((time.perf_counter() - begin) / len(clip))
        row += scores(dataset, name, iter(masks))
    return row + seconds


def scores(dataset: Davis2016, name: str, masks: Iterator[np.ndarray]) -> list[float]:
    """Mean J and F in percent."""
    return [100 * float(np.mean(values)) for values in davis_scores(masks, dataset.annotations(name)).values()]


def line(name: str, row: list[float] | np.ndarray) -> None:
    """One line of the table."""
    print(f"{name:16}" + "".join(f"{v:7.1f}" for v in row[:-3]) + "".join(f"{v:7.3f}" for v in row[-3:]), flush=True)


if __name__ == "__main__":
    main()
