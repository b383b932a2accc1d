"""Run lengths of masks: COCO's, along columns and packed into a text, and CVAT's, along the rows of the box around the object."""

from __future__ import annotations

import numpy as np


def run_lengths(values: np.ndarray) -> list[int]:
    """How many False, then how many True, and so on, of values (n,) bool.

    >>> run_lengths(np.array([True, True, False]))
    [0, 2, 1]
    """
    changes = np.flatnonzero(np.diff(values, prepend=False))
    return np.diff(changes, prepend=0, append=len(values)).tolist()


def coco_text(mask: np.ndarray) -> str:
    """A mask (h, w) bool as the `counts` of COCO's compressed RLE.

    Each length, from the fourth on less the one two before it, is in groups of five bits, the lowest first; the sixth bit says that
    another follows, and 48 makes a character of it (`rleToString` of COCO's maskApi.c).
    """
    lengths, text = run_lengths(mask.ravel(order="F")), []
    for place, length in enumerate(lengths):
        rest = length - lengths[place - 2] if place > 2 else length
        more = True
        while more:
            group, rest = rest & 31, rest >> 5
            more = rest != (-1 if group & 16 else 0)
            text.append(chr(48 + (group | 32 * more)))
    return "".join(text)


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """The box around a mask (h, w) bool: left, top, width, height, in pixels; None where it is empty."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return None
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1
