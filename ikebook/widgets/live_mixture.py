"""Mixing of eigenvectors in the page: they go to the browser once, and the picture follows the sliders (see browser/spectral.js)."""

from __future__ import annotations

import numpy as np
import torch
import traitlets

from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.live import Live
from ikebook.widgets.live_iteration import MOST_BYTES, as_int16
from ikebook.widgets.scripts import script
from ikebook.widgets.shared_bytes import shared


class LiveMixture(Live):
    """A slider for each eigenvector; their mixture is shown in a canvas while a slider moves.

    Python hears of the weights when a slider has been let go. What is too large to be sent is mixed by Python then.

    Parameters
    ----------
    canvas : VideoCanvas
        Which shows the mixture.

    Attributes
    ----------
    values : list of float
        The eigenvalues.
    weights : list of float
        Of the mixture, one for each eigenvector, from -1 to 1.
    columns : bytes
        The eigenvectors, (r, n) int16, each times its number in `scales`.
    """

    kind = "mixture"

    _esm = script("mixture.js")

    group = traitlets.Unicode().tag(sync=True)
    values = traitlets.List(traitlets.Float()).tag(sync=True)
    weights = traitlets.List(traitlets.Float()).tag(sync=True)
    columns = traitlets.Bytes(b"").tag(sync=True, to_json=shared("columns"))
    scales = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, canvas: VideoCanvas) -> None:
        canvas.computed = canvas.group
        super().__init__(group=canvas.group)
        self._vectors = np.zeros((0, 0), np.float32)
        self.observe(lambda _: self._send_if_wanted(), ["wanted"])

    def offer(self, values: list[float], vectors: np.ndarray) -> None:
        """Mix these eigenvectors (r, m, h, w)."""
        self._vectors = vectors.reshape(len(vectors), -1)
        with self.hold_sync():
            self.columns = b""
            self.values, self.weights = values, [float(k == 0) for k in range(len(values))]
        self._send_if_wanted()

    def close(self) -> None:
        """Take it out of the page, and forget what it mixes."""
        super().close()
        self._vectors = np.zeros((0, 0), np.float32)
        self.columns = b""

    def ready(self) -> bool:
        """Let the page have the eigenvectors, unless they are too large; whether it can mix them by itself."""
        if not self.columns and 0 < 2 * self._vectors.size <= MOST_BYTES:
            with self.hold_sync():
                self.columns, self.scales = as_int16(torch.from_numpy(self._vectors))
        return bool(self.columns)

    def on_page(self) -> bool:
        """Whether the page has the eigenvectors."""
        return bool(self.columns)

    def _send_if_wanted(self) -> None:
        if self.wanted:
            self.ready()
