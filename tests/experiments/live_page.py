"""How smoothly a page iterates while the mouse paints, without Python: 25 frames of 208x112 in a real Chromium.

    .venv/bin/python tests/experiments/live_page.py

prints, of a saved page of `PowerIterationStepper` with F of two and of seven columns, its size, the pictures a second and the
milliseconds between them while a stroke goes on, those that iterating and drawing take, and those of one whole start, iteration and
frame. Without a GPU, pictures are put together by the processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scrubbing import harness

import ikebook
from ikebook.widgets import PowerIterationStepper

PAINT = """async (rounds) => {
    // Moves the mouse in circles over the first picture, one event each time the screen is drawn anew.
    const [stage, shown] = document.querySelectorAll('.ike-canvas');
    const { live } = document.querySelector('.ike-iteration');
    const next = () => new Promise(requestAnimationFrame);
    const box = stage.getBoundingClientRect();
    const move = (type, k) => stage.dispatchEvent(new PointerEvent(type, {
        bubbles: true, button: 0, buttons: 1, pointerId: 1,
        clientX: box.left + box.width * (0.5 + 0.4 * Math.cos(k / 9)), clientY: box.top + box.height * (0.5 + 0.4 * Math.sin(k / 7)),
    }));
    stage.setPointerCapture = () => undefined; // which only takes a real mouse's
    move('pointerdown', 0);
    const roots = [...document.querySelectorAll('.ike')].map((root) => root.drawn ?? root.live?.drawn).filter(Boolean);
    const spent = () => roots.reduce((sum, drawn) => sum + drawn.milliseconds, 0);
    const times = [];
    const [before, count] = [spent(), live.drawn.count];
    let then = await next();
    for (let k = 1; k <= rounds; k++) {
        move('pointermove', k);
        await next();
        const now = performance.now();
        times.push(now - then);
        then = now;
    }
    const drawing = (spent() - before) / rounds, drawn = live.drawn.count - count;
    move('pointerup', 0);
    const { matrix } = live.walk, size = matrix.nodes / live.frames;
    const begin = performance.now();
    for (let k = 0; k < 20; k++) matrix.labels(matrix.step(matrix.first(live.painting)), 0, size);
    return { times, drawing, drawn, alone: (performance.now() - begin) / 20 };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--size", default="208x112")
    parser.add_argument("--rounds", type=int, default=200, help="pictures")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    made = ikebook.demo(frames=options.frames, size=(width, height))
    browsers = harness().chromium.__wrapped__()
    context = next(browsers).new_context(offline=True, viewport={"width": 1280, "height": 1100})
    try:
        print(f"{options.frames} frames of {width}x{height}; milliseconds")
        print(f"{'columns':12}{'page, MB':>9}{'a second':>9}{'median':>8}{'95 %':>8}{'drawing':>9}{'computing':>11}")
        for name in ("default", "saliency"):
            stepper = PowerIterationStepper(made.clip, made.flow, options=ikebook.preset(name))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "page.html"
                stepper.save_html(path)
                page = context.new_page()
                page.goto(path.as_uri())
                page.wait_for_selector("body[data-ready]")
                found = page.evaluate(PAINT.replace("live.frames", str(options.frames)), options.rounds)
                page.close()
                megabytes = path.stat().st_size / 1e6
            median, most = np.percentile(found["times"], [50, 95])
            rate = 1000 * len(found["times"]) / sum(found["times"])
            columns = len(stepper.live.small)
            print(
                f"{columns:<12}{megabytes:9.1f}{rate:9.0f}{median:8.1f}{most:8.1f}{found['drawing']:9.1f}{found['alone']:11.1f}"
            )
            assert found["drawn"] >= 0.9 * options.rounds  # each picture shows what was painted by then
    finally:
        context.close()
        next(browsers, None)


if __name__ == "__main__":
    sys.exit(main())
