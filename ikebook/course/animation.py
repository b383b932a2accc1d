"""The whole method as one moving picture: a video, its motion chains, noise that collapses onto the object, the masks."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.files import atomic, overlay
from ikebook.flow import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import preset
from ikebook.solvers.power import PowerState, power_steps, start_labels
from ikebook.video.clip import Clip

MARGIN, LINE = 4, 22  # beside a panel, and the height of the text above it, pixels
CHAINS, BEHIND = 12, 8  # chains start on a grid of so many columns; how many frames of each are drawn
HOLD = 5  # frames of the video for which one step of the iteration stays
NAMES = {"start": "noise", "propagation": "M x", "projection": "P M x"}
QUALITY = 15
"""Of the pictures in a notebook, which keeps them as text when it is saved."""


class Animation:
    """Pictures of one size that play by themselves in a notebook, and stand still where the reader's system asks for that.

    Parameters
    ----------
    pictures : sequence of (h, w, 3) uint8 RGB
    rate : pictures a second
    says : what is to be seen, in a sentence, for those who can't see it
    """

    def __init__(self, pictures: Sequence[np.ndarray], *, rate: float, says: str) -> None:
        require(len(pictures) > 0, "pictures is empty; give one picture at least.")
        self.pictures = list(pictures)
        check.number("rate", rate, at_least=0.1)
        self.rate = rate
        self.says = says

    def __repr__(self) -> str:
        return f"[moving picture: {self.says}]"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        moving, resting = (
            base64.b64encode(_webp(pictures, self.rate)).decode() for pictures in (self.pictures, self.pictures[-1:])
        )
        h, w = self.pictures[0].shape[:2]
        page = (
            f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="data:image/webp;base64,{resting}">'
            f'<img src="data:image/webp;base64,{moving}" alt="{html.escape(self.says)}" '
            f'style="width: {w}px; max-width: 100%; aspect-ratio: {w} / {h}"></picture>'
        )
        return {"text/html": page, "text/plain": repr(self)}

    def save(self, path: str | Path, *, quality: int = 34) -> None:
        """Write it as a WebP file."""
        with atomic(Path(path)) as temporary:
            temporary.write_bytes(_webp(self.pictures, self.rate, quality))


def pipeline(
    clip: Clip, flow: Flow, masks: np.ndarray, *, rate: float = 12, panel: tuple[int, int] = (260, 140)
) -> Animation:
    """The method on a clip, in four panels that move.

    The video; its motion chains; Algorithm 2 from noise, a step at a time, while the clip plays; the masks. A is the graph
    with the motion saliency as its feature.

    Parameters
    ----------
    clip : m frames
    flow : of the clip
    masks : (m, h, w) bool, as `ikebook.segment` finds them
    rate : frames a second
    panel : width and height of a panel, pixels; pictures keep their shape within

    Examples
    --------
    >>> from ikebook.datasets.toys import toy
    >>> made = toy("disc")
    >>> pipeline(made.clip, made.flow, made.clip.masks)
    [moving picture: ...]
    """
    check.shape("masks", masks, clip.frames.shape[:3])
    states = steps(clip, flow, masks)
    forward, pictures = np.asarray(flow.forward), []
    for t, frame in enumerate(clip.frames):
        state = states[min(t // HOLD, len(states) - 1)]
        x = state.labels.reshape(masks.shape).numpy()[t]
        iterations = f", iteration {state.iteration}" if state.iteration else ""
        panels = [
            titled("the video", frame, panel),
            titled("flow, followed into motion chains", with_chains(frame, forward, t), panel),
            titled(f"{NAMES.get(state.step, 'x')}{iterations}", grey(x, state), panel),
            titled("the object", overlay(frame, masks[t]), panel),
        ]
        pictures.append(np.vstack([np.hstack(panels[:2]), np.hstack(panels[2:])]))
    says = f"{clip.name}: the video; its motion chains; power iteration, which turns noise into the object; its mask"
    return Animation(pictures, rate=rate, says=says)


def steps(clip: Clip, flow: Flow, masks: np.ndarray) -> list[PowerState]:
    """Algorithm 2 from noise: the start, each step of the first iteration, and each further iteration, the object above the rest."""
    matrix = build(clip, flow, options=preset("saliency"))
    start = start_labels("uniform", len(clip), clip.size)
    found = list(power_steps(matrix, start, project_start=False, iterations=max(len(clip) // HOLD, 2)))
    last = found[-1].labels.reshape(masks.shape).numpy()
    if masks.any() and last[masks].mean() < last.mean():  # an eigenvector has no sign of its own
        for state in found:
            state.labels.neg_()
    return [state for state in found if (state.step == "normalisation") == (state.iteration > 1)]


def grey(x: np.ndarray, state: PowerState) -> np.ndarray:
    """A frame's labels as grey, from the clip's least to its greatest. RGB uint8."""
    low, high = np.quantile(state.labels.numpy(), [0.01, 0.99])
    value = np.clip(255 * (x - low) / max(high - low, 1e-12), 0, 255).astype(np.uint8)
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
    zoom = max(1, round(416 / w))  # lines of one dot's width are as fine on a small clip
    image = cv2.resize((0.55 * frame).astype(np.uint8), (zoom * w, zoom * h), interpolation=cv2.INTER_LINEAR)
    for path in np.stack(places, 1):
        corners = (path * 16 * zoom).round().astype(np.int32)[:, None]
        cv2.polylines(image, [corners], False, (255, 170, 60), 1, cv2.LINE_AA, shift=4)
        cv2.circle(image, tuple(corners[-1, 0].tolist()), 24, (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    return image


def titled(title: str, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A panel with its name above it and a white margin at the sides and below."""
    w, h = size
    scale = min(w / image.shape[1], h / image.shape[0])
    inner = (max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0])))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    panel = Image.new("RGB", (w + 2 * MARGIN, h + LINE + 6), "white")
    resized = Image.fromarray(cv2.resize(np.ascontiguousarray(image), inner, interpolation=method))
    panel.paste(resized, (MARGIN + (w - inner[0]) // 2, LINE + (h - inner[1]) // 2))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 14)
    ImageDraw.Draw(panel).text((MARGIN, 2), title, fill=(30, 30, 30), font=font)
    return np.asarray(panel)


def _webp(pictures: Sequence[np.ndarray], rate: float, quality: int = QUALITY) -> bytes:
    images = [Image.fromarray(picture) for picture in pictures]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="webp",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / rate),
        loop=0,
        quality=quality,
        method=4,
    )
    return buffer.getvalue()
