"""Rows of C, the outgoing chains of some frames: where they lead, what they weigh, and when they are complete."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Met:
    """Where the rows of C lead that belong to b consecutive frames and one direction.

    The chain of cell a of the i-th frame meets cell `cells[k-1, l, i, a]` (int32) after k steps, at the l-th of its links,
    in frame `frames[i] + direction * k`. Where there is no such frame, that cell is 0, on the border.
    """

    frames: range
    direction: int
    cells: Tensor

    def first(self, slots: int) -> Tensor:
        """The first cell of the frames that each step leads to, (steps, 1, b, 1) int32, where frame j has slot j % slots."""
        device, cells = self.cells.device, self.cells.shape[-1]
        k = torch.arange(1, len(self.cells) + 1, dtype=torch.int32, device=device)[:, None, None, None]
        frames = torch.arange(self.frames.start, self.frames.stop, dtype=torch.int32, device=device)[:, None]
        return (frames + self.direction * k) % slots * cells


@dataclass(frozen=True, eq=False)
class Rows(Met):
    """The rows of C that belong to b consecutive frames and one direction: where they lead, with the weights `weights[k-1, l, i, a]`.

    All axes of the weights but the first may have length 1.
    """

    weights: Tensor


@dataclass(frozen=True, eq=False)
class Arrival:
    """What is known once some frames have arrived: the rows of C that they complete, which are there until the next arrival.

    Of the frames before `complete`, all rows have come by now, and all rows that lead to them. `beside` is what has been asked for
    beside the rows.
    """

    frames: range
    rows: list[Rows]
    complete: int
    beside: Tensor | None
