"""A whole widget on the full screen, in a notebook and in a saved page: all of its controls are there, and nothing is cut off."""

from __future__ import annotations

import pytest
from every_widget import WIDGETS

import ikebook

SCREENS = [(1280, 720), (1920, 1080)]

CUT_OFF = """(root) => {
    // What of a full screen is not on it: a name for each control, picture or text that goes beyond it, and what scrolls.
    const full = root.getRootNode().fullscreenElement;
    if (!full?.contains(root)) return ['it is not on the full screen'];
    const found = full.scrollHeight > full.clientHeight ? [`scrolls: ${full.scrollHeight} of ${full.clientHeight}`] : [];
    for (const node of full.querySelectorAll('button, input, select, canvas, svg[role=img], label, td, .widget-html-content, .ike-readout')) {
        const box = node.getBoundingClientRect();
        if (!box.width || !box.height || !node.checkVisibility({ visibilityProperty: true }) || node.closest('.ike-live')) continue;
        if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1)
            found.push(`${node.tagName} ${node.getAttribute('aria-label') ?? node.textContent.slice(0, 40)}: ${[box.left, box.top, box.right, box.bottom].map(Math.round)}`);
    }
    return found;
}"""

FILLS = """(root) => {
    // The shares of the screen's width and height between the first and the last of what is shown.
    const boxes = [...root.querySelectorAll('button, input, canvas, svg[role=img]')].map((node) => node.getBoundingClientRect()).filter((box) => box.width);
    const [left, top] = ['left', 'top'].map((side) => Math.min(...boxes.map((box) => box[side])));
    const [right, bottom] = ['right', 'bottom'].map((side) => Math.max(...boxes.map((box) => box[side])));
    return [(right - left) / innerWidth, (bottom - top) / innerHeight];
}"""

STATE = f"(root) => [innerWidth, innerHeight, root.style.zoom, ({CUT_OFF})(root), ...({FILLS})(root)]"
"""All of it, as it is at one moment."""

ON = "() => document.fullscreenElement?.classList.contains('ike-whole')"
OFF = "() => !document.fullscreenElement"


def fills(across: float, down: float) -> bool:
    return max(across, down) > 0.9 and min(across, down) > 0.3  # one picture, of a square clip


def assert_whole(watched, whole, name) -> None:
    """With all its controls, on either screen; Escape leaves."""
    page = watched.page
    whole.get_by_role("button", name="Full screen").click()
    page.wait_for_function(ON)
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        zoom = "1.5" if width == 1920 else "1"  # text is larger, too
        wanted = [width, height, zoom, []]
        watched.until(
            lambda: whole.evaluate(STATE), lambda seen, wanted=wanted: seen[:4] == wanted and fills(*seen[4:])
        )
    watched.shot(f"full_screen_{name}")
    page.keyboard.press("Escape")
    wait_until_off(watched, whole)


def wait_until_off(watched, whole) -> None:
    watched.page.wait_for_function(OFF)
    # The browser tells of it a little later than it is.
    watched.until(lambda: whole.evaluate("(node) => node.style.zoom"), lambda zoom: zoom == "")


def assert_returns(watched, whole) -> None:
    """By a key, from wherever the focus is; a button leaves."""
    page = watched.page
    whole.get_by_role("slider").first.focus()
    page.keyboard.press("f")
    page.wait_for_function(ON)
    whole.get_by_role("button", name="Leave the full screen").click()
    wait_until_off(watched, whole)


@pytest.mark.parametrize("name", WIDGETS)
def test_a_page_fills_the_screen(disk, tmp_path, monkeypatch, name) -> None:
    monkeypatch.setattr("ikebook.widgets.chain_explorer.GRID", (4, 2))
    widget = WIDGETS[name](ikebook.toy("disc"))
    if hasattr(widget, "wait"):
        widget.wait(60)
    widget.save_html(tmp_path / "page.html")
    watched = disk(tmp_path / "page.html", size=SCREENS[0])
    whole = watched.page.locator(".ike-whole")
    assert_whole(watched, whole, name.replace(" ", "_"))
    assert_returns(watched, whole)


IN_A_NOTEBOOK = """
import ikebook
import numpy as np
from ikebook.widgets import *
made = ikebook.toy("disc")
shown = [ClipPlayer(made.clip, masks=made.clip.masks), Compare(made.clip, made.clip.masks, np.roll(made.clip.masks, 5, axis=2)),
    ChainExplorer(made.clip, made.flow), MatrixExplorer(made.clip, made.flow), PowerIterationStepper(made.clip, made.flow),
    SpectrumExplorer(made.clip, made.flow, options=ikebook.preset("saliency")), InitialisationRace(made.clip, made.flow),
    CycleDashboard(made.clip, made.flow, options=ikebook.CycleOptions(cycles=2, network=None))]
shown[-1].start()
for each in shown:
    if hasattr(each, "wait"):
        each.wait(60)
    display(each)
"""


def test_widgets_in_a_notebook_fill_the_screen(lab) -> None:
    watched = lab.open("full_screen", [IN_A_NOTEBOOK])
    wholes = watched.page.locator(".ike-whole")
    watched.until(wholes.count, lambda found: found == 8)
    watched.page.get_by_role("slider", name="flow noise, measured levels").wait_for()
    size = watched.page.viewport_size
    try:
        for k in range(8):
            wholes.nth(k).scroll_into_view_if_needed()
            assert_whole(watched, wholes.nth(k), f"notebook_{k}")
        assert_returns(watched, wholes.first)
    finally:
        watched.page.set_viewport_size(size)
