"""Charts: curves and bars as inline SVG, in the colours of the page's theme.

A widget draws them anew after each click and while something runs, so they are made as text: the two of `ChainExplorer` take
half a millisecond, where matplotlib took a third of a second (one core).
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from ikebook.base import check
from ikebook.base.check import require
from ikebook.video.colours import BLUE, COLOURS, ORANGE
from ikebook.widgets.chart_axes import decades, number, power_of_ten, ticks

LEFT, RIGHT, TOP, BOTTOM = 50, 14, 34, 42
"""Margins around the axes, in units of the picture."""

LINE = 20
"""Height of a line of the legend."""

LETTER, TITLE_LETTER = 7.0, 8.2
"""Widths of a letter in the legend and in the title, about: SVG can't say how wide a text will be."""

SAMPLE = 48
"""Width of a line's sample in the legend, and of the room beside its name."""

MARKED = 60
"""Points of a curve up to which each of them has a dot."""

DASHES = ' stroke-dasharray="7 5"'


class Chart:
    """Curves, bars and marks over two axes.

    Parameters
    ----------
    title : str
        Above the axes.
    x, y : (float, float)
        Values at the ends of the axes, the lower first. What lies above or below is drawn at the edge.
    log : bool, default False
        Decades on the vertical axis, whose ends are above 0 then.
    label : str, default ""
        Of the horizontal axis.
    whole : bool, default True
        Whether only whole numbers are written along the horizontal axis.
    size : (int, int), default (440, 220)
        Width and height without the legend. On the page it is scaled to the width that there is, up to this one.

    Raises
    ------
    InputError
        If an axis has no length.

    Examples
    --------
    >>> chart = Chart("squares", x=(0, 3), y=(0, 9), label="number")
    >>> chart.curve([0, 1, 2, 3], [0, 1, 4, 9])
    >>> chart.svg("a parabola")[:35]
    '<svg role="img" aria-label="squares'
    """

    def __init__(
        self,
        title: str,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        log: bool = False,
        label: str = "",
        whole: bool = True,
        size: tuple[int, int] = (440, 220),
    ) -> None:
        for name, (low, high) in (("x", x), ("y", y)):
            require(low < high, f"{name} is {(low, high)}; expected two numbers, the lower first.")
        require(not log or y[0] > 0, f"y is {y}; expected numbers above 0, for a logarithmic axis.")
        self.title, self.x, self.y, self.log, self.label, self.whole = title, x, y, log, label, whole
        self.width, self.height = size
        self.right, self.bottom = self.width - RIGHT, self.height - BOTTOM
        self._drawn: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def across(self, value: float) -> float:
        """Where a value of the horizontal axis lies in the picture."""
        low, high = self.x
        return LEFT + (self.right - LEFT) * (value - low) / (high - low)

    def up(self, value: float) -> float:
        """Where a value of the vertical axis lies in the picture, at its edge if beyond."""
        low, high = self.y
        part = math.log(max(value, 1e-300) / low) / math.log(high / low) if self.log else (value - low) / (high - low)
        return self.bottom - (self.bottom - TOP) * min(max(part, 0.0), 1.0)

    def curve(
        self,
        x: Sequence[float],
        y: Sequence[float],
        *,
        name: str = "",
        colour: str = BLUE,
        dashed: bool = False,
        marker: str = "circle",
    ) -> None:
        """Draw a curve; a value that is NaN or infinite interrupts it.

        Parameters
        ----------
        x, y : sequence of float
            Its points.
        name : str, default ""
            In the legend, if any.
        colour : str
            As CSS writes it.
        dashed : bool, default False
            For a curve that lies on others.
        marker : str, default "circle"
            Of each point, unless there are many: "circle", "square" or "triangle".
        """
        check.one_of("marker", marker, MARKERS)
        dash = DASHES if dashed else ""
        points = [
            (self.across(u), self.up(v)) if math.isfinite(u) and math.isfinite(v) else None
            for u, v in zip(x, y, strict=True)
        ]
        self._drawn.append(f'<path d="{path(points)}" fill="none" stroke="{colour}" stroke-width="2.2"{dash}/>')
        if len(points) <= MARKED:
            self._drawn += [MARKERS[marker].format(*point, colour) for point in points if point is not None]
        if name:
            dot = MARKERS[marker].format(11, 0, colour) if len(points) <= MARKED else ""
            self._legend.append((name, f'<path d="M0 0h22" stroke="{colour}" stroke-width="2.2"{dash}/>{dot}'))

    def bars(
        self,
        x: Sequence[float],
        heights: Sequence[float],
        *,
        base: Sequence[float] | float = 0.0,
        colours: str | Sequence[str] = BLUE,
        name: str = "",
        width: float = 0.8,
    ) -> None:
        """Draw bars.

        Parameters
        ----------
        x, heights : sequence of float
            Their middles and heights.
        base : float or sequence of float, default 0
            Where each begins: the heights of those below, for bars on bars.
        colours : str or sequence of str
            Of all, or of each.
        name : str, default ""
            In the legend, if any.
        width : float, default 0.8
            In units of the horizontal axis.
        """
        bases = [base] * len(x) if isinstance(base, (int, float)) else base
        each = [colours] * len(x) if isinstance(colours, str) else colours
        for middle, height, begin, colour in zip(x, heights, bases, each, strict=True):
            left, right = self.across(middle - width / 2), self.across(middle + width / 2)
            top, bottom = sorted((self.up(begin), self.up(begin + height)))
            if bottom > top:
                self._drawn.append(
                    f'<path d="M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z" fill="{colour}"/>'
                )
        if name:
            self._legend.append((name, f'<path d="M2 -5h20v10h-20z" fill="{each[0] if each else BLUE}"/>'))

    def rule(self, *, x: float | None = None, y: float | None = None, dashed: bool = True) -> None:
        """Draw a line across the axes, at a value of either."""
        way = f"M{self.across(x):.1f} {TOP}V{self.bottom}" if x is not None else ""
        way += f"M{LEFT} {self.up(y):.1f}H{self.right}" if y is not None else ""
        dash = ' stroke-dasharray="3 3"' if dashed else ""
        self._drawn.append(f'<path d="{way}" stroke="currentColor" stroke-opacity="0.6"{dash}/>')

    def level(self, left: float, right: float, y: float) -> None:
        """Draw a short dotted line at a height."""
        way = f"M{self.across(left):.1f} {self.up(y):.1f}H{self.across(right):.1f}"
        self._drawn.append(f'<path d="{way}" stroke="currentColor" stroke-dasharray="1.5 3"/>')

    def distance(self, x: float, low: float, high: float, text: str, colour: str = ORANGE) -> None:
        """Draw a double arrow between two heights, with words beside it."""
        u, top, bottom = self.across(x), self.up(high), self.up(low)
        head = min(5.0, (bottom - top) / 3)
        self._drawn.append(
            f'<path d="M{u:.1f} {top:.1f}V{bottom:.1f}M{u - 4:.1f} {top + head:.1f}L{u:.1f} {top:.1f}L{u + 4:.1f} '
            f"{top + head:.1f}M{u - 4:.1f} {bottom - head:.1f}L{u:.1f} {bottom:.1f}L{u + 4:.1f} {bottom - head:.1f}"
            f'" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        self._drawn.append(text_svg(u + 8, (top + bottom) / 2 + 4, text))

    def svg(self, alt: str = "") -> str:
        """The picture.

        Parameters
        ----------
        alt : str, default ""
            What it shows, in words, for those who can't see it; after the title.

        Returns
        -------
        str
            SVG to stand in a page, for `ipywidgets.HTML`.
        """
        legend, rows = self._legend_svg()
        said = html.escape(f"{self.title}. {alt}".strip())
        return (
            f'<svg role="img" aria-label="{said}" viewBox="0 0 {self.width} {self.height + (4 + LINE * rows if rows else 0)}" '
            f'style="width: 100%; max-width: {self.width}px; height: auto; color: var(--jp-ui-font-color0, inherit); '
            f'font-family: system-ui, sans-serif">{self._axes_svg()}{"".join(self._drawn)}{legend}</svg>'
        )

    def _axes_svg(self) -> str:
        parts = [text_svg(LEFT - 42, 18, self.title, size=15, weight=600)]
        for value in decades(*self.y) if self.log else ticks(*self.y):
            y = self.up(value)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{self.right}" stroke="currentColor" stroke-opacity="0.15"/>')
            parts.append(text_svg(LEFT - 7, y + 4, power_of_ten(value) if self.log else number(value), anchor="end"))
        parts += [
            text_svg(self.across(value), self.bottom + 18, number(value), anchor="middle")
            for value in ticks(*self.x, 7, whole=self.whole)
        ]
        parts.append(
            f'<path d="M{LEFT} {TOP}V{self.bottom}H{self.right}" stroke="currentColor" stroke-opacity="0.6" fill="none"/>'
        )
        if self.label:
            parts.append(text_svg((LEFT + self.right) / 2, self.bottom + 36, self.label, anchor="middle"))
        return "".join(parts)

    def _legend_svg(self) -> tuple[str, int]:
        """Names with samples of what they name, and how many rows they take below the picture.

        They stand beside the title if there is room, else below, in columns.
        """
        if not self._legend:
            return "", 0
        widths = [SAMPLE + LETTER * len(name) for name, _ in self._legend]
        beside_title = self.width - sum(widths) > LEFT + TITLE_LETTER * len(self.title)
        columns = len(widths) if beside_title else max(1, int((self.width - LEFT) // max(widths)))
        parts = []
        for index, (name, sample) in enumerate(self._legend):
            row, column = divmod(index, columns)
            x = self.width - sum(widths[index:]) if beside_title else LEFT + column * max(widths)
            y = 13 if beside_title else self.height + 10 + LINE * row
            parts.append(f'<g transform="translate({x:.1f} {y})">{sample}</g>{text_svg(x + 30, y + 5, name)}')
        return "".join(parts), 0 if beside_title else math.ceil(len(widths) / columns)


MARKERS = {
    "circle": '<circle cx="{0:.1f}" cy="{1:.1f}" r="2.8" fill="{2}"/>',
    "square": '<path d="M{0:.1f} {1:.1f}m-3.2-3.2h6.4v6.4h-6.4z" fill="{2}"/>',
    "triangle": '<path d="M{0:.1f} {1:.1f}m0-4l4 7h-8z" fill="{2}"/>',
}


def line_chart(
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    y: tuple[float, float],
    last: int,
    log: bool = False,
    mark: float | None = None,
    label: str = "iteration",
    first: int = 0,
    size: tuple[int, int] = (440, 220),
    dashed: Sequence[str] = (),
) -> str:
    """Curves of values that are counted: one for each iteration or epoch.

    Parameters
    ----------
    series : dict of sequences of float
        Values by name; the names are in the legend if there are several.
    title : str
        Above it.
    y : (float, float)
        Least and greatest value shown.
    last : int
        Number at the right end.
    log : bool, default False
        Decades on the vertical axis, whose ends are above 0 then.
    mark : float, optional
        Where a vertical line is.
    label : str, default "iteration"
        Of the horizontal axis.
    first : int, default 0
        Number of the first value.
    size : (int, int), default (440, 220)
        Width and height.
    dashed : sequence of str
        Names of curves that are drawn so, for those that lie on others.

    Returns
    -------
    str
        Inline SVG, for `ipywidgets.HTML`.

    Raises
    ------
    InputError
        If `y` has no length.

    Examples
    --------
    >>> line_chart({"loss": [0.7, 0.5, 0.4]}, title="training", y=(0, 1), last=10)[:49]
    '<svg role="img" aria-label="training. Last values'
    """
    chart = Chart(title, x=(first, max(last, first + 1)), y=y, log=log, label=label, size=size)
    if mark is not None:
        chart.rule(x=mark)
    for index, (name, values) in enumerate(series.items()):
        chart.curve(
            range(first, first + len(values)),
            values,
            name=name if len(series) > 1 else "",
            colour=COLOURS[index % len(COLOURS)],
            dashed=name in dashed,
        )
    lasts = "; ".join(f"{name}: {last_value(values)}" for name, values in series.items())
    return chart.svg(f"Last values: {lasts}.")


def side_by_side_svg(*charts: str) -> str:
    """Charts beside each other, or below where there is no room, as one piece of HTML."""
    cells = "".join(f'<div style="flex: 1 1 340px; min-width: 0; max-width: 520px">{chart}</div>' for chart in charts)
    return f'<div style="display: flex; flex-wrap: wrap; gap: 8px 28px">{cells}</div>'


def text_svg(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, weight: int = 400) -> str:
    """A line of text at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="currentColor">{html.escape(text)}</text>'
    )


def path(points: Sequence[tuple[float, float] | None]) -> str:
    """An SVG path through points, begun anew after each gap."""
    steps, drawing = [], False
    for point in points:
        if point is not None:
            steps.append(f"{'L' if drawing else 'M'}{point[0]:.1f} {point[1]:.1f}")
        drawing = point is not None
    return "".join(steps)


def last_value(values: Sequence[float]) -> str:
    """The last value that is known, in words."""
    known = [value for value in values if math.isfinite(value)]
    return f"{known[-1]:.3g}" if known else "none yet"
