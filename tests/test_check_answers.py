"""Checks of exercises: right answers pass, wrong ones are told what is wrong, and nothing else is ever raised."""

from __future__ import annotations

import answers_around
import numpy as np
import pytest
import torch

from ikebook.chains import MotionChains
from ikebook.check import InputError
from ikebook.check_answers import _HOMES, WrongAnswer, check_answers, exercises
from ikebook.check_answers.judge import array, called, close, is_empty, number, whole
from ikebook.motion import MotionMatrix
from ikebook.toys import toy

CHAINS = MotionChains(toy("disc", (16, 16), 5).flow, dtype=torch.float64)
C = MotionMatrix(CHAINS).outgoing()
SIGNS = torch.tensor([1.0, -1, 1, -1, 1]).repeat_interleave(256)


def links(m, h, w, p):
    return sum(2 * (m - k) * h * w for k in range(1, min(p, m - 1) + 1))


def ruined(matrix):
    changed = matrix.clone()
    changed[3, 300] += 1
    return changed


# exercise, right answers, wrong ones with what they are told
CASES = {
    "02.1": (
        [627, np.int64(627), 627.0, torch.tensor(627)],
        [
            (567, "y counts rows"),
            (371, "frames are counted from 0"),
            (643, "counts from 1"),
            (5000, "no node"),
            (0, "node 0 is the pixel x=0, y=0 of frame 0"),
            (1.5, "whole number"),
            ("x", "should be one number"),
        ],
    ),
    "02.2": (
        [torch.maximum(C, C.T), torch.maximum(C, C.T).numpy(), torch.maximum(C, C.T).to_sparse()],
        [
            (C + C.T, "count twice"),
            (C, "C itself"),
            (ruined(torch.maximum(C, C.T)), "not symmetric: 2 entries"),
            ((C + C.T > 0).double(), "only ones"),
            (torch.minimum(C, C.T), "are 0 where a chain joins"),
            (C[:5], r"shape \(5, 1280\)"),
        ],
    ),
    "02.3": (
        [links],
        [
            (lambda m, h, w, p: 2 * p * m * h * w, "near the clip's ends"),
            (lambda m, h, w, p: links(m, h, w, p) / 2, "a chain ahead and one behind"),
            (lambda m, h, w, p: 2 * links(m, h, w, p), "not of C"),
            (lambda m, h, w, p: 7, "is 7; where no chain"),
            (lambda m, h, w, p: ..., "no answer yet"),
            (lambda m, h: 7, "stops with TypeError"),
            (7, "should be a function"),
        ],
    ),
    "02.4": (
        [SIGNS, -SIGNS.numpy(), SIGNS.tolist()],
        [
            (0 * SIGNS + 1, "keep their sign"),
            (2 * SIGNS, "other than 1 and -1"),
            (SIGNS[:5], "shape"),
            (torch.ones(1280).index_fill(0, torch.tensor([0]), -1), "both signs within one frame"),
        ],
    ),
}

CASES |= answers_around.CASES


@pytest.mark.parametrize("exercise", CASES)
def test_right_answers_pass_and_say_why_they_matter(exercise, capsys) -> None:
    for answer in CASES[exercise][0]:
        check_answers(exercise, *(answer if isinstance(answer, tuple) else (answer,)))
        said = capsys.readouterr().out
        assert said.startswith(f"{exercise} is right. ")
        assert len(said) > len(exercise) + 30


@pytest.mark.parametrize("exercise", CASES)
def test_wrong_answers_are_told_what_is_wrong(exercise) -> None:
    for answer, told in CASES[exercise][1]:
        with pytest.raises(WrongAnswer, match=told) as wrong:
            check_answers(exercise, *(answer if isinstance(answer, tuple) else (answer,)))
        assert str(wrong.value).startswith(f"{exercise}: ")
        assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("exercise", CASES)
@pytest.mark.parametrize("empty", [..., None, NotImplemented, [..., 1], {"a": None}, (1, None)], ids=str)
def test_empty_answers_fail(exercise, empty) -> None:
    with pytest.raises(WrongAnswer, match=f"^{exercise}: there is no answer yet"):
        check_answers(exercise, empty)
    with pytest.raises(WrongAnswer, match=f"^{exercise}: there is no answer yet"):
        check_answers(exercise)


def test_every_exercise_is_tried_here() -> None:
    assert sorted(CASES) == sorted(number for notebook in _HOMES for number in exercises(notebook))


def test_unknown_exercises_are_named() -> None:
    with pytest.raises(InputError, match=r"no exercise .02\.9.; there are 02\.1, 02\.2"):
        check_answers("02.9", 1)
    with pytest.raises(InputError, match="no exercises of notebook '77'"):
        check_answers("77.1", 1)


def test_the_message_is_one_line_in_a_notebook() -> None:
    assert WrongAnswer("02.1: no")._render_traceback_() == ["Not yet. 02.1: no"]


def test_numbers_and_arrays_are_read_from_whatever_they_come_in() -> None:
    assert number("x", torch.tensor([2.5])) == 2.5
    assert whole("x", np.float32(3)) == 3
    for bad, told in ((True, "one number"), (np.nan, "finite"), ([1, 2], "2 numbers"), ({}, "one number")):
        with pytest.raises(WrongAnswer, match=told):
            number("x", bad)
    assert array("x", [[1, 2]], (1, 2)).dtype == float
    for bad, told in (([1, np.inf], "NaN or infinite"), ([[1, 2]], "shape"), ("ab", "array or tensor")):
        with pytest.raises(WrongAnswer, match=told):
            array("x", bad, (2,))
    assert close([1.0, 2.0], [1.0, 2.0 + 1e-9])
    assert not close([1.0, 2.0], [1.0, 2.1])
    assert called("f", lambda a: a + 1, 2) == 3
    assert not is_empty(np.zeros(3))
    assert not is_empty(0)
