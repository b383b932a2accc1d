"""Answers of notebook 09: cues from other networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ikebook.check_answers.reading import WrongAnswer, call, is_close, read_array, read_number, read_whole
from ikebook.datasets.toys import toy
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions

NETWORK, TOGETHER, GRAPH = 66.5, 78.2, 70.7
"""J of FCN, of FCN in the graph (Table 2), and of the graph alone (Table 1), with RAFT's flow."""


def columns(answer: Any) -> str:
    """09.1: columns of F, a function of the cues, their reach and that of the displacements."""
    made = toy("disc", (16, 16), 5)
    chains = MotionChains(made.flow)
    for cues, r, q in ((2, 3, 0), (1, 3, 5), (3, 1, 2), (1, 0, 0)):
        maps = [Cue(name=f"cue {k}", maps=torch.ones(5, 16, 16)) for k in range(cues)]
        options = FeatureOptions(displacements="steps" if q else "none", half_window=max(q, 1), cue_window=r)
        known = FeatureMatrix(chains, options, maps).shape[1]
        case = f"columns({cues}, {r}, {q})"
        given = read_whole(case, call("columns", answer, cues, r, q))
        if given == known:
            continue
        named = {
            cues * 2 * r + 4 * q: "a cue is read at the pixel itself too: 2r + 1 values",
            cues * (r + 1) + 2 * q: "chains go both ways, ahead and behind",
            cues * (2 * r + 1) + 2 * q: "a displacement is two numbers, dx and dy",
            cues * (2 * r + 1) + 2 * (2 * q + 1): "displacements belong to steps; the pixel itself has none",
            2 * r + 1 + 4 * q: "each of the cues has columns of its own",
        }
        raise WrongAnswer(
            f"{case} is {given}, but F has {known} columns{': ' * (given in named)}{named.get(given, '.')}"
        )
    return "The exact solver's matrices are d x d: every cue makes them larger by 2r + 1, and nothing else."


def changes(answer: Any, other: Any) -> str:
    """09.2: relative changes of J."""
    for name, given, before in (
        ("against the network", read_number("the change against the network", answer), NETWORK),
        ("against the graph", read_number("the change against the graph", other), GRAPH),
    ):
        known = 100 * (TOGETHER - before) / before
        if abs(given - known) < 0.06:
            continue
        named = {
            TOGETHER - before: "the difference in points; the paper divides it by the old value",
            100 * (TOGETHER - before) / TOGETHER: "divided by the new value; the paper divides by the old one",
            (TOGETHER - before) / before: "a share; in percent it is a hundred times that",
            -known: "of the wrong sign: v2 is the newer one",
        }
        mistake = next(
            (text for value, text in named.items() if abs(given - value) < 0.06 * min(1.0, abs(value))), None
        )
        if given == round(known):
            mistake = "rounded too far; give one decimal or more"
        other_one = GRAPH if before == NETWORK else NETWORK
        if abs(given - 100 * (TOGETHER - other_one) / other_one) < 0.06:
            mistake = "the other of the two changes that were asked for"
        raise WrongAnswer(f"{name}: {given:.4g} is {mistake or f'not 100 (v2 - v1) / v1 with v1 = {before}'}.")
    return "11.7 points above the network alone, 7.5 above the graph alone: still a lot."


def vote(answer: Any) -> str:
    """09.3: the median of the votes that are there."""
    rng = np.random.default_rng(0)
    votes = rng.random((5, 60))
    votes[3:, :20] = np.nan
    votes[2:, :10] = np.nan
    votes[:1, 30:40] = np.nan
    known = np.nanmedian(votes, axis=0)
    given = np.asarray(call("vote", answer, votes.copy()))
    if given.shape == known.shape and given.dtype.kind == "f" and np.isnan(given).any():
        raise WrongAnswer(f"vote returns NaN for {int(np.isnan(given).sum())} of 60 pixels whose chains ended early.")
    if given.shape == (5,):
        raise WrongAnswer("vote returns 5 numbers, one for each step; each of the 60 columns is a pixel.")
    values = read_array("vote(votes)", given, known.shape)
    if is_close(values, known):
        return "So a frame in which the network fails is outvoted by two before it and two after."
    if is_close(values, np.nanmean(votes, axis=0)):
        raise WrongAnswer("vote returns the mean: one wild value moves it, and would not move the median.")
    if is_close(values, np.median(np.nan_to_num(votes), axis=0)):
        raise WrongAnswer("an ended chain counts as a vote of 0; it should have none.")
    if is_close(values, torch.nanmedian(torch.from_numpy(votes), dim=0).values.numpy()):
        raise WrongAnswer(
            "of an even number of votes the lower middle one is taken, as torch does; the median is the mean of both."
        )
    wrong = int((abs(values - known) > 1e-9).sum())
    raise WrongAnswer(f"{wrong} of 60 pixels are not the median of their votes.")


CHECKS: dict[str, Callable[..., str]] = {"09.1": columns, "09.2": changes, "09.3": vote}
