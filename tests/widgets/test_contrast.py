"""Colours of the widgets, by WCAG 2: text 4.5:1 or more on its ground, and 3:1 what controls and curves consist of."""

from __future__ import annotations

import re

import pytest

from ikebook.runs.report import pictures
from ikebook.video import colours
from ikebook.widgets import base, layouts, matrix_view
from ikebook.widgets.scripts import style

NOTEBOOK = {
    "light": {
        "layout-color0": "#ffffff",
        "layout-color2": "#eeeeee",
        "layout-color4": "#757575",
        "border-color2": "#e0e0e0",
    }
    | {"ui-font-color0": "#000000", "ui-font-color1": "#212121", "brand-color1": "#1976d2"},
    "dark": {
        "layout-color0": "#111111",
        "layout-color2": "#424242",
        "layout-color4": "#757575",
        "border-color2": "#424242",
    }
    | {"ui-font-color0": "#ffffff", "ui-font-color1": "#e0e0e0", "brand-color1": "#2196f3"},
}
"""JupyterLab 4's themes; their colours with an alpha, as they are on their ground."""

TEXT, CONTROL = 4.5, 3.0


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def palette(scheme: str, *, notebook: bool) -> dict[str, str]:
    """The style sheet's colours by their names, on a page of our own or in JupyterLab."""
    light, dark = style("canvas.css").split("@media (prefers-color-scheme: dark)", 1)
    found = {}
    for name, theirs, ours in re.findall(
        r"--ike-(\w+): var\(--jp-([\w-]+), (#\w{6})\)", light if scheme == "light" else dark
    ):
        found[name] = NOTEBOOK[scheme][theirs] if notebook else ours
    return found


@pytest.fixture(params=["light", "dark"])
def scheme(request) -> str:
    return request.param


def test_the_formula_gives_what_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("notebook", [False, True], ids=["page", "notebook"])
def test_text_and_controls_stand_out(scheme, notebook) -> None:
    ink = palette(scheme, notebook=notebook)
    assert set(ink) == {"ground", "raised", "line", "edge", "text", "quiet", "accent"}
    texts = [(text, ground) for text in ("text", "quiet") for ground in ("ground", "raised")]
    for text, ground in [*texts, ("ground", "accent")]:
        assert contrast(ink[text], ink[ground]) >= TEXT, (text, ground)
    for part in ("edge", "accent", "quiet"):
        assert contrast(ink[part], ink["ground"]) >= CONTROL, part


def test_controls_are_drawn_in_these_colours() -> None:
    css = style("canvas.css")
    tracks = re.findall(r"::-(?:webkit-slider-runnable-track|moz-range-track) \{(.*?)\}", css, re.DOTALL)
    assert len(tracks) == 2
    # A border, which stays where a system replaces all colours by a few of its own.
    assert all("border: 1px solid var(--ike-edge)" in track for track in tracks)
    for ring in re.findall(r":focus-visible\S* \{(.*?)\}", css, re.DOTALL):
        assert "var(--ike-accent)" in ring or "outline: none" in ring
    assert "var(--ike-line)" not in css


def test_curves_and_marks_stand_out(scheme) -> None:
    grounds = [palette(scheme, notebook=notebook)["ground"] for notebook in (False, True)]
    for colour in {*colours.COLOURS, matrix_view.ROW, matrix_view.COLUMN, matrix_view.ENTRY}:
        assert min(contrast(colour, ground) for ground in grounds) >= CONTROL, colour


def test_buttons_and_their_text_stand_out(scheme) -> None:
    ground = NOTEBOOK[scheme]["layout-color0"]
    for colour in (base.GREEN_GROUND, base.BLUE_GROUND):
        button = layouts.button("Play", "Go on", print, ground=colour)
        assert (button.style.button_color, button.button_style) == (colour, "")
        assert contrast(button.style.text_color, colour) >= TEXT
        assert contrast(colour, ground) >= CONTROL


def test_bars_of_a_report_stand_out() -> None:
    for colour in pictures.COLOURS:
        assert contrast(colour, "#ffffff") >= CONTROL
