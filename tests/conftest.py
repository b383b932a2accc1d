"""What the tests share: toys in float64, the DAVIS sequences where they are, and a device check."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("ikebook", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("ikebook")

HERE = Path(__file__).parent
DATA = Path(os.environ.get("IKEBOOK_DATA", HERE.parent.parent / "shared"))


@pytest.fixture(scope="session")
def davis_root() -> Path:
    """The folder with DAVIS 2016's sequences."""
    root = DATA / "davis2016"
    if not root.is_dir():
        pytest.skip(f"no DAVIS sequences in {root}; set IKEBOOK_DATA to the folder that holds davis2016/")
    return root


@pytest.fixture(scope="session")
def metrics_root() -> Path:
    """The folder with masks and the official tools' numbers for them."""
    root = DATA / "metrics"
    if not root.is_dir():
        pytest.skip(f"no reference numbers in {root}; set IKEBOOK_DATA to the folder that holds metrics/")
    return root


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch) -> None:
    """No test reads or leaves flow in the user's cache."""
    monkeypatch.setenv("IKEBOOK_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
