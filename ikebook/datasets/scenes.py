"""The embedded clips' scenes: photographs that anyone may use (`stills/README.md`), each placed in time by a few sines.

Positions are in pixels of a frame of 416x224, which lies in the middle of the one that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import cv2
import numpy as np

from ikebook.base.check import InputError
from ikebook.datasets.layers import Layer, Placement, affine_map, invert_affine, still_picture

Light = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""A gain on everything, and one on the backmost layer, at a frame and pixel positions (h, w, 2)."""


@dataclass(frozen=True)
class Stage:
    """Where and for how long a scene is played.

    Parameters
    ----------
    w, h : int
        Of the frame, pixels.
    frames : int
    """

    w: int
    h: int
    frames: int

    @property
    def unit(self) -> float:
        """Pixels of the frame for one of 416x224."""
        return min(self.w / 416, self.h / 224)

    def share(self, t: int) -> float:
        """How much of the way is done at a frame: a longer clip is slower, and not longer a way."""
        return t / max(self.frames - 1, 23)

    def place(self, scale: float, angle: float, x: float, y: float) -> np.ndarray:
        """The map of a layer that is scaled, turned, and has its middle at x, y."""
        left, top = (self.w / self.unit - 416) / 2, (self.h / self.unit - 224) / 2
        return affine_map(scale, scale, angle, (left + x, top + y), self.unit)


def cup(stage: Stage) -> tuple[list[Layer], Light]:
    """A cup travels over a lawn, before a hand-held camera in changing light, with a soft shadow."""

    def travel(t: int) -> np.ndarray:
        s = stage.share(t)
        return stage.place(0.62 + 0.1 * s, 0.25 * math.sin(4 * s) - 0.1, 104 + 208 * s, 118 + 26 * math.sin(5 * s))

    def light(t: int, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        under = invert_affine(travel(t), where - np.array([14, 16]) * stage.unit) / 95
        return _daylight(stage, t, where), 1 - 0.45 * np.exp(-((under**2).sum(-1) ** 2))

    return [_ground("lawn.jpg", _hand_held(stage, 1.6)), _object("cup.png", travel)], light


def shuttle(stage: Stage) -> tuple[list[Layer], Light]:
    """A space shuttle climbs past galaxies: most of the sky is black, and has nothing that flow could hold on to."""

    def sky(t: int) -> np.ndarray:
        s = stage.share(t)
        return stage.place(1.3 + 0.05 * s, 0.02 * s, 208 + 18 * s, 112 + 30 * s)

    def climb(t: int) -> np.ndarray:
        s = stage.share(t)
        return stage.place(0.62 - 0.12 * s, 0.75 + 0.35 * math.sin(2.2 * s), 90 + 215 * s, 150 - 75 * math.sin(1.5 * s))

    def light(_: int, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full = np.ones(where.shape[:-1])
        return full, full

    return [_ground("galaxies.jpg", sky), _object("shuttle.png", climb)], light


def astronaut(stage: Stage) -> tuple[list[Layer], Light]:
    """Somebody walks past a wall, cut off by the frame's lower border, and the camera follows half of the way."""

    def wall(t: int) -> np.ndarray:
        s = stage.share(t)
        return stage.place(
            1.5, 0.01 * math.sin(4 * s), 208 - 60 * s + 0.5 * math.sin(0.9 * t), 112 + 0.7 * math.sin(1.3 * t)
        )

    def walk(t: int) -> np.ndarray:
        s = stage.share(t)
        step = 4 * abs(math.sin(9 * s))
        return stage.place(1.02, 0.04 * math.sin(9 * s), 120 + 150 * s, 136 - step)

    def light(t: int, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _daylight(stage, t, where), np.ones(where.shape[:-1])

    return [_ground("wall.jpg", wall), _object("astronaut.png", walk)], light


def coins(stage: Stage) -> tuple[list[Layer], Light]:
    """Two coins of one size over gravel: one goes across the frame, the other up and down."""

    def across(t: int) -> np.ndarray:
        s = stage.share(t)
        return stage.place(1.1, 0.3 * s, 90 + 150 * s, 66)

    def down(t: int) -> np.ndarray:
        s = stage.share(t)
        return stage.place(1.1, -0.3 * s, 310, 60 + 105 * s)

    def light(t: int, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _daylight(stage, t, where), np.ones(where.shape[:-1])

    ground = _ground(
        "gravel.jpg", lambda t: stage.place(1.6, 0, 208 + 0.8 * math.sin(0.9 * t), 112 + 0.8 * math.sin(1.3 * t))
    )
    return [ground, _object("coin1.png", across), _object("coin2.png", down)], light


SCENES: dict[str, Callable[[Stage], tuple[list[Layer], Light]]] = {
    "cup": cup,
    "shuttle": shuttle,
    "astronaut": astronaut,
    "coins": coins,
}
"""Layers and light of each scene, from its stage."""


def _hand_held(stage: Stage, scale: float) -> Placement:
    """A camera that pans, nears and shakes."""

    def camera(t: int) -> np.ndarray:
        s = stage.share(t)
        shake = np.array([math.sin(0.9 * t) + 0.6 * math.sin(1.7 * t + 1), math.sin(1.1 * t + 2)]) * 0.7
        x, y = np.array([208 - 24 * s, 112 + 6 * math.sin(3 * s)]) + shake
        return stage.place(scale + 0.08 * s, 0.03 * math.sin(4 * s), x, y)

    return camera


def _daylight(stage: Stage, t: int, where: np.ndarray) -> np.ndarray:
    """Brightness that changes slowly, brighter to one side."""
    return (1 + 0.1 * math.sin(5 * stage.share(t))) * (1 + 0.12 * (where[..., 0] / stage.w - 0.5))


def _ground(name: str, place: Placement) -> Layer:
    return Layer(still_picture(_still(name)[..., :3], wrap=True), place, lambda q: np.ones(q.shape[:-1]))


def _object(name: str, place: Placement) -> Layer:
    picture = _still(name)
    opacity = still_picture(picture[..., 3:])
    return Layer(still_picture(picture[..., :3]), place, lambda q: opacity(q)[..., 0] / 255, is_object=True)


def _still(name: str) -> np.ndarray:
    """One of the package's stills, RGB(A) float32."""
    data = np.frombuffer((files("ikebook") / "datasets" / "stills" / name).read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"The package's picture {name} is damaged; install ikebook again.")
    image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return image.astype(np.float32)
