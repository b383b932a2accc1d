"""Generated clips whose flow and masks are known exactly: what every claim is tested on, and what every notebook opens.

What they are made of, `ikebook.datasets.layers` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.resources import files

import cv2
import numpy as np

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.datasets.layers import (
    Layer,
    Placement,
    Toy,
    affine_map,
    compose,
    invert_affine,
    still_picture,
    texture,
)
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


def demo(frames: int = 24, size: tuple[int, int] | str = WORKING_SIZE, seed: int = 0) -> Toy:
    """The embedded clip: a cup that travels over a lawn, before a hand-held camera in changing light, with noise.

    Composed when asked for, from two CC0 stills (`stills/README.md`), so it can have any size and length.

    Parameters
    ----------
    frames : int, default 24
        m, two or more.
    size : (int, int) or str, default (416, 224)
        Width and height, pixels, or a text such as "416x224".
    seed : int, default 0
        Of the camera's noise.

    Returns
    -------
    Toy

    Examples
    --------
    >>> demo(frames=2, size=(104, 56)).clip.frames.shape
    (2, 56, 104, 3)
    """
    check.whole("frames", frames, at_least=2)
    check.whole("seed", seed)
    w, h = check.size("size", size)
    unit = min(w / 416, h / 224)  # positions below are in pixels of a frame of 416x224, in the middle of this one
    left, top = (w / unit - 416) / 2, (h / unit - 224) / 2
    lawn, cup = _still("lawn.jpg"), _still("cup.png")
    duration = max(frames - 1, 23)

    def camera(t: int) -> np.ndarray:
        s = t / duration
        shake = np.array([math.sin(0.9 * t) + 0.6 * math.sin(1.7 * t + 1), math.sin(1.1 * t + 2)]) * 0.7
        centre = np.array([-24 * s, 6 * math.sin(3 * s)]) + shake
        middle = (left + 208 + centre[0], top + 112 + centre[1])
        return affine_map(1.6 + 0.08 * s, 1.6 + 0.08 * s, 0.03 * math.sin(4 * s), middle, unit)

    def travel(t: int) -> np.ndarray:
        s = t / duration
        where = (left + 104 + 208 * s, top + 118 + 26 * math.sin(5 * s))
        return affine_map(0.62 + 0.1 * s, 0.62 + 0.1 * s, 0.25 * math.sin(4 * s) - 0.1, where, unit)

    layers = [
        Layer(still_picture(lawn[..., :3], wrap=True), camera, lambda q: np.ones(q.shape[:-1])),
        Layer(
            still_picture(cup[..., :3]), travel, lambda q: still_picture(cup[..., 3:])(q)[..., 0] / 255, is_object=True
        ),
    ]

    def light(t: int, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Brightness: a slow change, brighter to one side, and the cup's soft shadow, which moves with it."""
        s = t / duration
        slope = 1 + 0.12 * (where[..., 0] / w - 0.5)
        under = invert_affine(travel(t), where - np.array([14, 16]) * unit) / 95
        shade = 1 - 0.45 * np.exp(-((under**2).sum(-1) ** 2))
        return (1 + 0.1 * math.sin(5 * s)) * slope, shade

    made = compose("demo", layers, (w, h), frames, light)
    noise = np.random.default_rng(seed).normal(0, 3, made.clip.frames.shape)
    noisy = np.rint(made.clip.frames + noise).clip(0, 255).astype(np.uint8)
    return Toy(Clip(frames=noisy, masks=made.clip.masks, name="demo", fps=12.0), made.flow)


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


def _still(name: str) -> np.ndarray:
    """One of the package's stills, RGB(A) float32."""
    data = np.frombuffer((files("ikebook") / "datasets" / "stills" / name).read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"The package's picture {name} is damaged; install ikebook again.")
    image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return image.astype(np.float32)
