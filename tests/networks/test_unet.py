"""The Network Module: its shapes, its size, and that it sees single frames and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.networks.unet import NETWORKS, NetworkOptions, UNet, network_options, new_network, predict

TINY = NetworkOptions(widths=(8, 16), dilations=(1, 2), stem=1)


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8))


@given(
    levels=st.integers(1, 4),
    stem=st.sampled_from([1, 2, 3, 4]),
    blocks=st.integers(1, 2),
    dilations=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    h=st.integers(4, 37),
    w=st.integers(4, 37),
)
def test_a_logit_for_each_pixel_of_frames_of_any_size(levels, stem, blocks, dilations, h, w) -> None:
    options = NetworkOptions(widths=(8,) * levels, dilations=tuple(dilations), blocks=blocks, stem=stem)
    logits = new_network(options)(pictures(2, h, w))
    assert logits.shape == (2, h, w)
    assert bool(logits.isfinite().all())


def test_the_small_one_is_small_and_the_paper_s_has_the_paper_s_widths() -> None:
    assert UNet(network_options("small")).parameter_count <= 1_000_000
    assert NETWORKS["paper"].widths == (64, 128, 256, 512, 1024)
    with torch.device("meta"):
        paper = UNet(network_options("paper"))
    assert 50e6 < paper.parameter_count < 80e6  # the authors' has 67 million
    assert paper(torch.zeros(1, 224, 416, 3, dtype=torch.uint8, device="meta")).shape == (1, 224, 416)


def test_the_number_of_parameters_of_a_network_counted_by_hand() -> None:
    # 8 channels at the fine level, 16 at the coarse one; weights of 3x3 convolutions, 2 numbers a channel for each norm,
    # 1x1 shortcuts where widths differ.
    down = 3 * 8 * 9 + 8 * 8 * 9 + 2 * 2 * 8 + 3 * 8
    bottom = (8 * 16 * 9 + 16 * 16 * 9 + 2 * 2 * 16 + 8 * 16) + (2 * 16 * 16 * 9 + 2 * 2 * 16)
    up = 24 * 8 * 9 + 8 * 8 * 9 + 2 * 2 * 8 + 24 * 8
    assert UNet(TINY).parameter_count == down + bottom + up + 8 + 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_frame_s_prediction_does_not_depend_on_its_neighbours(seed) -> None:
    network = new_network(TINY, seed).eval()
    frames = pictures(3, 21, 30, seed=seed)
    alone = torch.cat([network(frames[i : i + 1]) for i in range(3)])
    assert torch.allclose(network(frames), alone, atol=1e-5)


def test_every_weight_learns() -> None:
    network = new_network(TINY)
    network(pictures(2, 16, 16)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_dilations_widen_what_the_network_sees() -> None:
    def reach(dilations: tuple[int, ...]) -> int:
        """Pixels, along a row, on which the logit in the middle depends."""
        network = new_network(NetworkOptions(widths=(8,), dilations=dilations, stem=1)).double()
        network.double()
        for module in network.modules():  # normalisation looks at the whole frame, by design
            if isinstance(module, torch.nn.GroupNorm):
                module.forward = lambda x: x  # type: ignore[method-assign]
        x = torch.rand(1, 3, 1, 101, dtype=torch.float64, requires_grad=True)
        out = network.head(network.bottom(x))
        out[0, 0, 0, 50].backward()
        seen = x.grad[0].abs().sum(0)[0].nonzero()
        return int(seen.max() - seen.min()) + 1

    assert reach((1,)) == 1 + 2 * 2
    assert reach((1, 2)) == 1 + 2 * 2 + 2 * 4
    assert reach((1, 2, 4)) == 1 + 2 * (2 + 4 + 8)


@pytest.mark.parametrize("seed", [0, 5])
def test_the_seed_alone_makes_the_weights(seed) -> None:
    before = torch.random.get_rng_state()
    first, second, other = new_network(TINY, seed), new_network(TINY, seed), new_network(TINY, seed + 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_predictions_are_probabilities() -> None:
    network, frames = new_network(TINY), pictures(3, 10, 13)
    found = list(predict(network, frames.numpy()))
    assert len(found) == 3
    assert all(s.shape == (10, 13) and s.dtype == np.float32 for s in found)
    assert np.allclose(found, torch.sigmoid(network.eval()(frames)).detach(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (12,)}, "widths has 12; expected multiples of 8"),
        ({"widths": ()}, "widths is (); expected whole numbers, one or more"),
        ({"widths": [8]}, "widths is [8]"),
        ({"widths": (0,)}, "expected a whole number, 1 or more"),
        ({"dilations": (0,)}, "dilations is 0"),
        ({"blocks": 0}, "blocks is 0"),
        ({"stem": 0}, "stem is 0"),
    ],
)
def test_options_that_make_no_network(options, message) -> None:
    with pytest.raises(InputError) as error:
        NetworkOptions(**options)
    assert message in str(error.value)


def test_unknown_names_and_shapes_are_told() -> None:
    with pytest.raises(InputError, match="network is 'huge'; expected one of 'small', 'paper'"):
        network_options("huge")
    with pytest.raises(InputError, match="frames has shape"):
        list(predict(new_network(TINY), np.zeros((3, 8, 8), np.uint8)))
