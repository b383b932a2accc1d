"""`ikebook demo`: the embedded clip, and how near its exact masks come."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

from ikebook.base.places import user_path
from ikebook.cli.options import check_out
from ikebook.cli.terminal import bar, say, show_summary


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "demo",
        help="segment the embedded clip",
        description="Segment the embedded clip and compare with its exact mask. Needs no data and no network.",
    )
    parser.add_argument(
        "--out", default="ikebook-demo", metavar="DIR", help="folder for the results (default: %(default)s)"
    )
    parser.set_defaults(command="demo", execute=execute)


def execute(options: argparse.Namespace) -> None:
    import numpy as np

    from ikebook.datasets.toys import demo
    from ikebook.runs.options import RunOptions
    from ikebook.runs.outputs import check_place, write_locked
    from ikebook.runs.result_folder import lock_folder
    from ikebook.runs.single import run
    from ikebook.video.metrics import region_similarity

    out = user_path(options.out)
    check_out(out)
    begin = time.perf_counter()
    clip = demo().clip
    made = {"compose": time.perf_counter() - begin}
    say(f"the embedded clip: {len(clip)} frames of {clip.size[0]}x{clip.size[1]}")
    run_options = RunOptions(cache=False)
    blind = replace(clip, masks=None)  # what segments the clip does not get to see its masks
    with lock_folder(out):
        check_place(out, blind.frame_names)
        outcome = run(blind, options=run_options, progress=bar)
        outcome = replace(outcome, seconds=made | outcome.seconds)
        summary = write_locked(out, blind, outcome, run_options, bar)
    assert clip.masks is not None
    scores = [region_similarity(mask, truth) for mask, truth in zip(outcome.result.masks, clip.masks, strict=True)]
    print(f"J against the exact mask: {np.mean(scores):.3f} (mean of {len(scores)} frames, {min(scores):.3f} at least)")
    show_summary(summary)
    print(f"Look at {out / 'sheet.png'} and {out / 'overlay.webm'}")
