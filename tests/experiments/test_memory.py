"""A run with everything on disk takes what the work needs, and not more: where that grows, nobody would see it otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "memory.py"

FRAMES = 40
"""More than chains of 15 steps reach both ways, so that frames come and go."""


def test_the_work_on_a_clip_takes_four_hundred_megabytes() -> None:
    command = [sys.executable, str(SCRIPT), "--frames", str(FRAMES), "--memory", "500M"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    frames, _, added, _, *arrays = told.splitlines()[-1].split()
    assert (int(frames), arrays) == (FRAMES, ["on", "disk"])
    assert 0.3 < float(added) < 0.48
