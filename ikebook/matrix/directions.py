"""Directions of F that are dropped, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import torch
from torch import Tensor


def few_columns(directions: Tensor) -> Tensor:
    """Other directions (k, d) of the same span, of as few columns each as can be had easily: each has one for itself."""
    if len(directions) == 0:
        return directions
    _, upper, order = scipy.linalg.qr(directions.numpy(), mode="economic", pivoting=True)
    k, found = len(upper), np.empty(directions.shape)
    found[:, order] = np.hstack([np.eye(k), scipy.linalg.solve_triangular(upper[:, :k], upper[:, k:])])
    return torch.from_numpy(found / np.linalg.norm(found, axis=1, keepdims=True))


def in_words(direction: Tensor, columns: Sequence[str], most: int = 4) -> str:
    """A combination (d,) of columns in words: its largest parts."""
    names = columns or [f"column {index}" for index in range(len(direction))]
    order = direction.abs().argsort(descending=True, stable=True)[:most].tolist()
    direction = direction * direction[order[0]].sign()
    parts = [
        f"{float(direction[k]):+.2f} {names[k]}" for k in order if abs(direction[k]) > 0.1 * abs(direction[order[0]])
    ]
    return " ".join(parts)
