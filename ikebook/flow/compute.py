"""The flow of a clip: computed, checked, resized, and kept between runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base.arrays import Memory, Recorder
from ikebook.base.check import require, short
from ikebook.flow.cache import FlowCache
from ikebook.flow.fields import Flow, resize_flow
from ikebook.flow.files import FlowFiles
from ikebook.flow.providers import FlowProvider
from ikebook.flow.providers import provider as named
from ikebook.video.clip import Clip, as_clip

SQUEEZED = 0.05
"""By how much the ratio of a field's sides may differ from the frames': sides are rounded to what a network likes."""

PADDING = 8
"""Pixels, fewer than which may be added to or taken from a side for the same reason."""


def compute_flow(
    clip: Clip,
    provider: FlowProvider | str | Path = "dis",
    *,
    cache: FlowCache | None = None,
    progress: Iterable[None] | None = None,
    memory: Memory | None = None,
) -> Flow:
    """Flow between the frames of a clip, computed at their own size and resized to the clip's working size (Sec. 4.1).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    provider : FlowProvider or str
        Who computes it, or their name, such as "dis" (the default), "farneback" or "raft"; see `ikebook.provider`.
    cache : FlowCache, optional
        Where flow is kept between runs, if anywhere: `ikebook.flow.FlowCache()` is the user's cache.
    progress : iterable, optional
        Advanced once for each pair of frames, such as a progress bar.
    memory : Memory, optional
        That the fields may take; on disk if they do not fit.

    Returns
    -------
    Flow
        forward[i] from frame i to i+1 and backward[i] from frame i+1 to i, both (m-1, h, w, 2) float32, (dx, dy) in pixels
        of the working size.

    Raises
    ------
    InputError
        If there is one frame only, or what is computed is not finite.

    Examples
    --------
    >>> import ikebook
    >>> compute_flow(ikebook.toy("disc", (64, 48)).clip).size
    (64, 48)
    """
    clip = as_clip(clip)
    require(len(clip) >= 2, f"clip {clip.name!r} has {len(clip)} frame; motion needs two or more. Give a longer video.")
    source: FlowProvider = named(provider) if isinstance(provider, (str, Path)) else provider
    require(
        hasattr(source, "pairs"),
        f"provider is {short(source)}; expected a name, such as 'dis', or what ikebook.provider(name) gives.",
    )
    memory = memory or Memory()
    key = "" if cache is None else cache.key(clip.fingerprint(), source.describe(), clip.size)
    if cache is not None and (known := cache.load(key, memory)) is not None:
        return known
    pairs = len(clip) - 1
    forward, backward = Recorder(memory, pairs), Recorder(memory, pairs)
    steps = iter(()) if progress is None else iter(progress)
    for ahead, back in fields_of(source, clip.originals(), clip.size, clip.frame_names, clip.original_size):
        forward.append(ahead)
        backward.append(back)
        next(steps, None)
    flow = Flow(forward=forward.finish(), backward=backward.finish())
    if cache is not None:
        cache.save(key, flow)
    return flow


def fields_of(
    provider: FlowProvider,
    frames: Iterable[np.ndarray],
    size: tuple[int, int],
    names: Sequence[str],
    own: tuple[int, int],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Forward and backward fields between consecutive frames, (h, w, 2) float32, checked and resized to `size`.

    Parameters
    ----------
    provider : who computes them
    frames : m frames (H, W, 3) uint8 RGB at their own size
    size : (width, height)
    names : of the m frames
    own : (width, height)
        The frames' own size.

    Raises
    ------
    InputError
        If fields from files have another shape than the frames, values are not finite, or there are fields for more or fewer than m frames.
    """
    count = 0
    elsewhere = isinstance(provider, FlowFiles)  # by whoever knows how the frames lie
    for pair in provider.pairs(frames):
        require(
            count < len(names) - 1, f"flow has more than {len(names) - 1} fields, but the clip has {len(names)} frames."
        )
        for field in pair:
            if elsewhere:
                _check_shape(field, size, own)
            bad = field.size - int(np.isfinite(field).sum())
            require(
                bad == 0,
                f"the flow between frames {names[count]} and {names[count + 1]} has {bad} values that are NaN or infinite; "
                "compute it again, or by another method.",
            )
        ahead, back = pair
        yield resize_flow(ahead, size), resize_flow(back, size)
        count += 1
    require(
        count == len(names) - 1,
        f"flow has {count} fields, but the clip has {len(names)} frames: m frames need m-1 fields ({len(names) - 1}).",
    )


def _check_shape(field: np.ndarray, size: tuple[int, int], own: tuple[int, int]) -> None:
    """Raise unless a field can be that of frames of their own size, or at the working size, enlarged, reduced or padded."""
    h, w = field.shape[:2]
    padded = any(abs(w - sides[0]) < PADDING and abs(h - sides[1]) < PADDING for sides in (own, size))
    alike = abs(np.log(w / h * own[1] / own[0])) <= np.log(1 + SQUEEZED)
    turned = abs(np.log(w / h * own[0] / own[1])) <= np.log(1 + SQUEEZED)
    require(
        padded or alike,
        f"the flow is {w}x{h}, but the frames are {own[0]}x{own[1]}: "
        + (
            "it is turned. Compute it on the frames as they are shown, which for photographs may be turned (EXIF)."
            if turned
            else "another shape. Compute it on whole frames of this shape."
        ),
    )


def known_flow(clip: Clip, flow: Any, name: str = "flow", *, memory: Memory | None = None) -> Flow:
    """A clip's flow: as it is, by the provider that a text names, or by OpenCV's DIS where it is None.

    Parameters
    ----------
    clip : Clip
        m frames, at least two.
    flow : Flow, str or None
        The flow, or who computes it.
    name : str, default "flow"
        What `flow` is called, in messages.
    memory : Memory, optional
        That the fields may take; on disk if they do not fit.

    Returns
    -------
    Flow

    Raises
    ------
    InputError
        If it is of another clip, or no flow at all.
    """
    require(len(clip) >= 2, f"clip {clip.name!r} has {len(clip)} frame; motion needs two or more. Give a longer video.")
    if flow is None or isinstance(flow, (str, Path)):
        return compute_flow(clip, "dis" if flow is None else flow, memory=memory)
    require(
        isinstance(flow, Flow),
        f"{name} is {short(flow)}; expected a Flow, as compute_flow(clip) gives it, or Flow(forward=..., backward=...).",
    )
    same_clip(clip, flow, name)
    return flow


def same_clip(clip: Clip, flow: Flow, name: str = "flow") -> None:
    """Raise unless the flow is of a clip of so many frames of this size; `name` is what it is called."""
    require(
        len(flow) == len(clip) and flow.size == clip.size,
        f"{name} has {len(flow) - 1} fields of {flow.size[0]}x{flow.size[1]}, but clip {clip.name!r} has {len(clip)} frames "
        f"of {clip.size[0]}x{clip.size[1]}: m frames need m-1 fields ({len(clip) - 1}) of their size.",
    )
