"""What noise on the flow does, measured at a few levels in the background, so that a slider needs no waiting (see browser/live_noise.js)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import traitlets

from ikebook.solvers.theory import Perturbation
from ikebook.widgets.arrays import json_numbers
from ikebook.widgets.background import Job
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.live import Live
from ikebook.widgets.live_iteration import MOST_BYTES, as_int16
from ikebook.widgets.scripts import script
from ikebook.widgets.shared_bytes import shared

LEVELS = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.5, 2.0)
"""Standard deviations of noise that are measured, pixels."""

FIELDS = {"sines": "sine", "bounds": "davis_kahan", "printed": "printed"}
"""Lists that the page plots, and the fields of `Perturbation` that they hold."""

Measure = Callable[[float], tuple[Perturbation, np.ndarray]]
"""What a level of noise does, and the first eigenvector then, (m, h, w)."""


class LiveNoise(Live):
    """A slider of noise whose levels have been measured: picture, sine and bounds follow it in the page.

    Parameters
    ----------
    canvas : VideoCanvas
        Which shows the first eigenvector with noise.

    Attributes
    ----------
    levels : list of float
        Of noise, 0 first; as far as they have been measured.
    sines, bounds, printed : list of float or None
        For each of them; see `SpectrumExplorer`.
    columns : bytes
        The first eigenvector at each level, int16, each times its number in `scales`; empty until all have been measured.
    value : float
        The level that is shown.
    count : int
        Of levels that will be there.
    """

    kind = "noise"

    _esm = script("noise.js")

    shows = traitlets.Unicode().tag(sync=True)
    levels = traitlets.List(traitlets.Float()).tag(sync=True)
    sines: traitlets.List[Any] = traitlets.List().tag(sync=True)
    bounds: traitlets.List[Any] = traitlets.List().tag(sync=True)
    printed: traitlets.List[Any] = traitlets.List().tag(sync=True)
    columns = traitlets.Bytes(b"").tag(sync=True, to_json=shared("columns"))
    scales = traitlets.List(traitlets.Float()).tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    count = traitlets.Int(1 + len(LEVELS)).tag(sync=True)

    def __init__(self, canvas: VideoCanvas) -> None:
        canvas.computed = uuid.uuid4().hex
        self.measured: dict[float, Perturbation] = {}
        self._measure: Measure | None = None
        self._vectors: list[np.ndarray] = []
        self._job: Job | None = None
        super().__init__(shows=canvas.computed)
        self.observe(lambda _: self._prepare_if_wanted(), ["wanted"])

    def follow(self, measure: Measure, vector: np.ndarray) -> None:
        """Measure the levels by `measure`, once a page shows the widget; `vector` is the first eigenvector (m, h, w)."""
        self._measure, self._vectors, self.measured = measure, [vector], {}
        self._prepare_if_wanted()

    def ready(self) -> bool:
        """Measure all levels now, where that has not been done; whether the page has them."""
        if self._job is None and self._measure is not None and self._fits:
            self._job = Job(self._levels).start()
        if self._job is not None:
            self._job.wait()
        return bool(self.columns)

    def close(self) -> None:
        """Take it out of the page, and forget what was measured."""
        if self._job is not None:
            self._job.cancel()
        super().close()
        self._measure, self._vectors, self._job = None, [], None
        self.columns = b""

    def on_page(self) -> bool:
        """Whether the page has the levels."""
        return bool(self.columns)

    @property
    def _fits(self) -> bool:
        return 2 * self.count * self._vectors[0].size <= MOST_BYTES

    def _prepare_if_wanted(self) -> None:
        if self.wanted and self._measure is not None and self._job is None and self._fits:
            self._job = Job(self._levels).start()

    def _levels(self, job: Job) -> None:
        measure = self._measure
        assert measure is not None
        for level in LEVELS:
            job.step(len(self.measured) / len(LEVELS), f"{level:g} px of noise")
            found, vector = measure(level)
            self.measured[level] = found
            self._vectors.append(vector)
            with self.hold_sync():
                for name, field in FIELDS.items():
                    values = [getattr(each, field) for each in self.measured.values()]
                    setattr(self, name, [0.0, *json_numbers(values)])
                self.levels = [0.0, *self.measured]
        stacked = np.stack(self._vectors).reshape(len(self._vectors), -1)
        with self.hold_sync():
            self.columns, self.scales = as_int16(torch.from_numpy(stacked))
        self._vectors = self._vectors[:1]
