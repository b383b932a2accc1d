"""Chains of one frame, p = 1, on DAVIS sequences: does Algorithm 2 settle?

    python tests/experiments/short_chains.py --root ../shared/davis2016

With p = 1 the motion matrix M joins even frames to odd ones only, so that with each eigenvalue lambda it has -lambda, and power
iteration on M swings. Algorithm 2 iterates A = PMP. For each sequence, with the features as printed (preset `paper`): |lambda_n| /
lambda_1 of A with one P for the clip, the ratio |lambda_2| / lambda_1 by size that decides how fast Algorithm 2 is, the iterations
that it takes from uniform noise to a residual of 1e-6, and |lambda_n| / lambda_1 with one P for each frame. No annotation is read.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from ikebook.base.compute import Compute
from ikebook.datasets import Davis2016
from ikebook.flow import FlowCache, compute_flow, provider
from ikebook.graph.graph_module import build
from ikebook.graph.presets import override, preset
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import unit
from ikebook.solvers.power import start_labels
from ikebook.solvers.starts import SpanSystem

SEQUENCES = "blackswan,camel,car-roundabout,car-shadow,cows,dog"
ROOT = Path(os.environ.get("IKEBOOK_DATA") or "../shared") / "davis2016"
MOST = 10_000
"""Iterations at which patience ends."""


def main() -> None:
    """Print one line a sequence, as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="default: %(default)s")
    parser.add_argument("--size", default="208x112", help="working size (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=12, help="the first so many (default: %(default)s)")
    parser.add_argument("--sequences", default=SEQUENCES, help="A,B (default: %(default)s)")
    arguments = parser.parse_args()
    dataset = Davis2016(arguments.root)
    print(" " * 16 + "one P for the clip                               one P a frame")
    print(f"{'':16}{'|ln| / l1':>12}{'|l2| / l1':>12}{'iterations':>12}{'|ln| / l1':>18}")
    for name in arguments.sequences.split(","):
        clip = dataset.clip(name, arguments.size).first(arguments.frames)
        flow = compute_flow(clip, provider("dis"), cache=FlowCache())
        line = []
        for scope in ("video", "frame"):
            options = override(preset("paper"), "motion.radius=1", f"projection.scope={scope}")
            matrix = build(clip, flow, options=options, compute=Compute(dtype=torch.float64))
            least, greatest = exact(matrix).ends
            line.append(-least / greatest)
            if scope == "video":
                ratio, iterations = speed(matrix)
        print(f"{name:16}{line[0]:12.2f}{ratio:12.2f}{iterations:12d}{line[1]:18.2f}", flush=True)


def speed(matrix: FeatureMotion) -> tuple[float, int]:
    """|lambda_2| / lambda_1 by size, and the iterations of Algorithm 2 from uniform noise to a residual of 1e-6."""
    chains = matrix.motion.chains
    noise = start_labels("uniform", chains.frames, (chains.grid.w, chains.grid.h), dtype=matrix.dtype)
    system = SpanSystem.of(matrix, [noise.view(chains.frames, chains.grid.h, chains.grid.w)])
    x = unit(system.firsts[:, 0])
    iterations = 1
    while iterations < MOST:
        product = system.small @ x
        value = float(x @ product)
        if float((product - value * x).norm()) <= 1e-6 * abs(value):
            break
        x, iterations = unit(product), iterations + 1
    return system.ratio, iterations


if __name__ == "__main__":
    main()
