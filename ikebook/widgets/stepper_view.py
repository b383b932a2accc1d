"""The page's side of `PowerIterationStepper`: its buttons and menus, the two pictures, the words and the curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np

from ikebook.base import check
from ikebook.base.check import require
from ikebook.solvers.replay import Replay
from ikebook.video.clip import Clip
from ikebook.widgets.arrays import json_numbers
from ikebook.widgets.base import BLUE_GROUND, GREEN_GROUND, INK, QUIET_INK, note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.charts import line_chart
from ikebook.widgets.layouts import button, menu, playback_bar, row, show_signed, side_by_side
from ikebook.widgets.live_iteration import LiveIteration

START_NAMES = {"noise": "noise", "constant": "constant", "gaussian": "a Gaussian", "painted": "my painting"}

WORDS = {
    "start": "x(0): what the algorithm begins with. Any start will do.",
    "propagated": "M x: every pixel has gathered the votes of the pixels on its motion chains.",
    "projected": "P x: of that, only what the features can say is kept.",
    "normalised": "x / |x|: length 1 again. One iteration is done.",
    "minmax": "What is below 0 is cut off, and each frame goes from 0 to 1 again. One iteration is done.",
}

ARROW = "<span aria-hidden=true>\u2192</span>"


class StepperView:
    """What the page has of a stepper: it shows the steps of Algorithm 2, and computes none.

    Parameters
    ----------
    clip : Clip
    presets : sequence of str
        Names in the menu.
    back, forward, toggle, restart : callable
        What the buttons do; they show their own errors.
    painted : callable
        Is given the painting, (m, h, w) in [0, 1], after each stroke; shows its own errors.
    pace : float
        Seconds that each stage is shown for while it plays.

    Attributes
    ----------
    children : list of widgets
        From top to bottom. Each of them, and what is in them, is an attribute.
    """

    def __init__(
        self,
        clip: Clip,
        presets: Sequence[str],
        *,
        back: Callable[[], None],
        forward: Callable[[], None],
        toggle: Callable[[], None],
        restart: Callable[[], None],
        painted: Callable[[np.ndarray], None],
        pace: float,
    ) -> None:
        self._painted = painted
        self._painting_from_python = False
        self._plotted: tuple[int, int] | None = None
        self.back_button = button("Back", "One stage back", back)
        self.next_button = button("Next", "Propagate, project or normalise", forward, ground=BLUE_GROUND)
        self.play_button = button("Play", "Go on by itself", toggle, ground=GREEN_GROUND)
        self.restart_button = button("Restart", "Back to x(0)", restart)
        self.start_menu = menu("x(0)", [(text, name) for name, text in START_NAMES.items()], "210px", "34px")
        self.preset_menu = menu("preset", presets, "190px", "50px")
        zero = np.zeros((len(clip), clip.size[1], clip.size[0]))
        brush = max(1, round(min(clip.size) / 24))
        stage: dict[str, Any] = {"parts": "stage", "height": 320, "fps": 6.0}
        self.frames = VideoCanvas(clip, caption="Paint a start x(0) here", paint=True, brush=brush, **stage)
        self.frames.painted = bytes(zero.size)
        self.frames.observe(self._stroke, ["painted"])
        self.x = VideoCanvas(clip, maps=zero, map_range=(-1, 1), colours="signed", **stage)
        self.x.opacity, self.x.labels = 0.88, ["x"]
        self.playback = playback_bar(self.frames, self.x)
        self.live = LiveIteration(self.x, 3 * pace)
        self.chips, self.words = ipywidgets.HTML(), ipywidgets.HTML()
        self.cosine_curve, self.residual_curve = ipywidgets.HTML(), ipywidgets.HTML()
        buttons = (self.back_button, self.next_button, self.play_button, self.restart_button)
        self.children = [
            row(*buttons, self.start_menu, self.preset_menu),
            self.chips,
            side_by_side(self.frames, self.x),
            self.playback,
            side_by_side(ipywidgets.VBox([self.live, self.words]), self.cosine_curve, self.residual_curve, least=280),
        ]

    def paint(self, map: np.ndarray, before: np.ndarray) -> np.ndarray:  # noqa: A002  # as `PowerIterationStepper.paint`
        """Show a painting that is not a stroke of the user's.

        Parameters
        ----------
        map : (h, w) or (m, h, w), from 0 to 1
            Painted into the frame that is shown, or into all frames.
        before : (m, h, w)
            What was painted until now.

        Returns
        -------
        (m, h, w) float32
            What is painted from now on.

        Raises
        ------
        InputError
            For another shape, and other values.
        """
        values = np.asarray(map, np.float32)
        if values.ndim == 2:
            check.shape("map", values, before.shape[1:])
            painting = before.copy()
            painting[self.frames.frame] = values
        else:
            check.shape("map", values, before.shape)
            painting = values.copy()
        require(
            bool(np.isfinite(painting).all()) and painting.min() >= 0 and painting.max() <= 1,
            "map has values outside 0 to 1; expected what is painted as 1, all else as 0.",
        )
        self._painting_from_python = True
        try:
            self.frames.painted = np.rint(painting * 255).astype(np.uint8).tobytes()
        finally:
            self._painting_from_python = False
        return painting

    def show(self, steps: Replay, labels: np.ndarray, stage: str, *, still: bool, blank: bool) -> None:
        """Show where Algorithm 2 is.

        Parameters
        ----------
        steps : Replay
            Algorithm 2 up to now.
        labels : (m, h, w)
            x as the algorithm has it.
        stage : str
            Its name.
        still : bool
            Whether nothing moves, and A is 0.
        blank : bool
            Whether it begins with a painting, and nothing is painted.
        """
        iteration, sign = steps.now.iteration, steps.sign
        show_signed(self.x, sign * labels)
        name = {"start": "x(0)", "propagated": "M x", "projected": "P x", "normalised": f"x({iteration})"}[stage]
        self.x.caption = f"{name}, shown with its sign turned" if sign < 0 else name
        self.chips.value = chips(stage, iteration, linear=steps.normalisation == "l2")
        paints = self.frames.paint
        self.words.value = note(sentence(steps, labels, stage, still=still, blank=blank, paints=paints))
        self._plot(steps)

    def show_playing(self, playing: bool, place: int) -> None:
        """Let the buttons say whether it goes on by itself, and whether there is a way back from this place."""
        self.play_button.description = "Pause" if playing else "Play"
        self.back_button.disabled = place == 0

    @contextmanager
    def as_page(self, *, live: bool, start: np.ndarray, cosine: float) -> Iterator[None]:
        """Show, for a while, what a static page is to show.

        Parameters
        ----------
        live : bool
            Whether the page iterates by itself. It has buttons then, and shows `start` without what Python's steps have come to;
            else nothing can be painted there.
        start : (m, h, w)
            x(0).
        cosine : float
            Of it to the exact eigenvector.
        """
        hidden = [self.chips, self.words, self.cosine_curve, self.residual_curve, self.start_menu] if live else []
        before = self.frames.caption
        for widget in hidden:
            widget.layout.display = "none"
        if live:
            show_signed(self.x, start)
            self.x.caption = "x(0)"
            self.live.cosines = json_numbers([cosine]) if start.any() else []
        else:
            self.frames.paint, self.frames.caption = False, "The clip, and what is painted in it as x(0)"
        self.live.controls = live
        try:
            yield
        finally:
            self._plotted = None
            self.live.controls = False
            self.frames.paint, self.frames.caption = True, before
            for widget in hidden:
                widget.layout.display = None

    def _stroke(self, _: Any) -> None:
        if self._painting_from_python:
            return
        found, shape = self.frames.painting, self.frames.shape
        if found is None:
            found = np.zeros(shape, np.float32)
        if found.ndim == 2:
            found = np.broadcast_to(found, shape).copy()
        self._painted(found)

    def _plot(self, steps: Replay) -> None:
        """Draw the curves, once an iteration."""
        done = steps.completed
        key = (done, id(steps))
        if key == self._plotted:
            return
        self._plotted = key
        self.live.cosines = json_numbers(steps.cosines) if steps.now.labels.any() else []  # 0 has no direction
        values = [value for value in steps.rayleigh if not math.isnan(value)]
        named = f", Rayleigh quotient {values[-1]:.4g}" if values else ""
        last = max(10, done)
        self.cosine_curve.value = line_chart(
            {"cosine": steps.cosines}, title="cosine to the exact eigenvector", y=(0, 1), last=last
        )
        self.residual_curve.value = line_chart(
            {"residual": steps.residuals},
            title=f"residual{named}",
            y=(1e-6, 10),
            last=last,
            log=True,
            first=1,
        )


def sentence(steps: Replay, labels: np.ndarray, stage: str, *, still: bool, blank: bool, paints: bool) -> str:
    """What the steps have come to, in words; `paints`: whether a start can be painted. See `StepperView.show` for the rest."""
    if still:
        return "Nothing moves against the scene, or A has no positive eigenvalue: there is no eigenvector to find."
    text = WORDS["minmax" if stage == "normalised" and steps.normalisation == "minmax" else stage]
    if stage == "start" and paints:
        text = "Draw on the left, anywhere, in any frame; then press Play." if blank else f"{text} So paint one."
    length = float(np.linalg.norm(labels))
    if steps.exact is not None and length:
        cosine = abs(float(labels.reshape(-1).astype(np.float64) @ steps.exact.numpy())) / length
        text += f" Cosine of what is shown to the exact vector: {cosine:.4f}."
    if steps.sign < 0:
        text += " Shown is \u2212x: an eigenvector has no sign."
    if steps.ended:
        text += f" {'Converged' if steps.converged else 'Ended'} after {steps.now.iteration} iterations."
    return text


def chips(stage: str, iteration: int, *, linear: bool) -> str:
    """The stages as a line, with the one that is shown marked; `linear`: whether x / |x| is what they end with."""
    names = {
        "start": "start x(0)",
        "propagated": "propagate: M x",
        "projected": "project: P x",
        "normalised": "normalise: x / |x|" if linear else "normalise: each frame to [0, 1]",
    }
    marks = []
    for name, text in names.items():
        on = name == stage
        style = "padding: 3px 11px; border-radius: 12px; font-size: 15px; white-space: nowrap; " + (
            f"background: {BLUE_GROUND}; color: #fff; font-weight: 600"
            if on
            else f"border: 1px solid var(--jp-border-color1, #bbb); color: {QUIET_INK}"
        )
        marks.append(f'<span style="{style}"{" aria-current=step" if on else ""}>{text}</span>')
    head = f'<strong style="font-size: 16px; min-width: 104px">Iteration {iteration}</strong>'
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 4px 0; '
        f'color: {INK}">{head}{ARROW.join(marks)}</div>'
    )
