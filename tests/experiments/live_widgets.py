"""How smoothly pages follow the pointer without Python: chains, a race, and a matrix that is ordered otherwise, in a real Chromium.

    .venv/bin/python tests/experiments/live_widgets.py

prints, of saved pages, their size, pictures a second and the milliseconds between them, and those that computing and drawing take:
chains under the pointer and five starts on 25 frames of 208x112, the matrices of 16x16x5 pixels. Without a GPU, pictures are put
together by the processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scrubbing import harness

import ikebook
from ikebook.widgets import ChainExplorer, InitialisationRace, MatrixExplorer

MEASURE = """async ([act, rounds]) => {
    // Does something each time the screen is drawn anew.
    const next = () => new Promise(requestAnimationFrame);
    const roots = [...document.querySelectorAll('.ike')].map((root) => root.drawn ?? root.live?.drawn).filter(Boolean);
    const spent = () => roots.reduce((sum, drawn) => sum + drawn.milliseconds, 0);
    const canvas = document.querySelector('.ike-canvas'), box = canvas.getBoundingClientRect();
    const acts = {
        point: (k) => canvas.dispatchEvent(new PointerEvent('pointermove', {
            bubbles: true, pointerId: 1,
            clientX: box.left + box.width * (0.5 + 0.4 * Math.cos(k / 9)), clientY: box.top + box.height * (0.5 + 0.4 * Math.sin(k / 7)),
        })),
        iterate: (k) => document.querySelector('.ike-race').live.goTo(k % 21),
        order: (k) => k % 60 === 1 && ikebookPage.go((ikebookPage.index + 1) % 3),
    };
    for (let k = 0; k < 5; k++) { acts[act](k); await next(); }
    const times = [], before = spent();
    let then = await next();
    for (let k = 1; k <= rounds; k++) {
        acts[act](k);
        await next();
        const now = performance.now();
        times.push(now - then);
        then = now;
    }
    return { times, drawing: (spent() - before) / rounds };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--size", default="208x112")
    parser.add_argument("--rounds", type=int, default=240, help="pictures")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    made, toy = ikebook.demo(frames=options.frames, size=(width, height)), ikebook.toy("disc")
    saliency = ikebook.preset("saliency")
    widgets = {
        "chains, default": ("point", lambda: ChainExplorer(made.clip, made.flow, frame=options.frames // 2)),
        "chains, 7 columns": (
            "point",
            lambda: ChainExplorer(made.clip, made.flow, frame=options.frames // 2, options=saliency),
        ),
        "race, 7 columns": ("iterate", lambda: InitialisationRace(made.clip, made.flow, options=saliency)),
        "matrix": ("order", lambda: MatrixExplorer(toy.clip, toy.flow)),
    }
    browsers = harness().chromium.__wrapped__()
    context = next(browsers).new_context(offline=True, viewport={"width": 1280, "height": 1100})
    try:
        print(f"{options.frames} frames of {width}x{height}, matrices of 16x16x5; milliseconds")
        print(f"{'':20}{'page, MB':>9}{'a second':>9}{'median':>8}{'95 %':>8}{'drawing':>9}")
        for name, (act, make) in widgets.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "page.html"
                make().save_html(path)
                page = context.new_page()
                page.goto(path.as_uri())
                page.wait_for_selector("body[data-ready]")
                page.wait_for_timeout(500)
                found = page.evaluate(MEASURE, [act, options.rounds])
                page.close()
                megabytes = path.stat().st_size / 1e6
            median, most = np.percentile(found["times"], [50, 95])
            rate = 1000 * len(found["times"]) / sum(found["times"])
            print(f"{name:20}{megabytes:9.1f}{rate:9.0f}{median:8.1f}{most:8.1f}{found['drawing']:9.1f}")
    finally:
        context.close()
        next(browsers, None)


if __name__ == "__main__":
    sys.exit(main())
