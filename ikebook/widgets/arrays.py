"""Arrays as the browser takes them, colours for them, and options checked by name."""

from __future__ import annotations

import difflib
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps

from ikebook.base.check import InputError, require
from ikebook.base.files import OVERLAY_COLOUR

RAW_BYTES = 1 << 20
"""Videos up to this size are sent as they are, larger ones compressed: frames as JPEG, maps without loss."""

JPEG_QUALITY = 92

PICTURES, DEFLATED = b"IKEJ", b"IKEZ"
"""How compressed videos begin: pictures, as their number, their sizes (uint32, little-endian) and themselves; a zlib stream."""

QUANTILE_VALUES = 200_000
"""About as many values of a video's labels are looked at for the range of its colours; all would take longer than drawing."""


def pack(array: np.ndarray) -> bytes:
    """A video as the browser takes it: as it is, or compressed if large and if that makes it smaller.

    Parameters
    ----------
    array : (m, h, w, 3) or (m, h, w) uint8
        Frames are compressed as JPEG, one picture each; maps are deflated, without loss.

    Returns
    -------
    bytes
        The array's own, or such as begin with `PICTURES` or `DEFLATED`.
    """
    require(array.dtype == np.uint8, f"the video is {array.dtype}; expected uint8.")
    raw = np.ascontiguousarray(array).tobytes()
    if len(raw) <= RAW_BYTES:
        return raw
    if array.ndim == 4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        # OpenCV counts colours backwards.
        pictures = [cv2.imencode(".jpg", frame[..., ::-1], quality)[1].tobytes() for frame in array]
        head = struct.pack(f"<{1 + len(pictures)}I", len(pictures), *map(len, pictures))
        packed = b"".join([PICTURES, head, *pictures])
    else:
        packed = DEFLATED + zlib.compress(raw, 6)
    return packed if len(packed) < len(raw) else raw


def quantise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Real values (...) as uint8: 0 at `low` and below, 255 at `high` and above, NaN as 0."""
    scaled = (np.nan_to_num(np.asarray(values, np.float32), nan=low) - low) * (255 / (high - low))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


@cache
def colour_map(name: str) -> bytes:
    """256 colours as bytes, RGB or RGBA.

    Parameters
    ----------
    name : str
        "object" (transparent to red, with alpha), "signed" (blue, white, red), "grey", or a colour map of matplotlib's.

    Returns
    -------
    bytes
        768, or 1024 with alpha.

    Raises
    ------
    InputError
        If there is no such colour map.

    Examples
    --------
    >>> len(colour_map("viridis")), len(colour_map("object"))
    (768, 1024)
    """
    if name == "object":
        colours = np.empty((256, 4), np.uint8)
        colours[:, :3] = OVERLAY_COLOUR
        colours[:, 3] = np.arange(256)
        return colours.tobytes()
    name = {"signed": "RdBu_r", "grey": "gray"}.get(name, name)
    if name not in colormaps:
        near = difflib.get_close_matches(name, list(colormaps), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"colours is {name!r}; expected 'object', 'signed', or a name of matplotlib's.{hint}")
    return np.ascontiguousarray((colormaps[name](np.arange(256) / 255)[:, :3] * 255).round().astype(np.uint8)).tobytes()


def check_options(what: str, options: Mapping[str, Any], allowed: Iterable[str], needed: Iterable[str] = ()) -> None:
    """Raise `InputError` for an option that is not among those allowed, with the name that was probably meant."""
    allowed = sorted(allowed)
    for name in options:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(allowed)}."
            raise InputError(f"{what} has no option {name!r}. {hint}")
    missing = sorted(set(needed) - set(options))
    require(not missing, f"{what} has no {', '.join(missing)}; expected at least {', '.join(sorted(needed))}.")


def python_numbers(values: Iterable[Any]) -> list[Any]:
    """Numbers of NumPy or torch as Python's, which JSON can hold; all else as it is."""
    return [value.item() if hasattr(value, "item") else value for value in values]


def json_numbers(values: Iterable[Any]) -> list[float | None]:
    """Numbers as Python's, and None for those that JSON has no word for: NaN and infinities."""
    return [None if value is None or not math.isfinite(value) else float(value) for value in values]


def value_range(values: Sequence[np.ndarray], given: tuple[float, float] | None = None) -> tuple[float, float]:
    """The values that the first and the last colour stand for: those given, or 0 and 1, or what there is, about 0 if signed.

    Raises
    ------
    InputError
        If there are values that are NaN or infinite.
    """
    for array in values:
        finite = bool(np.isfinite(array).all())
        require(finite, "maps or compare has values that are NaN or infinite; replace them, with 0 say.")
    if given is not None:
        return float(given[0]), float(given[1])
    low = min(float(array.min()) for array in values)
    high = max(float(array.max()) for array in values)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low < 0:
        return -max(-low, high), max(-low, high)
    return low, high if high > low else low + 1


def symmetric_limit(values: np.ndarray, part: float = 0.998) -> float:
    """A range of colours about 0 that a few outliers do not spoil: the quantile `part` of |values|, above 0.

    Parameters
    ----------
    values : (n,) or of any other shape
        Of a vector, every few are looked at if it is long.
    part : float, default 0.998
    """
    size = np.abs(values)
    found = float(np.quantile(size[:: max(1, size.size // QUANTILE_VALUES)] if size.ndim == 1 else size, part))
    return found or float(size.max()) or 1.0
