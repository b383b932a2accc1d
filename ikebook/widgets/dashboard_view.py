"""The page's side of `CycleDashboard`, laid out as Fig. 1: graph and network side by side, and what goes from one to the other."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np

from ikebook.cycle import CycleOptions, CycleState
from ikebook.networks.unet import UNet, predict
from ikebook.video.clip import Clip
from ikebook.video.colours import BLUE, ORANGE
from ikebook.video.metrics import region_similarity
from ikebook.widgets.base import BLUE_GROUND, GREEN_GROUND, INK, QUIET_INK, html_table, note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.chart_axes import round_up
from ikebook.widgets.charts import line_chart
from ikebook.widgets.choice import Choice
from ikebook.widgets.layouts import button, playback_bar, row

REASONS = {
    "cycles": "all cycles are done",
    "change": "the result hardly changed any more",
    "nothing": "there is no object: nothing moves against the scene",
}
"""Why an exchange has ended, by `CycleState.reason`."""

ON_PAGE = {"ready": "unstarted", "running": "interrupted", "paused": "interrupted"}
"""What a static page calls what a dashboard is doing, where that is not what the notebook says: nothing goes on there."""

SHORT_TRAINING = 10
"""Epochs that the axis of losses has at least, unless fewer are planned."""


WHOLE_PIXELS = 300_000
"""Pixels of a clip up to which a network that learns is asked about all frames after an epoch; else about the one that is shown."""

BETWEEN = 0.25
"""Seconds at least between two pictures of a network that learns."""

NAMES, SYMBOLS = {"graph": "Graph Module", "network": "Network Module"}, {"graph": "x", "network": "s"}

ARROWS = (
    '<div style="display: flex; flex-direction: column; justify-content: center; gap: 18px; min-height: 180px; font-size: 14px; '
    f'line-height: 1.3; text-align: center; color: {QUIET_INK}"><div>masks x<br>teach<br><span aria-hidden="true" style="font-size: '
    '26px">\u2192</span></div><div><span aria-hidden="true" style="font-size: 26px">\u2190</span><br>what it learned, s,<br>'
    "is known</div></div>"
)


class DashboardView:
    """What the page has of a dashboard; it computes nothing.

    Parameters
    ----------
    clip : Clip
    options : CycleOptions
    start, pause_or_resume, stop : callable
        What the buttons do; they show their own errors.
    chosen : callable
        Is given the number of the half-cycle whose tab is chosen.

    Each of the widgets is an attribute.
    """

    def __init__(
        self,
        clip: Clip,
        options: CycleOptions,
        *,
        start: Callable[[], None],
        pause_or_resume: Callable[[], None],
        stop: Callable[[], None],
        chosen: Callable[[int], None],
    ) -> None:
        self._options = options
        self.start_button = button("Start", "Run Algorithm 1", start, ground=GREEN_GROUND)
        self.pause_button = button("Pause", "Pause, or go on", pause_or_resume)
        self.stop_button = button("Stop", "End here, and keep what there is", stop)
        self.pipeline, self.words, self.scores, self.curve = (ipywidgets.HTML() for _ in range(4))
        stage: dict[str, Any] = {"parts": "stage", "height": 260, "opacity": 0.7}
        self.graph_video = VideoCanvas(clip, caption=NAMES["graph"], labels=["x"], **stage)
        self.network_video = VideoCanvas(clip, caption=NAMES["network"], labels=["s"], **stage)
        self.playback = playback_bar(self.graph_video, self.network_video)
        self._clip, self._told = clip, 0.0
        self._learning: np.ndarray | None = None
        self.tabs = Choice([], "half-cycle", "104px")
        self.tabs.observe(lambda change: chosen(change["new"]) if change["new"] is not None else None, ["value"])
        for widget in (self.graph_video, self.network_video):
            widget.layout.flex, widget.layout.min_width = "1 1 260px", "220px"
        self.buttons = row(self.start_button, self.pause_button, self.stop_button)
        modules = [self.graph_video]
        if options.network is not None:
            modules += [ipywidgets.HTML(ARROWS, layout=ipywidgets.Layout(flex="0 0 110px")), self.network_video]
        numbers = ipywidgets.VBox(
            [self.scores, self.curve], layout=ipywidgets.Layout(flex="1 1 260px", min_width="240px")
        )
        self.modules = ipywidgets.Box(
            [*modules, numbers],
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="14px", width="100%"),
        )

    def children(self, progress: ipywidgets.Widget) -> list[ipywidgets.Widget]:
        """All of it, from top to bottom, with a progress bar between."""
        steering = row(self.buttons, self.pipeline)
        self.buttons.layout.width = "auto"
        return [steering, progress, self.tabs, self.modules, self.playback, self.words]

    def offer(self, states: Sequence[CycleState]) -> None:
        """A tab for each half-cycle."""
        self.tabs.options = tuple((half_name(each), index) for index, each in enumerate(states))

    def show_progress(self, states: Sequence[CycleState], doing: str, losses: Mapping[int, Sequence[float]]) -> None:
        """Show what has been found so far, and what it is doing, as `CycleDashboard.state` says."""
        active = doing in ("running", "paused")
        self.start_button.disabled = active
        self.start_button.description = "Start again" if states and not active else "Start"
        self.pause_button.disabled = self.stop_button.disabled = not active
        self.pause_button.description = "Continue" if doing == "paused" else "Pause"
        self.pipeline.value = pipeline_html(self._options, states, active)
        self.scores.value = score_table(states)
        self.words.value = note(sentence(self._options, states, doing))
        self.show_losses(losses)

    def show_losses(self, losses: Mapping[int, Sequence[float]]) -> None:
        """Plot the mean loss of each epoch, of each cycle's network."""
        if self._options.network is None:
            return
        if not losses:
            self._learning = None
        series = {f"network {cycle}": values for cycle, values in losses.items()} or {"network 1": []}
        top = max([1e-3, *(loss for values in series.values() for loss in values)])
        longest = max(map(len, series.values()))
        self.curve.value = line_chart(
            series,
            title="training: mean loss of each epoch",
            y=(0.0, round_up(top)),
            last=max(longest, min(self._options.training.epochs, SHORT_TRAINING)),
            label="epoch",
            first=1,
            size=(330, 160),
        )

    def show_states(self, states: Sequence[CycleState], index: int) -> None:
        """Show what a half-cycle found, beside what the other module had found before."""
        self.tabs.value = index
        self._learning = None
        before = [state for state in states[:index] if state.module != states[index].module][-1:]
        curves = []
        for state in (states[index], *before):
            canvas = self.graph_video if state.module == "graph" else self.network_video
            canvas.show(maps=np.asarray(state.soft, np.float32), map_range=(0, 1), colours="viridis")
            canvas.caption = (
                f"{NAMES[state.module]} {state.cycle}: {SYMBOLS[state.module]}, object above {state.threshold:.2f}"
            )
            values = scores_by_frame(self._clip, state)
            if values:
                colour = BLUE if state.module == "graph" else ORANGE
                curves.append({"values": values, "label": f"J {half_name(state)}", "colour": colour})
        if not before:
            self._blank("network" if states[index].module == "graph" else "graph")
        self.playback.curves = curves

    def _blank(self, module: str) -> None:
        """A module has found nothing yet."""
        canvas = self.graph_video if module == "graph" else self.network_video
        canvas.maps, canvas.caption = b"", f"{NAMES[module]}: nothing yet"

    def show_training(self, network: UNet, cycle: int, epoch: int) -> None:
        """Show what a network that learns says after an epoch, of all frames if they are few, else of the one that is shown."""
        if time.monotonic() < self._told + BETWEEN:
            return
        m, h, w = self.network_video.shape
        if self._learning is None:
            self._learning = np.zeros((m, h, w), np.float32)
        frame = self.network_video.frame
        asked = range(m) if m * h * w <= WHOLE_PIXELS else range(frame, frame + 1)
        frames = self._clip.frames[asked.start : asked.stop]
        self._learning[asked.start : asked.stop] = list(predict(network, frames))
        self.network_video.show(maps=self._learning, map_range=(0, 1), colours="viridis")
        self.network_video.caption = f"{NAMES['network']} {cycle}: learning, epoch {epoch}"
        self._told = time.monotonic()


def scores_by_frame(clip: Clip, state: CycleState) -> list[float]:
    """J of each frame, where the clip has masks. It is shown, and enters no choice."""
    if clip.masks is None:
        return []
    both = zip(state.soft, clip.masks, strict=True)
    return [region_similarity(np.asarray(one) > state.threshold, mask) for one, mask in both]


def half_name(state: CycleState) -> str:
    """A half-cycle's name: "graph 1"."""
    return f"{state.module} {state.cycle}"


def sentence(options: CycleOptions, states: Sequence[CycleState], doing: str) -> str:
    """What a dashboard is doing, in words."""
    if doing == "ready":
        what = "network" if options.network is not None else "masks"
        return f"Press Start: the graph finds the object, its masks teach the {what}, which helps the next graph."
    if doing == "unstarted":
        return "Nothing has run: this page was saved before, and nothing can be started here. In a notebook, Start runs Algorithm 1."
    if doing == "interrupted":
        return "This page was saved while it ran, and shows what had been found until then."
    if doing == "paused":
        return "Paused: it waits at the next step, and everything found so far can be looked at."
    if doing == "stopped":
        return "Stopped. What was found stays."
    if doing == "done" and states:
        return f"Done: {REASONS.get(states[-1].reason, states[-1].reason)}."
    return ""


def pipeline_html(options: CycleOptions, states: Sequence[CycleState], active: bool) -> str:
    """The halves in a line: done, in work, and to come."""
    names = []
    for cycle in range(1, options.cycles + 1):
        names.append(f"graph {cycle}")
        if options.network is not None and cycle < options.cycles:
            names.append(f"network {cycle}")
    ended = bool(states) and states[-1].last
    marks = []
    for index, name in enumerate(names):
        done, now = index < len(states), active and index == len(states) and not ended
        ground = GREEN_GROUND if done else BLUE_GROUND if now else "transparent"
        ink = "#fff" if done or now else QUIET_INK
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
        f'color: {INK}">{arrow.join(marks)}</div>'
    )


def score_table(states: Sequence[CycleState]) -> str:
    """J, change and time of each half-cycle; nothing before the first."""
    if not states:
        return ""
    scored = any(state.score is not None for state in states)
    head = ["half-cycle", *(["J"] if scored else []), "change", "seconds"]
    lines = []
    for state in states:
        cells = [f"{state.score:.3f}" if state.score is not None else "\u2013"] if scored else []
        cells += ["\u2013" if state.change is None else f"{state.change:.3f}", f"{sum(state.seconds.values()):.1f}"]
        right = "".join(f'<td style="text-align: right; padding: 2px 10px">{cell}</td>' for cell in cells)
        lines.append(
            f'<tr><th scope="row" style="text-align: left; font-weight: 600">{half_name(state)}</th>{right}</tr>'
        )
    heads = "".join(
        f'<th scope="col" style="text-align: {"left" if index == 0 else "right"}; padding: 2px {0 if index == 0 else 10}px; '
        f'font-weight: 400">{name}</th>'
        for index, name in enumerate(head)
    )
    return html_table(lines, f"<tr>{heads}</tr>")
