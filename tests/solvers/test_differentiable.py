"""The d x d problem as a function of its matrices: derivatives against differences, and against Hellmann and Feynman."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.graph.presets import override, preset
from ikebook.solvers.differentiable import small_eigenpairs
from ikebook.solvers.exact import exact
from ikebook.solvers.reduced import reduce

MADE = ikebook.toy("two_objects", (20, 16), 8)
RIDGES = pytest.mark.parametrize("ridge", [0.0, 3.0])
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def draw(seed: int, d: int = 4, n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """F (n, d) and a symmetric M (n, n)."""
    noise = torch.Generator().manual_seed(seed)
    f = torch.randn(n, d, dtype=torch.float64, generator=noise)
    m = torch.randn(n, n, dtype=torch.float64, generator=noise)
    return f, m + m.T


def small(f: torch.Tensor, m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return f.T @ f, f.T @ m @ f


def dense_a(f: np.ndarray, m: np.ndarray, ridge: float) -> np.ndarray:
    """A = P M P with P = F (F'F + rho I)^-1 F'."""
    p = f @ np.linalg.solve(f.T @ f + ridge * np.eye(f.shape[1]), f.T)
    return p @ m @ p


@RIDGES
@SEEDS
def test_gradcheck(ridge, seed) -> None:
    gram, motion = small(*draw(seed))

    def observed(gram, motion):
        values, weights = small_eigenpairs(gram, motion, ridge)
        return values, weights[:, :1] @ weights[:, :1].T, (weights[:, 0] * weights[:, 1]).square()  # free of the signs

    assert torch.autograd.gradcheck(observed, (gram.requires_grad_(), motion.requires_grad_()))


@RIDGES
def test_second_derivatives(ridge) -> None:
    gram, motion = small(*draw(3, d=3))
    assert torch.autograd.gradgradcheck(
        lambda gram, motion: small_eigenpairs(gram, motion, ridge)[0], (gram.requires_grad_(), motion.requires_grad_())
    )


@RIDGES
@SEEDS
def test_it_is_the_eigenproblem_of_a_dense_a(ridge, seed) -> None:
    f, m = draw(seed)
    values, weights = small_eigenpairs(*small(f, m), ridge)
    a = dense_a(f.numpy(), m.numpy(), ridge)
    known = np.linalg.eigvalsh(a)
    known = np.sort(known[np.argsort(-np.abs(known))[:4]])[::-1]  # the others are 0
    assert values.numpy() == pytest.approx(known, rel=1e-9)
    x = (f @ weights).numpy()
    assert np.abs(a @ x - x * values.numpy()).max() < 1e-10 * np.abs(known).max()
    assert np.abs(x.T @ x - np.eye(4)).max() < 1e-10


@SEEDS
def test_hellmann_and_feynman_without_a_ridge(seed) -> None:
    """d lambda = w'(dB - lambda dG) w for B w = lambda G w, w'G w = 1."""
    gram, motion = (one.requires_grad_() for one in small(*draw(seed)))
    values, weights = small_eigenpairs(gram, motion)
    for k in range(4):
        by_gram, by_motion = torch.autograd.grad(values[k], (gram, motion), retain_graph=True)
        w = weights[:, k].detach()
        assert torch.allclose(by_motion, torch.outer(w, w), rtol=1e-9, atol=1e-12)
        assert torch.allclose(by_gram, -values[k].detach() * torch.outer(w, w), rtol=1e-9, atol=1e-12)


@RIDGES
@SEEDS
def test_hellmann_and_feynman_for_features_and_edges(seed, ridge) -> None:
    """d lambda = x' dA x, with A = PMP by its definition and dA by differences, in NumPy."""
    f, m = (one.requires_grad_() for one in draw(seed))
    values, weights = small_eigenpairs(*small(f, m), ridge)
    by_f, by_m = torch.autograd.grad(values[0], (f, m))
    x, h = (f @ weights[:, 0]).detach().numpy(), 1e-6
    rng = np.random.default_rng(seed)
    for _ in range(5):
        df, dm = rng.standard_normal(f.shape), rng.standard_normal(m.shape)
        dm += dm.T
        ahead, back = (dense_a(f.detach().numpy() + s * df, m.detach().numpy() + s * dm, ridge) for s in (h, -h))
        formula = x @ (ahead - back) @ x / (2 * h)
        assert float((by_f.numpy() * df).sum() + (by_m.numpy() * dm).sum()) == pytest.approx(
            formula, rel=1e-6, abs=1e-6
        )
        direct = (np.linalg.eigvalsh(ahead)[-1] - np.linalg.eigvalsh(back)[-1]) / (2 * h)
        assert formula == pytest.approx(direct, rel=1e-5, abs=1e-6)


@RIDGES
@SEEDS
def test_the_gradient_of_a_projector_is_that_of_differences(seed, ridge) -> None:
    """x x' of the leading eigenvector x = F w, as F moves: NumPy's eigenvectors of a dense A."""
    f, m = draw(seed)
    f.requires_grad_()
    target = torch.randn(12, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    _, weights = small_eigenpairs(*small(f, m), ridge)
    (target @ (f @ weights[:, 0])).square().backward()

    def overlap(f: np.ndarray) -> float:
        return float((target.numpy() @ np.linalg.eigh(dense_a(f, m.numpy(), ridge))[1][:, -1]) ** 2)

    rng, h = np.random.default_rng(seed), 1e-6
    for _ in range(5):
        df = rng.standard_normal(f.shape)
        direct = (overlap(f.detach().numpy() + h * df) - overlap(f.detach().numpy() - h * df)) / (2 * h)
        assert float((f.grad.numpy() * df).sum()) == pytest.approx(direct, rel=1e-5, abs=1e-6)


@SEEDS
def test_equal_eigenvalues_have_a_gradient_of_their_sum(seed) -> None:
    """And of the projector onto both, but none of one of them alone."""
    noise = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=noise))[0]
    gram = torch.eye(4, dtype=torch.float64)
    motion = (turn * torch.tensor([3.0, 3.0, 1.0, -2.0], dtype=torch.float64)) @ turn.T
    motion.requires_grad_()
    values, weights = small_eigenpairs(gram, motion)
    (found,) = torch.autograd.grad(values[:2].sum(), motion)
    assert torch.allclose(found, turn[:, :2] @ turn[:, :2].T, atol=1e-10)
    assert torch.allclose(weights[:, :2] @ weights[:, :2].T, turn[:, :2] @ turn[:, :2].T, atol=1e-10)


@given(seed=st.integers(0, 10**6), d=st.integers(1, 6), power=st.floats(0, 3))
def test_gradients_of_any_features_are_finite_and_right(seed, d, power) -> None:
    f, m = draw(seed, d)
    f = (f * torch.logspace(0, -power, d, dtype=torch.float64)).requires_grad_()
    values, weights = small_eigenpairs(*small(f, m))
    (gradient,) = torch.autograd.grad(values[0], f)
    w, x = weights[:, 0].detach(), (f @ weights[:, 0]).detach()
    # lambda is stationary in x, so only the span counts: 2 (M x - lambda x) w', and no part of it along F.
    residual = m @ x - values[0].detach() * x
    known = 2 * torch.outer(residual, w)
    assert torch.allclose(gradient, known, rtol=1e-6, atol=1e-7 * float(known.abs().max()) + 1e-9)
    assert float((f.detach().T @ gradient).abs().max()) < 1e-6 * max(1.0, float(gradient.abs().max()))


def cued(*changes: str):
    """A graph whose features are three maps of noise: independent for sure."""
    noise = np.random.default_rng(0).standard_normal((3, *MADE.clip.masks.shape)) + MADE.clip.masks
    cues = [ikebook.Cue(name=str(k), maps=maps) for k, maps in enumerate(noise)]
    options = override(preset("saliency"), "saliency=none", "features.cue_window=0", *changes)
    return ikebook.build(MADE.clip, MADE.flow, cues=cues, options=options, compute=Compute(dtype=torch.float64))


@pytest.mark.parametrize("ridge", [0.0, 5.0])
def test_the_small_problem_is_that_of_the_exact_solver(ridge) -> None:
    matrix = cued(f"projection.ridge={ridge}")
    reduced = reduce(matrix.motion, matrix.features)
    values, weights = small_eigenpairs(reduced.gram, reduced.motion, ridge)
    known = exact(matrix)
    assert values.tolist() == pytest.approx(known.spectrum.tolist(), rel=1e-8)
    x = matrix.features @ weights[:, 0]
    assert float(x.norm()) == pytest.approx(1, rel=1e-8)
    assert abs(float(x @ known.vectors[0])) > 1 - 1e-8


def test_a_column_s_gain_has_the_slope_that_graphs_have() -> None:
    """With a ridge, how long columns are matters: the slope of lambda1 against whole graphs with other gains."""
    matrix = cued("projection.ridge=50.0")
    reduced = reduce(matrix.motion, matrix.features)
    gain = torch.ones(3, dtype=torch.float64, requires_grad=True)
    values, _ = small_eigenpairs(*(gain[:, None] * one * gain for one in (reduced.gram, reduced.motion)), 50.0)
    values[0].backward()
    h = 1e-4
    for k in range(3):
        ends = []
        for sign in (1, -1):
            cues = [
                ikebook.Cue(name=c.name, maps=(1 + sign * h * (j == k)) * c.maps)
                for j, c in enumerate(matrix.features.cues)
            ]
            options = override(preset("saliency"), "saliency=none", "features.cue_window=0", "projection.ridge=50.0")
            other = ikebook.build(
                MADE.clip, MADE.flow, cues=cues, options=options, compute=Compute(dtype=torch.float64)
            )
            ends.append(float(exact(other).values[0]))
        assert float(gain.grad[k]) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4, abs=1e-6)
    assert float(gain.grad.abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("gram", "motion", "message"),
    [
        (torch.ones(2, 2), torch.eye(2), "not positive definite: columns of F are dependent"),
        (-torch.eye(2), torch.eye(2), "not positive definite"),
        (torch.full((2, 2), torch.nan), torch.eye(2), "gram has 4 values that are NaN or infinite"),
        (torch.eye(2), torch.full((2, 2), torch.inf), "motion has 4 values that are NaN or infinite"),
        (torch.eye(2), torch.eye(3), r"motion has shape \(3, 3\); expected \(2, 2\)"),
        (torch.ones(2, 3), torch.eye(2), r"gram has shape \(2, 3\); expected \(2, 2\)"),
        (np.eye(2), torch.eye(2), "gram is"),
        (3.0, torch.eye(2), "gram is"),
        (torch.tensor(3.0), torch.eye(2), r"gram has shape \(\); expected \(d, d\)"),
    ],
)
def test_what_has_no_gradient_is_refused_in_one_line(gram, motion, message) -> None:
    gram, motion = (one.double() if isinstance(one, torch.Tensor) else one for one in (gram, motion))
    with pytest.raises(InputError, match=message) as caught:
        small_eigenpairs(gram, motion)
    assert "\n" not in str(caught.value)


def test_a_ridge_that_is_none_is_refused() -> None:
    eye = torch.eye(2, dtype=torch.float64)
    for ridge in (-1.0, float("nan")):
        with pytest.raises(InputError, match="ridge is"):
            small_eigenpairs(eye, eye, ridge)
