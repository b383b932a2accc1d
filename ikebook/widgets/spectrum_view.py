"""The page's side of `SpectrumExplorer`: two videos, the spectrum, the mixing sliders, and what noise does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np

from ikebook.solvers.pairs import Eigenpairs
from ikebook.solvers.theory import Perturbation
from ikebook.video.clip import Clip
from ikebook.video.colours import BLUE, ORANGE, RED
from ikebook.widgets.base import note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.chart_axes import padded
from ikebook.widgets.charts import Chart
from ikebook.widgets.choice import Choice
from ikebook.widgets.layouts import playback_bar, side_by_side
from ikebook.widgets.live_mixture import LiveMixture
from ikebook.widgets.live_noise import LiveNoise
from ikebook.widgets.number_slider import NumberSlider

NOISE = 2.0
"""Most noise that the slider offers, pixels."""

LEAST_SINE = 0.01
"""Where the axis of sines ends below, unless there are smaller ones."""

LINES = {
    "sine": ("what happens", RED, "circle"),
    "davis_kahan": ("Davis\u2013Kahan", BLUE, "square"),
    "printed": ("8 |E| / |A|", ORANGE, "triangle"),
}
"""What is plotted over the noise: a name, a colour and a marker for each of these fields of `Perturbation`."""


CHOOSE = "Choose an eigenvector above, or mix them with the sliders."
MIX = "Step through the eigenvectors above, or mix them with the sliders."
STEP = "Step through the eigenvectors above."
"""What can be done: in a notebook, in a page that mixes, and in one that can't."""

UNMEASURED = "What noise on the flow does had not been measured when this page was saved."

SMALL = (330, 215)
"""Width and height of a chart: four of the lower row are as wide as a screen of 1280 pixels, with their letters as they are."""


class SpectrumView:
    """What the page has of a spectrum explorer; it computes nothing.

    Parameters
    ----------
    clip : Clip
    mixed : callable
        Is given the weights after a mixing slider has moved.
    chosen : callable
        Is given the number of the eigenvector that is chosen, from 0.

    Attributes
    ----------
    children : list of widgets
        From top to bottom. Each of them, and what is in them, is an attribute.
    """

    def __init__(self, clip: Clip, *, mixed: Callable[[list[float]], None], chosen: Callable[[int], None]) -> None:
        options: dict[str, Any] = {"colours": "signed", "parts": "stage", "height": 300, "map_range": (-1, 1)}
        zero = np.zeros((len(clip), clip.size[1], clip.size[0]))
        self.mixture = VideoCanvas(clip, maps=zero, caption="building the graph ...", **options)
        self.noisy = VideoCanvas(clip, maps=zero, caption="eigenvector 1, with noise", **options)
        for canvas in (self.mixture, self.noisy):
            canvas.opacity = 0.88
        self.playback = playback_bar(self.mixture, self.noisy)
        self.choice = Choice([], "eigenvector", "112px")
        self._chosen = chosen
        self._invitation = CHOOSE
        self.choice.observe(self._choice_changed, ["value"])
        self.spectrum, self.words, self.verdict, self.plot = (ipywidgets.HTML() for _ in range(4))
        self.mixing = LiveMixture(self.mixture)
        self.mixing.observe(lambda change: mixed(change["new"]), ["weights"])
        self.noise_slider = NumberSlider(
            max=NOISE,
            step=0.05,
            description="flow noise, px",
            layout=ipywidgets.Layout(width="100%", max_width="460px"),
        )
        mixing = side_by_side(self.spectrum, ipywidgets.VBox([self.mixing, self.words]))
        self.noise = LiveNoise(self.noisy)
        noise = ipywidgets.VBox([self.noise_slider, self.noise, side_by_side(self.verdict, self.plot)])
        self.children = [
            self.choice,
            side_by_side(self.mixture, self.noisy),
            self.playback,
            side_by_side(mixing, noise),
        ]

    def offer(self, values: list[float], vectors: np.ndarray) -> None:
        """A button and a mixing slider for each eigenvalue; the eigenvectors are (r, m, h, w)."""
        self.choice.options = tuple(
            (f"{k + 1}:  {value:.3g}".replace("-", "\u2212"), k) for k, value in enumerate(values)
        )
        self.mixing.offer(values, vectors)

    @contextmanager
    def as_page(self, *, mixing: bool) -> Iterator[None]:
        """Say, for a while, what is true of a static page; `mixing`: whether it mixes by itself."""
        before, words = self._invitation, self.verdict.value
        self._invitation = MIX if mixing else STEP
        if not self.plot.value:
            self.verdict.value = note(UNMEASURED)
        try:
            yield
        finally:
            self._invitation, self.verdict.value = before, words

    def _choice_changed(self, change: dict[str, Any]) -> None:
        if change["new"] is not None:
            self._chosen(change["new"])

    def show_spectrum(self, pairs: Eigenpairs, selected: int | None) -> None:
        """The eigenvalues, in red the one whose eigenvector is shown; None while a mixture is."""
        self.choice.value = selected
        values, nearest, least = pairs.values.tolist(), pairs.nearest(), pairs.ends[0]
        self.spectrum.value = spectrum_chart(values, selected, nearest)
        says = [self._invitation] if len(values) > 1 else []
        if nearest is not None:
            share = f"{nearest / values[0]:.2f} of the first" if nearest else "0"
            says.append(f"The nearest other eigenvalue is {share}.")
        if least < 0:
            says.append(f"A's least eigenvalue is {least:.3g}.".replace("-", "\u2212"))
        self.words.value = note(" ".join([*says, *pairs.complaints()]))

    def show_live_noise(self, live: bool) -> None:
        """Leave noise to the page, or show Python's slider, words and plot."""
        for widget in (self.noise_slider, self.verdict, self.plot):
            widget.layout.display = "none" if live else None

    def show_noise(self, found: Perturbation | None, points: Mapping[float, Perturbation], noise: float) -> None:
        """What noise has done: last, and at each level that has been measured."""
        self.verdict.value = note(verdict(found))
        self.plot.value = "" if found is None else noise_chart(points, noise)


def mixture_name(weights: Sequence[float]) -> str:
    """A mixture of eigenvectors in words.

    >>> mixture_name([1.0, -0.5, 0.0])
    '1 v1 − 0.5 v2'
    """
    used = [(k, weight) for k, weight in enumerate(weights) if weight]
    if len(used) == 1 and used[0][1] == 1:
        return f"eigenvector {used[0][0] + 1}"
    words = " + ".join(f"{weight:.2g} v{k + 1}" for k, weight in used)
    return (words or "nothing: all weights are 0").replace("+ -", "\u2212 ").replace("-", "\u2212")


def spectrum_chart(values: Sequence[float], selected: int | None, nearest: float | None) -> str:
    """Eigenvalues as bars, with the gap from the first to the nearest other one, which may be 0."""
    count = len(values)
    chart = Chart("eigenvalues of A = PMP", x=(0.4, max(count, 2) + 0.6), y=padded(values), size=SMALL)
    colours = [RED if k == selected else BLUE for k in range(count)]
    chart.bars(range(1, count + 1), values, colours=colours, width=0.6)
    words = f"They are {', '.join(f'{value:.3g}' for value in values)}."
    if nearest is None:
        return chart.svg(words)
    gap = values[0] - nearest
    chart.level(1.3, 2.45, values[0])
    chart.distance(2.0, nearest, values[0], f"gap {gap:.3g}")
    return chart.svg(f"{words[:-1]}; the gap is {gap:.3g}.")


def noise_chart(points: Mapping[float, Perturbation], noise: float) -> str:
    """How far noise turns the first eigenvector, and the bounds on it, over the noise."""
    levels = sorted(points)
    lines = {name: [getattr(points[level], name) for level in levels] for name in LINES}
    known = [value for values in lines.values() for value in values if math.isfinite(value) and value > 0]
    least = 0.5 * points[noise].sine if noise in points else 0.0
    low, high = min(LEAST_SINE, least or LEAST_SINE), 2 * max([1.0, *known])
    chart = Chart(
        "sine of the turn, and its bounds",
        x=(0, max(NOISE, *levels)),
        y=(low, high),
        log=True,
        label="flow noise, pixels",
        whole=False,
        size=SMALL,
    )
    chart.rule(y=1.0)
    for name, (words, colour, marker) in LINES.items():
        heights = [value if math.isfinite(value) and value > 0 else math.nan for value in lines[name]]
        if not all(map(math.isnan, heights)):
            chart.curve(levels, heights, name=words, colour=colour, marker=marker)
    last = points.get(noise)
    return chart.svg(
        f"At {noise:g} px the sine is {last.sine:.3g} and the bound {last.davis_kahan:.3g}." if last is not None else ""
    )


def verdict(found: Perturbation | None) -> str:
    """What noise has done, in words."""
    if found is None:
        return "Add noise to every flow vector: how far does the first eigenvector turn, and how far may it by theory?"
    says = "which allows anything" if found.davis_kahan >= 1 else "and it holds"
    paper = f" The paper's 8 |E| / |A| is {found.printed:.3g}." if math.isfinite(found.printed) else ""
    return (
        f"Turned by {math.degrees(math.asin(min(1.0, found.sine))):.1f} degrees: sine {found.sine:.3g}. Davis\u2013Kahan's "
        f"bound 2 |E| / gap is {found.davis_kahan:.3g}, {says}.{paper}"
    )
