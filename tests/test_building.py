"""The page for those who build on ikebook: its examples run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "building.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documents come with a checkout only")
def test_the_examples_run() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried > 20
    assert failed == 0
