"""Optical flow between consecutive frames, behind one interface, whoever computes it.

>>> from ikebook.flow import compute_flow, provider
>>> flow = compute_flow(clip, provider("dis"))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ikebook.check import InputError, require
from ikebook.clip import Clip
from ikebook.flow.cache import FlowCache
from ikebook.flow.dis import Dis, DisOptions
from ikebook.flow.farneback import Farneback, FarnebackOptions
from ikebook.flow.fields import Flow, noisy, resize_flow
from ikebook.flow.files import FlowFiles, read_flo, write_flo
from ikebook.flow.known import KnownFlow
from ikebook.sources import UNTRAINED, Source, read_note
from ikebook.storage import Recorder, Room

__all__ = [
    "Dis",
    "DisOptions",
    "Farneback",
    "FarnebackOptions",
    "Flow",
    "FlowCache",
    "FlowFiles",
    "FlowProvider",
    "KnownFlow",
    "compute_flow",
    "flow_source",
    "noisy",
    "provider",
    "read_flo",
    "resize_flow",
    "write_flo",
]

PROVIDERS = ("dis", "farneback", "raft", "raft-small")
"""Who computes flow, by name; after RAFT's, a colon and weights may follow: `raft:C_T_SKHT_V2`, `raft:weights.pth`."""


class FlowProvider(Protocol):
    """Whatever gives the flow of a video, pair by pair, at the size it likes best."""

    def describe(self) -> str:
        """Name and options: with the frames' fingerprint, the key of the cache."""
        ...

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each pair of consecutive RGB frames, forward and backward displacements (h, w, 2) float32.

        Displacements are (dx, dy) in pixels of the field's own size, which need not be that of the frames.
        """
        ...


def is_provider(name: str | Path) -> bool:
    """Whether `name` says who computes flow, and not where it lies."""
    return str(name).partition(":")[0] in PROVIDERS


def provider(name: str | Path, *, device: str = "cpu", half: bool = False) -> FlowProvider:
    """The provider called `name` with its default options, or the one that reads the folder `name`.

    Parameters
    ----------
    name : one of `PROVIDERS`, for RAFT with `:WEIGHTS` if others than the default ones are meant, or a folder
    device : where networks compute
    half : networks in half precision
    """
    kind, colon, weights = str(name).partition(":")
    if name == "dis":
        return Dis()
    if name == "farneback":
        return Farneback()
    if kind in ("raft", "raft-small"):
        from ikebook.flow.raft import DEFAULT, WEIGHTS, Raft, RaftOptions
        from ikebook.weights import local

        model = "raft_small" if kind == "raft-small" else "raft_large"
        local(weights if colon else DEFAULT, WEIGHTS[model])  # whether there are such weights
        return Raft(RaftOptions(model=model, weights=weights if colon else DEFAULT, half=half), device)
    folder = Path(name)
    if not folder.is_dir():
        raise InputError(
            f"flow is {str(name)!r}; expected {', '.join(PROVIDERS)} or a folder with forward/*.flo and backward/*.flo."
        )
    return FlowFiles(folder)


def flow_source(name: str, role: str = "flow") -> Source:
    """Who computes the flow that `name` stands for, and what taught them; for a folder, what its `source.json` says."""
    if is_provider(name):
        chosen = provider(name)
        known = getattr(chosen, "source", None)
        return known(role) if known is not None else Source(role=role, name=name, supervision=UNTRAINED)
    return read_note(Path(name), role, name)


def compute_flow(
    clip: Clip,
    provider: FlowProvider,
    *,
    cache: FlowCache | None = None,
    progress: Iterable[None] | None = None,
    room: Room | None = None,
) -> Flow:
    """Flow between the frames of `clip`, computed at their own size and resized to the clip's working size.

    Parameters
    ----------
    clip : m frames, at least two
    provider : who computes it
    cache : where flow is kept between runs, if anywhere
    progress : an iterator that is advanced once for each pair of frames, such as a progress bar
    room : memory that the fields may take; on disk if they do not fit

    Returns
    -------
    Flow
        forward[i] from frame i to i+1 and backward[i] from frame i+1 to i, both (m-1, h, w, 2) float32.
    """
    require(
        len(clip) >= 2,
        f"clip {clip.name!r} has one frame; flow needs two or more. Give a longer video.",
    )
    room = room or Room()
    key = "" if cache is None else cache.key(clip.fingerprint(), provider.describe(), clip.size)
    if cache is not None and (known := cache.load(key, room)) is not None:
        return known
    pairs = len(clip) - 1
    forward, backward = Recorder(room, pairs), Recorder(room, pairs)
    steps = iter(()) if progress is None else iter(progress)
    for ahead, back in provider.pairs(clip.originals()):
        index = len(forward)
        require(index < pairs, f"flow has more than {pairs} fields, but the clip has {len(clip)} frames.")
        for field in (ahead, back):
            bad = field.size - int(np.isfinite(field).sum())
            require(
                bad == 0,
                f"the flow between frames {clip.frame_names[index]} and {clip.frame_names[index + 1]} has {bad} values that "
                "are NaN or infinite; compute it again, or by another method.",
            )
        forward.append(resize_flow(ahead, clip.size))
        backward.append(resize_flow(back, clip.size))
        next(steps, None)
    require(
        len(forward) == pairs,
        f"flow has {len(forward)} fields, but the clip has {len(clip)} frames: m frames need m-1 fields ({pairs}).",
    )
    flow = Flow(forward=forward.finish(), backward=backward.finish())
    if cache is not None:
        cache.save(key, flow)
    return flow
