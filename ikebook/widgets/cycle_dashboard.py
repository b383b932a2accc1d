"""Algorithm 1, live (Figs. 1 and 9): graph and network teach each other, and one looks on."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.cycle import CycleOptions, CycleState, exchange
from ikebook.flow import Flow, known_flow
from ikebook.matrix.features import Cue
from ikebook.video.clip import Clip, as_clip
from ikebook.widgets.background import Job
from ikebook.widgets.base import note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.computing import Computing, button, row
from ikebook.widgets.lines import line_chart
from ikebook.widgets.save_html import write_page

REASONS = {
    "cycles": "all cycles are done",
    "change": "the result hardly changed any more",
    "nothing": "there is no object: nothing moves against the scene",
}


class CycleDashboard(Computing):
    """Run the knowledge exchange on a clip, half a cycle at a time, and see what each half found.

    Parameters
    ----------
    clip, flow : of one video, at the working size
    cues : node features from outside, in the first cycle only
    options : of the cycles; those of the graph are within them

    Attributes
    ----------
    state : str
        "ready", "running", "paused", "stopped", "done" or "failed".
    states : list of CycleState
        What has been found so far: graph, network, graph, ...
    losses : dict
        Of each network by its cycle, the mean loss of each epoch so far.
    shown : int
        Which of `states` the video shows; it follows the last one until another is chosen.
    error : str
        One line, after a failure.

    Scores are shown where the clip has masks; nothing depends on them.
    """

    shown = traitlets.Int(0)

    def __init__(
        self,
        clip: Clip,
        flow: Flow | str | None = None,
        *,
        cues: Sequence[Cue] = (),
        options: CycleOptions | None = None,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        super().__init__(as_clip(clip))
        self.flow, self.cues = known_flow(self.clip, flow), tuple(cues)
        self.options = check.or_default("options", options, CycleOptions, "such as CycleOptions(graph=...)")
        self.found: list[CycleState] = []
        self.losses: dict[int, list[float]] = {}
        self._seconds = 0.0
        self._build()
        self.observe(lambda _: self._show(), ["shown"])
        self._draw()

    def __repr__(self) -> str:
        count = len(self.found)
        return f"CycleDashboard({self._describe()}, {self.state}, {count} half-cycle{'s' if count != 1 else ''})"

    # What a notebook uses

    @property
    def state(self) -> str:
        """What it is doing."""
        job = self._job
        return {"cancelled": "stopped"}.get(job.state, job.state) if job is not None else "ready"

    def start(self) -> None:
        """Begin with the first graph, in the background; or anew, once it has ended."""
        require(self.state not in ("running", "paused"), f"it is {self.state}; stop it before it starts anew.")
        self.found, self.losses = [], {}
        self.tabs.options = []
        self.compute(self._exchange, text="graph 1", on_end=self._draw)
        self._draw()

    def pause(self) -> None:
        """Wait at the next step of a training, or after the half-cycle that is being computed, until `resume`."""
        if self._job is not None:
            self._job.pause()
        self._draw()

    def resume(self) -> None:
        """Go on after a pause."""
        if self._job is not None:
            self._job.resume()
        self._draw()

    def stop(self) -> None:
        """End at the next step; what has been found stays."""
        self.cancel()
        self._draw()

    @property
    def scores(self) -> list[float | None]:
        """Mean J of each half-cycle at the working size; None where the clip has no masks."""
        return [state.score for state in self.found]

    @property
    def states(self) -> list[CycleState]:  # type: ignore[override]  # what a page steps through is in `pages`
        """What has been found so far."""
        return self.found

    def pages(self) -> Iterator[str]:
        """What each half-cycle found, for a static page."""
        before = self.shown
        for index, state in enumerate(self.found):
            self.shown = index
            yield name_of(state)
        self.shown = min(before, max(0, len(self.found) - 1))

    def save_html(self, path: Any, title: str | None = None) -> None:
        """Write a page that steps through what has been found so far; see `Composed.save_html`."""
        write_page(path, self, title=title or "CycleDashboard", states=self.pages())

    @traitlets.validate("shown")
    def _check_shown(self, proposal: Any) -> int:
        check.whole("shown", proposal.value, at_most=max(0, len(self.found) - 1))
        return int(proposal.value)

    # The work

    def _exchange(self, job: Job) -> None:
        def progress(stage: str, steps: int) -> Iterable[None]:
            for index in range(steps):
                job.step(index / steps, f"{stage}: step {index + 1} of {steps}")
                yield

        def on_epoch(cycle: int, losses: Sequence[float]) -> None:
            self.losses[cycle] = list(losses)
            self._plot()

        for state in exchange(
            self.clip,
            self.flow,
            options=self.options,
            cues=self.cues,
            progress=progress,
            on_epoch=on_epoch,
        ):
            self._accept(state)
            after = f"network {state.cycle}" if state.module == "graph" else f"graph {state.cycle + 1}"
            if not state.last:
                job.step(None, f"{after}: {'preparing' if state.module == 'graph' else 'solving'}")

    def _accept(self, state: CycleState) -> None:
        following = self.shown >= len(self.found) - 1
        self.found.append(state)
        self.tabs.options = [(name_of(each), index) for index, each in enumerate(self.found)]
        self._draw()
        if following and self.shown != len(self.found) - 1:
            self.shown = len(self.found) - 1
        else:
            self._show()

    # What is shown

    def _build(self) -> None:
        self.start_button = button("Start", "Run Algorithm 1", lambda: self.guarded(self.start), style="success")
        self.pause_button = button("Pause", "Pause, or go on", lambda: self.guarded(self._toggle))
        self.stop_button = button("Stop", "End here, and keep what there is", lambda: self.guarded(self.stop))
        self.pipeline, self.words, self.table, self.curve = (ipywidgets.HTML() for _ in range(4))
        self.video = VideoCanvas(np.asarray(self.clip.frames), height=340, caption="the clip")
        self.video.opacity = 0.7
        self.tabs = ipywidgets.ToggleButtons(options=[], style={"button_width": "104px"})
        self.tabs.observe(self._chosen, ["value"])
        side = ipywidgets.VBox(
            [self.curve, self.table], layout=ipywidgets.Layout(flex="1 1 300px", min_width="280px", grid_gap="14px")
        )
        self.video.layout.flex = "1 1 420px"
        both = ipywidgets.Box(
            [self.video, side], layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="20px", width="100%")
        )
        self.children = [
            row(self.start_button, self.pause_button, self.stop_button),
            self.pipeline,
            self.bar,
            self.tabs,
            both,
            self.words,
        ]
        self.bar.button.layout.display = "none"  # there is one above

    def _toggle(self) -> None:
        if self.state == "paused":
            self.resume()
        else:
            self.pause()

    def _chosen(self, change: Any) -> None:
        if change["new"] is not None and change["new"] < len(self.found):
            self.shown = change["new"]

    def _draw(self) -> None:
        state = self.state
        active = state in ("running", "paused")
        self.start_button.disabled = active
        self.start_button.description = "Start again" if self.found and not active else "Start"
        self.pause_button.disabled = self.stop_button.disabled = not active
        self.pause_button.description = "Continue" if state == "paused" else "Pause"
        self.pipeline.value = pipeline(self.options, self.found, active)
        self.table.value = score_table(self.found)
        self.words.value = note(self._sentence(state))
        self._plot()

    def _sentence(self, state: str) -> str:
        if state == "ready":
            what = "network" if self.options.network is not None else "masks"
            return f"Press Start: the graph finds the object, its masks teach the {what}, which helps the next graph."
        if state == "paused":
            return "Paused: it waits at the next step, and everything found so far can be looked at."
        if state == "stopped":
            return "Stopped. What was found stays."
        if state == "done" and self.found:
            return f"Done: {REASONS.get(self.found[-1].reason, self.found[-1].reason)}."
        return ""

    def _plot(self) -> None:
        if self.options.network is None:
            return
        series = {f"network {cycle}": losses for cycle, losses in self.losses.items()} or {"network 1": []}
        top = max([1e-3, *(loss for losses in series.values() for loss in losses)])
        longest = max(map(len, series.values()))
        self.curve.value = line_chart(
            series,
            title="training: mean loss of each epoch",
            span=(0.0, round_up(top)),
            last=max(longest, min(self.options.training.epochs, 10)),
            label="epoch",
            first=1,
        )

    def _show(self) -> None:
        if not self.found:
            return
        state = self.found[self.shown]
        self.tabs.value = self.shown
        self.video.show(maps=np.asarray(state.soft, np.float32), map_range=(0, 1), colours="viridis")
        what = "soft masks x of the graph" if state.module == "graph" else "predictions s of the network"
        self.video.caption = f"{what}, cycle {state.cycle}; object above {state.threshold:.2f}"
        self.video.labels = ["x" if state.module == "graph" else "s"]


def name_of(state: CycleState) -> str:
    """A half-cycle's name: "graph 1"."""
    return f"{state.module} {state.cycle}"


def round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    scale = 10.0 ** math.floor(math.log10(value))
    return next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= value)


def pipeline(options: CycleOptions, found: Sequence[CycleState], active: bool) -> str:
    """The halves in a line: done, in work, and to come."""
    names = []
    for cycle in range(1, options.cycles + 1):
        names.append(f"graph {cycle}")
        if options.network is not None and cycle < options.cycles:
            names.append(f"network {cycle}")
    ended = bool(found) and found[-1].last
    marks = []
    for index, name in enumerate(names):
        done, now = index < len(found), active and index == len(found) and not ended
        ground = "#2f8f57" if done else "#1f6fc4" if now else "transparent"
        ink = "#fff" if done or now else "var(--jp-ui-font-color1, inherit)"
        border = "transparent" if done or now else "var(--jp-border-color1, #bbb)"
        word = "done" if done else "in work" if now else "left out" if ended else "to come"
        sign = "\u2713 " if done else ""
        marks.append(
            f'<span title="{word}" style="padding: 4px 12px; border-radius: 13px; font-size: 15px; background: {ground}; '
            f'color: {ink}; border: 1px solid {border}; white-space: nowrap">{sign}{html.escape(name)}'
            f'<span style="position: absolute; clip-path: inset(50%)">, {word}</span></span>'
        )
    arrow = '<span aria-hidden="true">\u2192</span>'
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 4px 0; '
        f'color: var(--jp-ui-font-color0, inherit)">{arrow.join(marks)}</div>'
    )


def score_table(found: Sequence[CycleState]) -> str:
    """J, change and time of each half-cycle as a table; nothing before the first."""
    if not found:
        return ""
    scored = any(state.score is not None for state in found)
    head = ["half-cycle", *(["J"] if scored else []), "change", "seconds"]
    lines = []
    for state in found:
        cells = [f"{100 * state.score:.1f}" if state.score is not None else "\u2013"] if scored else []
        cells += ["\u2013" if state.change is None else f"{state.change:.3f}", f"{sum(state.seconds.values()):.1f}"]
        right = "".join(f'<td style="text-align: right; padding: 2px 10px">{cell}</td>' for cell in cells)
        lines.append(
            f'<tr><th scope="row" style="text-align: left; font-weight: 600">{name_of(state)}</th>{right}</tr>'
        )
    heads = "".join(
        f'<th scope="col" style="text-align: {"left" if index == 0 else "right"}; padding: 2px {0 if index == 0 else 10}px; '
        f'font-weight: 400">{name}</th>'
        for index, name in enumerate(head)
    )
    style = "font-size: 15px; border-collapse: collapse; color: var(--jp-ui-font-color0, inherit)"
    return f'<table style="{style}"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
