"""`ikebook segment`: videos, or folders of frames, to masks."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikebook.base import check
from ikebook.base.check import InputError, explain, require
from ikebook.base.places import is_remote, user_path
from ikebook.base.provenance import marks
from ikebook.cli.export import FORMATS
from ikebook.cli.options import add_run_options, check_out, run_options
from ikebook.cli.terminal import bar, say, show_summary, status_line
from ikebook.cli.workers import add_where, runner_of, several

if TYPE_CHECKING:
    from ikebook.runs.options import RunOptions
    from ikebook.runs.results import Failure, Summary
    from ikebook.runs.videos import Done, Finish
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
        "of these; or their addresses, such as 's3://bucket/*.mp4' in quotes, gs:// or https://",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the results, or its address, s3:// or gs://"
    )
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
    if any(is_remote(one) for one in (*options.input, options.out)):
        return _execute_elsewhere(options)
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
        all(one is None for one in (options.workers, options.cluster, options.resources, options.threads)),
        "--workers, --cluster, --resources and --threads are for a video in --parts, and for videos or results in an object store; leave "
        "them out, or name the frames of a part, too.",
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
    from ikebook.runs.videos import segment_file

    if options.export is not None:  # before any work
        from ikebook.exports.formats import FOLDER, check_exports

        check_exports(out, out / FOLDER, options.export)
    summary, exported, notes = segment_file(
        path,
        out,
        chosen,
        part=_selection(options),
        video=options.video,
        finish=_finish(options),
        progress=bar,
    )
    for note in notes:
        say(f"ikebook: note: {note}")
    return summary, exported


def _finish(options: argparse.Namespace) -> Finish | None:
    """What writes the formats that are asked for."""
    if options.export is None:
        return None
    return partial(export_to, tuple(options.export), options.label)


def export_to(formats: Sequence[str], label: str, out: Path, path: Path) -> tuple[list[str], list[str]]:
    """Write formats into a locked folder of results; what they are called in it, and what could not be written."""
    from ikebook.exports.formats import FOLDER, export_locked
    from ikebook.exports.saved import read_saved

    exported = export_locked(read_saved(out, frames=path, label=label), formats, out, out / FOLDER, bar)
    return [
        file.relative_to(out).as_posix() + ("/" if file.is_dir() else "") for file in exported.files
    ], exported.notes


def _execute_elsewhere(options: argparse.Namespace) -> int:
    """Segment videos that are elsewhere, or whose results go elsewhere, each as a task of its own."""
    from ikebook.runs.videos import VideoTask, expand, folder_names, run_tasks, within

    require(
        options.parts is None,
        "a video in --parts, and its results, lie where all workers see them, as a path; copy it there, or leave out --parts.",
    )
    chosen = _run_options(options)
    sources = expand(options.input)
    require(options.init is None or len(sources) == 1, f"--init is for one video; there are {len(sources)}.")
    if not is_remote(options.out):
        check_out(user_path(options.out))
    alone = len(options.input) == 1 and (sources == options.input or not is_remote(options.input[0]))
    names = folder_names(sources)
    with (
        status_line(len(sources), shown=several(options)) as status,
        runner_of(options, chosen, status) as (runner, shared),
    ):
        assert shared is not None
        about = {
            "options": shared.with_absolute_paths(),
            "part": _selection(options),
            "video": options.video,
            "finish": _finish(options),
            "more": {"export": options.export, "label": options.label},
        }
        here = options.out if is_remote(options.out) else str(user_path(options.out).absolute())
        tasks = {
            name: VideoTask(source=source, out=here if alone else within(options.out, name), **about)
            for name, source in zip(names, sources, strict=True)
        }

        def report(name: str, result: Done | Failure) -> None:
            if alone and "reason" in result:
                raise InputError(result["reason"])
            _tell(name, result)
            status.advance()

        found = run_tasks(tasks, runner, report)
    return _count(options.out, [name for name, result in found.items() if "reason" in result], len(found))


def _tell(name: str, result: Done | Failure) -> None:
    """What came of a video, in a line for each thing."""
    if "reason" in result:
        say(f"{name}: failed: {result['reason']}")
        return
    for warning in result["warnings"]:
        say(f"{name}: note: {warning}")
    again = ", finished before" if result["earlier"] else ""
    print(f"{name}: {result['frames']} frames, {100 * result['object_share']:.1f}% of the pixels are object{again}")


def _count(out: str | Path, failed: Sequence[str], count: int) -> int:
    """Say how many of several videos failed, and where the others are; gives the exit code."""
    if failed:
        say(f"ikebook: {len(failed)} of {count} videos failed: {', '.join(failed)}. The reasons stand above.")
    if len(failed) < count:
        print(f"Written to {out}: {count - len(failed)} folder{'s' if count - len(failed) > 1 else ''} of results")
    return 3 if failed else 0


def _execute_several(options: argparse.Namespace, chosen: RunOptions, inputs: Sequence[Path], out: Path) -> int:
    """Segment each of several videos into a folder of its own: what is wrong with one does not stop the others."""
    for name in ("parts", "workers", "cluster", "resources", "threads", "init"):
        require(
            getattr(options, name) is None, f"--{name} is for one video; give {len(inputs)} videos one after the other."
        )
    from ikebook.runs.videos import folder_names
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
    return _count(out, failed, len(inputs))


def _execute_parts(options: argparse.Namespace, chosen: RunOptions, out: Path) -> None:
    from ikebook.runs.parts import segment_parts

    check.whole("--parts", options.parts, at_least=1)
    with status_line(shown=several(options)) as status, runner_of(options, chosen, status) as (runner, shared):
        part = {"start": options.start, "end": options.end, "every": options.every}
        summary = segment_parts(
            options.input[0], out, shared, part_length=options.parts, **part, runner=runner, say=say
        )
    exported = _export_parts(options, out)
    for line in marks(summary["options"]["sources"]):
        print(line)
    print(f"{summary['frames']} frames: {100 * summary['object_share']:.1f}% of the pixels are object")
    print(f"Written to {out}: {', '.join(['masks/', 'soft/', 'summary.json', *exported])}")


def _export_parts(options: argparse.Namespace, out: Path) -> list[str]:
    """Write the formats that are asked for, of a video in parts; what they are called in the folder of results."""
    if options.export is None:
        return []
    from ikebook.exports import export

    exported = export(out, options.export, frames=options.input[0], label=options.label, progress=bar)
    for note in exported.notes:
        say(f"ikebook: note: {note}")
    return [file.relative_to(out).as_posix() + ("/" if file.is_dir() else "") for file in exported.files]
