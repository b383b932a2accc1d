"""`ikebook segment`: videos, or folders of frames, to masks."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ikebook.base import check
from ikebook.base.check import explain, require
from ikebook.base.places import user_path
from ikebook.base.provenance import marks
from ikebook.cli.export import FORMATS
from ikebook.cli.options import add_run_options, check_out, run_options
from ikebook.cli.terminal import bar, say, show_summary, status_line
from ikebook.cli.workers import add_where, runner_of, several

if TYPE_CHECKING:
    from ikebook.runs.options import RunOptions
    from ikebook.runs.results import Summary
    from ikebook.video.selection import Selection


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "segment",
        help="videos or folders of frames to masks",
        description="Segment the main object of a video. Writes OUT/masks/<frame>.png (0 and 255) and OUT/soft/<frame>.png "
        "at the video's own size, OUT/overlay.webm, OUT/sheet.png and OUT/summary.json. Of several videos each gets a folder of its "
        "own in OUT.",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="+",
        help="a video file, a folder of images in natural order, or a pattern of their names in quotes, such as 'frames/*.png'; or several "
        "of these",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    _add_part(parser)
    _add_outputs(parser)
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


def _add_part(parser: argparse.ArgumentParser) -> None:
    """Add which frames are segmented, and which object."""
    group = parser.add_argument_group("which part of a video")
    group.add_argument("--start", metavar="FRAME|TIME", help="first frame, from 0, or seconds with an s, such as 2.5s")
    group.add_argument("--end", metavar="FRAME|TIME", help="the frame before which it ends, or that time")
    group.add_argument("--every", type=int, default=1, metavar="N", help="each N-th frame (default: %(default)s)")
    group.add_argument(
        "--max-size",
        type=int,
        metavar="PIXELS",
        help="in place of --size: frames keep their shape, and have so many pixels on their longer side, at most",
    )
    group.add_argument(
        "--init",
        metavar="MASK@FRAME",
        help="a mask that you have drawn of one frame, white where the object is, such as mask.png@00012: the eigenvector that is "
        "closest to it is the object",
    )
    group.add_argument(
        "--object",
        type=int,
        metavar="N",
        help="the eigenvector with this number, from 1, is the object (default: the one closest to the motion saliency)",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add what is written beside masks."""
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--video",
        default="webm",
        metavar="webm|mp4",
        help="overlays as VP9, which every browser plays, or as H.264, which needs PyAV (default: %(default)s)",
    )
    group.add_argument(
        "--export", metavar=FORMATS, help="also formats of other tools, in OUT/export/; see 'ikebook export --help'"
    )
    group.add_argument("--label", default="object", help="what the object is called there (default: %(default)s)")


def execute(options: argparse.Namespace) -> int:
    inputs, out = [user_path(one) for one in options.input], user_path(options.out)
    chosen = _run_options(options)
    check_out(out)
    if len(inputs) > 1:
        return _execute_several(options, chosen, inputs, out)
    _check_input(options.input[0], chosen, out)
    if options.parts is not None:
        _execute_parts(options, chosen, out)
        return 0
    require(
        not (options.workers or options.cluster or options.resources or options.threads),
        "--workers, --cluster, --resources and --threads are for a video in --parts; name the frames of a part, too.",
    )
    summary, exported = _segment(options, inputs[0], chosen, out)
    show_summary(summary)
    also = f"refined/, refined.{options.video}, " if chosen.refine is not None else ""
    files = [f"overlay.{options.video}", "sheet.png", "summary.json", *exported]
    print(f"Written to {out}: masks/, soft/, {also}{', '.join(files)}")
    return 0


def _run_options(options: argparse.Namespace) -> RunOptions:
    """The options of a run, with those that are of this command alone."""
    from ikebook.graph.presets import override
    from ikebook.runs.outputs import check_video
    from ikebook.video.clip import AUTO, at_most

    _selection(options)
    check_video(options.video)
    chosen = run_options(options)
    if options.max_size is not None:
        require(options.size == AUTO, "--size and --max-size are given; leave out one of them.")
        chosen = replace(chosen, size=at_most(options.max_size))
    if options.object is not None:
        check.whole("--object", options.object, at_least=1)
        require(options.init is None, "--init and --object are given; leave out one of them.")
        graph = override(chosen.cycle.graph, f"masks.object={options.object}")
        chosen = replace(chosen, cycle=replace(chosen.cycle, graph=graph))
    if options.export is not None:
        from ikebook.exports.formats import known_formats

        options.export = known_formats(options.export)
    return replace(chosen, init=options.init)


def _selection(options: argparse.Namespace) -> Selection:
    from ikebook.video.selection import Selection

    return Selection(options.start, options.end, options.every)


def _check_input(path: str, chosen: RunOptions, out: Path) -> None:
    """Raise `InputError` if results would come where the video is, or a cue."""
    from ikebook.runs.outputs import FILES, FOLDERS

    written = {os.path.realpath(place) for place in (out, *(out / name for name in (*FOLDERS, *FILES)))}
    require(
        os.path.realpath(user_path(path)) not in written, f"--out {out} would write over {path}; name another folder."
    )
    for cue in chosen.cues:
        require(
            os.path.realpath(user_path(cue)) not in written,
            f"--out {out} would write over the cue {cue}; name another folder.",
        )


def _segment(options: argparse.Namespace, path: Path, chosen: RunOptions, out: Path) -> tuple[Summary, list[str]]:
    """Segment one video; gives its summary and what has been exported, relative to `out`."""
    from ikebook.runs.outputs import CHECKPOINTS, check_place, write_locked
    from ikebook.runs.result_folder import lock_folder
    from ikebook.runs.single import run
    from ikebook.video.clip import read_clip
    from ikebook.video.images import ImageFolder
    from ikebook.video.sources import open_frames

    source = chosen.provider()
    frames, names = open_frames(path), None
    if isinstance(frames, ImageFolder):
        names = frames.names()
        if _selection(options):
            names = [names[index] for index in _selection(options).indexes(frames.fps, None, len(names))]
    check_place(out, names)
    _check_exports(options, out)
    begin = time.perf_counter()
    with tqdm(desc=f"reading {path}", bar_format="{desc}", file=sys.stderr, leave=False, disable=None):
        compute = chosen.compute(out)
        part = {"start": options.start, "end": options.end, "every": options.every}
        clip = read_clip(path, chosen.size, memory=compute.memory, **part)
    read = {"read": time.perf_counter() - begin}
    with lock_folder(out):
        outcome = run(clip, source, options=chosen, compute=compute, progress=bar, checkpoints=out / CHECKPOINTS)
        outcome = replace(outcome, seconds=read | outcome.seconds)
        summary = write_locked(out, clip, outcome, chosen, bar, options.video)
        return summary, _export(options, path, out)


def _check_exports(options: argparse.Namespace, out: Path) -> None:
    """Raise `InputError` if exports can't be written, before any work."""
    if options.export is not None:
        from ikebook.exports.formats import FOLDER, check_exports

        check_exports(out, out / FOLDER, options.export)


def _export(options: argparse.Namespace, path: Path, out: Path) -> list[str]:
    """Write the formats that are asked for; what they are called, relative to `out`."""
    if options.export is None:
        return []
    from ikebook.exports.formats import FOLDER, export_locked
    from ikebook.exports.saved import read_saved

    saved = read_saved(out, frames=path, label=options.label)
    exported = export_locked(saved, options.export, out, out / FOLDER, bar)
    for note in exported.notes:
        say(f"ikebook: note: {note}")
    return [file.relative_to(out).as_posix() + ("/" if file.is_dir() else "") for file in exported.files]


def _execute_several(options: argparse.Namespace, chosen: RunOptions, inputs: Sequence[Path], out: Path) -> int:
    """Segment each of several videos into a folder of its own: what is wrong with one does not stop the others."""
    for name in ("parts", "workers", "cluster", "resources", "threads", "init"):
        require(
            not getattr(options, name), f"--{name} is for one video; give {len(inputs)} videos one after the other."
        )
    from ikebook.video.images import IMAGE_SUFFIXES

    pictures = all(path.suffix.lower() in IMAGE_SUFFIXES for path in inputs)
    require(
        not pictures,
        f"{len(inputs)} pictures are given; name the folder of the frames, or their names in quotes, such as '{inputs[0].parent / '*'}"
        f"{inputs[0].suffix}'.",
    )
    failed = []
    for path, name in zip(inputs, folder_names(inputs), strict=True):
        try:
            _check_input(str(path), chosen, out / name)
            summary, _ = _segment(options, path, chosen, out / name)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            failed.append(name)
            say(f"{name}: failed: {' '.join(explained[1].splitlines())}")
            continue
        for warning in summary["warnings"]:
            say(f"{name}: note: {warning}")
        print(
            f"{name}: {summary['frames']} frames, {100 * summary['object_share']:.1f}% of the pixels are object, confidence "
            f"{summary['confidence']:.2f} of 1"
        )
    if failed:
        say(f"ikebook: {len(failed)} of {len(inputs)} videos failed: {', '.join(failed)}. The reasons stand above.")
    if len(failed) < len(inputs):
        print(f"Written to {out}: {len(inputs) - len(failed)} folders of results")
    return 3 if failed else 0


def folder_names(inputs: Sequence[Path]) -> list[str]:
    """A name for each of several videos: that of its file without the suffix, and a number where that is taken.

    >>> folder_names([Path("a/walk.mp4"), Path("walk.webm"), Path("b/walk.mp4"), Path("run")])
    ['walk', 'walk-2', 'walk-3', 'run']
    """
    from ikebook.video.sources import name_of

    names: list[str] = []
    taken: set[str] = set()
    for path in inputs:
        name = name_of(path)
        count, unique = 1, name
        while unique.lower() in taken:  # there are disks that know no case
            count += 1
            unique = f"{name}-{count}"
        taken.add(unique.lower())
        names.append(unique)
    return names


def _execute_parts(options: argparse.Namespace, chosen: RunOptions, out: Path) -> None:
    from ikebook.runs.parts import segment_parts

    check.whole("--parts", options.parts, at_least=1)
    require(
        not _selection(options) and options.export is None,
        "a video in --parts is segmented from its first frame to its last: leave out --start, --end and --every. For other formats run "
        "'ikebook export' afterwards.",
    )
    with status_line(shown=several(options)) as status, runner_of(options, chosen, status) as (runner, shared):
        summary = segment_parts(options.input[0], out, shared, part_length=options.parts, runner=runner, say=say)
    for line in marks(summary["options"]["sources"]):
        print(line)
    print(f"{summary['frames']} frames: {100 * summary['object_share']:.1f}% of the pixels are object")
    print(f"Written to {out}: masks/, soft/, summary.json")
