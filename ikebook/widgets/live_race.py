"""Several starts that iterate in the page: their canvases show x(t) of the iteration that a slider says (see browser/live_race.js)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import numpy as np
import torch
import traitlets

from ikebook.graph.principal import Solved
from ikebook.solvers.spanned import Spanned
from ikebook.solvers.starts import NOTHING
from ikebook.widgets.arrays import json_numbers
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.live_iteration import LiveGraph
from ikebook.widgets.scripts import script


class LiveRace(LiveGraph):
    """Starts side by side, as the page iterates from them by itself.

    Python is the reference: it sends the matrix and, of each start, y of x(1) = Q y; and the scores, where it has them.

    Parameters
    ----------
    canvases : dict of VideoCanvas
        Of each start, by name; they show x(0).
    starts : dict of (m, h, w)
        x(0) by name.
    iterations : int
        Where the slider ends.
    pace : float
        Seconds that each iteration is shown for.

    Attributes
    ----------
    names, shows : list of str
        Of the starts, and under which names their canvases take what is computed.
    firsts : list of list of float
        y of each x(1).
    cosines : list of float or None
        |cos| of each x(0) to the exact eigenvector.
    scores : list of list of float
        J of x(0), x(1), ... of each start; empty where it is not known.
    iteration : int
        Which is shown; the browser says so once it rests.
    ran : bool
        Whether the reader has let it run.
    """

    kind = "race"

    _esm = script("race.js")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shows = traitlets.List(traitlets.Unicode()).tag(sync=True)
    firsts = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    cosines: traitlets.List[float | None] = traitlets.List().tag(sync=True)
    scores = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    iterations = traitlets.Int(1).tag(sync=True)
    iteration = traitlets.Int(0).tag(sync=True)
    pace = traitlets.Float(0.35).tag(sync=True)
    ran = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, canvases: Mapping[str, VideoCanvas], starts: Mapping[str, np.ndarray], iterations: int, pace: float
    ) -> None:
        for canvas in canvases.values():
            canvas.computed = uuid.uuid4().hex
        shows = [canvas.computed for canvas in canvases.values()]
        super().__init__(names=list(canvases), shows=shows, iterations=iterations, pace=pace)
        self._starts = starts

    def forget(self) -> None:
        super().forget()
        self.firsts, self.cosines, self.scores = [], [], []
        self.iteration, self.ran = 0, False

    def offer(self, solved: Solved, found: Spanned) -> None:
        starts = [torch.from_numpy(start).flatten().double() for start in self._starts.values()]
        exact = solved.labels().flatten().double()
        firsts = [found.first(start) for start in starts]
        for first, start in zip(firsts, starts, strict=True):
            if first.norm() <= NOTHING * start.norm():
                first.zero_()
        cosines = [abs(float(start @ exact)) / max(float(start.norm()), 1e-300) for start in starts]
        with self.hold_sync():
            self.firsts, self.cosines = [first.tolist() for first in firsts], json_numbers(cosines)
            super().offer(solved, found)
            self.products = b""  # each start's first product is there already

    def on_page(self) -> bool:
        """Whether the page can iterate."""
        return bool(self.columns)
