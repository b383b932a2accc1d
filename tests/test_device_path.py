"""What a GPU would be waited for, without one: on PyTorch's device "meta" tensors have shapes, and no values to ask for.

The code goes every step there that it would go on a GPU, its own branches too. Asking for a value raises, and so does to fetch a
tensor, and to mix tensors of two devices.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ikebook.base.compute import Compute
from ikebook.base.tensors import FrameCache, extent
from ikebook.datasets.toys import toy
from ikebook.flow import raft_small
from ikebook.graph import graph_module, saliency
from ikebook.graph.choice import about_means
from ikebook.graph.masks import histogram, soft_masks
from ikebook.graph.presets import override, preset
from ikebook.matrix import columns
from ikebook.matrix.features import CombinedFeatures
from ikebook.networks import training
from ikebook.networks.losses import knowledge_loss
from ikebook.networks.unet import NetworkOptions, new_network
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.power import power_steps
from ikebook.solvers.reduced import reduce
from ikebook.solvers.volumes import SpannedVolumes
from ikebook.video.colours import lab_colours, lab_on_device

GPU = torch.device("meta")
MADE = toy("deforming", (40, 32), 9)
OPTIONS = {
    "default": preset("default"),
    "union": override(preset("default"), "motion.edges=union"),
    "steps": override(preset("default"), "features.displacements=steps", "features.scale=minmax"),
    "corners": override(preset("default"), "chains.links=corners", "chains.consistent=true"),
    "bilinear": override(preset("default"), "chains.sampling=bilinear", "motion.colour=none"),
    "paper": preset("paper"),
}


@pytest.fixture
def _answers(monkeypatch):
    """What is asked for once a clip, and is no part of the pass: least and greatest values, and the scale of the saliency."""
    monkeypatch.setattr(columns, "extent", lambda maps: (0.0, 1.0))
    monkeypatch.setattr(columns, "_flow_range", lambda *_: [(0.0, 1.0), (0.0, 1.0)])
    monkeypatch.setattr(saliency, "sampled_quantile", lambda *_: 1.0)


def test_to_ask_an_imagined_gpu_for_a_value_raises() -> None:
    compute = Compute(device=GPU)
    values = torch.zeros(3, device=compute.device)
    for question in (lambda: float(values.sum()), values.cpu, values.tolist, lambda: bool(values.any())):
        with pytest.raises((NotImplementedError, RuntimeError)):
            question()
    with pytest.raises(RuntimeError):
        values + torch.zeros(3)


@pytest.mark.usefixtures("_answers")
@pytest.mark.parametrize("name", OPTIONS)
def test_the_pass_asks_a_gpu_for_nothing(name) -> None:
    """Saliency, chains, F, F'F and F'MF, the choice's products and soft masks: nothing comes back on the way."""
    compute = Compute(device=GPU)
    matrix = graph_module._matrix(MADE.clip, [MADE.flow], [], OPTIONS[name], compute)
    d = matrix.features.shape[1]
    sums = reduce(matrix.motion, CombinedFeatures(matrix.features, torch.eye(d, dtype=torch.float64)))
    assert sums.motion.device == GPU
    volumes = SpannedVolumes(matrix.features, torch.ones(1, d, 2, dtype=torch.float64))
    reference = torch.zeros(9, 32, 40, device=GPU)
    assert volumes.products(about_means(reference, GPU)).device == GPU
    counts = [histogram(soft_masks(labels[0])) for labels in volumes.frames([0])]
    assert {count.device for count in counts} == {GPU}


@pytest.mark.usefixtures("_answers")
def test_what_is_known_is_estimated_without_an_answer() -> None:
    compute = Compute(device=GPU)
    evidence = saliency.Evidence(MADE.clip.frames, MADE.flow, compute=compute)
    for _ in range(2):
        later = evidence.saliency(known=MADE.clip.masks.astype(np.float32))
        assert later.device == GPU


class Questions(TorchDispatchMode):
    """Counts values that are asked for one by one, which on a GPU are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_questions_are_counted() -> None:
    with Questions() as questions:
        values = torch.arange(3.0)
        assert values.sum() == 3
        assert float(values[1]) == 1
    assert questions.count == 2


def test_power_iteration_asks_no_value_by_itself() -> None:
    """What decides how it goes on, it learns in one answer an iteration, `tolist`, which is a copy and no single value."""
    matrix = graph_module.build(MADE.clip, MADE.flow, options=preset("paper"))
    start = torch.rand(matrix.shape[0], generator=torch.Generator().manual_seed(0))
    list(power_steps(matrix, start, iterations=1, tolerance=0))  # what is found once is found by now
    with Questions() as questions:
        states = list(power_steps(matrix, start, iterations=3, tolerance=0))
    assert [state.iteration for state in states] == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert questions.count == 0


def test_an_exact_solution_asks_a_few_times_however_long_the_clip() -> None:
    counts = []
    for frames in (9, 18):
        made = toy("deforming", (24, 20), frames)
        matrix = graph_module.build(made.clip, made.flow)
        with Questions() as questions:
            reduce(matrix.motion, matrix.features)
        assert questions.count == 0
        with questions:
            exact(matrix, SolverOptions(measure=False))
        counts.append(questions.count)
    assert counts[0] == counts[1]


def test_raft_small_predicts_without_an_answer(monkeypatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # it knows no such device
    network = raft_small.RaftSmall().to(GPU).eval()
    frames = torch.zeros(2, 3, 128, 136, device=GPU)
    with torch.inference_mode():
        (flow,) = network(frames, frames, 2)
    assert flow.device == GPU


def test_a_step_of_training_neither_fetches_nor_asks() -> None:
    options = training.TrainOptions(batch=3)
    compute = Compute(device=GPU)
    network = new_network(NetworkOptions(widths=(8, 16), dilations=(1,), stem=2)).to(GPU)
    frames = training._resident(MADE.clip.frames, training.pictures, compute.device)
    masks = training._resident(MADE.clip.masks.astype(np.float32), training.tensor, compute.device)
    for images, targets in training._batches(frames, masks, options, epoch=0):
        assert images.device == targets.device == GPU
        loss = knowledge_loss(network(images).float(), targets)
        loss.backward()


def test_a_gpu_keeps_the_frames_that_fit_side_by_side() -> None:
    array = np.arange(24, dtype=np.float32).reshape(6, 4)
    whole = FrameCache(array, lambda frame: torch.from_numpy(frame).to(GPU), limit=array.nbytes)
    assert whole.batch(range(1, 4)).data_ptr  # a view of what is kept
    assert whole.batch(range(1, 4))._base is whole._whole
    assert whole.batch([0, 0, 1])._base is None
    some = FrameCache(array, lambda frame: torch.from_numpy(frame).to(GPU), limit=array.nbytes - 1)
    assert some.batch(range(1, 4))._base is None


@pytest.mark.parametrize("size", [(40, 32), (416, 20), (150, 3)])
def test_a_gpus_colours_are_opencvs(size) -> None:
    w, h = size
    frames = np.random.default_rng(0).integers(0, 256, (2, h, w, 3), np.uint8)
    frames[0] = frames[0] // 128 * 255
    known = np.asarray(lab_colours(frames))
    for dtype, bound in ((torch.float32, 0.02), (torch.float64, 0.02)):
        found = torch.cat([*lab_on_device(frames, torch.device("cpu"), dtype)])
        assert found.dtype == dtype
        assert np.abs(found.numpy() - known).max() < bound


def test_a_gpus_quantile_is_numpys() -> None:
    values = torch.rand(3, 1001, generator=torch.Generator().manual_seed(0))

    class Elsewhere(torch.Tensor):
        device = GPU

    parts = [part.as_subclass(Elsewhere) for part in values.tensor_split(2)]
    assert saliency.sampled_quantile(iter(parts), 3003, 0.95) == pytest.approx(
        saliency.sampled_quantile(values.tensor_split(2), 3003, 0.95), abs=1e-12
    )
    assert extent(values) == (float(values.min()), float(values.max()))
