"""How far chains of an estimated flow drift from the true ones: errors of single steps add up."""

from __future__ import annotations

import numpy as np

from ikebook.base import check
from ikebook.base.check import require
from ikebook.matrix.chains import MotionChains


def drift(chains: MotionChains, truth: MotionChains, *, frame: int = 0, steps: int = 15) -> np.ndarray:
    """The median distance between the chains of two flows that start at the same pixels, after 1, 2, ... steps ahead.

    Parameters
    ----------
    chains, truth : of two flows of the same clip
    frame : where the chains start
    steps : how far they are followed; fewer where the clip ends before

    Returns
    -------
    array
        (steps,) float64, in pixels, over the chains that lie within the frame in both; NaN where there are none.
    """
    check.whole("steps", steps, at_least=1)
    require(
        (chains.frames, chains.grid.w, chains.grid.h) == (truth.frames, truth.grid.w, truth.grid.h),
        f"chains are those of {chains.frames} frames of {chains.grid.w}x{chains.grid.h}, truth of {truth.frames} of "
        f"{truth.grid.w}x{truth.grid.h}; expected one clip.",
    )
    grid = chains.grid
    medians = []
    for step, true in zip(chains.trace(frame, steps).ahead, truth.trace(frame, steps).ahead, strict=True):
        inside = (grid.pixel_of(step.cell) >= 0) & (grid.pixel_of(true.cell) >= 0)
        started = (grid.crop(inside[0]) > 0).flatten()  # cells of the border start no chain
        distances = grid.crop((step.x - true.x).double().hypot((step.y - true.y).double())[0]).flatten()[started]
        medians.append(float(distances.median()) if len(distances) else float("nan"))
    return np.array(medians)
