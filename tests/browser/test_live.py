"""Power iteration that a page does by itself: what is painted there becomes the object, with Python's numbers and without Python."""

from __future__ import annotations

import re

import numpy as np
import pytest
from looking import steady_box, wait_for_rest, wait_for_walk

import ikebook
from ikebook import preset
from ikebook.widgets import InitialisationRace, PowerIterationStepper, SpectrumExplorer

CLIPS = {
    "disc": (lambda: ikebook.toy("disc"), "default"),
    "deforming": (lambda: ikebook.toy("deforming", size=(32, 24), frames=6), "saliency"),
    "embedded": (lambda: ikebook.demo(frames=8, size=(104, 56)), "default"),
}
"""Clips and presets: F has two columns, seven, and two."""

SHOWN = "(node) => Array.from(node.live.walk.values())"

RESTARTED = """({ live }) => {
    const { picture, walk } = live;
    const values = () => Array.from(picture.values(0, walk.matrix.nodes));
    const held = values();
    walk.restart();
    return [held, values()];
}"""

WHERE = "({ live, dataset }) => [live.walk.iteration, live.walk.voting, dataset.iteration]"

PAINTED = "(node) => Array.from(node.live.painting)"

ITERATION = ".ike-iteration"


def stroke(page, *, release: bool = True) -> None:
    """Draw into the upper left corner of the first canvas, where no object is."""
    stage = page.locator(".ike-canvas").first
    stage.scroll_into_view_if_needed()
    wait_for_walk(page.locator(ITERATION))
    box = steady_box(stage)
    for k, (u, v) in enumerate([(0.05, 0.1), (0.15, 0.12), (0.2, 0.2)]):
        page.mouse.move(box["x"] + u * box["width"], box["y"] + v * box["height"])
        if k == 0:
            page.mouse.down()
    if release:
        page.mouse.up()


def read(page, script: str) -> np.ndarray:
    return np.array(page.locator(ITERATION).evaluate(script))


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    wanted = wanted.reshape(-1)
    assert np.abs(found - wanted).max() <= 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("name", CLIPS)
def test_a_saved_page_iterates_as_python_does(disk, tmp_path, colour_at, name) -> None:
    make, options = CLIPS[name]
    made = make()
    stepper = PowerIterationStepper(made.clip, made.flow, options=preset(options), pace=0.02)
    stepper.save_html(tmp_path / "stepper.html")
    watched = disk(tmp_path / "stepper.html")
    page = watched.page
    iteration = page.locator(ITERATION)
    assert page.get_by_text("press Play").count() == 0
    # The object comes back, with no click: it iterates while the mouse moves, and goes on.
    stroke(page)
    iteration.get_by_text("Converged").wait_for()
    wait_for_rest(iteration)
    y, x = np.argwhere(made.clip.masks[0] & (stepper.live._solved.labels()[0].numpy() > 0)).mean(0).round().astype(int)
    watched.until(lambda: colour_at(watched, (x, y), 1), lambda rgb: rgb[0] > rgb[2] + 60)
    watched.shot(f"live_page_{name}")
    # Its labels are Python's, stage by stage.
    stepper.paint((read(page, PAINTED) / 255).reshape(made.clip.masks.shape))
    assert stepper.cosines[0] < 0.5
    assert_close(read(page, SHOWN), stepper.live._solved.labels().numpy())
    # A canvas that draws between a restart and the next picture still has the one that it was given.
    held, kept = iteration.evaluate(RESTARTED)
    assert held == kept
    assert any(held)
    page.get_by_role("button", name="Restart").click()
    watched.wait_attribute(ITERATION, 0, "data-iteration", re.compile("^0$"))
    for stage, t in (("normalised", 1), ("propagated", 1), ("normalised", 2)):
        page.get_by_role("button", name="Next stage").click()
        while stepper.stage != stage or stepper.iteration < 1:
            stepper.step()
        watched.until(lambda: iteration.evaluate(WHERE), lambda at, it=[t, stage == "propagated", str(t)]: at == it)
        wait_for_rest(iteration)
        assert_close(read(page, SHOWN), stepper.sign * stepper.labels)
        if stage == "normalised":
            cosine = float(re.search(r"eigenvector (\d\.\d+)", iteration.inner_text())[1])
            assert cosine == pytest.approx(stepper.cosines[-1], abs=1e-3)
        stepper.step()


def test_a_saved_page_mixes_as_python_does(disk, tmp_path) -> None:
    made = ikebook.toy("two_objects")
    explorer = SpectrumExplorer(made.clip, made.flow, options=preset("saliency"), pairs=2)
    explorer.save_html(tmp_path / "spectrum.html")
    watched = disk(tmp_path / "spectrum.html")
    page = watched.page
    page.get_by_role("slider", name="Weight of eigenvector 2").focus()
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    page.get_by_text("1.00 v1 \u2212 0.40 v2").wait_for()
    explorer.weights = [1.0, -0.4]
    found = page.locator(".ike-mixture").evaluate(
        "(node, n) => Array.from(node.live.picture.values(0, n))", explorer.labels.size
    )
    assert_close(np.array(found), explorer.labels)
    # Noise, likewise.
    page.get_by_role("slider", name="flow noise").focus()
    page.keyboard.press("End")
    page.get_by_text("eigenvector 1, 2 px of noise").wait_for()
    page.get_by_text("1.00 v1 \u2212 0.40 v2").wait_for()
    found = page.locator(".ike-noise").evaluate(
        "(node, n) => Array.from(node.live.picture.values(0, n))", explorer.labels.size
    )
    changed, labels = explorer._perturbed(2.0, lambda: None)
    assert_close(np.array(found), labels)
    page.get_by_text(f"sine {changed.sine:.3g}.").wait_for()


def test_a_longer_title_moves_nothing(disk, tmp_path) -> None:
    made = ikebook.toy("disc")  # whose pictures are narrower than their column
    SpectrumExplorer(made.clip, made.flow).save_html(tmp_path / "spectrum.html")
    page = disk(tmp_path / "spectrum.html").page
    page.set_viewport_size({"width": 1280, "height": 720})
    noise = page.get_by_role("slider", name="flow noise")
    before = steady_box(noise)
    noise.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("eigenvector 1, 0.05 px of noise").wait_for()
    assert steady_box(noise) == before


def test_a_saved_page_races_as_python_does(disk, tmp_path) -> None:
    made = ikebook.toy("disc", size=(32, 24), frames=6)
    race = InitialisationRace(made.clip, made.flow, options=preset("saliency"), iterations=5)
    race.save_html(tmp_path / "race.html")
    watched = disk(tmp_path / "race.html")
    page = watched.page
    assert page.locator(".ike-step").count() == 0
    page.get_by_role("slider", name="iteration").focus()
    for t in range(1, 6):
        page.keyboard.press("ArrowRight")
        watched.wait_attribute(".ike-race", 0, "data-iteration", re.compile(f"^{t}$"))
        if t in (3, 4):
            continue
        expected = race._rounds[t]
        for start, name in enumerate(race.starts):
            picture = "(node, [start, n]) => Array.from(node.live.picture('', start, [0]).values(0, n))"
            found = page.locator(".ike-race").evaluate(picture, [start, expected.maps[name].size])
            assert_close(np.array(found), expected.maps[name])
            page.get_by_text(f"{name}: {expected.cosine[name]:.3f}", exact=True).wait_for()
    scores = page.locator(".ike-race").evaluate("(node) => node.live.traits.get('scores')")
    assert scores == list(race.curves["J"].values())
