"""Several objects: the leading eigenspace of A in place of one eigenvector. Ours, not the paper's.

Two things that move apart are two clusters of A, and where their eigenvalues are close no single eigenvector is either of them.
So each node is placed in the space of the leading eigenvectors, at (sqrt(lambda_1) v_1, ..., sqrt(lambda_r) v_r): how far from 0 says
how much it belongs to any cluster, and in which direction to which (Ng, Jordan & Weiss, NIPS 2001).

What tells objects apart is where they move, and the saliency knows only how far. So the motion that the camera's leaves over becomes
node features beside it. Things that move together, a rider and what he rides, are one object for any of this.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ikebook.base.compute import Compute
from ikebook.base.tensors import tensor
from ikebook.flow.fields import Flow
from ikebook.graph.residual import STILL, both_directions, dominant_motion
from ikebook.graph.saliency import sample_parts
from ikebook.matrix.features import Cue
from ikebook.matrix.operator import full_precision
from ikebook.solvers.pairs import Eigenpairs

SCALE = 0.95
"""Quantile of the residual motion's length over the clip that counts as one unit, as for the saliency."""

SWEEPS = 100
"""Of the clustering, at most."""


def residual_cues(flow: Flow, compute: Compute) -> list[Cue]:
    """Where each pixel moves against the scene: the flow less the dominant motion, ahead and behind, four maps (m, h, w).

    In units of a large residual of the clip, and compressed to r / (1 + |r|), so that a few wild vectors do not rule. Before the
    first frame the flow ahead stands in, negated, and behind the last one the other way round: things go on as they went.
    """
    fields, last = [], len(flow) - 1
    with full_precision():
        for frame in range(len(flow)):
            both = torch.cat([tensor(one) for one in both_directions(flow, range(frame, frame + 1))])
            both = both.to(compute.device, compute.dtype)
            if frame in (0, last):
                both[1 if frame == 0 else 0] *= -1
            fields.append(both - dominant_motion(both))
    residual = torch.stack(fields)  # (m, 2, h, w, 2)
    length = residual.norm(dim=-1)
    unit = max(float(np.quantile(sample_parts([length], length.numel()), SCALE)), STILL)
    residual = residual / unit / (1 + length / unit)[..., None]
    return [
        Cue(name=f"{way} {axis}", maps=residual[:, k, :, :, j].contiguous(), on_object=False)
        for k, way in enumerate(("ahead", "behind"))
        for j, axis in enumerate(("dx", "dy"))
    ]


def embedding(pairs: Eigenpairs) -> Tensor:
    """Each node's place in the leading eigenspace, (r, m, h, w): sqrt(lambda) times the eigenvectors."""
    vectors = torch.cat(list(pairs.volumes.frames()), dim=1)
    return vectors * pairs.values.clamp_min(0).sqrt().to(vectors)[:, None, None, None]


def cluster_directions(points: Tensor, count: int) -> Tensor:
    """Which of `count` clusters each point (n, r) belongs to, by its direction from 0; (n,) int64, the largest cluster first.

    Spherical k-means from the longest point, and then from whatever is least like those before: no chance is in it.
    """
    units = points / points.norm(dim=1, keepdim=True).clamp_min(1e-30)
    centres = units[points.norm(dim=1).argmax()][None]
    for _ in range(count - 1):
        centres = torch.cat([centres, units[(units @ centres.T).amax(1).argmin()][None]])
    labels = torch.full((len(points),), -1, device=points.device)
    for _ in range(SWEEPS):
        nearest = (units @ centres.T).argmax(1)
        if bool((nearest == labels).all()):
            break
        labels = nearest
        sums = torch.zeros_like(centres).index_add_(0, labels, units)
        lengths = sums.norm(dim=1, keepdim=True)
        centres = torch.where(lengths > 0, sums / lengths.clamp_min(1e-30), centres)
    order = torch.bincount(labels, minlength=count).argsort(descending=True, stable=True)
    return order.argsort()[labels]


def label_objects(places: Tensor, masks: np.ndarray, count: int) -> np.ndarray:
    """Which object each pixel is of, (m, h, w) uint8: 0 is none, 1 the largest.

    Parameters
    ----------
    places : (r, m, h, w)
        Of `embedding`.
    masks : (m, h, w) bool
        What is of any object.
    count : objects
    """
    labels = np.zeros(masks.shape, np.uint8)
    inside = torch.from_numpy(masks).to(places.device)
    if masks.any():
        labels[masks] = (cluster_directions(places[:, inside].T, count) + 1).cpu().numpy().astype(np.uint8)
    return labels
