"""Algorithm 2, one step at a time (Fig. 5): propagate along the chains, project onto the features, normalise."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets

from ikebook.base import check
from ikebook.flow import Flow
from ikebook.graph.masks import soft_masks
from ikebook.graph.presets import PRESETS, GraphOptions
from ikebook.graph.principal import Solved
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue, checked_cues
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.computing import Computing
from ikebook.widgets.inputs import clip_and_flow, graph_options
from ikebook.widgets.stepped_graph import MOST, STARTS, SteppedGraph
from ikebook.widgets.stepper_view import StepperView

STAGES = {"start": "start", "propagation": "propagated", "projection": "projected", "normalisation": "normalised"}

PAGE_ITERATIONS = 20
"""Iterations that a static page has, at most."""


class PowerIterationStepper(Computing):
    """Step through Algorithm 2 and watch x become the object; paint a start of your own (Sec. 4.3).

    While the mouse paints, the page iterates by itself (see `LiveIteration`), wherever the rule is linear, one P serves the clip, and
    the clip is not too large; so does its static page. All other steps are Python's.

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        More node features.
    options : GraphOptions, optional
        Of the graph; those of a preset are named in the menu, others are "own" there.
    start : str, default "noise"
        x(0): "noise", "constant", "gaussian", or "painted".
    dense : bool, default False
        Build M and P as matrices, in float64: for toys. If not, products are implicit, and any clip will do.
    pace : float, default 0.18
        Seconds that Play shows each step for.

    Attributes
    ----------
    start, preset : str
        What the menus say; set them to begin anew.
    stage : str
        "start", "propagated", "projected" or "normalised".
    iteration : int
        Iterations that have begun.
    labels : (m, h, w) float
        x now, as the algorithm has it.
    sign : int
        Of what is shown: an eigenvector has no sign, and the one that is positive on the object is shown.
    soft : (m, h, w) float
        Soft masks of what is shown, in [0, 1].
    rayleigh, residuals : list of float
        Of each completed iteration, x'Ax and |Ax - value x| / |value| of the unit x that it began with; NaN for a start that
        does not lie in the span of the features.
    cosines : list of float
        |cos| of x(0), x(1), ... to the exact eigenvector.
    converged : bool
        Whether x is the eigenvector, as far as its precision goes.

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other, or there is no such start.

    Examples
    --------
    >>> from ikebook import toy
    >>> made = toy("disc")
    >>> stepper = PowerIterationStepper(made.clip, made.flow, dense=True)
    >>> stepper.step()
    >>> stepper
    PowerIterationStepper('disc', 5 frames of 16x16, from noise, iteration 1, propagated)
    """

    start = traitlets.Unicode("noise")
    preset = traitlets.Unicode("default")
    stage = traitlets.Unicode("start")
    iteration = traitlets.Int(0)

    def __init__(
        self,
        clip: Clip,
        flow: Flow | str | None = None,
        *,
        cues: Sequence[Cue] = (),
        options: GraphOptions | None = None,
        start: str = "noise",
        dense: bool = False,
        pace: float = 0.18,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        clip, flow = clip_and_flow("PowerIterationStepper", clip, flow)
        check.flag("dense", dense)
        check.number("pace", pace, at_least=0)
        self._graph = SteppedGraph(clip, flow, checked_cues(cues), dense=dense)
        options = graph_options(options)
        name = next((name for name, known in PRESETS.items() if known == options), "own")
        self._presets = {**PRESETS, name: options}
        super().__init__(clip)
        self.pace = pace
        self._playing: Job | None = None
        self._clicks: deque[str] = deque()
        self._counting = threading.Lock()
        self._build()
        self.preset = name
        self.start = start
        self._restart()
        self._rebuild()
        self.observe(lambda _: self._restart(), ["start"])
        self.observe(lambda _: self._rebuild(), ["preset"])

    def __repr__(self) -> str:
        return f"PowerIterationStepper({self._describe()}, from {self.start}, iteration {self.iteration}, {self.stage})"

    # What a notebook uses

    def step(self) -> None:
        """Go on by one stage: propagate, project, or normalise. Nothing happens once it has ended."""
        self.ready()
        self.pause()
        self._forward()

    def back(self) -> None:
        """Go back by one stage; at the start, nothing happens."""
        self.pause()
        with self._graph.lock:
            self._graph.steps.back()
            self._show()

    def play(self) -> None:
        """Go on stage by stage, in the background, until it has converged or ended; `wait` for it, or `pause` it."""
        if self.playing:
            return
        self._graph.check_start(self.start)
        self.bar.show_error("")
        self._playing = self.compute(self._play, text="playing", on_end=self._update_buttons)
        self._update_buttons()

    def pause(self) -> None:
        """Stop playing, after the stage that is being computed."""
        job, self._clicks = self._playing, deque()
        if job is not None and job.active:
            job.cancel()
            if not job.inside:
                job.wait()

    def restart(self) -> None:
        """Back to x(0)."""
        self.pause()
        self._restart()

    def paint(self, map: np.ndarray) -> None:  # noqa: A002  # the name the course uses
        """Start from a painting.

        Parameters
        ----------
        map : (h, w) or (m, h, w), from 0 to 1
            Painted into the frame that is shown, or into all frames.

        Raises
        ------
        InputError
            For another shape, and values outside 0 to 1.
        """
        self._painted(self._view.paint(map, self._graph.painting))

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self._playing is not None and self._playing.active

    @property
    def labels(self) -> np.ndarray:
        """X now, (m, h, w)."""
        return self._graph.labels

    @property
    def sign(self) -> int:
        """Of what is shown: 1 for x, -1 for -x."""
        return self._graph.steps.sign

    @property
    def soft(self) -> np.ndarray:
        """Soft masks of x as it is shown, (m, h, w) in [0, 1]."""
        return soft_masks(torch.from_numpy(self.sign * self.labels), self._options.masks).numpy()

    @property
    def rayleigh(self) -> list[float]:
        """Of each completed iteration, x'Ax of the unit x that it began with."""
        return self._graph.steps.rayleigh

    @property
    def residuals(self) -> list[float]:
        """Of each completed iteration, |Ax - value x| / |value| of the unit x that it began with."""
        return self._graph.steps.residuals

    @property
    def cosines(self) -> list[float]:
        """|cos| to the exact eigenvector, of x(0), x(1), ...; NaN where there is none."""
        self.ready()
        return self._graph.steps.cosines

    @property
    def converged(self) -> bool:
        """Whether it has ended at an eigenvector, as far as x's precision goes."""
        return self._graph.steps.converged

    def page_states(self) -> Iterator[str]:
        """The start, where the page iterates by itself. Else the first two iterations stage by stage, then one after the other; of a
        painting of nothing, the start alone.
        """
        self.ready()
        self.pause()
        start = self._graph.beginning(self.start, self._options)
        live = self.live.ready()
        if live:
            self.live.begin(start)
        with self._view.as_page(live=live, start=start.numpy().reshape(self._graph.shape), cosine=self.cosines[0]):
            yield from ["x(0)"] if live else self._steps_of_page()
        self._show()

    def _steps_of_page(self) -> Iterator[str]:
        before = self._graph.steps.place
        self._restart()
        yield f"start: {self.start}"
        if self._graph.blank(self.start):
            return
        while not self._graph.steps.ended and self.iteration <= PAGE_ITERATIONS:
            self._forward()
            if self.iteration <= 2 or self.stage == "normalised":
                yield f"iteration {self.iteration}: {self.stage}"
        self._restart()
        while self._graph.steps.place < before and not self._graph.steps.ended:
            self._forward()

    # Traits

    @traitlets.validate("start")
    def _check_name(self, proposal: Any) -> str:
        check.one_of("start", proposal.value, [*STARTS, "painted"])
        return str(proposal.value)

    @traitlets.validate("preset")
    def _check_preset(self, proposal: Any) -> str:
        check.one_of("preset", proposal.value, self._presets)
        return str(proposal.value)

    # The algorithm

    @property
    def _options(self) -> GraphOptions:
        return self._presets[self.preset]

    def _rebuild(self) -> None:
        self.pause()
        options = self._options

        def done(found: tuple[Solved, FeatureMotion]) -> None:
            with self._graph.lock:
                self._graph.use(found)
                self._restart()
            self.live.follow(self._graph.solved, options)

        self._graph.use(None)
        self.live.follow(None, options)
        self.prepare(lambda job: self._graph.solve(options), done, "building the graph", self._update_buttons)

    def _restart(self) -> None:
        with self._graph.lock:
            self._graph.restart(self.start, self._options)
            self._show()

    def _forward(self) -> None:
        with self._graph.lock:
            self._graph.check_start(self.start)
            self._graph.steps.forward()
            self._show()

    def _play(self, job: Job) -> Iterator[tuple[None, str]]:
        while not self._graph.steps.ended and self.iteration < MOST:
            self._forward()
            yield None, f"iteration {self.iteration}"
            job.sleep(self.pace)

    # What is shown

    def _build(self) -> None:
        self._view = view = StepperView(
            self.clip,
            list(self._presets),
            back=partial(self.guarded, self.back),
            forward=partial(self.guarded, self._next),
            toggle=lambda: self.guarded(self.pause if self.playing else self.play),
            restart=partial(self.guarded, self.restart),
            painted=lambda painting: self.guarded(partial(self._painted, painting)),
            pace=self.pace,
        )
        self.frames, self.x, self.playback, self.live = view.frames, view.x, view.playback, view.live
        self.start_menu, self.preset_menu = view.start_menu, view.preset_menu
        self.back_button, self.next_button = view.back_button, view.next_button
        self.play_button, self.restart_button = view.play_button, view.restart_button
        self.chips, self.words = view.chips, view.words
        self.cosine_curve, self.residual_curve = view.cosine_curve, view.residual_curve
        traitlets.link((self, "start"), (self.start_menu, "value"))
        traitlets.link((self, "preset"), (self.preset_menu, "value"))
        self.arrange(view.children)

    def _next(self) -> None:
        """A click on Next: a stage, after those of clicks that have not been answered yet."""
        with self._counting:
            if self.playing and self._clicks:
                self._clicks.append("next")
                return
        self.pause()
        self._graph.check_start(self.start)
        self._clicks = clicks = deque(["next"])
        self._playing = self.compute(
            lambda job: self._answer(clicks), text="computing the next stage", on_end=self._update_buttons
        )

    def _answer(self, clicks: deque[str]) -> Iterator[None]:
        there = True
        while there:
            self._forward()
            with self._counting:
                clicks.pop()
                there = bool(clicks)
            yield

    def _update_buttons(self) -> None:
        self._view.show_playing(self.playing, self._graph.steps.place)

    def _painted(self, painting: np.ndarray) -> None:
        self.pause()
        self._graph.painting = painting
        self.bar.show_error("")
        if self.start == "painted":
            self._restart()
        else:
            self.start = "painted"

    def _show(self) -> None:
        state = self._graph.steps.now
        with self.hold_trait_notifications():
            self.iteration, self.stage = state.iteration, STAGES[state.step]
        blank = self._graph.blank(self.start)
        self._view.show(self._graph.steps, self.labels, self.stage, still=self._graph.still, blank=blank)
        self._update_buttons()
