"""Answers to the exercises of notebooks 00 and 09 to 12: right ones, and wrong ones with what they are told."""

from __future__ import annotations

import numpy as np

from ikebook.graph import segment
from ikebook.toys import toy

SMALL = toy("disc", (48, 32), 6)
FOUND = segment(SMALL.clip, SMALL.flow)

CASES = {
    "00.1": (
        [12 * 208 * 112, np.int64(279552)],
        [
            (208 * 112, "one frame"),
            (3 * 12 * 208 * 112, "one node"),
            (12 + 208 + 112, "product"),
            ((12 * 208 * 112) ** 2, "entries of A"),
            (7, "12 x 208 x 112"),
        ],
    ),
    "00.2": (
        [FOUND.masks, FOUND.masks.astype(np.uint8), FOUND.masks.tolist()],
        [
            (FOUND.soft, "true or false"),
            (~FOUND.masks, "true on the background"),
            (FOUND.soft > 0.5, "not 0.5, but"),
            (FOUND.soft > 0, "pixels differ; yours take"),
            (FOUND.masks[0], "shape"),
        ],
    ),
}
