"""The network RAFT-small, in PyTorch alone: Teed & Deng, ECCV 2020, doi:10.1007/978-3-030-58536-5_24, Sec. 3.

Features of both frames at an eighth of their size, the correlation of every pair of them, in a pyramid, and a recurrent
unit that looks up what lies around where the flow leads and corrects the flow, again and again. The small model has 32 to
128 channels, bottleneck blocks, correlations within a radius of 3, one gated recurrent unit of 3x3 convolutions, and flow
enlarged by bilinear interpolation.

Layers are called as in checkpoints of the authors' program, which are read as they are; `layer_name` translates torchvision's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES, HIDDEN, CONTEXT = 128, 96, 64
"""Channels of the features that are correlated, of the recurrent unit's state, and of the first frame's context."""

LEVELS, RADIUS = 4, 3
"""Levels of the correlation pyramid, and how far around a point each is looked up, in its own cells."""

LOOKED_UP = LEVELS * (2 * RADIUS + 1) ** 2
MOTION = 82
"""Channels of the encoded motion, the flow itself among them."""

CELL = 8
"""Side of a cell of features, in pixels of the frame."""

TORCHVISION = (
    (r"^feature_encoder\.", "fnet."),
    (r"^context_encoder\.", "cnet."),
    (r"^([fc]net)\.convnormrelu\.0\.", r"\1.conv1."),
    (r"^([fc]net)\.conv\.", r"\1.conv2."),
    (r"\.convnormrelu([123])\.0\.", r".conv\1."),
    (r"\.motion_encoder\.conv\.0\.", ".encoder.conv."),
    (r"\.motion_encoder\.convcorr1\.0\.", ".encoder.convc1."),
    (r"\.motion_encoder\.convflow([12])\.0\.", r".encoder.convf\1."),
    (r"\.recurrent_block\.convgru1\.", ".gru."),
)
"""What stands in names of torchvision's layers, and what in its place in the authors' program."""


def layer_name(name: str) -> str:
    """A layer's name here, from its name in a checkpoint of the authors' program or of torchvision.

    >>> layer_name("module.fnet.layer1.0.conv2.bias")  # as the authors' training on several GPUs saves it
    'fnet.layer1.0.conv2.bias'
    >>> layer_name("feature_encoder.layer1.0.convnormrelu2.0.bias")
    'fnet.layer1.0.conv2.bias'
    """
    name = name.removeprefix("module.")
    for theirs, here in TORCHVISION:
        name = re.sub(theirs, here, name)
    return name


Norm = Callable[[Tensor], Tensor]


class Bottleneck(nn.Module):
    """A residual block: to a quarter of the channels, a 3x3 convolution among them, and back to all."""

    def __init__(self, before: int, after: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.norm = norm
        self.conv1 = nn.Conv2d(before, after // 4, 1)
        self.conv2 = nn.Conv2d(after // 4, after // 4, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(after // 4, after, 1)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride)) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """From (b, before, h, w) to (b, after, h / stride, w / stride)."""
        y = x
        for layer in (self.conv1, self.conv2, self.conv3):
            y = self.norm(layer(y)).relu_()
        return (y + (x if self.downsample is None else self.norm(self.downsample(x)))).relu_()


class Encoder(nn.Module):
    """Features of a frame at an eighth of its size, by three stages of two blocks each."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.norm = norm
        self.conv1 = nn.Conv2d(3, 32, 7, stride=2, padding=3)
        self.layer1 = nn.Sequential(Bottleneck(32, 32, 1, norm), Bottleneck(32, 32, 1, norm))
        self.layer2 = nn.Sequential(Bottleneck(32, 64, 2, norm), Bottleneck(64, 64, 1, norm))
        self.layer3 = nn.Sequential(Bottleneck(64, 96, 2, norm), Bottleneck(96, 96, 1, norm))
        self.conv2 = nn.Conv2d(96, channels, 1)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.norm(self.conv1(frames)).relu_()  # (b, 3, H, W) to (b, 32, H/2, W/2)
        x = self.layer3(self.layer2(self.layer1(x)))  # (b, 96, H/8, W/8)
        return self.conv2(x)  # (b, channels, H/8, W/8)


class CorrelationPyramid:
    """How alike each cell of one frame and each of the other are, the other's averaged over 1, 2, 4 and 8 cells (Sec. 3.2).

    Parameters
    ----------
    first, second : (b, d, h, w) features
    """

    def __init__(self, first: Tensor, second: Tensor) -> None:
        b, d, h, w = first.shape
        alike = (first / d**0.5).flatten(2).transpose(1, 2) @ second.flatten(2)  # (b, hw, hw)
        self.levels = [alike.view(b * h * w, 1, h, w)]
        for _ in range(LEVELS - 1):
            self.levels.append(functional.avg_pool2d(self.levels[-1], 2))  # (bhw, 1, h/2, w/2), and so on
        steps = torch.arange(-RADIUS, RADIUS + 1, device=first.device, dtype=first.dtype)
        # The first axis moves to the right, the second down: weights that others have trained expect this order.
        self.window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)  # (7, 7, 2) as (x, y)
        # Filled in by the device itself: what comes from a list, a GPU would be waited for at each of all lookups.
        self.last = [
            torch.stack([first.new_full((), side - 1) for side in reversed(level.shape[-2:])]) for level in self.levels
        ]  # of each level the last column and row

    def around(self, points: Tensor) -> Tensor:
        """The correlations of each cell with those around a point of the other frame; beyond its border they are 0.

        Parameters
        ----------
        points : (b, 2, h, w) as (x, y), in cells

        Returns
        -------
        (b, LOOKED_UP, h, w), level by level
        """
        b, _, h, w = points.shape
        centres = points.movedim(1, -1).reshape(b * h * w, 1, 1, 2)
        found = []
        for level, (correlations, last) in enumerate(zip(self.levels, self.last, strict=True)):
            places = (centres / 2**level + self.window) * (2 / last) - 1  # (bhw, 7, 7, 2), -1 and 1 the outer cells
            near = functional.grid_sample(correlations, places, align_corners=True)  # (bhw, 1, 7, 7)
            found.append(near.view(b, h, w, -1))
        return torch.cat(found, dim=-1).movedim(-1, 1)


class MotionEncoder(nn.Module):
    """What correlations and flow say together (Sec. 3.3), the flow itself beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(LOOKED_UP, 96, 1)
        self.convf1 = nn.Conv2d(2, 64, 7, padding=3)
        self.convf2 = nn.Conv2d(64, 32, 3, padding=1)
        self.conv = nn.Conv2d(96 + 32, MOTION - 2, 3, padding=1)

    def forward(self, correlations: Tensor, flow: Tensor) -> Tensor:
        a = self.convc1(correlations).relu_()  # (b, 196, h, w) to (b, 96, h, w)
        b = self.convf2(self.convf1(flow).relu_()).relu_()  # (b, 2, h, w) to (b, 32, h, w)
        return torch.cat([self.conv(torch.cat([a, b], dim=1)).relu_(), flow], dim=1)  # (b, 82, h, w)


class ConvGru(nn.Module):
    """A gated recurrent unit whose products are 3x3 convolutions (Eqs. 3 to 6), of its state, the context and the motion.

    A convolution of channels side by side is the sum of one for each group of them. The context's stays the same from
    update to update, and is computed once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convz, self.convr, self.convq = (
            nn.Conv2d(HIDDEN + CONTEXT + MOTION, HIDDEN, 3, padding=1) for _ in range(3)
        )

    def of_context(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """What the context (b, 64, h, w) adds to both gates, (b, 2 * 96, h, w), and to the proposed state, (b, 96, h, w)."""
        found = [
            functional.conv2d(context, conv.weight[:, HIDDEN : HIDDEN + CONTEXT], conv.bias, padding=1)
            for conv in (self.convz, self.convr, self.convq)
        ]
        return torch.cat(found[:2], dim=1), found[2]

    def forward(self, state: Tensor, motion: Tensor, of_context: tuple[Tensor, Tensor]) -> Tensor:
        def convolved(state: Tensor, *convs: nn.Conv2d) -> Tensor:
            weights = [torch.cat([conv.weight[:, :HIDDEN], conv.weight[:, -MOTION:]], dim=1) for conv in convs]
            return functional.conv2d(torch.cat([state, motion], dim=1), torch.cat(weights), padding=1)

        gates = (convolved(state, self.convz, self.convr) + of_context[0]).sigmoid()  # (b, 2 * 96, h, w)
        renewed, kept = gates.chunk(2, dim=1)  # z and r
        proposed = (convolved(kept * state, self.convq) + of_context[1]).tanh()  # (b, 96, h, w): h~
        return torch.lerp(state, proposed, renewed)  # (1 - z) h + z h~


class FlowHead(nn.Module):
    """The correction of the flow that a state stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(HIDDEN, 128, 3, padding=1)
        self.conv2 = nn.Conv2d(128, 2, 3, padding=1)

    def forward(self, state: Tensor) -> Tensor:
        return self.conv2(self.conv1(state).relu_())  # (b, 96, h, w) to (b, 2, h, w)


class UpdateBlock(nn.Module):
    """One update: motion, state and correction."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.gru = ConvGru()
        self.flow_head = FlowHead()

    def forward(
        self, state: Tensor, of_context: tuple[Tensor, Tensor], correlations: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        state = self.gru(state, self.encoder(correlations, flow), of_context)
        return state, self.flow_head(state)


class RaftSmall(nn.Module):
    """RAFT-small: the flow from frames to others, both of sides that are multiples of 8, and at least 128 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet = Encoder(FEATURES, functional.instance_norm)
        self.cnet = Encoder(HIDDEN + CONTEXT, nn.Identity())
        self.update_block = UpdateBlock()

    def forward(self, first: Tensor, second: Tensor, num_flow_updates: int = 12) -> list[Tensor]:
        """The flow from `first` to `second`, as a list of one, for torchvision's RAFT lists it after each update.

        Parameters
        ----------
        first, second : (b, 3, H, W) float32, RGB from -1 to 1
        num_flow_updates : how often it is corrected, from zero

        Returns
        -------
        list of (b, 2, H, W) float32, (dx, dy) in pixels
        """
        one, two = self.fnet(torch.cat([first, second])).chunk(2)  # each (b, 128, h, w): h = H/8, w = W/8
        with torch.autocast(first.device.type, enabled=False):  # sums over 128 channels stay exact
            pyramid = CorrelationPyramid(one.float(), two.float())
        state, context = self.cnet(first).split([HIDDEN, CONTEXT], dim=1)  # (b, 96, h, w), (b, 64, h, w)
        state, of_context = state.tanh(), self.update_block.gru.of_context(context.relu())
        h, w = one.shape[-2:]
        y, x = torch.meshgrid(*(torch.arange(n, device=one.device).float() for n in (h, w)), indexing="ij")
        cells = torch.stack([x, y])  # (2, h, w)
        flow = torch.zeros(len(first), 2, h, w, device=one.device)  # in cells
        for _ in range(num_flow_updates):
            state, correction = self.update_block(state, of_context, pyramid.around(cells + flow), flow)
            flow = flow + correction.float()
        size = (h * CELL, w * CELL)
        return [CELL * functional.interpolate(flow, size=size, mode="bilinear", align_corners=True)]
