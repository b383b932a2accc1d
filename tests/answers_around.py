"""Answers to the exercises of notebooks 00 and 09 to 12: right ones, and wrong ones with what they are told."""

from __future__ import annotations

import numpy as np
import torch

from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import preset

SMALL = toy("disc", (48, 32), 6)
FOUND = segment(SMALL.clip, SMALL.flow, options=preset("saliency"))

FIRST = np.array([88.7, 54.3, 79.3, 82.5, 83.9, 76.4, 86.9, 85.2, 63.0, 62.7, 16.4, 78.6])
THIRD = np.array([93.4, 53.7, 76.8, 83.2, 86.3, 77.0, 85.8, 87.9, 72.9, 78.7, 25.5, 78.8])
CHANGES = THIRD - FIRST


def overlap(mask, truth):
    """J, but for two empty masks."""
    return (mask & truth).sum() / (mask | truth).sum()


def by_torch(mask, truth):
    """J in float32, as a tensor."""
    both, either = (torch.from_numpy(x).float().sum() for x in (mask & truth, mask | truth))
    return both / either if either else torch.tensor(1.0)


WORDS = ["segment", "holiday.mp4", "--out", "found", "--size", "320x192", "--cycles", "3", "--budget", "30s"]

CASES = {
    "00.1": (
        [24 * 416 * 224, np.int64(2236416)],
        [
            (416 * 224, "one frame"),
            (3 * 24 * 416 * 224, "one node"),
            (24 + 416 + 224, "product"),
            ((24 * 416 * 224) ** 2, "entries of A"),
            (7, "24 x 416 x 224"),
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
            ((10.6, 17.6), "the other of the two"),
            ((18, 11), "rounded too far"),
        ],
    ),
    "09.3": (
        [lambda votes: np.nanmedian(votes, axis=0)],
        [
            (lambda votes: np.median(votes, axis=0), "NaN for 30 of 60"),
            (lambda votes: np.nanmean(votes, axis=0), "the mean"),
            (lambda votes: np.median(np.nan_to_num(votes), axis=0), "a vote of 0"),
            (lambda votes: np.nanmedian(votes, axis=1), "5 numbers"),
            (lambda votes: torch.nanmedian(torch.from_numpy(votes), dim=0).values, "lower middle"),
            (lambda votes: votes[1] * 0, "60 pixels are not the median"),
        ],
    ),
    "12.1": (
        [np.array([1, -1]) / np.sqrt(2), [-0.70711, 0.70711]],
        [
            ([0.7071, 0.7071], "above 0"),
            ([1, -1], "length 1.414"),
            ([0.6, -0.8], "is -0.96; it can be as small as -1"),
            ([1, 0], "is 0; it can be"),
        ],
    ),
    "12.2": (
        [np.array([[1, 0], [1, 1], [0, 1], [0, 0]]), np.random.default_rng(0).random((4, 2))],
        [
            ([[1, 0], [1, 0], [0, 1], [0, 1]], "never share a row"),
            ([[1, 1], [1, 1], [1, 0], [1, 0]], "lie within those of the other"),
            ([[1, 0], [-1, 1], [0, 1], [0, 0]], "1 negative"),
            (np.ones((4, 2)), "multiples"),
            (np.ones((2, 4)), "shape"),
        ],
    ),
    "12.3": (
        [np.array([1, 1]) / np.sqrt(2), -np.array([1, 1]) / np.sqrt(2)],
        [
            ([1, 0], "one of yours is 0"),
            ([0.8, -0.6], "below 0"),
            ([0.8, 0.6], "is 0.48; it can be 0.5"),
            ([1, 1], "length 1.414"),
        ],
    ),
    "12.4": (
        [(np.diag([1, 0.99]), np.diag([-0.02, 0.02])), (np.diag([1, 0.999]), np.array([[0, 0.01], [0.01, 0]]))],
        [
            ((np.diag([1, 0.5]), np.diag([-0.1, 0.1])), "does not turn at all"),
            ((np.diag([1, 0.2]), np.array([[0, 0.01], [0.01, 0]])), "bring A's eigenvalues closer"),
            ((np.diag([1, 0.2]), np.diag([-2, 2])), "no sine exceeds"),
            ((np.eye(2), np.diag([0, 0.1])), "both eigenvalues are equal"),
            (([[1, 2], [0, 1]], np.eye(2)), "not symmetric"),
        ],
    ),
    "10.1": (
        [
            lambda a, b: overlap(a, b) if (a | b).any() else 1,
            lambda a, b: 1.0 if not (a | b).any() else overlap(a, b),
            by_torch,
        ],
        [
            (overlap, "both masks are empty, my_j gives nan; DAVIS gives 1"),
            (lambda a, b: (a == b).mean(), "background counts too"),
            (lambda a, b: 2 * (a & b).sum() / (a.sum() + b.sum()), "Dice"),
            (lambda a, b: (a & b).sum() / b.sum(), "recall"),
            (lambda a, b: (a & b).sum(), "to be divided"),
            (lambda a, b: 0.4, "gives 0.4, not"),
            (lambda a, b: overlap(a, b) if (a | b).any() else 0.0, "gives 0.0; DAVIS gives 1"),
        ],
    ),
    "10.2": (
        [lambda p, r: 2 * p * r / (p + r) if p + r else 0.0, lambda p, r: 2 * p * r / (p + r + 1e-8)],
        [
            (min, "smaller of the two"),
            (lambda p, r: (p + r) / 2, "ordinary mean"),
            (lambda p, r: p * r / (p + r), "factor 2"),
            (lambda p, r: 2 * p * r / (p + r), "stops with ZeroDivisionError"),
            (lambda p, r: p * r, "product"),
        ],
    ),
    "10.3": (
        [(CHANGES.mean(), CHANGES.std(ddof=1) / np.sqrt(12))],
        [
            ((-CHANGES.mean(), 2.0), "wrong sign"),
            ((THIRD.mean(), 2.0), "not the mean"),
            ((CHANGES.mean(), CHANGES.std(ddof=1)), "root of 12"),
            ((CHANGES.mean(), CHANGES.std() / np.sqrt(12)), "ddof=1"),
            ((CHANGES.mean(), CHANGES.std(ddof=1) / 12), "not by its root"),
            ((CHANGES.mean(), round(CHANGES.std(ddof=1) / np.sqrt(12), 1)), "rounded too far"),
            ((CHANGES.mean(), np.sqrt((FIRST.var(ddof=1) + THIRD.var(ddof=1)) / 12)), "two separate groups"),
        ],
    ),
    "11.1": (
        [WORDS, [*WORDS[:-1], "0.5m"], ["segment", "--out=found", *WORDS[4:], "holiday.mp4"]],
        [
            (" ".join(WORDS), "list of words"),
            ([*WORDS[:-1], 30], "quotation marks"),
            (["ikebook", *WORDS], "the program itself"),
            (WORDS[:-2], "budget is no limit there; it should be 30"),
            (WORDS[:2], "the program would say: .*--out"),
            ([*WORDS, "--cycle", "many"], "the program would say: .*invalid"),
            (["segment", "holiday.mp4", "--out", "found", *WORDS[6:]], "size is 416x224 there; it should be 320x192"),
            ([*WORDS[:-1], "soon"], "the program would say: .*budget"),
            ([*WORDS, "--network", "none"], "network is left out"),
            (["segment", "--help"], "show its help"),
            (["segment", "holiday.mp4", "--out found", *WORDS[4:]], "is one entry"),
            (["demo", "--out", "found"], "should be .segment"),
        ],
    ),
    "11.2": (
        [lambda m, w, h: m * w * h * 3 + (m - 1) * w * h * 16],
        [
            (lambda m, w, h: m * w * h * 19, "one pair too many"),
            (lambda m, w, h: m * w * h * 3, "flow is missing"),
            (lambda m, w, h: m * w * h * 3 + (m - 1) * w * h * 8, "half of the flow"),
            (lambda m, w, h: m * w * h + (m - 1) * w * h * 16, "three colours"),
            (lambda m, w, h: 1, "frames and flow apart"),
        ],
    ),
    "11.3": ([8, np.int64(8)], [(7, "last frame of the first scene"), (3, "floating point"), (2.5, "whole number")]),
}
