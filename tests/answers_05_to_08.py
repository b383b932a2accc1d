"""Answers to the exercises of notebooks 05 to 08: right ones, and wrong ones with what they are told."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
import torch

from ikebook.check_answers import power

M, P, A = power._matrices()
VECTORS = torch.linalg.eigh(A).eigenvectors


def one_iteration(M, P, x):
    x = P @ (M @ x)
    return x / x.norm()


def iterations_needed(ratio, factor):
    return math.ceil(math.log(factor) / math.log(ratio))


def quality(A, x):
    Ax = A @ x
    theta = (x @ Ax) / (x @ x)
    return theta, (Ax - theta * x).norm() / (theta.abs() * x.norm())


def residual_of(A, x, change):
    theta, r = quality(A, x)
    return theta, change(theta, r, x)


def propagate(a, b, k, x):
    return torch.zeros_like(x).index_add_(0, a, k * x[b]).index_add_(0, b, k * x[a])


def careless(a, b, k, x):
    y = torch.zeros_like(x).index_add_(0, a, k * x[b])
    y[b] += k * x[a]
    return y


def built(a, b, k, x):
    C = torch.zeros(len(x), len(x), dtype=x.dtype)
    C[a, b] = k
    return (C + C.T) @ x


def sparse(a, b, k, x):
    C = torch.sparse_coo_tensor(torch.stack([a, b]), k, (len(x), len(x))).coalesce()
    return C @ x + C.T @ x


def built_with_numpy(a, b, k, x):
    C = np.zeros((len(x), len(x)))
    C[a, b] = k
    return (C + C.T) @ x.numpy()


def project(F, x):
    return F @ torch.linalg.solve(F.T @ F, F.T @ x)


def principal(G, B, which=-1):
    values, weights = scipy.linalg.eigh(B, G)
    return values[which], weights[:, which]


def cross_entropy(s, x, cut=0.5):
    b = (x >= cut).double()
    return -(b * s.log() + (1 - b) * (1 - s).log()).mean()


def dice(p, q, factor=2, smooth=1):
    return (factor * (p * q).sum() + smooth) / (p.sum() + q.sum() + smooth)


def dice_loss(s, x, **options):
    return 1 - (dice(s, x, **options) + dice(1 - s, 1 - x, **options)) / 2


def moved(before, after):
    return np.linalg.norm((after - before).ravel()) / np.linalg.norm(after.ravel())


CASES = {
    "05.1": (
        [one_iteration, lambda M, P, x: one_iteration(M, P, x).numpy()],
        [
            (lambda M, P, x: P @ (M @ x), "normalisation, is missing"),
            (lambda M, P, x: (P @ (M @ x)) / (P @ (M @ x)).norm() ** 2, "not by its square"),
            (lambda M, P, x: (P @ (M @ x)) / (P @ (M @ x)).abs().max(), "largest label is 1"),
            (lambda M, P, x: (P @ (M @ x)) / (P @ (M @ x)).abs().sum(), "divide by the Euclidean length"),
            (lambda M, P, x: one_iteration(M, torch.eye(len(M)).double(), x), "has not been projected"),
            (lambda M, P, x: one_iteration(torch.eye(len(M)).double(), P, x), "M is missing"),
            (lambda M, P, x: one_iteration(P, M, x), "projects first"),
            (lambda M, P, x: one_iteration(P @ M, P, P @ x), "projects twice"),
            (lambda M, P, x: x, "another vector"),
            (lambda M, P, x: 1.0, "shape"),
            (lambda M, P, x: M @ x[:3], "stops with RuntimeError"),
        ],
    ),
    "05.2": (
        [iterations_needed],
        [
            (lambda r, f: math.log(f) / math.log(r), "whole numbers"),
            (lambda r, f: iterations_needed(r, f) - 1, "still above"),
            (lambda r, f: math.ceil(math.log(f) / math.log(r) / 2), "Rayleigh quotient"),
            (lambda r, f: -iterations_needed(r, f), "below 0"),
            (lambda r, f: math.ceil(math.log(r) / math.log(f)), "upside down"),
            (lambda r, f: 1000, r"falls to factor at t = 9\.97"),
        ],
    ),
    "05.3": (
        [quality, lambda A, x: tuple(map(float, quality(A, x)))],
        [
            (lambda A, x: quality(A, x)[::-1], "wrong order"),
            (lambda A, x: (x @ (A @ x), 0.1), "theta is .* 9 times too large"),
            (lambda A, x: (x @ (A @ x) / x.norm(), 0.1), "not by .x."),
            (lambda A, x: ((A @ x).norm() / x.norm(), 0.1), "has no sign"),
            (lambda A, x: (1.0, 0.1), "x'Ax / x'x is"),
            (lambda A, x: residual_of(A, x, lambda t, r, x: r * t * x.norm()), "make it relative"),
            (lambda A, x: residual_of(A, x, lambda t, r, x: r * x.norm()), "should not change with x's length"),
            (lambda A, x: residual_of(A, x, lambda t, r, x: r**2), "the square"),
            (lambda A, x: residual_of(A, x, lambda t, r, x: 5 * r), r"r is .* is 0\."),
            (lambda A, x: 1.0, "two numbers"),
            (lambda A, x: quality(A, x)[0], "two numbers"),
            (lambda A, x: residual_of(A, x, lambda t, r, x: r * t.abs() / t), "divide by .theta."),
        ],
    ),
    "05.4": (
        [VECTORS[:, -2], VECTORS[:, -3].numpy(), VECTORS[:, -2] + VECTORS[:, -3]],
        [
            (VECTORS[:, -1], "at once"),
            (VECTORS[:, -1] + VECTORS[:, -2], "grows from there"),
            (torch.ones(len(A)), "P M x_never is not"),
            (VECTORS[:, 600], "does not lie in the span"),
            (torch.zeros(len(A)), "x_never is 0"),
            (VECTORS[:, :2].sum(1)[:5], "shape"),
        ],
    ),
    "06.1": (
        [lambda m, h, w: 4 * (m * h * w) ** 2],
        [
            (lambda m, h, w: 4 * m * h * w, "one vector"),
            (lambda m, h, w: (m * h * w) ** 2, "number of entries"),
            (lambda m, h, w: 8 * (m * h * w) ** 2, "float64"),
            (lambda m, h, w: 4 * m * (h * w) ** 2, "one frame each"),
            (lambda m, h, w: 2 * m * h * w * (m * h * w + 1), "half of it"),
            (lambda m, h, w: 1, "1280 rows of 1280"),
        ],
    ),
    "06.2": (
        [propagate, lambda a, b, k, x: propagate(a, b, k, x).numpy(), sparse],
        [
            (careless, "loses votes: .*index_add_"),
            (lambda a, b, k, x: torch.zeros_like(x).index_add_(0, a, k * x[b]), "is C x; the votes"),
            (lambda a, b, k, x: torch.zeros_like(x).index_add_(0, b, k * x[a]), "is C' x"),
            (lambda a, b, k, x: 2 * propagate(a, b, k, x), "twice"),
            (lambda a, b, k, x: propagate(a, b, k / k, x), "leaves out the weights"),
            (lambda a, b, k, x: propagate(a, b, k, x) + 1, "in 2048 of 2048"),
            (built, "n x n = 4194304"),
            (built_with_numpy, "n x n = 4194304"),
            (lambda a, b, k: 0, "stops with TypeError"),
        ],
    ),
    "06.3": (
        [project, lambda F, x: F @ torch.linalg.inv(F.T @ F) @ (F.T @ x)],
        [
            (lambda F, x: F @ torch.linalg.inv(F.T @ F) @ F.T @ x, "n x n"),
            (lambda F, x: torch.linalg.solve(F.T @ F, F.T @ x), "the weights"),
            (lambda F, x: F @ (F.T @ x), r"\^-1 is missing"),
            (lambda F, x: F @ (F.T @ F @ (F.T @ x)), "solve a system"),
            (lambda F, x: x - project(F, x), "can't say"),
            (lambda F, x: x, "as it came"),
            (lambda F, x: 2 * x, "no combination of F's columns"),
            (lambda F, x: 2 * project(F, x), "orthogonal to all columns"),
        ],
    ),
    "06.4": (
        [principal, lambda G, B: (principal(G, B)[0], -2 * principal(G, B)[1])],
        [
            (lambda G, B: principal(G, B, 0), "the smallest"),
            (lambda G, B: principal(G, B, -2), "not the largest"),
            (lambda G, B: principal(torch.eye(len(G)).double(), B), "G is missing"),
            (lambda G, B: principal(torch.eye(len(G)).double(), G), "largest eigenvalue of G"),
            (lambda G, B: (1.5, G[0]), "lambda is 1.5000; the largest"),
            (lambda G, B: (principal(G, B)[0], scipy.linalg.eigh(B, G)[1][-1]), "a .row."),
            (lambda G, B: (principal(G, B)[0], principal(G, B, 0)[1]), "not its vector"),
            (lambda G, B: principal(G, B)[0], "a pair"),
            (lambda G, B: principal(G, B)[::-1], "w first"),
            (lambda G, B: principal(B, G), "B first, then G"),
        ],
    ),
    "07.1": (
        [
            cross_entropy,
            lambda s, x: float(cross_entropy(s, x)),
            lambda s, x: torch.nn.functional.binary_cross_entropy(s, (x >= 0.5).float()),
        ],
        [
            (lambda s, x: torch.nn.functional.binary_cross_entropy(s, x.round()), "as background"),
            (lambda s, x: -cross_entropy(s, x), "wrong sign"),
            (lambda s, x: cross_entropy(s, x) * 96, "sum over all pixels"),
            (lambda s, x: cross_entropy(s, x) * 2, "summed over frames"),
            (lambda s, x: -(x * s.log() + (1 - x) * (1 - s).log()).mean(), "takes x as it is"),
            (lambda s, x: cross_entropy(s, x, 0.500001), "as background"),
            (lambda s, x: -((x >= 0.5) * s.log()).mean(), "object's half only"),
            (lambda s, x: -((x < 0.5) * (1 - s).log()).mean(), "background's half only"),
            (lambda s, x: cross_entropy(1 - s, x), "opposite mask"),
            (lambda s, x: cross_entropy(s, x) / math.log(2), "in bits"),
            (lambda s, x: 7.0, "gives 7 where"),
            (lambda s, x: s, "one number"),
        ],
    ),
    "07.2": (
        [dice_loss, lambda s, x: float(dice_loss(s, x))],
        [
            (lambda s, x: 1 - dice_loss(s, x), "the coefficient itself"),
            (lambda s, x: 1 - dice(s, x), "object only"),
            (lambda s, x: 1 - dice(1 - s, 1 - x), "background only"),
            (lambda s, x: dice_loss(s, (x >= 0.5).double()), "x stays soft"),
            (lambda s, x: dice_loss(s, x, factor=1), "factor 2"),
            (lambda s, x: dice_loss(s, x, smooth=0), "lacks the 1"),
            (lambda s, x: (dice_loss(s[0], x[0]) + dice_loss(s[1], x[1])) / 2, "frame by frame"),
            (lambda s, x: 1 - dice(s, x) - dice(1 - s, 1 - x), "take their mean"),
            (lambda s, x: 2 * dice_loss(s, x), "twice the loss"),
            (lambda s, x: 7.0, "gives 7 where"),
        ],
    ),
    "07.3": (
        [lambda dilations: 1 + 4 * sum(dilations)],
        [
            (lambda dilations: 4 * sum(dilations), "cell itself is missing"),
            (lambda dilations: 1 + 2 * sum(dilations), "two convolutions"),
            (lambda dilations: max(1, 2 * sum(dilations)), "to the left as to the right"),
            (lambda dilations: (1 + 4 * sum(dilations)) ** 2, "number of cells"),
            (lambda dilations: 1 + 4 * len(dilations), "reach further"),
            (lambda dilations: 99, "is 99; 1 is right"),
        ],
    ),
    "08.1": (
        [(2, 6), (2.0, np.int64(6))],
        [
            ((1, 3), "d_evidence is 1: .*its mean along the chains"),
            ((4, 6), "no feature of its own"),
            ((2, 3), "d_paper is 3: .*its mean along the chains"),
            ((2, 4), "the saliency stays"),
            ((2, 9), "count the maps"),
            ((2, 1.5), "whole number"),
            (2, "1 numbers came"),
        ],
    ),
    "08.2": (
        [lambda v1, v2: 100 * (v2 - v1) / v1],
        [
            (lambda v1, v2: v2 - v1, "in points"),
            (lambda v1, v2: (v2 - v1) / v1, "a fraction"),
            (lambda v1, v2: 100 * (v2 - v1) / v2, "in percent of v2"),
            (lambda v1, v2: 100 * (v1 - v2) / v1, "a gain should be above 0"),
            (lambda v1, v2: 100 * v2 / v1, "100 less"),
            (lambda v1, v2: abs(100 * (v2 - v1) / v1), "without its sign"),
            (lambda v1, v2: 1, "is 1; it should be 10"),
        ],
    ),
    "08.3": (
        [moved],
        [
            (lambda a, b: np.linalg.norm(b - a) / np.linalg.norm(a), "length of `before`"),
            (lambda a, b: moved(a, b) ** 2, "the square"),
            (lambda a, b: np.linalg.norm(b - a), "has no unit"),
            (lambda a, b: np.abs(b - a).sum() / b.sum(), "instead of squares"),
            (lambda a, b: np.abs(b - a).mean(), "mean change of a pixel"),
            (lambda a, b: 1 - np.linalg.norm(a) / np.linalg.norm(b), "compares lengths"),
            (lambda a, b: np.mean([moved(p, q) for p, q in zip(a, b, strict=True)]), "mean over frames"),
            (lambda a, b: 100 * moved(a, b), "in percent"),
            (lambda a, b: 7, "gives 7 where"),
        ],
    ),
}
