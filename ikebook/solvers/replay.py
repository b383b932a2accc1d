"""Algorithm 2 forth and back: its steps one at a time, with those before them, and the curves of what it has come to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from ikebook.base.check import require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.pairs import attainable
from ikebook.solvers.power import PowerState, power_steps

KEEP_BYTES = 1 << 28
"""Labels of earlier steps that are kept for going back."""


class Replay:
    """Steps of Algorithm 2 from a start that is taken as it is given.

    Parameters
    ----------
    matrix : A; None if it is not there yet: the walk then can't begin
    start : x(0), (n,)
    exact : the eigenvector that it leads to, (n,), unit length; None where there is none
    normalisation, iterations : see `power.power_steps`
    keep : bytes of earlier labels that are kept

    Attributes
    ----------
    now : PowerState
        Where it is.
    place : int
        Steps from the start.
    """

    def __init__(
        self,
        matrix: FeatureMotion | None,
        start: Tensor,
        exact: Tensor | None,
        *,
        normalisation: str = "l2",
        iterations: int = 300,
        keep: int = KEEP_BYTES,
    ) -> None:
        self.exact = None if exact is None else exact.double()
        self.normalisation = normalisation
        self._keep = keep
        nan = float("nan")
        self._states = deque([PowerState(iteration=0, step="start", labels=start, value=nan, residual=nan)])
        self._at = self._dropped = 0
        self._ended = False
        self._steps: Iterator[PowerState] | None = None
        self._tolerance = 0.0 if matrix is None else attainable(1e-6, matrix.dtype)
        if matrix is not None:
            self._steps = power_steps(
                matrix,
                start,
                iterations=iterations,
                tolerance=self._tolerance,
                normalisation=normalisation,
                project_start=False,
            )
        self._rayleigh: list[float] = []
        self._residuals: list[float] = []
        self._cosines = [self._cosine(start)]

    @property
    def now(self) -> PowerState:
        """Where the walk is."""
        return self._states[self._at]

    @property
    def place(self) -> int:
        """Steps from the start."""
        return self._dropped + self._at

    @property
    def completed(self) -> int:
        """Iterations that are done."""
        return self.now.iteration - (self.now.step not in ("start", "normalisation"))

    @property
    def ended(self) -> bool:
        """Whether there is no further step: it has converged, nothing is left of x, or the iterations are used up."""
        return self._ended and self._at == len(self._states) - 1

    @property
    def converged(self) -> bool:
        """Whether it has ended at an eigenvector, as far as x's precision goes."""
        return self.ended and self.now.residual <= self._tolerance

    @property
    def sign(self) -> int:
        """1, or -1 where x has the opposite sign of the exact vector; a start, and the votes for it, are as they are."""
        state = self.now
        given = state.iteration == 0 or (state.iteration == 1 and state.step == "propagation")
        if self.exact is None or given or self.normalisation != "l2":
            return 1
        return -1 if float(state.labels.double() @ self.exact) < 0 else 1

    @property
    def rayleigh(self) -> list[float]:
        """Of each completed iteration, x'Ax of the unit x that it began with."""
        return self._rayleigh[: self.completed]

    @property
    def residuals(self) -> list[float]:
        """Of each completed iteration, |Ax - value x| / |value| of that x."""
        return self._residuals[: self.completed]

    @property
    def cosines(self) -> list[float]:
        """|cos| of x(0), x(1), ... to the exact vector; NaN where there is none."""
        return self._cosines[: self.completed + 1]

    def forward(self) -> None:
        """One step on; nothing, once there is none."""
        if self._at < len(self._states) - 1:
            self._at += 1
            return
        if self._ended:
            return
        require(self._steps is not None, "the walk has no matrix yet; build the graph first.")
        assert self._steps is not None
        if self.place == 0:
            next(self._steps)  # x(0), which is there
        state = next(self._steps, None)
        if state is None:
            self._ended = True
            return
        self._states.append(state)
        self._at += 1
        size = state.labels.numel() * state.labels.element_size()
        while len(self._states) * size > self._keep and len(self._states) > 4:
            self._states.popleft()
            self._at -= 1
            self._dropped += 1
        if state.step == "normalisation":
            self._rayleigh.append(state.value)
            self._residuals.append(state.residual)
            self._cosines.append(self._cosine(state.labels))

    def back(self) -> None:
        """One step back; nothing at the start.

        Raises
        ------
        InputError
            If the step before is not kept any more.
        """
        require(
            self._at > 0 or self._dropped == 0,
            f"earlier steps of a clip of this size are not kept; the last {len(self._states)} are. Begin anew.",
        )
        self._at = max(0, self._at - 1)

    def _cosine(self, x: Tensor) -> float:
        if self.exact is None:
            return float("nan")
        length = float(torch.linalg.vector_norm(x.double()))
        return abs(float(x.double() @ self.exact)) / length if length else 0.0
