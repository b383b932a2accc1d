"""Eigenvalues and their eigenvectors as videos (Fig. 8), mixtures of them, and what noise does to the first (Sec. 7.4)."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import traitlets

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.flow import Flow, noisy
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.features import Cue, checked_cues
from ikebook.solvers.theory import Perturbation, perturbation
from ikebook.video.clip import Clip
from ikebook.widgets.background import Job
from ikebook.widgets.computing import DEBOUNCE, Computing
from ikebook.widgets.inputs import clip_and_flow, graph_options
from ikebook.widgets.layouts import show_signed
from ikebook.widgets.spectrum_view import SpectrumView, mixture_name

DENSE_NODES = 2600
"""Nodes up to which Frobenius norms are measured, for which matrices are built, in float64."""


class SpectrumExplorer(Computing):
    """See the eigenvectors of A as videos, mix them, and add noise to the flow (Secs. 4.3 and 7.4).

    While a mixing slider moves, the page mixes by itself, and so does a static page, unless the clip is too large.

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
    pairs : int, default 6
        Eigenvalues to show, 2 to 12.

    Attributes
    ----------
    values : list of float
        Eigenvalues above 0, decreasing; fewer than asked for where A has fewer.
    selected : int
        The eigenvector shown, from 0. Setting it sets `weights` to it alone.
    weights : list of float
        Of the mixture that is shown, one for each eigenvector, from -1 to 1.
    labels : (m, h, w) float32
        That mixture, with signs that are positive on the object.
    gap : float
        From lambda_1 to the nearest other eigenvalue, A's zeros among them; see `Eigenpairs.gap`.
    noise : float
        Standard deviation of the noise on every flow vector's components, pixels. Setting it measures what it does: see
        `measured`, and `wait` for it.
    moved, bound, printed : float
        sin of the angle by which the first eigenvector has turned; what it can't exceed (Davis and Kahan's 2 |E| / gap); and
        the paper's figure for it, 8 |E|_F / |A|_F. NaN before any noise.
    measured : Perturbation or None
        All of this; see `ikebook.solvers.theory.perturbation`.

    Raises
    ------
    InputError
        If clip, flow and cues do not fit each other. Where nothing moves, the widget says so, and `values` raises it.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> explorer = SpectrumExplorer(made.clip, made.flow, pairs=2, options=ikebook.preset("saliency"))
    >>> len(explorer.values), explorer.gap > 0
    (2, True)
    >>> explorer
    SpectrumExplorer('disc', 5 frames of 16x16, eigenvector 1 of 2)
    """

    selected = traitlets.Int(0)
    weights = traitlets.List(traitlets.Float())
    noise = traitlets.Float(0.0)

    def __init__(
        self,
        clip: Clip,
        flow: Flow | str | None = None,
        *,
        cues: Sequence[Cue] = (),
        options: GraphOptions | None = None,
        pairs: int = 6,
        **unknown: Any,
    ) -> None:
        self.refuse(unknown)
        clip, self.flow = clip_and_flow("SpectrumExplorer", clip, flow)
        self.cues, self.options = checked_cues(cues), graph_options(options)
        check.whole("pairs", pairs, at_least=2, at_most=12)
        super().__init__(clip)
        self.pairs = pairs
        self.measured: Perturbation | None = None
        self._measuring = threading.Lock()  # by the slider's job, and in the background
        self._solved: Solved | None = None
        self._dtype = torch.float64 if len(clip) * clip.size[0] * clip.size[1] <= DENSE_NODES else torch.float32
        self._vectors = np.zeros((0, len(clip), clip.size[1], clip.size[0]), np.float32)
        self._points: dict[float, Perturbation] = {}
        self._build()
        self.observe(lambda _: self._select(), ["selected"])
        self.observe(lambda _: self._show_mixture(), ["weights"])
        self.observe(lambda _: self._start_measuring(), ["noise"])
        self.prepare(lambda job: self._solve(self.flow, pairs), self._prepared, "building the graph", self._built)

    def __repr__(self) -> str:
        return f"SpectrumExplorer({self._describe()}, eigenvector {self.selected + 1} of {self.pairs})"

    @property
    def values(self) -> list[float]:
        """Eigenvalues above 0, decreasing; fewer than asked for where A has fewer."""
        return [float(value) for value in self._ready().pairs.values]

    @property
    def gap(self) -> float:
        """From lambda_1 to the nearest other eigenvalue, A's zeros among them."""
        gap = self._ready().pairs.gap()
        return math.nan if gap is None else gap

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
        """The paper's figure for it (Sec. 7.4); NaN for large clips whose P is no projector, or one for each frame."""
        return math.nan if self.measured is None else self.measured.printed

    def page_states(self) -> Iterator[str]:
        """Each eigenvector, and what has been measured with noise."""
        self._ready()
        self._view.show_live_noise(self._view.noise.ready())
        before, weights = self.selected, list(self.weights)
        with self._view.as_page(mixing=self.mixing.ready()):
            for k, value in enumerate(self.values):
                self.selected = k
                self._select()
                yield f"eigenvector {k + 1}, eigenvalue {value:.3g}"
        self.selected, self.weights = before, weights
        self._show_mixture()

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

    # The graph and its eigenvectors

    def _ready(self) -> Solved:
        self.ready()
        assert self._solved is not None
        return self._solved

    def _solve(self, flow: Flow, pairs: int) -> Solved:
        compute = Compute(dtype=self._dtype)
        return solve_graph(self.clip, flow, cues=self.cues, pairs=pairs, options=self.options, compute=compute)

    def _prepared(self, found: Solved) -> None:
        self._solved = found
        values = [float(value) for value in found.pairs.values]
        require(
            len(values) > 0,
            "A has no positive eigenvalue, as where nothing moves against the scene. Give another clip.",
        )
        self._vectors = np.stack([found.labels(k).float().cpu().numpy() for k in range(len(values))])
        chosen = self.selected  # perhaps before there was anything to choose from; new buttons begin with the first
        self._view.offer(values, self._vectors)
        self.selected = min(chosen, len(values) - 1)
        self._select()
        show_signed(self.noisy, self._vectors[0])
        self.noisy.caption = "eigenvector 1, no noise yet"
        self._view.noise.follow(lambda noise: self._perturbed(noise, lambda: None), self._vectors[0])

    def _built(self) -> None:
        if not len(self._vectors):
            self.mixture.caption, self.noisy.caption = "no eigenvector", "no eigenvector"

    # What is shown

    def _build(self) -> None:
        self._view = view = SpectrumView(self.clip, mixed=self._mix, chosen=self._choose)
        self.mixture, self.noisy, self.playback = view.mixture, view.noisy, view.playback
        self.choice, self.mixing, self.noise_slider = view.choice, view.mixing, view.noise_slider
        traitlets.link((self, "noise"), (self.noise_slider, "value"))
        view.noise.observe(lambda _: view.show_live_noise(bool(view.noise.columns)), ["columns"])
        view.noise.observe(lambda change: setattr(self, "noise", change["new"]), ["value"])
        self.arrange(view.children)
        view.show_noise(None, {}, 0.0)

    def _select(self) -> None:
        if self._solved is None:
            return
        before, self.weights = self.weights, [float(k == self.selected) for k in range(len(self._vectors))]
        if before == self.weights:  # else it has been heard of, and is shown already
            self._show_mixture()

    def _choose(self, k: int) -> None:
        if k == self.selected:
            self._select()  # back from a mixture
        else:
            self.selected = k

    def _mix(self, weights: list[float]) -> None:
        self.weights = weights

    def _show_mixture(self) -> None:
        if self._solved is None or len(self.weights) != len(self.mixing.values):
            return
        self.mixing.weights = self.weights
        show_signed(self.mixture, self.labels)
        self.mixture.caption = mixture_name(self.weights)
        alone = sorted(self.weights) == [0.0] * (len(self.weights) - 1) + [1.0]
        self._view.show_spectrum(self._ready().pairs, self.weights.index(1.0) if alone else None)

    # Noise

    def _start_measuring(self) -> None:
        noise, live = self.noise, self._view.noise
        self._view.show_live_noise(bool(live.columns) and noise in live.levels)
        if noise in live.measured:
            live.value = noise
            self.measured = self._points[noise] = live.measured[noise]
            return
        self.compute(
            lambda job: self._measure(job, noise),
            self._show_measured,
            f"measuring with {noise:g} px of noise",
            debounce=DEBOUNCE,
        )

    def _measure(self, job: Job, noise: float) -> tuple[float, Perturbation, np.ndarray]:
        products = 0

        def product() -> None:
            nonlocal products
            products += 1
            job.step(None, f"measuring with {noise:g} px of noise: product {products}")

        self._ready()
        return noise, *self._perturbed(noise, product)

    def _perturbed(self, noise: float, on_product: Callable[[], None]) -> tuple[Perturbation, np.ndarray]:
        """What noise does to the first eigenvector, and what it is then, (m, h, w)."""
        solved = self._solved
        assert solved is not None
        with self._measuring:
            changed = self._solve(noisy(self.flow, noise), 2)
            small = solved.matrix.shape[0] <= DENSE_NODES
            found = perturbation(solved.matrix, changed.matrix, frobenius=small, on_product=on_product)
            labels = changed.labels().float().cpu().numpy()
        return found, labels if float((labels * self._vectors[0]).sum()) >= 0 else -labels

    def _show_measured(self, found: tuple[float, Perturbation, np.ndarray]) -> None:
        noise, self.measured, labels = found
        self._points[noise] = self.measured
        show_signed(self.noisy, labels)
        self.noisy.caption = f"eigenvector 1, {noise:g} px of noise" if noise else "eigenvector 1, no noise"
        self._view.show_noise(self.measured, self._points, noise)
