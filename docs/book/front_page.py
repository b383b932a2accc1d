"""Draw the two pictures of the README, from the clip that comes with ikebook: `make front-page`.

    .venv/bin/python docs/book/front_page.py [--out docs/pictures]

`front.webp`: the video; motion chains over it; Algorithm 2 from noise, step by step, while the clip plays; the masks.
`stepper.webp`: a widget's own static page, photographed by the Chromium of this machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import ikebook
from ikebook.course.animation import pipeline
from ikebook.datasets.toys import demo
from ikebook.graph.presets import preset
from ikebook.widgets import PowerIterationStepper

ROOT = Path(__file__).resolve().parents[2]
FRAMES, PANEL = 36, (312, 168)
WINDOW = {"width": 1120, "height": 724}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    clip = demo(frames=FRAMES).clip
    flow = ikebook.compute_flow(clip)
    pipeline(clip, flow, ikebook.segment(clip, flow).masks, panel=PANEL).save(out / "front.webp")
    photograph(out / "stepper.webp")
    for path in sorted(out.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def chromium() -> str | None:
    """The Chromium of this machine; None: Playwright's own."""
    return os.environ.get("IKEBOOK_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def photograph(path: Path) -> None:
    """A picture of the stepper while a start is painted, from its static page."""
    stepper = PowerIterationStepper(demo(frames=8).clip, options=preset("saliency"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page, shot = Path(folder) / "stepper.html", Path(folder) / "stepper.png"
        stepper.wait()
        stepper.save_html(page)
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=WINDOW)
        tab.goto(page.as_uri())
        canvas = tab.locator("canvas").first
        canvas.wait_for()
        tab.wait_for_timeout(1000)  # the page unpacks F and M F
        box = canvas.bounding_box()
        for k in range(30):  # a wave over the upper right
            x, y = 0.55 + 0.012 * k, 0.3 + 0.12 * np.sin(k / 3)
            tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if k == 0:
                tab.mouse.down()
        tab.mouse.up()
        tab.wait_for_timeout(1000)
        tab.screenshot(path=shot)
        browser.close()
        Image.open(shot).convert("RGB").save(path, quality=75, method=6)


if __name__ == "__main__":
    main()
