"""Answers of notebook 08: knowledge exchange."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ikebook.check_answers.reading import WrongAnswer, call, read_number, read_whole
from ikebook.cycle import difference
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import build
from ikebook.matrix.features import Cue


def columns(*answer: Any) -> str:
    """08.1: columns of F in the second cycle, by the evidence and as in the paper."""
    if len(answer) != 2:
        raise WrongAnswer(f"{len(answer)} numbers came; two are asked for, d_evidence and d_paper.")
    made = toy("disc", (16, 16), 3)
    again = [
        Cue(name=name, maps=np.asarray(made.clip.frames)[..., 0].astype(np.float32)) for name in ("network", "graph")
    ]
    ours = build(made.clip, made.flow).features.shape[1]
    theirs = build(made.clip, made.flow, cues=again).features.shape[1]
    for name, value, known in (("d_evidence", answer[0], ours), ("d_paper", answer[1], theirs)):
        given = read_whole(name, value)
        if given == known:
            continue
        mistakes = {
            known // 2: "each map stands there with its mean along the chains, too",
            known - 2 * (name == "d_paper"): "the saliency stays among the features",
            known + 2: "what is known is no feature of its own: it has gone into the saliency",
        }
        if given in mistakes:
            raise WrongAnswer(f"{name} is {given}: {mistakes[given]}.")
        raise WrongAnswer(f"{name} is {given}; count the maps, and that each has two columns.")
    return "So A has two eigenvalues other than 0, at most, in each cycle: one feature, but it knows more and more."


def relative_change(answer: Any) -> str:
    """08.2: change in percent of what there was before."""
    for v1, v2 in ((50.0, 55.0), (68.9, 70.6), (0.8, 0.6)):
        case = f"relative_change({v1:g}, {v2:g})"
        given, known = read_number(case, call("relative_change", answer, v1, v2)), 100 * (v2 - v1) / v1
        if math.isclose(given, known, rel_tol=1e-6):
            continue
        mistakes = {
            v2 - v1: "the difference in points",
            known / 100: "a fraction; in percent it is 100 times that",
            100 * (v2 - v1) / v2: "in percent of v2, what there is afterwards; the paper takes v1",
            -known: "the change from v2's side: a gain should be above 0",
            100 * v2 / v1: "v2 in percent of v1; the change is 100 less",
            abs(known): "the change without its sign; a loss is below 0",
        }
        for wrong, says in mistakes.items():
            if math.isclose(given, wrong, rel_tol=1e-6):
                raise WrongAnswer(f"{case} is {given:.4g}: that is {says}.")
        raise WrongAnswer(f"{case} is {given:.4g}; it should be {known:.4g}.")
    return "Percentages look larger where the start is low: the same 5 points are +10% of 50, and +6% of 80."


def moved(answer: Any) -> str:
    """08.3: how far soft masks have moved from one cycle to the next."""
    chance = np.random.default_rng(6)
    before = chance.random((3, 6, 8)) * np.array([0.2, 0.6, 1.0])[:, None, None]
    after = np.clip(before + 0.3 * chance.standard_normal(before.shape), 0, 1)
    known = difference(before, after)
    assert known is not None
    given = read_number("moved(before, after)", call("moved", answer, before.copy(), after.copy()))
    if math.isclose(given, known, rel_tol=1e-6):
        return "Every x that `exchange` yields carries this number as `change`, and its summary says why it stopped."
    step = after - before
    norm = np.linalg.norm
    mistakes = {
        float(norm(step) / norm(before)): "is divided by the length of `before`; it should be that of `after`",
        known**2: "is the square of what it should be: take the root of both sums",
        float(norm(step)): "is the length of the change itself; over the length of `after` it has no unit",
        float(
            np.abs(step).sum() / np.abs(after).sum()
        ): "adds sizes instead of squares; Euclidean lengths were asked for",
        float(np.abs(step).mean()): "is the mean change of a pixel; take Euclidean lengths",
        float((norm(after) - norm(before)) / norm(after)): "compares lengths; take the length of the difference",
        float(np.mean([norm(a) / norm(b) for a, b in zip(step, after, strict=True)])): "is a mean over frames; take "
        "the clip as one vector",
        100 * known: "is in percent; a fraction was asked for",
    }
    for wrong, says in mistakes.items():
        if math.isclose(given, wrong, rel_tol=1e-6):
            raise WrongAnswer(f"moved(before, after) {says}.")
    raise WrongAnswer(f"moved(before, after) gives {given:.5g} where {known:.5g} is right.")


CHECKS: dict[str, Callable[..., str]] = {"08.1": columns, "08.2": relative_change, "08.3": moved}
