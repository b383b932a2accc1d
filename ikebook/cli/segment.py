"""`ikebook segment`: a video, or a folder of frames, to masks."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.provenance import marks
from ikebook.cli.options import add_run_options, check_out, run_options
from ikebook.cli.terminal import bar, say, show_summary, status_line
from ikebook.cli.workers import add_where, runner_of, several

if TYPE_CHECKING:
    from ikebook.runs.options import RunOptions
    from ikebook.runs.results import Summary


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "segment",
        help="a video or a folder of frames to masks",
        description="Segment the main object of a video. Writes OUT/masks/<frame>.png (0 and 255) and OUT/soft/<frame>.png "
        "at the video's own size, OUT/overlay.webm, OUT/sheet.png and OUT/summary.json.",
    )
    parser.add_argument("input", metavar="INPUT", help="a video file, or a folder of images in natural order")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--video",
        default="webm",
        metavar="webm|mp4",
        help="overlays as VP9, which every browser plays, or as H.264, which needs PyAV (default: %(default)s)",
    )
    add_run_options(parser)
    where = add_where(parser, "parts")
    where.add_argument(
        "--parts",
        type=int,
        metavar="N",
        help="a very long video in parts of N frames, each on whichever worker is free: one graph with the exact solver. Writes "
        "OUT/masks/, OUT/soft/ and OUT/summary.json; run again, it goes on where it stopped",
    )
    parser.set_defaults(command="segment", execute=execute)


def execute(options: argparse.Namespace) -> None:
    from ikebook.runs.outputs import FILES, FOLDERS

    chosen, out = run_options(options), Path(options.out)
    check_out(out)
    written = {place.resolve() for place in (out, *(out / name for name in (*FOLDERS, *FILES)))}
    require(
        Path(options.input).resolve() not in written,
        f"--out {out} would write over {options.input}; name another folder.",
    )
    for cue in chosen.cues:
        require(Path(cue).resolve() not in written, f"--out {out} would write over the cue {cue}; name another folder.")
    if options.parts is not None:
        _execute_parts(options, chosen, out)
        return
    require(
        not (options.workers or options.cluster or options.resources or options.threads),
        "--workers, --cluster, --resources and --threads are for a video in --parts; name the frames of a part, too.",
    )
    summary = _segment(Path(options.input), chosen, out)
    show_summary(summary)
    also = "refined/, refined.webm, " if chosen.refine is not None else ""
    print(f"Written to {out}: masks/, soft/, {also}overlay.webm, sheet.png, summary.json")


def _segment(path: Path, chosen: RunOptions, out: Path) -> Summary:
    from ikebook.runs.outputs import CHECKPOINTS, check_place, write_locked
    from ikebook.runs.result_folder import lock_folder
    from ikebook.runs.single import run
    from ikebook.video.clip import image_files, names_of, read_clip

    source = chosen.provider()
    check_place(out, names_of(image_files(path)) if path.is_dir() else None)
    begin = time.perf_counter()
    with tqdm(desc=f"reading {path}", bar_format="{desc}", file=sys.stderr, leave=False, disable=None):
        compute = chosen.compute(out)
        clip = read_clip(path, chosen.size, memory=compute.memory)
    read = {"read": time.perf_counter() - begin}
    with lock_folder(out):
        outcome = run(clip, source, options=chosen, compute=compute, progress=bar, checkpoints=out / CHECKPOINTS)
        outcome = replace(outcome, seconds=read | outcome.seconds)
        return write_locked(out, clip, outcome, chosen, bar)


def _execute_parts(options: argparse.Namespace, chosen: RunOptions, out: Path) -> None:
    from ikebook.runs.parts import segment_parts

    check.whole("--parts", options.parts, at_least=1)
    with status_line(shown=several(options)) as status, runner_of(options, chosen, status) as (runner, shared):
        summary = segment_parts(options.input, out, shared, part_length=options.parts, runner=runner, say=say)
    for line in marks(summary["options"]["sources"]):
        print(line)
    print(f"{summary['frames']} frames: {100 * summary['object_share']:.1f}% of the pixels are object")
    print(f"Written to {out}: masks/, soft/, summary.json")
