"""Where frames come from, by a path: a folder of images, a pattern of their names, a video file, or an image that holds several."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ikebook.base.check import InputError, readable, require
from ikebook.base.places import refuse_pipe, user_path
from ikebook.base.pyav import PyAVFile, frame_times, has_pyav
from ikebook.video.gifs import GifFile, is_gif
from ikebook.video.images import IMAGE_SUFFIXES, NOT_READ, ImageFolder, image_files, left_out, natural_key
from ikebook.video.movies import Animation, VideoFile, holds_several

TEXT_SUFFIXES = frozenset({".txt", ".asc", ".nfo", ".diz", ".ans"})
"""Endings of text files that OpenCV would show as a film of scrolling lines."""

NAMED = 5
"""Files that are named in a note, at most."""

COUNTED = re.compile(r"%0?(\d*)d")
"""The number of a frame in a pattern such as `frame%04d.png`."""

Frames = ImageFolder | VideoFile | PyAVFile | Animation | GifFile
"""Frames at their own size, read one after the other, as often as asked."""


def open_frames(path: str | Path) -> Frames:
    """What reads the frames at a path.

    Raises
    ------
    InputError
        If there is no such path, or it holds no frames.
    """
    path = user_path(path)
    try:
        there = path.exists()
    except OSError as error:
        raise InputError(
            f"{str(path)[:100]!r} can't be opened ({error.strerror}); expected a folder or a video file."
        ) from None
    if not there and is_pattern(path):
        return ImageFolder(_matching(path))
    require(there, f"{path} does not exist; expected a folder of images or a video file.")
    refuse_pipe(path)
    if path.is_dir():
        return _folder(path)
    gif = GifFile(path) if is_gif(path) else None
    if gif is not None or path.suffix.lower() in IMAGE_SUFFIXES:
        several = holds_several(path) if gif is None else gif.moves()
        require(several, f"{path} is a single image; expected the folder that holds the frames, or a video file.")
        return gif or Animation(path)
    is_picture = path.suffix.lower() in NOT_READ - {".gif"}
    require(not is_picture, f"{path} is a picture of a kind that is not read here; convert its frames to PNG.")
    is_text = path.suffix.lower() in TEXT_SUFFIXES
    require(not is_text, f"{path} is a text file; expected a folder of images or a video file.")
    return _video(path)


def times_of(source: Frames) -> list[float] | None:
    """When each frame is shown, in seconds, where that is known: of a GIF by itself, of a video where PyAV is installed."""
    if isinstance(source, GifFile):
        return source.times()
    return None if isinstance(source, ImageFolder) else frame_times(source.path)


def name_of(path: str | Path) -> str:
    """What the clip at a path is called: as its folder or file."""
    path = user_path(path)
    if path.is_dir():
        return readable(path.resolve().name)
    return readable(path.parent.resolve().name if not path.exists() and is_pattern(path) else path.stem)


def is_pattern(path: Path) -> bool:
    """Whether a path's last part stands for several names, such as `*.png` or `frame%04d.png`."""
    return path.parent.is_dir() and (any(sign in path.name for sign in "*?[") or COUNTED.search(path.name) is not None)


def _video(path: Path) -> VideoFile | PyAVFile:
    """Who decodes a video: OpenCV, or PyAV where that is installed and OpenCV can't."""
    by_opencv = VideoFile(path)
    if has_pyav():
        try:
            next(by_opencv.between(0, 1))
        except InputError:
            by_pyav = PyAVFile(path)
            with suppress(InputError):
                next(by_pyav.between(0, 1))
                return by_pyav
    return by_opencv


def _folder(path: Path) -> Frames:
    files = image_files(path)
    if len(files) == 0:
        folders = sum(entry.is_dir() for entry in path.iterdir())
        hint = f" It holds {folders} folders: name one of them." if folders else ""
        raise InputError(f"{path} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}).{hint}{_passed_over(path)}")
    several = holds_several(files[0])
    if several and len(files) == 1:
        return Animation(files[0])
    notes = [f"{files[0].name} holds several pictures, of which the first is read."] if several else []
    note = _passed_over(path).strip()
    return ImageFolder(files, [*notes, note] if note else notes)


def _passed_over(path: Path) -> str:
    """What is said of files in a folder that look like pictures, and are not read."""
    names = left_out(path)
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f" Passed over, although they look like pictures: {', '.join(names[:NAMED])}{more}. Convert them, or give them an ending "
        "that is read, such as .png or .jpg."
    )


def _matching(path: Path) -> list[Path]:
    """The images whose names a pattern stands for, in natural order."""
    counted = COUNTED.search(path.name)
    if counted is None:
        found = list(path.parent.glob(path.name))
    else:
        before, after = re.escape(path.name[: counted.start()]), re.escape(path.name[counted.end() :])
        digits = rf"\d{{{int(counted[1])},}}" if counted[1] else r"\d+"
        shape = re.compile(f"{before}{digits}{after}")
        found = [file for file in path.parent.iterdir() if shape.fullmatch(file.name)]
    images = [f for f in found if f.suffix.lower() in IMAGE_SUFFIXES and f.name[0] != "." and f.is_file()]
    require(len(images) > 0, f"{path} stands for no image in {path.parent}; name the folder, or other names.")
    return sorted(images, key=lambda file: natural_key(file.name))
