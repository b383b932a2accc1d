"""The loss of Eq. 2: values computed by hand, gradients, and what it must not depend on."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ikebook.base.check import InputError
from ikebook.networks.losses import cross_entropy, knowledge_loss, soft_dice


def logit(p: Tensor) -> Tensor:
    return torch.log(p / (1 - p))


S = torch.tensor([[[0.9, 0.2], [0.6, 0.5]]], dtype=torch.float64)
X = torch.tensor([[[1.0, 0.0], [0.7, 0.4]]], dtype=torch.float64)


def test_cross_entropy_by_hand() -> None:
    # Binarised at 0.5: object, background, object, background.
    expected = -(math.log(0.9) + math.log(0.8) + math.log(0.6) + math.log(0.5)) / 4
    assert float(cross_entropy(logit(S), X)) == pytest.approx(expected, abs=1e-12)


def test_soft_dice_by_hand() -> None:
    # Object: sum sx = 0.9 + 0 + 0.42 + 0.2 = 1.52, sum s = 2.2, sum x = 2.1.
    # Background: sum (1-s)(1-x) = 0 + 0.8 + 0.12 + 0.3 = 1.22, sums 1.8 and 1.9.
    expected = 1 - ((2 * 1.52) / (2.2 + 2.1) + (2 * 1.22) / (1.8 + 1.9)) / 2
    assert float(soft_dice(logit(S), X, smooth=0)) == pytest.approx(expected, abs=1e-12)
    smooth = 1 - ((2 * 1.52 + 1) / (2.2 + 2.1 + 1) + (2 * 1.22 + 1) / (1.8 + 1.9 + 1)) / 2
    assert float(soft_dice(logit(S), X)) == pytest.approx(smooth, abs=1e-12)


@pytest.mark.parametrize(("cross", "dice"), [(0.5, 0.5), (1, 0), (0, 1), (0.2, 3)])
def test_the_sum_is_weighted(cross, dice) -> None:
    expected = cross * cross_entropy(logit(S), X) + dice * soft_dice(logit(S), X)
    assert float(knowledge_loss(logit(S), X, cross, dice)) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_those_of_finite_differences(seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    pseudo = torch.rand(2, 3, 4, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda z: knowledge_loss(z, pseudo), logits)


@pytest.mark.parametrize("mask", [torch.zeros(2, 5, 6), torch.ones(2, 5, 6), torch.eye(6)[None, :5]])
def test_a_perfect_prediction_has_no_loss(mask) -> None:
    assert float(knowledge_loss(200 * (mask - 0.5), mask)) < 1e-6
    assert float(knowledge_loss(-200 * (mask - 0.5), mask)) > 10  # and its opposite much


@given(st.integers(0, 1000))
def test_object_and_background_are_treated_alike(seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 5, generator=generator)
    pseudo = torch.rand(2, 4, 5, generator=generator)
    assert float(soft_dice(logits, pseudo)) == pytest.approx(float(soft_dice(-logits, 1 - pseudo)), abs=1e-6)
    assert 0 <= float(soft_dice(logits, pseudo)) <= 1


def test_dice_forgives_where_the_graph_is_unsure() -> None:
    """Its slope towards a pixel's prediction is least where the pseudo ground truth is 0.5 (Sec. 5)."""
    logits = torch.zeros(1, 1, 3, dtype=torch.float64, requires_grad=True)
    soft_dice(logits, torch.tensor([[[0.0, 0.5, 1.0]]], dtype=torch.float64)).backward()
    assert logits.grad is not None
    low, middle, high = logits.grad.flatten().tolist()
    assert abs(middle) < 1e-12
    assert low > 0 > high


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[[1e4, -1e4]]], requires_grad=True)
    loss = knowledge_loss(logits, torch.tensor([[[0.0, 1.0]]]))
    loss.backward()
    assert bool(loss.isfinite())
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match="pseudo has shape"):
        knowledge_loss(torch.zeros(1, 3, 4), torch.zeros(1, 4, 3))
