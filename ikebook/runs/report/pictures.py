"""A report's pictures: scores as bars, and the frames on which masks are best and worst."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ikebook.base.check import readable, require
from ikebook.base.files import overlay
from ikebook.datasets.registry import Dataset
from ikebook.video.images import read_image
from ikebook.video.metrics import region_similarity

COLOURS = ("#3f8fdc", "#cf7413")  # 3:1 or more on white


def bars(sequences: Mapping[str, Mapping[str, float | None]], columns: Mapping[str, str]) -> bytes:
    """Two scores of each sequence, side by side, a PNG.

    Parameters
    ----------
    sequences : dict
        Scores by name, by the sequences' names.
    columns : dict
        Which scores to show, at most two, and what they are called; where a sequence has none, there is no bar.
    """
    names = list(sequences)
    figure = Figure(figsize=(max(6.0, 0.55 * len(names) + 2), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    places = np.arange(len(names))
    width = 0.8 / max(1, len(columns))
    for index, (key, label) in enumerate(columns.items()):
        shift = (index - (len(columns) - 1) / 2) * width
        values = [np.nan if (score := sequences[name].get(key)) is None else score for name in names]
        axis.bar(places + shift, values, width=width, color=COLOURS[index], label=label)
    axis.set_xticks(places, [readable(name) for name in names], rotation=40, ha="right", parse_math=False)
    axis.set_ylim(0, 1)
    if columns:
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def extreme_frames(dataset: Dataset, masks: Path, sequences: Sequence[str], count: int = 3) -> dict[str, bytes]:
    """The frames with the least and the greatest J, no more than one of each sequence: pictures "worst" and "best".

    Parameters
    ----------
    dataset : Dataset
        What was segmented.
    masks : Path
        Folder with `<sequence>/<frame>.png`.
    sequences : sequence of str
        Names.
    count : int, default 3
        Frames in a picture.

    Raises
    ------
    InputError
        If a mask is missing, or has not its annotation's size.
    """
    scores = {name: found for name in sequences if (found := _scores(dataset, masks / name, name))}
    pictures = {}
    for what, pick, order in (("worst", min, 1), ("best", max, -1)):
        places = {name: pick(found, key=found.__getitem__) for name, found in scores.items()}
        shown = sorted(places, key=lambda name: order * scores[name][places[name]])[:count]
        if not shown:
            continue
        figure = Figure(figsize=(3.4 * len(shown), 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, name in zip(figure.subplots(2, len(shown), squeeze=False).T, shown, strict=True):
            _draw_frame(axes, dataset, masks, name, places[name], scores[name][places[name]])
        pictures[what] = _png(figure)
    return pictures


def _draw_frame(axes: Sequence[Axes], dataset: Dataset, masks: Path, name: str, index: int, score: float) -> None:
    """Draw one frame of a sequence twice, with its mask and with its annotation."""
    clip = dataset.clip(name, (16, 16))
    frame = next(itertools.islice(clip.originals(), index, None))
    truth = next(itertools.islice(dataset.annotations(name), index, None))
    assert truth is not None  # others have no score
    frame_name = clip.frame_names[index]
    titles = (f"{name} {frame_name}, J {100 * score:.0f}", "annotation")
    for axis, mask, title in zip(axes, (_mask(masks / name, frame_name), truth), titles, strict=True):
        axis.imshow(overlay(frame, mask))
        axis.set_title(readable(title), fontsize="medium", parse_math=False)
        axis.set_axis_off()


def _scores(dataset: Dataset, folder: Path, name: str) -> dict[int, float]:
    """J of each frame that the data set's protocol scores, by its index."""
    frames = dataset.clip(name, (16, 16)).frame_names
    found = {
        index: region_similarity(_mask(folder, frames[index]), truth)
        for index, truth in enumerate(dataset.annotations(name))
        if truth is not None
    }
    scored = list(found) if dataset.protocol.ends else list(found)[1:-1]
    return {index: found[index] for index in scored}


def _mask(folder: Path, frame: str) -> np.ndarray:
    path = folder / f"{frame}.png"
    require(path.is_file(), f"{path} is missing; run 'ikebook evaluate' again, with the same options.")
    return read_image(path, 0) > 127


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
