"""What chains join a pixel to, against the rows of the dense M and flows that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow.fields import Flow
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.neighbours import Neighbourhood


def uniform(frames: int, size: tuple[int, int], motion: tuple[float, float]) -> Flow:
    w, h = size
    forward = np.broadcast_to(np.array(motion, float), (frames - 1, h, w, 2)).copy()
    return Flow(forward=forward, backward=-forward)


def test_a_chain_follows_the_flow_and_ends_at_the_border() -> None:
    chains = MotionChains(uniform(8, (10, 6), (1.5, 0.0)), compute=Compute(dtype=torch.float64))
    near = Neighbourhood(chains, 3, 15)
    chain = near.chain((4, 2))
    # 4 + 1.5 k: 8.5 is pixel 9, 10 lies outside; behind, 2.5, 1 and -0.5 (a half goes up, to pixel 0).
    assert chain.frames.tolist() == [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(chain.x, [-0.5, 1.0, 2.5, 4.0, 5.5, 7.0, 8.5])
    np.testing.assert_allclose(chain.y, 2.0)
    assert len(Neighbourhood(chains, 3, 2).chain((4, 2))) == 5


def test_incoming_chains_are_those_of_the_motion() -> None:
    chains = MotionChains(uniform(5, (10, 6), (2.0, 1.0)), compute=Compute(dtype=torch.float64))
    incoming = Neighbourhood(chains, 2, 2).incoming((5, 3))
    assert sorted(zip(incoming.frames, incoming.x, incoming.y, strict=True)) == [
        (0, 1, 1),
        (1, 3, 2),
        (3, 7, 4),
        (4, 9, 5),
    ]
    assert len(Neighbourhood(chains, 0, 2).incoming((9, 0))) == 0  # nobody comes from beyond the frame


@pytest.mark.parametrize("options", [ChainOptions(), ChainOptions(links="corners"), ChainOptions(consistent=True)])
@pytest.mark.parametrize("name", ["disc", "occluder"])
def test_outgoing_and_incoming_are_a_row_of_m(name, options) -> None:
    made = ikebook.toy(name, frames=6, seed=3)
    chains = MotionChains(made.flow, options, compute=Compute(dtype=torch.float64))
    motion = MotionMatrix(chains, MotionOptions(radius=3, sigma=2.0))
    dense, kernel = motion.dense().numpy(), motion.kernel().numpy()
    for frame, pixel in ((0, (3, 4)), (2, (8, 8)), (5, (15, 0)), (3, (7, 9))):
        near = Neighbourhood(chains, frame, 3)
        row = np.zeros(len(dense))
        incoming = near.incoming(pixel)
        np.add.at(
            row,
            incoming.frames * 256 + incoming.y * 16 + incoming.x,
            kernel[np.abs(incoming.frames - frame) - 1],
        )
        chain = near.chain(pixel)
        for when, x, y in zip(chain.frames, chain.x, chain.y, strict=True):
            if when == frame:
                continue
            whole = options.links == "nearest"
            xs = [np.floor(x + 0.5)] if whole else [np.floor(x), np.ceil(x)]
            ys = [np.floor(y + 0.5)] if whole else [np.floor(y), np.ceil(y)]
            for u in xs:
                for v in ys:
                    if 0 <= u < 16 and 0 <= v < 16:
                        row[int(when * 256 + v * 16 + u)] += kernel[abs(when - frame) - 1]
        node = frame * 256 + pixel[1] * 16 + pixel[0]
        np.testing.assert_allclose(row, dense[node], atol=1e-12)
        assert row.sum() > 0


def test_a_pixel_or_frame_that_is_not_there_is_refused() -> None:
    chains = MotionChains(uniform(4, (10, 6), (0, 0)))
    with pytest.raises(InputError, match=r"frame is 4; expected one of 0 to 3"):
        Neighbourhood(chains, 4, 2)
    near = Neighbourhood(chains, 0, 2)
    for ask in (near.chain, near.incoming):
        with pytest.raises(InputError, match=r"pixel is \(10, 0\); expected .* x from 0 to 9 and y from 0 to 5"):
            ask((10, 0))
