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
    "09.1": (
        [lambda cues, r, q: cues * (2 * r + 1) + 4 * q],
        [
            (lambda cues, r, q: cues * 2 * r + 4 * q, "at the pixel itself too"),
            (lambda cues, r, q: cues * (2 * r + 1) + 2 * q, "dx and dy"),
            (lambda cues, r, q: cues * (2 * r + 1) + (4 * q + 2 if q else 0), "belong to steps"),
            (lambda cues, r, q: 2 * r + 1 + 4 * q, "of its own"),
            (lambda cues, r, q: 99, "is 99, but F has 14 columns"),
        ],
    ),
    "09.2": (
        [(100 * (78.2 - 66.5) / 66.5, 100 * (78.2 - 70.7) / 70.7), (17.6, 10.6)],
        [
            ((11.7, 10.6), "against the network: 11.7 is the difference in points"),
            ((17.6, 9.59), "against the graph: 9.59 is divided by the new value"),
            ((0.176, 0.106), "a share"),
            ((-17.6, 10.6), "wrong sign"),
            ((17.6, 50), "not 100"),
        ],
    ),
    "09.3": (
        [lambda votes: np.nanmedian(votes, axis=0)],
        [
            (lambda votes: np.median(votes, axis=0), "NaN for 30 of 60"),
            (lambda votes: np.nanmean(votes, axis=0), "the mean"),
            (lambda votes: np.median(np.nan_to_num(votes), axis=0), "a vote of 0"),
            (lambda votes: np.nanmedian(votes, axis=1), "5 numbers"),
            (lambda votes: votes[1] * 0, "60 pixels are not the median"),
        ],
    ),
}
