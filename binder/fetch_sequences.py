"""Fetch DAVIS 2016 and keep of it only the sequences that the course uses, in data/davis2016.

python binder/fetch_sequences.py [DIR]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from ikebook.base.check import InputError
from ikebook.course.lab import SEQUENCES
from ikebook.datasets import Davis2016
from ikebook.datasets.download import fetch


def main(target: Path) -> int:
    if target.exists():
        print(f"{target} is there already")
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Beside the target, so that a sequence is moved and not copied, and nothing half-done is left behind.
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            dataset = Davis2016(fetch("davis2016", Path(folder) / "archive"))
            kept = Path(folder) / "kept"
            for source in (dataset.frames, dataset.masks):
                for sequence in SEQUENCES:
                    shutil.move(source / sequence, kept / source.relative_to(dataset.root) / sequence)
            kept.replace(target)
    except (InputError, OSError) as error:
        print(f"no sequences: {error}", file=sys.stderr)
        return 1
    print(f"{len(SEQUENCES)} sequences in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/davis2016")))
