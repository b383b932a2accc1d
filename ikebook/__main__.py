"""`python -m ikebook`, and the command `ikebook`."""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Run the command line and exit with its code."""
    hold_standard_files()
    # Read when OpenCV is first imported: its warnings would come before our one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        from ikebook.cli import main
        from ikebook.grading import command as grade

        # Grading runs the checks of answers, one of which reads command lines: it can't be one of `cli`'s own commands.
        sys.exit(main(more=(grade,)))
    except KeyboardInterrupt:  # importing takes a second
        sys.exit(130)


def hold_standard_files() -> None:
    """Let files 0, 1 and 2 lead nowhere where they are closed: else the next file that is opened gets such a number, and what
    C code prints goes into it.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(file, True)
    os.close(file)


if __name__ == "__main__":
    run()
