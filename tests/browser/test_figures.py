"""Figures of the course in a notebook: drawings whose letters are the theme's, light and dark."""

from __future__ import annotations

CELL = """
import numpy as np
from ikebook.course import figures
figures.curves({"cosine": [0.2, 0.7, 0.95, 0.999], "residual": [0.9, 0.5, 0.2, 0.1]})
"""

INK = """(svg) => [...svg.querySelectorAll('text')].map((text) => {
    // Of each text, its colour and its height in pixels of the screen.
    const { fill, fontSize } = getComputedStyle(text);
    const box = svg.getBoundingClientRect(), { width } = svg.viewBox.baseVal;
    return [fill, (parseFloat(fontSize) * box.width) / width];
})"""

GROUND = "() => getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor"


def lightness(colour: str) -> float:
    """Of "rgb(12, 34, 56)" or "rgba(0, 0, 0, 0.8)", from 0 to 1."""
    return sum(map(float, colour[colour.index("(") + 1 : -1].split(",")[:3])) / 765


def test_a_figure_follows_the_theme(lab) -> None:
    for scheme in ("light", "dark"):
        watched = lab.open("figures", [CELL], scheme=scheme)
        drawing = watched.page.locator(".jp-OutputArea-output svg[role=img]")
        drawing.wait_for()

        def seen(page=watched.page, drawing=drawing) -> tuple[int, float, float]:
            """How many letters there are, their least contrast to the ground, and the least of their sizes."""
            ground, inks = lightness(page.evaluate(GROUND)), drawing.evaluate(INK)
            contrasts = [abs(lightness(fill) - ground) for fill, _ in inks]
            return len(inks), min(contrasts, default=0.0), min((size for _, size in inks), default=0.0)

        watched.until(seen, lambda found: found[0] > 6 and found[1] > 0.5 and found[2] >= 14)
        watched.shot(f"figures_{scheme}")
