"""What Python and the browser know of a canvas together: its traits, and which values they may have."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.widgets.arrays import DEFLATED, PICTURES, check_options, colour_map, json_numbers, python_numbers
from ikebook.widgets.runs import painted_from_json, painted_to_json
from ikebook.widgets.scripts import script, style
from ikebook.widgets.shared_bytes import shared
from ikebook.widgets.synced import Synced, validate


class CanvasTraits(Synced):
    """The traits of `VideoCanvas`, which says what they are; each raises `InputError` for a value that it can't have."""

    _esm = script("canvas.js")
    _css = style("canvas.css")

    shape = traitlets.Tuple(traitlets.Int(), traitlets.Int(), traitlets.Int(), default_value=(0, 0, 0)).tag(sync=True)
    frames = traitlets.Bytes(b"").tag(sync=True, to_json=shared("frames"))
    maps = traitlets.Bytes(b"").tag(sync=True, to_json=shared("maps"))
    compare = traitlets.Bytes(b"").tag(sync=True, to_json=shared("compare"))
    map_range = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 1.0)).tag(sync=True)
    colours = traitlets.Bytes().tag(sync=True)
    opacity = traitlets.Float(0.65).tag(sync=True)
    swipe = traitlets.Float(0.5).tag(sync=True)
    paths = traitlets.List(traitlets.Dict()).tag(sync=True)
    points = traitlets.List(traitlets.Dict()).tag(sync=True)
    curves = traitlets.List(traitlets.Dict()).tag(sync=True)
    curve_range = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 1.0)).tag(sync=True)
    paint = traitlets.Bool(False).tag(sync=True)
    painted = traitlets.Bytes(b"").tag(
        sync=True, echo_update=False, to_json=painted_to_json, from_json=painted_from_json
    )
    brush = traitlets.Int(4).tag(sync=True)
    caption = traitlets.Unicode("").tag(sync=True)
    readout = traitlets.Unicode("").tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    fps = traitlets.Float(12.0).tag(sync=True)
    height = traitlets.Int(0).tag(sync=True)
    parts = traitlets.Enum(["all", "stage", "bar"], "all").tag(sync=True)
    group = traitlets.Unicode().tag(sync=True)
    follow = traitlets.Bool(False).tag(sync=True)
    computed = traitlets.Unicode("").tag(sync=True)
    joins = traitlets.List(traitlets.Unicode()).tag(sync=True)
    places = traitlets.Bytes(b"").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    pixel = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)
    picked = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    @traitlets.default("colours")
    def _default_colours(self) -> bytes:
        return colour_map("viridis")

    @traitlets.default("group")
    def _default_group(self) -> str:
        return uuid.uuid4().hex  # one widget shown twice is one group

    @validate("shape")
    def _check_shape(self, proposal: Any) -> tuple[int, int, int]:
        shape = tuple(proposal.value)
        require(min(shape) >= 0, f"shape is {shape}; expected (frames, height, width), none below 0.")
        return shape

    @validate("frames", "maps", "compare")
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

    @validate("colours")
    def _check_colours(self, proposal: Any) -> bytes:
        data = bytes(proposal.value)
        require(
            len(data) in {768, 1024},
            f"colours has {len(data)} bytes; expected 256 colours of 3 (RGB) or 4 (RGBA), such as "
            'colour_map("viridis").',
        )
        return data

    @validate("places")
    def _check_places(self, proposal: Any) -> bytes:
        data = bytes(proposal.value)
        require(len(data) % 12 == 0, f"places has {len(data)} bytes; expected 12 for each: frame, x and y as int32.")
        return data

    @validate("painted")
    def _check_painted(self, proposal: Any) -> bytes:
        data = bytes(proposal.value)
        m, h, w = self.shape
        require(
            len(data) in {0, h * w, m * h * w},
            f"painted has {len(data)} bytes; expected {h * w} for all frames in one, or {m * h * w} for each.",
        )
        return data

    @validate("map_range", "curve_range")
    def _check_range(self, proposal: Any) -> tuple[float, float]:
        low, high = proposal.value
        require(
            bool(np.isfinite([low, high]).all()) and low < high,
            f"{proposal.trait.name} is {proposal.value}; expected two finite numbers, the lower first.",
        )
        return low, high

    @validate("opacity", "swipe")
    def _check_share(self, proposal: Any) -> float:
        value, name = proposal.value, proposal.trait.name
        require(0 <= value <= 1, f"{name} is {value}; expected a number from 0 to 1.")
        return value

    @validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        last = max(0, self.shape[0] - 1)
        require(0 <= proposal.value <= last, f"frame is {proposal.value}; expected one of 0 to {last}.")
        return proposal.value

    @validate("pixel")
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

    @validate("fps")
    def _check_fps(self, proposal: Any) -> float:
        check.number("fps", proposal.value, above=0)
        return proposal.value

    @validate("paths")
    def _check_paths(self, proposal: Any) -> list[dict[str, Any]]:
        allowed = {"points", "colour", "width", "label", "arrow", "dots", "show", "around"}
        for path in proposal.value:
            check_options("a path", path, allowed, {"points"})
            bad = [point for point in path["points"] if len(point) != 3]
            require(not bad, f"a path has the point {bad[:1]}; expected [frame, x, y].")
            check.one_of("a path's show", path.get("show", "all"), ["all", "upto", "at", "around"])
        return [path | {"points": [python_numbers(point) for point in path["points"]]} for path in proposal.value]

    @validate("points")
    def _check_points(self, proposal: Any) -> list[dict[str, Any]]:
        for point in proposal.value:
            check_options("a point", point, {"frame", "x", "y", "colour", "label", "show"}, {"x", "y"})
            check.one_of("a point's show", point.get("show", "all"), ["all", "at"])
        return [dict(zip(point, python_numbers(point.values()), strict=True)) for point in proposal.value]

    @validate("curves")
    def _check_curves(self, proposal: Any) -> list[dict[str, Any]]:
        m = self.shape[0]
        for curve in proposal.value:
            check_options("a curve", curve, {"values", "label", "colour"}, {"values"})
            count = len(curve["values"])
            require(count == m, f"a curve has {count} values; expected one for each of {m} frames (None for none).")
        return [curve | {"values": json_numbers(curve["values"])} for curve in proposal.value]
