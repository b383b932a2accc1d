"""`ChainExplorer`: click a pixel, see its motion chains and the features collected along them (Figs. 2 and 3)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.flow.fields import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import GraphOptions
from ikebook.matrix.features import Cue, FeatureMatrix
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.neighbours import Chain, Incoming, Neighbourhood
from ikebook.video.clip import Clip
from ikebook.widgets.base import Composed
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, figure_html, grid, plotting
from ikebook.widgets.save_html import State

DRAWN = 60
"""Incoming links that are drawn at most, evenly picked; all of them are counted and plotted."""

GRID = (7, 4)
"""Pixels across and down that a static page can be asked about."""

CHAIN, LINK, PIXEL = "#ffa62b", "#c08bff", "#ff4d3d"


class ChainExplorer(Composed):
    """The motion chains through a pixel: click one, or set `pixel`.

    Parameters
    ----------
    clip : Clip
    flow : Flow
        Of the clip's size.
    options : GraphOptions, optional
        Of the chains, of M and of F.
    frame, pixel : the first pixel (x, y) to look at, and its frame; the middle of the frame if None
    cues : more node features

    Attributes
    ----------
    frame, pixel : int, (x, y)
        The node that is looked at.
    radius, sigma : p and sigma, frames
    half_window : q, frames; of displacements and cues alike
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
    ChainExplorer('disc', pixel (8, 8) of frame 2, p 15, sigma 4, q 3)
    >>> explorer.chain.frames
    array([0, 1, 2, 3, 4])
    """

    page_note = "Click a pixel: the page shows the nearest of those that were followed when it was made. Step through them above."

    frame = traitlets.Int(0)
    pixel = traitlets.Tuple(traitlets.Int(), traitlets.Int())
    radius = traitlets.Int(15)
    sigma = traitlets.Float(4.0)
    half_window = traitlets.Int(3)

    def __init__(
        self,
        clip: Clip,
        flow: Flow,
        *,
        options: GraphOptions | None = None,
        frame: int = 0,
        pixel: tuple[int, int] | None = None,
        cues: Sequence[Cue] = (),
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        require(isinstance(clip, Clip), f"clip is a {type(clip).__name__}; expected a Clip, such as read_clip(path).")
        require(
            isinstance(flow, Flow), f"flow is a {type(flow).__name__}; expected Flow, such as compute_flow(clip, ...)."
        )
        self.clip = clip
        self.options = options or GraphOptions()
        matrix = build(clip, flow, options=self.options, cues=cues)
        saliency = matrix.saliency
        self._chains = matrix.motion.chains
        self._cues = [*([Cue(name="saliency", maps=saliency)] if saliency is not None else []), *cues]
        self._near: Neighbourhood | None = None
        w, h = clip.size
        motion, features = self.options.motion, self.options.features
        window = features.half_window if features.displacements != "none" else features.cue_window
        self.canvas = VideoCanvas(np.asarray(clip.frames), caption="Click a pixel", fps=clip.fps)
        self.controls = {
            "radius": _slider(ipywidgets.IntSlider, motion.radius, 1, max(30, motion.radius), "radius p"),
            "sigma": _slider(ipywidgets.FloatSlider, motion.sigma, 0.5, max(12, motion.sigma), "width sigma"),
            "half_window": _slider(ipywidgets.IntSlider, window, 1, max(10, window), "window q"),
        }
        self.facts = ipywidgets.HTML()
        self.plot = ipywidgets.HTML()
        side = ipywidgets.VBox(
            [*self.controls.values(), self.facts],
            layout=ipywidgets.Layout(flex="1 1 300px", min_width="280px", padding="0 0 0 12px"),
        )
        self.canvas.layout.flex = "2 1 420px"
        row = ipywidgets.Box([self.canvas, side], layout=ipywidgets.Layout(flex_flow="row wrap", width="100%"))
        super().__init__([row, self.plot])
        check.whole("frame", frame)
        with self.hold_trait_notifications():
            self.radius, self.sigma, self.half_window = motion.radius, motion.sigma, window
            self.frame, self.pixel = frame, (w // 2, h // 2) if pixel is None else tuple(pixel)
        for name, control in self.controls.items():
            traitlets.link((self, name), (control, "value"))
        self.canvas.observe(self._picked, "picked")
        self.observe(self._update, ["frame", "pixel", "radius", "sigma", "half_window"])
        self._update()

    @traitlets.validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        last = len(self.clip) - 1
        require(0 <= proposal.value <= last, f"frame is {proposal.value}; expected one of 0 to {last}.")
        return int(proposal.value)

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
        check.whole(proposal.trait.name, proposal.value, at_least=1, at_most=100)
        return int(proposal.value)

    @traitlets.validate("sigma")
    def _check_sigma(self, proposal: Any) -> float:
        check.number("sigma", proposal.value, above=0)
        return float(proposal.value)

    def _picked(self, change: Any) -> None:
        if change.new is None:
            return
        frame, x, y = change.new
        with self.hold_trait_notifications():
            self.frame, self.pixel = frame, (x, y)

    def _update(self, _: Any = None) -> None:
        node = (self.frame, *self.pixel)
        if self._near is None or (self._near.frame, self._near.radius) != (self.frame, self.radius):
            self._near = Neighbourhood(self._chains, self.frame, self.radius)
        self.chain: Chain = self._near.chain(self.pixel)
        self.incoming: Incoming = self._near.incoming(self.pixel)
        motion = MotionMatrix(self._chains, replace(self.options.motion, radius=self.radius, sigma=self.sigma))
        kernel = np.array([motion.options.self_loop, *motion.kernel().double().tolist()])
        self.weights = kernel[np.abs(self.chain.frames - self.frame)]
        incoming = kernel[np.abs(self.incoming.frames - self.frame)]
        q = self.half_window
        features = FeatureMatrix(
            self._chains, replace(self.options.features, half_window=q, cue_window=q), self._cues, keep=0
        )
        x, y = self.pixel
        cell = (y + 1) * (self.clip.size[0] + 2) + x + 1
        row = features.block(self._chains.trace(self.frame, max(1, features.reach)))[0, cell]
        self.features = dict(zip(features.columns, row.double().tolist(), strict=True))
        with self.canvas.hold_sync():
            self.canvas.frame = self.frame
            self.canvas.pixel = [x, y]
            self.canvas.picked = list(node)
            self.canvas.paths = [*self._links(), self._path()]
            self.canvas.points = [{"frame": self.frame, "x": x, "y": y, "colour": PIXEL}]
        self.facts.value = self._words(incoming)
        self.plot.value = self._figure(kernel, incoming)

    def _path(self) -> dict[str, Any]:
        points = np.stack([self.chain.frames, self.chain.x.round(2), self.chain.y.round(2)], axis=1).tolist()
        return {"points": points, "colour": CHAIN, "width": 4, "arrow": True}

    def _links(self) -> list[dict[str, Any]]:
        """Lines from pixels that lead here; each is an entry of M, and not the way that the chain takes."""
        n = len(self.incoming)
        picked = np.unique(np.linspace(0, n - 1, min(n, DRAWN)).round().astype(int)).tolist() if n else list[int]()
        x, y = self.pixel
        return [
            {
                "points": sorted(
                    [
                        [int(self.incoming.frames[i]), int(self.incoming.x[i]), int(self.incoming.y[i])],
                        [self.frame, x, y],
                    ]
                ),
                "colour": LINK,
                "width": 1,
            }
            for i in picked
        ]

    def _words(self, incoming: np.ndarray) -> str:
        ahead, behind = self.chain.frames[-1] - self.frame, self.frame - self.chain.frames[0]
        m = len(self.clip)
        ended = []
        if ahead < min(self.radius, m - 1 - self.frame):
            ended.append(f"forward after {ahead}")
        if behind < min(self.radius, self.frame):
            ended.append(f"backward after {behind}")
        out = self.weights.sum()
        rows = [
            ("node", f"frame {self.frame}, pixel ({self.pixel[0]}, {self.pixel[1]})"),
            (_key(CHAIN, "its chain"), f"{ahead} ahead, {behind} behind"),
            ("ended early", ", ".join(ended) + " frames" if ended else "no"),
            (_key(LINK, "chains that lead here"), f"{len(self.incoming)}"),
            ("weight k(Δt), out + in", f"{out:.2f} + {incoming.sum():.2f}"),
        ]
        cells = "".join(
            f'<tr><td style="padding: 2px 14px 2px 0; white-space: nowrap; color: var(--jp-ui-font-color1, inherit)">{name}</td>'
            f'<td style="padding: 2px 0; font-variant-numeric: tabular-nums">{html.escape(value)}</td></tr>'
            for name, value in rows
        )
        style = "font-size: 15px; line-height: 1.5; border-collapse: collapse; color: var(--jp-ui-font-color0, inherit)"
        return f'<table style="{style}">{cells}</table>'

    def _figure(self, kernel: np.ndarray, incoming: np.ndarray) -> str:
        with plotting(9.6, 2.7) as figure:
            left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
            reach = len(kernel) - 1
            offsets = np.arange(-reach, reach + 1)
            outgoing, arriving = np.zeros(len(offsets)), np.zeros(len(offsets))
            np.add.at(outgoing, self.chain.frames - self.frame + reach, self.weights)
            np.add.at(arriving, self.incoming.frames - self.frame + reach, incoming)
            grid(left).bar(offsets, outgoing, width=0.8, color=CHAIN, label="out: k(Δt)")
            left.bar(offsets, arriving, width=0.8, color=LINK, bottom=outgoing, label="in")
            left.set_title("Weights in M")
            left.set_xlabel("Δt, frames")
            left.legend(fontsize=11, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, borderaxespad=0.2)
            left.xaxis.get_major_locator().set_params(integer=True)
            curves = by_offset(self.features)
            for (name, points), colour in zip(curves.items(), (BLUE, RED, GREEN, PURPLE, ORANGE) * 4, strict=False):
                grid(right).plot(
                    *zip(*sorted(points.items()), strict=True), "o-", markersize=5, color=colour, label=name
                )
            right.axhline(0, color=INK, linewidth=0.8, alpha=0.5)
            right.set_title("Its row of F")
            right.set_xlabel("Δt, frames")
            right.xaxis.get_major_locator().set_params(integer=True)
            right.legend(fontsize=11, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderaxespad=0.2)
            alt = f"Weights of {len(self.chain)} points of the chain and of {len(self.incoming)} incoming chains; {len(self.features)} features"
            return figure_html(figure, alt)

    def states(self) -> Iterator[State]:
        """The node as it is, and then pixels of its frame on a grid."""
        start = self.pixel
        w, h = self.clip.size
        across, down = (min(count, size) for count, size in zip(GRID, (w, h), strict=True))
        pixels = [(int((i + 0.5) * w / across), int((j + 0.5) * h / down)) for j in range(down) for i in range(across)]
        try:
            for pixel in [start, *pixels]:
                self.pixel = pixel
                yield State(f"pixel ({pixel[0]}, {pixel[1]})", (self.frame, *pixel))
        finally:
            self.pixel = start

    def __repr__(self) -> str:
        x, y = self.pixel
        return (
            f"ChainExplorer({self.clip.name!r}, pixel ({x}, {y}) of frame {self.frame}, p {self.radius}, "
            f"sigma {self.sigma:g}, q {self.half_window})"
        )


def by_offset(features: dict[str, float]) -> dict[str, dict[int, float]]:
    """A row of F as curves over the frames' offsets: {"saliency": {-3: ..., 3: ...}}.

    >>> by_offset({"dx[+1]": 2.0, "dy[+1]": 0.0, "dx[-1]": -2.0, "bias": 1.0})
    {'dx': {1: 2.0, -1: -2.0}, 'dy': {1: 0.0}, 'bias': {0: 1.0}}
    """
    curves: dict[str, dict[int, float]] = {}
    for column, value in features.items():
        parts = re.fullmatch(r"(.*)\[([+-]\d+)\]", column)
        name, offset = (parts[1], int(parts[2])) if parts else (column, 0)
        curves.setdefault(name, {})[offset] = value
    return curves


def _slider(kind: Any, value: float, low: float, high: float, name: str) -> Any:
    return kind(
        value=value,
        min=low,
        max=high,
        step=1 if kind is ipywidgets.IntSlider else 0.5,
        description=name,
        continuous_update=False,
        style={"description_width": "80px"},
        layout=ipywidgets.Layout(width="auto"),
    )


def _key(colour: str, text: str) -> str:
    swatch = f"display: inline-block; width: 14px; height: 4px; margin-right: 6px; vertical-align: middle; background: {colour}"
    return f'<span style="{swatch}"></span>{html.escape(text)}'
