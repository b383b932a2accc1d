"""`python -m ikebook`, and the command `ikebook`."""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Run the command line and exit with its code."""
    # Read when OpenCV is first imported: its warnings would come before our one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        from ikebook.cli import main
        from ikebook.grading import command as grade
    except KeyboardInterrupt:  # importing takes a second
        sys.exit(130)
    # Grading runs the checks of answers, one of which reads command lines: it can't be one of `cli`'s own commands.
    sys.exit(main(more=(grade,)))


if __name__ == "__main__":
    run()
