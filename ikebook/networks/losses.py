"""What the network is trained for (Eq. 2): cross-entropy and soft Dice against the graph's masks."""

from __future__ import annotations

import torch.nn.functional as nn
from torch import Tensor

from ikebook.base import check


def cross_entropy(logits: Tensor, pseudo: Tensor) -> Tensor:
    """Mean over pixels of -log p, the probability that the network gives to the binarised pseudo ground truth.

    Parameters
    ----------
    logits : (b, h, w)
        Of the object.
    pseudo : (b, h, w)
        Soft masks, in [0, 1]; from 0.5 on, a pixel counts as object.
    """
    return nn.binary_cross_entropy_with_logits(logits, (pseudo >= 0.5).to(logits.dtype))


def soft_dice(logits: Tensor, pseudo: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice coefficient, the mean of those of object and background, over all pixels of the batch.

    Of two fuzzy sets s and x it is 2 sum(s x) / (sum(s) + sum(x)) (Milletari, Navab & Ahmadi 2016,
    doi:10.1109/3DV.2016.79, with plain sums below instead of squares). Its slope at a pixel's s is linear in that pixel's x: one of
    which the graph is unsure, x = 0.5, pulls with the mean of what it would pull with as object and as background, which have
    opposite signs. Where object and background are equally large that is nothing; a small object's pixels pull harder, and then
    it is not: 0.36, 0.32 and 0.25 of a sure object pixel's pull where 5, 10 and 20 percent are object and the network says s = 0.5
    everywhere.

    Parameters
    ----------
    logits : (b, h, w)
        Of the object.
    pseudo : (b, h, w)
        Soft masks, in [0, 1].
    smooth : pixels added above and below, so that two empty sets agree

    Returns
    -------
    Tensor
        A number in [0, 1].

    Examples
    --------
    >>> import torch
    >>> for percent in (5, 10, 20):
    ...     x = torch.zeros(1, 100, 100)
    ...     x[0, :percent], x[0, -1, -1] = 1, 0.5
    ...     logits = torch.zeros_like(x, requires_grad=True)
    ...     soft_dice(logits, x).backward()
    ...     print(percent, round(float(logits.grad[0, -1, -1] / logits.grad[0, 0, 0]), 2))
    5 0.36
    10 0.32
    20 0.25
    """
    s = logits.sigmoid()
    object_, background = _dice(s, pseudo, smooth), _dice(1 - s, 1 - pseudo, smooth)
    return 1 - (object_ + background) / 2


def _dice(prediction: Tensor, target: Tensor, smooth: float) -> Tensor:
    return (2 * (prediction * target).sum() + smooth) / (prediction.sum() + target.sum() + smooth)


def knowledge_loss(logits: Tensor, pseudo: Tensor, cross_weight: float = 0.5, dice_weight: float = 0.5) -> Tensor:
    """L = lambda1 L_CE + lambda2 L_DL (Eq. 2).

    Parameters
    ----------
    logits : (b, h, w)
        Of the object.
    pseudo : (b, h, w)
        The graph's soft masks, in [0, 1].
    cross_weight, dice_weight : lambda1 and lambda2

    Returns
    -------
    Tensor
        A number, 0 or more.
    """
    check.shape("pseudo", pseudo, tuple(logits.shape))
    return cross_weight * cross_entropy(logits, pseudo) + dice_weight * soft_dice(logits, pseudo)
