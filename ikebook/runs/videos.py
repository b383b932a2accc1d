"""Videos, each to a folder of results of its own, wherever they lie: here, in an object store, or on a web server.

One video is a task (`segment_video`) for whoever runs it: it takes a copy of what is elsewhere, works here, and sends results that
go elsewhere when they are whole, `summary.json` last. So workers need no disk in common, and a folder that has a summary is finished.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, final

import ikebook
from ikebook.base.check import require
from ikebook.base.files import write_text
from ikebook.base.places import is_remote, shown, user_path
from ikebook.base.progress import Progress, silent
from ikebook.base.remote import RemoteFolder, check_address, is_pattern, local_copy, matching, name_in, stamp
from ikebook.base.written import LISTS, WrittenFiles, all_lists
from ikebook.runs.inputs import stamps
from ikebook.runs.json_types import LARGEST, has_type
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import CHECKPOINTS, check_place, check_video, write_locked
from ikebook.runs.result_folder import lock_folder, options_hash
from ikebook.runs.results import AnySummary, Failure, Summary
from ikebook.runs.runners import LostTask, Runner, SerialRunner
from ikebook.runs.sequence import failure_of
from ikebook.runs.single import run
from ikebook.video.clip import read_clip
from ikebook.video.images import ImageFolder, image_files, is_image_name
from ikebook.video.selection import Selection
from ikebook.video.sources import name_of, open_frames

SUMMARY = "summary.json"

MADE_OF = f"{LISTS}/made_of.json"
"""Says of a folder of results what they are of, before the first of them is there, and which files are ikebook's."""

Finish = Callable[[Path, Path], tuple[list[str], list[str]]]
"""Writes more to a folder of results, given the video; gives the names of what it has written there, and what is to be said of it."""


class MadeOf(TypedDict):
    """What `made_of.json` says.

    Parameters
    ----------
    input : str
        Differs wherever the video does.
    options : str
        Differs wherever the options do.
    files : list of str
        Names of ikebook's files in that folder.
    """

    input: str
    options: str
    files: list[str]


@final
class Done(TypedDict):
    """What is told of a video that is segmented.

    Parameters
    ----------
    frames : int
    object_share : float
        Share of all pixels that are object.
    warnings : list of str
    earlier : bool
        Whether an earlier run had finished it.
    """

    frames: int
    object_share: float
    warnings: list[str]
    earlier: bool


@dataclass(frozen=True, kw_only=True)
class VideoTask:
    """One video, and all that a worker needs to know about it.

    Parameters
    ----------
    source : str
        Path or address; a relative path is one of the process that runs the task.
    out : str
        Of its folder of results.
    options : RunOptions
    part : Selection
        Which of its frames.
    video : str, default "webm"
        What overlays are written as; see `write_results`.
    finish : Finish, optional
    more : dict, optional
        What `finish` depends on, plain values.
    """

    source: str
    out: str
    options: RunOptions = field(default_factory=RunOptions)
    part: Selection = field(default_factory=Selection)
    video: str = "webm"
    finish: Finish | None = None
    more: dict[str, Any] = field(default_factory=dict)


def segment_videos(
    sources: Sequence[str | Path],
    out: str | Path,
    options: RunOptions | None = None,
    *,
    runner: Runner | None = None,
    report: Callable[[str, Done | Failure], None] = lambda *_: None,
    progress: Progress = silent,
) -> dict[str, Done | Failure]:
    """Segment videos, each into a folder of its own; those that an earlier run has finished, with the same options, are left as they are.

    Parameters
    ----------
    sources : sequence of str or Path
        Video files and folders of frames: paths, addresses (s3://, gs://, https://), or patterns of addresses such as
        "s3://bucket/videos/*.mp4".
    out : str or Path
        Folder for their folders, a path or an address of a store.
    options : RunOptions, optional
        One set for all.
    runner : Runner, optional
        Where to run, such as `ikebook.runs.ClusterRunner`; by default one video after the other, in this process.
    report : callable, optional
        Called with each video's name and what came of it, as soon as that is known.
    progress : Progress, optional
        Shown within a video, where there is no `runner`.

    Returns
    -------
    dict
        By the names of the folders, what came of each video: `Done`, or `Failure`.

    Raises
    ------
    InputError
        If a pattern stands for nothing, or what an address needs is not installed.

    Examples
    --------
    >>> import fsspec, ikebook, tempfile
    >>> from ikebook.base.files import write_video
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_video(Path(folder) / "walk.mp4", ikebook.toy("disc", (48, 32), frames=6).clip.frames, 24)
    ...     fsspec.filesystem("memory").put_file(f"{folder}/walk.mp4", "/example/walk.mp4")
    >>> found = segment_videos(["memory://example/*.mp4"], "memory://example/out", RunOptions(size=(48, 32), cache=False))
    >>> found["walk"]["frames"], fsspec.filesystem("memory").exists("/example/out/walk/masks/00005.png")
    (6, True)
    """
    options = (options or RunOptions()).with_absolute_paths()
    found = expand(sources)
    names = folder_names(found)
    tasks = {
        name: VideoTask(source=source, out=within(out, name), options=options)
        for name, source in zip(names, found, strict=True)
    }
    return run_tasks(tasks, runner or SerialRunner(progress=progress), report)


def expand(sources: Sequence[str | Path]) -> list[str]:
    """Videos by their paths and addresses, patterns of addresses replaced by what they stand for; of frames, a pattern is one video."""
    found: list[str] = []
    for source in sources:
        if not is_remote(source):
            found.append(str(user_path(source).absolute()))
            continue
        several = matching(str(source))
        found += [str(source)] if all(is_image_name(one) for one in several) else several
    return found


def folder_names(sources: Sequence[str | Path]) -> list[str]:
    """A name for each of several videos: that of its file without the suffix, and a number where that is taken.

    >>> folder_names(["a/walk.mp4", "s3://bucket/walk.webm", Path("b/walk.mp4"), "run"])
    ['walk', 'walk-2', 'walk-3', 'run']
    """
    names: list[str] = []
    taken: set[str] = set()
    for source in sources:
        name = _name_of(source)
        count, unique = 1, name
        while unique.lower() in taken:  # there are disks that know no case
            count += 1
            unique = f"{name}-{count}"
        taken.add(unique.lower())
        names.append(unique)
    return names


def within(out: str | Path, name: str) -> str:
    """The folder of that name in another, by path or address."""
    return f"{str(out).rstrip('/')}/{name}" if is_remote(out) else str(user_path(out).absolute() / name)


def run_tasks(
    tasks: dict[str, VideoTask], runner: Runner, report: Callable[[str, Done | Failure], None]
) -> dict[str, Done | Failure]:
    """Have videos segmented; what came of each, in the order of the tasks."""
    for task in tasks.values():
        if is_remote(task.out):
            RemoteFolder(task.out)
        if is_remote(task.source):
            check_address(task.source)
    found: dict[str, Done | Failure] = {}
    with closing(runner(segment_video, tasks)) as results:
        for name, result in results:
            found[name] = (
                Failure(kind="lost", reason=result.reason, where="") if isinstance(result, LostTask) else result
            )
            report(name, found[name])
    return {name: found[name] for name in tasks}


def segment_video(task: VideoTask, progress: Progress = silent) -> Done | Failure:
    """Segment a video, as far as that is not done yet. Only an interrupt is raised."""
    try:
        place = RemoteFolder(task.out) if is_remote(task.out) else None
        made = _made_of(task)
        read = place.read if place else _reader(Path(task.out))
        before = _parsed(read(MADE_OF, LARGEST), MadeOf)
        if before is not None and (before | {"files": []}) == made and (place or _is_intact(Path(task.out))):
            summary = _parsed(read(SUMMARY, LARGEST), AnySummary)
            if summary is not None:
                return _done(summary, earlier=True)
        if place is None:
            with _copy_of(task) as path:
                return _done(_segment(task, path, Path(task.out), progress, made))
        there = [] if before else place.names()
        require(
            not there, f"{task.out} holds {(there or [''])[0]}, and ikebook has not written it; choose another --out."
        )
        with tempfile.TemporaryDirectory(prefix="ikebook-results-", ignore_cleanup_errors=True) as folder:
            out = Path(folder) / _name_of(task.source)
            with _copy_of(task) as path:
                summary = _segment(task, path, out, progress, None)
            _send(out, place, made, before["files"] if before else [])
        return _done(summary)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other videos are to be finished
        return failure_of(error)


def segment_file(
    path: Path,
    out: Path,
    options: RunOptions,
    *,
    part: Selection | None = None,
    origin: str = "",
    video: str = "webm",
    finish: Finish | None = None,
    progress: Progress = silent,
) -> tuple[Summary, list[str], list[str]]:
    """Segment one video that lies here into a folder that lies here; gives its summary, and what `finish` gives.

    Parameters
    ----------
    path, out : Path
    options : RunOptions
    part : Selection, optional
        Which of its frames.
    origin : str
        Where it has been copied from; the summary says so.
    video : str, default "webm"
        What overlays are written as.
    finish : callable, optional
        Called with `out` and `path`, while nobody else may write there.
    progress : Progress, optional
    """
    part = part or Selection()
    check_video(video)
    source = options.provider()
    frames, names = open_frames(path), None
    if isinstance(frames, ImageFolder):
        names = frames.names()
        if part:
            names = [names[index] for index in part.indexes(frames.fps, None, len(names))]
    check_place(out, names)
    begin = time.perf_counter()
    compute = options.compute(out)
    ticks = iter(progress(f"reading {shown(origin) if origin else path}", 1))
    next(ticks, None)
    clip = read_clip(path, options.size, memory=compute.memory, start=part.start, end=part.end, every=part.every)
    for _ in ticks:
        pass
    if origin:
        clip = replace(clip, origin=shown(origin))
    seconds = {"read": time.perf_counter() - begin}
    with lock_folder(out):
        outcome = run(clip, source, options=options, compute=compute, progress=progress, checkpoints=out / CHECKPOINTS)
        outcome = replace(outcome, seconds=seconds | outcome.seconds)
        summary = write_locked(out, clip, outcome, options, progress, video)
        names, notes = ([], []) if finish is None else finish(out, path)
        return summary, names, notes


def _segment(task: VideoTask, path: Path, out: Path, progress: Progress, made: MadeOf | None) -> Summary:
    """Segment a task's video into a folder here, which in the end gets what it is of, unless that is None."""

    def finish(out: Path, path: Path) -> tuple[list[str], list[str]]:
        names, notes = ([], []) if task.finish is None else task.finish(out, path)
        if made is not None:
            with WrittenFiles(out).recording():  # whoever removes the results removes it, too
                write_text(out / MADE_OF, json.dumps(made))
        return names, notes

    origin = task.source if is_remote(task.source) else ""
    summary, _, notes = segment_file(
        path,
        out,
        task.options,
        part=task.part,
        origin=origin,
        video=task.video,
        finish=finish,
        progress=progress,
    )
    summary["warnings"] = [*summary["warnings"], *notes]
    return summary


def _send(out: Path, place: RemoteFolder, made: MadeOf, before: Sequence[str]) -> None:
    """Copy results to a store: first what says whose they are, last the summary, which says that all is there."""
    files = (file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file())
    names = [name for name in sorted(files) if not name.startswith(".lock")]
    foreign = sorted(set(place.names()) & set(names) - {*before, MADE_OF})
    require(
        not foreign,
        f"{place.url} holds {(foreign or [''])[0]}, and ikebook has not written it; move it, or choose another --out.",
    )
    place.remove([SUMMARY])
    place.write(MADE_OF, json.dumps(made | {"files": sorted({*names, *before})}).encode())
    place.upload(out, [name for name in names if name != SUMMARY])
    place.remove(sorted(set(before) - {*names, MADE_OF}))
    place.write(MADE_OF, json.dumps(made | {"files": names}).encode())
    place.upload(out, [SUMMARY])


@contextmanager
def _copy_of(task: VideoTask) -> Generator[Path, None, None]:
    """The video where it can be read: itself, or a copy that goes with the end of the block."""
    remote = is_remote(task.source)
    with local_copy(task.source, wanted=is_image_name) if remote else nullcontext(Path(task.source)) as path:
        yield path


def _made_of(task: VideoTask) -> MadeOf:
    """What the results of a task would be of, with no files yet."""
    if is_remote(task.source):
        looked = stamp(task.source)
    else:
        path = Path(task.source)
        require(path.exists(), f"{path} does not exist; expected a folder of images or a video file.")
        looked = stamps(image_files(path) if path.is_dir() else [path])
    part = [str(one) for one in (task.part.start, task.part.end, task.part.every)]
    told = task.options.as_dict() | {"part": part, "video": task.video, "more": task.more}
    return MadeOf(input=looked, options=options_hash(told | {"ikebook": ikebook.__version__}), files=[])


def _is_intact(folder: Path) -> bool:
    """Whether all results in a folder are there as they were written."""
    lists = all_lists(folder)
    return bool(lists) and all(one.intact() for one in lists)


def _reader(folder: Path) -> Callable[[str, int], bytes | None]:
    """What reads small files of a folder that lies here."""

    def read(name: str, limit: int) -> bytes | None:
        file = folder / name
        return file.read_bytes() if file.is_file() and file.stat().st_size <= limit else None

    return read


def _parsed(content: bytes | None, kind: Any) -> Any:
    """JSON of a type; None where it is none."""
    try:
        value = json.loads(content) if content is not None else None
    except (ValueError, RecursionError):
        return None
    return value if value is not None and has_type(value, kind) else None


def _done(summary: Any, *, earlier: bool = False) -> Done:
    return Done(
        frames=summary["frames"],
        object_share=summary["object_share"],
        warnings=list(summary.get("warnings", [])),
        earlier=earlier,
    )


def _name_of(source: str | Path) -> str:
    """What a video's folder of results is called."""
    if not is_remote(source):
        return name_of(source)
    url = str(source)
    if is_pattern(url):
        url = url.rpartition("/")[0]
        return name_in(url)
    return Path(name_in(url)).stem or name_in(url)
