"""What tests, and the examples in docstrings, have in common."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test and no example reads or leaves flow in the user's cache."""
    monkeypatch.setenv("IKEBOOK_CACHE", str(tmp_path / "cache"))
