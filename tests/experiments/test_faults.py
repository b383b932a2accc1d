"""Seeded faults are of the package as it is: each can be put in, and its tests are there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("faults", ROOT / "tests" / "experiments" / "faults.py")
faults = importlib.util.module_from_spec(spec)
sys.modules["faults"] = faults
spec.loader.exec_module(faults)


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.what)
def test_a_fault_can_be_put_in(fault) -> None:
    text = (ROOT / "ikebook" / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1
    seeded = text.replace(fault.old, fault.new)
    assert seeded != text
    if fault.file.endswith(".py"):
        compile(seeded, fault.file, "exec")
    assert all((ROOT / "tests" / name).is_file() for name in fault.tests)
