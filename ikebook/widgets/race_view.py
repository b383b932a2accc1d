"""The page's side of `InitialisationRace`: a picture of each start, and the curves below them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np

from ikebook.video.clip import Clip
from ikebook.widgets.arrays import symmetric_limit
from ikebook.widgets.base import GREEN_GROUND, note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.charts import line_chart
from ikebook.widgets.layouts import button, playback_bar, row
from ikebook.widgets.live_race import LiveRace
from ikebook.widgets.number_slider import NumberSlider

LIES_ON_OTHERS = ("constant", "truth")
"""Starts whose curves are dashed: they often lie on those of others."""


class RaceView:
    """What the page has of a race; it computes nothing.

    Parameters
    ----------
    clip : Clip
    starts : dict of (m, h, w)
        x(0) by name.
    iterations : int
        How many there are.
    pace : float
        Seconds that each is shown for.
    toggle : callable
        What the button does; it shows its own errors.
    slid : callable
        Is given the iteration that the slider is moved to.

    Attributes
    ----------
    children : list of widgets
        From top to bottom. Each of them, and what is in them, is an attribute.
    """

    def __init__(
        self,
        clip: Clip,
        starts: Mapping[str, np.ndarray],
        *,
        iterations: int,
        pace: float,
        toggle: Callable[[], None],
        slid: Callable[[int], None],
    ) -> None:
        zero = np.zeros((len(clip), clip.size[1], clip.size[0]))
        style: dict[str, Any] = {"map_range": (-1, 1), "colours": "signed", "parts": "stage", "height": 180}
        self.canvases = {name: VideoCanvas(maps=zero, caption=name, readout=" ", **style) for name in starts}
        for canvas in self.canvases.values():
            canvas.layout.flex, canvas.layout.min_width, canvas.layout.max_width = "1 1 160px", "150px", "340px"
        self.playback = playback_bar(*self.canvases.values())
        self.slider = NumberSlider(description="iteration", continuous=True, layout=ipywidgets.Layout(width="340px"))
        self.slider.observe(lambda change: slid(change["new"]), ["value"])
        self.run_button = button("Run", "All starts, from x(0) on", toggle, ground=GREEN_GROUND)
        self.words, self.cosine_curve, self.j_curve = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        pictures = ipywidgets.Box(
            list(self.canvases.values()), layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="12px", width="100%")
        )
        curves = row(self.cosine_curve, self.j_curve, gap="24px")
        curves.layout.align_items = "flex-start"
        for curve in (self.cosine_curve, self.j_curve):
            curve.layout.flex, curve.layout.min_width = "1 1 300px", "260px"
        self.invites = True  # to press Run; a static page has no such button
        self.live = LiveRace(self.canvases, starts, iterations, pace)
        self._own = [
            row(self.run_button, self.slider),
            self.words,
            curves,
        ]  # what the page has of its own, where it iterates
        self.children = [self._own[0], pictures, self.playback, self.live, self.words, curves]

    def show_live(self, live: bool) -> None:
        """Leave it to the page to run, or do it with Python's buttons and curves."""
        for widget in self._own:
            widget.layout.display = "none" if live else None

    @property
    def running(self) -> bool:
        """Whether the button says so."""
        return bool(self.run_button.description == "Stop")

    def show_running(self, running: bool) -> None:
        """Let the button say what it would do."""
        self.run_button.description = "Stop" if running else "Run"

    def show_maps(self, maps: Mapping[str, np.ndarray], cosines: Mapping[str, float]) -> None:
        """Show the labels of each start, and its cosine to the exact eigenvector where there is one."""
        for name, canvas in self.canvases.items():
            top = symmetric_limit(np.asarray(maps[name], np.float32).reshape(-1))
            canvas.show(maps=maps[name], map_range=(-top, top))
            canvas.caption = f"{name}: {cosines[name]:.3f}" if name in cosines else name

    def show_curves(self, curves: Mapping[str, Mapping[str, Sequence[float]]], iteration: int, last: int) -> None:
        """Plot cosines and J, as `InitialisationRace.curves` has them, with a line at an iteration."""
        style: dict[str, Any] = {"y": (0, 1), "last": max(last, 1), "mark": iteration, "dashed": LIES_ON_OTHERS}
        self.cosine_curve.value = line_chart(curves["cosine"], title="cosine to the exact eigenvector", **style)
        if curves["J"]:
            self.j_curve.value = line_chart(curves["J"], title="J of its masks", **style)

    def show_words(self, cosines: Mapping[str, float], iteration: int) -> None:
        """Say how many starts have come to the eigenvector."""
        if not cosines:
            knowing = ", and one that knows the object" if "truth" in self.canvases else ""
            invitation = " Press Run: where does each of them go?" if self.invites else ""
            self.words.value = note(f"Starts that know nothing{knowing}.{invitation}")
            return
        near = sum(value > 0.99 for value in cosines.values())
        self.words.value = note(
            f"After {iteration} iteration{'s' if iteration != 1 else ''}, {near} of {len(cosines)} starts are within a cosine "
            "of 0.99 of the eigenvector (their cosines are above them). Red is positive, blue negative; where a result is "
            "turned, \u2212x is shown."
        )
