"""Generated clips whose flow and masks are known exactly: what every claim is tested on, and what every notebook opens.

What they are made of, `ikebook.datasets.layers` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ikebook.base import check
from ikebook.base.check import require
from ikebook.datasets.layers import Layer, Placement, Toy, affine_map, compose, texture
from ikebook.datasets.scenes import SCENES, Stage
from ikebook.video.clip import WORKING_SIZE, Clip


def toy(name: str, size: tuple[int, int] | str = (16, 16), frames: int = 5, seed: int = 0) -> Toy:
    """A generated clip whose masks and flow are known exactly.

    Parameters
    ----------
    name : str
        One of `TOYS`. "disc": a disc over a panning texture; "two_objects" of different size and speed; "occluder": a disc
        that a post passes in front of; "deforming": an ellipse that turns and stretches; "tracked": the camera follows a
        disc, which is still in the frame while the scene pans; "pause": a disc that from two fifths of the clip on moves
        with the scene; "still": nothing moves at all.
    size : (int, int) or str, default (16, 16)
        Width and height, or a text such as "64x48": 16 pixels or more each.
    frames : int, default 5
        m, two or more.
    seed : int, default 0
        Of the textures.

    Returns
    -------
    Toy

    Raises
    ------
    InputError
        If there is no toy of this name, or it can't be so small or so short.

    Examples
    --------
    >>> made = toy("disc", (64, 48), frames=8)
    >>> made.clip.frames.shape, made.flow.forward.shape
    ((8, 48, 64, 3), (7, 48, 64, 2))
    """
    check.one_of("toy", name, TOYS)
    w, h = check.size("size", size)
    require(w >= 16 and h >= 16, f"size is {w}x{h}; toys are 16x16 or larger.")
    check.whole("frames", frames, at_least=2)
    check.whole("seed", seed)
    return compose(name, TOYS[name](w, h, frames, seed), (w, h), frames)


def noisy_labels(masks: np.ndarray, noise: float = 0.8, seed: int = 0) -> np.ndarray:
    """Labels that know an object badly: 1 on its masks, 0 elsewhere, and Gaussian noise added.

    Parameters
    ----------
    masks : (m, h, w) bool
    noise : float, default 0.8
        Standard deviation.
    seed : int, default 0

    Returns
    -------
    (n,) float64
        With n = m h w nodes in the graph's order.

    Examples
    --------
    >>> noisy_labels(toy("disc").clip.masks).shape
    (1280,)
    """
    check.shape("masks", masks, ("m", "h", "w"))
    check.number("noise", noise, at_least=0)
    return masks.reshape(-1) + np.random.default_rng(seed).normal(0, noise, masks.size)


def demo(frames: int = 24, size: tuple[int, int] | str = WORKING_SIZE, seed: int = 0, *, scene: str = "cup") -> Toy:
    """An embedded clip: photographed things that move before a camera, with its noise; masks and flow are known exactly.

    Composed when asked for, from free stills (`stills/README.md`), so it can have any size and length.

    Parameters
    ----------
    frames : int, default 24
        m, two or more.
    size : (int, int) or str, default (416, 224)
        Width and height, pixels, or a text such as "416x224".
    seed : int, default 0
        Of the camera's noise.
    scene : str, default "cup"
        "cup": a cup travels over a lawn, before a hand-held camera in changing light; "shuttle": a space shuttle climbs past
        galaxies; "astronaut": somebody walks past a wall, cut off by the frame's border; "coins": two coins of one size
        over gravel, one goes across the frame, and one down.

    Returns
    -------
    Toy

    Raises
    ------
    InputError
        If there is no scene of this name.

    Examples
    --------
    >>> demo(frames=2, size=(104, 56)).clip.frames.shape
    (2, 56, 104, 3)
    >>> demo(frames=2, size=(104, 56), scene="coins").clip
    Clip('coins', 2 frames of 104x56, own size 104x56, masks)
    """
    check.whole("frames", frames, at_least=2)
    check.whole("seed", seed)
    check.one_of("scene", scene, SCENES)
    w, h = check.size("size", size)
    layers, light = SCENES[scene](Stage(w, h, frames))
    made = compose(scene, layers, (w, h), frames, light)
    chance, noisy = np.random.default_rng(seed), np.empty_like(made.clip.frames)
    for frame, out in zip(made.clip.frames, noisy, strict=True):
        out[:] = np.rint(frame + chance.normal(0, 3, frame.shape)).clip(0, 255)
    name = "demo" if scene == "cup" else scene
    return Toy(Clip(frames=noisy, masks=made.clip.masks, name=name, fps=12.0), made.flow)


def _disc(w: int, h: int, frames: int, seed: int) -> list[Layer]:
    pan = (0.02 * w, 0.01 * w)
    radius = 0.2 * min(w, h)
    return [
        _background(w, seed, _glide((0, 0), pan)),
        _ellipse(w, seed + 1, radius, radius, _crossing(w, h, frames, -0.05 * w, 0.02 * h)),
    ]


def _two_objects(w: int, h: int, frames: int, seed: int) -> list[Layer]:
    large, small = 0.19 * min(w, h), 0.11 * min(w, h)
    return [
        _background(w, seed, _glide((0, 0), (0.01 * w, 0))),
        _ellipse(w, seed + 1, large, large, _crossing(w, h, frames, 0.04 * w, 0.0, (0.42, 0.66))),
        _ellipse(w, seed + 2, small, small, _crossing(w, h, frames, -0.07 * w, 0.01 * h, (0.55, 0.24))),
    ]


def _occluder(w: int, h: int, frames: int, seed: int) -> list[Layer]:
    pan = (-0.015 * w, 0.0)
    radius = 0.22 * min(w, h)
    post = Layer(
        texture(w, seed + 2, (210, 210, 200)),
        _glide((0.62 * w, 0), pan),
        lambda q: (np.abs(q[..., 0]) < 0.07 * w).astype(float),
    )
    return [
        _background(w, seed, _glide((0, 0), pan)),
        _ellipse(w, seed + 1, radius, radius, _crossing(w, h, frames, 0.05 * w, 0.0)),
        post,
    ]


def _deforming(w: int, h: int, frames: int, seed: int) -> list[Layer]:
    radius = 0.22 * min(w, h)
    path = _crossing(w, h, frames, 0.04 * w, 0.0)

    def place(t: int) -> np.ndarray:
        stretch = 1 + 0.2 * math.sin(0.25 * t)
        return affine_map(stretch, 1 / stretch, 0.04 * t, tuple(path(t)[:, 2]))

    return [
        _background(w, seed, _glide((0, 0), (-0.01 * w, 0))),
        _ellipse(w, seed + 1, 1.3 * radius, 0.8 * radius, place),
    ]


def _tracked(w: int, h: int, _: int, seed: int) -> list[Layer]:
    radius = 0.22 * min(w, h)
    return [
        _background(w, seed, _glide((0, 0), (-0.06 * w, 0.01 * h))),
        _ellipse(w, seed + 1, radius, radius, _glide((0.5 * w, 0.5 * h), (0, 0))),
    ]


def _pause(w: int, h: int, frames: int, seed: int) -> list[Layer]:
    pan, motion = np.array([-0.008 * w, 0.0]), np.array([0.03 * w, 0.01 * h])
    radius, until = 0.2 * min(w, h), 0.4 * (frames - 1)

    def place(t: int) -> np.ndarray:
        middle = np.array([0.5 * w, 0.5 * h]) + (t - until) * pan + min(t - until, 0) * motion
        return np.hstack([np.eye(2), middle[:, None]])

    return [_background(w, seed, _glide((0, 0), tuple(pan))), _ellipse(w, seed + 1, radius, radius, place)]


def _still_scene(w: int, h: int, _: int, seed: int) -> list[Layer]:
    radius = 0.22 * min(w, h)
    return [
        _background(w, seed, _glide((0, 0), (0, 0))),
        _ellipse(w, seed + 1, radius, radius, _glide((0.5 * w, 0.5 * h), (0, 0))),
    ]


TOYS: dict[str, Callable[[int, int, int, int], list[Layer]]] = {
    "disc": _disc,
    "two_objects": _two_objects,
    "occluder": _occluder,
    "deforming": _deforming,
    "tracked": _tracked,
    "pause": _pause,
    "still": _still_scene,
}
"""Layers of each toy, from width, height, number of frames and seed."""


def _background(w: int, seed: int, place: Placement) -> Layer:
    return Layer(texture(w, seed, (90, 120, 100)), place, lambda q: np.ones(q.shape[:-1]))


def _ellipse(w: int, seed: int, across: float, down: float, place: Placement) -> Layer:
    def alpha(q: np.ndarray) -> np.ndarray:
        return ((q[..., 0] / across) ** 2 + (q[..., 1] / down) ** 2 < 1).astype(float)

    return Layer(texture(w, seed, (190, 90, 60)), place, alpha, is_object=True)


def _glide(start: Sequence[float], velocity: Sequence[float]) -> Placement:
    """Uniform motion, in pixels a frame."""
    return lambda t: np.array([[1, 0, start[0] + t * velocity[0]], [0, 1, start[1] + t * velocity[1]]], float)


def _crossing(w: int, h: int, frames: int, dx: float, dy: float, centre: tuple[float, float] = (0.5, 0.5)) -> Placement:
    """Uniform motion that is at `centre`, in fractions of the frame, half-way through; slower if it would leave."""
    half = (frames - 1) / 2
    slow = min(1.0, 0.25 * w / max(abs(dx) * half, 1e-9), 0.25 * h / max(abs(dy) * half, 1e-9))
    velocity = (dx * slow, dy * slow)
    start = (centre[0] * w - half * velocity[0], centre[1] * h - half * velocity[1])
    return _glide(start, velocity)
