"""What the ridge of the authors' program, rho = 100, leaves of its features, on DAVIS sequences.

    python tests/experiments/ridge.py --root ../shared/davis2016

With a ridge, P multiplies a direction of the span of F by D / (D + rho), D its squared length in F. Printed for each sequence, and for
all of them: the least, the median and the greatest of these numbers, with the preset `released` (one P for each frame, features in
[0, 1]), over all frames and directions. D grows with the number of pixels, so they hang on the working size. No annotation is read.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from ikebook.datasets import Davis2016
from ikebook.flow import FlowCache, compute_flow, provider
from ikebook.graph.graph_module import build
from ikebook.graph.presets import override, preset
from ikebook.solvers import theory

SEQUENCES = "blackswan,camel,car-roundabout,car-shadow,cows,dog"
ROOT = Path(os.environ.get("IKEBOOK_DATA") or "../shared") / "davis2016"


def main() -> None:
    """Print one line a sequence, as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="default: %(default)s")
    parser.add_argument("--size", default="416x224", help="working size (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=12, help="the first so many (default: %(default)s)")
    parser.add_argument("--sequences", default=SEQUENCES, help="A,B (default: %(default)s)")
    parser.add_argument("--rho", type=float, default=100.0, help="default: %(default)s")
    arguments = parser.parse_args()
    dataset, options = Davis2016(arguments.root), override(preset("released"), f"projection.ridge={arguments.rho}")
    print(f"{'':16}{'least':>8}{'median':>8}{'greatest':>10}")
    found = []
    for name in arguments.sequences.split(","):
        clip = dataset.clip(name, arguments.size).first(arguments.frames)
        flow = compute_flow(clip, provider("dis"), cache=FlowCache())
        found.append(theory.shrinkage(build(clip, flow, options=options).projection))
        line(name, found[-1])
    line("all", np.concatenate(found))


def line(name: str, kept: np.ndarray) -> None:
    """One line of the table."""
    print(f"{name:16}{kept.min():8.2f}{np.median(kept):8.2f}{kept.max():10.2f}", flush=True)


if __name__ == "__main__":
    main()
