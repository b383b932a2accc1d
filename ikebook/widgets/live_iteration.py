"""Power iteration in the page: what it needs goes to the browser once, and then no kernel is asked (see browser/spectral.js)."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from torch import Tensor

from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved
from ikebook.solvers.spanned import Spanned, spanned
from ikebook.widgets.background import Job
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.live import Live
from ikebook.widgets.scripts import script
from ikebook.widgets.shared_bytes import shared

MOST_BYTES = 1 << 25
"""Of Q and MQ together: what a page loads in a moment."""

LEVELS = 32767
"""int16 has so many on either side of 0."""


class LiveGraph(Live):
    """A graph on which the page iterates by itself: Python sends its numbers once a page shows the widget.

    Attributes
    ----------
    reason : str
        Why the page can't iterate by itself; "" if it can.
    columns, products : bytes
        Q and MQ, (r, n) int16; their columns times `scales`, two lists of r.
    small, exact : list of list of float
        K, (r, r), and e with v = Q e for the leading eigenvectors, (pairs, r).
    """

    reason = traitlets.Unicode("").tag(sync=True)
    columns = traitlets.Bytes(b"").tag(sync=True, to_json=shared("columns"))
    products = traitlets.Bytes(b"").tag(sync=True, to_json=shared("products"))
    scales = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    small = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    exact = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)

    def __init__(self, **state: Any) -> None:
        self._solved: Solved | None = None
        self._spanned: Spanned | None = None
        self._job: Job | None = None
        super().__init__(**state)
        self.observe(lambda _: self._prepare_if_wanted(), ["wanted"])

    def follow(self, solved: Solved | None, options: GraphOptions) -> None:
        """Iterate on this graph from now on, as soon as a page shows it; None while there is none."""
        if self._job is not None:
            self._job.cancel()
        self._solved, self._spanned = solved, None
        with self.hold_sync():
            self.forget()
            self.reason = "" if solved is None else why_not(solved, options)
        self._prepare_if_wanted()

    def forget(self) -> None:
        """What belongs to a graph goes."""
        self.columns = self.products = b""

    def close(self) -> None:
        """Take it out of the page, and forget what it iterates with."""
        if self._job is not None:
            self._job.cancel()
        super().close()
        self._solved = self._spanned = self._job = None
        self.columns = self.products = b""

    def ready(self) -> bool:
        """Prepare it now, where that has not been done; whether the page can iterate by itself."""
        if self._solved is None or self.reason:
            return False
        if self._job is not None:
            self._job.wait()
        if self._spanned is None:
            self.offer(self._solved, spanned(self._solved.matrix))
        return not self.reason

    def _prepare_if_wanted(self) -> None:
        """Compute what the page needs, in the background: r products with M, while the widget can be used already."""
        solved = self._solved
        if not self.wanted or solved is None or self.reason or self._spanned is not None:
            return

        def done(found: Spanned) -> None:
            if solved is self._solved:  # no other graph has been asked for meanwhile
                self.offer(solved, found)

        def failed(line: str) -> None:
            self.reason = line

        self._job = Job(lambda job: spanned(solved.matrix, job.step), on_result=done, on_error=failed).start()

    def offer(self, solved: Solved, found: Spanned) -> None:
        """Send what the page needs."""
        exact = [found.coordinates(solved.labels(k).flatten()).tolist() for k in range(len(solved.signs))]
        (columns, scales), (products, product_scales) = as_int16(found.columns), as_int16(found.products)
        self._spanned = found
        with self.hold_sync():
            self.scales, self.small, self.exact = [scales, product_scales], found.small.tolist(), exact
            self.products, self.columns = products, columns


class LiveIteration(LiveGraph):
    """Algorithm 2 as the page runs it by itself, beside a canvas that is painted and one that shows x.

    Python is the reference: it sends Q, MQ, K = Q'MQ and the exact eigenvectors (see `solvers.spanned`), once a page shows this
    widget, and the page iterates as long as the mouse paints. In a static page, `controls` are shown, and it goes on from there.

    Parameters
    ----------
    canvas : VideoCanvas
        Which shows x; what is painted in a canvas of its group becomes x(0).
    pace : float
        Seconds that each iteration is shown for, 0.1 at least.

    Attributes
    ----------
    start : list of float
        (MQ)'x(0) of the x(0) that Python begins with.
    cosines : list of float or None
        |cos| of Python's x(0), x(1), ... to the exact eigenvector, for the arrow; None where there is none.
    controls : bool
        Whether it has buttons, as where there is no kernel.
    """

    kind = "iteration"

    _esm = script("iteration.js")

    group = traitlets.Unicode().tag(sync=True)
    controls = traitlets.Bool(False).tag(sync=True)
    pace = traitlets.Float(0.5).tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    cosines: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, canvas: VideoCanvas, pace: float) -> None:
        canvas.computed = canvas.group
        super().__init__(group=canvas.group, pace=max(0.1, pace))

    def forget(self) -> None:
        super().forget()
        self.start, self.cosines = [], []

    def begin(self, labels: Tensor) -> None:
        """Let the page begin with x(0), (n,), until something is painted there; `ready` first."""
        assert self._spanned is not None
        self.start = self._spanned.first(labels).tolist()

    def on_page(self) -> bool:
        """Whether it has buttons there, which it has where the page can iterate."""
        return self.controls


def as_int16(columns: Tensor) -> tuple[bytes, list[float]]:
    """Columns (r, n) as (r, n) int16, and what each of them has to be multiplied with: half a step is lost at most.

    Closer than float16, of as many bytes, to all values but those that are tiny beside the column's largest.

    >>> import torch
    >>> as_int16(torch.tensor([[0.0, 0.5, -1.0]]))[0] == np.array([0, 16384, -32767], "<i2").tobytes()
    True
    """
    values = columns.double().cpu().numpy()
    scales = np.abs(values).max(1, initial=0.0) / LEVELS
    whole = np.rint(values / np.where(scales > 0, scales, 1.0)[:, None]).astype("<i2")
    return whole.tobytes(), scales.tolist()


def why_not(solved: Solved, options: GraphOptions) -> str:
    """Why a page can't iterate on this graph by itself, in a sentence; "" if it can."""
    n = solved.matrix.shape[0]
    size = 4 * n * solved.matrix.features.shape[1]
    if not solved.signs:
        return "There is no eigenvector to find."
    if options.solver.normalisation != "l2":
        because = "its rule is not linear"
    elif options.projection.scope != "video":
        because = "each frame has its own P"
    elif options.projection.ridge:
        because = "P has a ridge"
    elif size > MOST_BYTES:
        because = f"the clip is too large for that ({size / 2**20:.0f} MB of at most {MOST_BYTES / 2**20:.0f})"
    else:
        return ""
    return f"With these options the page can't iterate by itself, as {because}: each step is Python's."
