"""Line plots that are drawn many times a second: curves that grow while something runs.

matplotlib takes half a second or more for such a picture (measured on one core), which is what a whole iteration may take.
These are plain inline SVG in the theme's colours; every other plot is matplotlib's (`figures`).
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from ikebook.base.check import require
from ikebook.widgets.figures import BLUE, GREEN, ORANGE, PURPLE, RED

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#8a6d3b", "#00939c", "#c2497f")

LEFT, RIGHT, TOP, BOTTOM = 48, 12, 34, 40
"""Margins, in units of the picture."""


def line_chart(
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    span: tuple[float, float],
    last: int,
    log: bool = False,
    mark: float | None = None,
    label: str = "iteration",
    first: int = 0,
    size: tuple[int, int] = (440, 220),
    dashed: Sequence[str] = (),
) -> str:
    """Curves as inline SVG.

    Parameters
    ----------
    series : values by name; a value that is NaN or infinite interrupts the curve. Names are written beside more than one.
    title : above it
    span : least and greatest value shown
    last : x at the right end
    log : decades on the vertical axis; `span` is above 0 then
    mark : x of a vertical line
    label : of the horizontal axis
    first : x of the first value
    size : width and height, pixels at most
    dashed : names of curves that are drawn so, for those that lie on others
    """
    low, high = span
    require(
        low < high and (not log or low > 0), f"span is {span}; expected two numbers, the lower first, above 0 if log."
    )
    width, height = size
    legend = 20 * ((len(series) + 1) // 2) if len(series) > 1 else 0  # two names in a row
    right, bottom = width - RIGHT, height - BOTTOM
    last = max(last, first + 1)

    def across(x: float) -> float:
        return LEFT + (right - LEFT) * (x - first) / (last - first)

    def up(value: float) -> float:
        part = math.log(max(value, 1e-300) / low) / math.log(high / low) if log else (value - low) / (high - low)
        return bottom - (bottom - TOP) * min(max(part, 0.0), 1.0)

    parts = [_text(LEFT - 40, 17, title, size=14, weight=600)]
    for value in _decades(low, high) if log else _ticks(low, high):
        y = up(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="currentColor" stroke-opacity="0.15"/>')
        parts.append(_text(LEFT - 7, y + 4, f"{value:g}".replace("e-0", "e-"), anchor="end"))
    parts += [_text(across(x), bottom + 17, f"{x:g}", anchor="middle") for x in _ticks(first, last, whole=True)]
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="currentColor" stroke-opacity="0.6" fill="none"/>')
    parts.append(_text((LEFT + right) / 2, bottom + 34, label, anchor="middle"))
    if mark is not None:
        parts.append(
            f'<path d="M{across(mark):.1f} {TOP}V{bottom}" stroke="currentColor" stroke-opacity="0.6" stroke-dasharray="3 3"/>'
        )
    for index, (name, values) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = [(across(first + k), up(value)) if math.isfinite(value) else None for k, value in enumerate(values)]
        dash = ' stroke-dasharray="7 5"' if name in dashed else ""
        parts.append(f'<path d="{_path(points)}" fill="none" stroke="{colour}" stroke-width="2.2"{dash}/>')
        if len(points) <= 60:
            parts += [
                f'<circle cx="{p[0]:.1f}" cy="{p[1]:.1f}" r="2.6" fill="{colour}"/>' for p in points if p is not None
            ]
        if legend:
            x, y = LEFT + (right - LEFT) // 2 * (index % 2), height + 6 + 20 * (index // 2)
            parts.append(f'<path d="M{x} {y}h22" stroke="{colour}" stroke-width="3"{dash}/>')
            parts.append(_text(x + 30, y + 5, name, size=13))
    said = "; ".join(f"{name}: {_last(values)}" for name, values in series.items())
    alt = html.escape(f"{title}. Last values: {said}.")
    return (
        f'<svg role="img" aria-label="{alt}" viewBox="0 0 {width} {height + legend}" style="width: 100%; max-width: '
        f'{width}px; height: auto; color: var(--jp-ui-font-color0, inherit); font-family: system-ui, sans-serif">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="currentColor">{html.escape(text)}</text>'
    )


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """An SVG path, begun anew after each gap."""
    steps, drawing = [], False
    for point in points:
        if point is not None:
            steps.append(f"{'L' if drawing else 'M'}{point[0]:.1f} {point[1]:.1f}")
        drawing = point is not None
    return "".join(steps)


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Round numbers, about five, within a range."""
    raw = (high - low) / 5
    scale = 10 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= raw * 0.999)
    step = max(step, 1) if whole else step
    count = math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1
    return [round((math.ceil(low / step - 1e-9) + k) * step, 12) for k in range(count)]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**k for k in range(first, last + 1, max(1, (last - first) // 4))]


def _last(values: Sequence[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    return f"{known[-1]:.3g}" if known else "none yet"
