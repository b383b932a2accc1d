"""Several starts x(0) at once, and what becomes of them (Fig. 6, Sec. 7.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.cycle import score
from ikebook.flow import Flow
from ikebook.graph.masks import soft_masks, stable_threshold
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.features import Cue, checked_cues
from ikebook.solvers.power import start_labels
from ikebook.solvers.starts import ITERATIONS, race
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.computing import Computing
from ikebook.widgets.inputs import clip_and_flow, graph_options
from ikebook.widgets.race_view import RaceView

STARTS = ("noise", "constant", "gaussian", "left half", "truth")

BLIND = ("noise", "same noise", "constant", "gaussian", "wide gaussian", "left half")
"""Starts that know nothing of the object; "truth" is the one that does."""

MOST_STARTS = 8
"""More would not fit on a screen, and there are as many colours for their curves."""

PACE = 0.35
"""Seconds between iterations after a click."""


@dataclass(frozen=True, eq=False)
class Round:
    """All starts after one iteration, by name: labels as they are shown, cosines to the exact eigenvector, and J."""

    maps: dict[str, np.ndarray]
    cosine: dict[str, float]
    J: dict[str, float]


class InitialisationRace(Computing):
    """Watch several starts converge to the same answer (Sec. 7.1).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        More node features.
    options : GraphOptions, optional
        Of the graph; a preset, or your own.
    starts : sequence of str, or dict of (m, h, w), optional
        One to eight names of starts ("noise", "same noise", "constant", "gaussian", "wide gaussian", "left half", and "truth"
        for clips with masks), or maps by name. By default five of them; "truth" is left out where there are no masks.
    iterations : int, default 20
        How many, 1 to 500.

    Attributes
    ----------
    iteration : int
        The iteration shown.
    curves : dict
        `{"cosine": {start: [...]}, "J": {start: [...]}}`, for x(0), x(1), ...: |cos| to the exact eigenvector, and mean J at
        the working size; J is empty where the clip has no masks.

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other, or there is no such start.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> race = InitialisationRace(made.clip, made.flow, starts=("noise", "constant"), iterations=3)
    >>> race.run()
    >>> race
    InitialisationRace('disc', 5 frames of 16x16, 2 starts, iteration 3)
    """

    iteration = traitlets.Int(0)

    def __init__(
        self,
        clip: Clip,
        flow: Flow | str | None = None,
        *,
        cues: Sequence[Cue] = (),
        options: GraphOptions | None = None,
        starts: Sequence[str] | Mapping[str, np.ndarray] | None = None,
        iterations: int = ITERATIONS,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        clip, self.flow = clip_and_flow("InitialisationRace", clip, flow)
        self.cues, self.options = checked_cues(cues), graph_options(options)
        check.whole("iterations", iterations, at_least=1, at_most=500)
        self.starts = checked_starts(starts, clip)
        self.iterations = iterations
        super().__init__(clip)
        self._rounds: list[Round] = []
        self._solved: Solved | None = None
        self._build()
        self.observe(lambda _: self._show(), ["iteration"])
        self.prepare(self._solve, self._prepared, "building the graph", lambda: None)
        self._show()

    def __repr__(self) -> str:
        return f"InitialisationRace({self._describe()}, {len(self.starts)} starts, iteration {self.iteration})"

    @property
    def curves(self) -> dict[str, dict[str, list[float]]]:
        """|cos| to the exact eigenvector and J, of each start, after 0, 1, ... iterations, as far as it has run."""
        quantities = ["cosine", *(["J"] if self.clip.masks is not None else [])]
        found = {
            quantity: {name: [getattr(each, quantity)[name] for each in self._rounds] for name in self.starts}
            for quantity in quantities
        }
        return {"J": {}, **found}

    def run(self) -> None:
        """Run the race from its start to its end, and wait for that.

        Raises
        ------
        InputError
            If it can't be run, with the line that the widget shows.
        """
        self.ready()
        job = self._start(0.0)
        job.wait()
        require(job.state != "failed", job.error)
        self.iteration = len(self._rounds) - 1

    def page_states(self) -> Iterator[str]:
        """The start, where the page iterates by itself; else one iteration after the other."""
        before = self.iteration
        if len(self._rounds) <= self.iterations:
            self.run()
        if self.live.ready():
            self.iteration = self.live.iteration = 0
            self._show()
            yield "x(0)"
        else:
            self._view.invites = False
            for iteration in range(len(self._rounds)):
                self.iteration = iteration
                self._show()
                yield f"iteration {iteration}"
            self._view.invites = True
        self.iteration = before
        self._show()

    @traitlets.validate("iteration")
    def _check_iteration(self, proposal: Any) -> int:
        check.whole("iteration", proposal.value, at_most=max(0, len(self._rounds) - 1))
        return int(proposal.value)

    # The race

    def _solve(self, _: Job) -> Solved:
        return solve_graph(self.clip, self.flow, cues=self.cues, pairs=1, options=self.options)

    def _prepared(self, found: Solved) -> None:
        self._solved = found
        self.live.follow(found, self.options)

    @property
    def _live(self) -> bool:
        """Whether the page iterates by itself."""
        return bool(self.live.columns)

    def _begin_live(self) -> None:
        self._view.show_live(self._live)
        if self._live:
            self._show()

    def _follow_page(self) -> None:
        """The page runs: let Python have its numbers too, in the background."""
        if self.live.ran and not self.busy and len(self._rounds) <= self.iterations:
            self.guarded(lambda: self._start(0.0))

    def _start(self, pace: float) -> Job:
        self._view.show_running(True)
        return self.compute(
            lambda job: self._race(job, pace), text="running", on_end=lambda: self._view.show_running(False)
        )

    def _toggle(self) -> None:
        if self.busy and self._view.running:
            self.cancel()
        else:
            self._start(PACE)

    def _race(self, job: Job, pace: float) -> Iterator[tuple[float, str]]:
        assert self._solved is not None
        require(
            len(self._solved.pairs.values) > 0, "nothing moves against the scene: A is 0, and no start leads anywhere."
        )
        exact = self._solved.labels().double()
        self._rounds = []
        live = self._live
        if not live:
            self.iteration = 0
        begin = {name: torch.from_numpy(start) for name, start in self.starts.items()}
        solver = self.options.solver
        for t, labels in enumerate(race(self._solved.matrix, begin, self.iterations, solver.normalisation)):
            self._rounds.append(self._score(labels, exact, given=t == 0))
            if not live:
                self.slider.max = max(t, 1)
                self.iteration = t
                if t == 0:
                    self._show()
            yield t / self.iterations, f"iteration {t}"
            job.sleep(pace)
        self._slid(self.live.iteration if live else self.iteration)

    def _score(self, labels: Mapping[str, Tensor], exact: Tensor, *, given: bool) -> Round:
        maps, cosine, scores = {}, {}, {}
        linear = self.options.solver.normalisation == "l2"
        for name, x in labels.items():
            length = float(x.double().norm())
            along = float((x.double() * exact).sum()) / length if length else 0.0
            cosine[name] = abs(along)
            shown = -x if along < 0 and linear and not given else x  # a start has a sign; what comes of it has none
            maps[name] = shown.float().numpy()
            if self.clip.masks is not None:
                soft = soft_masks(shown, self.options.masks).float()
                rule = self.options.masks.threshold
                threshold = stable_threshold(soft) if isinstance(rule, str) else float(rule)
                scores[name] = score(self.clip, soft.numpy(), threshold) or 0.0
        return Round(maps, cosine, scores)

    # What is shown

    def _build(self) -> None:
        self._view = view = RaceView(
            self.clip,
            self.starts,
            iterations=self.iterations,
            pace=PACE,
            toggle=lambda: self.guarded(self._toggle),
            slid=self._slid,
        )
        self.live = view.live
        self.live.observe(lambda _: self._begin_live(), ["columns"])
        self.live.observe(lambda _: self._follow_page(), ["ran"])
        self.live.observe(lambda change: self._slid(change["new"]), ["iteration"])
        self.canvases, self.playback, self.words = view.canvases, view.playback, view.words
        self.slider, self.run_button = view.slider, view.run_button
        traitlets.dlink((self, "iteration"), (self.slider, "value"))
        self.arrange(view.children)

    def _slid(self, iteration: int) -> None:
        if iteration < len(self._rounds):
            self.iteration = iteration

    def _show(self) -> None:
        t = self.iteration
        if self._live:
            self._view.show_maps(self.starts, {})
            self.live.scores, self.live.iteration = list(self.curves["J"].values()), t
            return
        there = self._rounds[t] if t < len(self._rounds) else Round(self.starts, {}, {})
        self._view.show_maps(there.maps, there.cosine)
        last = self.iterations if self.busy else max(1, len(self._rounds) - 1)
        self._view.show_curves(self.curves, t, last)
        self._view.show_words(there.cosine, t)


def checked_starts(starts: Any, clip: Clip) -> dict[str, np.ndarray]:
    """Starts by name, (m, h, w) float32 each; those of `STARTS` that the clip allows where none are given.

    Raises
    ------
    InputError
        For names that there are not, maps that do not fit, and too few or many of them.
    """
    if starts is None:
        starts = STARTS if clip.masks is not None else STARTS[:-1]
    maps = dict(starts) if isinstance(starts, Mapping) else {name: start_map(name, clip) for name in starts}
    require(1 <= len(maps) <= MOST_STARTS, f"starts has {len(maps)} of them; expected 1 to {MOST_STARTS}.")
    for name, start in maps.items():
        check.shape(f"start {name!r}", start, (len(clip), clip.size[1], clip.size[0]))
        require(bool(np.isfinite(start).all()), f"start {name!r} has values that are NaN or infinite.")
    return {name: np.asarray(start, np.float32) for name, start in maps.items()}


def start_map(name: str, clip: Clip) -> np.ndarray:
    """A start by its name, (m, h, w) float32."""
    m, (w, h) = len(clip), clip.size
    check.one_of("start", name, [*BLIND, "truth"])
    if name == "truth":
        require(clip.masks is not None, f"start 'truth' needs masks, and clip {clip.name!r} has none; leave it out.")
        assert clip.masks is not None
        return clip.masks.astype(np.float32)
    if name == "left half":
        return np.broadcast_to((np.arange(w) < w / 2).astype(np.float32), (m, h, w)).copy()
    kind = {"noise": "uniform", "same noise": "same", "constant": "constant"}.get(name, "gaussian")
    width = 0.5 if name == "wide gaussian" else 0.15
    return start_labels(kind, m, (w, h), width=width).view(m, h, w).numpy()
