"""What another program might say of a clip: a made-up stand-in for networks that see one frame at a time (Sec. 7.3).

Networks whose outputs the paper borrows were trained on human labels, and their weights are no part of this package. This
stand-in is made of the clip's known masks, and spoilt in the ways in which such networks fail. It shows how a graph deals
with each kind of mistake; what comes out says nothing about how good the method is.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ikebook.base import check
from ikebook.base.check import require
from ikebook.matrix.features import Cue
from ikebook.video.clip import Clip

MISTAKES = ("new", "same")


def simulated_network(clip: Clip, *, mistakes: str = "new", noise: float = 0.1, seed: int = 0) -> Cue:
    """Soft maps of a clip's object, as a network that sees single frames might give them.

    The masks, blurred by a fiftieth of the frame's width; in every fourth frame the object is hardly seen; in two of three
    frames something else is taken for it, as sure as the object itself; and noise.

    Parameters
    ----------
    clip : with masks, (m, h, w)
    mistakes : something else is taken for the object in a "new" place each time, or in all frames in the "same" place
    noise : its standard deviation
    seed : of places and noise

    Returns
    -------
    Cue
        Maps (m, h, w) float32, in [0, 1].
    """
    require(
        clip.masks is not None,
        f"clip {clip.name!r} has no masks to pretend with; take one that has, such as ikebook.demo(12, '208x112').clip.",
    )
    assert clip.masks is not None
    check.one_of("mistakes", mistakes, MISTAKES)
    check.number("noise", noise, at_least=0)
    check.whole("seed", seed)
    rng = np.random.default_rng(seed)
    w, h = clip.size
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    fixed = (
        (0.12 * w, 0.8 * h) if clip.masks[:, : h // 2].sum() > clip.masks[:, h // 2 :].sum() else (0.12 * w, 0.2 * h)
    )
    maps = []
    for index, mask in enumerate(clip.masks):
        seen = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.02 * w)
        if index % 4 == 2:
            seen *= 0.15
        place = (rng.uniform(0, w), rng.uniform(0, h)) if mistakes == "new" else fixed
        if mistakes == "same" or index % 3 != 0:
            other = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * (0.08 * w) ** 2))
            seen = np.maximum(seen, other)
        grain = cv2.GaussianBlur(rng.standard_normal((h, w), np.float32), (0, 0), 0.015 * w)
        maps.append((seen + noise * grain / grain.std()).clip(0, 1).astype(np.float32))
    return Cue(name="network", maps=torch.from_numpy(np.stack(maps)))
