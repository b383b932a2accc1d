"""Widgets in pages that are not ours: as a module in a plain page, as MyST's directive takes it, and in frames of the book."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from pathlib import Path

import pytest
from looking import SECONDS, steady_box, until, wait_for_rest, wait_for_walk

import ikebook
from ikebook.widgets import ClipPlayer, PowerIterationStepper

ROOT = Path(__file__).parents[2]

MYST = """async (address) => {
    // As the theme of MyST does: in a shadow tree, with a model that knows no kernel and refuses to be saved.
    const host = document.body.appendChild(document.createElement('div'));
    const el = host.attachShadow({ mode: 'open' }).appendChild(document.createElement('div'));
    const values = new Map();
    const refuse = () => { throw new Error('save_changes is not implemented'); };
    const model = { get: (name) => values.get(name), set: (name, value) => values.set(name, value), save_changes: refuse, on() {}, off() {} };
    const { default: widget } = await import(address);
    await widget.initialize?.({ model });
    globalThis.leave = await widget.render({ model, el });
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def site(chromium, tmp_path):
    """`site.url` of a folder, `site.folder`, that a server on loopback offers; a page that asks anyone else, or complains, fails."""
    from types import SimpleNamespace

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(SECONDS * 1000)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: request.url.startswith((url, "blob:", "data:")) or trouble.append(request.url))
    yield SimpleNamespace(url=url, folder=tmp_path, page=page)
    page.context.close()
    server.shutdown()
    server.server_close()
    assert trouble == []


def paint(page) -> float:
    """Draw into a corner, and wait until the object has come back: its cosine to the eigenvector."""
    wait_for_walk(page.locator(".ike-iteration"))
    box = steady_box(page.locator(".ike-canvas").first)
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 25)
    page.mouse.up()
    page.locator(".ike-iteration").get_by_text("Converged").wait_for()
    wait_for_rest(page.locator(".ike-iteration"))
    return float(re.search(r"eigenvector (\d\.\d+)", page.locator(".ike-iteration").inner_text())[1])


@pytest.fixture
def stepper(tmp_path):
    made = ikebook.toy("disc")
    PowerIterationStepper(made.clip, made.flow, pace=0.02).save_module(tmp_path / "stepper.mjs")


@pytest.mark.usefixtures("stepper")
def test_a_plain_page_shows_the_module(site) -> None:
    shutil.copy(ROOT / "docs" / "embedding" / "plain.html", site.folder)
    site.page.goto(f"{site.url}/plain.html")
    assert paint(site.page) > 0.999


@pytest.mark.usefixtures("stepper")
def test_mysts_directive_shows_the_module(site) -> None:
    text = (ROOT / "docs" / "embedding" / "myst.md").read_text()
    address = re.search(r"^```\{anywidget\} \./(\S+)\n```$", text, re.MULTILINE)[1]
    (site.folder / "empty.html").write_text("<!doctype html><title>MyST</title>")
    site.page.goto(f"{site.url}/empty.html")
    site.page.evaluate(MYST, f"{site.url}/{address}")
    assert paint(site.page) > 0.999
    assert steady_box(site.page.locator(".ike-stage").first)["width"] > 200  # its styles are there
    site.page.evaluate("leave()")
    assert site.page.locator(".ike").count() == 0


def test_a_frame_becomes_as_high_as_what_it_holds(site) -> None:
    made = ikebook.toy("disc")
    PowerIterationStepper(made.clip, made.flow).save_html(site.folder / "stepper.html")
    ClipPlayer(made.clip).save_html(site.folder / "player.html")
    shutil.copy(ROOT / "docs" / "book" / "frames.js", site.folder)
    frames = "".join(
        f'<iframe src="{name}.html" style="width: 900px; height: 640px"></iframe>' for name in ("stepper", "player")
    )
    (site.folder / "book.html").write_text(
        f'<!doctype html><title>book</title><script src="frames.js"></script>{frames}'
    )
    page = site.page
    page.goto(f"{site.url}/book.html")

    def sizes(name: str, frame) -> list[float]:
        """The least that the frame of a page may be high, what it is, and the most."""
        frame_height = page.locator(f"iframe[src='{name}.html']").evaluate("(node) => node.clientHeight")
        content = frame.evaluate("document.documentElement.scrollHeight")
        return [content - 2, frame_height, frame.evaluate("document.body.offsetHeight") + 12]

    heights = []
    for name in ("stepper", "player"):
        frame = page.frame(url=re.compile(f"{name}.html"))
        frame.wait_for_selector("body[data-ready]")
        page.wait_for_function(
            "([name, given]) => document.querySelector(`iframe[src='${name}.html']`).offsetHeight !== given",
            arg=[name, 640],
        )
        steady_box(page.locator(f"iframe[src='{name}.html']"))
        found = until(page, lambda name=name, frame=frame: sizes(name, frame), lambda three: three == sorted(three))
        heights.append(found[1])
    assert heights[0] != heights[1]
