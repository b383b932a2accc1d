"""The picture of a matrix: M is thick enough to see, and rows and columns fly to their places, unless nobody wants motion."""

from __future__ import annotations

import re

import numpy as np
import pytest
from looking import steady_box

import ikebook
from ikebook.widgets import MatrixExplorer

BRIGHTEST = """(node, places) => {
    // The brightest of the 3x3 screen pixels around each entry [row, column], 0 to 255.
    const [, h, w] = node.closest('.ike').shape;
    const { data, width } = node.getContext('2d').getImageData(0, 0, node.width, node.height);
    return places.map(([row, column]) => {
        const u = Math.floor((column + 0.5) * node.width / w), v = Math.floor((row + 0.5) * node.height / h);
        let most = 0;
        for (let y = Math.max(0, v - 1); y <= v + 1; y++)
            for (let x = Math.max(0, u - 1); x <= u + 1; x++) most = Math.max(most, ...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3));
        return most;
    });
}"""


WATCH_FLIGHTS = """() => {
    // Notes whether rows fly, each time that this is said; a flight may be over before anybody has looked.
    globalThis.flights = [];
    const note = () => flights.push(root.dataset.flying);
    const root = document.querySelector('.ike[data-flying]');
    new MutationObserver(note).observe(root, { attributeFilter: ['data-flying'] });
}"""


@pytest.fixture
def explorer(tmp_path):
    made = ikebook.toy("disc")
    explorer = MatrixExplorer(made.clip, made.flow)
    explorer.save_html(tmp_path / "matrix.html")
    return explorer


def test_each_entry_of_m_can_be_seen(disk, tmp_path, explorer) -> None:
    watched = disk(tmp_path / "matrix.html")
    picture = watched.page.locator(".ike-canvas").first
    m = explorer.matrices["M"]
    assert steady_box(picture)["width"] < len(m) / 1.5  # fewer pixels than the matrix has rows
    there = np.argwhere(m > 0.5 * m.max())[::37]
    assert len(there) > 30
    watched.until(lambda: min(picture.evaluate(BRIGHTEST, there.tolist())), lambda least: least > 100)
    nowhere = [[640 + k, 600 + k] for k in range(0, 40, 5)]
    assert m[640:680, 600:640].max() == 0
    assert max(picture.evaluate(BRIGHTEST, nowhere)) < 60


def test_rows_fly_to_their_places(disk, tmp_path, explorer) -> None:
    watched = disk(tmp_path / "matrix.html")
    page = watched.page
    picture = page.locator(".ike-canvas").first
    assert page.locator(".ike[data-flying='true']").count() == 0
    page.evaluate(WATCH_FLIGHTS)
    page.get_by_role("button", name="Next step").click()
    page.wait_for_timeout(300)
    watched.shot("matrix_flying")
    flights = watched.until(lambda: page.evaluate("flights"), lambda noted: noted and noted[-1] == "false")
    assert "true" in flights
    places = np.argsort(~explorer.clip.masks.reshape(-1), kind="stable")
    m = explorer.matrices["M"][np.ix_(places, places)]
    there = np.argwhere(m > 0.5 * m.max())[::37]
    # They have landed where they belong.
    watched.until(lambda: min(picture.evaluate(BRIGHTEST, there.tolist())), lambda least: least > 100)


def test_nothing_flies_for_who_wants_no_motion(disk, tmp_path, explorer) -> None:
    watched = disk(tmp_path / "matrix.html")
    page = watched.page
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(WATCH_FLIGHTS)
    page.get_by_role("button", name="Next step").click()
    page.get_by_text("object first").first.wait_for()
    watched.drawn()
    assert "true" not in page.evaluate("flights")


def test_both_frames_are_in_view_beside_the_matrix(disk, tmp_path, explorer) -> None:
    page = disk(tmp_path / "matrix.html", size=(1280, 720)).page
    picture, *frames = [steady_box(canvas) for canvas in page.locator(".ike-canvas").all()]
    assert len(frames) == 2
    for frame in frames:
        assert frame["y"] + frame["height"] < 720
        assert frame["x"] > picture["x"] + picture["width"]
    assert re.search("entries that are 0", page.inner_text("main"))
