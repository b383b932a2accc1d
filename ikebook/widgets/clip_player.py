"""`ClipPlayer`: frames, masks and labels side by side, in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.tensors import tensor
from ikebook.graph.result import GraphResult
from ikebook.video.clip import Clip, as_clip
from ikebook.widgets.base import Composed
from ikebook.widgets.canvas import VideoCanvas, link
from ikebook.widgets.inputs import check_frame

Maps = Any
"""A map of the clip, (m, h, w): an array, a tensor or one on disk; or several by their names."""


class ClipPlayer(Composed):
    """A clip, and what is known of it, side by side; all go in step.

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames.
    masks : (m, h, w) bool, a GraphResult, or a dict of several by their names, optional
        Drawn over the frames in red.
    soft : (m, h, w) in [0, 1], a GraphResult, or a dict of several by their names, optional
        Soft masks, drawn over the frames in colours.
    labels : (m, h, w) real, a GraphResult, or a dict of several by their names, optional
        Labels x, blue below and red above 0.
    names : sequence of str, optional
        One for each picture, the clip's first.
    height : int, optional
        Greatest height of each picture, CSS pixels.

    Attributes
    ----------
    frame : int
        The frame shown; set it to go there.
    playing : bool
    canvases : list of VideoCanvas
        The pictures, the clip's first.

    Raises
    ------
    InputError
        For maps whose shape is not the clip's, soft masks outside [0, 1], or too few or many names.

    Examples
    --------
    >>> import ikebook
    >>> clip = ikebook.toy("disc").clip
    >>> ClipPlayer(clip, masks=clip.masks, names=["the clip", "its object"])
    ClipPlayer('disc', 5 frames of 16x16: the clip, its object)
    """

    frame = traitlets.Int(0)
    playing = traitlets.Bool(False)

    def __init__(
        self,
        clip: Clip,
        *,
        masks: Maps = None,
        soft: Maps = None,
        labels: Maps = None,
        names: Sequence[str] | None = None,
        height: int | None = None,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        clip = as_clip(clip)
        if height is not None:
            check.whole("height", height, at_least=40)
        shown = {
            **named_maps("masks", masks, clip),
            **named_maps("soft", soft, clip),
            **named_maps("labels", labels, clip),
        }
        titles = [clip.name, *(name for _, name in shown)] if names is None else list(names)
        require(
            len(titles) == 1 + len(shown),
            f"names has {len(titles)} texts; expected {1 + len(shown)}, one for each picture, the clip's first.",
        )
        self.clip = clip
        parts = "stage" if shown else "all"
        common: dict[str, Any] = {"fps": clip.fps, "height": height or 0, "parts": parts}
        frames = np.asarray(clip.frames)
        self.canvases = [VideoCanvas(frames, caption=titles[0], **common)]
        for ((kind, _), array), title in zip(shown.items(), titles[1:], strict=True):
            style: dict[str, Any] = {"maps": array, "labels": [title], "caption": title, "opacity": 0.75}
            if kind == "soft":
                style |= {"map_range": (0.0, 1.0), "colours": "viridis"}
            if kind == "labels":
                greatest = float(np.abs(array).max()) or 1.0
                style |= {"map_range": (-greatest, greatest), "colours": "signed"}
            self.canvases.append(VideoCanvas(frames, **style, **common))
        everyone = list(self.canvases)
        if shown:
            for canvas in self.canvases:
                canvas.layout.flex = "1 1 260px"
                canvas.layout.min_width = "200px"
            everyone.append(VideoCanvas(shape=self.canvases[0].shape, parts="bar", fps=clip.fps))
        link(*everyone)
        for name in ("frame", "playing"):
            traitlets.link((everyone[0], name), (self, name))
        row = ipywidgets.Box(
            self.canvases, layout=ipywidgets.Layout(flex_flow="row wrap", width="100%", grid_gap="8px 16px")
        )
        super().__init__([row, *everyone[len(self.canvases) :]])

    @traitlets.validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        return check_frame(proposal.value, self.clip)

    def __repr__(self) -> str:
        w, h = self.clip.size
        titles = ", ".join(canvas.caption for canvas in self.canvases)
        return f"ClipPlayer({self.clip.name!r}, {len(self.clip)} frames of {w}x{h}: {titles})"


def named_maps(kind: str, maps: Maps, clip: Clip) -> dict[tuple[str, str], np.ndarray]:
    """The maps of one kind, "masks", "soft" or "labels", by kind and name, each (m, h, w)."""
    if maps is None:
        return {}
    if not isinstance(maps, Mapping):
        return {(kind, kind): checked_map(kind, kind, maps, clip)}
    return {(kind, str(name)): checked_map(f"{kind}[{name!r}]", kind, values, clip) for name, values in maps.items()}


def checked_map(name: str, kind: str, maps: Any, clip: Clip) -> np.ndarray:
    """Maps of a clip, or those of what was found on it, as an array (m, h, w).

    Raises
    ------
    InputError
        For a shape that is not the clip's, masks that are not bool, values that are not finite, and soft masks outside
        [0, 1].
    """
    if isinstance(maps, GraphResult):
        maps = getattr(maps, kind)
    check.shape(name, maps, (len(clip), clip.size[1], clip.size[0]))
    array = maps if isinstance(maps, np.ndarray) else tensor(maps[:]).detach().cpu().numpy()
    if kind == "masks":
        require(array.dtype == bool, f"{name} is {array.dtype}; expected bool (soft > threshold, say).")
        return array
    require(bool(np.isfinite(array).all()), f"{name} has values that are NaN or infinite; replace them, with 0 say.")
    low, high = float(array.min()), float(array.max())
    require(
        kind == "labels" or (low >= -1e-6 and high <= 1 + 1e-6),
        f"{name} lies between {low:.3g} and {high:.3g}; expected values in [0, 1]. A ClipPlayer shows others as labels.",
    )
    return array
