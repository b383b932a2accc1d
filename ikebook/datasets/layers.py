"""Toys as stacks of layers: each a picture in coordinates of its own, placed in the frame by an affine map that changes with time.

What a pixel shows, which layer it belongs to and where that point goes are then known without error.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ikebook.base.threads import side_by_side
from ikebook.flow.fields import Flow
from ikebook.video.clip import Clip

Picture = Callable[[np.ndarray], np.ndarray]
"""Colour at positions (..., 2) in a layer's own coordinates: (..., 3) in [0, 255]."""

Placement = Callable[[int], np.ndarray]
"""The 2 x 3 affine map from a layer's coordinates to pixels, at a frame."""


@dataclass(frozen=True, eq=False)
class Toy:
    """A generated clip with its exact masks and its exact flow, both known and not computed from the frames.

    Parameters
    ----------
    clip : Clip
        `clip.frames` are (m, h, w, 3) uint8 RGB, and `clip.masks` (m, h, w) bool.
    flow : Flow
        Both ways, (m-1, h, w, 2) float64 each, (dx, dy) in pixels.
    """

    clip: Clip
    flow: Flow

    def __repr__(self) -> str:
        (w, h), name = self.clip.size, self.clip.name
        return f"Toy({name!r}, {len(self.clip)} frames of {w}x{h}, with masks and exact flow)"


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture that moves over those behind it.

    Parameters
    ----------
    picture : callable
        Colour at positions in the layer's own coordinates; see `Picture`.
    place : callable
        Where the layer lies at a frame; see `Placement`.
    alpha : callable
        Opacity (...) in [0, 1] at positions (..., 2); above one half, the pixel is the layer's.
    is_object : bool, default False
        Whether the clip's masks have it.
    """

    picture: Picture
    place: Placement
    alpha: Callable[[np.ndarray], np.ndarray]
    is_object: bool = False


def compose(
    name: str,
    layers: Sequence[Layer],
    size: tuple[int, int],
    frames: int,
    light: Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
) -> Toy:
    """Stack layers into a clip with its masks and its flow both ways.

    Parameters
    ----------
    name : str
        Of the clip.
    layers : sequence of Layer
        The first lies at the back, and covers the frame.
    size : (int, int)
        Width and height, pixels.
    frames : int
        m, two or more.
    light : callable, optional
        Gives, at a frame and pixel positions (h, w, 2), a gain on everything and another on the backmost layer alone, for
        shadows.
    """
    w, h = size
    x, y = np.meshgrid(np.arange(w, dtype=float), np.arange(h, dtype=float))
    where = np.stack([x, y], -1)  # (h, w, 2)
    pictures = np.empty((frames, h, w, 3), np.uint8)
    masks = np.zeros((frames, h, w), bool)
    forward, backward = np.empty((2, frames - 1, h, w, 2), np.float64)

    def draw(t: int) -> None:
        colour, owner = np.zeros((h, w, 3)), np.zeros((h, w), int)
        gain, shade = (1.0, 1.0) if light is None else light(t, where)
        for index, layer in enumerate(layers):
            local = invert_affine(layer.place(t), where)
            alpha = layer.alpha(local)
            seen = layer.picture(local) * np.expand_dims(gain * (shade if index == 0 else 1.0) * np.ones((h, w)), -1)
            colour += alpha[..., None] * (seen - colour)
            owner[alpha > 0.5] = index
        pictures[t] = np.rint(colour.clip(0, 255)).astype(np.uint8)
        for index, layer in enumerate(layers):
            masks[t] |= (owner == index) & layer.is_object
            visible = np.flatnonzero(owner == index)  # as numbers: a mask of pairs is much slower to select by
            here = where.reshape(-1, 2).take(visible, 0)
            local = invert_affine(layer.place(t), here)
            if t + 1 < frames:
                forward[t].reshape(-1, 2)[visible] = apply_affine(layer.place(t + 1), local) - here
            if t > 0:
                backward[t - 1].reshape(-1, 2)[visible] = apply_affine(layer.place(t - 1), local) - here

    deque(side_by_side(draw, range(frames), cv2.getNumThreads(), "compose"), maxlen=0)
    return Toy(Clip(frames=pictures, masks=masks, name=name), Flow(forward=forward, backward=backward))


def texture(w: int, seed: int, base: tuple[int, int, int]) -> Picture:
    """A smooth random pattern around a colour: waves of random direction, 4 to 12 pixels long in a frame 64 wide."""
    rng = np.random.default_rng(seed)
    length = rng.uniform(4, 12, 24) * max(1.0, w / 64)
    angle = rng.uniform(0, math.pi, 24)
    waves = 2 * math.pi / length[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    phase = rng.uniform(0, 2 * math.pi, 24)
    colours = rng.normal(0, 9, (24, 1)) + rng.normal(0, 3, (24, 3))  # mostly light and dark

    def picture(q: np.ndarray) -> np.ndarray:
        return np.cos(q @ waves.T + phase) @ colours + np.array(base, float)

    return picture


def still_picture(image: np.ndarray, wrap: bool = False) -> Picture:
    """An image (h, w, c) as a picture whose centre is the layer's origin; beyond its border mirrored (`wrap`), or 0."""
    h, w = image.shape[:2]
    border = cv2.BORDER_REFLECT_101 if wrap else cv2.BORDER_CONSTANT

    def picture(q: np.ndarray) -> np.ndarray:
        x, y = (q[..., 0] + (w - 1) / 2).astype(np.float32), (q[..., 1] + (h - 1) / 2).astype(np.float32)
        sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border)
        return sampled.reshape(*q.shape[:-1], -1).astype(float)

    return picture


def affine_map(sx: float, sy: float, angle: float, centre: Sequence[float], unit: float = 1.0) -> np.ndarray:
    """The map that stretches, turns, moves to `centre`, and then counts in units of `unit` pixels."""
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return unit * np.hstack([turn @ np.diag([sx, sy]), np.array(centre, float)[:2, None]])


def apply_affine(place: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Positions (..., 2) in a layer's own coordinates to pixels."""
    return local @ place[:, :2].T + place[:, 2]


def invert_affine(place: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) to positions in a layer's own coordinates."""
    return (where - place[:, 2]) @ np.linalg.inv(place[:, :2]).T
