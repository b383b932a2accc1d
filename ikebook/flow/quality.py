"""How far flow may be believed: whether its two directions agree, and whether anything moves at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from ikebook.flow.fields import Flow

CONSISTENT = (0.01, 0.5)
"""A step f whose backward step b has |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 px^2 passes the forward-backward check
(Sundaram, Brox & Keutzer, ECCV 2010, doi:10.1007/978-3-642-15549-9_32, Eq. 5)."""

STATIC = 0.1
"""A pair of frames in which (almost) no pixel moves farther counts as static, pixels."""

STRAY = 0.001
"""Share of the pixels that may move farther in a static pair: single pixels may be wrong."""

SAMPLES = 10_000
"""Pixels of a frame whose flow is compared, about, on a regular grid: what is asked for is their share."""

LEAST_CONSISTENT = 0.6
"""Share of consistent pixels below which a user is warned. On clips of DAVIS 2016 DIS has 0.68 to 0.99."""


@dataclass(frozen=True, kw_only=True)
class FlowQuality:
    """What was found in a clip's flow, at the working size.

    Parameters
    ----------
    pairs : int
        Pairs of consecutive frames.
    error : float
        Median of |f + b|, pixels: f the flow from a pixel, b the flow back from where it leads.
    error_90 : float
        The 90th percentile of |f + b|, pixels.
    consistent : float
        Share of pixels that pass the forward-backward check of `CONSISTENT`.
    leaving : float
        Share of pixels that leave the frame, of which nothing is known.
    worst_pair : int
        The pair i, between frames i and i+1, with the fewest consistent pixels.
    worst_consistent : float
        Their share.
    static_pairs : tuple of int
        Pairs in which nothing moves. Of frames that repeat the one before, `ikebook.runs.run` looks at one.
    """

    pairs: int
    error: float
    error_90: float
    consistent: float
    leaving: float
    worst_pair: int
    worst_consistent: float
    static_pairs: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a summary."""
        return asdict(self)

    def warnings(self) -> list[str]:
        """What a user should know, one sentence each."""
        found = []
        if self.consistent < LEAST_CONSISTENT:
            found.append(
                f"Flow: only {100 * self.consistent:.0f}% of the pixels come back where they started "
                f"(pair {self.worst_pair}: {100 * self.worst_consistent:.0f}%); masks are as unsure. Try another --flow."
            )
        if 0 < len(self.static_pairs) < self.pairs:
            found.append(
                f"Flow: nothing moves in {len(self.static_pairs)} of {self.pairs} pairs of frames (the first is "
                f"{self.static_pairs[0]}): camera and scene are at rest there."
            )
        return found


def measure_quality(flow: Flow) -> FlowQuality:
    """Look at each pair of frames.

    Of the pixels that stay in the frame, the flow f there is compared with the flow b back from where it leads, sampled
    bilinearly (Sundaram, Brox & Keutzer, ECCV 2010, doi:10.1007/978-3-642-15549-9_32, Eq. 5).

    Parameters
    ----------
    flow : of m frames
    """
    w, h = flow.size
    step = max(1, round((w * h / SAMPLES) ** 0.5))
    y, x = np.mgrid[step // 2 : h : step, step // 2 : w : step].astype(np.float32)
    relative, absolute = CONSISTENT
    medians, nineties, shares, leaving, static = [], [], [], [], []
    for pair, (forward, backward) in enumerate(zip(flow.forward, flow.backward, strict=True)):
        f = forward[step // 2 :: step, step // 2 :: step].astype(np.float32)
        to_x, to_y = x + f[..., 0], y + f[..., 1]
        inside = (to_x >= 0) & (to_x <= w - 1) & (to_y >= 0) & (to_y <= h - 1)
        b = cv2.remap(backward.astype(np.float32, copy=False), to_x, to_y, cv2.INTER_LINEAR)[inside]
        f = f[inside]
        squares = _square(f + b)
        errors = np.sqrt(squares)
        middle, most = np.quantile(errors, [0.5, 0.9]) if errors.size else (np.nan, np.nan)
        medians.append(middle)
        nineties.append(most)
        fine = squares <= relative * (_square(f) + _square(b)) + absolute
        shares.append(float(fine.mean()) if errors.size else 0.0)
        leaving.append(1 - float(inside.mean()))
        if all(np.count_nonzero(_square(field) > STATIC**2) <= STRAY * w * h for field in (forward, backward)):
            static.append(pair)
    known = np.isfinite(medians)
    return FlowQuality(
        pairs=len(shares),
        error=float(np.median(np.array(medians)[known])) if known.any() else float("nan"),
        error_90=float(np.median(np.array(nineties)[known])) if known.any() else float("nan"),
        consistent=float(np.mean(shares)),
        leaving=float(np.mean(leaving)),
        worst_pair=int(np.argmin(shares)),
        worst_consistent=float(np.min(shares)),
        static_pairs=tuple(static),
    )


def _square(vectors: np.ndarray) -> np.ndarray:
    """|v|^2 of vectors (..., 2)."""
    x, y = vectors[..., 0], vectors[..., 1]
    return np.asarray(x * x + y * y)
