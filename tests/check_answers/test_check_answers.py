"""Checks of exercises: right answers pass, wrong ones are told what is wrong, and nothing else is ever raised."""

from __future__ import annotations

import answers_05_to_08
import answers_around
import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.check_answers import _HOMES, WrongAnswer, check_answers, exercises
from ikebook.check_answers.reading import call, is_close, is_empty, read_array, read_number, read_whole
from ikebook.datasets.toys import noisy_labels, toy
from ikebook.graph.graph_module import build
from ikebook.graph.presets import preset
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix

CHAINS = MotionChains(toy("disc", (16, 16), 5).flow, compute=Compute(dtype=torch.float64))
C = MotionMatrix(CHAINS).outgoing()
SIGNS = torch.tensor([1.0, -1, 1, -1, 1]).repeat_interleave(256)


def links(m, h, w, p):
    return sum(2 * (m - k) * h * w for k in range(1, min(p, m - 1) + 1))


def ruined(matrix):
    changed = matrix.clone()
    changed[3, 300] += 1
    return changed


def follow(forward, x, y, start, steps, *, rounded=False, first=None):
    """A right answer to 01.2, or with options wrong ones."""
    positions, (h, w) = [(x, y)], forward.shape[1:3]
    for field in forward[start : start + steps]:
        dx, dy = field[round(y), round(x)] if first is None else forward[start, first[1], first[0]]
        x, y = x + dx, y + dy
        if rounded:
            x, y = round(x), round(y)
        if not (0 <= round(x) < w and 0 <= round(y) < h):
            break
        positions.append((x, y))
    return positions


def tall(forward, x, y, start, steps):
    """With width and height exchanged."""
    w, h = forward.shape[1:3]
    return [place for place in follow(forward, x, y, start, steps) if place[0] < w and place[1] < h]


def never_ending(forward, x, y, start, steps):
    positions = follow(forward, x, y, start, steps)
    return positions + [positions[-1]] * (steps + 1 - len(positions))


def trip(forward, backward, x, y, *, sign=1, there=True, power=1, way=np.hypot, nearest=round):
    dx, dy = forward[y, x]
    back = backward[nearest(y + dy), nearest(x + dx)] if there else backward[y, x]
    return way(dx + sign * back[0], dy + sign * back[1]) ** power


DEFORMING = MotionChains(toy("deforming", (16, 16), 5).flow, compute=Compute(dtype=torch.float64))
F = FeatureMatrix(DEFORMING, FeatureOptions(displacements="steps", half_window=2, center="none")).dense()
FRAMED = F.view(5, 256, 8)
Y = torch.from_numpy(noisy_labels(toy("deforming", (16, 16), 5).clip.masks))
GRAM = F.T @ F
BEST = torch.linalg.solve(GRAM, F.T @ Y)
EYE = torch.eye(8, dtype=torch.float64)
CENTRED = (FRAMED - FRAMED.mean(1, keepdim=True)).flatten(0, 1)


DISC = toy("disc", (16, 16), 5)
BUILT = build(DISC.clip, DISC.flow, options=preset("saliency"), compute=Compute(dtype=torch.float64))
M, P, A = BUILT.motion.dense(), BUILT.projection.dense(), BUILT.dense()
ORDER = np.argsort(~DISC.clip.masks.ravel(), kind="stable")
BACK = np.argsort(DISC.clip.masks.ravel(), kind="stable")
SHUFFLED = np.random.default_rng(0).permutation(1280)


SPECTRA: dict[tuple[float, float], tuple[torch.Tensor, torch.Tensor]] = {}


def spectra(a, b):
    """The eigenvalues of two matrices, the second less the first; of a large pair computed once."""
    key = (float(a.norm()), float(b.norm()))
    if key not in SPECTRA:
        SPECTRA[key] = torch.linalg.eigvalsh(a), torch.linalg.eigvalsh(b - a)
    return SPECTRA[key]


def davis_kahan(a, b, *, factor=2.0, norm="spectral", over="gap"):
    values, change = spectra(a, b)
    size = {"spectral": change.abs().max(), "frobenius": change.norm(), "first": change[0].abs()}[norm]
    return factor * size / (values[-1] - values[-2] if over == "gap" else values[-1])


# exercise, right answers, wrong ones with what they are told
CASES = {
    "01.1": (
        [(24, 14)],
        [
            ((14, 24), "x and y exchanged"),
            ((26, 13), "the pixel itself"),
            ((28, 12), "by the backward flow"),
            ((27, 13), "how the background moves"),
            ((40, 40), "px from where"),
            ((1.5, 2), "whole number"),
        ],
    ),
    "01.2": (
        [follow],
        [
            (lambda *a: follow(*a)[1:], "begin with the pixel's own"),
            (lambda *a: follow(*a)[:-1], "one step is missing"),
            (lambda f, x, y, start, steps: follow(np.roll(f, start, 0), x, y, start, steps), "after step . you are"),
            (tall, "x compared with the width"),
            (never_ending, "leaves the frame after"),
            (lambda *a: follow(*a, rounded=True), "whole pixels"),
            (lambda *a: [(y, x) for x, y in follow(*a)], "exchanged"),
            (lambda *a: follow(*a, first=a[1:3]), "repeat the first displacement"),
            (lambda *a: [(x + 0.01 * k, y) for k, (x, y) in enumerate(follow(*a))], "after step 1 you are"),
            (lambda *a: 5, "list of positions"),
            (lambda *a: None, "no answer yet"),
            (lambda f, x: f, "stops with TypeError"),
        ],
    ),
    "01.3": (
        [trip],
        [
            (lambda *a: trip(*a, there=False), "at the start"),
            (lambda *a: trip(*a, power=2), "take its root"),
            (lambda *a: trip(*a, way=lambda x, y: abs(x) + abs(y)), "adds the sizes"),
            (lambda *a: trip(*a, nearest=int), "cut"),
            (lambda *a: trip(*a, sign=-1), "added"),
            (lambda *a: 77.0, "is 77.000 px; the pixel comes back"),
            (lambda *a: ..., "no answer yet"),
        ],
    ),
    "01.4": (
        [13],
        [
            (12, "still above 1 %"),
            (14, "but 13 frames are too"),
            (200, "can't be"),
            (12.14, "whole number"),
        ],
    ),
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
    "03.1": (
        [BEST, BEST[:, None].numpy(), (torch.linalg.lstsq(F, Y[:, None]),), BEST.float()],
        [
            ((np.linalg.lstsq(F.numpy(), Y.numpy()),), "all that lstsq returns"),
            (F @ BEST, "has 1280 entries, one a node"),
            (F.T @ Y, "the first half"),
            (BEST + 0.1, r"and \d+\.\d\d with the best"),
            (BEST[:3], "shape"),
        ],
    ),
    "03.2": ([4, 4.0 + 1e-9], [(8, "number of F's columns"), (1280, "number of nodes"), (5, "their sum, the trace")]),
    "03.3": (
        [
            CENTRED.float(),
            FRAMED - FRAMED.mean(1, keepdim=True),
            (FRAMED - FRAMED.mean(1, keepdim=True)).flatten(0, 1).numpy(),
        ],
        [
            (F - F.mean(0), "the clip's mean"),
            (F - F.mean(1, keepdim=True), "each node's mean"),
            (F, "what it was before"),
            (2 * (FRAMED - FRAMED.mean(1, keepdim=True)), "no scaling"),
            (F + 1, "in frame . the mean of column . is still"),
        ],
    ),
    "03.4": (
        [F @ torch.linalg.inv(GRAM + 10 * EYE) @ F.T],
        [
            (F @ torch.linalg.inv(GRAM) @ F.T, "P without a ridge"),
            (F @ torch.linalg.inv(GRAM + 10) @ F.T, "every"),
            (F @ torch.linalg.inv(GRAM + 10 * EYE), "last F' is missing"),
            (F @ torch.linalg.inv(GRAM + EYE) @ F.T, "has the trace"),
            (CENTRED @ torch.linalg.inv(CENTRED.T @ CENTRED + 10 * EYE) @ CENTRED.T, "of the centred features"),
        ],
    ),
    "04.1": (
        [P @ M @ P, P.float() @ M.float() @ P.float()],
        [
            (P * M * P, "entry by entry"),
            (P @ M, "not symmetric"),
            (M @ P @ M, "votes in the middle"),
            (2 * A, "has the trace"),
        ],
    ),
    "04.2": (
        [A[ORDER][:, ORDER], A.numpy()[np.ix_(ORDER, ORDER)]],
        [
            (A, "A as it was"),
            (A[ORDER], "only rows or only columns"),
            (A[BACK][:, BACK], "background comes first"),
            (A[SHUFFLED][:, SHUFFLED], "order is not the one"),
            (A + 1, "eigenvalues have changed"),
        ],
    ),
    "04.3": (
        [4],
        [(3, "0.001 or less"), (5, "but after 4"), (152, "multiplied"), (-1, "can't be"), (3.7, "whole number")],
    ),
    "04.4": (
        [davis_kahan],
        [
            (lambda a, b: davis_kahan(a, b, norm="frobenius"), "Frobenius norm"),
            (lambda a, b: davis_kahan(a, b, factor=1), "factor 2"),
            (lambda a, b: davis_kahan(a, b, over="value"), "instead of the gap"),
            (lambda a, b: 8 * (b - a).norm() / a.norm(), "knows no gap"),
            (lambda a, b: 99, "is 99.000; 2"),
            (lambda a, b: min(1, davis_kahan(a, b)), "2 .E. / gap is"),
            (lambda a, b: davis_kahan(a, b, norm="first"), "E's largest eigenvalue by size"),
            (lambda a, b: None, "no answer yet"),
        ],
    ),
} | answers_05_to_08.CASES

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
def test_empty_answers_fail(exercise) -> None:
    for empty in (..., None, NotImplemented, [..., 1], {"a": None}, (1, None)):
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
    assert read_number("x", torch.tensor([2.5])) == 2.5
    assert read_whole("x", np.float32(3)) == 3
    for bad, told in ((True, "one number"), (np.nan, "finite"), ([1, 2], "2 numbers"), ({}, "one number")):
        with pytest.raises(WrongAnswer, match=told):
            read_number("x", bad)
    assert read_array("x", [[1, 2]], (1, 2)).dtype == float
    for bad, told in (([1, np.inf], "NaN or infinite"), ([[1, 2]], "shape"), ("ab", "array or tensor")):
        with pytest.raises(WrongAnswer, match=told):
            read_array("x", bad, (2,))
    assert is_close([1.0, 2.0], [1.0, 2.0 + 1e-9])
    assert not is_close([1.0, 2.0], [1.0, 2.1])
    assert call("f", lambda a: a + 1, 2) == 3
    assert not is_empty(np.zeros(3))
    assert not is_empty(0)
