"""Runs killed at a hundred moments each, and what the next run makes of what they left.

    python tests/experiments/kills.py [N]

Runs the tests of kills with N seeds (default 100), two kinds of run: a segmentation that dies at one of its writings, and
an evaluation that dies at some time or with half a file on the disk. Prints each seed, and whether all was right; a seed
that fails is run alone by the name that is printed with it. The tests themselves have 40 and 20 of these seeds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS = (
    "tests/runs/test_places.py::TestOneRun::test_killed_while_it_writes_leaves_nothing_of_it_to_the_next",
    "tests/runs/test_long_runs.py::TestKills",
)


def main() -> int:
    """Run them, and give the exit code of pytest."""
    count = sys.argv[1] if len(sys.argv) > 1 else "100"
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *TESTS]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "IKEBOOK_KILLS": count}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
