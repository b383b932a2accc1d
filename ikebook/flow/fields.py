"""Flow fields: displacements from each frame to the next and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ikebook.base import check
from ikebook.base.arrays import Array, Memory
from ikebook.base.check import require
from ikebook.video.clip import resize_area
from ikebook.video.repeats import Repeats

LARGEST = 1e6
"""No pixel moves farther, pixels: frames have sides of 16384 at most."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Flow:
    """Optical flow O of a clip of m frames, both ways (Sec. 4.1); the arrays may lie on disk.

    Parameters
    ----------
    forward : (m-1, h, w, 2) floating
        forward[i, y, x] = (dx, dy), in pixels: the point at (x, y) in frame i lies at (x + dx, y + dy) in frame i+1.
    backward : (m-1, h, w, 2) floating
        backward[i, y, x] = (dx, dy), in pixels: the point at (x, y) in frame i+1 lies at (x + dx, y + dy) in frame i.

    Raises
    ------
    InputError
        If shapes do not fit, or values are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> Flow(forward=np.zeros((4, 16, 24, 2)), backward=np.zeros((4, 16, 24, 2)))
    Flow(5 frames of 24x16)
    """

    forward: Array
    backward: Array

    def __post_init__(self) -> None:
        for name, field in (("flow.forward", self.forward), ("flow.backward", self.backward)):
            require(
                isinstance(field, Array),
                f"{name} is a {type(field).__name__}; expected a NumPy array (m-1, h, w, 2).",
            )
            check.shape(name, field, ("m-1", "h", "w", 2))
            require(
                np.issubdtype(field.dtype, np.floating), f"{name} is {field.dtype}; expected floating point pixels."
            )
            require(field.shape[0] >= 1, f"{name} holds no field; expected one for each pair of frames.")
            bad = sum(int(one.size - np.isfinite(one).sum()) for one in field)
            require(bad == 0, f"{name} has {bad} values that are NaN or infinite; compute it again or fill them in.")
            most = max(float(np.abs(one).max()) for one in field)
            require(
                most <= LARGEST,
                f"{name} has a value of {most:.3g} pixels; expected {LARGEST:g} at most. Values that stand for 'unknown', as 1e9 "
                "does in .flo files, have to be filled in.",
            )
            if isinstance(field, np.ndarray):
                # In one piece, writable and in the machine's byte order, as PyTorch needs it.
                native = np.float64 if field.dtype.itemsize > 4 else np.float32
                object.__setattr__(self, name.removeprefix("flow."), np.require(field, native, ["C", "W"]))
        require(
            self.forward.shape == self.backward.shape,
            f"flow.forward is {self.forward.shape} but flow.backward {self.backward.shape}; expected one shape.",
        )

    def __repr__(self) -> str:
        return f"Flow({len(self)} frames of {self.size[0]}x{self.size[1]})"

    def __len__(self) -> int:
        """Frames of the clip that this flow belongs to."""
        return len(self.forward) + 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self.forward.shape[2], self.forward.shape[1]


def resize_flow(field: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize one field by area interpolation, its displacements with it.

    Parameters
    ----------
    field : (h, w, 2) floating
        (dx, dy) in pixels.
    size : (int, int)
        Width and height, pixels.

    Returns
    -------
    ndarray
        (height, width, 2) float32, (dx, dy) in pixels of the new size.
    """
    h, w = field.shape[:2]
    if (w, h) == size:
        return field.astype(np.float32, copy=False)
    return resize_area(field.astype(np.float32, copy=False), size) * np.array([size[0] / w, size[1] / h], np.float32)


def without_repeats(flow: Flow, repeats: Repeats, memory: Memory) -> Flow:
    """The flow of a clip's frames that differ, from that of all its frames.

    Parameters
    ----------
    flow : Flow
        Of m frames.
    repeats : Repeats
        Which of them repeat the one before.
    memory : Memory
        That the fields may take.

    Returns
    -------
    Flow
        Between each picture and the next.
    """
    pairs = repeats.last[:-1]
    forward, backward = (
        memory.array((np.asarray(field[int(pair)]) for pair in pairs), len(pairs))
        for field in (flow.forward, flow.backward)
    )
    return Flow(forward=forward, backward=backward)


def noisy(flow: Flow, noise: float, seed: int = 0) -> Flow:
    """A flow with independent Gaussian noise on every component.

    Parameters
    ----------
    flow : Flow
        Any.
    noise : float
        Standard deviation, pixels.
    seed : int, default 0
        With one seed, another `noise` scales the same error.

    Returns
    -------
    Flow
        Of the same frames.
    """
    check.number("noise", noise, at_least=0)
    check.whole("seed", seed)
    chance = np.random.default_rng(seed)
    forward, backward = (
        np.asarray(field) + noise * chance.standard_normal(field.shape, np.float32)
        for field in (flow.forward, flow.backward)
    )
    return Flow(forward=forward, backward=backward)


def warp(frame: np.ndarray, field: np.ndarray) -> np.ndarray:
    """A frame seen from another: at each pixel (x, y) what `frame` (h, w, ...) shows at (x + dx, y + dy), bilinearly.

    With `field` (h, w, 2) = `flow.forward[i]`, frame i+1 becomes an image of frame i, but where something is hidden. What
    lies outside of `frame` is 0.
    """
    check.shape("field", field, (*frame.shape[:2], 2))
    y, x = np.mgrid[: field.shape[0], : field.shape[1]].astype(np.float32)
    dx, dy = np.moveaxis(field.astype(np.float32), -1, 0)
    return cv2.remap(frame, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
