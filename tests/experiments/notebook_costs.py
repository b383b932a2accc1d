"""Measure what each notebook takes, and write it into the header of its source; then make the notebooks again.

    .venv/bin/python tests/experiments/notebook_costs.py [02 03 ...]

Minutes are those of the processor, all threads together, so that a busy machine changes them little; memory is the
kernel's peak. Run it with OMP_NUM_THREADS=1, as the headers speak of one core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ikebook.course.lab import TAKES, costs

ROOT = Path(__file__).resolve().parents[2]


def main(numbers: list[str]) -> int:
    sources = [
        path
        for path in sorted((ROOT / "notebooks" / "source").glob("[0-9][0-9]_*.py"))
        if not numbers or path.name[:2] in numbers
    ]
    with tempfile.TemporaryDirectory() as folder:
        solutions = [f"notebooks/solutions/{path.stem}.ipynb" for path in sources]
        command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-cell-timeout=600", *solutions]
        settings = {"IKEBOOK_COSTS": folder, "IKEBOOK_DATA": "", "OMP_NUM_THREADS": "1"}
        settings["IKEBOOK_CACHE"] = str(Path(folder) / "cache")
        code = subprocess.call(command, cwd=ROOT, env=os.environ | settings)
        if code:
            return code
        measured = {path.stem: json.loads((Path(folder) / f"{path.stem}.json").read_text()) for path in sources}
    for path in sources:
        found, text = measured[path.stem], path.read_text(encoding="utf-8")
        minutes, memory = max(0.1, round(found["minutes"], 1)), max(0.1, round(found["memory"], 1))
        print(f"{path.stem}: {found['minutes']:.2f} minutes, {found['memory']:.2f} GB; it said {costs(text)}")
        line = f"**Takes** {minutes:g} minutes of computing on one core, and {memory:g} GB"
        path.write_text(TAKES.sub(line, text, count=1), encoding="utf-8")
    return subprocess.call([sys.executable, ROOT / "notebooks" / "source" / "build.py"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
