"""The canvas in a real JupyterLab: what it shows, what it hears, and what goes back to Python."""

from __future__ import annotations

import re

from looking import steady_box

TOY = """
import numpy as np
from ikebook.widgets import VideoCanvas, link
frames = np.zeros((6, 8, 12, 3), np.uint8)
for t in range(6):
    frames[t, 2:5, t : t + 3] = (250, 120, 10 * t)  # a square that goes right
maps = np.zeros((6, 8, 12))
maps[:, 6] = np.linspace(0, 1, 12)
"""

CANVAS = TOY + "canvas = VideoCanvas(frames, maps=maps, caption='A square', opacity=1.0)\ncanvas"


def near(colour, wanted, within=6) -> bool:
    return all(abs(a - b) <= within for a, b in zip(colour, wanted, strict=True))


def wait_for_colours(watched, colour_at, wanted: dict[tuple[float, float], tuple[int, int, int]]) -> None:
    """Until the pixels of the frame have these colours, all at once."""

    def shown() -> list[list[int]]:
        return [colour_at(watched, pixel) for pixel in wanted]

    watched.until(shown, lambda seen: all(map(near, seen, wanted.values())))


def test_it_shows_frames_and_maps_and_hears_keys_and_clicks(lab, colour_at, click_pixel) -> None:
    watched = lab.open("canvas", [TOY + "canvas = VideoCanvas(frames, caption='A square', fps=20)\ncanvas"])
    page = watched.page
    stage = page.locator(".ike-canvas")
    stage.wait_for()
    watched.wait_frame(0)
    wait_for_colours(watched, colour_at, {(1, 3): (250, 120, 0), (5, 3): (0, 0, 0)})
    watched.wait_attribute(".ike-canvas", 0, "aria-label", re.compile("^A square, frame 0 of 6$"))
    # Keys: frames, first and last, and back.
    stage.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    watched.wait_frame(2)
    wait_for_colours(watched, colour_at, {(1, 3): (0, 0, 0), (4, 3): (250, 120, 20)})
    page.keyboard.press("End")
    watched.wait_frame(5)
    page.keyboard.press("ArrowLeft")
    watched.wait_frame(4)
    lab.until(watched, "print(canvas.frame)", "4")
    # A click reaches Python, and what Python answers comes back.
    lab.python(watched, "canvas.observe(lambda c: setattr(canvas, 'caption', f'clicked {c.new}'), 'picked')")
    click_pixel(watched, (9, 3))
    page.get_by_text("clicked [4, 9, 3]").wait_for()
    lab.until(watched, "print(canvas.pixel, canvas.picked)", "[9, 3] [4, 9, 3]")
    watched.until(page.locator(".ike-readout").inner_text, lambda text: "pixel (9, 3)" in text)
    # The pixel cursor: Shift and arrows, then Enter.
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("clicked [4, 8, 4]").wait_for()
    # Python moves the frame.
    lab.python(watched, "canvas.frame = 1")
    watched.wait_frame(1)
    # Space plays, and pauses; playing is known to Python, and the frame when it has stopped.
    page.keyboard.press(" ")
    watched.wait_attribute(".ike", 0, "data-frame", re.compile("^[^1]$"))
    page.get_by_role("button", name="Pause the video").wait_for()
    lab.until(watched, "print(canvas.playing)", "True")
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play the video").wait_for()

    def frames() -> tuple[str, str | None]:
        """What Python says, and what is shown."""
        said = lab.python(watched, "print(canvas.playing, canvas.frame)")
        return said, page.locator(".ike").get_attribute("data-frame")

    watched.until(frames, lambda both: both[0] == f"False {both[1]}")
    # Zoom: the square's pixels grow.
    page.keyboard.press("Home")
    stage.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    watched.drawn()
    watched.shot("canvas_zoomed", page.locator(".ike"))
    page.keyboard.press("0")
    watched.until(page.locator(".ike-live").inner_text, lambda text: "frame 0" in text)


def scrubbing_sends_nothing_until_it_ends(lab, watched) -> None:
    page = watched.page
    slider = page.get_by_label("Frame", exact=True)
    box = steady_box(slider)
    root = page.locator(".ike")
    before = watched.updates()
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    seen = set()
    for k in range(30):
        frame = str(k % 6)
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (k % 6) / 5, box["y"] + box["height"] / 2)
        seen.add(watched.until(lambda: root.get_attribute("data-frame"), lambda shown, frame=frame: shown == frame))
    assert seen == set("012345")
    page.wait_for_timeout(350)  # longer than after a key, when the end of a scrub is only known by nothing that follows
    assert watched.updates() == before
    page.mouse.up()
    watched.until(watched.updates, lambda count: count > before)
    page.wait_for_timeout(350)
    assert watched.updates() == before + 1
    assert lab.python(watched, "print(canvas.frame)") == frame
    watched.wait_frame(int(frame))


def test_an_overlay_scrubbing_and_the_dark_theme(lab, colour_at) -> None:
    watched = lab.open("overlay", [CANVAS])
    page = watched.page
    watched.wait_frame(0)
    wait_for_colours(watched, colour_at, {(11, 6): (253, 231, 37), (0, 6): (68, 1, 84)})  # viridis: the last, the first
    lab.python(watched, "canvas.opacity = 0.0")
    page.wait_for_function("document.querySelector('.ike-opacity').value === '0'")
    watched.until(lambda: colour_at(watched, (11, 6)), lambda colour: near(colour, (0, 0, 0)))
    lab.python(watched, "canvas.show(maps=1 - maps, colours='gray'); canvas.opacity = 1.0")
    watched.until(lambda: colour_at(watched, (0, 6)), lambda colour: near(colour, (255, 255, 255)))
    watched.shot("canvas_overlay", page.locator(".ike"))
    # A mark is drawn around its pixel.
    lab.python(watched, "canvas.points = [{'x': 5, 'y': 1, 'colour': '#00ff00'}]")
    for edge in ((4.5, 1), (5.5, 1), (5, 0.5), (5, 1.5)):
        watched.until(lambda edge=edge: colour_at(watched, edge), lambda colour: near(colour, (0, 255, 0)))
    lab.python(watched, "canvas.points = []")
    scrubbing_sends_nothing_until_it_ends(lab, watched)
    lab.dress("dark")
    dark = "getComputedStyle(document.querySelector('.ike')).color.match(/[0-9.]+/g).slice(0, 3).every((part) => part > 180)"
    page.wait_for_function(dark)
    watched.shot("canvas_dark", page.locator(".ike"))


def test_painting_comes_back_after_a_stroke(lab, colour_at) -> None:
    watched = lab.open("paint", [TOY + "canvas = VideoCanvas(frames, paint=True, brush=0)\ncanvas"])
    page = watched.page
    watched.wait_frame(0)
    box = steady_box(page.locator(".ike-canvas"))
    pixel = box["width"] / 12
    page.mouse.move(box["x"] + 6.5 * pixel, box["y"] + 1.5 * pixel)
    page.mouse.down()
    page.mouse.move(box["x"] + 9.5 * pixel, box["y"] + 1.5 * pixel, steps=4)
    before = watched.updates()
    page.mouse.up()
    watched.until(watched.updates, lambda count: count > before)
    lab.until(watched, "print(np.argwhere(canvas.painting > 0).tolist())", "[[1, 6], [1, 7], [1, 8], [1, 9]]")
    assert watched.updates() == before + 1
    watched.until(lambda: colour_at(watched, (7, 1)), lambda colour: colour[0] > 100 and colour[2] < 60)
    watched.shot("canvas_painted", page.locator(".ike"))
    page.get_by_label("Clear the painting").click()
    lab.until(watched, "print(canvas.painting.sum())", "0.0")
    # The keyboard can paint too.
    page.locator(".ike-canvas").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    lab.until(watched, "print(np.argwhere(canvas.painting > 0).tolist())", "[[4, 7]]")


def test_linked_canvases_go_in_step_in_the_browser(lab) -> None:
    cells = [TOY + "a, b = VideoCanvas(frames), VideoCanvas(frames)\nlink(a, b)", "a", "b"]
    watched = lab.open("linked", cells)
    page = watched.page
    page.locator(".ike").nth(1).wait_for()
    watched.wait_frame(0, 1)
    box = steady_box(page.get_by_label("Frame", exact=True).first)
    before = watched.updates()
    # While the mouse holds the slider, however long: in step before Python hears of it.
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) / 5, box["y"] + box["height"] / 2)
    watched.wait_frame(1, 0)
    watched.wait_frame(1, 1)
    assert watched.updates() == before
    page.mouse.up()
    lab.until(watched, "print(a.frame, b.frame)", "1 1")
    # By a key, likewise.
    page.locator(".ike-canvas").first.focus()
    page.keyboard.press("ArrowRight")
    watched.wait_frame(2, 0)
    watched.wait_frame(2, 1)
    lab.until(watched, "print(a.frame, b.frame)", "2 2")


def test_a_saved_notebook_opens_again_with_its_pictures(lab, colour_at) -> None:
    cells = [TOY + "canvas = VideoCanvas(frames, caption='kept', frame=3)\ncanvas"]
    watched = lab.open("kept", cells)
    watched.wait_frame(3)
    lab.save(watched)
    text = (lab.server.root / "kept.ipynb").read_text()
    assert "application/vnd.jupyter.widget-state+json" in text
    # Another kernel, which has run nothing: all that is shown comes from the file.
    (lab.server.root / "opened_again.ipynb").write_text(text)
    again = lab.open("opened_again", run=False, own_kernel=True)
    again.page.get_by_text("kept", exact=True).wait_for()
    again.wait_frame(3)
    wait_for_colours(again, colour_at, {(4, 3): (250, 120, 30)})
    again.page.locator(".ike-canvas").focus()
    again.page.keyboard.press("ArrowLeft")
    again.wait_frame(2)
    wait_for_colours(again, colour_at, {(2, 3): (250, 120, 20)})
    lab.shut_down(again)
