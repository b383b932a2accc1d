"""Several starts x(0) at once, and what becomes of them (Fig. 6, Sec. 7.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.cycle import score
from ikebook.flow.compute import same_clip
from ikebook.flow.fields import Flow
from ikebook.graph.masks import soft_masks, stable_threshold
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.features import Cue
from ikebook.solvers.power import start_labels
from ikebook.solvers.starts import ITERATIONS, race
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.base import note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.computing import Computing, button, in_step, limit, row
from ikebook.widgets.lines import line_chart

STARTS = ("noise", "constant", "gaussian", "left half", "truth")

BLIND = ("noise", "same noise", "constant", "gaussian", "wide gaussian", "left half")
"""Starts that know nothing of the object; "truth" is the one that does."""

PACE = 0.35
"""Seconds between iterations after a click."""


@dataclass(frozen=True, eq=False)
class Round:
    """All starts after one iteration: what is shown, uint8 about 128, with its ranges; and their scores."""

    maps: dict[str, np.ndarray]
    cosine: dict[str, float]
    J: dict[str, float]


class InitialisationRace(Computing):
    """Watch several starts converge to the same answer.

    Parameters
    ----------
    clip, flow : of one video
    options : of the graph
    cues : more node features
    starts : names of starts ("noise", "same noise", "constant", "gaussian", "wide gaussian", "left half", and "truth" for
        clips with masks), or maps (m, h, w) by name; "truth" is left out of the default where there are no masks
    iterations : how many

    Attributes
    ----------
    iteration : int
        The iteration shown.
    curves : dict
        `{"cosine": {start: [...]}, "J": {start: [...]}}`, for x(0), x(1), ...: |cos| to the exact eigenvector, and mean J at
        the working size; J is empty where the clip has no masks.
    """

    iteration = traitlets.Int(0)

    def __init__(
        self,
        clip: Clip,
        flow: Flow,
        *,
        options: GraphOptions | None = None,
        cues: Sequence[Cue] = (),
        starts: Sequence[str] | Mapping[str, np.ndarray] = STARTS,
        iterations: int = ITERATIONS,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        same_clip(clip, flow)
        check.whole("iterations", iterations, at_least=1, at_most=500)
        if starts is STARTS and clip.masks is None:
            starts = STARTS[:-1]
        self.starts = (
            {name: start_map(name, clip) for name in starts} if not isinstance(starts, Mapping) else dict(starts)
        )
        require(1 <= len(self.starts) <= 8, f"starts has {len(self.starts)} of them; expected 1 to 8.")
        for name, start in self.starts.items():
            check.shape(f"start {name!r}", start, (len(clip), clip.size[1], clip.size[0]))
            require(bool(np.isfinite(start).all()), f"start {name!r} has values that are NaN or infinite.")
        self.starts = {name: np.asarray(start, np.float32) for name, start in self.starts.items()}
        super().__init__(clip)
        self.options, self.iterations = options or GraphOptions(), iterations
        self._rounds: list[Round] = []
        self._solved: Solved | None = None
        self._build()
        self.observe(lambda _: self._show(), ["iteration"])
        self.prepare(
            lambda job: solve_graph(clip, flow, options=self.options, cues=cues, pairs=1),
            lambda found: setattr(self, "_solved", found),
            "building the graph",
            lambda: None,
        )
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
        job = self._go(0.0)
        job.wait()
        require(job.state != "failed", job.error)

    def states(self) -> Iterator[str]:
        """One iteration after the other."""
        before = self.iteration
        if len(self._rounds) <= self.iterations:
            self.run()
        for iteration in range(len(self._rounds)):
            self.iteration = iteration
            yield f"iteration {iteration}"
        self.iteration = before

    @traitlets.validate("iteration")
    def _check_iteration(self, proposal: Any) -> int:
        check.whole("iteration", proposal.value, at_most=max(0, len(self._rounds) - 1))
        return int(proposal.value)

    def _go(self, pace: float) -> Job:
        self.run_button.description = "Stop"
        return self.compute(lambda job: self._race(job, pace), text="running", on_end=self._ended)

    def _toggle(self) -> None:
        if self.busy and self.run_button.description == "Stop":
            self.cancel()
        else:
            self._go(PACE)

    def _ended(self) -> None:
        self.run_button.description = "Run"

    def _race(self, job: Job, pace: float) -> Iterator[tuple[float, str]]:
        assert self._solved is not None
        require(
            len(self._solved.pairs.values) > 0, "nothing moves against the scene: A is 0, and no start leads anywhere."
        )
        exact = self._solved.labels().double()
        self._rounds = []
        self.iteration = 0
        begin = {name: torch.from_numpy(start) for name, start in self.starts.items()}
        solver = self.options.solver
        for t, labels in enumerate(race(self._solved.matrix, begin, self.iterations, solver.normalisation)):
            self._rounds.append(self._score(labels, exact, given=t == 0))
            self.slider.max = max(t, 1)
            self.iteration = t
            if t == 0:
                self._show()
            yield t / self.iterations, f"iteration {t}"
            job.sleep(pace)

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

    def _build(self) -> None:
        zero = np.zeros((len(self.clip), self.clip.size[1], self.clip.size[0]))
        self.canvases = {
            name: VideoCanvas(
                maps=zero, map_range=(-1, 1), colours="signed", parts="stage", height=180, caption=name, readout=" "
            )
            for name in self.starts
        }
        for canvas in self.canvases.values():
            canvas.layout.flex, canvas.layout.min_width, canvas.layout.max_width = "1 1 160px", "150px", "340px"
        self.playback = in_step(*self.canvases.values())
        self.slider = ipywidgets.IntSlider(
            min=0,
            max=1,
            description="iteration",
            layout=ipywidgets.Layout(width="340px"),
            style={"description_width": "62px"},
        )
        traitlets.dlink((self, "iteration"), (self.slider, "value"))
        self.slider.observe(self._slid, ["value"])
        self.run_button = button("Run", "All starts, from x(0) on", lambda: self.guarded(self._toggle), style="success")
        self.words, self.cosine_curve, self.j_curve = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        pictures = ipywidgets.Box(
            list(self.canvases.values()), layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="12px", width="100%")
        )
        curves = row(self.cosine_curve, self.j_curve, gap="24px")
        curves.layout.align_items = "flex-start"
        for curve in (self.cosine_curve, self.j_curve):
            curve.layout.flex, curve.layout.min_width = "1 1 300px", "260px"
        self.children = [row(self.run_button, self.slider), pictures, self.playback, self.words, curves, self.bar]

    def _slid(self, change: Any) -> None:
        if change["new"] < len(self._rounds):
            self.iteration = change["new"]

    def _show(self) -> None:
        t = self.iteration
        maps = self._rounds[t].maps if t < len(self._rounds) else self.starts
        for name, canvas in self.canvases.items():
            top = limit(np.asarray(maps[name], np.float32).reshape(-1))
            canvas.show(maps=maps[name], map_range=(-top, top))
            cosine = f": {self._rounds[t].cosine[name]:.3f}" if t < len(self._rounds) else ""
            canvas.caption = f"{name}{cosine}"
        curves = self.curves
        ran = max(1, len(self._rounds) - 1)
        last = self.iterations if self.busy else ran
        options: dict[str, Any] = {"span": (0, 1), "last": max(last, 1), "mark": t, "dashed": ("constant", "truth")}
        self.cosine_curve.value = line_chart(curves["cosine"], title="cosine to the exact eigenvector", **options)
        if curves["J"]:
            self.j_curve.value = line_chart(curves["J"], title="J of its masks", **options)
        self.words.value = note(self._sentence())

    def _sentence(self) -> str:
        if not self._rounds:
            return "Starts that know nothing, and one that knows the object. Press Run: where does each of them go?"
        near = [name for name, value in self._rounds[self.iteration].cosine.items() if value > 0.99]
        return (
            f"After {self.iteration} iteration{'s' if self.iteration != 1 else ''}, {len(near)} of {len(self.starts)} starts are "
            "within a cosine of 0.99 of the eigenvector (their cosines are above them). Red is positive, blue negative; where a result is turned, \u2212x is shown."
        )


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
