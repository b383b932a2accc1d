"""Pictures that the notebooks show: matplotlib figures without its global state, each with a sentence on what it shows."""

from __future__ import annotations

import html
import io
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import CenteredNorm, hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from ikebook.base.check import readable, require
from ikebook.base.files import atomic
from ikebook.base.places import user_path
from ikebook.video.colours import BLUE, COLOURS, RED

WIDTH = 11.0
"""Width of a row of pictures, inches."""

TEXT = 13.0
"""Size of all text, points: 14 pixels and more of a page on which a picture is 860 or wider."""

NARROW = "\u00a0x\u00a0"
"""Between the sides of a matrix, which stay on one line."""

SIGNED = "RdBu_r"
"""Colours of values of both signs, white at 0: red above, blue below."""


class Picture:
    """A figure that shows itself in a notebook.

    Parameters
    ----------
    figure : Figure
    says : what is to be seen, in a sentence, for those who can't see it
    """

    def __init__(self, figure: Figure, says: str) -> None:
        self.figure = figure
        self.says = says
        FigureCanvasAgg(figure)
        for text in figure.findobj(Text):
            text.set_fontsize(TEXT)
        for axis in figure.axes:
            axis.tick_params(labelsize=TEXT)

    def __repr__(self) -> str:
        return f"[picture: {self.says}]"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """SVG within the page, whose colour of text it takes; PNG where a page shows no HTML."""
        return {"text/html": self._repr_html_(), "image/png": self._repr_png_(), "text/plain": repr(self)}

    def _repr_html_(self) -> str:
        buffer = io.StringIO()
        with rc_context({"svg.fonttype": "none"}):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        drawn = buffer.getvalue().replace("#000000", "currentColor")
        drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
        label = html.escape(self.says)
        look = "max-width: 100%; height: auto; fill: currentColor"  # of text, which has no colour of its own
        return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" style="{look}" ', 1)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=90)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write it as a PNG file."""
        with atomic(user_path(path)) as temporary:
            self.figure.savefig(temporary, format="png", dpi=150)


def row(
    images: Mapping[str, Any],
    *,
    signed: bool = False,
    bar: bool = False,
    shared: bool = False,
    limits: tuple[float, float] | None = None,
    columns: int | None = None,
) -> Picture:
    """Pictures side by side, by their titles.

    Parameters
    ----------
    images : by title, each (h, w, 3) uint8, or (h, w) of any real values
    signed : maps have values of both signs: red above 0, blue below
    bar : with a colour bar each
    shared : one range of colours for all maps
    limits : the least and the greatest value that colours stand for, as (0, 1) for probabilities; else each map's own
    columns : pictures in a line; all if None
    """
    arrays = {title: np.asarray(image) for title, image in images.items()}
    require(len(arrays) > 0, "images is empty; give one picture at least.")
    h, w = next(iter(arrays.values())).shape[:2]
    columns = min(columns or len(arrays), len(arrays))
    lines = -(-len(arrays) // columns)
    names = {title: _fit(title, WIDTH / columns) for title in arrays}
    above = 0.25 + 0.22 * max(name.count("\n") + 1 for name in names.values())
    height = WIDTH / columns * h / w * (0.85 if bar else 1.0) + above
    figure = Figure(figsize=(WIDTH, lines * min(height, 5.5)), layout="constrained")
    maps = [array for array in arrays.values() if array.ndim == 2]
    low, high = limits or ((min(map(np.min, maps)), max(map(np.max, maps))) if shared and maps else (None, None))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(arrays) :]:
        axis.set_axis_off()
    for axis, (title, image) in zip(axes, arrays.items(), strict=False):
        if signed and image.ndim == 2:
            reach = np.abs(maps).max() if shared else np.abs(image).max()
            shown = axis.imshow(image, cmap=SIGNED, norm=CenteredNorm(halfrange=float(reach) or 1.0), **_pixels(image))
        else:
            shown = axis.imshow(image, cmap="viridis", vmin=low, vmax=high, **_pixels(image))
        axis.set_title(names[title])
        axis.set_axis_off()
        if bar and image.ndim == 2:
            figure.colorbar(shown, ax=axis, shrink=0.8)
    return Picture(figure, f"side by side: {', '.join(arrays)}")


def video(volume: Any, name: str = "", *, count: int = 5, signed: bool = False) -> Picture:
    """Frames of a volume (m, h, w) or of a clip's pictures (m, h, w, 3), `count` of them, evenly picked, in one range of colours."""
    frames = np.asarray(volume)
    picked = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)).tolist()
    return row({f"{name} frame {i}".strip(): frames[i] for i in picked}, signed=signed, shared=frames.ndim == 3)


def matrices(entries: Mapping[str, Any], *, frames: int = 0, zoom: float = 1.0) -> Picture:
    """Square matrices side by side, red above 0 and blue below, with lines between the blocks of `frames` frames.

    `zoom` above 1 shows small entries stronger, and lets large ones saturate.
    """
    require(len(entries) > 0, "entries is empty; give one matrix at least.")
    side = min(WIDTH / len(entries), 5.0)
    names = {title: _fit(f"{title}  ({NARROW.join(map(str, np.shape(m)))})", side) for title, m in entries.items()}
    around = 0.4 + 0.25 * max(name.count("\n") + 1 for name in names.values()) + 0.3 * (zoom != 1) + 0.4 * (frames > 0)
    figure = Figure(figsize=(side * len(entries), side + around), layout="constrained")
    for axis, (title, matrix) in zip(_axes(figure, len(entries)), entries.items(), strict=True):
        values = np.asarray(matrix, dtype=np.float32)
        reach = float(np.abs(values).max()) / zoom or 1.0
        # Of entries that share a dot of the screen the largest is shown, not a random one: sparse matrices stay visible.
        axis.imshow(_thick(values), cmap=SIGNED, norm=CenteredNorm(halfrange=reach), extent=(0, 1, 1, 0))
        for block in range(1, frames):
            axis.axhline(block / frames, color="0.75", lw=0.5)
            axis.axvline(block / frames, color="0.75", lw=0.5)
        if frames:
            middles = (np.arange(frames) + 0.5) / frames
            axis.set_xticks(middles, [str(frame) for frame in range(frames)])
            axis.set_yticks(middles, [str(frame) for frame in range(frames)])
            axis.set_xlabel("frame of node b")
            axis.set_ylabel("frame of node a")
        else:
            axis.set(xticks=[], yticks=[])
        axis.set_title(names[title])
    if zoom != 1:
        figure.supxlabel(f"colours are full at 1/{zoom:g} of the largest entry of each")
    return Picture(figure, f"as pictures, red above 0 and blue below: {', '.join(entries)}")


def curves(
    lines: Mapping[str, Any], *, x: Sequence[float] | None = None, labels: tuple[str, str] = ("", ""), log: bool = False
) -> Picture:
    """Curves over `x` (or 1, 2, ...) in one plot, by name; `labels` of the axes; `log` for a logarithmic ordinate."""
    figure = Figure(figsize=(WIDTH * 0.6, 3.2), layout="constrained")
    axis = figure.subplots()
    for name, values in lines.items():
        line = np.asarray(values, dtype=float)
        axis.plot(np.arange(1, len(line) + 1) if x is None else x, line, marker=".", label=name)
    if x is None or all(float(value).is_integer() for value in x):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if log:
        axis.set_yscale("log")
    _finish(axis, labels, legend=len(lines) > 1)
    return Picture(figure, f"curves of {', '.join(lines)} over {labels[0] or 'their number'}")


def spectrum(values: Mapping[str, Any], *, bars: bool = False) -> Picture:
    """Eigenvalues from the largest down, a plot for each name; those below 0 in red, zeros in grey. `bars` for a few of them."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    for axis, (name, each) in zip(_axes(figure, len(values)), values.items(), strict=True):
        ordered = np.sort(np.asarray(each, dtype=float))[::-1]
        number = np.arange(1, len(ordered) + 1)
        rounding = 1e-9 * np.abs(ordered).max(initial=0.0)
        colours = np.select([ordered < -rounding, ordered > rounding], [RED, BLUE], "0.6")
        if bars:
            axis.bar(number, ordered, color=colours.tolist(), width=0.6)
        else:
            axis.scatter(number, ordered, s=3, c=colours.tolist())
        axis.axhline(0, color="0.6", lw=0.8)
        axis.set_title(_fit(name, WIDTH / len(values)))
        _finish(axis, ("eigenvalue, from the largest down", "value"), legend=False)
    return Picture(figure, f"eigenvalues, from the largest down, of {', '.join(values)}")


def bars(values: Mapping[str, float], *, label: str = "") -> Picture:
    """One bar for each name."""
    figure = Figure(figsize=(WIDTH * 0.6, 0.4 * len(values) + 0.9), layout="constrained")
    axis = figure.subplots()
    shown = axis.barh(list(values), list(values.values()), color=BLUE, height=0.6)
    axis.bar_label(shown, fmt="%.3g", padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_xlabel(label)
    return Picture(figure, f"bars of {label or 'values'}: " + ", ".join(f"{k} {v:.3g}" for k, v in values.items()))


def paths(frame: Any, chains: Iterable[tuple[Any, Any]], *, title: str = "") -> Picture:
    """Motion chains over a frame (h, w, 3): each as its positions x and y, in pixels; a dot where it starts in time."""
    image = np.asarray(frame)
    h, w = image.shape[:2]
    scale = min(WIDTH * 0.7, 4.6 * w / h)
    figure = Figure(figsize=(scale, scale * h / w + 0.3), layout="constrained")
    axis = figure.subplots()
    axis.imshow(image, cmap="gray", alpha=0.7)
    rim = [Stroke(linewidth=3.2, foreground="white"), Normal()]
    for x, y in chains:
        axis.plot(x, y, lw=1.7, path_effects=rim)
        axis.plot(x[:1], y[:1], "o", ms=4, color=axis.lines[-1].get_color(), path_effects=rim)
    axis.set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5))
    axis.set_title(_fit(title, scale))
    axis.set_axis_off()
    return Picture(figure, title or "motion chains over a frame")


def flow(field: Any, frame: Any = None, *, step: int = 8, title: str = "") -> Picture:
    """A flow field (h, w, 2) as arrows, one every `step` pixels, over a frame (h, w, 3); beside it its direction as colour.

    The colour's hue is the direction, its strength the length over the field's 99th percentile.
    """
    values = np.asarray(field, dtype=float)
    h, w = values.shape[:2]
    scale = min(WIDTH / 2, 4.2 * w / h)
    figure = Figure(figsize=(2 * scale, scale * h / w + 0.8), layout="constrained")
    arrows, colours = _axes(figure, 2)
    image = np.full((h, w, 3), 255, np.uint8) if frame is None else np.asarray(frame)
    arrows.imshow(image, **_pixels(image))
    y, x = np.mgrid[step // 2 : h : step, step // 2 : w : step]
    dx, dy = values[y, x, 0], values[y, x, 1]
    arrows.quiver(x, y, dx, dy, angles="xy", scale_units="xy", scale=0.5, color="yellow", edgecolor="k", linewidth=0.3)
    arrows.set_title(_fit(f"{title}: arrows, twice as long as the motion".removeprefix(": "), scale))
    longest = max(float(np.quantile(np.hypot(values[..., 0], values[..., 1]), 0.99)), 1e-9)
    colours.imshow((255 * _direction(values / longest)[..., :3]).astype(np.uint8), **_pixels(values))
    colours.set_title(_fit("direction as colour, as on the wheel beside; white where nothing moves", scale))
    wheel = colours.inset_axes((1.02, 0.0, 0.2, 0.2 * w / h))
    turn = np.stack(np.meshgrid(np.linspace(-1, 1, 65), np.linspace(-1, 1, 65)), -1)
    wheel.imshow(_direction(turn))
    wheel.set_axis_off()
    for axis in (arrows, colours):
        axis.set_axis_off()
    return Picture(figure, f"optical flow as arrows and as colours {title}".strip())


def _fit(title: str, inches: float) -> str:
    """A title in as many lines as it needs where it has so much room."""
    title = readable(title)
    return "\n".join(textwrap.wrap(title, max(8, int(inches * 72 / (0.6 * TEXT))))) if title else title


def _pixels(image: np.ndarray) -> dict[str, Any]:
    """Small pictures go into the page dot by dot, and stay sharp when they are projected."""
    return {"interpolation": "none"} if max(image.shape[:2]) <= 512 else {}


def _direction(motion: np.ndarray) -> np.ndarray:
    """Displacements (..., 2) as RGBA: the hue is the direction, the strength the length up to 1; clear beyond it."""
    length = np.hypot(motion[..., 0], motion[..., 1])
    hue = np.arctan2(motion[..., 1], motion[..., 0]) / (2 * np.pi) % 1
    colour = hsv_to_rgb(np.stack([hue, length.clip(0, 1), np.ones_like(hue)], -1))
    return np.concatenate([colour, (length <= 1)[..., None]], -1)


def _axes(figure: Figure, count: int) -> list[Axes]:
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    for axis in axes:
        axis.set_prop_cycle(color=COLOURS)
    return axes


def _finish(axis: Axes, labels: tuple[str, str], *, legend: bool) -> None:
    axis.set_xlabel(labels[0])
    axis.set_ylabel(labels[1])
    axis.spines[["top", "right"]].set_visible(False)
    if legend:
        axis.legend(frameon=False)


def _thick(values: np.ndarray, dots: int = 320) -> np.ndarray:
    """A matrix at `dots` x `dots` at most, each dot the entry of largest size among those it covers."""
    step = -(-len(values) // dots)
    if step <= 1:
        return values
    rows, columns = (-(-length // step) * step for length in values.shape)
    padded = np.zeros((rows, columns), values.dtype)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = (
        padded.reshape(rows // step, step, columns // step, step)
        .swapaxes(1, 2)
        .reshape(rows // step, columns // step, -1)
    )
    largest = np.abs(blocks).argmax(-1)[..., None]
    return np.take_along_axis(blocks, largest, -1)[..., 0]
