"""Fig. 8: A of five frames at 16x16, built and looked at: is the object one strong cluster, and is the eigengap large?

In place of the paper's flow, FlowNet2.0 and RAFT, stand Farneback's and DIS, which need no training. In place of its
features from a supervised network stand the annotations, blurred and with noise, as "good cues", or maps of your own; for
this, for the order of the nodes and for the shares of the blocks annotations are used here, and no method does it. Each
of these four with displacements, as in the paper (preset `paper`), and with the motion saliency (preset `saliency`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.linalg
import torch
from matplotlib.figure import SubFigure

from ikebook.base.check import readable, require
from ikebook.base.compute import Compute
from ikebook.base.files import plain, write_csv
from ikebook.experiments.common import (
    AnnotatedClip,
    Setup,
    new_figure,
    percent,
    read_annotated,
    text_table,
    write_figure,
)
from ikebook.graph.graph_module import build
from ikebook.graph.presets import PRESETS
from ikebook.matrix.features import Cue
from ikebook.networks.cues import read_cue

FRAMES = 5

PAIRS = 6

FLOWS = {"farneback": "FlowNet2.0", "dis": "RAFT"}
"""The two flow methods, and for which of the paper's each stands."""

FEATURES = {"paper": "displacements, as printed", "saliency": "saliency"}
"""Presets that A is made with."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One A with its nodes in order, those of the object first.

    Parameters
    ----------
    preset, flow : str
        Names of the options and of the flow that it was made with.
    cues : bool
        Whether it was made with good cues.
    matrix : (n, n) float64
    values : (6,) float64
        Its largest eigenvalues, decreasing, as many as the paper shows.
    cosines : (6,) float64
        |cos| of their eigenvectors to the ground truth.
    objects : int
        Nodes of the object, the first so many.
    """

    preset: str
    flow: str
    cues: bool
    matrix: np.ndarray
    values: np.ndarray
    cosines: np.ndarray
    objects: int

    def shares(self) -> dict[str, float]:
        """Of |A|'s sum: within the object, between it and the rest, and within the rest."""
        k = self.objects
        size = np.abs(self.matrix)
        total = max(float(size.sum()), 1e-300)
        return {
            "object": float(size[:k, :k].sum()) / total,
            "between": 2 * float(size[:k, k:].sum()) / total,
            "background": float(size[k:, k:].sum()) / total,
        }

    def row(self, sequence: str) -> dict[str, Any]:
        """All its numbers, for the CSV file."""
        shares, part = self.shares(), self.objects / len(self.matrix)
        first, second = self.values[:2]
        return (
            {"sequence": sequence, "features": self.preset, "flow": self.flow, "paper_flow": FLOWS[self.flow]}
            | {"cues": self.cues, "paper_case": "supervised" if self.cues else "unsupervised"}
            | {f"lambda_{k + 1}": value for k, value in enumerate(self.values)}
            | {"gap": first - second, "second_to_first": second / first if first else np.nan, "object_nodes": part}
            | {f"share_{name}": share for name, share in shares.items()}
            # Of the object's entries and of the others, the mean |A| over that of all: 1 for a matrix that is even.
            | {"density_object": shares["object"] / part**2}
            | {"density_elsewhere": (1 - shares["object"]) / (1 - part**2)}
            | {f"cosine_{k + 1}": value for k, value in enumerate(self.cosines)}
        )


def run(setup: Setup) -> tuple[str, list[str]]:
    """Measure, write spectrum.csv and a figure for each sequence; the table as text, and the files' names."""
    found = {name: measure(setup, name) for name in setup.sequences}
    rows = [spectrum.row(name) for name, spectra in found.items() for spectrum in spectra]
    write_csv(setup.out / "spectrum.csv", plain(rows))
    for name, spectra in found.items():
        draw(setup.out / f"spectrum-{name}.png", name, spectra)
        setup.say(f"{name}: done")
    return eigenvalue_table(rows), ["spectrum.csv", *(f"spectrum-{name}.png" for name in found)]


def measure(setup: Setup, name: str) -> list[Spectrum]:
    """The matrices of a sequence's first frames: two kinds of features, two flow methods, without and with cues."""
    annotated = read_annotated(setup, name, FRAMES)
    part = annotated.truth.mean()
    require(
        0 < part < 1,
        f"at {setup.size[0]}x{setup.size[1]} the object takes {percent(part)}% of the first {FRAMES} frames of {name!r}; "
        "expected some object and some background. Try another --size or sequence.",
    )
    good = read_cue(setup.cue / name, annotated.clip) if setup.cue else good_cue(annotated.shares)
    return [
        _spectrum(annotated, preset, flow, [good] if cues else [])
        for preset in FEATURES
        for cues in (False, True)
        for flow in FLOWS
    ]


def good_cue(shares: np.ndarray, seed: int = 0) -> Cue:
    """What a good network would say: the object's share of each pixel, blurred by a pixel, and noise of 0.2."""
    blurred = np.stack([cv2.GaussianBlur(share, (0, 0), 1.0) for share in shares])
    noise = np.random.default_rng(seed).normal(0, 0.2, blurred.shape)
    return Cue(name="good", maps=torch.from_numpy((blurred + noise).clip(0, 1)))


def _spectrum(annotated: AnnotatedClip, preset: str, flow: str, cues: list[Cue]) -> Spectrum:
    matrix = build(
        annotated.clip, annotated.flow(flow), options=PRESETS[preset], cues=cues, compute=Compute(dtype=torch.float64)
    )
    labels = annotated.truth.reshape(-1)
    order = np.argsort(~labels, kind="stable")  # the object first; both in the order of the frames
    dense = matrix.dense().numpy()[np.ix_(order, order)]
    n = len(dense)
    values, vectors = scipy.linalg.eigh(dense, subset_by_index=[n - PAIRS, n - 1])
    truth = labels[order] / np.sqrt(labels.sum())
    return Spectrum(
        preset, flow, bool(cues), dense, values[::-1], np.abs(truth @ vectors)[::-1], int(np.count_nonzero(labels))
    )


def eigenvalue_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Eigenvalues, and how much of |A| lies in the object's block, a line for each matrix."""
    return text_table(
        [
            {"sequence": row["sequence"], "features": FEATURES[row["features"]]}
            | {"flow": row["flow"], "cues": "good" if row["cues"] else "none"}
            | {f"l{k}": f"{row[f'lambda_{k}']:.3g}" for k in range(1, PAIRS + 1)}
            | {"l2/l1": f"{row['second_to_first']:.2f}"}
            | {name: percent(row[f"share_{name}"]) for name in ("object", "between", "background")}
            | {"density": f"{row['density_object']:.1f}", "else": f"{row['density_elsewhere']:.2f}"}
            | {"cos 1": f"{row['cosine_1']:.2f}"}
            for row in rows
        ],
        names=4,
    ) + (
        "\nobject, between, background: shares of |A|, percent; density: mean |A| in the object's block over that of all; "
        "cos 1: of the eigenvector to the truth."
        "\nIn the paper, for all: 'a very strong cluster', and 'a significant difference between the first eigenvalue and "
        "the second one' (Sec. 7.4; its text has no numbers)."
    )


def draw(path: Path, name: str, spectra: Sequence[Spectrum]) -> None:
    """Draw each matrix with the ground truth above it and its first eigenvalues below, a row for each kind of features."""
    kinds = list(dict.fromkeys(spectrum.preset for spectrum in spectra))
    columns = len(spectra) // len(kinds)
    figure = new_figure(3.1 * columns, 5.0 * len(kinds) + 0.4)
    parts = figure.subfigures(len(kinds), columns, squeeze=False)
    for part, spectrum in zip(parts.flat, spectra, strict=True):
        _draw_one(part, spectrum)
    figure.suptitle(
        f"{readable(name)}: A of {FRAMES} frames, the object's nodes first. Red: above 0, blue: below", parse_math=False
    )
    write_figure(path, figure)


def _draw_one(figure: SubFigure, spectrum: Spectrum) -> None:
    strip, image, bars = figure.subplots(3, 1, height_ratios=[0.07, 1, 0.4])
    n, k = len(spectrum.matrix), spectrum.objects
    strip.imshow((np.arange(n) < k)[None], cmap="gray", vmin=0, vmax=1, aspect="auto")
    strip.set_title(
        f"{FEATURES[spectrum.preset]}\n{spectrum.flow}, {'good cues' if spectrum.cues else 'no cues'}", fontsize="small"
    )
    strip.set_xticks([])
    strip.set_yticks([])
    # Most entries are far below the largest; what shows is cut off at the 99th percentile.
    limit = max(float(np.quantile(np.abs(spectrum.matrix), 0.99)), 1e-300)
    image.imshow(spectrum.matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
    image.set_xticks([k], [f"{k} of {n}"], fontsize="small")
    image.set_yticks([k], [""])
    bars.bar(range(1, PAIRS + 1), spectrum.values, color=["tab:red"] + ["tab:grey"] * (PAIRS - 1), width=0.6)
    bars.set_title(f"lambda 2 / lambda 1 = {spectrum.values[1] / spectrum.values[0]:.2f}", fontsize="small")
    bars.set_xticks(range(1, PAIRS + 1))
    bars.tick_params(labelsize="small")
