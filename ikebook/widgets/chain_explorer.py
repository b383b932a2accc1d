"""`ChainExplorer`: click a pixel, see its motion chains and the features collected along them (Figs. 2 and 3)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.flow import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import GraphOptions
from ikebook.matrix.features import Cue, FeatureMatrix, checked_cues
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.neighbours import Chain, Incoming, Neighbourhood
from ikebook.video.clip import Clip
from ikebook.video.colours import lab_colours
from ikebook.widgets.base import Composed
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.chain_view import PIXEL, chain_path, facts_html, link_paths, node_charts
from ikebook.widgets.inputs import check_frame, clip_and_flow, graph_options
from ikebook.widgets.live_chains import ChainSource, LiveChains
from ikebook.widgets.number_slider import NumberSlider
from ikebook.widgets.save_html import State

GRID = (7, 4)
"""Pixels across and down that a static page can be asked about."""

CONTROLS = ("radius", "sigma", "half_window")
"""Traits that sliders set."""


class ChainExplorer(Composed):
    """The motion chains through a pixel, its weights in M and its row of F: click a pixel, or set `pixel` (Sec. 4.1).

    Parameters
    ----------
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    flow : Flow or str, optional
        Of the clip, at its working size; or the name of who computes it. By default OpenCV's DIS.
    cues : sequence of Cue
        More node features.
    options : GraphOptions, optional
        Of the chains, of M and of F; a preset, or your own.
    frame : int, default 0
        The frame of the first node to look at.
    pixel : (x, y), optional
        Its pixel; by default the middle of the frame.

    Attributes
    ----------
    frame, pixel : int, (x, y)
        The node that is looked at.
    radius : int
        p, frames.
    sigma : float
        Width of the kernel k, frames.
    half_window : int
        q, frames; of displacements and cues alike. 0: cues at the node itself alone.
    chain : Chain
        Its forward and backward chain: `frames`, `x`, `y`.
    weights : (k,) float64
        k(dt) of each of the chain's points in M: its own frame has the weight of the self-loop.
    incoming : Incoming
        Pixels whose chains meet it: `frames`, `x`, `y`.
    features : dict
        Its row of F, by column.

    Raises
    ------
    InputError
        For a pixel or frame that the clip has not, and a flow that does not fit the clip.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc", frames=5)
    >>> explorer = ChainExplorer(made.clip, made.flow, frame=2, pixel=(8, 8))
    >>> explorer
    ChainExplorer('disc', pixel (8, 8) of frame 2, p 15, sigma 4, q 0)
    >>> explorer.chain.frames
    array([0, 1, 2, 3, 4])
    """

    frame = traitlets.Int(0)
    pixel = traitlets.Tuple(traitlets.Int(), traitlets.Int())
    radius = traitlets.Int(15)
    sigma = traitlets.Float(4.0)
    half_window = traitlets.Int(3)

    def __init__(
        self,
        clip: Clip,
        flow: Flow | str | None = None,
        *,
        cues: Sequence[Cue] = (),
        options: GraphOptions | None = None,
        frame: int = 0,
        pixel: tuple[int, int] | None = None,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        self.clip, flow = clip_and_flow("ChainExplorer", clip, flow)
        self.options = graph_options(options)
        cues = checked_cues(cues)
        matrix = build(self.clip, flow, cues=cues, options=self.options)
        saliency = matrix.saliency
        self._chains = matrix.motion.chains
        self._colours = np.asarray(lab_colours(self.clip.frames))
        self._cues = [*([Cue(name="saliency", maps=saliency)] if saliency is not None else []), *cues]
        self._lock = RLock()  # chains remember what they were asked for last, and the page's are made in the background
        self._near: Neighbourhood | None = None
        self._computed: tuple[Any, ...] = ()
        self._offered: tuple[float, ...] = ()
        motion, features = self.options.motion, self.options.features
        window = features.half_window if features.displacements != "none" else features.cue_window
        super().__init__(self._build(motion.radius, motion.sigma, window))
        w, h = self.clip.size
        check.whole("frame", frame)
        with self.hold_trait_notifications():
            self.radius, self.sigma, self.half_window = motion.radius, motion.sigma, window
            self.frame, self.pixel = frame, (w // 2, h // 2) if pixel is None else tuple(pixel)
        for name, control in self.controls.items():
            traitlets.link((self, name), (control, "value"))
        self.canvas.observe(self._picked, "picked")
        self.canvas.observe(lambda change: self.live.look_at(change["new"]), "frame")
        self.live.observe(lambda _: self._show_live(), ["data"])
        self.observe(lambda _: self._update(), ["frame", "pixel", *CONTROLS])
        self._update()

    def __repr__(self) -> str:
        x, y = self.pixel
        return (
            f"ChainExplorer({self.clip.name!r}, pixel ({x}, {y}) of frame {self.frame}, p {self.radius}, "
            f"sigma {self.sigma:g}, q {self.half_window})"
        )

    @property
    def page_note(self) -> str:  # type: ignore[override]
        """A sentence under the page's heading."""
        if self.live.possible:
            return "Point at a pixel to see its chains; click to keep them."
        return "Click a pixel: the page shows the nearest of those that were followed when it was made. Step through them above."

    def page_states(self) -> Iterator[State]:
        """The node as it is; where the page can't have all chains of its frame, pixels on a grid too."""
        start = self.pixel
        self.live.look_at(self.frame)
        if self.live.ready():
            slider, most = self.controls["radius"], self.controls["radius"].max
            slider.max = max(2, self.radius)  # farther, the page has none
            yield State(f"pixel ({start[0]}, {start[1]})")
            slider.max = most
            return
        channels = {name: control.channel for name, control in self.controls.items()}
        for control in self.controls.values():
            control.channel = ""  # it moves nothing there
        w, h = self.clip.size
        across, down = (min(count, size) for count, size in zip(GRID, (w, h), strict=True))
        pixels = [(int((i + 0.5) * w / across), int((j + 0.5) * h / down)) for j in range(down) for i in range(across)]
        try:
            for pixel in [start, *pixels]:
                self.pixel = pixel
                yield State(f"pixel ({pixel[0]}, {pixel[1]})", (self.frame, *pixel))
        finally:
            self.pixel = start
            for name, channel in channels.items():
                self.controls[name].channel = channel

    @traitlets.validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        return check_frame(proposal.value, self.clip)

    @traitlets.validate("pixel")
    def _check_pixel(self, proposal: Any) -> tuple[int, int]:
        (x, y), (w, h) = proposal.value, self.clip.size
        require(
            0 <= x < w and 0 <= y < h,
            f"pixel is ({x}, {y}); expected (x, y) with x from 0 to {w - 1} and y from 0 to {h - 1}.",
        )
        return int(x), int(y)

    @traitlets.validate("radius", "half_window")
    def _check_whole(self, proposal: Any) -> int:
        check.whole(
            proposal.trait.name, proposal.value, at_least=1 if proposal.trait.name == "radius" else 0, at_most=100
        )
        return int(proposal.value)

    @traitlets.validate("sigma")
    def _check_sigma(self, proposal: Any) -> float:
        check.number("sigma", proposal.value, above=0)
        return float(proposal.value)

    def _build(self, radius: int, sigma: float, window: int) -> list[ipywidgets.Widget]:
        """What is shown, from top to bottom."""
        self.canvas = VideoCanvas(np.asarray(self.clip.frames), caption="Click a pixel", fps=self.clip.fps)
        self.canvas.layout.flex = "2 1 420px"
        channels = [uuid.uuid4().hex for _ in range(2)]
        self.live = LiveChains(self.canvas, {channel: place for place, channel in enumerate(channels)})
        self.controls = {
            "radius": slider(radius, 1, max(30, radius), 1, "radius p", channels[0]),
            "sigma": slider(sigma, 0.5, max(12.0, sigma), 0.5, "width sigma", channels[1]),
            "half_window": slider(window, 0, max(10, window), 1, "window q"),
        }
        self.facts, self.plot = ipywidgets.HTML(), ipywidgets.HTML()
        side = ipywidgets.VBox(
            [*self.controls.values(), self.live, self.facts],
            layout=ipywidgets.Layout(flex="1 1 340px", min_width="280px", padding="0 0 0 12px"),
        )
        row = ipywidgets.Box([self.canvas, side], layout=ipywidgets.Layout(flex_flow="row wrap", width="100%"))
        return [row, self.plot]

    def _picked(self, change: Any) -> None:
        if change.new is None:
            return
        frame, x, y = change.new
        with self.hold_trait_notifications():
            self.frame, self.pixel = frame, (x, y)

    def _update(self) -> None:
        """Compute and show the node, once: a click on another frame changes two traits, and is heard of twice."""
        wanted = (self.frame, self.pixel, *(getattr(self, name) for name in CONTROLS))
        if wanted == self._computed:
            return
        self._computed = wanted
        with self._lock:
            self._follow_chains()
            self.features = self._row_of_features()
        self._inform_page()
        with self.canvas.hold_sync():
            x, y = self.pixel
            self.canvas.frame, self.canvas.pixel = self.frame, [x, y]
            self.canvas.picked = [self.frame, x, y]
            self.canvas.paths = [chain_path(self.chain), *link_paths(self.incoming, self.frame, self.pixel)]
            self.canvas.points = [{"frame": self.frame, "x": x, "y": y, "colour": PIXEL}]
        self.facts.value = facts_html(
            self.chain,
            self.incoming,
            (float(self.weights.sum()), float(self._incoming_weights.sum())),
            (self.frame, *self.pixel),
            (self.radius, len(self.clip)),
        )
        self.plot.value = node_charts(
            sums_by_offset(self.chain.frames - self.frame, self.weights),
            sums_by_offset(self.incoming.frames - self.frame, self._incoming_weights),
            self.radius,
            self.features,
        )

    def _inform_page(self) -> None:
        """Let the page have the same chains for all pixels of the frame, unless it has them."""
        options = self.radius, self.sigma, self.half_window
        if options != self._offered:
            self._offered = options
            self.live.follow(ChainSource(self._chains, self._motion, self._rows, self.radius, self._lock))
        with self.live.hold_sync():
            self.live.node = [self.frame, *self.pixel]
            self.live.shown = [float(self.radius), self.sigma, float(self._motion.options.self_loop)]
        self.live.look_at(self.frame)

    def _show_live(self) -> None:
        """Where the page has the chains, it shows numbers and charts too."""
        for widget in (self.facts, self.plot):
            widget.layout.display = "none" if self.live.data else None

    def _follow_chains(self) -> None:
        if self._near is None or (self._near.frame, self._near.radius) != (self.frame, self.radius):
            self._near = Neighbourhood(self._chains, self.frame, self.radius)
        self.chain: Chain = self._near.chain(self.pixel)
        self.incoming: Incoming = self._near.incoming(self.pixel)
        options = replace(self.options.motion, radius=self.radius, sigma=self.sigma)
        self._motion = MotionMatrix(self._chains, options, self._colours)
        self.weights = self._weights(self.chain)
        self._incoming_weights = self._weights(self.incoming)

    def _weights(self, there: Chain | Incoming) -> np.ndarray:
        """What the edges between the node and those that its chains meet, or come from, weigh."""
        w, h = self.clip.size
        x, y = (np.floor(values + 0.5).astype(np.int64) for values in (there.x, there.y))
        nodes = torch.from_numpy(there.frames.astype(np.int64) * h * w + y * w + x)
        own = self.frame * h * w + self.pixel[1] * w + self.pixel[0]
        return self._motion.joined(torch.full_like(nodes, own), nodes).double().numpy()

    def _row_of_features(self) -> dict[str, float]:
        q = self.half_window
        options = replace(self.options.features, half_window=max(1, q), cue_window=q)
        features = FeatureMatrix(self._chains, options, self._cues, keep=0, motion=self._motion)
        self._rows = features
        x, y = self.pixel
        cell = (y + 1) * (self.clip.size[0] + 2) + x + 1
        row = features.block(self._chains.trace(self.frame, max(1, features.reach)))[0, cell]
        return dict(zip(features.columns, row.double().tolist(), strict=True))


def sums_by_offset(offsets: np.ndarray, weights: np.ndarray) -> dict[int, float]:
    """Sums of weights by their frames' offset.

    >>> sums_by_offset(np.array([-1, 1, 1]), np.array([0.5, 0.25, 0.25]))
    {-1: 0.5, 1: 0.5}
    """
    return {int(offset): float(weights[offsets == offset].sum()) for offset in np.unique(offsets)}


def slider(value: float, low: float, high: float, step: float, name: str, channel: str = "") -> NumberSlider:
    """A slider that Python hears of once it is let go, and the page at once if it has a channel."""
    return NumberSlider(value=value, min=low, max=high, step=step, description=name, channel=channel)
