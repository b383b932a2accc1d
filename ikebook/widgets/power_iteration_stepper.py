"""Algorithm 2, one step at a time (Fig. 5): propagate along the chains, project onto the features, normalise."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets

from ikebook import check
from ikebook.check import InputError, require
from ikebook.clip import Clip
from ikebook.feature_motion import FeatureMotion, explicit
from ikebook.features import Cue
from ikebook.flow.fields import Flow
from ikebook.graph import same_clip
from ikebook.masks import soft_masks
from ikebook.power import start_labels
from ikebook.presets import PRESETS, GraphOptions
from ikebook.principal import Solved, solve
from ikebook.walk import Walk
from ikebook.widgets.background import Job
from ikebook.widgets.base import note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.computing import Computing, beside, button, in_step, limit, row
from ikebook.widgets.lines import line_chart

STARTS = {"noise": "uniform", "constant": "constant", "gaussian": "gaussian"}
"""Starts that `power.start_labels` knows; "painted" is the one beside them."""

STAGES = {"start": "start", "propagation": "propagated", "projection": "projected", "normalisation": "normalised"}

WORDS = {
    "start": "x(0): what the algorithm begins with. Any start will do, so paint one.",
    "propagated": "M x: every pixel has gathered the votes of the pixels on its motion chains.",
    "projected": "P x: of that, only what the features can say is kept.",
    "normalised": "x / |x|: length 1 again. One iteration is done.",
}

MOST = 300
"""Iterations after which Play stops."""

ARROW = "<span aria-hidden=true>\u2192</span>"

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
        self._lock = threading.RLock()
        self._solved: Solved | None = None
        self._matrix: FeatureMotion | None = None
        self._playing: Job | None = None
        self._quiet = False
        self._painting = np.zeros((len(clip), clip.size[1], clip.size[0]), np.float32)
        self._figure_of: tuple[Any, ...] = ()
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
        m, (w, h) = len(self.clip), self.clip.size
        values = np.asarray(map, np.float32)
        if values.ndim == 2:
            check.shape("map", values, (h, w))
            painting = self._painting.copy()
            painting[self.frames.frame] = values
        else:
            check.shape("map", values, (m, h, w))
            painting = values.copy()
        require(
            bool(np.isfinite(painting).all()) and painting.min() >= 0 and painting.max() <= 1,
            "map has values outside 0 to 1; expected what is painted as 1, all else as 0.",
        )
        with self._hushed():
            self.frames.painted = np.rint(painting * 255).astype(np.uint8).tobytes()
        self._painted(painting)

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
        return soft_masks(torch.from_numpy(self.sign * self.labels), self._graph_options().masks).numpy()

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
        if self.start == "painted" and not self._painting.any():
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
        own = ["own"] if self.options is not None else []
        check.one_of("preset", proposal.value, [*PRESETS, *own])
        return str(proposal.value)

    # The algorithm

    @property
    def _shape(self) -> tuple[int, int, int]:
        return len(self.clip), self.clip.size[1], self.clip.size[0]

    def _graph_options(self) -> GraphOptions:
        return self.options if self.preset == "own" and self.options is not None else PRESETS[self.preset]

    def _rebuild(self) -> None:
        self.pause()
        options, dtype = self._graph_options(), torch.float64 if self.dense else torch.float32

        def work(_: Job) -> tuple[Solved, FeatureMotion]:
            solved = solve(self.clip, self.flow, options, self.cues, pairs=2, dtype=dtype)
            return solved, explicit(solved.matrix) if self.dense else solved.matrix

        def done(found: tuple[Solved, FeatureMotion]) -> None:
            with self._lock:
                self._solved, self._matrix = found
                self._restart()

        self._solved = None
        self.prepare(work, done, "building the graph", self._buttons)

    def _restart(self) -> None:
        with self._lock:
            dtype = torch.float64 if self.dense else torch.float32
            if self.start == "painted":
                x = torch.from_numpy(self._painting).to(dtype).flatten()
            else:
                options = self._graph_options().solver
                x = start_labels(
                    STARTS[self.start], len(self.clip), self.clip.size, seed=options.seed, width=options.start_width
                ).to(dtype)
            solver, solved = self._graph_options().solver, self._solved
            self._walk = Walk(
                self._matrix if solved is not None else None,
                x,
                solved.labels().flatten() if solved is not None and solved.signs else None,
                normalisation=solver.normalisation,
                iterations=MOST if solver.normalisation == "l2" else solver.iterations,
            )
            self._show()

    def _check_start(self) -> None:
        if self.start == "painted" and not self._painting.any():
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
        clip = self.clip
        brush = max(1, round(min(clip.size) / 24))
        stage: dict[str, Any] = {"parts": "stage", "height": 320, "fps": 6.0}
        frames = np.asarray(clip.frames)
        self.frames = VideoCanvas(frames, caption="Paint a start x(0) here", paint=True, brush=brush, **stage)
        self.frames.painted = bytes(int(np.prod(self._shape)))
        self.frames.observe(self._strokes, ["painted"])
        self.x = VideoCanvas(frames, maps=np.zeros(self._shape), map_range=(-1, 1), colours="signed", **stage)
        self.x.opacity, self.x.labels = 0.88, ["x"]
        self.playback = in_step(self.frames, self.x)
        self.start_menu = ipywidgets.Dropdown(
            options=[
                ("noise", "noise"),
                ("constant", "constant"),
                ("a Gaussian", "gaussian"),
                ("my painting", "painted"),
            ],
            description="x(0)",
            layout=ipywidgets.Layout(width="210px"),
            style={"description_width": "34px"},
        )
        names = [*PRESETS, *(["own"] if self.options is not None else [])]
        self.preset_menu = ipywidgets.Dropdown(
            options=names,
            description="preset",
            layout=ipywidgets.Layout(width="190px"),
            style={"description_width": "50px"},
        )
        traitlets.link((self, "start"), (self.start_menu, "value"))
        self.preset_menu.value = "own" if self.options is not None else "default"
        traitlets.link((self.preset_menu, "value"), (self, "preset"))
        self.back_button = button("Back", "One stage back", lambda: self.guarded(self.back))
        self.next_button = button(
            "Next", "Propagate, project or normalise", lambda: self.guarded(self._next), style="primary"
        )
        self.play_button = button("Play", "Go on by itself", lambda: self.guarded(self._toggle), style="success")
        self.restart_button = button("Restart", "Back to x(0)", lambda: self.guarded(self.restart))
        self.chips, self.words = ipywidgets.HTML(), ipywidgets.HTML()
        self.cosine_curve, self.residual_curve = ipywidgets.HTML(), ipywidgets.HTML()
        self.children = [
            row(
                self.back_button,
                self.next_button,
                self.play_button,
                self.restart_button,
                self.start_menu,
                self.preset_menu,
            ),
            self.chips,
            beside(self.frames, self.x),
            self.playback,
            self.words,
            beside(self.cosine_curve, self.residual_curve),
            self.bar,
        ]

    def _next(self) -> None:
        self.pause()
        self._check_start()
        self._playing = self.compute(lambda job: self._forward(), text="computing the next stage", on_end=self._buttons)

    def _toggle(self) -> None:
        if self.playing:
            self.pause()
        else:
            self.play()

    def _buttons(self) -> None:
        playing = self.playing and self._playing is not None
        self.play_button.description = "Pause" if playing else "Play"
        self.back_button.disabled = self._walk.place == 0

    def _strokes(self, _: Any) -> None:
        if self._quiet:
            return
        found = self.frames.painting
        if found is None:
            found = np.zeros(self._shape, np.float32)
        if found.ndim == 2:
            found = np.broadcast_to(found, self._shape).copy()
        self.guarded(lambda: self._painted(found))

    @contextmanager
    def _hushed(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

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
        labels = self.sign * self.labels
        top = limit(labels.reshape(-1))
        self.x.show(maps=labels, map_range=(-top, top))
        symbol = {"start": "x(0)", "propagated": "M x", "projected": "P x", "normalised": "x"}[self.stage]
        name = f"x({self.iteration})" if self.stage == "normalised" else symbol
        self.x.caption = f"{name}, shown with its sign turned" if self.sign < 0 else name
        self.chips.value = chips(self.stage, self.iteration)
        self.words.value = note(self._sentence())
        self._plot()
        self._buttons()

    def _sentence(self) -> str:
        if self._solved is not None and not self._solved.signs:
            return "Nothing moves against the scene in this clip: A is 0, and has no eigenvector to find."
        text = WORDS[self.stage]
        if self.stage == "start" and self.start == "painted" and not self._painting.any():
            text = "Draw on the left, anywhere, in any frame; then press Play."
        known = [value for value in self._walk.cosines if not math.isnan(value)]
        if known:
            text += f" Cosine to the exact vector: {known[-1]:.4f}."
        if self.sign < 0:
            text += " Shown is \u2212x: an eigenvector has no sign."
        if self.converged:
            text += f" Converged after {self.iteration} iterations."
        return text

    def _plot(self) -> None:
        """Draw the curves, once an iteration."""
        walk = self._walk
        done = walk.completed
        key = (done, id(walk))
        if key == self._figure_of:
            return
        self._figure_of = key
        cosines, residuals = walk.cosines, walk.residuals
        values = [value for value in walk.rayleigh if not math.isnan(value)]
        named = f", Rayleigh quotient {values[-1]:.4g}" if values else ""
        last = max(10, done)
        self.cosine_curve.value = line_chart(
            {"cosine": cosines}, title="cosine to the exact eigenvector", span=(0, 1), last=last
        )
        self.residual_curve.value = line_chart(
            {"residual": residuals},
            title=f"residual{named}",
            span=(1e-6, 10),
            last=last,
            log=True,
            first=1,
        )


def chips(stage: str, iteration: int) -> str:
    """The stages as a line, with the one that is shown marked."""
    names = {
        "start": "start x(0)",
        "propagated": "propagate: M x",
        "projected": "project: P x",
        "normalised": "normalise: x / |x|",
    }
    marks = []
    for name, text in names.items():
        on = name == stage
        style = "padding: 3px 11px; border-radius: 12px; font-size: 15px; white-space: nowrap; " + (
            "background: #1f6fc4; color: #fff; font-weight: 600"
            if on
            else "border: 1px solid var(--jp-border-color1, #bbb); color: var(--jp-ui-font-color1, inherit)"
        )
        marks.append(f'<span style="{style}"{" aria-current=step" if on else ""}>{text}</span>')
    head = f'<strong style="font-size: 16px; min-width: 104px">Iteration {iteration}</strong>'
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 4px 0; '
        f'color: var(--jp-ui-font-color0, inherit)">{head}{ARROW.join(marks)}</div>'
    )
