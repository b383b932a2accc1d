"""The widgets that compute, in a real JupyterLab: clicks and keys reach Python, and what it finds comes back."""

from __future__ import annotations

import re

from looking import SECONDS, steady_box, wait_for_walk

MADE = "from ikebook import toy\nmade = toy('disc')\n"

COLOUR = """([index, x, y]) => {
    // The colour on the screen at a pixel of the index-th canvas that shows a picture, RGB.
    const canvas = document.querySelectorAll('.ike-canvas')[index];
    const [m, h, w] = canvas.closest('.ike').shape;
    const u = Math.floor((x + 0.5) * canvas.width / w), v = Math.floor((y + 0.5) * canvas.height / h);
    return [...canvas.getContext('2d').getImageData(u, v, 1, 1).data].slice(0, 3);
}"""


def colour(watched, canvas: int, pixel: tuple[int, int]) -> list[int]:
    return watched.page.evaluate(COLOUR, [canvas, *pixel])


def drag(
    watched, canvas: int, points: list[tuple[int, int]], size: tuple[int, int] = (16, 16), *, release=True
) -> None:
    """Press the mouse at the first pixel of a canvas, move it over the others, and let go unless `release` is False."""
    stage = watched.page.locator(".ike-canvas").nth(canvas)
    stage.scroll_into_view_if_needed()
    box = steady_box(stage)
    mouse = watched.page.mouse
    for index, (x, y) in enumerate(points):
        mouse.move(box["x"] + (x + 0.5) * box["width"] / size[0], box["y"] + (y + 0.5) * box["height"] / size[1])
        if index == 0:
            mouse.down()
    if release:
        mouse.up()


def button(watched, name: str):
    return watched.page.locator(".jupyter-button, .ike-choice-button", has_text=name).first


def whole(watched, name: str) -> None:
    """A picture of the widget alone."""
    watched.page.mouse.move(2, 2)
    watched.drawn()
    watched.shot(name, watched.page.locator(".jp-OutputArea-output").first)


def is_red(rgb: list[int]) -> bool:
    return rgb[0] > rgb[2] + 60


def wait_for_red(watched, canvas: int, pixel: tuple[int, int]) -> None:
    watched.until(lambda: colour(watched, canvas, pixel), is_red)


def wait_for_one_red(watched, canvas: int, pixel: tuple[int, int], other: tuple[int, int]) -> None:
    """Until one of two pixels is red, and the other is not, in the same picture."""
    pixels = (pixel, other)
    watched.until(
        lambda: [colour(watched, canvas, each) for each in pixels], lambda both: is_red(both[0]) and not is_red(both[1])
    )


def press(locator, key: str) -> None:
    """A key on what is ready to hear it."""
    from playwright.sync_api import expect

    expect(locator).to_be_enabled(timeout=1000 * SECONDS)
    locator.focus()
    locator.page.keyboard.press(key)


def wait_for_step(watched, words: str) -> None:
    """Until a saved page is at the step that its label names so."""
    watched.until(watched.page.locator(".ike-step").inner_text, lambda text: words in text)


def test_painting_turns_into_the_object(lab, disk, tmp_path) -> None:
    """The moment that the course is built around."""
    code = "from ikebook.widgets import PowerIterationStepper\n"
    code += "stepper = PowerIterationStepper(made.clip, made.flow, dense=True, pace=0.05)\nstepper"
    watched = lab.open("stepper", [MADE + code])
    page = watched.page
    page.locator(".ike-canvas").nth(1).wait_for()
    assert lab.python(watched, "print(stepper.ready(), stepper.stage, stepper.error)") == "None start"
    # Next, by the mouse and by the keyboard.
    button(watched, "Next").click()
    page.get_by_text("gathered the votes").wait_for()
    press(button(watched, "Next"), "Enter")
    page.get_by_text("what the features can say").wait_for()
    lab.until(watched, "print(stepper.stage, stepper.iteration)", "projected 1")
    button(watched, "Back").click()
    page.get_by_text("gathered the votes").wait_for()
    # Paint into a corner, far from the object: while the mouse is down, the page itself iterates, and the object comes back.
    lab.until(watched, "print(stepper.live.wanted, len(stepper.live.columns) > 0)", "True True")
    wait_for_walk(page.locator(".ike-iteration"))
    before = watched.until(lambda: colour(watched, 0, (2, 2)), any)
    drag(watched, 0, [(1, 1), (4, 2), (2, 4)], release=False)
    page.locator(".ike-iteration").get_by_text("cosine to the exact eigenvector 1.0000").wait_for()
    wait_for_red(watched, 1, (9, 7))
    assert lab.python(watched, "print(stepper.start, stepper.stage)") == "noise propagated"
    watched.shot("stepper_while_painting")
    # Let go: it reaches Python, whose x(0) is shown.
    page.mouse.up()
    page.get_by_text("While you painted, the page came to x(").wait_for()
    page.get_by_text("x(0): what the algorithm begins with").wait_for()
    lab.until(watched, "print(stepper.start, stepper.labels[0, 2, 3] > 0, stepper.labels[0, 8, 8])", "painted True 0.0")
    watched.until(lambda: colour(watched, 0, (2, 2)), lambda seen: seen != before)
    wait_for_one_red(watched, 1, (3, 2), (8, 8))
    whole(watched, "stepper_painted")
    button(watched, "Play").click()
    page.get_by_text("Converged after").wait_for()
    assert float(lab.python(watched, "stepper.wait(30); print(stepper.cosines[-1])")) > 0.99999
    wait_for_one_red(watched, 1, (9, 7), (3, 2))  # the disc of frame 0
    page.locator("svg[aria-label^='cosine to the exact eigenvector']").wait_for()
    whole(watched, "stepper_converged")
    # The frames go on as in any player.
    stage = page.locator(".ike-canvas").nth(1)
    stage.focus()
    page.keyboard.press("ArrowRight")
    watched.wait_frame(1, 0)
    watched.wait_frame(1, 1)
    # A start from the menu.
    page.get_by_label("x(0)", exact=True).select_option("constant")
    lab.until(watched, "print(stepper.start, stepper.stage)", "constant start")
    # Its page, offline: the painting becomes the object there, too.
    lab.python(watched, "import numpy as np; p = np.zeros((16, 16)); p[:4, :4] = 1; stepper.paint(p)")
    said = lab.python(watched, f"stepper.save_html({str(tmp_path / 'stepper.html')!r}); print(stepper.error)")
    assert said == ""
    saved = disk(tmp_path / "stepper.html")
    saved.page.get_by_role("button", name="Iterate").click()
    saved.page.locator(".ike-iteration").get_by_text("Converged").wait_for()
    wait_for_red(saved, 1, (9, 7))
    saved.shot("stepper_page")


def test_an_entry_of_a_matrix_leads_to_its_two_pixels(lab, disk, tmp_path) -> None:
    code = "from ikebook.widgets import MatrixExplorer\nexplorer = MatrixExplorer(made.clip, made.flow)\nexplorer"
    watched = lab.open("matrix", [MADE + code])
    page = watched.page
    page.get_by_text("A = PMP, 1280 x 1280").wait_for()
    page.get_by_text("eigenvalues").first.wait_for()
    button(watched, "M, motion chains").click()
    page.get_by_text("99.68 %").wait_for()
    # Click an entry; a screen's pixel has several of the matrix's 1280, so what is expected is what Python heard.
    drag(watched, 0, [(300, 100)], (1280, 1280))
    page.get_by_text("motion chain joins the two pixels").wait_for()
    said = watched.until(lambda: lab.python(watched, "print(explorer.entry)"), lambda said: said != "None")
    row, column = map(int, said.strip("()").split(","))
    assert abs(column - 300) < 5
    assert abs(row - 100) < 5
    frame, x, y = column // 256, column % 16, column % 256 // 16
    page.get_by_text(f"frame {frame}, pixel ({x}, {y})").wait_for()
    # Pointing is enough to see the pixels, in the browser alone: Python hears nothing.
    stage = page.locator(".ike-canvas").first
    stage.scroll_into_view_if_needed()
    box, before = steady_box(stage), watched.updates()
    page.mouse.move(box["x"] + box["width"] * 1100 / 1280, box["y"] + box["height"] * 500 / 1280)
    watched.wait_frame(500 // 256, 1)
    watched.wait_frame(1100 // 256, 2)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 30)
    watched.wait_frame(row // 256, 1)
    watched.wait_frame(frame, 2)
    assert watched.updates() == before
    # The keyboard's cursor picks the entry beside it.
    stage = page.locator(".ike-canvas").first
    stage.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text(f"column {column + 1}:").first.wait_for()
    lab.until(watched, "print(explorer.entry)", f"({row}, {column + 1})")
    whole(watched, "matrix_motion")
    # Another matrix in another order: the picture changes, the two pixels stay.
    joined = lab.python(watched, "print(explorer.joined)")
    before = [colour(watched, 0, (k, k + 5)) for k in range(20, 1200, 100)]
    button(watched, "A = PMP").click()
    page.get_by_label("order").select_option("by the eigenvector")
    lab.until(watched, "print(explorer.shown, explorer.order, explorer.error)", "PMP eigenvector")
    assert lab.python(watched, "print(explorer.joined)") == joined
    wait_for_red(watched, 0, (20, 20))  # object and object
    watched.until(lambda: [colour(watched, 0, (k, k + 5)) for k in range(20, 1200, 100)], lambda seen: seen != before)
    whole(watched, "matrix_ordered")
    lab.python(watched, f"explorer.save_html({str(tmp_path / 'matrix.html')!r})")
    saved = disk(tmp_path / "matrix.html")
    saved.page.get_by_role("button", name="Next step").click()
    wait_for_step(saved, "object first")
    saved.shot("matrix_page")


def test_eigenvectors_are_chosen_mixed_and_shaken(lab, disk, tmp_path) -> None:
    code = "from ikebook import preset\nfrom ikebook.widgets import SpectrumExplorer\n"
    code += "explorer = SpectrumExplorer(made.clip, made.flow, options=preset('saliency'))\nexplorer"
    watched = lab.open("spectrum", [MADE + code])
    page = watched.page
    page.get_by_text("eigenvector 1", exact=True).wait_for()
    first = watched.until(lambda: colour(watched, 0, (9, 7)), is_red)
    button(watched, "2:").click()
    page.get_by_text("eigenvector 2", exact=True).wait_for()
    watched.until(lambda: colour(watched, 0, (9, 7)), lambda seen: seen != first)
    lab.until(watched, "print(explorer.selected, explorer.weights[:2])", "1 [0.0, 1.0]")
    # The first mixing slider: while the mouse is down, the page mixes; then Python hears of it.
    watched.until(lambda: page.locator(".ike-mixture").evaluate("(node) => Boolean(node.live.columns)"))
    slider = page.get_by_role("slider", name="Weight of eigenvector 1")
    slider.scroll_into_view_if_needed()
    box = steady_box(slider)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    page.get_by_text(re.compile(r"^0\.\d+ v1 \+ 1\.00 v2$")).wait_for()
    assert lab.python(watched, "print(explorer.weights[:2])") == "[0.0, 1.0]"
    page.mouse.up()
    page.get_by_text(re.compile(r"^0\.\d+ v1 \+ 1 v2$")).wait_for()
    # The keyboard.
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_text("\u22121 v1 + 1 v2").wait_for()
    for _ in range(30):
        page.keyboard.press("ArrowUp")
    lab.until(watched, "print(explorer.weights[0])", "0.5")
    whole(watched, "spectrum_mixed")
    # Noise: its levels are measured in the background, and then the picture follows the slider; no further than allowed.
    noise = page.get_by_role("slider", name="flow noise, measured levels")
    noise.wait_for()
    noise.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_text("Turned by").first.wait_for()
    page.get_by_text("eigenvector 1, 0.2 px of noise").wait_for()
    lab.until(watched, "print(explorer.noise, 0 < explorer.moved <= explorer.bound, explorer.busy)", "0.2 True False")
    page.get_by_text(re.compile(r"0\.50? v1 \+ 1 v2")).wait_for()  # the mixture stays
    watched.wait_count("svg[aria-label^='sine of the turn']", 1)
    whole(watched, "spectrum_noise")
    lab.python(watched, f"explorer.save_html({str(tmp_path / 'spectrum.html')!r})")
    saved = disk(tmp_path / "spectrum.html", scheme="dark")
    saved.page.get_by_role("button", name="Next step").click()
    wait_for_step(saved, "eigenvector 2")
    saved.page.get_by_role("slider", name="Weight of eigenvector 1").focus()
    saved.page.keyboard.press("Home")
    saved.page.get_by_text("\u22121.00 v1 + 1.00 v2").wait_for()
    saved.shot("spectrum_page_dark")


def test_a_race_is_run_watched_and_looked_back_at(lab, disk, tmp_path) -> None:
    code = "from ikebook.widgets import InitialisationRace\nrace = InitialisationRace(made.clip, made.flow, iterations=6)\nrace"
    watched = lab.open("race", [MADE + code], scheme="dark")
    page = watched.page
    page.locator(".ike-canvas").nth(4).wait_for()
    wait_for_red(watched, 1, (2, 2))  # the constant
    # The page runs by itself, and Python follows for its numbers.
    page.get_by_role("button", name="Run: all starts").click()
    page.get_by_text("After 6 iterations, 5 of 5 starts").wait_for()
    for canvas in range(5):
        wait_for_one_red(watched, canvas, (9, 7), (2, 2))
    lab.until(watched, "print(race.iteration, len(race.curves['J']['noise']))", "6 7")
    page.locator(".ike-race svg[aria-label^='J of its masks']").wait_for()
    whole(watched, "race")
    # Back to the start, by the slider's keys; and where Python says.
    handle = page.get_by_role("slider", name="iteration", exact=True)
    handle.focus()
    page.keyboard.press("Home")
    page.locator(".ike-race").get_by_text("Starts that know nothing").wait_for()
    wait_for_red(watched, 1, (2, 2))
    lab.until(watched, "print(race.iteration)", "0")
    lab.python(watched, "race.iteration = 2")
    page.get_by_text("After 2 iterations").wait_for()
    lab.python(watched, f"race.save_html({str(tmp_path / 'race.html')!r})")
    page.get_by_text("After 2 iterations").wait_for()
    saved = disk(tmp_path / "race.html")
    saved.page.get_by_role("button", name="Run: all starts").click()
    saved.page.get_by_text("After 6 iterations, 5 of 5 starts").wait_for()
    wait_for_red(saved, 1, (9, 7))
    saved.shot("race_page")


DASHBOARD = """
import time
from ikebook import toy
from ikebook.cycle import CycleOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.networks.training import TrainOptions
from ikebook.widgets import CycleDashboard
made = toy("disc", (48, 32), 8)
tiny = NetworkOptions(widths=(8, 16), dilations=(1, 2), stem=1)
options = CycleOptions(cycles=2, network=tiny, training=TrainOptions(epochs=150, rate=1e-2, patience=10**6), tolerance=0)
rest = 0.5  # seconds after each step of a network: a slow page sees it at work, too

class Unhurried(CycleDashboard):
    def _exchange(self, job):
        step = job.step

        def slowly(*said):
            step(*said)
            if said[1].startswith("network"):
                time.sleep(rest)

        job.step = slowly
        super()._exchange(job)

dashboard = Unhurried(made.clip, made.flow, options=options)
dashboard
"""


def test_the_dashboard_runs_pauses_and_never_blocks_the_kernel(lab, disk, tmp_path) -> None:
    watched = lab.open("dashboard", [DASHBOARD])
    page = watched.page
    page.locator(".ike-canvas").first.wait_for()
    button(watched, "Start").click()
    page.get_by_text("network 1: step").first.wait_for()
    # The kernel answers while the network is trained.
    assert lab.python(watched, "print(1 + 1, dashboard.state)") == "2 running"
    button(watched, "Pause").click()
    page.get_by_text("Paused: it waits").wait_for()
    whole(watched, "dashboard_paused")
    # The step that it was at may end yet; then there is none, however fast they would be.
    stands = "a = dashboard.bar.job.fraction; time.sleep(0.5); print(dashboard.state, a == dashboard.bar.job.fraction)"
    lab.python(watched, "rest = 0")
    lab.until(watched, stands, "paused True")
    assert lab.python(watched, stands) == "paused True"
    # What has been found can be looked at meanwhile.
    page.get_by_text("Graph Module 1: x").wait_for()
    stage = page.locator(".ike-canvas").first
    stage.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.ike').dataset.frame === '1'")
    button(watched, "Continue").click()
    page.get_by_text("Done: all cycles are done").wait_for()
    lab.until(watched, "print(dashboard.state, len(dashboard.states), dashboard.error)", "done 3")
    page.get_by_text("Graph Module 2: x").wait_for()
    page.locator("svg[aria-label^='training']").wait_for()
    across = [(x, 16) for x in range(4, 46, 2)]
    before = [colour(watched, 0, pixel) for pixel in across]
    button(watched, "network 1").click()
    page.get_by_text("Graph Module 1: x").wait_for()
    page.get_by_text("Network Module 1: s, object").wait_for()
    lab.until(watched, "print(dashboard.shown)", "1")
    watched.until(lambda: [colour(watched, 0, pixel) for pixel in across], lambda seen: seen != before)
    whole(watched, "dashboard_done")
    lab.python(watched, f"dashboard.save_html({str(tmp_path / 'dashboard.html')!r})")
    saved = disk(tmp_path / "dashboard.html")
    saved.page.get_by_role("button", name="Next step").click()
    wait_for_step(saved, "network 1")
    saved.shot("dashboard_page")


def test_an_error_is_one_line_inside_the_widget(lab) -> None:
    code = "from ikebook.widgets import SpectrumExplorer\nmade = toy('still')\n"
    watched = lab.open("still", [MADE + code + "explorer = SpectrumExplorer(made.clip, made.flow)\nexplorer"])
    alert = watched.page.get_by_role("alert").filter(has_text="nothing moves against the scene")
    alert.wait_for()
    assert "\n" not in alert.inner_text()
    whole(watched, "error")
