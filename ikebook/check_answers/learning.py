"""Answers of notebook 07: losses, and how far a network sees."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Identity, ModuleList

from ikebook.check_answers.reading import WrongAnswer, call, read_number, read_whole
from ikebook.networks.losses import cross_entropy, soft_dice
from ikebook.networks.unet import GROUPS, ResidualBlock

near = partial(math.isclose, rel_tol=2e-5, abs_tol=1e-6)  # answers are computed in float32


def _case() -> tuple[Tensor, Tensor, Tensor]:
    """Logits, probabilities and soft masks, (2, 6, 8) float64; some of x at 0.5 exactly, the object the smaller part."""
    chance = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 6, 8, dtype=torch.float64, generator=chance)
    x = torch.rand(2, 6, 8, dtype=torch.float64, generator=chance) ** 1.6
    x[0, 0, :3] = 0.5
    return logits, logits.sigmoid(), x


def my_cross_entropy(answer: Any) -> str:
    """07.1: cross-entropy against masks cut at one half."""
    logits, s, x = _case()
    given = read_number("my_cross_entropy(s, x)", call("my_cross_entropy", answer, s.float(), x.float()))
    known = float(cross_entropy(logits, x))
    if near(given, known):
        return "An answer that is wrong and sure costs without limit: -log s grows as s goes to 0."
    b = (x >= 0.5).double()

    def entropy(target: Tensor) -> Tensor:
        return -(target * s.log() + (1 - target) * (1 - s).log())

    mistakes = {
        -known: "has the wrong sign: logarithms of probabilities are negative, and a loss is not",
        known * x.numel(): "is the sum over all pixels; Eq. 2 takes their mean",
        known * len(x): "is summed over frames; take the mean over all pixels of all frames",
        float(entropy(x).mean()): "takes x as it is: the pseudo ground truth is cut at one half first",
        float(entropy((x > 0.5).double()).mean()): "counts x = 0.5 as background, as > and round() do; it is object",
        float(
            -(b * s.log()).mean()
        ): "has the object's half only: what is background should be answered with a small s",
        float(-((1 - b) * (1 - s).log()).mean()): "has the background's half only",
        float(entropy(1 - b).mean()): "is that of the opposite mask: 1 is the object",
        known / math.log(2): "is in bits; take the natural logarithm",
    }
    for wrong, says in mistakes.items():
        if near(given, wrong):
            raise WrongAnswer(f"my_cross_entropy {says}.")
    raise WrongAnswer(f"my_cross_entropy gives {given:.5g} where {known:.5g} is right.")


def my_dice_loss(answer: Any) -> str:
    """07.2: two-class soft Dice."""
    logits, s, x = _case()
    given = read_number("my_dice_loss(s, x)", call("my_dice_loss", answer, s.float(), x.float()))
    known = float(soft_dice(logits, x))
    if near(given, known):
        return "A mask of five pixels counts as much here as one of half the frame."

    def dice(p: Tensor, q: Tensor, factor: float = 2.0, smooth: float = 1.0) -> float:
        return float((factor * (p * q).sum() + smooth) / (p.sum() + q.sum() + smooth))

    def loss(p: Tensor, q: Tensor, **options: float) -> float:
        return 1 - (dice(p, q, **options) + dice(1 - p, 1 - q, **options)) / 2

    each = [loss(p, q) for p, q in zip(s, x, strict=True)]
    mistakes = {
        1 - known: "is the coefficient itself, which is large where the masks agree; the loss is 1 less it",
        1 - dice(s, x): "has the object only; the background has its own D, of 1 - s and 1 - x",
        1 - dice(1 - s, 1 - x): "has the background only",
        loss(s, (x >= 0.5).double()): "cuts x at one half; here x stays soft",
        loss(s, x, factor=1.0): "lacks the factor 2 of the overlap: equal sets should have D = 1",
        loss(s, x, smooth=0.0): "lacks the 1 above and below, which two empty sets need",
        sum(each) / len(each): "is taken frame by frame and then averaged; sum over all pixels of all frames",
        2 * known - 1: "subtracts both coefficients from 1; take their mean",
        2 * known: "is twice the loss: take the mean of the two coefficients",
    }
    for wrong, says in mistakes.items():
        if near(given, wrong):
            raise WrongAnswer(f"my_dice_loss {says}.")
    raise WrongAnswer(f"my_dice_loss gives {given:.5g} where {known:.5g} is right.")


def cells_seen(answer: Any) -> str:
    """07.3: width of what one cell depends on."""
    for dilations in ((), (1,), (1, 2, 4), (3, 3)):
        case = f"cells_seen({dilations})"
        given, known = read_whole(case, call("cells_seen", answer, dilations)), _measured(dilations)
        if given == known:
            continue
        total = sum(dilations)
        mistakes = [
            (known - 1, "the cell itself is missing"),
            (1 + 2 * total, "each block has two convolutions"),
            ((known - 1) // 2, "it sees as far to the left as to the right"),
            (known**2, "that is the number of cells; the width was asked for"),
            (1 + 4 * len(dilations), "dilations make a convolution reach further"),
        ]
        for wrong, says in mistakes:
            if given == wrong:
                raise WrongAnswer(f"{case} is {given}: {says}.")
        raise WrongAnswer(f"{case} is {given}; {known} is right: each convolution adds 2r to the width.")
    return (
        "With dilations 1, 2 and 4, and 32 pixels a cell, `small` sees 29 cells, more than 900 pixels: the whole frame."
    )


def _measured(dilations: tuple[int, ...]) -> int:
    """From the first to the last column that one cell depends on, after blocks without normalisation, by the slope of the answer."""
    size = 4 * sum(dilations) + 5
    x = torch.ones(1, GROUPS, size, size, dtype=torch.float64, requires_grad=True)
    y = x
    for dilation in dilations:
        block = ResidualBlock(GROUPS, GROUPS, dilation).double()
        block.norms = ModuleList([Identity(), Identity()])
        for parameter in block.parameters():
            torch.nn.init.constant_(parameter, 0.01)
        y = block(y)
    (slope,) = torch.autograd.grad(y[0, 0, size // 2, size // 2], x)
    columns = slope[0].abs().sum((0, 1)).nonzero()  # with dilations above 1 alone there are gaps between them
    return int(columns.max() - columns.min()) + 1


CHECKS: dict[str, Callable[..., str]] = {"07.1": my_cross_entropy, "07.2": my_dice_loss, "07.3": cells_seen}
