"""The canvas: a video in the browser, with maps, chains and marks over it.

Frames and maps go to the browser once. Scrubbing, playing, zooming and the overlay then happen there, and come back only as
`frame` (when a scrub has ended), `pixel` and `picked` (a click), `playing`, `swipe` and `painted`.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.widgets.arrays import DEFLATED, PICTURES, colour_table, finite, known, pack, plain, quantise, value_range

HERE = Path(__file__).parent


class VideoCanvas(anywidget.AnyWidget):
    """A video with what is drawn over it.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8 RGB, or (m, h, w) uint8 grey, optional
        The video; without it, the maps are shown in their colours alone.
    maps : (m, h, w), optional
        A map over it, of bool or real values: soft masks, labels.
    compare : like maps, or like frames, optional
        What is shown on the right of the swipe line.
    map_range : (low, high), optional
        Values of the first and the last colour: 0 and 1, or the maps' own range, about 0 if they are signed.
    colours : name of a colour table (see `colour_table`) or its bytes, optional
        "object" for masks, "viridis", or "signed" if the maps are.
    **options : any other trait, by its name

    Attributes
    ----------
    frame : int
        The frame shown. Set it to go there; the browser sends it when a scrub has ended.
    pixel : (x, y) or None
        The pixel last clicked; `picked` is (frame, x, y), and changes with it.
    playing : bool
    paths : list of dict
        Chains: `points` [[frame, x, y], ...], and optionally `colour`, `width`, `label`, `arrow` and `show`, which is
        "all", "upto", "at" or "around" the current frame.
    points : list of dict
        Marked pixels: `x`, `y`, and optionally `frame` (all if None), `colour`, `label`, and `show`: "at" its frame alone, or
        "all", faint in others.
    curves : list of dict
        Plotted over the frames, above the slider: `values`, one for each frame or None, and optionally `label`, `colour`.
        `curve_range` are the values at the bottom and the top.
    paint : bool
        Whether the mouse draws. `painted` (uint8, h*w or m*h*w bytes) comes back after each stroke; `painting` is its array.
    labels : list of str
        Names of the map, and of what it is compared with.
    readout : str
        Template of the text line; "{frame} {last} {frames} {x} {y} {value} {second} {rgb} {caption}", numbers with decimals
        as in "{value:3}".
    parts : str
        "all"; "stage", the picture alone; or "bar", the playback bar alone, for a group.
    group : str
        Canvases of one group show the same frame; see `link`.
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
    """

    _esm = HERE / "canvas.js"
    _css = HERE / "canvas.css"

    shape = traitlets.Tuple(traitlets.Int(), traitlets.Int(), traitlets.Int(), default_value=(0, 0, 0)).tag(sync=True)
    frames = traitlets.Bytes(b"").tag(sync=True)
    maps = traitlets.Bytes(b"").tag(sync=True)
    compare = traitlets.Bytes(b"").tag(sync=True)
    map_range = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 1.0)).tag(sync=True)
    colours = traitlets.Bytes().tag(sync=True)
    opacity = traitlets.Float(0.65).tag(sync=True)
    swipe = traitlets.Float(0.5).tag(sync=True)
    paths = traitlets.List(traitlets.Dict()).tag(sync=True)
    points = traitlets.List(traitlets.Dict()).tag(sync=True)
    curves = traitlets.List(traitlets.Dict()).tag(sync=True)
    curve_range = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 1.0)).tag(sync=True)
    paint = traitlets.Bool(False).tag(sync=True)
    painted = traitlets.Bytes(b"").tag(sync=True, echo_update=False, from_json=lambda value, _: bytes(value))
    brush = traitlets.Int(4).tag(sync=True)
    caption = traitlets.Unicode("").tag(sync=True)
    readout = traitlets.Unicode("").tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    fps = traitlets.Float(12.0).tag(sync=True)
    height = traitlets.Int(0).tag(sync=True)
    parts = traitlets.Enum(["all", "stage", "bar"], "all").tag(sync=True)
    group = traitlets.Unicode().tag(sync=True)
    follow = traitlets.Bool(False).tag(sync=True)
    joins = traitlets.List(traitlets.Unicode()).tag(sync=True)
    places = traitlets.Bytes(b"").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    pixel = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)
    picked = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        frames: np.ndarray | None = None,
        *,
        maps: np.ndarray | None = None,
        compare: np.ndarray | None = None,
        map_range: tuple[float, float] | None = None,
        colours: str | bytes | None = None,
        **options: Any,
    ) -> None:
        allowed = {"shape", "layout", "tooltip", "tabbable", *self.trait_names(sync=True)}
        known(type(self).__name__, options, {name for name in allowed if name[0] != "_"})
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
        frames: np.ndarray | None = None,
        maps: np.ndarray | None = None,
        compare: np.ndarray | None = None,
        map_range: tuple[float, float] | None = None,
        colours: str | bytes | None = None,
    ) -> None:
        """Show other arrays, as in the constructor; what is None stays, as far as its size fits the new ones'."""
        given = {"frames": frames, "maps": maps, "compare": compare}
        arrays = {name: np.asarray(array) for name, array in given.items() if array is not None}
        shapes = {}
        for name, array in arrays.items():
            colour = array.ndim == 4
            require(
                name != "maps" or not colour,
                f"maps has shape {array.shape}; expected (m, h, w). Pictures in colour are frames or compare.",
            )
            check.shape(name, array, ("m", "h", "w", 3) if colour else ("m", "h", "w"))
            require(array.size > 0, f"{name} has shape {array.shape}; expected at least one frame of one pixel.")
            if colour or name == "frames":
                require(array.dtype == np.uint8, f"{name} is {array.dtype}; expected uint8 colours, 0 to 255.")
            shapes[name] = array.shape[:3]
        require(
            len(set(shapes.values())) <= 1,
            f"{' and '.join(f'{name} is {shape}' for name, shape in shapes.items())}; expected the same frames, height and "
            "width.",
        )
        values = [array for name, array in arrays.items() if name != "frames" and array.ndim == 3]
        if map_range is not None or values:
            low, high = value_range(values, map_range)
            if colours is None and values:
                is_mask = all(array.dtype == bool for array in values)
                colours = "object" if is_mask else "signed" if low < 0 < high else "viridis"
        with self.hold_sync():
            shape = next(iter(shapes.values()), self.shape)
            if shape != self.shape:
                self.frames = self.maps = self.compare = self.painted = b""
                self.frame, self.playing = 0, False
                self.set_trait("pixel", None)
                self.set_trait("picked", None)
                self.paths, self.points, self.curves = [], [], []
                self.shape = shape
            if map_range is not None or values:
                self.map_range = (low, high)
            if colours is not None:
                self.colours = colour_table(colours) if isinstance(colours, str) else colours
            for name, array in arrays.items():
                if array.ndim == 4:
                    packed = pack(array)
                elif name == "frames":
                    packed = pack(np.repeat(array[..., None], 3, axis=-1))
                else:
                    packed = pack(quantise(array, *self.map_range))
                setattr(self, name, packed)

    @property
    def painting(self) -> np.ndarray | None:
        """What has been painted, (h, w) or (m, h, w) float32 in [0, 1]; None before the first stroke."""
        if not self.painted:
            return None
        m, h, w = self.shape
        values = np.frombuffer(self.painted, np.uint8).astype(np.float32) / 255
        return values.reshape((h, w) if values.size == h * w else (m, h, w))

    @traitlets.default("colours")
    def _default_colours(self) -> bytes:
        return colour_table("viridis")

    @traitlets.default("group")
    def _default_group(self) -> str:
        return uuid.uuid4().hex  # one widget shown twice is one group

    @traitlets.validate("shape")
    def _check_shape(self, proposal: Any) -> tuple[int, int, int]:
        shape = tuple(proposal.value)
        require(min(shape) >= 0, f"shape is {shape}; expected (frames, height, width), none below 0.")
        return shape

    @traitlets.validate("frames", "maps", "compare")
    def _check_video(self, proposal: Any) -> bytes:
        data, name = bytes(proposal.value), proposal.trait.name
        channels = {"frames": [3], "maps": [1], "compare": [1, 3]}[name]
        m, h, w = self.shape
        sizes = [m * h * w * count for count in channels]
        fits = not data or data[:4] in {PICTURES, DEFLATED} or len(data) in sizes
        require(
            fits,
            f"{name} has {len(data)} bytes; expected {' or '.join(map(str, sizes))} for the shape {self.shape}. Use "
            f"show({name}=array), which sets both.",
        )
        return data

    @traitlets.validate("colours")
    def _check_colours(self, proposal: Any) -> bytes:
        data = bytes(proposal.value)
        require(
            len(data) in {768, 1024},
            f"colours has {len(data)} bytes; expected 256 colours of 3 (RGB) or 4 (RGBA), such as "
            'colour_table("viridis").',
        )
        return data

    @traitlets.validate("places")
    def _check_places(self, proposal: Any) -> bytes:
        data = bytes(proposal.value)
        require(len(data) % 12 == 0, f"places has {len(data)} bytes; expected 12 for each: frame, x and y as int32.")
        return data

    @traitlets.validate("painted")
    def _check_painted(self, proposal: Any) -> bytes:
        data = bytes(proposal.value)
        m, h, w = self.shape
        require(
            len(data) in {0, h * w, m * h * w},
            f"painted has {len(data)} bytes; expected {h * w} for all frames in one, or {m * h * w} for each.",
        )
        return data

    @traitlets.validate("map_range", "curve_range")
    def _check_range(self, proposal: Any) -> tuple[float, float]:
        low, high = proposal.value
        require(
            bool(np.isfinite([low, high]).all()) and low < high,
            f"{proposal.trait.name} is {proposal.value}; expected two finite numbers, the lower first.",
        )
        return low, high

    @traitlets.validate("opacity", "swipe")
    def _check_share(self, proposal: Any) -> float:
        value, name = proposal.value, proposal.trait.name
        require(0 <= value <= 1, f"{name} is {value}; expected a number from 0 to 1.")
        return value

    @traitlets.validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        last = max(0, self.shape[0] - 1)
        require(0 <= proposal.value <= last, f"frame is {proposal.value}; expected one of 0 to {last}.")
        return proposal.value

    @traitlets.validate("pixel")
    def _check_pixel(self, proposal: Any) -> list[int] | None:
        if proposal.value is None:
            return None
        _, h, w = self.shape
        value = list(proposal.value)
        require(
            len(value) == 2 and 0 <= value[0] < w and 0 <= value[1] < h,
            f"pixel is {tuple(value)}; expected (x, y) with x from 0 to {w - 1} and y from 0 to {h - 1}.",
        )
        return value

    @traitlets.validate("fps")
    def _check_fps(self, proposal: Any) -> float:
        check.number("fps", proposal.value, above=0)
        return proposal.value

    @traitlets.validate("paths")
    def _check_paths(self, proposal: Any) -> list[dict[str, Any]]:
        allowed = {"points", "colour", "width", "label", "arrow", "show", "around"}
        for path in proposal.value:
            known("a path", path, allowed, {"points"})
            bad = [point for point in path["points"] if len(point) != 3]
            require(not bad, f"a path has the point {bad[:1]}; expected [frame, x, y].")
            check.one_of("a path's show", path.get("show", "all"), ["all", "upto", "at", "around"])
        return [path | {"points": [plain(point) for point in path["points"]]} for path in proposal.value]

    @traitlets.validate("points")
    def _check_points(self, proposal: Any) -> list[dict[str, Any]]:
        for point in proposal.value:
            known("a point", point, {"frame", "x", "y", "colour", "label", "show"}, {"x", "y"})
            check.one_of("a point's show", point.get("show", "all"), ["all", "at"])
        return [dict(zip(point, plain(point.values()), strict=True)) for point in proposal.value]

    @traitlets.validate("curves")
    def _check_curves(self, proposal: Any) -> list[dict[str, Any]]:
        m = self.shape[0]
        for curve in proposal.value:
            known("a curve", curve, {"values", "label", "colour"}, {"values"})
            count = len(curve["values"])
            require(count == m, f"a curve has {count} values; expected one for each of {m} frames (None for none).")
        return [curve | {"values": finite(curve["values"])} for curve in proposal.value]

    def __repr__(self) -> str:
        m, h, w = self.shape
        words = [f"{m} frames of {w}x{h}"]
        if self.maps:
            words.append(f"map in [{self.map_range[0]:g}, {self.map_range[1]:g}]")
        if self.compare:
            words.append("compared")
        return f"{type(self).__name__}({', '.join(words)}, frame {self.frame})"


def link(*canvases: VideoCanvas) -> None:
    """Let canvases of equally many frames show the same frame, and play together.

    In the browser they then go in step by themselves, with or without a kernel; in Python `frame` and `playing` are one.

    Raises
    ------
    InputError
        If they have different numbers of frames.
    """
    lengths = [canvas.shape[0] for canvas in canvases]
    require(len(set(lengths)) <= 1, f"canvases have {lengths} frames; only those with equally many can be linked.")
    for canvas in canvases[1:]:
        canvas.group = canvases[0].group
        for name in ("frame", "playing"):
            traitlets.link((canvases[0], name), (canvas, name))
