"""ClipPlayer, ChainExplorer and Compare in a real JupyterLab, and their static pages from disk."""

from __future__ import annotations

import re

import numpy as np
from looking import steady_box

import ikebook
from ikebook.widgets import ChainExplorer, ClipPlayer, Compare

MAKE = """
import numpy as np, ikebook
from ikebook.widgets import ClipPlayer, ChainExplorer, Compare
made = ikebook.toy("disc", size=(32, 24), frames=6)
clip = made.clip
soft = np.where(clip.masks, 0.9, 0.1)
"""


def test_the_three_widgets_in_a_notebook(lab, colour_at, click_pixel) -> None:
    cells = [
        MAKE + "player = ClipPlayer(clip, masks=clip.masks, soft=soft, labels=soft - 0.5)\nplayer",
        "explorer = ChainExplorer(clip, made.flow, frame=2, pixel=(16, 12))\nexplorer",
        "compare = Compare(clip, clip.masks, np.roll(clip.masks, 5, axis=2), names=('right', 'shifted'))\ncompare",
    ]
    watched = lab.open("three", cells)
    page = watched.page
    page.locator(".ike").nth(6).wait_for(state="attached")
    # ClipPlayer is 0 to 3, and its bar 4: all go in step, and Python knows.
    page.locator(".ike-canvas").first.focus()
    page.keyboard.press("ArrowRight")
    for canvas in range(5):
        watched.wait_frame(1, canvas)
    lab.until(watched, "print(player.frame)", "1")
    inside = np.argwhere(ikebook.toy("disc", size=(32, 24), frames=6).clip.masks[1]).mean(0).round().astype(int)
    watched.until(
        lambda: [colour_at(watched, (inside[1], inside[0]), canvas)[0] for canvas in (0, 1)],
        lambda red: red[1] > red[0] + 30,  # over the object
    )
    watched.shot("clip_player", page.locator(".jp-OutputArea-output").first)
    # ChainExplorer: a click goes to Python, and its chain comes back.
    click_pixel(watched, (8, 6), 5)
    page.get_by_text("pixel (8, 6)", exact=False).first.wait_for()
    lab.until(watched, "print(explorer.frame, explorer.pixel)", "2 (8, 6)")
    lab.until(watched, "print(len(explorer.chain) >= 2, len(explorer.canvas.paths) >= 1)", "True True")
    page.locator(".jp-OutputArea-output").nth(1).scroll_into_view_if_needed()
    watched.shot("chain_explorer", page.locator(".jp-OutputArea-output").nth(1))
    lab.python(watched, "explorer.radius = 1")
    lab.until(watched, "print(explorer.chain.frames.tolist())", "[1, 2, 3]")
    # Compare: the line moves in the browser, and Python hears where it was let go.
    stage = page.locator(".ike-canvas").nth(6)
    stage.scroll_into_view_if_needed()
    box = steady_box(stage)
    y = box["y"] + box["height"] / 3
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, y, steps=5)
    page.mouse.up()
    watched.until(lambda: float(lab.python(watched, "print(compare.swipe)")), lambda swipe: abs(swipe - 0.25) < 0.02)
    watched.shot("compare", page.locator(".jp-OutputArea-output").nth(2))


def test_pages_from_disk_offline(disk, tmp_path, colour_at, click_pixel, monkeypatch) -> None:
    monkeypatch.setattr("ikebook.widgets.chain_explorer.GRID", (4, 2))
    monkeypatch.setattr("ikebook.widgets.live_chains.MOST_BYTES", 1000)
    made = ikebook.toy("disc", size=(32, 24), frames=6)
    clip = made.clip
    soft = np.where(clip.masks, 0.9, 0.1)
    ClipPlayer(clip, masks=clip.masks, soft=soft).save_html(tmp_path / "player.html", title="A disc")
    Compare(clip, clip.masks, np.roll(clip.masks, 5, axis=2)).save_html(tmp_path / "compare.html")
    explorer = ChainExplorer(clip, made.flow, frame=2, pixel=(16, 12))
    explorer.save_html(tmp_path / "chains.html")
    assert explorer.pixel == (16, 12)

    watched = disk(tmp_path / "player.html")
    page = watched.page
    assert page.locator("h1").inner_text() == "A disc"
    page.locator(".ike-canvas").first.focus()
    page.keyboard.press("ArrowRight")
    for canvas in range(4):
        watched.wait_frame(1, canvas)
    x, y = (round(float(value)) for value in np.argwhere(clip.masks[1]).mean(0)[::-1])
    wanted = clip.frames[1, y, x]
    watched.until(lambda: colour_at(watched, (x, y), 0), lambda seen: np.abs(np.subtract(seen, wanted)).max() <= 20)
    page.get_by_role("button", name="Play the video").last.click()
    watched.wait_attribute(".ike", 0, "data-frame", re.compile("^[^1]$"))
    watched.shot("page_player")

    watched = disk(tmp_path / "compare.html", scheme="dark")
    watched.page.locator(".ike-plot").click(position={"x": 400, "y": 60})
    watched.wait_attribute(".ike", 0, "data-frame", re.compile("^[^0]$"))
    watched.shot("page_compare_dark")

    watched = disk(tmp_path / "chains.html", size=(800, 900))  # a grid of pixels, as if the clip were large
    page = watched.page
    watched.until(page.locator(".ike-step").inner_text, lambda text: text == "pixel (16, 12)")
    click_pixel(watched, (3, 3), 1)  # 0 is the step slider
    page.get_by_text("pixel (4, 6)", exact=True).wait_for()
    page.get_by_role("button", name="Next step").click()
    page.get_by_text("pixel (12, 6)", exact=True).wait_for()
    watched.wait_count("svg[role=img]", 2)
    watched.shot("page_chains_narrow")


def test_pictures_of_a_player_zoom_together_and_each_can_fill_the_screen(disk, tmp_path) -> None:
    clip = ikebook.toy("disc", size=(32, 24), frames=6).clip
    ClipPlayer(clip, masks=clip.masks, labels=clip.masks - 0.5).save_html(tmp_path / "player.html")
    watched = disk(tmp_path / "player.html")
    page = watched.page
    second = page.locator(".ike").nth(1)

    def zooms() -> list[str]:
        watched.drawn()
        return [root.get_attribute("data-zoom") for root in page.locator(".ike").all()]

    # The buttons on the bar are for all pictures, and so is Ctrl with the wheel on one of them; the wheel alone scrolls.
    page.get_by_role("button", name="Zoom in").click()
    watched.until(zooms, lambda found: found == ["1.50"] * 4)
    stage = second.locator(".ike-canvas")
    stage.evaluate("(node) => node.addEventListener('wheel', () => (node.turned = true), { once: true })")
    stage.hover()
    page.mouse.wheel(0, -150)
    watched.until(lambda: stage.evaluate("(node) => node.turned"))
    assert zooms() == ["1.50"] * 4
    page.keyboard.down("Control")
    page.mouse.wheel(0, -150)
    page.keyboard.up("Control")
    watched.until(zooms, lambda found: found == ["2.47"] * 4)  # 1.5 e^(150 / 300)
    page.get_by_role("button", name="Keys").click()
    page.get_by_text("On a picture:").wait_for()
    # One picture on the whole screen has a bar of its own, and the others go with it.
    assert second.get_by_role("slider", name="Frame").count() == 0
    second.locator(".ike-canvas").focus()
    page.keyboard.press("F")
    page.wait_for_function("() => document.fullscreenElement?.classList.contains('ike')")
    second.get_by_role("button", name="Next frame").click()
    for canvas in range(4):
        watched.wait_frame(1, canvas)
    second.get_by_role("button", name="Zoom in").wait_for()
    watched.shot("page_player_full")
    second.locator(".ike-canvas").focus()
    page.keyboard.press("F")
    page.wait_for_function("() => !document.fullscreenElement")
    second.get_by_role("slider", name="Frame").wait_for(state="hidden")
