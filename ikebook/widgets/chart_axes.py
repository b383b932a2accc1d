"""The axes of charts: where they end, and which numbers stand beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def padded(values: Sequence[float], part: float = 0.06) -> tuple[float, float]:
    """Ends of an axis for these values and 0, with some room where they are not 0."""
    low, high = min([0.0, *values]), max([0.0, *values])
    room = part * (high - low) or 1.0
    return low - room * (low < 0), high + room * (high > 0 or low == 0)


def round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten.

    >>> round_up(0.3)
    0.5
    """
    scale = 10.0 ** math.floor(math.log10(value))
    return next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= value)


def ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers within a range, about `count` of them.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(-2.6, 2.6, 7, whole=True)
    [-2.0, -1.0, 0.0, 1.0, 2.0]
    """
    raw = (high - low) / count
    scale = 10 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= raw * 0.999)
    step = max(step, 1) if whole else step
    found = math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1
    return [round((math.ceil(low / step - 1e-9) + k) * step, 12) for k in range(found)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten within a range, about four, evenly spaced.

    >>> decades(1e-6, 10)
    [1e-06, 0.0001, 0.01, 1.0]
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**k for k in range(first, last + 1, max(1, round((last - first) / 4)))]


def number(value: float) -> str:
    """A number beside an axis."""
    return f"{value:g}".replace("-", "\u2212")


def power_of_ten(value: float) -> str:
    """A power of ten beside an axis: as it is, or with an exponent where that would be long.

    >>> power_of_ten(0.01), power_of_ten(1e-6)
    ('0.01', '10⁻⁶')
    """
    exponent = round(math.log10(value))
    if -3 < exponent < 4:
        return number(value)
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
