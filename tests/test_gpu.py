"""The graph on another device, or with another number of threads, is the same graph.

Each test runs twice: on the CPU with one thread, always, and on CUDA where there is one.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from ikebook.base.compute import Compute
from ikebook.cycle import CycleOptions, exchange
from ikebook.datasets.toys import Toy, toy
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions, override, preset
from ikebook.graph.result import GraphResult
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.solvers.pairs import residual_norms

HAS_CUDA = torch.cuda.is_available()
DEVICES = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not HAS_CUDA, reason="this PyTorch finds no CUDA device")],
        ),
    ],
)
LINEAR = ("solver.method=exact", "solver.normalisation=l2")
OPTIONS: dict[str, GraphOptions] = {
    "default": preset("default"),
    "union": override(preset("default"), "motion.edges=union"),
    "corners": override(preset("default"), "chains.links=corners"),
    "corners, pass": override(preset("default"), "chains.links=corners", "chains.border=pass"),
    "frame": override(preset("default"), "projection.scope=frame"),
    "frame, union": override(preset("default"), "projection.scope=frame", "motion.edges=union"),
    "paper": override(preset("paper"), "solver.method=exact"),
    "paper, count": override(preset("paper"), "solver.method=exact", "motion.edges=count"),
    "released": override(preset("released"), *LINEAR),
    "released, video": override(preset("released"), *LINEAR, "projection.scope=video"),
}


@pytest.fixture
def _as_before():
    """Threads and matrix precision as they were, whatever the test sets."""
    threads, tf32 = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32


@functools.cache
def reference(name: str, dtype: torch.dtype = torch.float32) -> GraphResult:
    """What the CPU finds with two threads."""
    return found(OPTIONS[name], "cpu", threads=2, dtype=dtype)


def found(
    options: GraphOptions, device: str, *, threads: int, dtype: torch.dtype = torch.float32, made: Toy | None = None
) -> GraphResult:
    torch.set_num_threads(threads)
    made = made or toy("deforming", (40, 32), 6)
    return segment(made.clip, made.flow, options=options, compute=Compute(device=device, dtype=dtype))


def assert_same(one: GraphResult, other: GraphResult, device: str, bound: float) -> None:
    """One vector, one spectrum, one saliency; and `other` lies on its device as a whole."""
    kind = torch.device(device).type
    tensors = [other.labels, other.pairs.vectors, *([] if other.saliency is None else [other.saliency])]
    assert [tensor.device.type for tensor in tensors] == [kind] * len(tensors)
    assert other.matrix.device.type == kind
    assert other.chosen == one.chosen
    x, y = one.labels.double().flatten().cpu(), other.labels.double().flatten().cpu()
    assert abs(float(x @ y)) / float(x.norm() * y.norm()) > 1 - bound
    largest = float(one.pairs.values[0])
    assert float((one.pairs.values - other.pairs.values).abs().max()) < 10 * bound * largest
    value = other.pairs.values[other.chosen : other.chosen + 1]
    residual = residual_norms(other.matrix, value, other.pairs.vectors[other.chosen][None])
    assert float(residual[0]) < 1e-5
    assert np.abs(one.soft - other.soft).max() < 1e-2
    if one.saliency is not None:
        assert other.saliency is not None
        assert float((one.saliency - other.saliency.cpu()).abs().max()) < 1e-4


@DEVICES
@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("name", OPTIONS)
def test_every_device_finds_the_same(name, device) -> None:
    here = reference(name)
    assert_same(here, found(OPTIONS[name], device, threads=1), device, bound=1e-6)


@DEVICES
@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("name", ["default", "released"])
def test_in_float64_the_devices_agree_to_rounding(name, device) -> None:
    here = reference(name, torch.float64)
    there = found(OPTIONS[name], device, threads=1, dtype=torch.float64)
    assert abs(float(here.labels.flatten() @ there.labels.flatten().cpu())) > 1 - 1e-10
    assert float((here.pairs.values - there.pairs.values).abs().max()) < 1e-10 * float(here.pairs.values[0])


@DEVICES
@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("name", ["default", "released"])
def test_a_user_who_allows_tf32_gets_the_same(name, device) -> None:
    """TF32 keeps 10 bits of the mantissa: what a network can bear, an eigenvector's residual cannot."""
    here = reference(name)
    torch.backends.cuda.matmul.allow_tf32 = True
    assert_same(here, found(OPTIONS[name], device, threads=1), device, bound=1e-6)
    assert torch.backends.cuda.matmul.allow_tf32  # the user's setting is left as it was


@DEVICES
@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("method", ["power", "lanczos", "lobpcg"])
def test_every_solver_on_every_device(method, device) -> None:
    options = override(preset("default"), f"solver.method={method}", "solver.pairs=2", "motion.self_loop=5")
    made = toy("two_objects", (24, 20), 5)  # LOBPCG converges on it in float32; on others it stalls above rounding
    here = found(override(options, "solver.method=exact"), "cpu", threads=2, made=made)
    there = found(options, device, threads=1, made=made)
    assert there.labels.device.type == torch.device(device).type
    assert float((there.pairs.values - here.pairs.values).abs().max()) < 1e-4 * float(here.pairs.values[0])
    assert abs(float(here.labels.double().flatten() @ there.labels.double().flatten().cpu())) > 1 - 1e-6


PRODUCTS = {"matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "einsum"}


class Watching(TorchFunctionMode):
    """Counts float32 matrix products, and those of them that a GPU would have been free to round."""

    def __init__(self) -> None:
        super().__init__()
        self.products = self.loose = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        factors = [factor for factor in args if isinstance(factor, torch.Tensor)]
        if getattr(func, "__name__", "") in PRODUCTS and factors[0].dtype == torch.float32:
            self.products += 1
            flags = torch.backends.cuda.matmul  # within its own setting, PyTorch 2.9 and later refuse the older name
            exact = flags.fp32_precision == "ieee" if hasattr(flags, "fp32_precision") else not flags.allow_tf32
            self.loose += not exact
        return func(*args, **(kwargs or {}))


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("name", OPTIONS)
def test_no_product_is_left_to_tf32(name) -> None:
    """Seen on the CPU too: the setting that a GPU would obey, at each product."""
    torch.backends.cuda.matmul.allow_tf32 = True
    with Watching() as watching:
        result = found(OPTIONS[name], "cpu", threads=1)
        assert len(result.pairs.vectors) == len(result.pairs.values)
        result.residual()
    assert watching.products > 20
    assert watching.loose == 0


@DEVICES
def test_the_exchange_learns_there(device) -> None:
    made = toy("disc", (64, 48), 8)
    options = CycleOptions(
        cycles=2,
        network=NetworkOptions(widths=(8, 16), dilations=(1, 2), stem=1),
        training=TrainOptions(steps=80, rate=1e-2),
        tolerance=0.0,
    )
    first, network, second = exchange(made.clip, made.flow, options=options, compute=Compute(device=device))
    assert network.training is not None
    assert network.training.network.head.weight.device.type == device
    assert network.training.losses[-1] < 0.5 * network.training.losses[0]
    for state in (first, network, second):
        assert isinstance(state.soft, np.ndarray)
        assert state.score is not None
        assert state.score > 0.6
