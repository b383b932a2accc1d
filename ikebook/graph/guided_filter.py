"""Guided filter: smooth an image, except across the edges of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as nn
from torch import Tensor


def guided_filter(guide: Tensor, image: Tensor, radius: int, epsilon: float) -> Tensor:
    """Smooth an image, except across the edges of a colour guide (He, Sun & Tang, PAMI 2013, doi:10.1109/TPAMI.2012.213).

    In each window the result is affine in the guide's colours. The coefficients are found at half the size and
    enlarged (He & Sun, 'Fast guided filter', arXiv:1505.00996), which takes a quarter of the time.

    Parameters
    ----------
    guide : (b, 3, h, w)
        Colours, in [0, 1].
    image : (b, h, w)
    radius : of the square window, in pixels of the image
    epsilon : colour variance below which a window counts as flat

    Returns
    -------
    Tensor
        (b, h, w)
    """
    h, w = image.shape[1:]
    small = torch.cat([_halve(guide), _halve(image[:, None])], dim=1)  # (b, 4, h/2, w/2): three colours, the image
    pairs = [(i, j) for i in range(3) for j in range(i, 4)]
    products = torch.stack([small[:, i] * small[:, j] for i, j in pairs], dim=1)  # (b, 9, h/2, w/2)
    reach = max(1, radius // 2)
    mean = _box(small, reach)
    covariance = {
        (i, j): second - mean[:, i] * mean[:, j]
        for (i, j), second in zip(pairs, _box(products, reach).unbind(1), strict=True)
    }
    slope = solve_ridge(
        [covariance[i, j] for i, j in pairs if j < 3], [covariance[i, 3] for i in range(3)], epsilon
    )  # (b, 3, h/2, w/2)
    offset = mean[:, 3] - (slope * mean[:, :3]).sum(1)
    planes = _box(torch.cat([slope, offset[:, None]], dim=1), reach)
    planes = nn.interpolate(planes, size=(h, w), mode="bilinear", align_corners=False)
    return (planes[:, :3] * guide).sum(1) + planes[:, 3]


def solve_ridge(left: Sequence[Tensor], right: Sequence[Tensor], epsilon: float) -> Tensor:
    """Solve (C + epsilon I) x = r for each pixel, where C is a covariance of three colours.

    Cramer's rule would cancel where colours are nearly dependent, as they are in most windows. The factors L D L^T do
    not, and their pivots are epsilon or more, whatever rounding makes of them.

    Parameters
    ----------
    left : C11, C12, C13, C22, C23, C33, each (b, h, w)
    right : r1, r2, r3, each (b, h, w)

    Returns
    -------
    Tensor
        (b, 3, h, w)
    """
    c11, c12, c13, c22, c23, c33 = left
    r1, r2, r3 = right
    d1 = (c11 + epsilon).clamp_min(epsilon)
    l21, l31 = c12 / d1, c13 / d1
    d2 = (c22 + epsilon - l21 * c12).clamp_min(epsilon)
    rest = c23 - l21 * c13
    l32 = rest / d2
    d3 = (c33 + epsilon - l31 * c13 - l32 * rest).clamp_min(epsilon)
    r2 = r2 - l21 * r1  # from here on r is L^-1 r
    r3 = r3 - l31 * r1 - l32 * r2
    x3 = r3 / d3
    x2 = r2 / d2 - l32 * x3
    x1 = r1 / d1 - l21 * x2 - l31 * x3
    return torch.stack([x1, x2, x3], dim=1)


def _halve(planes: Tensor) -> Tensor:
    """Half the size, rounded up, by area interpolation. (b, c, h, w)."""
    h, w = planes.shape[2:]
    if h % 2 or w % 2:
        return nn.interpolate(planes, size=((h + 1) // 2, (w + 1) // 2), mode="area")
    rows = planes[:, :, ::2] + planes[:, :, 1::2]  # the same for even sides, four times as fast
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def _box(planes: Tensor, reach: int) -> Tensor:
    """Mean over windows of 2 reach + 1 pixels, cut off at the frame's border. (b, c, h, w)."""
    side = 2 * reach + 1
    sums = _sums(_sums(nn.pad(planes, (reach, reach, reach, reach)), side).mT, side).mT
    down, across = (_sums(nn.pad(planes.new_ones(n), (reach, reach)), side) for n in planes.shape[2:])
    return sums / torch.outer(down, across)


def _sums(values: Tensor, count: int) -> Tensor:
    """Sums of `count` neighbours along the last axis, (..., n) -> (..., n - count + 1), by doubling.

    The sum of 2k neighbours is two sums of k. Differences of cumulative sums would take as few additions, but lose digits.
    """
    if count == 1:
        return values
    if count % 2:
        return _sums(values, count - 1)[..., :-1] + values[..., count - 1 :]
    half = _sums(values, count // 2)
    return half[..., : -(count // 2)] + half[..., count // 2 :]
