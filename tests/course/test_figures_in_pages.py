"""Pictures within a page: SVG in the page's colour of text, no title cut off, PNG where there is no HTML."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ikebook.course import figures

MAP = np.linspace(-1, 1, 48).reshape(6, 8)
FIELD = np.ones((12, 16, 2)) * (2, 0)
LONG = "what is left after the projection of noise, frame"

PICTURES = {
    "row": lambda: figures.row({f"{LONG} {k}": MAP for k in range(4)}, signed=True, bar=True),
    "matrices": lambda: figures.matrices({f"{LONG} {k}": np.eye(80) for k in range(3)}, frames=5, zoom=3),
    "curves": lambda: figures.curves({"a": [1, 0.1], "b": [1, 0.5]}, labels=("iteration", "error"), log=True),
    "spectrum": lambda: figures.spectrum({LONG: [1, 0, -1], LONG + " 2": [2, 1]}),
    "bars": lambda: figures.bars({"J": 0.5, "F": 0.7}, label="score"),
    "paths": lambda: figures.paths(np.zeros((12, 16, 3)), [([1, 2], [3, 4])], title=LONG),
    "flow": lambda: figures.flow(FIELD, title=LONG),
}

each_picture = pytest.mark.parametrize("name", PICTURES)


@each_picture
def test_a_page_gets_its_own_colour_of_text(name) -> None:
    picture = PICTURES[name]()
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["image/png"].startswith(b"\x89PNG")
    root = ET.fromstring(bundle["text/html"])
    assert root.tag.endswith("svg")
    assert root.get("role") == "img"
    assert root.get("aria-label") == picture.says
    assert "fill: currentColor" in root.get("style")
    assert "#000000" not in bundle["text/html"]
    texts = [node for node in root.iter() if node.tag.endswith("}text")]
    sizes = [float(size) for node in texts for size in re.findall(r"([\d.]+)px", node.get("style", ""))]
    assert sizes
    assert min(sizes) >= figures.TEXT * 0.7  # exponents; all else is as large as TEXT
    assert sizes.count(figures.TEXT) > len(sizes) / 2
    grounds = [node for node in root.iter() if node.get("id") in ("patch_1", "patch_2")]
    assert not any("#ffffff" in (part.get("style") or "") for node in grounds for part in node)


@each_picture
def test_no_text_is_cut_off(name) -> None:
    figure = PICTURES[name]().figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axis in figure.axes:
        box = axis.title.get_window_extent(canvas.get_renderer())
        if axis.get_title():
            assert box.x0 >= -1
            assert box.y1 <= figure.bbox.y1 + 1
            assert box.x1 <= figure.bbox.x1 + 1
    titles = [a.title.get_window_extent(canvas.get_renderer()) for a in figure.axes if a.get_title()]
    assert not any(one.overlaps(other) for k, one in enumerate(titles) for other in titles[:k])


def test_the_wheel_says_what_the_colours_of_flow_mean() -> None:
    colours = figures._direction(np.array([(1, 0), (0, 1), (-1, 0), (0, 0), (2, 0)], float))
    right, down, left, rest, beyond = colours
    np.testing.assert_allclose(right, (1, 0, 0, 1))
    np.testing.assert_allclose(left, (0, 1, 1, 1), atol=1e-9)
    np.testing.assert_allclose(down, (0.5, 1, 0, 1), atol=1e-9)
    np.testing.assert_allclose(rest, (1, 1, 1, 1))
    assert beyond[3] == 0
