"""How far flow may be believed: known errors are measured as they are."""

from __future__ import annotations

import numpy as np
import pytest

from ikebook.datasets.toys import toy
from ikebook.flow import Flow, provider
from ikebook.flow.quality import LEAST_CONSISTENT, measure_quality
from ikebook.runs.options import RunOptions
from ikebook.runs.single import run
from ikebook.runs.summary import summarise


def uniform(dx: float, dy: float = 0.0, back: float = -1.0, m: int = 5, w: int = 80, h: int = 60) -> Flow:
    forward = np.broadcast_to(np.array([dx, dy], np.float32), (m - 1, h, w, 2)).copy()
    return Flow(forward=forward, backward=back * forward)


@pytest.mark.parametrize("shift", [(3, 0), (-2, 1), (0.5, -4.25)])
def test_a_scene_that_moves_as_one_is_consistent(shift) -> None:
    found = measure_quality(uniform(*shift))
    assert (found.pairs, found.error, found.error_90, found.consistent, found.static_pairs) == (4, 0, 0, 1, ())
    dx, dy = np.abs(shift)
    assert found.leaving == pytest.approx(1 - (1 - dx / 80) * (1 - dy / 60), abs=0.02)
    assert found.warnings() == []


@pytest.mark.parametrize("error", [0.5, 2.0, 5.0])
def test_the_error_is_that_of_the_way_there_and_back(error) -> None:
    flow = uniform(4.0)
    flow.backward[..., 1] += error
    found = measure_quality(flow)
    assert found.error == pytest.approx(error, abs=1e-5)
    assert found.error_90 == pytest.approx(error, abs=1e-5)
    assert found.consistent == (1.0 if error**2 <= 0.01 * (16 + 16 + error**2) + 0.5 else 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_share_of_bad_pixels_is_counted_and_the_worst_pair_named(seed) -> None:
    rng = np.random.default_rng(seed)
    flow = uniform(2.0, m=6, w=160, h=120)
    bad = rng.random((120, 160)) < 0.5
    flow.forward[3][bad] = 9.0
    found = measure_quality(flow)
    assert found.worst_pair == 3
    assert found.worst_consistent == pytest.approx(0.5, abs=0.05)
    assert found.consistent == pytest.approx(1 - 0.5 / 5, abs=0.01)
    assert found.warnings() == []
    flow.forward[:, bad] = 9.0
    assert measure_quality(flow).consistent < LEAST_CONSISTENT
    assert "pixels come back where they started" in measure_quality(flow).warnings()[0]


def test_repeated_frames_are_found_and_a_still_camera_is_not_one() -> None:
    flow = uniform(0.0, m=6)
    flow.forward[:, 20:30, 20:30] = 3.0  # a small object in front of a scene at rest
    flow.backward[:, 20:30, 23:33] = -3.0
    assert measure_quality(flow).static_pairs == ()
    flow.forward[2] = flow.backward[2] = 0.01
    flow.forward[2, 0, 0] = 7.0  # one stray pixel
    found = measure_quality(flow)
    assert found.static_pairs == (2,)
    assert "nothing moves in 1 of 5 pairs of frames (the first is 2)" in found.warnings()[-1]


@pytest.mark.parametrize(("motion", "static"), [(0.09, (0, 1, 2, 3)), (0.11, ()), (0.25, ())])
def test_a_tenth_of_a_pixel_is_motion(motion, static) -> None:
    assert measure_quality(uniform(motion)).static_pairs == static
    assert measure_quality(uniform(0.0, -motion)).static_pairs == static


def test_where_nothing_ever_moves_the_graph_says_so_itself() -> None:
    found = measure_quality(uniform(0.0))
    assert found.static_pairs == (0, 1, 2, 3)
    assert found.warnings() == []


def test_where_everything_leaves_nothing_is_known() -> None:
    found = measure_quality(uniform(200.0))
    assert (found.leaving, found.consistent) == (1, 0)
    assert np.isnan(found.error)
    assert found.warnings()


def test_the_summary_tells_it_of_each_flow(tmp_path) -> None:
    made = toy("disc", (48, 32), 4)
    options = RunOptions(size=(48, 32), device="cpu", cache=False, feature_flow="farneback")
    outcome = run(made.clip, provider("dis"), options=options)
    told = summarise(made.clip, outcome, options)
    assert set(told["flow"]) == {"flow", "feature flow"}
    assert told["flow"]["flow"]["pairs"] == 3
    assert told["flow"]["flow"]["consistent"] > 0.7
    assert told["label_trained"] is False
    assert [one["name"] for one in told["options"]["sources"]] == ["dis", "farneback"]
