"""Answers of notebook 02: the motion matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ikebook.base.compute import Compute
from ikebook.check_answers.reading import WrongAnswer, call, count_different, read_array, read_whole
from ikebook.datasets.toys import toy
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.motion import MotionMatrix, MotionOptions

SIZE, FRAMES = (16, 16), 5


def _motion(name: str = "disc", frames: int = FRAMES, size: tuple[int, int] = SIZE, **options: Any) -> MotionMatrix:
    made = toy(name, size, frames)
    return MotionMatrix(MotionChains(made.flow, compute=Compute(dtype=torch.float64)), MotionOptions(**options))


def node(answer: Any) -> str:
    """02.1: the node of pixel (x=3, y=7) in frame 2."""
    w, h = SIZE
    given, x, y, frame = read_whole("the node", answer), 3, 7, 2
    known = int(torch.arange(FRAMES * h * w).view(FRAMES, h, w)[frame, y, x])
    if given == known:
        return "Frame by frame, row by row: the order of `labels.flatten()`."
    if given == frame * h * w + x * w + y:
        raise WrongAnswer(f"{given} is the pixel in column 7 and row 3; y counts rows, and a row has w = {w} pixels.")
    if given == known - h * w:
        raise WrongAnswer(
            f"{given} lies in frame 1; frames are counted from 0, so frame 2 has two whole frames before it."
        )
    if given == known + 1 or given == known + w or given == known + h * w:
        raise WrongAnswer(f"{given} counts from 1 somewhere; x, y and frames are all counted from 0.")
    if not 0 <= given < FRAMES * h * w:
        raise WrongAnswer(f"{given} is no node: there are n = {FRAMES * h * w}, from 0 to {FRAMES * h * w - 1}.")
    at = (given // (h * w), given // w % h, given % w)
    raise WrongAnswer(
        f"node {given} is the pixel x={at[2]}, y={at[1]} of frame {at[0]}; the pixel asked for is x=3, y=7 of 2."
    )


def union(answer: Any) -> str:
    """02.2: M of Sec. 4.1 from C."""
    motion = _motion(edges="union")
    n = motion.shape[0]
    given, known = read_array("M", answer, (n, n)), motion.dense().numpy()
    outgoing = motion.outgoing().numpy()
    wrong = count_different(given, known)
    if wrong == 0:
        return "Joined or not: a pair that two chains join counts once, and M = M'."
    missing = int(((given == 0) & (known > 0)).sum())
    if count_different(given, outgoing + outgoing.T) == 0:
        raise WrongAnswer(
            f"your M is C + C': in {wrong} entries, pairs that both their chains join count twice. "
            "Sec. 4.1 asks whether any chain joins them: take the larger of the two entries."
        )
    if count_different(given, outgoing) == 0:
        raise WrongAnswer(
            f"your M is C itself, with 0 in {missing} places where the transposed entry has a chain: M = M'."
        )
    if not (abs(given - given.T) <= 1e-9).all():
        raise WrongAnswer(
            f"your M is not symmetric: {count_different(given, given.T)} entries differ from their transposed ones."
        )
    if set(given[given != 0]) <= {1.0}:
        raise WrongAnswer("your M has only ones; the weights k(a, b) of C have to stay.")
    raise WrongAnswer(f"{wrong} entries of your M differ; {missing} are 0 where a chain joins the two nodes.")


def links(answer: Any) -> str:
    """02.3: how many non-zero entries C has at most, a function of m, h, w, p."""
    for frames, (w, h), radius in ((5, (16, 16), 15), (5, (16, 16), 1), (7, (20, 16), 3)):
        # In a clip where nothing moves no chain leaves the frame.
        known = int((_motion("still", frames, (w, h), radius=radius).outgoing() != 0).sum())
        case = f"links({frames}, {h}, {w}, {radius})"
        given = read_whole(case, call("links", answer, frames, h, w, radius))
        if given == known:
            continue
        if given == 2 * radius * frames * h * w:
            raise WrongAnswer(
                f"{case} is {given}, 2p for each of the n nodes; but near the clip's ends chains have fewer than p frames "
                f"to go: k steps ahead start from m - k frames only. It should be {known}."
            )
        if 2 * given == known:
            raise WrongAnswer(f"{case} is {given}, half of {known}: each node has a chain ahead and one behind.")
        if given == 2 * known:
            raise WrongAnswer(f"{case} is {given}, twice what it should be: count the entries of C, not of C + C'.")
        raise WrongAnswer(f"{case} is {given}; where no chain leaves the frame, C has {known} entries.")
    return "So C holds 117 million numbers for 50 frames of 416x224, where a dense table would hold 2 x 10^13."


def flip(answer: Any) -> str:
    """02.4: the signs s with diag(s) M diag(s) = -M for p = 1."""
    motion = _motion(radius=1)
    w, h = SIZE
    given, known = read_array("s", answer, (motion.shape[0],)), motion.dense().numpy()
    if not set(abs(given)) <= {1.0}:
        raise WrongAnswer(f"s has entries other than 1 and -1, such as {next(v for v in given if abs(v) != 1):g}.")
    frames = given.reshape(FRAMES, h * w)
    if not (frames == frames[:, :1]).all():
        raise WrongAnswer(
            "s has both signs within one frame; chains lead from frame to frame, so a frame's pixels go together."
        )
    left = int((abs(given[:, None] * known * given + known) > 1e-12).sum())
    if left:
        signs = " ".join("+" if frame[0] > 0 else "-" for frame in frames)
        raise WrongAnswer(
            f"with the signs {signs} of the frames, {left} entries of M keep their sign instead of changing it."
        )
    return "So M(s x) = -s (M x): for each eigenvector x with eigenvalue lambda, s x is one with -lambda."


CHECKS: dict[str, Callable[..., str]] = {"02.1": node, "02.2": union, "02.3": links, "02.4": flip}
