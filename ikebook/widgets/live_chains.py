"""The motion chains of whole frames in the page, which draws those of the pixel that is pointed at (see browser/live_chains.js)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np
import torch
import traitlets

from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.neighbours import Neighbourhood
from ikebook.widgets.arrays import DEFLATED
from ikebook.widgets.background import Job
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.live import Live
from ikebook.widgets.live_iteration import as_int16
from ikebook.widgets.scripts import script
from ikebook.widgets.shared_bytes import shared

MOST_BYTES = 1 << 26
"""Of the chains of one frame, before they are compressed: what a page unpacks in a moment."""

PAGE_BYTES = 1 << 23
"""Of the chains of all frames, before they are compressed, up to which a static page has them all."""

GONE = -32768
"""In place of where a chain is, once it has left the frame."""

LIKENESS = 255
"""uint8 has so many above 0: what a likeness of 1 becomes."""


@dataclass(frozen=True, eq=False)
class FrameChains:
    """The chains of all n pixels of a frame, by their K offsets -p, ..., -1, 1, ..., p, and what they collect.

    Parameters
    ----------
    ahead : (K, n, 2) float64
        How far each pixel's chain has gone by then, in x and y, pixels; NaN where it has left the frame.
    likeness : (K, n) in [0, 1]
        Of the pixel to the one that its chain meets.
    met : (K, links, n, 2) int64
        Where in this frame the chain of each pixel of the frame at that offset arrives, from that pixel; `GONE` where it does not.
    met_likeness : (K, links, n) in [0, 1]
    features : (d, n) float32
        Their rows of F.
    """

    ahead: np.ndarray
    likeness: np.ndarray
    met: np.ndarray
    met_likeness: np.ndarray
    features: np.ndarray

    def packed(self, unit: float) -> tuple[bytes, list[float]]:
        """As bytes, with ways in steps of `unit` pixels, and what the features' int16 have to be multiplied with."""
        gone = np.isnan(self.ahead)
        ahead = np.rint(np.where(gone, 0, self.ahead) / unit)
        features, scales = as_int16(torch.from_numpy(self.features))
        parts = [
            np.where(gone, GONE, ahead).astype("<i2").tobytes(),
            self.met.astype("<i2").tobytes(),
            features,
            np.rint(self.likeness * LIKENESS).astype(np.uint8).tobytes(),
            np.rint(self.met_likeness * LIKENESS).astype(np.uint8).tobytes(),
        ]
        return b"".join(parts), scales


class ChainSource:
    """Where the chains of a frame come from.

    Parameters
    ----------
    chains : MotionChains
    motion : MotionMatrix
        M on them.
    features : FeatureMatrix
        F along them.
    radius : int
        p, frames.
    lock : RLock
        Held by whoever uses the chains, which remember what they were asked for last.
    """

    def __init__(
        self, chains: MotionChains, motion: MotionMatrix, features: FeatureMatrix, radius: int, lock: RLock
    ) -> None:
        self.chains, self.motion, self.features, self.radius, self.lock = chains, motion, features, radius, lock
        w, h = chains.grid.w, chains.grid.h
        self.pixels, self.offsets = w * h, [offset for offset in range(-radius, radius + 1) if offset]
        self.links = 1 if chains.options.links == "nearest" else 4
        self.inside = chains.grid.crop(torch.arange(chains.grid.cells)).flatten()  # the cell of each pixel
        self.x, self.y = np.tile(np.arange(w), h), np.repeat(np.arange(h), w)
        self.unit = 2.0 ** -int(np.floor(np.log2(32000 / max(w, h))))

    @property
    def bytes_each(self) -> int:
        """Bytes of one frame, before they are compressed."""
        return self.pixels * (len(self.offsets) * (5 + 5 * self.links) + 2 * self.features.shape[1])

    def frame(self, frame: int) -> FrameChains:
        """The chains of a frame."""
        with self.lock:
            return self._frame(frame)

    def _frame(self, frame: int) -> FrameChains:
        near, n, count = Neighbourhood(self.chains, frame, self.radius), self.pixels, len(self.offsets)
        ahead = np.full((count, n, 2), np.nan)
        met = np.full((count, self.links, n, 2), GONE)
        likeness, met_likeness = np.zeros((count, n)), np.zeros((count, self.links, n))
        own = torch.arange(n) + frame * n
        for steps in (near.trace.ahead, near.trace.behind):
            for step in steps:
                k = self.offsets.index(step.offset)
                there = self.chains.nodes(step.cell[0], frame + step.offset)[self.inside].cpu()
                alive = (there >= 0).numpy()
                x, y = (each[0][self.inside].double().cpu().numpy() for each in (step.x, step.y))
                ahead[k, alive] = np.stack([x - self.x, y - self.y], 1)[alive]
                likeness[k, alive] = self._alike(own[there >= 0], there[there >= 0])
        for k, offset in enumerate(self.offsets):
            if 0 <= frame + offset < self.chains.frames:
                for link, cells in enumerate(near.arrivals(frame + offset)):
                    there = self.chains.nodes(cells, frame)[self.inside].cpu()
                    alive = (there >= 0).numpy()
                    pixel = there.numpy() - frame * n
                    w = self.chains.grid.w
                    met[k, link, alive] = np.stack([pixel % w - self.x, pixel // w - self.y], 1)[alive]
                    source = torch.arange(n) + (frame + offset) * n
                    met_likeness[k, link, alive] = self._alike(source[there >= 0], there[there >= 0])
        row = self.features.block(self.chains.trace(frame, max(1, self.features.reach)))[0, self.inside]
        return FrameChains(ahead, likeness, met, met_likeness, row.T.float().cpu().numpy())

    def _alike(self, a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
        """How far edges between nodes are believed, without the kernel's part."""
        return self.motion.alike(a, b).double().cpu().numpy()


class LiveChains(Live):
    """Chains, weights and features of the pixel under the pointer, without Python.

    Python is the reference: it sends the chains of the frame that the canvas shows, of all its pixels, once it has come to rest there.

    Parameters
    ----------
    canvas : VideoCanvas
        In which pixels are pointed at.

    Attributes
    ----------
    node : (frame, x, y)
        Which is shown while nothing is pointed at.
    held : list of int
        The frames whose chains the page has.
    data : bytes
        Those, one frame after the other, as `FrameChains.packed` gives them; deflated.
    radius, links, unit : int, int, float
        See there; `radius` is that of the data.
    columns : list of str
        F's.
    scales : list of list of float
        Of each held frame, what its features have to be multiplied with.
    shown : (p, sigma, self-loop)
        Of what is drawn; p may be less than `radius`.
    sliders : dict
        Channels of sliders by which the page sets `shown`, and the place there.
    """

    kind = "chains"

    _esm = script("chains.js")

    group = traitlets.Unicode().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    node = traitlets.List(traitlets.Int()).tag(sync=True)
    held = traitlets.List(traitlets.Int()).tag(sync=True)
    data = traitlets.Bytes(b"").tag(sync=True, to_json=shared("data"))
    radius = traitlets.Int(1).tag(sync=True)
    links = traitlets.Int(1).tag(sync=True)
    unit = traitlets.Float(1.0).tag(sync=True)
    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)
    scales = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    shown = traitlets.List(traitlets.Float()).tag(sync=True)
    sliders = traitlets.Dict().tag(sync=True)

    def __init__(self, canvas: VideoCanvas, sliders: dict[str, int]) -> None:
        canvas.computed = canvas.group
        self._source: ChainSource | None = None
        self._frame = 0
        self._sent: tuple[ChainSource, int] | None = None
        self._job: Job | None = None
        super().__init__(group=canvas.group, shape=list(canvas.shape), sliders=sliders)
        self.observe(lambda _: self._prepare_if_wanted(), ["wanted"])

    def follow(self, source: ChainSource) -> None:
        """Show these chains from now on, once a page shows the widget; until they are there, it shows those it has."""
        self._source = source
        self._prepare_if_wanted()

    def look_at(self, frame: int) -> None:
        """Let the page have the chains of this frame."""
        self._frame = frame
        self._prepare_if_wanted()

    def close(self) -> None:
        """Take it out of the page, and forget the chains."""
        if self._job is not None:
            self._job.cancel()
        super().close()
        self._source = self._sent = self._job = None
        self.data = b""

    @property
    def possible(self) -> bool:
        """Whether a page can have the chains of a frame."""
        return self._source is not None and self._source.bytes_each <= MOST_BYTES

    def ready(self) -> bool:
        """Prepare it now for a static page, with all frames if they are small; whether the page can do without Python."""
        if self._source is None or not self.possible:
            return False
        everything = self._source.bytes_each * self.shape[0] <= PAGE_BYTES
        self._offer(self._source, range(self.shape[0]) if everything else [self._frame])
        return True

    def on_page(self) -> bool:
        """Whether the page has chains."""
        return bool(self.data)

    def wait(self) -> None:
        """Wait until what is wanted has been sent."""
        if self._job is not None:
            self._job.wait()

    def _prepare_if_wanted(self) -> None:
        source, frame = self._source, self._frame
        if not self.wanted or source is None or not self.possible or self._sent == (source, frame):
            return

        def done(found: Any) -> None:
            if (source, frame) == (self._source, self._frame):  # nothing else has been asked for meanwhile
                self._put(source, [frame], [found])

        self._job = Job(lambda _: source.frame(frame), on_result=done, on_error=lambda _: None).start()

    def _offer(self, source: ChainSource, frames: Sequence[int]) -> None:
        self._put(source, frames, [source.frame(frame) for frame in frames])

    def _put(self, source: ChainSource, frames: Sequence[int], found: Sequence[FrameChains]) -> None:
        packed = [each.packed(source.unit) for each in found]
        data = DEFLATED + zlib.compress(b"".join(each for each, _ in packed), 3)
        with self.hold_sync():
            self.radius, self.links, self.unit = source.radius, source.links, source.unit
            self.columns, self.scales = list(source.features.columns), [scales for _, scales in packed]
            self.held, self.data = list(frames), data
        self._sent = source, frames[0]
