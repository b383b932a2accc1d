"""The book as it is built: its first chapter and a notebook, from disk and without a network, with widgets that compute in their frames."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from looking import SECONDS, steady_box, until, wait_for_rest, wait_for_walk

import ikebook
from ikebook.video.metrics import region_similarity

pytest.importorskip("sphinx", reason="sphinx is not installed; it is of the group docs")
BOOK = Path(__file__).parents[2] / "docs" / "book"
if not BOOK.exists():
    pytest.skip("no docs/: they are part of a checkout", allow_module_level=True)

NOTEBOOK = """# %% [markdown]
# # A notebook
#
# With one widget.

# %% tags=["widget"]
import ikebook
from ikebook.widgets import PowerIterationStepper

made = ikebook.toy("two_objects")
stepper = PowerIterationStepper(made.clip, made.flow, pace=0.1)
stepper
"""

BUILD = """import sys
from pathlib import Path
import build

source, out = map(Path, sys.argv[1:])
sys.exit(build.write_html(build.prepare_short([source], out), out))
"""

SHOWN = "(node) => Array.from(node.live.walk.values())"
"""The labels that the page shows of its iteration."""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the built pages."""
    folder = tmp_path_factory.mktemp("book")
    source = folder / "99_a_notebook.py"
    source.write_text(NOTEBOOK)
    environment = {**os.environ, "PYTHONPATH": f"{BOOK}{os.pathsep}{BOOK.parents[1]}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD, source, folder], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "html"


class Reader:
    """A reader of the book: a page of it, opened from disk, and the widgets in its frames."""

    def __init__(self, page) -> None:
        self.page = page

    def open(self, path: Path) -> None:
        self.page.goto(path.as_uri())

    def widget(self, title: str):
        """The frame of this title, once what it holds is there; as high as that."""
        frame = self.page.locator(f"iframe[title='{title}']")
        frame.scroll_into_view_if_needed()
        inside = frame.element_handle().content_frame()
        inside.wait_for_selector("body[data-ready]")
        self.page.wait_for_function(
            "(title) => { const { height } = document.querySelector(`iframe[title='${title}']`).style; return !['640px', '760px'].includes(height); }",
            arg=title,
        )

        def heights() -> tuple[float, float]:
            """Of what it holds, and of the frame."""
            content = inside.evaluate("document.documentElement.scrollHeight")
            return content, frame.evaluate("(node) => node.clientHeight")

        steady_box(frame)
        until(self.page, heights, lambda both: both[0] - 2 <= both[1] <= both[0] + 12)
        assert inside.evaluate("document.fullscreenEnabled")
        return inside


@pytest.fixture
def reader(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith(("file:", "blob:", "data:")) or trouble.append(request.url)
    )
    yield Reader(page)
    context.close()
    assert trouble == []


def paint(page, widget) -> None:
    """Draw into a corner of the first picture, where no object is; the mouse is let go at last."""
    stage = widget.locator(".ike-canvas").first
    stage.scroll_into_view_if_needed()
    wait_for_walk(widget.locator(".ike-iteration"))
    box = steady_box(stage)
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 45, box["y"] + 25, steps=4)
    page.mouse.up()


def cosine(widget) -> float:
    """To the exact eigenvector, as the page says."""
    return float(re.search(r"exact eigenvector (\d\.\d+)", widget.locator(".ike-iteration").inner_text())[1])


def overlap(widget, made) -> float:
    """J of what the page shows, where it is above half of its largest value, with the true masks."""
    values = np.array(widget.locator(".ike-iteration").evaluate(SHOWN)).reshape(made.clip.masks.shape)
    pairs = zip(values > 0.5 * values.max(), made.clip.masks, strict=True)
    return float(np.mean([region_similarity(found, truth) for found, truth in pairs]))


def test_paint_step_and_reset_in_the_first_chapter(book, reader) -> None:
    reader.open(book / "first_chapter.html")
    widget = reader.widget("Power iteration")
    made = ikebook.toy("disc")
    iteration = widget.locator(".ike-iteration")
    paint(reader.page, widget)
    iteration.get_by_text("Converged").wait_for()
    wait_for_rest(iteration)
    assert cosine(widget) > 0.9999
    assert overlap(widget, made) > 0.8  # the disc itself, though only a corner was painted
    # Back to what is painted, and on by hand: nearer with each iteration.
    widget.get_by_role("button", name="Restart").click()
    widget.locator(".ike-iteration[data-iteration='0']").wait_for()
    cosines = []
    for t in (1, 2, 3):
        for _ in range(2):  # M x, and x again
            widget.get_by_role("button", name="Next stage").click()
        widget.locator(f".ike-iteration[data-iteration='{t}']").wait_for()
        cosines.append(cosine(widget))
    assert cosines[0] < cosines[1] < cosines[2]
    until(reader.page, widget.get_by_role("button", name="Back: one stage").is_enabled)
    # On a wide screen it uses the width.
    reader.page.set_viewport_size({"width": 1920, "height": 1080})
    frame = reader.page.locator("iframe[title='Power iteration']")
    until(reader.page, lambda: frame.bounding_box()["width"], lambda width: width > 1100)
    # Nothing painted any more: the picture is empty again.
    widget.get_by_role("button", name="Clear the painting").click()
    widget.get_by_text("Draw on the left").first.wait_for()
    until(reader.page, widget.get_by_role("button", name="Restart").is_disabled)


def test_mix_eigenvectors_in_the_first_chapter(book, reader) -> None:
    reader.open(book / "first_chapter.html")
    widget = reader.widget("Eigenvectors")
    widget.get_by_role("slider", name="Weight of eigenvector 2").focus()
    for _ in range(8):
        reader.page.keyboard.press("ArrowDown")
    widget.get_by_text("1.00 v1 \u2212 0.40 v2").wait_for()
    values = np.array(
        widget.locator(".ike-mixture").evaluate("(node) => Array.from(node.live.picture.values(0, 1280))")
    )
    assert np.linalg.norm(values) == pytest.approx(np.hypot(1, 0.4), abs=1e-3)  # v1 and v2 are orthonormal


def test_paint_in_a_notebook_of_the_book(book, reader) -> None:
    reader.open(book / "notebooks" / "99_a_notebook.html")
    assert reader.page.get_by_text("press Play").count() == 0
    widget = reader.widget("stepper")
    # It begins with noise; what is painted replaces that.
    widget.get_by_role("button", name="Next stage").click()
    widget.locator(".ike-iteration[data-iteration='1']").wait_for()
    paint(reader.page, widget)
    widget.locator(".ike-iteration").get_by_text("Converged").wait_for()
    wait_for_rest(widget.locator(".ike-iteration"))
    assert cosine(widget) > 0.999
