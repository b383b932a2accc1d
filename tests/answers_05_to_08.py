"""Answers to the exercises of notebooks 05 to 08: right ones, and wrong ones with what they are told."""

from __future__ import annotations

import math

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
        ],
    ),
    "05.4": (
        [VECTORS[:, -2], VECTORS[:, -3].numpy(), VECTORS[:, -2] + VECTORS[:, -3]],
        [
            (VECTORS[:, -1], "at once"),
            (VECTORS[:, -1] + VECTORS[:, -2], "grows from there"),
            (torch.ones(len(A)), "grows from there"),
            (torch.zeros(len(A)), "x_never is 0"),
            (VECTORS[:, :2].sum(1)[:5], "shape"),
        ],
    ),
}
