"""What the experiments share: what they are asked, a sequence with its flow and annotations, scores, text and figures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.files import atomic
from ikebook.datasets.registry import Dataset
from ikebook.flow import Flow, FlowCache, compute_flow, provider
from ikebook.video.clip import Clip, resize_area
from ikebook.video.metrics import region_similarity

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an experiment is run on.

    Parameters
    ----------
    dataset : Dataset
    out : Path
        Folder of results.
    sequences : sequence of str
        Names.
    size : (int, int)
        Width and height that the graph works at, pixels.
    cue : Path, optional
        Folder of maps, `cue/<sequence>/`, for an experiment that takes them.
    say : callable, optional
        Is told of each step as it ends.
    """

    dataset: Dataset
    out: Path
    sequences: Sequence[str]
    size: tuple[int, int]
    cue: Path | None = None
    say: Report = lambda _: None


@dataclass(frozen=True, eq=False)
class AnnotatedClip:
    """A sequence at the working size, with its annotations there.

    Parameters
    ----------
    clip : Clip
    shares : (m, h, w) float32
        The share of each pixel that is object.
    truth : (m, h, w) bool
        Whether most of it is.
    """

    clip: Clip
    shares: np.ndarray
    truth: np.ndarray

    def flow(self, name: str) -> Flow:
        """Its flow by the provider called `name`, kept between runs."""
        return compute_flow(self.clip, provider(name), cache=FlowCache())


def read_annotated(setup: Setup, name: str, frames: int | None = None) -> AnnotatedClip:
    """A sequence, or its first frames, with annotations."""
    clip = setup.dataset.clip(name, setup.size)
    if frames is not None:
        clip = clip.first(frames)
    require(len(clip) >= 3, f"sequence {name!r} has {len(clip)} frames; the experiments need three or more.")
    annotations = islice(setup.dataset.annotations(name), len(clip))
    masks = [mask for mask in annotations if mask is not None]
    require(
        len(masks) == len(clip), f"sequence {name!r} has annotations of some frames only; the experiments need all."
    )
    shares = np.stack([resize_area(mask.astype(np.float32), setup.size) for mask in masks])
    return AnnotatedClip(clip, shares, shares > 0.5)


def mean_j(soft: Array, threshold: float, truth: np.ndarray) -> float:
    """J at the working size: mean over all frames but the first and the last, as DAVIS 2016 has it."""
    pairs = list(zip(soft, truth, strict=True))[1:-1]
    return float(np.mean([region_similarity(np.asarray(frame) > threshold, mask) for frame, mask in pairs]))


def percent(value: float) -> str:
    """A share in percent, for a table; "-" for NaN."""
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def text_table(rows: Sequence[Mapping[str, str]], names: int = 1) -> str:
    """Rows with the same keys as aligned text; the first `names` columns hold names, the others numbers."""
    lines = [list(rows[0]), *([*row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < names else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG."""
    with atomic(path) as temporary, warnings.catch_warnings():
        # Names in scripts that the font lacks: boxes will do.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(temporary, format="png", dpi=110)
