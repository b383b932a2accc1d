"""The command line as a whole: its parser, and how a command ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import ikebook
from ikebook.base.check import InputError, explain
from ikebook.cli import bench, data, demo, evaluate, experiment, export, lab, report, segment
from ikebook.cli.streams import lasting_streams

COMMANDS = (segment, export, demo, evaluate, report, bench, experiment, lab, data)
"""A module for each command: `add_command` adds its parser, which names what executes it; some give an exit code."""


def parser(more: Sequence[Any] = ()) -> argparse.ArgumentParser:
    """The parser of `ikebook`; what it reads has in `execute` the function that does it. `more`: commands of rooms below."""
    whole = argparse.ArgumentParser(
        prog="ikebook",
        description="Find the main object of a video without any label: space-time spectral clustering "
        "(Haller, Florea & Leordeanu, TPAMI 2022).",
        epilog="Start with 'ikebook demo'. 'ikebook COMMAND --help' tells more of each.",
    )
    whole.add_argument("--version", action="version", version=f"ikebook {ikebook.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in (*COMMANDS, *more):
        command.add_command(commands)
    return whole


def main(arguments: Sequence[str] | None = None, *, more: Sequence[Any] = ()) -> int:
    """Run the command line and return its exit code.

    0; 2 for a wrong input, or where not all that it printed could be written; 3 if some sequences of a data set, or
    some of several videos, failed, and the others are there; 130 when stopped by Ctrl-C. A reader of its output that goes does not end the work.
    """
    with lasting_streams() as (output, _):
        asked = None
        try:
            code = _run(sys.argv[1:] if arguments is None else arguments, more)
        except SystemExit as stop:  # of argparse, after --help or the usage
            asked = stop
            code = stop.code if isinstance(stop.code, int) else 0
        output.flush()
        if output.error is not None and code in (0, 3):
            reason = output.error.strerror
            return _say(2, f"{reason}: not all could be printed; what was to be written to files is there.")
    if asked is not None:
        raise asked
    return code


def _run(arguments: Sequence[str], more: Sequence[Any]) -> int:
    """Do what the arguments say, and tell in one line what went wrong."""
    try:
        options = parser(more).parse_args(arguments)
        _refuse_empty(options, arguments)
        return options.execute(options) or 0
    except KeyboardInterrupt:
        code, message = 130, "stopped; what was finished is kept, and nothing is half-written."
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        code, message = 2, explained[1]
    # The error is gone by now, and so is the progress bar that stood on this line as long as the error held it.
    return _say(code, message)


def _say(code: int, message: str) -> int:
    print("ikebook:", " ".join(message.splitlines()), file=sys.stderr)
    return code


def _refuse_empty(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Raise `InputError` for an empty word, as a variable of the shell gives that is not set."""
    for name, value in vars(options).items():
        given = value if isinstance(value, list) else [value]
        if any(isinstance(one, str) and not one.strip() for one in given):
            option = f"--{name.replace('_', '-')}"
            is_option = any(word.partition("=")[0] == option for word in arguments)
            raise InputError(f"{option if is_option else name} is empty; expected a value, or leave it out.")
