"""When the frames of a clip are shown, and what is heard meanwhile: as in the video they come from, where PyAV can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikebook.base.pyav import frame_times, has_pyav
from ikebook.video.clip import Clip
from ikebook.video.selection import SelectedFrames


@dataclass(frozen=True)
class Showing:
    """How a clip is shown.

    Parameters
    ----------
    seconds : sequence of float or None
        When each frame is, from the first one; None where PyAV is missing.
    sound : (path, begin, end) or None
        Which seconds of which file are heard.
    """

    seconds: Sequence[float] | None
    sound: tuple[Path, float, float] | None


def showing(clip: Clip) -> Showing:
    """How a clip is shown: evenly and in silence, unless it comes from a video file whose frames have times."""
    if not has_pyav():
        return Showing(None, None)
    even = [index / clip.fps for index in range(len(clip))]
    source: Any = clip.source
    indexes, step = list(range(len(clip))), 1
    while isinstance(source, SelectedFrames):  # a part of another
        indexes, step = [source.indexes[index] for index in indexes], step * source.step
        source = source.source
    path = getattr(source, "path", None)
    times = frame_times(path) if isinstance(path, Path) else None
    if path is None or times is None or indexes[-1] >= len(times):
        return Showing(even, None)
    begin = times[indexes[0]]
    after = indexes[-1] + step
    end = times[after] if after < len(times) else times[indexes[-1]] + 1 / clip.fps
    return Showing([times[index] - begin for index in indexes], (path, begin, end))
