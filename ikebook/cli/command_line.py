"""The command line as a whole: its parser, and how a command ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import ikebook
from ikebook.base.check import explain
from ikebook.cli import bench, data, demo, evaluate, experiment, export, lab, report, segment

COMMANDS = (segment, export, demo, evaluate, report, bench, experiment, lab, data)
"""A module for each command: `add_command` adds its parser, which names what executes it; some give an exit code."""


def parser() -> argparse.ArgumentParser:
    """The parser of `ikebook`; what it reads has in `execute` the function that does it."""
    whole = argparse.ArgumentParser(
        prog="ikebook",
        description="Find the main object of a video without any label: space-time spectral clustering "
        "(Haller, Florea & Leordeanu, TPAMI 2022).",
        epilog="Start with 'ikebook demo'. 'ikebook COMMAND --help' tells more of each.",
    )
    whole.add_argument("--version", action="version", version=f"ikebook {ikebook.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_command(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0; 2 for a wrong input; 3 if some sequences of a data set, or some of several videos, failed, and the others are there; 130 when stopped by Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        done = options.execute(options)
        sys.stdout.flush()  # here, where a reader that has gone is caught, and not when Python ends
    except KeyboardInterrupt:
        code, message = 130, "stopped; what was finished is kept, and nothing is half-written."
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        code, message = 2, explained[1]
    else:
        return done or 0
    # The error is gone by now, and so is the progress bar that stood on this line as long as the error held it.
    print("ikebook:", " ".join(message.splitlines()), file=sys.stderr)
    return code
