"""Answers of notebook 00: how exercises work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ikebook.check_answers.reading import WrongAnswer, read_array, read_whole
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import preset

CLIP = (24, 416, 224)
"""Frames, width and height."""


def nodes(answer: Any) -> str:
    """00.1: the nodes of a clip."""
    m, w, h = CLIP
    given, known = read_whole("the number of nodes", answer), m * w * h
    if given == known:
        return "Rows and columns of A: each of these nodes has one of both."
    named = {
        w * h: "the pixels of one frame; each of the 24 frames has as many",
        3 * known: "three times too many: red, green and blue of a pixel are one node",
        known * known: "the number of entries of A; its rows are asked for",
        m + w + h: "the sum; the pixels of all frames are a product",
    }
    raise WrongAnswer(f"{given} is {named.get(given, f'not frames x width x height = {m} x {w} x {h}')}.")


def masks(answer: Any) -> str:
    """00.2: masks from soft masks and a threshold."""
    made = toy("disc", (48, 32), 6)
    found = segment(made.clip, made.flow, options=preset("saliency"))
    kind = getattr(answer, "dtype", None)
    given, known = read_array("the masks", answer, found.masks.shape), found.masks
    soft = np.asarray(found.soft)
    if "bool" not in str(kind) and not set(given.flat) <= {0.0, 1.0}:
        raise WrongAnswer(f"the masks are {kind}; they should be true or false: compare with the threshold.")
    given = given > 0
    wrong = int((given != known).sum())
    if wrong == 0:
        return f"{known.mean():.1%} of the toy's pixels are taken for the object, and {1 - known.mean():.1%} are not."
    if (given == ~known).all():
        raise WrongAnswer("the masks are true on the background: the object is where the soft mask is above.")
    if (given == (soft > 0.5)).all():
        raise WrongAnswer(
            f"{wrong} pixels differ: the threshold is not 0.5, but found.threshold = {found.threshold:g}."
        )
    raise WrongAnswer(
        f"{wrong} of {known.size} pixels differ; yours take {given.mean():.1%} for the object, not {known.mean():.1%}."
    )


CHECKS: dict[str, Callable[..., str]] = {"00.1": nodes, "00.2": masks}
