"""What a saved page says: nothing of buttons that are not there, in any state that a widget can be saved in."""

from __future__ import annotations

import re
import threading
from typing import Any

import ipywidgets
import pytest
from every_widget import WIDGETS

import ikebook
from ikebook.cycle import CycleOptions
from ikebook.widgets import CycleDashboard, InitialisationRace, PowerIterationStepper, SpectrumExplorer
from ikebook.widgets.save_html import pictured

BUTTON = re.compile(r"\b[Pp]ress (\w+)|\b(Start|Run|Play|Stop|Continue)\b")
"""A button's name in a text."""

CHOICE = re.compile(r"[Cc]hoose an eigenvector|click to keep|Move the slider|waits at the next step|in work")
"""What can't be done there, or does not go on."""


def said(widget: Any) -> list[str]:
    """All texts of a widget's page, without marks."""
    snapshots, store = pictured(widget, widget.page_states())
    texts: list[str] = []

    def read(node: Any) -> None:
        if node is None:
            return
        if node["kind"] == "html":
            value = node["value"]
            text = value if isinstance(value, str) else store.blobs[value["text"]].decode()
            texts.append(re.sub(r"<[^>]*>", " ", text))
        for child in node.get("children", ()):
            read(child)

    for snapshot in snapshots:
        read(snapshot["tree"])
    return texts


def assert_true_of_a_page(widget: Any) -> list[str]:
    texts = said(widget)
    wrong = [text for text in texts if BUTTON.search(text.replace("In a notebook, Start", "")) or CHOICE.search(text)]
    assert wrong == []
    return texts


@pytest.mark.parametrize("name", WIDGETS)
def test_no_page_names_a_button_that_is_not_there(name, monkeypatch) -> None:
    monkeypatch.setattr("ikebook.widgets.chain_explorer.GRID", (2, 1))
    widget = WIDGETS[name](ikebook.toy("disc"))
    getattr(widget, "wait", lambda _: None)(60)
    assert_true_of_a_page(widget)


@pytest.mark.parametrize("options", ["default", "paper"])
@pytest.mark.parametrize("kind", [PowerIterationStepper, SpectrumExplorer, InitialisationRace])
def test_nor_where_the_page_computes_nothing(kind, options, monkeypatch) -> None:
    for place in ("live_iteration", "live_mixture", "live_noise", "live_race"):
        monkeypatch.setattr(f"ikebook.widgets.{place}.MOST_BYTES", 0, raising=False)
    made = ikebook.toy("disc", frames=3)
    widget = kind(made.clip, made.flow, options=ikebook.preset(options))
    widget.wait(60)
    if isinstance(widget, InitialisationRace):
        widget.run()
        widget.wait(60)
    before = words_of(widget)
    assert_true_of_a_page(widget)
    assert words_of(widget) == before  # the notebook says again what it said


def words_of(widget: Any) -> list[str]:
    """Its texts, in their order, without the charts."""
    found, left = [], [widget]
    while left:
        one = left.pop()
        if isinstance(one, ipywidgets.HTML) and "<svg" not in one.value:
            found.append(one.value)
        left += getattr(one, "children", ())
    return found


def test_a_dashboard_before_it_is_started_says_that_nothing_has_run() -> None:
    made = ikebook.toy("disc")
    dashboard = CycleDashboard(made.clip, made.flow, options=CycleOptions(cycles=2, network=None))
    assert any("Nothing has run" in text for text in assert_true_of_a_page(dashboard))
    assert "Press Start" in dashboard.words.value


def test_a_dashboard_that_runs_says_that_its_page_was_saved_meanwhile(monkeypatch) -> None:
    made = ikebook.toy("disc")
    go_on, waits = threading.Event(), threading.Event()
    dashboard = CycleDashboard(made.clip, made.flow, options=CycleOptions(cycles=2, network=None))
    accept = dashboard._accept

    def wait(state: Any) -> None:
        accept(state)
        waits.set()
        assert go_on.wait(60)

    monkeypatch.setattr(dashboard, "_accept", wait)
    dashboard.start()
    assert waits.wait(60)
    try:
        assert any("saved while it ran" in text for text in assert_true_of_a_page(dashboard))
    finally:
        go_on.set()
        dashboard.wait(60)
