"""The middle of toys: clips as small as they can be, with chains that come in, go on and leave."""

from __future__ import annotations

import functools

import numpy as np

from ikebook.datasets.toys import Toy, toy
from ikebook.flow import Flow
from ikebook.video.clip import Clip

SIZE = (11, 9)
"""Width and height, which differ so that x is told from y. With four frames they make 396 nodes: of a toy of 16x16, the least
that there is, dense matrices take seven times as many entries, and their eigenvectors twenty times as long."""


@functools.cache
def window(name: str, frames: int = 4, seed: int = 0) -> Toy:
    """Some frames of the middle of a toy, which its objects cross."""
    made = toy(name, (17, 16), frames, seed=seed)
    rows, columns = slice(3, 3 + SIZE[1]), slice(3, 3 + SIZE[0])
    forward, backward = (field[:, rows, columns] for field in (made.flow.forward, made.flow.backward))
    assert made.clip.masks is not None
    clip = Clip(
        frames=np.ascontiguousarray(made.clip.frames[:, rows, columns]),
        masks=made.clip.masks[:, rows, columns],
        name=name,
    )
    return Toy(clip, Flow(forward=forward, backward=backward))
