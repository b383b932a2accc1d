"""Eigenvalues and their eigenvectors as videos (Fig. 8), mixtures of them, and what noise does to the first (Sec. 7.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib.ticker import NullFormatter

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.flow.compute import same_clip
from ikebook.flow.fields import Flow, noisy
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.features import Cue
from ikebook.solvers.theory import Perturbation, perturbation
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.base import note
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.computing import SETTLE, Computing, beside, in_step, show_signed
from ikebook.widgets.figures import BLUE, INK, ORANGE, RED, figure_html, grid, plotting

DENSE_NODES = 2600
"""Nodes up to which Frobenius norms are measured, for which matrices are built."""

NOISE = 2.0
"""Most noise that the slider offers, pixels."""


class SpectrumExplorer(Computing):
    """See the eigenvectors of A as videos, mix them, and shake the first.

    Parameters
    ----------
    clip, flow : of one video
    options : of the graph
    cues : more node features
    pairs : eigenvalues to show

    Attributes
    ----------
    values : list of float
        Eigenvalues, decreasing.
    selected : int
        The eigenvector shown, from 0. Setting it sets `weights` to it alone.
    weights : list of float
        Of the mixture that is shown, one for each eigenvector, from -1 to 1.
    labels : (m, h, w)
        That mixture, with signs that are positive on the object.
    gap : float
        lambda_1 - lambda_2.
    noise : float
        Standard deviation of the noise on every flow vector's components, pixels. Setting it measures what it does: see
        `measured`, and `wait` for it.
    moved, bound, printed : float
        sin of the angle by which the first eigenvector has turned; what it can't exceed (Davis and Kahan's 2 |E| / gap); and
        the paper's figure for it, 8 |E|_F / |A|_F, for toys (NaN else). NaN before any noise.
    measured : theory.Perturbation or None
        All of this.
    """

    selected = traitlets.Int(0)
    weights = traitlets.List(traitlets.Float())
    noise = traitlets.Float(0.0)

    def __init__(
        self,
        clip: Clip,
        flow: Flow,
        *,
        options: GraphOptions | None = None,
        cues: Sequence[Cue] = (),
        pairs: int = 6,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        same_clip(clip, flow)
        check.whole("pairs", pairs, at_least=2, at_most=12)
        super().__init__(clip)
        self.flow, self.options, self.cues, self.pairs = flow, options, tuple(cues), pairs
        self.measured: Perturbation | None = None
        self._solved: Solved | None = None
        self._dtype = torch.float64 if len(clip) * clip.size[0] * clip.size[1] <= DENSE_NODES else torch.float32
        self._vectors = np.zeros((0, len(clip), clip.size[1], clip.size[0]), np.float32)
        self._points: dict[float, Perturbation] = {}
        self._mixing = False
        self._build()
        self.observe(self._select, ["selected"])
        self.observe(self._mixed, ["weights"])
        self.observe(self._shaken, ["noise"])
        self.prepare(
            lambda job: solve_graph(
                clip, flow, options=options, cues=cues, pairs=pairs, compute=Compute(dtype=self._dtype)
            ),
            self._prepared,
            "building the graph",
            self._built,
        )

    def __repr__(self) -> str:
        return f"SpectrumExplorer({self._describe()}, eigenvector {self.selected + 1} of {self.pairs})"

    @property
    def values(self) -> list[float]:
        """Eigenvalues, decreasing; fewer than asked for where A's rank is lower."""
        return [float(value) for value in self._ready().pairs.values]

    @property
    def gap(self) -> float:
        """lambda_1 - lambda_2; NaN where there is only one."""
        values = self.values
        return values[0] - values[1] if len(values) > 1 else math.nan

    @property
    def labels(self) -> np.ndarray:
        """The mixture that is shown, (m, h, w)."""
        self._ready()
        mixed = np.tensordot(np.asarray(self.weights, np.float32), self._vectors, axes=1)
        return np.asarray(mixed)

    @property
    def moved(self) -> float:
        """Sin of the angle by which noise has turned the first eigenvector."""
        return math.nan if self.measured is None else self.measured.sine

    @property
    def bound(self) -> float:
        """What `moved` can't exceed, by Davis and Kahan; above 1 it says nothing."""
        return math.nan if self.measured is None else self.measured.davis_kahan

    @property
    def printed(self) -> float:
        """The paper's figure for it (Sec. 7.4); NaN for clips that are no toys."""
        return math.nan if self.measured is None else self.measured.printed

    def states(self) -> Iterator[str]:
        """Each eigenvector, and what has been measured with noise."""
        self._ready()
        before, weights = self.selected, list(self.weights)
        for k, value in enumerate(self.values):
            self.selected = k
            yield f"eigenvector {k + 1}, eigenvalue {value:.3g}"
        self.selected, self.weights = before, weights

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Any) -> int:
        count = len(self._vectors) if self._solved is not None else self.pairs
        check.whole("selected", proposal.value, at_most=max(0, count - 1))
        return int(proposal.value)

    @traitlets.validate("weights")
    def _check_weights(self, proposal: Any) -> list[float]:
        values = [float(value) for value in proposal.value]
        if self._solved is not None:
            count = len(self._vectors)
            require(
                len(values) == count, f"weights has {len(values)} numbers; expected {count}, one for each eigenvector."
            )
        require(
            all(math.isfinite(value) and abs(value) <= 1 for value in values),
            f"weights are {values}; expected numbers from -1 to 1.",
        )
        return values

    @traitlets.validate("noise")
    def _check_noise(self, proposal: Any) -> float:
        check.number("noise", proposal.value, at_least=0)
        require(proposal.value <= 100, f"noise is {proposal.value:g} pixels; expected 100 or less.")
        return float(proposal.value)

    def _ready(self) -> Solved:
        self.ready()
        assert self._solved is not None
        return self._solved

    def _build(self) -> None:
        frames = np.asarray(self.clip.frames)
        options: dict[str, Any] = {"colours": "signed", "parts": "stage", "height": 300, "map_range": (-1, 1)}
        zero = np.zeros(frames.shape[:3])
        self.mixture = VideoCanvas(frames, maps=zero, caption="building the graph ...", **options)
        self.shaken = VideoCanvas(frames, maps=zero, caption="eigenvector 1, with noise", **options)
        for canvas in (self.mixture, self.shaken):
            canvas.opacity = 0.88
        self.playback = in_step(self.mixture, self.shaken)
        self.choice = ipywidgets.ToggleButtons(options=[], style={"button_width": "112px"})
        self.choice.observe(lambda change: self.set_trait("selected", change["new"] or 0), ["value"])
        self.spectrum, self.words, self.verdict, self.plot = (ipywidgets.HTML() for _ in range(4))
        self.sliders: list[ipywidgets.FloatSlider] = []
        self.desk = ipywidgets.HBox(layout=ipywidgets.Layout(grid_gap="4px", flex_flow="row wrap"))
        self.noise_slider = ipywidgets.FloatSlider(
            min=0,
            max=NOISE,
            step=0.05,
            continuous_update=False,
            description="flow noise, px",
            layout=ipywidgets.Layout(width="100%", max_width="460px"),
            style={"description_width": "100px"},
        )
        traitlets.link((self, "noise"), (self.noise_slider, "value"))
        mixing = ipywidgets.VBox([self.spectrum, self.desk, self.words])
        shaking = ipywidgets.VBox([self.noise_slider, self.verdict, self.plot])
        self.children = [
            self.choice,
            beside(self.mixture, self.shaken),
            self.playback,
            beside(mixing, shaking),
            self.bar,
        ]
        self._draw_noise()

    def _built(self) -> None:
        if not len(self._vectors):
            self.mixture.caption, self.shaken.caption = "no eigenvector", "no eigenvector"

    def _prepared(self, found: Solved) -> None:
        self._solved = found
        count = len(found.pairs.values)
        require(count > 0, "nothing moves against the scene: A is 0, and has no eigenvector. Give another clip.")
        self._vectors = np.stack([found.labels(k).float().cpu().numpy() for k in range(count)])
        values = [float(value) for value in found.pairs.values]
        self.choice.options = [(f"{k + 1}:  {value:.3g}".replace("-", "\u2212"), k) for k, value in enumerate(values)]
        self.sliders = [
            ipywidgets.FloatSlider(
                min=-1,
                max=1,
                step=0.05,
                orientation="vertical",
                description=str(k + 1),
                readout_format=".2f",
                layout=ipywidgets.Layout(height="180px", width="56px"),
            )
            for k in range(count)
        ]
        for slider in self.sliders:
            slider.observe(self._slid, ["value"])
        self.desk.children = self.sliders
        self.selected = min(self.selected, count - 1)
        self._select()
        show_signed(self.shaken, self._vectors[0])
        self.shaken.caption = "eigenvector 1, no noise yet"

    def _select(self, _: Any = None) -> None:
        if self._solved is None:
            return
        self.weights = [1.0 if k == self.selected else 0.0 for k in range(len(self._vectors))]
        self.choice.value = self.selected
        self._draw_spectrum()
        self._draw_mixture()

    def _slid(self, _: Any) -> None:
        if not self._mixing:
            self.weights = [slider.value for slider in self.sliders]

    def _mixed(self, _: Any) -> None:
        if self._solved is None or not self.sliders:
            return
        self._mixing = True
        for slider, weight in zip(self.sliders, self.weights, strict=True):
            slider.value = weight
        self._mixing = False
        self._draw_mixture()

    def _draw_mixture(self) -> None:
        show_signed(self.mixture, self.labels)
        used = [(k, weight) for k, weight in enumerate(self.weights) if weight]
        if len(used) == 1 and used[0][1] == 1:
            self.mixture.caption = f"eigenvector {used[0][0] + 1}"
        else:
            words = " + ".join(f"{weight:.2g} v{k + 1}" for k, weight in used)
            self.mixture.caption = (
                (words or "nothing: all weights are 0").replace("+ -", "\u2212 ").replace("-", "\u2212")
            )

    def _draw_spectrum(self) -> None:
        values = self.values
        places = np.arange(1, len(values) + 1)
        with plotting(5.4, 2.5) as figure:
            axis = grid(figure.subplots())
            colours = [RED if k == self.selected else BLUE for k in range(len(values))]
            axis.bar(places, values, color=colours, width=0.6)
            axis.axhline(0, color=INK, linewidth=0.8)
            axis.set_xticks(places)
            axis.set_title("eigenvalues of A = PMP")
            if len(values) > 1:
                axis.hlines(values[0], 1.3, 2.3, color=INK, linewidth=1, linestyle=":")
                axis.annotate(
                    "",
                    xy=(2, values[0]),
                    xytext=(2, values[1]),
                    arrowprops={"arrowstyle": "<->", "color": ORANGE, "lw": 2},
                )
                axis.text(2.15, (values[0] + values[1]) / 2, f"gap {self.gap:.3g}", va="center")
            self.spectrum.value = figure_html(
                figure, f"eigenvalues {', '.join(f'{value:.3g}' for value in values)}; gap {self.gap:.3g}"
            )
        ratio = (
            f" The second eigenvalue is {values[1] / values[0]:.2f} of the first."
            if len(values) > 1 and values[0]
            else ""
        )
        self.words.value = note(f"Choose an eigenvector above, or mix them with the sliders.{ratio}")

    def _shaken(self, _: Any) -> None:
        noise = self.noise
        self.compute(
            lambda job: self._measure(job, noise), self._moved, f"measuring with {noise:g} px of noise", settle=SETTLE
        )

    def _measure(self, job: Job, noise: float) -> tuple[float, Perturbation, np.ndarray]:
        solved = self._ready()
        changed = solve_graph(
            self.clip,
            noisy(self.flow, noise),
            options=self.options,
            cues=self.cues,
            pairs=2,
            compute=Compute(dtype=self._dtype),
        )
        products = 0

        def product() -> None:
            nonlocal products
            products += 1
            job.step(None, f"measuring with {noise:g} px of noise: product {products}")

        small = solved.matrix.shape[0] <= DENSE_NODES
        found = perturbation(solved.matrix, changed.matrix, frobenius=small, on_product=product)
        labels = changed.labels().float().cpu().numpy()
        return noise, found, labels if float((labels * self._vectors[0]).sum()) >= 0 else -labels

    def _moved(self, found: tuple[float, Perturbation, np.ndarray]) -> None:
        noise, self.measured, labels = found
        self._points[noise] = self.measured
        show_signed(self.shaken, labels)
        self.shaken.caption = f"eigenvector 1, {noise:g} px of noise" if noise else "eigenvector 1, no noise"
        self._draw_noise()

    def _draw_noise(self) -> None:
        if self.measured is None:
            self.verdict.value = note(
                "Add noise to every flow vector: how far does the first eigenvector turn, and how far may it by theory?"
            )
            self.plot.value = ""
            return
        found = self.measured
        says = "which allows anything" if found.davis_kahan >= 1 else "and it holds"
        paper = f" The paper's 8 |E| / |A| is {found.printed:.3g}." if math.isfinite(found.printed) else ""
        self.verdict.value = note(
            f"Turned by {math.degrees(math.asin(min(1.0, found.sine))):.1f} degrees: sine {found.sine:.3g}. Davis\u2013Kahan's "
            f"bound 2 |E| / gap is {found.davis_kahan:.3g}, {says}.{paper}"
        )
        noises = sorted(self._points)
        with plotting(5.4, 2.9) as figure:
            axis = grid(figure.subplots())
            for name, colour, marker in (("sine", RED, "o"), ("davis_kahan", BLUE, "s"), ("printed", ORANGE, "^")):
                heights = [getattr(self._points[noise], name) for noise in noises]
                shown = [height if math.isfinite(height) and height > 0 else math.nan for height in heights]
                if not all(map(math.isnan, shown)):
                    label = {"sine": "what happens", "davis_kahan": "Davis\u2013Kahan", "printed": "8 |E| / |A|"}[name]
                    axis.plot(noises, shown, color=colour, marker=marker, label=label)
            axis.axhline(1, color=INK, linewidth=1, linestyle=":")
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.set_ylim(min(0.01, 0.5 * found.sine or 0.01), None)
            axis.set_xlim(0, max(NOISE, *noises))
            axis.set_xlabel("flow noise, pixels")
            axis.set_title("sine of the turn, and its bounds")
            if axis.get_legend_handles_labels()[0]:
                figure.legend(loc="outside lower center", ncols=3, fontsize="small")
            self.plot.value = figure_html(
                figure, f"at {self.noise:g} px the sine is {found.sine:.3g} and the bound {found.davis_kahan:.3g}"
            )
