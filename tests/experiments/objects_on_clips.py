"""What the division into objects makes of clips with a rider and what he rides.

    python tests/experiments/objects_on_clips.py --roots ../shared/davis2016 ../shared/davis2016_train

DAVIS 2016 has one mask a frame for rider and mount together, so nothing here says whether a label is the rider: there is no
truth for that. What is printed says only what the division is: J of the masks that are divided; then for each label its share
of them, the share of it that lies in the annotation, in how many frames it is, and its motion, the median over its pixels of
their flow against the scene, pixels a frame at the working size, and how far the pixels differ from that (median). "apart" is
how far the labels' motions are from each other: where that is no more than the pixels' own spread, the clip gives no reason for
the division, as with rider and mount that move as one, and the labels are not to be taken for objects. A picture with four
frames of each clip, labels in colours, is written for the eye. Clips that are in none of the folders are left out, and named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from ikebook.base.tensors import tensor
from ikebook.datasets import Davis2016
from ikebook.flow import Flow, FlowCache, compute_flow, provider
from ikebook.graph.graph_module import segment
from ikebook.graph.residual import both_directions, dominant_motion
from ikebook.video.clip import Clip
from ikebook.video.metrics import region_similarity

CLIPS = ["bmx-trees", "kite-surf", "motocross-bumps"]

COLOURS = np.array([[0, 0, 0], [255, 90, 60], [60, 150, 255], [255, 220, 40], [90, 220, 90]], np.float32)


def main() -> None:
    """Print a table for each clip, as soon as it is known, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roots", required=True, nargs="+", type=Path, help="folders in DAVIS 2016's layout")
    parser.add_argument("--sequences", default=",".join(CLIPS), help="A,B: these")
    parser.add_argument("--size", default="208x112", help="working size")
    parser.add_argument("--objects", type=int, default=2)
    parser.add_argument("--picture", type=Path, default=Path("objects_on_clips.png"))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.sequences.split(","):
        root = next((root for root in arguments.roots if (root / "JPEGImages" / "480p" / name).is_dir()), None)
        if root is None:
            print(f"{name}: in none of the folders; left out.")
            continue
        dataset = Davis2016(root)
        clip = dataset.clip(name, arguments.size)
        flow = compute_flow(clip, provider("dis"), cache=FlowCache())
        truth = np.stack([shrunk(mask, clip.size) for mask in dataset.annotations(name)])
        labels = describe(clip, flow, truth, arguments.objects)
        rows.append(strip(clip, labels))
    if rows:
        cv2.imwrite(str(arguments.picture), np.concatenate(rows)[..., ::-1])
        print(f"Labels in colours: {arguments.picture}")


def shrunk(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at the working size, bool."""
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def describe(clip: Clip, flow: Flow, truth: np.ndarray, count: int) -> np.ndarray:
    """Divide a clip, print what came of it, and give the labels (m, h, w)."""
    result = segment(clip, flow, objects=count)
    labels, motion = result.objects, motion_against_scene(flow)
    assert labels is not None
    score = np.mean([region_similarity(mask, known) for mask, known in zip(result.masks, truth, strict=True)])
    m, total = len(labels), max(1, (labels > 0).sum())
    print(f"{clip.name}: {m} frames of {clip.size[0]}x{clip.size[1]}, J of the masks {100 * score:.1f}")
    middles, spreads = [], []
    for k in range(1, count + 1):
        part = labels == k
        if not part.any():
            print(f"  label {k}: none")
            continue
        middle = np.median(motion[part], axis=0)
        spread = float(np.median(np.linalg.norm(motion[part] - middle, axis=1)))
        middles.append(middle)
        spreads.append(spread)
        print(
            f"  label {k}: {100 * part.sum() / total:5.1f}% of the masks, {100 * truth[part].mean():5.1f}% of it annotated, in "
            f"{int(part.any((1, 2)).sum())} frames, motion ({middle[0]:+.2f}, {middle[1]:+.2f}), spread {spread:.2f}"
        )
    if len(middles) > 1:
        apart = min(np.linalg.norm(a - b) for i, a in enumerate(middles) for b in middles[:i])
        verdict = "farther than" if apart > max(spreads) else "no farther than"
        print(f"  apart {apart:.2f}, {verdict} their pixels' own spread, {max(spreads):.2f}", flush=True)
    return labels


def motion_against_scene(flow: Flow) -> np.ndarray:
    """Each pixel's flow ahead less the dominant motion, (m, h, w, 2); in the last frame the flow behind, negated."""
    fields = []
    for frame in range(len(flow)):
        ahead, behind = both_directions(flow, range(frame, frame + 1))
        field = tensor(-behind if frame == len(flow) - 1 else ahead).float()
        fields.append((field - dominant_motion(field)).cpu().numpy()[0])
    return np.stack(fields)


def strip(clip: Clip, labels: np.ndarray, columns: int = 4) -> np.ndarray:
    """Some frames of a clip side by side, labels in colours, uint8 RGB."""
    chosen = np.linspace(0, len(labels) - 1, columns).round().astype(int)
    pictures = []
    for frame in chosen:
        coloured = COLOURS[np.minimum(labels[frame], len(COLOURS) - 1)]
        inside = labels[frame][..., None] > 0
        pictures.append(
            np.where(inside, 0.4 * clip.frames[frame] + 0.6 * coloured, clip.frames[frame]).astype(np.uint8)
        )
    return np.concatenate(pictures, axis=1)


if __name__ == "__main__":
    main()
