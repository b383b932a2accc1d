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
    doi:10.1109/3DV.2016.79, with plain sums below instead of squares). It is linear in x: a pixel of which the
    graph is unsure, x = 0.5, pulls at its s with what object and background would pull, less one another; where the object is a
    small part of the frame, that is a quarter to a third of what a sure pixel of the object pulls with.

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
