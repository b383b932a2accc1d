"""`Compare`: two results on one clip, on either side of a line that the mouse moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from ikebook.base.check import require
from ikebook.graph.result import GraphResult
from ikebook.video.clip import Clip, as_clip
from ikebook.video.colours import BLUE, ORANGE
from ikebook.video.metrics import region_similarity
from ikebook.widgets.base import Composed
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.clip_player import Maps, checked_map
from ikebook.widgets.inputs import check_frame

THRESHOLD = 0.5
"""Soft masks are scored above it."""


class Compare(Composed):
    """Two masks, or two soft masks, of one clip with a swipe line between them, and J of each frame under it.

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames.
    first, second : (m, h, w) bool, real in [0, 1], or a GraphResult, whose masks are taken
        Shown left and right of the line. Soft masks are scored above 0.5.
    names : (str, str), default ("first", "second")
        What they are called.
    truth : (m, h, w) bool, optional
        What J is measured against; by default the clip's masks, where it has them.

    Attributes
    ----------
    swipe : float
        Where the line is, from 0 (left) to 1.
    frame : int
        The frame shown; set it to go there.
    scores : dict
        J of each frame (region similarity, Sec. 6) for either name, a list of m numbers; empty without `truth`.

    Raises
    ------
    InputError
        For maps whose shape is not the clip's, or values outside [0, 1].

    Examples
    --------
    >>> import ikebook
    >>> clip = ikebook.toy("disc").clip
    >>> compare = Compare(clip, clip.masks, ~clip.masks, names=("right", "wrong"))
    >>> compare.scores["right"][0], compare.scores["wrong"][0]
    (1.0, 0.0)
    """

    frame = traitlets.Int(0)
    swipe = traitlets.Float(0.5)

    def __init__(
        self,
        clip: Clip,
        first: Maps,
        second: Maps,
        *,
        names: Sequence[str] = ("first", "second"),
        truth: np.ndarray | None = None,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        clip = as_clip(clip)
        self.names = tuple(names)
        require(
            len(self.names) == 2 and len(set(self.names)) == 2,
            f"names is {tuple(names)}; expected two different texts.",
        )
        truth = clip.masks if truth is None else checked_map("truth", "masks", truth, clip)
        arrays = [
            checked_map(name, "masks" if _is_bool(given) else "soft", given, clip)
            for name, given in (("first", first), ("second", second))
        ]
        self.clip = clip
        masks = [array if array.dtype == bool else array > THRESHOLD for array in arrays]
        self.scores: dict[str, list[float]] = {}
        if truth is not None:
            self.scores = {
                name: [region_similarity(mask, annotation) for mask, annotation in zip(found, truth, strict=True)]
                for name, found in zip(self.names, masks, strict=True)
            }
        self.canvas = VideoCanvas(
            np.asarray(clip.frames),
            maps=arrays[0],
            compare=arrays[1],
            map_range=(0.0, 1.0),
            colours="object" if all(array.dtype == bool for array in arrays) else "viridis",
            caption=f"{clip.name}: {self.names[0]} | {self.names[1]}",
            labels=list(self.names),
            fps=clip.fps,
            curves=[
                {"values": values, "label": f"J {name}", "colour": colour}
                for (name, values), colour in zip(self.scores.items(), (BLUE, ORANGE), strict=False)
            ],
        )
        for name in ("frame", "swipe"):
            traitlets.link((self.canvas, name), (self, name))
        super().__init__([self.canvas])

    @traitlets.validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        return check_frame(proposal.value, self.clip)

    def __repr__(self) -> str:
        means = [f"{name} {np.mean(values):.3f}" for name, values in self.scores.items()]
        return f"Compare({self.clip.name!r}, {', '.join(['mean J', *means] if means else self.names)})"


def _is_bool(values: Any) -> bool:
    return isinstance(values, GraphResult) or "bool" in str(getattr(values, "dtype", ""))
