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

import cv2
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

import ikebook
from ikebook.base.files import overlay
from ikebook.datasets.toys import demo
from ikebook.graph.presets import preset
from ikebook.graph.principal import solve_graph
from ikebook.solvers.power import PowerState, power_steps, start_labels
from ikebook.widgets import PowerIterationStepper

ROOT = Path(__file__).resolve().parents[2]
FRAMES, RATE = 36, 12
PANEL, LINE = (312, 168), 22  # width and height of a panel, height of the text above it
CHAINS, BEHIND = 12, 8  # chains start on a grid of so many columns; how many frames of each are drawn
HOLD = 5  # frames of the video for which one step of the iteration stays
NAMES = {"start": "noise", "propagation": "M x", "projection": "P M x"}
WINDOW = {"width": 1120, "height": 780}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    pictures = [Image.fromarray(picture) for picture in animation()]
    pictures[0].save(
        out / "front.webp",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / RATE),
        loop=0,
        quality=34,
        method=6,
    )
    photograph(out / "stepper.webp")
    for path in sorted(out.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def animation() -> list[np.ndarray]:
    """The pictures, each of four panels, RGB uint8."""
    clip = demo(frames=FRAMES).clip
    flow = ikebook.compute_flow(clip)
    masks = ikebook.segment(clip, flow).masks
    states = steps(clip, flow)
    found = []
    for t, frame in enumerate(clip.frames):
        state = states[min(t // HOLD, len(states) - 1)]
        x = state.labels.reshape(len(clip), *frame.shape[:2]).numpy()[t]
        iterations = f", iteration {state.iteration}" if state.iteration else ""
        panels = {
            "the video": frame,
            "flow, followed into motion chains": with_chains(frame, flow.forward, t),
            f"{NAMES.get(state.step, 'x')}{iterations}": grey(x, state),
            "the object": overlay(frame, masks[t]),
        }
        halves = list(panels.items())
        found.append(np.vstack([np.hstack([titled(*panel) for panel in halves[k : k + 2]]) for k in (0, 2)]))
    return found


def steps(clip: ikebook.Clip, flow: ikebook.Flow) -> list[PowerState]:
    """Algorithm 2 from noise: the start, each step of the first iteration, and each further iteration.

    A is the paper's graph with the motion saliency as its feature, solved with the paper's algorithm.
    """
    matrix = solve_graph(clip, flow, options=preset("saliency")).matrix
    start = start_labels("uniform", len(clip), clip.size)
    states = power_steps(matrix, start, project_start=False, iterations=FRAMES // HOLD)
    return [state for state in states if (state.step == "normalisation") == (state.iteration > 1)]


def grey(x: np.ndarray, state: PowerState) -> np.ndarray:
    """A frame's labels as grey, from the clip's least to its greatest. RGB uint8."""
    low, high = np.quantile(state.labels.numpy(), [0.01, 0.99])
    value = np.clip(255 * (x - low) / (high - low), 0, 255).astype(np.uint8)
    return np.repeat(value[..., None], 3, axis=-1)


def with_chains(frame: np.ndarray, forward: np.ndarray, t: int) -> np.ndarray:
    """A frame with the paths on which its pixels came there, for a grid of pixels of an earlier frame."""
    h, w = frame.shape[:2]
    spacing = w / CHAINS
    x, y = (
        grid.ravel() for grid in np.meshgrid(np.arange(spacing / 2, w, spacing), np.arange(spacing / 2, h, spacing))
    )
    first = max(0, t - BEHIND)
    places = [np.stack([x, y], -1)]
    for step in forward[first:t]:
        at = places[-1].round().astype(int)
        inside = ((at >= 0) & (at < (w, h))).all(-1, keepdims=True)
        at = at.clip(0, (w - 1, h - 1))
        places.append(places[-1] + np.where(inside, step[at[:, 1], at[:, 0]], 0))
    image = (0.55 * frame).astype(np.uint8)
    for path in np.stack(places, 1):
        corners = (path * 16).round().astype(np.int32)[:, None]
        cv2.polylines(image, [corners], False, (255, 170, 60), 1, cv2.LINE_AA, shift=4)
        cv2.circle(image, tuple(corners[-1, 0].tolist()), 24, (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    return image


def titled(title: str, image: np.ndarray) -> np.ndarray:
    """A panel of PANEL with its name above it and a white margin on the right and below."""
    w, h = PANEL
    panel = Image.new("RGB", (w + 8, h + LINE + 6), "white")
    panel.paste(
        Image.fromarray(cv2.resize(np.ascontiguousarray(image), PANEL, interpolation=cv2.INTER_AREA)), (4, LINE)
    )
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 14)
    ImageDraw.Draw(panel).text((4, 2), title, fill=(30, 30, 30), font=font)
    return np.asarray(panel)


def photograph(path: Path) -> None:
    """A picture of the stepper while a start is painted, from its static page."""
    browser = os.environ.get("IKEBOOK_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    stepper = PowerIterationStepper(demo(frames=8).clip, options=preset("saliency"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page, shot = Path(folder) / "stepper.html", Path(folder) / "stepper.png"
        stepper.wait()
        stepper.save_html(page)
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        tab = chromium.new_page(viewport=WINDOW)
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
        chromium.close()
        Image.open(shot).convert("RGB").save(path, quality=75, method=6)


if __name__ == "__main__":
    main()
