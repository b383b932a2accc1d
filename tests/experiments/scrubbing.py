"""How smoothly the canvas scrubs, and what it tells Python meanwhile: 80 frames of 416x224 in a real Chromium.

    .venv/bin/python tests/experiments/scrubbing.py

prints the milliseconds between pictures on the screen while the slider moves on with each of them, those that drawing one
takes, and the messages to Python, in JupyterLab, with frames alone and with a soft mask over them. Without a GPU, pictures
are put together by the processor.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]

SCRUB = """async ([selector, rounds]) => {
    // Moves the slider as a hand does, with input events alone, one each time the screen is drawn anew.
    const root = document.querySelector(selector);
    const slider = root.querySelector('.ike-slider');
    const next = () => new Promise(requestAnimationFrame);
    const show = async (frame) => {
        slider.value = frame;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        await next();
    };
    const last = Number(slider.max);
    for (let frame = 0; frame <= last; frame++) await show(frame);  // decodes each of them
    await new Promise((done) => setTimeout(done, 1500));
    const times = [];
    const before = { ...root.drawn };
    let then = await next();
    for (let k = 0; k < rounds * last; k++) {
        const there = k % (2 * last);
        await show(there <= last ? there : 2 * last - there);
        const now = performance.now();
        times.push(now - then);
        then = now;
    }
    const count = root.drawn.count - before.count;
    return { times, count, drawing: (root.drawn.milliseconds - before.milliseconds) / count };
}"""

CELL = """
import numpy as np, ikebook
from ikebook.widgets import VideoCanvas
clip = ikebook.demo(frames={frames}, size=({width}, {height})).clip
y, x = np.mgrid[: {height}, : {width}]
soft = np.stack([np.exp(-(((x - 5 * t) / 60) ** 2 + ((y - 110) / 50) ** 2)) for t in range(len(clip))])
canvas = VideoCanvas(clip.frames, maps={maps}, caption="scrubbing")
canvas
"""


def harness():
    """The fixtures' module of the browser tests, which has no package."""
    spec = importlib.util.spec_from_file_location("browser_harness", TESTS / "browser" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=80)
    parser.add_argument("--size", default="416x224")
    parser.add_argument("--rounds", type=int, default=4, help="times that the clip is gone through")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    tools = harness()

    class Folders:
        @staticmethod
        def mktemp(name: str) -> Path:
            return Path(tempfile.mkdtemp(prefix=f"ikebook-{name}-"))

    browsers = tools.chromium.__wrapped__()
    servers = tools.server.__wrapped__(Folders)
    lab = tools.Lab(next(browsers), next(servers))
    try:
        print(f"{options.frames} frames of {width}x{height}; milliseconds")
        print(f"{'':24}{'median':>8}{'95 %':>8}{'drawing':>9}{'messages':>10}")
        for name, maps in (("frames", "None"), ("frames and soft mask", "soft")):
            cell = CELL.format(frames=options.frames, width=width, height=height, maps=maps)
            watched = lab.open(f"scrub-{maps}", [cell])
            watched.page.locator(".ike-canvas").wait_for()
            watched.page.wait_for_timeout(1500)
            sent = watched.updates()
            found = watched.page.evaluate(SCRUB, [".ike", options.rounds])
            messages = watched.updates() - sent
            median, most = np.percentile(found["times"], [50, 95])
            print(f"{name:24}{median:8.1f}{most:8.1f}{found['drawing']:9.1f}{messages:10}")
    finally:
        lab.close()
        for each in (browsers, servers):
            next(each, None)


if __name__ == "__main__":
    sys.exit(main())
