"""A clip to which frames are added, and from which they are dropped, without starting over: the exact solver's sums are additive.

What a frame adds to F'F and F'MF hangs on the frames around it, as far as chains and features reach. So when one comes or goes, only
those near that end are summed again: `p + q` frames of the clip, however long it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.tensors import tensor
from ikebook.matrix.chains import AHEAD, BEHIND
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import CombinedFeatures
from ikebook.matrix.operator import full_precision
from ikebook.matrix.projection import PASSES, Span
from ikebook.solvers.exact import finish, solve_reduced
from ikebook.solvers.pairs import Eigenpairs, SolverOptions
from ikebook.solvers.reduced import Reduced, contributions

THERE = 0.25
"""Share of a direction's squared length that drawn frames have to hold."""

BLOCK = 8
"""Frames that are drawn together in a bootstrap, about: neighbours are alike."""


class RollingSolver:
    """The exact solver with what each frame has added to its sums.

    Node features have to stay what they are when frames come and go: cues of your own, or displacements. The motion saliency is
    scaled by the whole clip; give its maps as a cue, scaled once.

    Parameters
    ----------
    matrix : FeatureMotion
        A, with one P for the clip.

    Examples
    --------
    >>> import ikebook
    >>> made, plain = ikebook.toy("disc", frames=12), ikebook.override(ikebook.preset("paper"), "motion.radius=2")
    >>> def frames(start, stop):
    ...     cut = ikebook.Flow(forward=made.flow.forward[start : stop - 1], backward=made.flow.backward[start : stop - 1])
    ...     return ikebook.build(made.clip.frames[start:stop], cut, options=plain)
    >>> solver = RollingSolver(frames(0, 11))
    >>> solver.move(frames(0, 12), dropped=0)
    8
    >>> round(float(solver.pairs().values[0]), 3) == round(float(RollingSolver(frames(0, 12)).pairs().values[0]), 3)
    True
    """

    def __init__(self, matrix: FeatureMotion) -> None:
        require(matrix.projection.options.scope == "video", 'a rolling solver takes one P for the clip, scope="video".')
        self.matrix = matrix
        self._conditioner = matrix.projection.conditioner()
        # Of each frame: F_i'F_i and F_i'(CF)_i, (2, d, d), of preconditioned columns.
        self._rows: dict[int, Tensor] = {}
        self._sum_up(range(matrix.motion.chains.frames))

    def __len__(self) -> int:
        return len(self._rows)

    def move(self, matrix: FeatureMotion, *, dropped: int = 0) -> int:
        """Go on to another clip: the same without its first `dropped` frames, and with any number of new ones at its end.

        Parameters
        ----------
        matrix : FeatureMotion
            A of that clip, with the same columns of F.
        dropped : int, default 0
            Frames that it lacks at its beginning.

        Returns
        -------
        int
            Frames that were summed again.

        Raises
        ------
        InputError
            If the columns or the options are others, or a frame that stays has other features or another flow than before.
        """
        check.instance("matrix", matrix, FeatureMotion, "such as ikebook.build gives")
        check.whole("dropped", dropped, at_most=len(self))
        require(
            matrix.features.columns == self.matrix.features.columns,
            f"matrix has the columns {matrix.features.columns[:3]}...; expected those from before.",
        )
        same = all(
            getattr(matrix, part).options == getattr(self.matrix, part).options
            for part in ("motion", "features", "projection")
        )
        require(
            same and matrix.motion.chains.options == self.matrix.motion.chains.options,
            "matrix has other options of chains, motion, features or projection than before; expected the same.",
        )
        frames, stayed = matrix.motion.chains.frames, len(self) - dropped
        require(
            frames >= stayed,
            f"matrix has {frames} frames; expected {stayed} or more: those from before less {dropped}.",
        )
        reach = matrix.motion.options.radius + matrix.features.halo
        first = reach if dropped else 0
        last = stayed - reach if frames > stayed else frames
        rows = {frame - dropped: rows for frame, rows in self._rows.items() if first <= frame - dropped < last}
        if rows:
            self._check_frame(matrix, min(rows, key=lambda frame: abs(2 * frame - stayed)), dropped)
        self._rows, self.matrix = rows, matrix
        missing = [frame for frame in range(frames) if frame not in self._rows]
        for part in _ranges(missing):
            self._sum_up(part)
        return len(missing)

    def reduced(self, frames: np.ndarray | None = None) -> Reduced:
        """The sums over all frames, or over those that are named, as often as they are named."""
        chosen = range(len(self)) if frames is None else frames.tolist()
        sums = torch.stack([self._rows[frame] for frame in chosen]).sum(0)
        return Reduced.of(sums, self.matrix.motion.options.self_loop)

    def pairs(self, options: SolverOptions | None = None) -> Eigenpairs:
        """The leading eigenpairs, as `solvers.exact` gives them."""
        o = check.or_default("options", options, SolverOptions)
        reduced, span = self._settled()
        return finish(self.matrix, solve_reduced(reduced, span, self.matrix.dtype, o), o)

    def bootstrap(self, draws: int = 200, *, pairs: int = 6, seed: int = 0) -> np.ndarray:
        """The largest eigenvalues of clips of the same length that are made of this one's frames, drawn in blocks.

        Each draw sums what its frames have added, so no frame is looked at again (circular block bootstrap: Politis & Romano 1992,
        in Exploring the Limits of Bootstrap; Kuensch, Annals of Statistics 1989, doi:10.1214/aos/1176347265).

        Parameters
        ----------
        draws : int, default 200
            How many clips.
        pairs : int, default 6
            Eigenvalues of each.
        seed : int, default 0
            Of the draws.

        Returns
        -------
        ndarray
            (draws, pairs) float64, decreasing along each row; 0 where there is none.
        """
        check.whole("pairs", pairs, at_least=1)
        frames = draw_frames(len(self), draws, seed)
        _, span = self._settled()
        found = np.zeros((draws, pairs))
        for values, drawn in zip(found, frames, strict=True):
            reduced = self.reduced(drawn)
            gram, motion = (span.inner.T @ sums @ span.inner for sums in (reduced.gram, reduced.motion))
            solved = _drawn_values(gram, motion, span)
            values[: min(pairs, len(solved))] = np.maximum(solved, 0)[:pairs]
        return found

    def _settled(self) -> tuple[Reduced, Span]:
        """The sums, and the span of F that comes of them; all frames are summed anew where F was not orthogonal enough."""
        for more in reversed(range(PASSES)):
            reduced = self.reduced()
            span = self.matrix.projection.span_of(self._conditioner, reduced.gram)
            if span.settled or not more:
                break
            self._conditioner, self._rows = span.conditioner, {}
            self._sum_up(range(self.matrix.motion.chains.frames))
        return reduced, span

    def _check_frame(self, matrix: FeatureMotion, frame: int, dropped: int) -> None:
        """Raise if a frame that stays has not the features, the flow or the colours that it had."""
        before = self.matrix
        rows, known = (
            each.features.block(each.features.chains.trace(at, each.features.reach))
            for each, at in ((matrix, frame), (before, frame + dropped))
        )
        require(
            rows.shape == known.shape and torch.allclose(rows, known, rtol=1e-4, atol=1e-4 * float(known.abs().max())),
            f"frame {frame} of matrix, frame {frame + dropped} before, has other node features than before. Give maps that do not "
            'depend on the clip\'s other frames as cues, without the saliency, center="video" or scale="minmax".',
        )
        pair = min(frame, matrix.motion.chains.frames - 2)
        for way in (AHEAD, BEHIND):
            now, then = matrix.motion.chains.field(way, pair), before.motion.chains.field(way, pair + dropped)
            require(
                torch.allclose(now, then),
                f"the flow at frame {frame} of matrix is not that from before; expected the same.",
            )
        colours, earlier = matrix.motion.colours, before.motion.colours
        if colours is not None and earlier is not None:
            require(
                torch.equal(tensor(colours[frame]), tensor(earlier[frame + dropped])),
                f"the colours of frame {frame} of matrix are not those from before; expected the same.",
            )

    def _sum_up(self, part: range) -> None:
        features = CombinedFeatures(self.matrix.features, self._conditioner.matrix)
        with full_precision():
            for frames, which, products in contributions(self.matrix.motion, features, part):
                for frame, product in zip(frames, products.cpu(), strict=True):
                    if frame not in self._rows:
                        self._rows[frame] = torch.zeros(2, *product.shape, dtype=torch.float64)
                    self._rows[frame][which] += product


def draw_frames(frames: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """As many frames as a clip has, drawn from it in blocks of neighbours, its end joined to its beginning; `draws` times."""
    check.whole("draws", draws, at_least=1)
    check.whole("seed", seed)
    block = min(BLOCK, frames)
    starts = np.random.default_rng(seed).integers(0, frames, size=(draws, -(-frames // block)))
    return ((row[:, None] + np.arange(block)).reshape(-1)[:frames] % frames for row in starts)


def _drawn_values(gram: Tensor, motion: Tensor, span: Span) -> np.ndarray:
    """Eigenvalues, decreasing, from drawn frames' sums for columns that are orthonormal over the clip itself.

    With F = Q R, the drawn frames' P is Q (Q'Q + rho (RR')^-1)^-1 Q', and RR' is diagonal where there is a ridge. Directions of
    which the draw has less than a quarter are left out: what its frames are joined to was not drawn with them.
    """
    squares, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    kept, lengths = vectors[:, squares > THERE], squares[squares > THERE].sqrt()
    penalty = kept.T @ torch.diag((1 - span.shrink) / span.shrink) @ kept
    inverse = torch.linalg.inv(torch.diag(lengths**2) + penalty) * lengths
    small = inverse.T @ (kept.T @ motion @ kept) @ inverse
    return np.asarray(torch.linalg.eigvalsh((small + small.T) / 2).flip(0))


def _ranges(frames: list[int]) -> list[range]:
    """Ascending numbers as ranges without gaps."""
    cuts = [k for k in range(1, len(frames)) if frames[k] != frames[k - 1] + 1]
    edges = [0, *cuts, len(frames)]
    return [range(frames[a], frames[b - 1] + 1) for a, b in itertools.pairwise(edges) if a < b]
