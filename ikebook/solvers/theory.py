"""What the paper claims of its matrices (Secs. 4.1 to 4.4, 7.1 and 7.4), measured on a graph that you give.

Each function takes operators and returns the quantities that a claim is about, so that a test can assert them and a
notebook show them. Those that look at all entries of a matrix build it, and are for toys; the others run on any clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from torch import Tensor

from ikebook.base.check import InputError, require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.operator import LinearOperator
from ikebook.matrix.projection import Projection
from ikebook.solvers.exact import exact
from ikebook.solvers.lanczos import extreme_value
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.power import power_steps
from ikebook.solvers.span_difference import difference_norms, spans_video


@dataclass(frozen=True)
class Extremes:
    """Trace, least and greatest eigenvalue of a symmetric matrix."""

    trace: float
    least: float
    greatest: float


def motion_extremes(motion: MotionMatrix, tolerance: float = 1e-6) -> Extremes:
    """Claim: "M is positive semi-definite" (Sec. 4.1).

    Its diagonal is the self-loop's weight, so without self-loops the trace is 0, and a matrix that is not 0 has
    eigenvalues of both signs. Any clip: the ends of the spectrum come from Lanczos iterations on the implicit M.
    """
    least, greatest = (extreme_value(motion, which, tolerance) for which in ("SA", "LA"))
    return Extremes(motion.options.self_loop * motion.shape[0], least, greatest)


@dataclass(frozen=True)
class Signs:
    """Shares of entries below zero: of P, of A, and of A's principal eigenvector, each beyond rounding.

    The vector's sign is that which makes its largest entry, in size, positive; a sum says nothing where it is 0, as of centred
    features.
    """

    projection: float
    feature_motion: float
    vector: float


def signs(matrix: FeatureMotion, rounding: float = 1e-9) -> Signs:
    """Claim: "A is non-negative", hence by Perron and Frobenius its principal eigenvector is positive (Sec. 4.3).

    M is non-negative. P has negative entries but in special cases, such as columns of F that are non-negative and have no row in
    common; and so A may have some. Builds P and A.
    """
    p, a = matrix.projection.dense(), matrix.dense()
    _, vectors = scipy.linalg.eigh(a.cpu().numpy(), subset_by_index=[len(a) - 1, len(a) - 1])
    x = torch.from_numpy(vectors[:, 0])
    x = x * x[x.abs().argmax()].sign()

    def below_zero(entries: Tensor) -> float:
        return float((entries < -rounding * entries.abs().max()).double().mean())

    return Signs(below_zero(p), below_zero(a), below_zero(x))


def bipartite_defect(motion: MotionMatrix) -> float:
    """Largest |lambda_k + lambda_(n+1-k)| over the largest |lambda| of M: 0 if the spectrum is symmetric about 0.

    With p = 1 and without self-loops chains join even frames to odd ones only. Such a graph is bipartite, -lambda is an eigenvalue
    wherever lambda is, and power iteration on M swings between two vectors. A = PMP inherits that where each frame has its own P;
    one P for the clip mixes even and odd frames, and A's spectrum need not be symmetric. Builds M.
    """
    values = scipy.linalg.eigvalsh(motion.dense().cpu().numpy())
    largest = np.abs(values).max()
    return float(np.abs(values + values[::-1]).max() / largest) if largest else 0.0


def shrinkage(projection: Projection) -> np.ndarray:
    """The non-zero eigenvalues of P, decreasing: s^2 / (s^2 + rho) for F's singular values s; (r,), or (m r,) with one P a frame.

    They are all 1 for a projector. With a ridge they lie below, and |P^2 - P| is the largest s (1 - s), at most 1/4.
    Any clip.
    """
    return torch.cat([span.shrink for span in projection.spans()]).sort(descending=True).values.cpu().numpy()


@dataclass(frozen=True)
class Maxima:
    """`constrained`: max x'Mx over unit x = Px. `leading`: lambda_1 of A = PMP. `cosine`: between where they are."""

    constrained: float
    leading: float
    cosine: float


def proposition_1(matrix: FeatureMotion) -> Maxima:
    """Proposition 1: what maximises x'Mx among unit vectors of col(F) is the principal eigenvector of A = PMP.

    True for a projector P where that maximum is positive. Where it is negative, A's largest eigenvalue is 0 all the same, with vectors
    orthogonal to col(F). The constrained maximum is found without A: with Q an orthonormal basis of col(F), it is the largest
    eigenvalue of Q'MQ. Builds P and M.
    """
    _projector(matrix)
    return _maxima(matrix.projection.dense(), matrix.motion.dense())


def _maxima(p: Tensor, m: Tensor) -> Maxima:
    values, vectors = scipy.linalg.eigh(p.cpu().numpy())
    q = vectors[:, values > 0.5]
    inside, within = scipy.linalg.eigh(q.T @ m.cpu().numpy() @ q)
    size = len(p)
    leading, vector = scipy.linalg.eigh((p @ m @ p).cpu().numpy(), subset_by_index=[size - 1, size - 1])
    cosine = abs(float(vector[:, 0] @ (q @ within[:, -1])))
    return Maxima(float(inside[-1]), float(leading[0]), cosine)


@dataclass(frozen=True)
class Quotients:
    """Of PM: `asymmetry` |PM - MP| / |PM| (Frobenius); `largest` x'PMx of all unit x; `on_span`, of those with x = Px.

    `leading` is lambda_1 of A; `same_product` the largest |PMx - Ax| / |Ax| over random x = Px.
    """

    asymmetry: float
    largest: float
    on_span: float
    leading: float
    same_product: float


def proposition_2(matrix: FeatureMotion, seed: int = 0) -> Quotients:
    """Proposition 2: Algorithm 2 converges to A's principal eigenvector. The proof sketch argues with R(PM, x).

    PM is not symmetric, and its Rayleigh quotient, that of (PM + MP)/2, exceeds lambda_1 outside col(F): as printed,
    the argument does not hold. On col(F), where x = Px, PMx = PMPx = Ax and x'PMx = x'Ax, and there it does; the
    algorithm never leaves col(F) after its first projection. It is the power method, with its conditions: lambda_1 is positive and
    larger than the size of every other eigenvalue, and P M x(0) is not orthogonal to the principal eigenvector. Builds P and M.
    """
    _projector(matrix)
    p, m = matrix.projection.dense(), matrix.motion.dense()
    pm = p @ m
    a = pm @ p
    noise = torch.Generator().manual_seed(seed)
    x = p @ torch.randn(len(p), 8, generator=noise, dtype=p.dtype).to(p)
    ax = a @ x
    maxima = _maxima(p, m)
    return Quotients(
        asymmetry=float((pm - pm.T).norm() / pm.norm()),
        largest=float(torch.linalg.eigvalsh((pm + pm.T) / 2)[-1]),
        on_span=maxima.constrained,
        leading=maxima.leading,
        same_product=float(((pm @ x - ax).norm(dim=0) / ax.norm(dim=0)).max()),
    )


@dataclass(frozen=True)
class Perturbation:
    """How far a change E of A turns its principal eigenvector, and what theory allows.

    Parameters
    ----------
    sine : sin of the angle between the principal eigenvectors of A and A + E
    spectral, frobenius : norms of E; the latter NaN unless asked for
    gap : from lambda_1 to the nearest other eigenvalue of A, its zeros included
    davis_kahan : 2 |E| / gap, which the sine cannot exceed (Yu, Wang & Samworth, Biometrika 2015,
        doi:10.1093/biomet/asv008, Theorem 2, with the spectral norm)
    printed : 8 |E|_F / |A|_F, the paper's figure for it (Sec. 7.4), which knows no gap; NaN unless asked for
    """

    sine: float
    spectral: float
    frobenius: float
    gap: float
    davis_kahan: float
    printed: float


def perturbation(
    matrix: FeatureMotion,
    changed: FeatureMotion,
    *,
    frobenius: bool = False,
    on_product: Callable[[], None] = lambda: None,
) -> Perturbation:
    """Claim: with a large eigengap the principal eigenvector is insensitive to noise (Sec. 7.4).

    Parameters
    ----------
    matrix, changed : A and A + E, on the same nodes
    frobenius : also the Frobenius norms where both matrices have to be built for them: where P is no projector, or one for each frame
    on_product : is called at each product with E; it may raise, to end the measurement
    """
    require(
        matrix.shape == changed.shape,
        f"matrix is {matrix.shape} and changed {changed.shape}; expected graphs of the same nodes.",
    )
    before, after = (exact(a, SolverOptions(pairs=1)) for a in (matrix, changed))
    require(
        len(before.values) == 1 and len(after.values) == 1,
        "a perturbation is measured between graphs with eigenvectors: A and A + E need a positive eigenvalue each.",
    )
    cosine = abs(float(before.vectors[0].double() @ after.vectors[0].double()))
    gap = before.gap()
    assert gap is not None
    if spans_video(matrix) and spans_video(changed):
        norms = difference_norms(matrix, changed)
        spectral, size, whole = norms.spectral, norms.frobenius, norms.whole
        on_product()
    else:
        difference: LinearOperator = _Difference(changed, matrix)
        size, whole = math.nan, math.nan
        if frobenius:
            a = matrix.dense()
            difference = _Known(changed.dense() - a)
            size, whole = float(difference.dense().norm()), float(a.norm())
        spectral = max(abs(extreme_value(difference, which, 1e-4, on_product=on_product)) for which in ("SA", "LA"))
    return Perturbation(
        sine=math.sqrt(max(0.0, 1 - cosine**2)),
        spectral=spectral,
        frobenius=size,
        gap=gap,
        davis_kahan=2 * spectral / gap if gap > 0 else math.inf,
        printed=8 * size / whole if whole else math.inf,
    )


@dataclass(frozen=True)
class Convergence:
    """`tangents` (t,): of the angle between x(t) and the principal eigenvector, after each power iteration.

    `rate` is the factor by which they fall, by a fit to their last half, and `expected` is |lambda_2| / |lambda_1|, the two
    largest eigenvalues by size.
    """

    tangents: np.ndarray
    rate: float
    expected: float


def convergence(matrix: FeatureMotion, start: Tensor, iterations: int = 60) -> Convergence:
    """Claim: Algorithm 2 is the power method, so that in the long run each iteration multiplies its error by |lambda_2| / lambda_1.

    Of A's eigenvalue that is largest in size, of either sign: to its vector Algorithm 2 leads. Any clip. The fit leaves out what
    rounding holds up.
    """
    pairs = exact(matrix, SolverOptions(pairs=10**6, which="LM"))
    require(len(pairs.values) > 1, "the rate needs two non-zero eigenvalues.")
    sizes = pairs.values.abs()
    first = int(sizes.argmax())
    x = pairs.vectors[first].double()
    tangents = []
    for state in power_steps(matrix, start, iterations=iterations, tolerance=0.0):
        if state.step == "normalisation":
            labels = state.labels.double()
            along = float(labels @ x)
            tangents.append(float((labels - along * x).norm()) / max(abs(along), 1e-300))
    errors = np.array(tangents)
    floor = 1e3 * torch.finfo(matrix.dtype).eps
    falling = np.flatnonzero(errors > floor)
    used = falling[len(falling) // 2 :]
    rate = math.nan
    if len(used) >= 2:
        rate = float(np.exp(np.polyfit(used, np.log(errors[used]), 1)[0]))
    return Convergence(errors, rate, float(sizes.sort(descending=True).values[1] / sizes[first]))


def starts(
    matrix: FeatureMotion, begin: Mapping[str, Tensor], *, iterations: int = 2000, tolerance: float = 1e-6
) -> dict[str, tuple[int, float]]:
    """Claim: the start x(0) does not matter (Sec. 7.1, Fig. 6).

    Returns
    -------
    dict
        For each start, the iterations that it took to fall below the tolerance (or all), and |cos| of the result with
        the exact principal eigenvector; 0 and 0.0 for one that has nothing in common with the features. Any clip.
    """
    exactly = exact(matrix, SolverOptions(pairs=1))
    if len(exactly.values) == 0:
        raise InputError(
            "A has no positive eigenvalue, and so no principal eigenvector; give a clip in which something moves."
        )
    found: dict[str, tuple[int, float]] = {}
    for name, x in begin.items():
        last = None
        for state in power_steps(matrix, x, iterations=iterations, tolerance=tolerance):
            last = state
        assert last is not None
        found[name] = (last.iteration, abs(float(last.labels.double() @ exactly.vectors[0].double())))
    return found


class _Difference(LinearOperator):
    """A - B."""

    def __init__(self, first: LinearOperator, second: LinearOperator) -> None:
        self.first, self.second = first, second
        super().__init__(first.shape, first.dtype, first.device)

    def _matvec(self, x: Tensor) -> Tensor:
        return self.first.matvec(x) - self.second.matvec(x)

    def _dense(self) -> Tensor:
        return self.first.dense() - self.second.dense()


class _Known(LinearOperator):
    """A matrix whose entries are there."""

    def __init__(self, entries: Tensor) -> None:
        self.entries = entries
        rows, columns = entries.shape
        super().__init__((rows, columns), entries.dtype, entries.device)

    def _matvec(self, x: Tensor) -> Tensor:
        return self.entries @ x

    def _dense(self) -> Tensor:
        return self.entries


def _projector(matrix: FeatureMotion) -> None:
    require(matrix.projection.is_projector, "the proposition is about a projector P; set ridge to 0.")
