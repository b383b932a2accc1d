"""The canvas: a video in the browser, with maps, chains and marks over it.

Frames and maps go to the browser once. Scrubbing, playing, zooming and the overlay then happen there, and come back only as
`frame` (when a scrub has ended), `pixel` and `picked` (a click), `playing`, `swipe` and `painted`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.video.clip import Clip
from ikebook.widgets.arrays import check_options, colour_map, pack, quantise, value_range
from ikebook.widgets.canvas_traits import CanvasTraits
from ikebook.widgets.frame_picture import picture_of, png, with_still


class VideoCanvas(CanvasTraits):
    """A video with what is drawn over it.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8 RGB, (m, h, w) uint8 grey, or Clip, optional
        The video; without it, the maps are shown in their colours alone.
    maps : (m, h, w) bool or real, optional
        A map over it: soft masks, labels.
    compare : like maps, or like frames, optional
        What is shown on the right of the swipe line.
    map_range : (float, float), optional
        Values of the first and the last colour: by default 0 and 1, or the maps' own range, about 0 if they are signed.
    colours : str or bytes, optional
        Name of a colour map, or its bytes; see `ikebook.widgets.arrays.colour_map`. By default "object" for masks, "signed"
        for maps with values below 0, "viridis" else.
    **options
        Any other of the traits below, by its name.

    Attributes
    ----------
    shape : (m, h, w)
        Of the video. To be given where there are neither frames nor maps.
    frame : int, default 0
        The frame shown. Set it to go there; the browser sends it when a scrub has ended, or all the while with `follow`.
    pixel : [x, y] or None
        The pixel last clicked; `picked` is [frame, x, y], and changes with it.
    playing : bool, default False
        Where the reader's system asks for less motion, the browser begins only when they press Play.
    fps : float, default 12
        Frames per second while playing.
    opacity : float, default 0.65
        Of the maps over the frames, from 0 to 1.
    swipe : float, default 0.5
        Where the line before `compare` is, from 0 (left) to 1.
    paths : list of dict
        Chains: `points` [[frame, x, y], ...], and optionally `colour`, `width` (CSS pixels), `label`, `arrow`, `dots`
        (for thin lines: at both ends) and `show`,
        which is "all", "upto", "at" or "around" (`around` frames from) the current frame.
    points : list of dict
        Marked pixels: `x`, `y`, and optionally `frame` (all if None), `colour`, `label`, and `show`: "at" its frame alone, or
        "all", faint in others.
    curves : list of dict
        Plotted over the frames, above the slider: `values`, one for each frame or None, and optionally `label`, `colour`.
        `curve_range` are the values at the bottom and the top, by default 0 and 1.
    paint : bool, default False
        Whether the mouse draws. `painted` (uint8, h*w or m*h*w bytes) comes back after each stroke; `painting` is its array.
    brush : int, default 4
        The brush's radius, pixels.
    caption : str
        Above the picture.
    labels : list of str
        Names of the map, and of what it is compared with.
    readout : str
        Template of the text line; "{frame} {last} {frames} {x} {y} {value} {second} {rgb} {caption}", numbers with decimals
        as in "{value:3}".
    height : int, default 0
        Greatest height of the picture, CSS pixels; 420 if 0.
    parts : str, default "all"
        "all"; "stage", the picture alone; or "bar", the playback bar alone, for a group.
    group : str
        Canvases of one group show the same frame; see `link`.
    computed : str, default ""
        The name under which something in the page may show what it has computed here, until Python sends another map; see
        `LiveIteration`, whose canvas has its group's name.
    joins, places : list of str, bytes
        Of the picture of a matrix: the groups of the canvases in which the pixels of a row and of a column are marked while
        the pointer is on their entry, and (n, 3) int32, frame, x and y of each place. Python hears nothing of it.

    Raises
    ------
    InputError
        For unknown options, and arrays whose shapes do not fit each other.

    Examples
    --------
    >>> canvas = VideoCanvas(np.zeros((5, 16, 16, 3), np.uint8), caption="dark")
    >>> canvas
    VideoCanvas(5 frames of 16x16, frame 0)
    >>> canvas.show(maps=np.ones((5, 16, 16)))
    >>> canvas
    VideoCanvas(5 frames of 16x16, map in [0, 1], frame 0)
    """

    def __init__(
        self,
        frames: np.ndarray | Clip | None = None,
        *,
        maps: np.ndarray | None = None,
        compare: np.ndarray | None = None,
        map_range: tuple[float, float] | None = None,
        colours: str | bytes | None = None,
        **options: Any,
    ) -> None:
        allowed = {"shape", "layout", "tooltip", "tabbable", *self.trait_names(sync=True)}
        check_options(type(self).__name__, options, {name for name in allowed if name[0] != "_"})
        super().__init__()
        # Beside others in a row, each canvas then takes its share of the width.
        self.layout.width, self.layout.min_width = "100%", "0"
        self.show(frames=frames, maps=maps, compare=compare, map_range=map_range, colours=colours)
        with self.hold_sync():
            if "shape" in options:
                self.shape = options.pop("shape")
            for name, value in options.items():
                setattr(self, name, value)

    def show(
        self,
        *,
        frames: np.ndarray | Clip | None = None,
        maps: np.ndarray | None = None,
        compare: np.ndarray | None = None,
        map_range: tuple[float, float] | None = None,
        colours: str | bytes | None = None,
    ) -> None:
        """Show other arrays; what is None stays, as far as its size fits the new ones'.

        Parameters
        ----------
        frames, maps, compare, map_range, colours
            As in the constructor.

        Raises
        ------
        InputError
            For arrays whose shapes do not fit each other, and values that are not finite.
        """
        given = {
            "frames": frames.frames if isinstance(frames, Clip) else frames,
            "maps": maps,
            "compare": compare,
        }
        arrays = {name: checked_video(name, value) for name, value in given.items() if value is not None}
        shapes = {name: array.shape[:3] for name, array in arrays.items()}
        require(
            len(set(shapes.values())) <= 1,
            f"{' and '.join(f'{name} is {shape}' for name, shape in shapes.items())}; expected the same frames, height and "
            "width.",
        )
        values = [array for name, array in arrays.items() if name != "frames" and array.ndim == 3]
        ends = value_range(values, map_range) if map_range is not None or values else None
        if colours is None and values and ends is not None:
            is_mask = all(array.dtype == bool for array in values)
            colours = "object" if is_mask else "signed" if ends[0] < 0 < ends[1] else "viridis"
        with self.hold_sync():
            shape = next(iter(shapes.values()), self.shape)
            if shape != self.shape:
                self._forget(shape)
            if ends is not None:
                self.map_range = ends
            if colours is not None:
                self.colours = colour_map(colours) if isinstance(colours, str) else colours
            for name, array in arrays.items():
                setattr(self, name, self._packed(name, array))

    def close(self) -> None:
        """Take it out of the page, and forget its pictures."""
        super().close()
        self.frames = self.maps = self.compare = b""

    def _forget(self, shape: tuple[int, ...]) -> None:
        """Another shape: what belonged to the last one goes."""
        self.frames = self.maps = self.compare = self.painted = b""
        self.frame, self.playing = 0, False
        self.set_trait("pixel", None)
        self.set_trait("picked", None)
        self.paths, self.points, self.curves = [], [], []
        self.shape = shape

    def _packed(self, name: str, array: np.ndarray) -> bytes:
        if array.ndim == 4:
            return pack(array)
        if name == "frames":
            return pack(np.repeat(array[..., None], 3, axis=-1))
        return pack(quantise(array, *self.map_range))

    @property
    def painting(self) -> np.ndarray | None:
        """What has been painted, (h, w) or (m, h, w) float32 in [0, 1]; None before the first stroke."""
        if not self.painted:
            return None
        m, h, w = self.shape
        values = np.frombuffer(self.painted, np.uint8).astype(np.float32) / 255
        return values.reshape((h, w) if values.size == h * w else (m, h, w))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        picture = picture_of(self) if self.parts != "bar" else None
        return with_still(super()._repr_mimebundle_(**kwargs), repr(self), None if picture is None else png(picture))

    def __repr__(self) -> str:
        m, h, w = self.shape
        words = [f"{m} frames of {w}x{h}"]
        if self.maps:
            words.append(f"map in [{self.map_range[0]:g}, {self.map_range[1]:g}]")
        if self.compare:
            words.append("compared")
        return f"{type(self).__name__}({', '.join(words)}, frame {self.frame})"


def checked_video(name: str, values: Any) -> np.ndarray:
    """`frames`, `maps` or `compare` as an array of the shape and dtype that it may have; raise `InputError` else."""
    array = np.asarray(values)
    if array.dtype == object:  # not `require`, which would print every array first
        raise InputError(f"{name} is {check.short(values)}; expected an array of numbers.")
    colour = array.ndim == 4
    require(
        name != "maps" or not colour,
        f"maps has shape {array.shape}; expected (m, h, w). Pictures in colour are frames or compare.",
    )
    check.shape(name, array, ("m", "h", "w", 3) if colour else ("m", "h", "w"))
    require(array.size > 0, f"{name} has shape {array.shape}; expected at least one frame of one pixel.")
    if colour or name == "frames":
        require(array.dtype == np.uint8, f"{name} is {array.dtype}; expected uint8 colours, 0 to 255.")
    return array


def link(*canvases: VideoCanvas) -> None:
    """Let canvases of equally many frames show the same frame, and play together.

    In the browser they then go in step by themselves, with or without a kernel; in Python `frame` and `playing` are one.

    Parameters
    ----------
    *canvases : VideoCanvas

    Raises
    ------
    InputError
        If they have different numbers of frames.

    Examples
    --------
    >>> first, second = (VideoCanvas(shape=(5, 16, 16)) for _ in range(2))
    >>> link(first, second)
    >>> first.frame = 3
    >>> second.frame
    3
    """
    lengths = [canvas.shape[0] for canvas in canvases]
    require(len(set(lengths)) <= 1, f"canvases have {lengths} frames; only those with equally many can be linked.")
    for canvas in canvases[1:]:
        canvas.group = canvases[0].group
        for name in ("frame", "playing"):
            traitlets.link((canvases[0], name), (canvas, name))
