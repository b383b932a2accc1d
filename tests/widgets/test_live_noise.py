"""Levels of noise that are measured in the background: the numbers that the slider would measure, and no waiting then."""

from __future__ import annotations

import numpy as np
import pytest

import ikebook
from ikebook.widgets import SpectrumExplorer
from ikebook.widgets import live_noise as module


@pytest.fixture
def explorer(monkeypatch):
    monkeypatch.setattr(module, "LEVELS", (0.05, 0.5))
    made = ikebook.toy("disc", frames=3)
    explorer = SpectrumExplorer(made.clip, made.flow, options=ikebook.preset("saliency"))
    explorer.ready()
    return explorer


def test_levels_are_measured_once_a_page_shows_them(explorer) -> None:
    live = explorer._view.noise
    assert live.levels == []
    live.wanted = True  # as the browser sets it
    assert live.ready()
    assert live.levels == [0.0, 0.05, 0.5]
    assert explorer.noise_slider.layout.display == "none"  # the page has one that needs no waiting
    columns = np.frombuffer(live.columns, "<i2").reshape(3, -1) * np.array(live.scales)[:, None]
    assert np.allclose(columns[0], explorer._vectors[0].reshape(-1), atol=1e-4)
    # Setting such a level measures nothing anew, and gives what measuring gives.
    before = explorer._job
    explorer.noise = 0.5
    assert explorer._job is before
    assert live.value == 0.5
    assert (explorer.moved, explorer.bound, explorer.printed) == (live.sines[2], live.bounds[2], live.printed[2])
    explorer._show_measured(explorer._measure(before, 0.5))
    assert (explorer.moved, explorer.bound) == pytest.approx((live.sines[2], live.bounds[2]))
    assert np.allclose(explorer._measure(before, 0.5)[2].reshape(-1), columns[2], atol=1e-4)
    # Any other is measured as before.
    explorer.noise = 0.2
    assert explorer.noise_slider.layout.display is None
    assert explorer.wait(60)
    assert live.sines[1] < explorer.moved < live.sines[2]
    live.value = 0.05  # as the browser sends it
    assert (explorer.noise, explorer.moved) == (0.05, live.sines[1])
    assert explorer.noise_slider.layout.display == "none"


def test_what_is_too_large_is_left_to_the_slider(explorer, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    assert not explorer._view.noise.ready()
    assert explorer._view.noise.levels == []
