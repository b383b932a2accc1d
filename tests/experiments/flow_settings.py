"""What DIS has to cost: J and F of one graph against seconds of flow, for its presets, finest scales and sizes.

    python tests/experiments/flow_settings.py --root ../shared/davis2016_train --frames 20 --keep settings.json

The first frames of each sequence, flow by each setting in turn, the default graph at 416x224, J and F at the frames' own size, the
first and last frame left out. Seconds are those of the processor, on one thread, for a pair of frames both ways; the processor may be
shared. Differences are from the first row, mean over sequences with their 95% interval by a bootstrap, and the sequence that loses most.
Annotations are read for scoring alone.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from ablation import against

from ikebook.datasets import Davis2016
from ikebook.flow import Flow
from ikebook.flow.compute import fields_of
from ikebook.flow.dis import Dis, DisOptions
from ikebook.graph.graph_module import segment
from ikebook.video.metrics import boundary_accuracy, region_similarity

SETTINGS = {
    "medium, finest 0, 480 rows": DisOptions(),
    "medium, finest 1, 480 rows": DisOptions(finest_scale=1),
    "medium, finest 0, 360 rows": DisOptions(max_height=360),
    "medium, finest 0, 240 rows": DisOptions(max_height=240),
    "fast, finest 0, 480 rows": DisOptions(preset="fast"),
    "fast, finest 0, 360 rows": DisOptions(preset="fast", max_height=360),
    "ultrafast, finest 0, 480 rows": DisOptions(preset="ultrafast"),
    "ultrafast, finest 0, 480 rows, refined once": DisOptions(preset="ultrafast", refinement=1),
    "ultrafast, finest 0, 480 rows, refined twice": DisOptions(preset="ultrafast", refinement=2),
    "ultrafast, finest 0, 360 rows": DisOptions(preset="ultrafast", max_height=360),
    "ultrafast, finest 0, 300 rows": DisOptions(preset="ultrafast", max_height=300),
}


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--frames", type=int, default=40, help="of each sequence, the first (default: %(default)s)")
    parser.add_argument("--sequences", help="A,B: only these")
    parser.add_argument("--only", help="A;B: only the settings whose name holds one of these texts, and the first")
    parser.add_argument(
        "--keep", type=Path, help="JSON file for what has been measured; what it has is not measured again"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    dataset = Davis2016(arguments.root)
    names = arguments.sequences.split(",") if arguments.sequences else dataset.sequences()
    width = max(map(len, SETTINGS))
    kept = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.exists() else {}
    print(f"{'':{width}}  seconds     J     F   difference   interval       worst")
    first = None
    for setting, options in SETTINGS.items():
        if first is not None and arguments.only and not any(text in setting for text in arguments.only.split(";")):
            continue
        for name in names:
            key = f"{setting}, {arguments.frames} frames of {name}"
            if key not in kept:
                kept[key] = score(dataset, name, arguments.frames, options)
                if arguments.keep:
                    arguments.keep.write_text(json.dumps(kept, indent=1))
        rows = np.array([kept[f"{setting}, {arguments.frames} frames of {name}"] for name in names])
        seconds, j, f = rows.T
        first = 100 * j if first is None else first
        changes = against(100 * j - first, names)
        print(
            f"{setting:{width}}  {seconds.mean():7.3f}  {100 * j.mean():4.1f}  {100 * f.mean():4.1f}   {changes}",
            flush=True,
        )


def score(dataset: Davis2016, name: str, frames: int, options: DisOptions) -> tuple[float, float, float]:
    """Seconds of the processor for a pair, J and F of a sequence's first frames."""
    clip = dataset.clip(name, "416x224").first(frames)
    begin = time.process_time()
    pairs = list(fields_of(Dis(options), clip.originals(), clip.size, clip.frame_names, clip.original_size))
    seconds = (time.process_time() - begin) / len(pairs)
    ahead, back = (np.stack(fields) for fields in zip(*pairs, strict=True))
    result = segment(clip, Flow(forward=ahead, backward=back))
    truth = list(islice(dataset.annotations(name), len(clip)))
    scored = [(result.soft_at(k, mask.shape[::-1]) > result.threshold, mask) for k, mask in enumerate(truth)][1:-1]
    return (
        seconds,
        float(np.mean([region_similarity(mask, truth) for mask, truth in scored])),
        float(np.mean([boundary_accuracy(mask, truth) for mask, truth in scored])),
    )


if __name__ == "__main__":
    main()
