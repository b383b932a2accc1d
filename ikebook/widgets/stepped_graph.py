"""What `PowerIterationStepper` steps through: a graph, a start, and Algorithm 2 from there."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.graph.presets import GraphOptions
from ikebook.graph.principal import Solved, solve_graph
from ikebook.matrix.feature_motion import FeatureMotion, explicit
from ikebook.matrix.features import Cue
from ikebook.solvers.power import start_labels
from ikebook.solvers.replay import Replay
from ikebook.video.clip import Clip

STARTS = {"noise": "uniform", "constant": "constant", "gaussian": "gaussian"}
"""Starts that `start_labels` knows, by the widget's names; "painted" is the one beside them."""

MOST = 300
"""Iterations after which it ends, if x has not converged."""


class SteppedGraph:
    """Algorithm 2 on a graph, step by step; graph and start can be exchanged.

    The stepper's buttons and its job are in different threads: whoever changes anything holds `lock`.

    Parameters
    ----------
    clip, flow, cues
        Of the graph.
    dense : bool
        Build M and P as matrices, in float64.

    Attributes
    ----------
    lock : RLock
    steps : Replay
        The steps so far.
    painting : (m, h, w) float32
        The start "painted", from 0 to 1.
    """

    def __init__(self, clip: Clip, flow: Flow, cues: Sequence[Cue], *, dense: bool) -> None:
        self.clip, self.flow, self.cues, self.dense = clip, flow, cues, dense
        self.shape = (len(clip), clip.size[1], clip.size[0])
        self.dtype = torch.float64 if dense else torch.float32
        self.lock = threading.RLock()
        self.painting = np.zeros(self.shape, np.float32)
        self.steps: Replay
        self.solved: Solved | None = None
        self._matrix: FeatureMotion | None = None

    def solve(self, options: GraphOptions) -> tuple[Solved, FeatureMotion]:
        """Build and solve a graph, which takes time; `use` it then."""
        compute = Compute(dtype=self.dtype)
        solved = solve_graph(self.clip, self.flow, cues=self.cues, pairs=2, options=options, compute=compute)
        return solved, explicit(solved.matrix) if self.dense else solved.matrix

    def use(self, found: tuple[Solved, FeatureMotion] | None) -> None:
        """Step on this graph from now on; None while there is none."""
        self.solved, self._matrix = found or (None, None)

    def beginning(self, start: str, options: GraphOptions) -> torch.Tensor:
        """x(0), (n,), as `start` and the solver's options say."""
        solver = options.solver
        if start == "painted":
            x = torch.from_numpy(self.painting).flatten()
        else:
            x = start_labels(STARTS[start], len(self.clip), self.clip.size, seed=solver.seed, width=solver.start_width)
        return x.to(self.dtype)

    def restart(self, start: str, options: GraphOptions) -> None:
        """Begin with x(0)."""
        solver, solved = options.solver, self.solved
        self.steps = Replay(
            self._matrix,
            self.beginning(start, options),
            solved.labels().flatten() if solved is not None and solved.signs else None,
            normalisation=solver.normalisation,
            iterations=MOST if solver.normalisation == "l2" else solver.iterations,
        )

    def blank(self, start: str) -> bool:
        """Whether it begins with a painting, and nothing is painted."""
        return start == "painted" and not self.painting.any()

    def check_start(self, start: str) -> None:
        """Raise `InputError` if there is nothing to begin with."""
        if self.blank(start):
            raise InputError("nothing is painted yet: draw on the frames, wherever you like, or choose another start.")

    @property
    def labels(self) -> np.ndarray:
        """X now, (m, h, w), as the algorithm has it."""
        return self.steps.now.labels.cpu().numpy().reshape(self.shape)

    @property
    def still(self) -> bool:
        """Whether A has no positive eigenvalue, as where nothing moves: there is no eigenvector to find."""
        return self.solved is not None and not self.solved.signs
