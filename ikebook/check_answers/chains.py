"""Answers of notebook 01: optical flow and motion chains."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ikebook.base.compute import Compute
from ikebook.check_answers.reading import WrongAnswer, call, read_array, read_number, read_whole
from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.motion import MotionMatrix, MotionOptions

SIZE, WIDE, FRAMES = (48, 48), (48, 32), 8
START = (26, 13)
"""The pixel (x, y) of frame 1 that 01.1 asks about."""

CLOSE = 1e-3
"""Pixels: what float32 may make of a chain."""


def _flow(name: str, size: tuple[int, int] = SIZE) -> Flow:
    return toy(name, size, FRAMES).flow


def _chain(flow: Flow, x: int, y: int, start: int, steps: int) -> np.ndarray:
    """Positions (k, 2) of the chain ahead of a pixel, its own among them, as long as they lie within the frame."""
    chains = MotionChains(flow, ChainOptions(sampling="nearest"), compute=Compute(dtype=torch.float64))
    cell = (y + 1) * (chains.grid.w + 2) + x + 1
    found = [(float(x), float(y))]
    for step in chains.trace(start, steps).ahead:
        if int(chains.grid.pixel_of(step.cell[0, cell])) < 0:
            break
        found.append((float(step.x[0, cell]), float(step.y[0, cell])))
    return np.array(found)


def target(x_answer: Any, y_answer: Any) -> str:
    """01.1: the pixel of frame 2 where the one of frame 1 goes."""
    flow, (x, y) = _flow("disc"), START
    given = (read_whole("x", x_answer), read_whole("y", y_answer))
    place = _chain(flow, x, y, 1, 1)[1]

    def pixel(where: np.ndarray) -> tuple[int, int]:
        return int(np.floor(where[0] + 0.5)), int(np.floor(where[1] + 0.5))

    if given == pixel(place):
        return f"The point itself lies at ({place[0]:.2f}, {place[1]:.2f}), between the pixels."
    if given == pixel(place)[::-1]:
        raise WrongAnswer(f"({given[0]}, {given[1]}) has x and y exchanged; x is the column, and comes first.")
    if given == pixel(np.array([x, y]) + flow.backward[0][y, x]):
        raise WrongAnswer(
            "that is where the pixel came from, by the backward flow; `flow.forward[1]` leads to frame 2."
        )
    if given == pixel(np.array([x, y]) + flow.forward[1][x, y]):
        raise WrongAnswer(
            f"that is how the background moves, and the pixel lies on the disc: read flow.forward[1, {y}, {x}], the field of frame 1, "
            "rows first."
        )
    if given == (x, y):
        raise WrongAnswer("that is the pixel itself; add the displacement of `flow.forward[1]` there.")
    raise WrongAnswer(
        f"({given[0]}, {given[1]}) is {np.hypot(*(np.array(given) - place)):.1f} px from where the point lies in frame 2."
    )


def follow(answer: Any) -> str:
    """01.2: a function that follows a chain."""
    for name, size, x, y, start in (
        ("deforming", SIZE, 22, 24, 0),
        ("disc", SIZE, 24, 22, 1),
        ("disc", SIZE, 45, 30, 0),
        ("deforming", SIZE, 22, 24, 2),
        ("disc", WIDE, 38, 20, 0),
    ):
        flow = _flow(name, size)
        known = _chain(flow, x, y, start, FRAMES - 1 - start)
        steps = FRAMES - 1 - start
        case = f"follow(forward, {x}, {y}, {start}, {steps}) on the toy {name!r}"
        came = call("follow", answer, np.array(flow.forward), x, y, start, steps)
        try:
            length = len(came)
        except TypeError:
            raise WrongAnswer(
                f"{case} gives a {type(came).__name__}; it should be a list of positions (x, y)."
            ) from None
        if length == len(known) - 1:
            whose = np.asarray(came[0], float) if length else np.array([])
            starts_right = whose.shape == (2,) and bool(np.abs(whose - known[0]).max() < CLOSE)
            mistake = (
                "one step is missing; k steps make k + 1 positions" if starts_right else "begin with the pixel's own"
            )
            raise WrongAnswer(f"{case} gives {length} positions instead of {length + 1}: {mistake}.")
        if length < len(known):
            raise WrongAnswer(
                f"{case} gives {length} positions, but the chain has {len(known)} within the frame. Is x compared with the width, and y "
                "with the height?"
            )
        if length > len(known):
            raise WrongAnswer(
                f"{case} gives {length} positions, but the chain leaves the frame after {len(known)}: stop when the nearest "
                "pixel lies outside, and leave that position out."
            )
        given = read_array(case, came, (len(known), 2))
        if np.abs(given - known).max() < CLOSE:
            continue
        first = int(np.flatnonzero(np.abs(given - known).max(1) > CLOSE)[0])
        if np.abs(given[:, ::-1] - known).max() < CLOSE:
            raise WrongAnswer(f"{case}: x and y are exchanged.")
        if first > 0 and (given[first:] == np.round(given[first:])).all():
            raise WrongAnswer(
                f"{case}: from step {first} on your positions are whole pixels. Round only to look up the flow; "
                "the position itself keeps its fraction, or errors of half a pixel add up."
            )
        straight = known[0] + np.arange(len(known))[:, None] * (known[1] - known[0])
        if np.abs(given - straight).max() < CLOSE:
            raise WrongAnswer(
                f"{case}: you repeat the first displacement; look it up again at each new position and frame."
            )
        raise WrongAnswer(
            f"{case}: after step {first} you are at {given[first].round(2)}, the chain at {known[first].round(2)}."
        )
    return "Sub-pixel positions, nearest pixels: that is how ikebook follows all chains of a frame at once."


def round_trip(answer: Any) -> str:
    """01.3: how far from its start a pixel comes back, there by the forward and back by the backward flow."""
    w, h = SIZE
    flows = [_flow(name) for name in ("occluder", "deforming")]
    for x, y, flow in itertools.product(range(4, w - 4, 3), range(4, h - 4, 5), flows):
        forward, backward = flow.forward[3], flow.backward[3]
        there = np.array([x, y]) + forward[y, x]
        column, row = (int(np.floor(value + 0.5)) for value in there)
        if not (0 <= column < w and 0 <= row < h):
            continue
        known = float(np.hypot(*(forward[y, x] + backward[row, column])))
        case = f"round_trip(forward, backward, {x}, {y})"
        given = read_number(case, call("round_trip", answer, forward.copy(), backward.copy(), x, y))
        if abs(given - known) < 1e-4:
            continue
        here = float(np.hypot(*(forward[y, x] + backward[y, x])))
        down = np.floor(there).astype(int)
        cut = float(np.hypot(*(forward[y, x] + backward[down[1], down[0]])))
        if abs(given - cut) < 1e-4 and abs(given - here) < 1e-4:
            raise WrongAnswer(
                f"{case}: you read the backward flow at the start, or cut fractions off, as int() does; read it at the pixel nearest "
                "to where the forward step has led."
            )
        if abs(given - cut) < 1e-4:
            raise WrongAnswer(f"{case}: int() cuts the fraction off; the nearest pixel is asked for, by round().")
        if abs(given - here) < 1e-4:
            raise WrongAnswer(
                f"{case}: you read the backward flow at the start; read it where the forward step has led."
            )
        if abs(given - known**2) < 1e-4:
            raise WrongAnswer(f"{case} is the squared distance; take its root.")
        if abs(given - float(np.hypot(*(forward[y, x] - backward[row, column])))) < 1e-4:
            raise WrongAnswer(f"{case}: the way back is *added* to the way there; in a perfect world they cancel.")
        if abs(given - float(np.abs(forward[y, x] + backward[row, column]).sum())) < 1e-4:
            raise WrongAnswer(
                f"{case} adds the sizes of dx and dy; the distance is the root of the sum of their squares."
            )
        raise WrongAnswer(f"{case} is {given:.3f} px; the pixel comes back {known:.3f} px from where it began.")
    return "Where it is large the flow has met an edge of something hidden: `ChainOptions(consistent=True)` ends chains there."


def reach(answer: Any) -> str:
    """01.4: the first whole number of frames at which k falls below 1 percent."""
    given = read_whole("the number of frames", answer)
    still = MotionMatrix(MotionChains(toy("still", (16, 16), 31).flow), MotionOptions(radius=30))
    kernel = still.kernel().numpy()  # k of 1, 2, ... frames
    known = int(np.argmax(kernel < 0.01)) + 1
    if given == known:
        return "So p = 15 steps are enough: what lies farther away would count less than one percent."
    if 1 <= given <= len(kernel):
        side = "still above 1 %" if given < known else f"below, but {given - 1} frames are too"
        raise WrongAnswer(f"k of {given} frames is {100 * kernel[given - 1]:.2g} %: {side}.")
    raise WrongAnswer(f"{given} frames can't be: k falls from 1 to less than 1 % within {len(kernel)} frames.")


CHECKS: dict[str, Callable[..., str]] = {"01.1": target, "01.2": follow, "01.3": round_trip, "01.4": reach}
