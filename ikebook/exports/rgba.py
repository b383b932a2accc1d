"""The object cut out: pictures, and a video, whose alpha is the soft mask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ikebook.base.check import require
from ikebook.base.files import write_png, write_video
from ikebook.base.pyav import MEND, frame_times, has_pyav
from ikebook.exports.saved import SavedResult


def write_rgba(saved: SavedResult, place: Path) -> list[str]:
    """Write `rgba/<frame>.png`, colours as they are and the soft mask as alpha, and with PyAV `rgba.webm`, VP9 with alpha."""
    require(
        saved.video is not None,
        f"rgba needs the frames, and the video that {saved.folder} was made from is not there; name it with --frames.",
    )
    if not has_pyav():
        for _ in _pictures(saved, place):
            pass
        return [f"rgba: without PyAV there is no rgba.webm, a video with alpha; {MEND}"]
    numbers = saved.numbers()
    times = None if saved.video is None or saved.video.is_dir() else frame_times(saved.video)
    seconds = [index / saved.fps for index in range(len(saved))]
    if times is not None and numbers[-1] < len(times):
        seconds = [times[number] - times[numbers[0]] for number in numbers]
    write_video(place / "rgba.webm", _pictures(saved, place), saved.fps, seconds=seconds)
    return []


def _pictures(saved: SavedResult, place: Path) -> Iterator[np.ndarray]:
    """Frames (h, w, 4) RGBA, each written as PNG."""
    for name, frame, soft in zip(saved.names, saved.frames(), saved.soft(), strict=True):
        write_png(place / "rgba" / f"{name}.png", np.dstack([frame[..., ::-1], soft]))
        yield np.dstack([frame, soft])
