"""Answers of notebook 11: a command, memory, and a cut."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from ikebook.base.check import size as size_of
from ikebook.check_answers.reading import WrongAnswer, call, read_whole
from ikebook.cli import parser
from ikebook.datasets.toys import demo, toy

WANTED = {"input": "holiday.mp4", "out": "found", "size": (320, 192), "cycles": 3, "budget": 30.0}


def command(answer: Any) -> str:
    """11.1: the words of a command."""
    if isinstance(answer, str):
        raise WrongAnswer("words is one text; it should be a list of words: a shell would split it at the blanks.")
    if not isinstance(answer, (list, tuple)) or not all(isinstance(word, str) for word in answer):
        raise WrongAnswer("words should be a list of texts; numbers stand in quotation marks too.")
    if answer and answer[0] == "ikebook":
        raise WrongAnswer('words begins with "ikebook"; that is the program itself. The first word is "segment".')
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            given = vars(parser().parse_args(list(answer)))
    except SystemExit as end:
        if not end.code:
            raise WrongAnswer("the program would show its help, and end.") from None
        joined = next((word for word in answer if word.startswith("-") and " " in word), None)
        if joined:
            raise WrongAnswer(
                f'"{joined}" is one entry; each word needs its own, as a shell splits at blanks.'
            ) from None
        last = said.getvalue().strip().splitlines()[-1:] or ["nothing"]
        raise WrongAnswer(f"the program would say: {last[0]}") from None
    if given.get("command") != "segment":
        raise WrongAnswer(f'the first word is "{answer[0] if answer else ""}"; it should be "segment".')
    from ikebook.base.check import InputError, seconds

    try:
        read = given | {
            "input": " ".join(given["input"]),
            "size": size_of("--size", given["size"]) if given["size"] != "auto" else "416x224",
            "budget": seconds("--budget", given["budget"]) if given["budget"] else "no limit",
        }
    except InputError as error:
        raise WrongAnswer(f"the program would say: {error}") from None
    if read["network"] == "none":
        raise WrongAnswer("the network is left out there; cycles of graph and network were asked for.")
    for name, wanted in WANTED.items():
        if read[name] != wanted:
            raise WrongAnswer(f"{name} is {_shown(read[name])} there; it should be {_shown(wanted)}.")
    return (
        "The training ends by the clock, so its result differs a little from run to run; without --budget it does not."
    )


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def memory(answer: Any) -> str:
    """11.2: bytes of frames and flow."""
    for m, (w, h) in ((12, (32, 16)), (5, (16, 16))):
        made = toy("still", (w, h), m)
        fields = np.asarray(made.flow.forward).size + np.asarray(made.flow.backward).size
        frames, flow = made.clip.frames.nbytes, 4 * fields
        case = f"bytes_needed({m}, {w}, {h})"
        given = read_whole(case, call("bytes_needed", answer, m, w, h))
        if given == frames + flow:
            continue
        named = {
            frames: "the frames alone; the flow is missing",
            flow: "the flow alone; the frames are missing",
            frames + flow // 2: "half of the flow: it goes forward and backward, and has two numbers a pixel",
            frames + flow // 4: "a quarter of the flow: two directions, two numbers a pixel, 4 bytes each",
            frames + flow * m // (m - 1): "one pair too many: m frames have m - 1 pairs",
            frames // 3 + flow: "a frame has three colours a pixel",
        }
        raise WrongAnswer(f"{case} is {given}, not {frames + flow}: {named.get(given, 'count frames and flow apart')}.")
    return "Flow takes five times what the frames take, and that is why it is what goes to the disk first."


def cut(answer: Any) -> str:
    """11.3: the first frame of the second scene."""
    scenes = (demo(8, (104, 56)).clip.frames, toy("tracked", (104, 56), 8).clip.frames)
    film = np.concatenate(scenes).astype(float)
    known = int(np.abs(np.diff(film, axis=0)).mean(axis=(1, 2, 3)).argmax()) + 1
    given = read_whole("cut", answer)
    if given == known:
        return "Films are cut into scenes in just this way, with some care for flashes and fades."
    if given == known - 1:
        raise WrongAnswer(f"{given} is the last frame of the first scene; the frame after it is asked for.")
    raise WrongAnswer(
        f"frame {given} is not where the scene changes. Look at the mean difference of each pair, in floating point."
    )


CHECKS: dict[str, Callable[..., str]] = {"11.1": command, "11.2": memory, "11.3": cut}
