"""Algorithm 2, one step at a time (Fig. 5): propagate along the chains, project onto the features, normalise."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets

from ikebook.base import check
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow.compute import same_clip
from ikebook.flow.fields import Flow
from ikebook.graph.masks import soft_masks
from ikebook.graph.presets import PRESETS, GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.feature_motion import FeatureMotion, explicit
from ikebook.matrix.features import Cue
from ikebook.solvers.power import start_labels
from ikebook.solvers.replay import Replay
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.computing import Computing
from ikebook.widgets.stepper_view import StepperView

STARTS = {"noise": "uniform", "constant": "constant", "gaussian": "gaussian"}
"""Starts that `power.start_labels` knows; "painted" is the one beside them."""

STAGES = {"start": "start", "propagation": "propagated", "projection": "projected", "normalisation": "normalised"}

MOST = 300
"""Iterations after which Play stops."""

PAGE_ITERATIONS = 20
"""Iterations that a static page has, at most."""


class PowerIterationStepper(Computing):
    """Step through Algorithm 2 and watch x become the object; paint a start of your own.

    Parameters
    ----------
    clip, flow : of one video
    options : of the graph; those of a preset if None
    start : "noise", "constant", "gaussian", or "painted"
    cues : more node features
    dense : build M and P as matrices, in float64: for toys. If not, products are implicit, and any clip will do.
    pace : seconds that Play shows each step for

    Attributes
    ----------
    stage : str
        "start", "propagated", "projected" or "normalised".
    iteration : int
        Iterations that have begun.
    labels : (m, h, w)
        x now, as the algorithm has it.
    sign : int
        Of what is shown: an eigenvector has no sign, and the one that is positive on the object is shown.
    soft : (m, h, w)
        Soft masks of what is shown.
    rayleigh, residuals : list of float
        Of each completed iteration, x'Ax and |Ax - value x| / |value| of the unit x that it began with; NaN for a start that
        does not lie in the span of the features.
    cosines : list of float
        |cos| of x(0), x(1), ... to the exact eigenvector.

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
        flow: Flow,
        *,
        options: GraphOptions | None = None,
        start: str = "noise",
        cues: Sequence[Cue] = (),
        dense: bool = False,
        pace: float = 0.18,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        same_clip(clip, flow)
        check.flag("dense", dense)
        check.number("pace", pace, at_least=0)
        super().__init__(clip)
        self.flow, self.options, self.cues, self.dense, self.pace = flow, options, tuple(cues), dense, pace
        self._presets = {**PRESETS, **({"own": options} if options is not None else {})}
        self._shape = (len(clip), clip.size[1], clip.size[0])
        self._dtype = torch.float64 if dense else torch.float32
        self._lock = threading.RLock()
        self._solved: Solved | None = None
        self._matrix: FeatureMotion | None = None
        self._playing: Job | None = None
        self._painting = np.zeros(self._shape, np.float32)
        self._build()
        self.preset = "own" if options is not None else "default"
        self.start = start
        self._restart()
        self._rebuild()
        self.observe(lambda _: self._restart(), ["start"])
        self.observe(lambda _: self._rebuild(), ["preset"])

    def __repr__(self) -> str:
        return f"PowerIterationStepper({self._describe()}, from {self.start}, iteration {self.iteration}, {self.stage})"

    # What a notebook uses

    def step(self) -> None:
        """Go on by one stage: propagate, project, or normalise. Nothing happens once it has converged."""
        self.ready()
        self.pause()
        self._forward()

    def back(self) -> None:
        """Go back by one stage; at the start, nothing happens."""
        self.pause()
        with self._lock:
            self._walk.back()
            self._show()

    def play(self) -> None:
        """Go on stage by stage, in the background, until it has converged; `wait` for it, or `pause` it."""
        if self.playing:
            return
        self._check_start()
        self.bar.fail("")
        self._playing = self.compute(self._play, text="playing", on_end=self._buttons)
        self._buttons()

    def pause(self) -> None:
        """Stop playing, after the stage that is being computed."""
        job = self._playing
        if job is not None and job.active:
            job.cancel()
            if not job.inside:
                job.wait()

    def restart(self) -> None:
        """Back to x(0)."""
        self.pause()
        self._restart()

    def paint(self, map: np.ndarray) -> None:  # noqa: A002  # the name the course uses
        """Start from a painting, values from 0 to 1.

        Parameters
        ----------
        map : (h, w), painted into the frame that is shown, or (m, h, w)
        """
        self._painted(self._view.paint(map, self._painting))

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self._playing is not None and self._playing.active

    @property
    def labels(self) -> np.ndarray:
        """X now, (m, h, w)."""
        return self._walk.now.labels.cpu().numpy().reshape(self._shape)

    @property
    def sign(self) -> int:
        """Of what is shown: 1 for x, -1 for -x."""
        return self._walk.sign

    @property
    def soft(self) -> np.ndarray:
        """Soft masks of x as it is shown, (m, h, w) in [0, 1]."""
        return soft_masks(torch.from_numpy(self.sign * self.labels), self._presets[self.preset].masks).numpy()

    @property
    def rayleigh(self) -> list[float]:
        """Of each completed iteration, x'Ax of the unit x that it began with."""
        return self._walk.rayleigh

    @property
    def residuals(self) -> list[float]:
        """Of each completed iteration, |Ax - value x| / |value| of the unit x that it began with."""
        return self._walk.residuals

    @property
    def cosines(self) -> list[float]:
        """|cos| to the exact eigenvector, of x(0), x(1), ...; NaN where there is none."""
        self.ready()
        return self._walk.cosines

    @property
    def converged(self) -> bool:
        """Whether x is the eigenvector, as far as its precision goes, or nothing is left of it."""
        return self._walk.converged

    def states(self) -> Iterator[str]:
        """The first two iterations stage by stage, then one after the other; the start alone, while nothing is painted."""
        self.ready()
        self.pause()
        before = self._walk.place
        self._restart()
        yield f"start: {self.start}"
        if self._blank:
            return
        while not self.converged and self.iteration <= PAGE_ITERATIONS:
            self._forward()
            if self.iteration <= 2 or self.stage == "normalised":
                yield f"iteration {self.iteration}: {self.stage}"
        self._restart()
        while self._walk.place < before and not self.converged:
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
    def _blank(self) -> bool:
        """Whether it begins with a painting, and nothing is painted."""
        return self.start == "painted" and not self._painting.any()

    def _rebuild(self) -> None:
        self.pause()
        options = self._presets[self.preset]

        def work(_: Job) -> tuple[Solved, FeatureMotion]:
            solved = solve_graph(
                self.clip, self.flow, options=options, cues=self.cues, pairs=2, compute=Compute(dtype=self._dtype)
            )
            return solved, explicit(solved.matrix) if self.dense else solved.matrix

        def done(found: tuple[Solved, FeatureMotion]) -> None:
            with self._lock:
                self._solved, self._matrix = found
                self._restart()

        self._solved = None
        self.prepare(work, done, "building the graph", self._buttons)

    def _restart(self) -> None:
        with self._lock:
            solver, solved = self._presets[self.preset].solver, self._solved
            if self.start == "painted":
                x = torch.from_numpy(self._painting).flatten()
            else:
                x = start_labels(
                    STARTS[self.start], len(self.clip), self.clip.size, seed=solver.seed, width=solver.start_width
                )
            self._walk = Replay(
                self._matrix if solved is not None else None,
                x.to(self._dtype),
                solved.labels().flatten() if solved is not None and solved.signs else None,
                normalisation=solver.normalisation,
                iterations=MOST if solver.normalisation == "l2" else solver.iterations,
            )
            self._show()

    def _check_start(self) -> None:
        if self._blank:
            raise InputError("nothing is painted yet: draw on the frames, wherever you like, or choose another start.")

    def _forward(self) -> None:
        with self._lock:
            self._check_start()
            self._walk.forward()
            self._show()

    def _play(self, job: Job) -> Iterator[tuple[None, str]]:
        while not self.converged and self.iteration < MOST:
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
        )
        self.frames, self.x, self.playback = view.frames, view.x, view.playback
        self.start_menu, self.preset_menu = view.start_menu, view.preset_menu
        self.back_button, self.next_button = view.back_button, view.next_button
        self.play_button, self.restart_button = view.play_button, view.restart_button
        self.chips, self.words = view.chips, view.words
        self.cosine_curve, self.residual_curve = view.cosine_curve, view.residual_curve
        traitlets.link((self, "start"), (self.start_menu, "value"))
        traitlets.link((self, "preset"), (self.preset_menu, "value"))
        self.children = [*view.children, self.bar]

    def _next(self) -> None:
        self.pause()
        self._check_start()
        self._playing = self.compute(lambda job: self._forward(), text="computing the next stage", on_end=self._buttons)

    def _buttons(self) -> None:
        self._view.show_playing(self.playing, self._walk.place)

    def _painted(self, painting: np.ndarray) -> None:
        self.pause()
        self._painting = painting
        self.bar.fail("")
        if self.start == "painted":
            self._restart()
        else:
            self.start = "painted"

    def _show(self) -> None:
        state = self._walk.now
        with self.hold_trait_notifications():
            self.iteration, self.stage = state.iteration, STAGES[state.step]
        still = self._solved is not None and not self._solved.signs
        self._view.show(self._walk, self.labels, self.stage, still=still, blank=self._blank)
        self._buttons()
