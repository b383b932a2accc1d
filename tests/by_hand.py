"""Motion chains and node features by their definitions, pixel by pixel, in plain Python: what faster code is held against."""

from __future__ import annotations

import math

import numpy as np

from ikebook.flow import Flow

RELATIVE, ABSOLUTE = 0.01, 0.5
"""A step f passes the forward-backward check if |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 (Sundaram, Brox & Keutzer 2010, Eq. 5)."""

Place = tuple[int, int]
"""A pixel, (row, column)."""


def nearest(position: tuple[float, float], shape: tuple[int, int]) -> Place | None:
    """The pixel at a position (x, y), None outside the frame; halves go up."""
    column, row = math.floor(position[0] + 0.5), math.floor(position[1] + 0.5)
    return (row, column) if 0 <= row < shape[0] and 0 <= column < shape[1] else None


def chain(
    flow: Flow, frame: int, pixel: Place, direction: int, steps: int, *, consistent: bool = False
) -> list[tuple[tuple[float, float], Place | None]]:
    """The steps of the chain that goes out from a pixel, ahead (1) or behind (-1), as far as the clip goes.

    Each is the displacement (dx, dy) and the pixel that is met, None from where the chain has ended. A chain ends where it
    leaves the frame, by a step that counts, or, if `consistent`, before a step that fails the forward-backward check; of one
    that leaves the frame no check is known. Flow is sampled at the nearest pixel.
    """
    fields, others = (flow.forward, flow.backward) if direction > 0 else (flow.backward, flow.forward)
    shape = fields.shape[1:3]
    place: Place | None = pixel
    x, y = float(pixel[1]), float(pixel[0])
    found: list[tuple[tuple[float, float], Place | None]] = []
    for k in range(1, steps + 1):
        target = frame + direction * k
        if not 0 <= target <= len(fields):
            break
        if place is None:
            found.append(((0.0, 0.0), None))
            continue
        pair = min(target, target - direction)
        dx, dy = map(float, fields[pair][place])
        x, y = x + dx, y + dy
        place = nearest((x, y), shape)
        if consistent and place is not None:
            bx, by = map(float, others[pair][place])
            if (dx + bx) ** 2 + (dy + by) ** 2 > RELATIVE * (dx**2 + dy**2 + bx**2 + by**2) + ABSOLUTE:
                dx, dy, place = 0.0, 0.0, None
        found.append(((dx, dy), place))
    return found


def pixels(flow: Flow):
    """(frame, row, column) of all nodes, in their order."""
    return np.ndindex(len(flow), *flow.forward.shape[1:3])


def steps_along(flow: Flow, q: int, ends: str, *, consistent: bool = False) -> np.ndarray:
    """Displacements of the chains' steps, (n, 4 q): ahead 1, ..., q, then behind, dx and dy of each.

    Where the clip has no such frame, the opposite step, negated; or, where there is none either, or `ends` is "hold", what
    stands one step nearer.
    """
    rows = []
    for frame, row, column in pixels(flow):
        both = {way: chain(flow, frame, (row, column), way, q, consistent=consistent) for way in (1, -1)}
        values: list[float] = []
        for way in (1, -1):
            last = (0.0, 0.0)
            for k in range(1, q + 1):
                if k <= len(both[way]):
                    last = both[way][k - 1][0]
                elif ends == "mirror" and k <= len(both[-way]):
                    dx, dy = both[-way][k - 1][0]
                    last = (-dx, -dy)
                values += last
        rows.append(values)
    return np.array(rows)


def maps_along(
    flow: Flow, maps: np.ndarray, r: int, ends: str, off: float = 0.0, *, consistent: bool = False
) -> np.ndarray:
    """A map (m, h, w) at the nodes that the chains meet, (n, 2r + 1), from r frames behind to r ahead; `off` where they ended.

    Where the clip has no such frame, what the opposite chain meets; or, where there is none either, or `ends` is "hold", what
    stands one step nearer.
    """
    rows = []
    for frame, row, column in pixels(flow):
        both = {way: chain(flow, frame, (row, column), way, r, consistent=consistent) for way in (1, -1)}
        values = {0: float(maps[frame, row, column])}
        for way in (1, -1):
            for k in range(1, r + 1):
                found = way if k <= len(both[way]) else -way
                if found == way or (ends == "mirror" and k <= len(both[-way])):
                    place = both[found][k - 1][1]
                    values[way * k] = off if place is None else float(maps[frame + found * k][place])
                else:
                    values[way * k] = values[way * (k - 1)]
        rows.append([values[k] for k in range(-r, r + 1)])
    return np.array(rows)


def outgoing(flow: Flow, radius: int, sigma: float) -> np.ndarray:
    """C, (n, n): the kernel k(a, b) = exp(-dt^2 / (2 sigma^2)) where the chain that goes out from a meets b, `radius` frames or fewer away."""
    h, w = flow.forward.shape[1:3]
    c = np.zeros((len(flow) * h * w,) * 2)
    for node, (frame, row, column) in enumerate(pixels(flow)):
        for way in (1, -1):
            for k, (_, place) in enumerate(chain(flow, frame, (row, column), way, radius), 1):
                if place is not None:
                    c[node, (frame + way * k) * h * w + place[0] * w + place[1]] = math.exp(-(k**2) / (2 * sigma**2))
    return c
