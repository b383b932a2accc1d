"""Algorithm 1, live (Figs. 1 and 9): graph and network teach each other, and one looks on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.cycle import CycleOptions, CycleState, exchange
from ikebook.flow import Flow
from ikebook.matrix.features import Cue, checked_cues
from ikebook.networks.unet import UNet
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.computing import Computing
from ikebook.widgets.dashboard_view import ON_PAGE, DashboardView, half_name
from ikebook.widgets.inputs import clip_and_flow


class CycleDashboard(Computing):
    """Run the knowledge exchange on a clip, half a cycle at a time, and see what each half found (Algorithm 1).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two. Its masks, if it has any, are for the scores only.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        Node features from outside, in the first cycle only.
    options : CycleOptions, optional
        Of the cycles; those of the graph are within them.

    Attributes
    ----------
    state : str
        "ready", "running", "paused", "stopped", "done" or "failed".
    states : list of CycleState
        What has been found so far: graph, network, graph, ...
    scores : list of float or None
        Mean J of each half-cycle at the working size; None where the clip has no masks.
    losses : dict
        Of each network by its cycle, the mean loss of each epoch so far.
    shown : int
        Which of `states` is shown, beside the one that it was made from; it follows the last one until another is chosen.
    error : str
        One line, after a failure.

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other, or the options are of another kind.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> options = ikebook.CycleOptions(cycles=2, network=None, tolerance=0)
    >>> dashboard = CycleDashboard(made.clip, made.flow, options=options)
    >>> dashboard.start()
    >>> dashboard.wait()
    True
    >>> dashboard
    CycleDashboard('disc', 5 frames of 16x16, done, 2 half-cycles)
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
        clip, self.flow = clip_and_flow("CycleDashboard", clip, flow)
        self.cues = checked_cues(cues)
        self.options = check.or_default("options", options, CycleOptions, "such as CycleOptions(graph=...)")
        super().__init__(clip)
        self.states: list[CycleState] = []
        self.losses: dict[int, list[float]] = {}
        self._build()
        self.observe(lambda _: self._show(), ["shown"])
        self._draw()

    def __repr__(self) -> str:
        count = len(self.states)
        return f"CycleDashboard({self._describe()}, {self.state}, {count} half-cycle{'s' if count != 1 else ''})"

    # What a notebook uses

    @property
    def state(self) -> str:
        """What it is doing."""
        job = self._job
        return {"cancelled": "stopped"}.get(job.state, job.state) if job is not None else "ready"

    def start(self) -> None:
        """Begin with the first graph, in the background; or anew, once it has ended.

        Raises
        ------
        InputError
            If it is running.
        """
        require(self.state not in ("running", "paused"), f"it is {self.state}; stop it before it starts anew.")
        self.states, self.losses = [], {}
        self._view.offer([])
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
        return [state.score for state in self.states]

    def page_states(self) -> Iterator[str]:
        """What each half-cycle found; before the first, that nothing has run."""
        before = self.shown
        self._view.show_progress(self.states, ON_PAGE.get(self.state, self.state), self.losses)
        if not self.states:
            yield "nothing has run"
        for index, state in enumerate(self.states):
            self.shown = index
            yield half_name(state)
        self.shown = min(before, max(0, len(self.states) - 1))
        self._draw()

    @traitlets.validate("shown")
    def _check_shown(self, proposal: Any) -> int:
        check.whole("shown", proposal.value, at_most=max(0, len(self.states) - 1))
        return int(proposal.value)

    # The work

    def _exchange(self, job: Job) -> None:
        def progress(stage: str, steps: int) -> Iterable[None]:
            for index in range(steps):
                job.step(index / steps, f"{stage}: step {index + 1} of {steps}")
                yield

        def on_epoch(cycle: int, losses: Sequence[float]) -> None:
            self.losses[cycle] = list(losses)
            self._view.show_losses(self.losses)

        def on_network(cycle: int, network: UNet) -> None:
            if self.shown == len(self.states) - 1:  # else the reader looks at something else
                self._view.show_training(network, cycle, len(self.losses[cycle]))

        for state in exchange(
            self.clip,
            self.flow,
            cues=self.cues,
            options=self.options,
            progress=progress,
            on_epoch=on_epoch,
            on_network=on_network,
        ):
            self._accept(state)
            after = f"network {state.cycle}" if state.module == "graph" else f"graph {state.cycle + 1}"
            if not state.last:
                job.step(None, f"{after}: {'preparing' if state.module == 'graph' else 'solving'}")

    def _accept(self, state: CycleState) -> None:
        following = self.shown >= len(self.states) - 1
        self.states.append(state)
        self._view.offer(self.states)
        self._draw()
        if following and self.shown != len(self.states) - 1:
            self.shown = len(self.states) - 1
        else:
            self._show()

    # What is shown

    def _build(self) -> None:
        self._view = view = DashboardView(
            self.clip,
            self.options,
            start=lambda: self.guarded(self.start),
            pause_or_resume=lambda: self.guarded(self.resume if self.state == "paused" else self.pause),
            stop=lambda: self.guarded(self.stop),
            chosen=self._choose,
        )
        self.start_button, self.pause_button, self.stop_button = view.start_button, view.pause_button, view.stop_button
        self.tabs, self.words = view.tabs, view.words
        self.graph_video, self.network_video, self.playback = view.graph_video, view.network_video, view.playback
        self.children = view.children(self.bar)
        self.bar.button.layout.display = "none"  # there is one above

    def _choose(self, index: int) -> None:
        if index < len(self.states):
            self.shown = index

    def _draw(self) -> None:
        self._view.show_progress(self.states, self.state, self.losses)

    def _show(self) -> None:
        if self.states:
            self._view.show_states(self.states, self.shown)
