"""Fig. 6: does the start x(0) matter? Algorithm 2 on one A from starts that know nothing, and from the ground truth.

The annotations are used here to start from and to score with. That is what the experiment is about, and no method does it.
In place of the paper's flow, FlowNet2.0 and RAFT, stand Farneback's and DIS, which need no training; in place of
MATNet's masks, the annotations eroded and blurred. A is that of the preset `paper`, of displacements, and that of the
preset `saliency`.

One pass over the clip serves all starts, and the iterations after it cost nothing (`ikebook.solvers.starts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from ikebook.base.check import InputError
from ikebook.base.files import plain, write_csv
from ikebook.base.tensors import tensor
from ikebook.experiments.common import (
    AnnotatedClip,
    Setup,
    mean_j,
    new_figure,
    percent,
    read_annotated,
    text_table,
    write_figure,
)
from ikebook.flow import Flow
from ikebook.graph.choice import reference_maps
from ikebook.graph.graph_module import build
from ikebook.graph.masks import MaskOptions, soft_masks, stable_threshold
from ikebook.graph.presets import PRESETS
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.power import start_labels
from ikebook.solvers.starts import ITERATIONS, SpanSystem, iterate

FLOWS = {"dis": ("RAFT", 0.707), "farneback": ("FlowNet2.0", 0.681)}
"""The two flow methods, and for which of the paper's each stands, with J there (Table 1, trained flow, 20 sequences)."""

FEATURES = {"paper": "displacements, as printed", "saliency": "saliency"}
"""Presets that A is made with."""

GRAPHS = [(preset, flow) for preset in FEATURES for flow in FLOWS]

EXACT, TRUTH, NEAR = "eigenvector", "ground truth", "near the truth"

STARTS = ("uniform noise", "constant", "Gaussian 0.1", "Gaussian 0.25", "Gaussian 0.5", NEAR, TRUTH, EXACT)
"""What is started from; a Gaussian's width is a fraction of the frame's sides."""

UNCHANGED = 1e-5
"""Change of a unit vector x(t) below which its masks are those of the iteration before."""


def run(setup: Setup) -> tuple[str, list[str]]:
    """Measure, write initialisation.csv and initialisation.png; the table as text, and the files' names."""
    rows = measure(setup)
    pictures = {
        name: start[start.shape[0] // 2].numpy() for name, start in _known(read_annotated(setup, setup.sequences[0]))
    }
    write_csv(setup.out / "initialisation.csv", plain(rows))
    draw(setup.out / "initialisation.png", rows, pictures)
    return start_table(rows), ["initialisation.csv", "initialisation.png"]


def measure(setup: Setup) -> list[dict[str, Any]]:
    """A row for each sequence, A, start and iteration; the mean over the sequences comes first.

    Columns `J`, and `cosine_truth` and `cosine_exact`, |cos| of x(t) to the ground truth and to A's principal eigenvector.
    """
    rows: list[dict[str, Any]] = []
    for name in setup.sequences:
        annotated = read_annotated(setup, name)
        for preset, flow in GRAPHS:
            rows += [{"sequence": name, **row} for row in _follow(annotated, preset, flow)]
        setup.say(f"{name}: done")
    return [*_means(rows), *rows]


def _follow(annotated: AnnotatedClip, preset: str, provider: str) -> Iterator[dict[str, Any]]:
    """The rows of one A."""
    options = PRESETS[preset]
    flow = annotated.flow(provider)
    matrix = build(annotated.clip, flow, options=options)
    saliency = matrix.saliency
    salient = _centred_saliency(annotated, flow, matrix, saliency)
    truth = torch.from_numpy(annotated.truth)
    names, known = zip(*_known(annotated), strict=True)
    system = SpanSystem.of(matrix, known)
    if len(system.values) == 0 or system.values[0] <= 0:
        raise InputError(
            f"A of {annotated.clip.name!r} has no positive eigenvalue, as where nothing moves against the scene; leave it out."
        )
    principal = system.labels(system.vectors[:, :1])[0]
    if (principal * salient).sum() < 0:
        principal = -principal
    firsts = [*system.firsts.T, system.small @ system.vectors[:, 0]]
    for name, start, first in zip((*names, EXACT), (*known, principal), firsts, strict=True):
        path = iterate(system.small, first)  # (r, iterations)
        changing = int((path.diff(dim=1).norm(dim=0) > UNCHANGED).sum()) + 1  # what does not change needs no new masks
        volumes = torch.cat([start[None], system.labels(path[:, :changing])])
        # The sign of x(0) is known.
        likeness = [1.0, *(float((x * salient).sum()) for x in volumes[1:])]
        scores = [
            _j(x if like >= 0 else -x, options.masks, annotated.truth)
            for x, like in zip(volumes, likeness, strict=True)
        ]
        truthful = _cosines(volumes, truth)
        exactly = [_cosines(start[None], principal)[0], *(system.vectors[:, 0] @ path).abs().tolist()]
        for t in range(ITERATIONS + 1):
            yield {
                "features": preset,
                "flow": provider,
                "paper_flow": FLOWS[provider][0],
                "paper_J": FLOWS[provider][1],
                "start": name,
                "iteration": t,
                "J": scores[min(t, changing)],
                "cosine_truth": truthful[min(t, changing)],
                "cosine_exact": exactly[t],
                "second_to_first": system.ratio,
            }


def near(truth: np.ndarray) -> np.ndarray:
    """Labels that are nearly right, as a network's are: masks (m, h, w) eroded and blurred by 1% of the width; float32."""
    radius = max(1, round(0.01 * truth.shape[2]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.stack(
        [cv2.GaussianBlur(cv2.erode(mask.astype(np.float32), disc), (0, 0), float(radius)) for mask in truth]
    )


def _known(annotated: AnnotatedClip) -> list[tuple[str, Tensor]]:
    """All starts (m, h, w) but the eigenvector."""
    m, size = len(annotated.clip), annotated.clip.size
    shape = (m, size[1], size[0])
    gaussians = [(f"Gaussian {width:g}", start_labels("gaussian", m, size, width=width)) for width in (0.1, 0.25, 0.5)]
    blind = [("uniform noise", start_labels("uniform", m, size)), ("constant", start_labels("constant", m, size))]
    return [
        *((name, labels.view(shape)) for name, labels in (*blind, *gaussians)),
        (NEAR, torch.from_numpy(near(annotated.truth))),
        (TRUTH, torch.from_numpy(annotated.truth).float()),
    ]


def _centred_saliency(annotated: AnnotatedClip, flow: Flow, matrix: FeatureMotion, saliency: Any) -> Tensor:
    """The motion saliency less each frame's mean: it decides the sign of labels, as in `ikebook.graph.choice.choose`."""
    maps = reference_maps(annotated.clip, [flow], saliency, (), matrix.motion.chains.compute)
    values = tensor(maps[:])
    return values - values.mean(dim=(1, 2), keepdim=True)


def _cosines(volumes: Tensor, truth: Tensor) -> list[float]:
    """|cos| of each of (k, m, h, w) to (m, h, w); 0 where one of them is 0."""
    target = truth.flatten().double()
    lengths = [float(x.double().norm() * target.norm()) for x in volumes]
    products = [abs(float(x.flatten().double() @ target)) for x in volumes]
    return [product / length if length else 0.0 for product, length in zip(products, lengths, strict=True)]


def _j(labels: Tensor, options: MaskOptions, truth: np.ndarray) -> float:
    """J of the masks that the Graph Module makes of labels (m, h, w)."""
    soft = soft_masks(labels, options).float().numpy()
    return mean_j(soft, stable_threshold(soft) if options.threshold == "stable" else float(options.threshold), truth)


def _means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean over the sequences of each row that they have in common."""
    keys = ("features", "flow", "paper_flow", "paper_J", "start", "iteration")
    numbers = ("J", "cosine_truth", "cosine_exact", "second_to_first")
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [
        {"sequence": "mean"}
        | dict(zip(keys, group, strict=True))
        | {number: float(np.mean([row[number] for row in found])) for number in numbers}
        for group, found in groups.items()
    ]


def start_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means over the sequences: J in percent after 0, 1, 5 and 20 iterations, and how near x is to the eigenvector."""
    lines = []
    for preset, flow in GRAPHS:
        for start in STARTS:
            path = curve(rows, preset, flow, start)
            steps = arrivals(rows, preset, flow, start)
            lines.append(
                {"features": FEATURES[preset], "flow": flow, "start": start}
                | {f"J {t}": percent(path[t]["J"]) for t in (0, 1, 5, ITERATIONS)}
                | {"cos truth": f"{path[-1]['cosine_truth']:.3f}", "cos exact": f"{path[-1]['cosine_exact']:.4f}"}
                | {"0.99 after": f"{steps:.0f}" if steps <= ITERATIONS else "-"}
            )
    paper = "; ".join(f"{name} {100 * score:.1f}, here {flow}" for flow, (name, score) in FLOWS.items())
    return text_table(lines, names=3) + f"\nThe paper's Graph Module reaches a J of (Table 1): {paper}."


def arrivals(rows: Sequence[Mapping[str, Any]], preset: str, flow: str, start: str) -> float:
    """Iterations until |cos| to the eigenvector is above 0.99: the median of the sequences; infinite if most never are."""
    names = {row["sequence"] for row in rows} - {"mean"}
    first = dict.fromkeys(names, float("inf"))
    for row in rows:
        if (row["features"], row["flow"], row["start"]) == (preset, flow, start) and row["sequence"] in names:
            late = row["cosine_exact"] <= 0.99
            first[row["sequence"]] = min(first[row["sequence"]], float("inf") if late else row["iteration"])
    return float(np.median(list(first.values())))


def curve(rows: Sequence[Mapping[str, Any]], preset: str, flow: str, start: str) -> list[Mapping[str, Any]]:
    """The mean rows of one A and start, by iteration."""
    wanted = ("mean", preset, flow, start)
    return [row for row in rows if (row["sequence"], row["features"], row["flow"], row["start"]) == wanted]


def draw(path: Path, rows: Sequence[Mapping[str, Any]], pictures: Mapping[str, np.ndarray]) -> None:
    """Draw J and both cosines against the iteration, a column for each A; above them the starts, in one frame."""
    figure = new_figure(3.2 * len(GRAPHS), 10.5)
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.4, 9], squeeze=False)[:, 0]
    for axis, (name, picture) in zip(top.subplots(1, len(pictures)), pictures.items(), strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_title(name, fontsize="small")
        axis.set_xticks([])
        axis.set_yticks([])
    axes = bottom.subplots(3, len(GRAPHS), sharex=True, sharey="row", squeeze=False)
    for column, (preset, flow) in enumerate(GRAPHS):
        for axis, quantity in zip(axes[:, column], QUANTITIES, strict=True):
            _draw_paths(axis, rows, preset, flow, quantity)
        axes[0, column].set_title(f"{FEATURES[preset]}\n{flow}", fontsize="medium")
        axes[-1, column].set_xlabel("iteration t")
        axes[-1, column].set_xticks(range(0, ITERATIONS + 1, 5))
    for axis, label in zip(axes[:, 0], QUANTITIES.values(), strict=True):
        axis.set_ylabel(label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    bottom.legend(handles, labels, loc="outside lower center", ncols=len(STARTS), fontsize="small")
    write_figure(path, figure)


QUANTITIES = {"J": "J mean", "cosine_truth": "|cos| to the truth", "cosine_exact": "|cos| to the eigenvector"}
"""What is drawn, from above, and what it is called."""


def _draw_paths(axis: Axes, rows: Sequence[Mapping[str, Any]], preset: str, flow: str, quantity: str) -> None:
    """Draw one quantity of one A along the iterations, a line for each start."""
    for index, start in enumerate(STARTS):
        found = curve(rows, preset, flow, start)
        # Noise and the constant lie one upon the other.
        color, linestyle = f"C{index}", "--" if start == "constant" else "-"
        if start == EXACT:
            color, linestyle = "black", ":"
        iterations, values = [point["iteration"] for point in found], [point[quantity] for point in found]
        axis.plot(iterations, values, label=start, color=color, linestyle=linestyle)
    axis.set_ylim(0, 1.02)
    axis.grid(visible=True, linewidth=0.3)
