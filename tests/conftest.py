"""What the tests share: toys in float64, the DAVIS sequences where they are, and a device check."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # one thread for each of several workers: more would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a test has several: the workers share the processor

import pytest
import torch

try:
    from hypothesis import settings
except ImportError:  # as where `make gpu` runs tests/test_gpu.py, which needs none
    pass
else:
    settings.register_profile("ikebook", deadline=None, max_examples=25, derandomize=True)
    settings.load_profile("ikebook")

collect_ignore_glob = ["experiments/[!t]*.py"]  # scripts, which examples must not be looked for in

HERE = Path(__file__).parent
DATA = Path(os.environ.get("IKEBOOK_DATA", HERE.parent.parent / "shared"))


def _data(folder: str, what: str) -> Path:
    root = DATA / folder
    if not root.is_dir():
        pytest.skip(f"no {what} in {root}; set IKEBOOK_DATA to the folder that holds {folder}/")
    return root


@pytest.fixture(scope="session")
def davis_root() -> Path:
    """The folder with DAVIS 2016's sequences."""
    return _data("davis2016", "DAVIS sequences")


@pytest.fixture(scope="session")
def metrics_root() -> Path:
    """The folder with masks and the official tools' numbers for them."""
    return _data("metrics", "reference numbers")


@pytest.fixture(scope="session")
def raft_small_file() -> Path:
    """The weights of RAFT-small, as its authors have trained them."""
    file = _data("weights/raft_small", "weights of RAFT-small") / "raft-small.pth"
    if not file.is_file():
        pytest.skip(f"no weights of RAFT-small in {file}")
    return file


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    (
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    ),
)
"""Of detection, which nothing of ours uses. torchvision registers more for them as it is imported."""


@pytest.fixture(scope="session")
def torchvision_operators():
    """Lets torchvision be imported where its compiled part does not fit this PyTorch, as CUDA's does not fit the CPU's."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("no torchvision; install the extra raft or cues")
    try:
        for compiled in Path(found.origin).parent.glob("_C*.so"):
            torch.ops.load_library(compiled)
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            library.define(operator)
        yield library  # as long as it is held, the operators are there
    else:
        yield None


@pytest.fixture
def store():
    """fsspec's store in memory, with nothing in it."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
