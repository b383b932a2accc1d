"""Chains under the pointer: the page draws them, with Python's numbers and without Python."""

from __future__ import annotations

import numpy as np
import pytest
from looking import steady_box

import ikebook
from ikebook.widgets import ChainExplorer

SEEN = "(node) => node.live.seen"

CHAINS = ".ike-chains"


def point_at(page, explorer: ChainExplorer, x: int, y: int) -> None:
    box = steady_box(page.locator(".ike-canvas").first)
    w, h = explorer.clip.size
    page.mouse.move(box["x"] + (x + 0.5) * box["width"] / w, box["y"] + (y + 0.5) * box["height"] / h)


def seen(watched, node: list[int]) -> dict:
    root = watched.page.locator(CHAINS)
    return watched.until(lambda: root.evaluate(SEEN), lambda found: found and found["node"] == node)


def assert_same(found: dict, explorer: ChainExplorer) -> None:
    """What the page shows of a node, and what Python computes of it."""
    chain = np.array(found["chain"])
    assert chain[:, 0].tolist() == explorer.chain.frames.tolist()
    np.testing.assert_allclose(chain[:, 1:3], np.stack([explorer.chain.x, explorer.chain.y], 1), atol=2e-3)
    np.testing.assert_allclose(found["out"], explorer.weights, atol=2.5e-3)  # likeness is one of 256
    links = sorted(tuple(link[:3]) for link in found["incoming"])
    incoming = explorer.incoming
    assert links == sorted(zip(incoming.frames, incoming.x, incoming.y, strict=True))
    assert sum(found["into"]) == pytest.approx(explorer._incoming_weights.sum(), abs=2.5e-3 * max(1, len(links)))
    row = np.array(list(explorer.features.values()))
    np.testing.assert_allclose(found["row"], row, atol=1e-3 * max(1, np.abs(row).max()))


@pytest.mark.parametrize("name", ["default", "saliency"])
def test_a_saved_page_has_the_chains_of_every_pixel(disk, tmp_path, name) -> None:
    made = ikebook.toy("deforming", size=(32, 24), frames=6)
    explorer = ChainExplorer(made.clip, made.flow, frame=2, pixel=(16, 12), options=ikebook.preset(name))
    explorer.save_html(tmp_path / "chains.html")
    assert explorer.controls["radius"].max == 30
    watched = disk(tmp_path / "chains.html")
    page = watched.page
    assert_same(seen(watched, [2, 16, 12]), explorer)
    for x, y in [(3, 4), (20, 13), (31, 23)]:
        point_at(page, explorer, x, y)
        explorer.pixel = (x, y)
        assert_same(seen(watched, [2, x, y]), explorer)
    page.get_by_text("frame 2, pixel (31, 23)", exact=True).wait_for()
    # Another frame, and sliders that move without a kernel.
    page.get_by_role("button", name="Next frame").click()
    point_at(page, explorer, 15, 11)
    explorer.frame, explorer.pixel = 3, (15, 11)
    assert_same(seen(watched, [3, 15, 11]), explorer)
    page.locator(".ike-canvas").first.click(position={"x": 100, "y": 100})
    node = watched.until(lambda: page.locator(CHAINS).evaluate(SEEN)["node"], lambda found: found != [3, 15, 11])
    page.get_by_role("slider", name="radius p").focus()
    page.keyboard.press("Home")
    page.mouse.move(2, 2)
    watched.until(lambda: page.locator(CHAINS).evaluate("(node) => node.live.at === null"))
    explorer.frame, explorer.pixel, explorer.radius = node[0], (node[1], node[2]), 1
    found = watched.until(lambda: page.locator(CHAINS).evaluate(SEEN), lambda one: len(one["chain"]) <= 3)
    assert found["node"] == node  # what was clicked stays
    chain = np.array(found["chain"])
    assert chain[:, 0].tolist() == explorer.chain.frames.tolist()
    np.testing.assert_allclose(found["out"], explorer.weights, atol=2.5e-3)
    watched.shot(f"chains_page_{name}")


def test_the_axes_stay_where_they_are(disk, tmp_path) -> None:
    made = ikebook.toy("deforming", size=(32, 24), frames=6)
    explorer = ChainExplorer(made.clip, made.flow, frame=2, options=ikebook.preset("saliency"))
    explorer.save_html(tmp_path / "chains.html")
    watched = disk(tmp_path / "chains.html")
    numbers = set()
    for x, y in [(3, 4), (16, 12), (30, 2)]:
        point_at(watched.page, explorer, x, y)
        seen(watched, [2, x, y])
        numbers.add(tuple(watched.page.locator(f"{CHAINS} svg text[text-anchor=end]").all_inner_texts()))
    assert len(numbers) == 1


def test_the_page_draws_them_while_the_pointer_moves_in_a_notebook(lab) -> None:
    code = "import ikebook\nfrom ikebook.widgets import ChainExplorer\nmade = ikebook.toy('deforming', size=(32, 24), frames=6)\n"
    code += "explorer = ChainExplorer(made.clip, made.flow, frame=2, pixel=(16, 12))\nexplorer"
    watched = lab.open("chains", [code])
    page = watched.page
    lab.until(watched, "print(explorer.live.held)", "[2]")
    made = ikebook.toy("deforming", size=(32, 24), frames=6)
    explorer = ChainExplorer(made.clip, made.flow, frame=2, pixel=(16, 12))
    assert_same(seen(watched, [2, 16, 12]), explorer)
    page.locator(".ike-canvas").first.scroll_into_view_if_needed()
    before = watched.updates()
    point_at(page, explorer, 5, 7)
    explorer.pixel = (5, 7)
    assert_same(seen(watched, [2, 5, 7]), explorer)
    watched.shot("chains_under_the_pointer")
    assert watched.updates() == before  # Python hears nothing of it
    assert lab.python(watched, "print(explorer.pixel)") == "(16, 12)"
    page.mouse.down()
    page.mouse.up()
    lab.until(watched, "print(explorer.pixel)", "(5, 7)")
    # The next frame's chains come once the scrub has ended.
    page.locator(".ike-canvas").first.focus()
    page.keyboard.press("ArrowRight")
    lab.until(watched, "print(explorer.live.held)", "[3]")
    explorer.frame = 3
    assert_same(seen(watched, [3, 5, 7]), explorer)
