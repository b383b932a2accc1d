"""What a run writes to its folder: masks, videos, a contact sheet and a summary; and what it removes there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.files import (
    fsync_folder,
    overlay,
    remove_temporaries,
    write_json,
    write_mask,
    write_soft,
    write_video,
)
from ikebook.base.places import user_path
from ikebook.base.progress import Progress, silent
from ikebook.base.pyav import import_pyav
from ikebook.base.replacing import check_changeable, replacing, sweep
from ikebook.base.written import LISTS, WrittenFiles, check_written, remove_written
from ikebook.graph.refine import RefineOptions, refine
from ikebook.runs.options import RunOptions
from ikebook.runs.result_folder import lock_folder
from ikebook.runs.results import Summary
from ikebook.runs.single import Outcome
from ikebook.runs.summary import summarise
from ikebook.video.clip import Clip
from ikebook.video.showing import showing

FOLDERS = ("masks", "soft", "refined")
"""Of pictures, one for each frame."""

VIDEOS = ("webm", "mp4")
"""What overlays are written as: VP9, which every browser plays, or H.264, through PyAV."""

FILES = (*(f"{name}.{kind}" for name in ("overlay", "refined") for kind in VIDEOS), "sheet.png", "summary.json")
"""Beside them, where they are asked for."""

CHECKPOINTS = "checkpoints"
"""Folder, within that of the results, of trainings that have begun; it goes when all is done."""

CHECKPOINT_NAME = re.compile(r"(\.ikebook-)?[0-9a-f]{32}(-\w+)?\.pt")
"""What `ikebook.cycle` calls them, and `ikebook.base.files.atomic` what it was writing when the program was killed."""


def write_results(
    folder: str | Path,
    clip: Clip,
    outcome: Outcome,
    options: RunOptions,
    *,
    video: str = "webm",
    progress: Progress = silent,
) -> Summary:
    """Write masks, soft masks, overlay video, contact sheet and summary to a folder, at the clip's own size.

    An earlier run's results there are removed when the new ones are all written, and stay if that fails; other files stay in any case:
    which are whose, a list in `folder`/.ikebook says.

    Parameters
    ----------
    folder : str or Path
        Gets masks/<frame>.png (0 and 255), soft/<frame>.png (8-bit), overlay.webm, sheet.png and summary.json; with
        `options.refine` also refined/<frame>.png and refined.webm.
    clip : Clip
        What was segmented.
    outcome : Outcome
        What `run` has found.
    options : RunOptions
        That it was told.
    video : str, default "webm"
        What overlays are written as: "webm" (VP9), or "mp4" (H.264), which needs PyAV. Where PyAV is installed, frames are shown when
        those of the video are, and its sound is heard.
    progress : Progress, optional
        Shows how far it is.

    Returns
    -------
    Summary
        What was written to summary.json.

    Raises
    ------
    InputError
        If the folder can't be written to, another run does, or it has files of these names that ikebook has not written.

    Examples
    --------
    >>> import ikebook, tempfile
    >>> from ikebook.runs import RunOptions, run
    >>> clip, options = ikebook.toy("disc").clip, RunOptions(cache=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     summary = write_results(folder, clip, run(clip, options=options), options)
    ...     sorted(path.name for path in Path(folder).glob("[!.]*"))
    ['masks', 'overlay.webm', 'sheet.png', 'soft', 'summary.json']
    """
    folder = user_path(folder)
    with lock_folder(folder):
        return write_locked(folder, clip, outcome, options, progress, video)


def write_locked(
    folder: Path, clip: Clip, outcome: Outcome, options: RunOptions, progress: Progress, video: str = "webm"
) -> Summary:
    """`write_results`, to a folder that is locked already."""
    begin = time.perf_counter()
    check_video(video)
    check_place(folder, clip.frame_names)
    sweep(folder)
    if (folder / "summary.json").exists():  # a whole result, which is there until the new one is
        with replacing(folder, remove=partial(remove_results, folder)) as new:
            summary = _write(new, clip, outcome, options, progress, video, begin)
    else:
        remove_results(folder)
        with WrittenFiles(folder).recording():
            summary = _write(folder, clip, outcome, options, progress, video, begin)
    remove_checkpoints(folder / CHECKPOINTS)
    return summary


def check_video(video: str) -> None:
    """Raise `InputError` unless overlays can be written as that, before any work."""
    check.one_of("video", video, VIDEOS)
    if video == "mp4":
        import_pyav("a video in H.264")


def _write(
    folder: Path,
    clip: Clip,
    outcome: Outcome,
    options: RunOptions,
    progress: Progress,
    video: str,
    begin: float,
) -> Summary:
    from ikebook.runs.sheet import contact_sheet  # with Matplotlib, for which the solver's memory has room only now

    contact_sheet(folder / "sheet.png", clip, outcome.result)  # first: somebody waits for a picture
    steps = iter(progress("write", len(clip)))
    shown = showing(clip)
    overlays = _overlays(folder, clip, outcome, steps)
    write_video(folder / f"overlay.{video}", overlays, clip.fps, seconds=shown.seconds, sound=shown.sound)
    if options.refine is not None:
        refined = _refined_overlays(folder, clip, outcome, options.refine)
        write_video(folder / f"refined.{video}", refined, clip.fps, seconds=shown.seconds, sound=shown.sound)
    for place in (*FOLDERS, LISTS):
        fsync_folder(folder / place)
    summary = summarise(clip, outcome, options, {"write": time.perf_counter() - begin})
    write_json(folder / "summary.json", summary)
    return summary


def _overlays(folder: Path, clip: Clip, outcome: Outcome, steps: Iterator[None]) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) with the object tinted, while masks and soft masks are written."""
    result = outcome.result
    for index, (name, frame) in enumerate(zip(clip.frame_names, clip.originals(), strict=True)):
        soft = result.soft_at(index, clip.original_size)
        write_soft(folder / "soft" / f"{name}.png", soft)
        write_mask(folder / "masks" / f"{name}.png", soft > result.threshold)
        next(steps, None)
        yield overlay(frame, soft > result.threshold)


def _refined_overlays(folder: Path, clip: Clip, outcome: Outcome, options: RefineOptions) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) with the refined object tinted, while refined masks are written."""
    masks = refined_masks(clip, outcome, options)
    for name, frame, mask in zip(clip.frame_names, clip.originals(), masks, strict=True):
        write_mask(folder / "refined" / f"{name}.png", mask)
        yield overlay(frame, mask)


def refined_masks(clip: Clip, outcome: Outcome, options: RefineOptions) -> Iterator[np.ndarray]:
    """Refined masks (H, W) bool of an outcome, frame by frame, at the clip's own size."""
    result = outcome.result
    return (soft > 0.5 for soft in refine(clip, result.soft, result.threshold, outcome.flow, options))


def remove_checkpoints(folder: Path) -> None:
    """Remove trainings that nobody will go on with, and their folder if nothing else is in it: other people's files stay."""
    for file in [*folder.glob("*.pt"), *folder.glob(".*.pt")]:
        if CHECKPOINT_NAME.fullmatch(file.name):
            file.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def check_place(folder: Path, frames: Sequence[str] | None) -> None:
    """Raise `InputError` if a folder has files that ikebook has not written where results would come, or can't be written to.

    It is asked before any work, and again before anything is written.

    Parameters
    ----------
    folder : Path
    frames : sequence of str or None
        Names of the frames; None: of a video, whose frames are numbered, and nobody has counted them yet.
    """
    for kind in FOLDERS:
        place = folder / kind
        require(place.is_dir() or not os.path.lexists(place), f"{place} can't be written to: it is no folder; move it.")
    if frames is None:
        there = (file for kind in FOLDERS for file in sorted((folder / kind).glob("*.png")))
        pictures = [file for file in there if len(file.stem) >= 5 and file.stem.isdecimal()]
    else:
        pictures = [folder / kind / f"{name}.png" for kind in FOLDERS for name in frames]
    check_written(folder, [*pictures, *(folder / name for name in FILES)])
    check_changeable(folder, [f"{kind}/00000.png" for kind in FOLDERS])


def remove_results(folder: Path) -> None:
    """Remove what earlier runs have written to a folder, also those that were killed; other people's files stay."""
    for place in (folder, *(folder / kind for kind in FOLDERS)):
        remove_temporaries(place)
    remove_written(folder)
