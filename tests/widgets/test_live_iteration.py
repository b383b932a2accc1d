"""What a page is given to iterate by itself, and where it can't."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.graph.presets import GraphOptions, override, preset
from ikebook.solvers.spanned import spanned
from ikebook.widgets import PowerIterationStepper
from ikebook.widgets import live_iteration as module
from ikebook.widgets.live_iteration import LEVELS, LiveIteration, as_int16
from ikebook.widgets.stepped_graph import SteppedGraph


@pytest.fixture(scope="module")
def made():
    return toy("disc", frames=3)


def unpacked(data: bytes, scales: list[float]) -> np.ndarray:
    return np.frombuffer(data, "<i2").reshape(len(scales), -1) * np.array(scales)[:, None]


def prepared(live: LiveIteration) -> LiveIteration:
    assert live._job is not None
    assert live._job.wait(30)
    return live


def test_int16_loses_half_a_step_at_most() -> None:
    columns = torch.randn(3, 500, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1e-4], [1.0], [0.0]])
    found = unpacked(*as_int16(columns))
    assert (
        np.abs(found - columns.numpy()) <= (0.5 + 1e-6) * columns.abs().amax(1, keepdim=True).numpy() / LEVELS
    ).all()


def test_it_is_prepared_once_a_page_shows_it(made) -> None:
    stepper = PowerIterationStepper(made.clip, made.flow, options=preset("saliency"))
    stepper.ready()
    live = stepper.live
    assert (live.columns, live.reason) == (b"", "")
    live.wanted = True  # as the browser sets it
    columns = unpacked(prepared(live).columns, live.scales[0])
    r, n = len(live.small), stepper.labels.size
    assert columns.shape == (r, n)
    assert np.allclose(columns @ columns.T, np.eye(r), atol=1e-3)
    graph = stepper._graph.solved
    expected = spanned(graph.matrix)
    assert np.allclose(columns, expected.columns.numpy(), atol=1e-4 * np.abs(columns).max())
    assert np.allclose(live.small, expected.small.numpy())
    assert np.allclose(np.array(live.exact[0]) @ columns, graph.labels().numpy().reshape(-1), atol=1e-4)
    # Another preset is another graph; one whose steps are Python's alone says so.
    before = live.columns
    stepper.preset = "default"
    stepper.ready()
    assert prepared(live).columns not in (b"", before)
    stepper.preset = "released"
    stepper.ready()
    assert live.columns == b""
    assert live.reason.startswith("With these options the page can't iterate by itself, as its rule is not linear")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (preset("released"), "its rule is not linear"),
        (override(preset("saliency"), "projection.scope=frame"), "each frame has its own P"),
        (override(preset("saliency"), "projection.ridge=1.0"), "P has a ridge"),
    ],
)
def test_where_a_page_can_not_iterate_it_says_why(made, options: GraphOptions, says: str) -> None:
    graph = SteppedGraph(made.clip, made.flow, [], dense=False)
    assert says in module.why_not(graph.solve(options)[0], options)


def test_other_reasons(made, monkeypatch) -> None:
    options = preset("default")
    still = Flow(forward=0 * made.flow.forward, backward=0 * made.flow.backward)
    solved = SteppedGraph(made.clip, still, [], dense=False).solve(options)[0]
    assert module.why_not(solved, options) == "There is no eigenvector to find."
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    solved = SteppedGraph(made.clip, made.flow, [], dense=False).solve(options)[0]
    assert "the clip is too large for that" in module.why_not(solved, options)


def test_a_page_without_it_invites_nobody_to_paint(made) -> None:
    stepper = PowerIterationStepper(made.clip, made.flow, options=preset("released"), start="painted")
    seen = [
        (state, stepper.frames.paint, stepper.words.value, stepper.live.controls) for state in stepper.page_states()
    ]
    assert [one[0] for one in seen] == ["start: painted"]
    assert not seen[0][1]
    assert not seen[0][3]
    assert "Draw" not in seen[0][2]
    assert "press Play" not in seen[0][2]
    assert stepper.live.cosines == []  # nothing is painted, and so there is no direction
    assert stepper.frames.paint
    assert "press Play" in stepper.words.value


def test_a_page_with_it_begins_with_the_start_and_leaves_the_widget_as_it_was(made) -> None:
    stepper = PowerIterationStepper(made.clip, made.flow, options=preset("saliency"), start="gaussian")
    for _ in range(4):
        stepper.step()
    before = (repr(stepper), stepper.x.maps, stepper.x.caption, stepper.words.value, stepper.live.cosines)
    states = []
    for state in stepper.page_states():
        states.append(state)
        assert stepper.live.controls
        assert stepper.words.layout.display == "none"
        assert stepper.x.caption == "x(0)"
        assert stepper.live.cosines == pytest.approx(stepper.cosines[:1])
        expected = spanned(stepper._graph.solved.matrix).first(stepper._graph.beginning("gaussian", preset("saliency")))
        assert stepper.live.start == pytest.approx(expected.tolist())
    assert states == ["x(0)"]
    assert (repr(stepper), stepper.x.maps, stepper.x.caption, stepper.words.value, stepper.live.cosines) == before
    assert (stepper.live.controls, stepper.words.layout.display) == (False, None)
