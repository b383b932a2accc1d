"""The Network Module's architecture (Sec. 5, Fig. 4): a U-Net with residual blocks and dilated convolutions.

It sees one RGB frame and nothing else: neither motion nor other frames. What the graph found in space and time, it has to
explain by appearance. A frame goes down through levels of half the size each, the last of which sees far by dilated
convolutions, and up again, where each level joins what it was given on the way down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor
from torch.nn import Conv2d, GroupNorm, Module, ModuleList, Sequential

from ikebook.base import check
from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.tensors import frames_at_once, on_device, pictures

GROUPS = 8
"""Groups of channels that are normalised together; widths are multiples of it."""


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """The U-Net's size (Sec. 5, Fig. 4).

    Parameters
    ----------
    widths : tuple of int, default (16, 32, 64, 96)
        Channels of the levels, from fine to coarse, each half the size.
    dilations : tuple of int, default (1, 2, 4)
        Dilations of the residual blocks at the coarsest level, pixels there.
    blocks : int, default 1
        Residual blocks of every other level, on each way.
    stem : int, default 4
        The finest level has frames of 1/stem of the size; their pixels become channels, and back.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96)
    dilations: tuple[int, ...] = (1, 2, 4)
    blocks: int = 1
    stem: int = 4

    def __post_init__(self) -> None:
        for name in ("widths", "dilations"):
            values = getattr(self, name)
            require(
                isinstance(values, tuple) and len(values) > 0,
                f"NetworkOptions.{name} is {values!r}; expected whole numbers, one or more.",
            )
            for value in values:
                check.whole(f"NetworkOptions.{name}", value, at_least=1)
        for width in self.widths:
            require(width % GROUPS == 0, f"NetworkOptions.widths has {width}; expected multiples of {GROUPS}.")
        check.whole("NetworkOptions.blocks", self.blocks, at_least=1)
        check.whole("NetworkOptions.stem", self.stem, at_least=1, at_most=8)


NETWORKS = {
    # 0.8 M parameters, at a quarter of the frame's size: what two cores train in a minute.
    "small": NetworkOptions(),
    # The widths of the authors' network, with the dilations of Fig. 4; for a GPU.
    "paper": NetworkOptions(widths=(64, 128, 256, 512, 1024), dilations=(1, 2, 4), blocks=1, stem=1),
}
"""Named sizes: `small` and `paper`."""


def network_options(name: str) -> NetworkOptions:
    """The options of the network called `name`."""
    check.one_of("network", name, NETWORKS)
    return NETWORKS[name]


class ResidualBlock(Module):
    """Two convolutions with normalisation, added to what they were given. (b, c, h, w) to (b, out, h, w)."""

    def __init__(self, channels: int, out: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = Conv2d(channels, out, 3, padding=dilation, dilation=dilation, bias=False)
        self.second = Conv2d(out, out, 3, padding=dilation, dilation=dilation, bias=False)
        self.norms = ModuleList([GroupNorm(GROUPS, out), GroupNorm(GROUPS, out)])
        self.shortcut = Conv2d(channels, out, 1, bias=False) if channels != out else torch.nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = nn.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        return nn.relu(y + self.shortcut(x))


class UNet(Module):
    """Logits of the object, from single frames (Sec. 5, Fig. 4).

    Frames (b, h, w, 3) uint8 RGB may have any size: the network pads them by their own border up to a multiple of what it
    halves, and gives (b, h, w) logits.

    Parameters
    ----------
    options : NetworkOptions, optional
        Its size.
    """

    def __init__(self, options: NetworkOptions | None = None) -> None:
        super().__init__()
        self.options = o = options or NetworkOptions()
        self.downward = ModuleList()
        channels = 3 * o.stem**2
        for width in o.widths[:-1]:
            self.downward.append(_level(channels, width, (1,) * o.blocks))
            channels = width
        self.bottom = _level(channels, o.widths[-1], o.dilations)
        channels = o.widths[-1]
        self.upward = ModuleList()
        for width in reversed(o.widths[:-1]):
            self.upward.append(_level(channels + width, width, (1,) * o.blocks))
            channels = width
        self.head = Conv2d(channels, o.stem**2, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (b, h, w, 3) uint8 RGB to logits (b, h, w): above 0 is object."""
        h, w = frames.shape[1:3]
        x = frames.movedim(-1, 1).to(self.head.weight.dtype) / 127.5 - 1  # (b, 3, h, w), from -1 to 1
        x = nn.pad(x, (0, -w % self.multiple, 0, -h % self.multiple), mode="replicate")
        x = nn.pixel_unshuffle(x, self.options.stem)  # (b, 3 stem^2, h / stem, w / stem)
        skips = []
        for level in self.downward:
            x = level(x)
            skips.append(x)
            x = nn.max_pool2d(x, 2)
        x = self.bottom(x)
        for level, skip in zip(self.upward, reversed(skips), strict=True):
            x = level(torch.cat([nn.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), skip], dim=1))
        return nn.pixel_shuffle(self.head(x), self.options.stem)[:, 0, :h, :w]

    @property
    def multiple(self) -> int:
        """What the sides of padded frames are multiples of: pixels that one cell of the coarsest level stands for."""
        return self.options.stem * 2 ** len(self.downward)

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())


def _level(channels: int, width: int, dilations: tuple[int, ...]) -> Sequential:
    blocks = [ResidualBlock(channels, width, dilations[0])]
    blocks += [ResidualBlock(width, width, dilation) for dilation in dilations[1:]]
    return Sequential(*blocks)


def new_network(options: NetworkOptions | None = None, seed: int = 0) -> UNet:
    """An untrained network; PyTorch's own random state stays as it was.

    Parameters
    ----------
    options : NetworkOptions, optional
        Its size.
    seed : int, default 0
        All that its weights depend on.

    Returns
    -------
    UNet

    Examples
    --------
    >>> sum(weights.numel() for weights in new_network().parameters()) < 10**6
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(options)


def predict(network: UNet, frames: Array | Tensor) -> Iterator[np.ndarray]:
    """S = N(I; theta): the object's probability, frame by frame (Sec. 5).

    Parameters
    ----------
    network : UNet
        Trained, say.
    frames : (m, h, w, 3) uint8 RGB
        In memory or on disk.

    Yields
    ------
    (h, w) float32
        In [0, 1]; above 0.5 is object.
    """
    check.shape("frames", frames, ("m", "h", "w", 3))
    device = network.head.weight.device
    batch = frames_at_once(device, frames.shape[1] * frames.shape[2])
    network.eval()
    for start in range(0, len(frames), batch):
        with torch.inference_mode():
            images = on_device(pictures(frames[start : start + batch]), device)
            probabilities = torch.sigmoid(network(images).float()).cpu()
        yield from probabilities.numpy()
