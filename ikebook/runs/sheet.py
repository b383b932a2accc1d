"""Pictures of results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ikebook.base.check import readable
from ikebook.base.files import atomic, overlay
from ikebook.base.tensors import tensor
from ikebook.graph.result import GraphResult
from ikebook.video.clip import Clip


def contact_sheet(path: Path, clip: Clip, result: GraphResult, rows: int = 4) -> None:
    """Write one picture of a result: some frames with saliency, eigenvector and object, and the leading eigenvalues.

    Parameters
    ----------
    path : Path
        Of the PNG file.
    clip : Clip
        What was segmented.
    result : GraphResult
        What was found.
    rows : int, default 4
        Frames to show, evenly picked.
    """
    frames = np.unique(
        np.linspace(0, len(clip) - 1, rows + 2).round().astype(int)[1:-1] if len(clip) > rows else range(len(clip))
    )
    titles = ["frame", "motion saliency", "eigenvector", "object"]
    if result.saliency is None:
        titles.remove("motion saliency")
    w, h = clip.size
    height = 3.2 * min(max(h / w, 0.2), 3) * len(frames)  # inches; pictures longer than that are drawn narrower
    figure = Figure(figsize=(3.2 * len(titles), height + 2.4), layout="constrained")
    FigureCanvasAgg(figure)
    pictures, spectrum = figure.subfigures(2, 1, height_ratios=[height + 0.3, 2.1], squeeze=False)[:, 0]
    axes = pictures.subplots(len(frames), len(titles), squeeze=False)
    for row, frame in zip(axes, frames.tolist(), strict=True):
        _draw_row(row, titles, clip, result, frame)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    pictures.suptitle(f"{readable(clip.name)}: {len(clip)} frames, {w}x{h}", parse_math=False)
    plot_spectrum(spectrum.subplots(), result)
    with atomic(path) as temporary, warnings.catch_warnings():
        # Names in scripts that the font lacks: boxes will do.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        # Compressed lightly: a tenth larger, and somebody waits for it.
        figure.savefig(temporary, format="png", dpi=110, pil_kwargs={"compress_level": 1})


def _draw_row(axes: Sequence[Axes], titles: Sequence[str], clip: Clip, result: GraphResult, frame: int) -> None:
    """Draw what `titles` name of one frame."""
    shown = {
        "frame": clip.frames[frame],
        "eigenvector": result.soft[frame],
        "object": overlay(clip.frames[frame], result.mask(frame)),
    }
    if result.saliency is not None:
        shown["motion saliency"] = tensor(result.saliency[frame]).cpu().numpy()
    for axis, title in zip(axes, titles, strict=True):
        axis.imshow(shown[title], cmap="viridis", vmin=0, vmax=1)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel(readable(clip.frame_names[frame]), parse_math=False)


def plot_spectrum(axis: Axes, result: GraphResult) -> None:
    """Draw the leading eigenvalues, and say how near the object's next is."""
    values = result.pairs.values.numpy()
    colours = ["tab:red" if k == result.chosen else "tab:grey" for k in range(len(values))]
    axis.bar(range(1, len(values) + 1), values, color=colours, width=0.6)
    axis.set_xlabel("eigenvector of A = PMP")
    axis.set_ylabel("eigenvalue")
    axis.set_xticks(range(1, len(values) + 1))
    if result.eigengap is not None:
        ratio = result.eigengap[1]
        axis.set_title(f"red: the object's eigenvalue; the nearest is {ratio:.2f} of it", fontsize="medium", loc="left")
