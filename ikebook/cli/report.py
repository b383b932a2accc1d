"""`ikebook report`: evaluations beside the paper's tables."""

from __future__ import annotations

import argparse
from typing import Any

from ikebook.base.places import user_path
from ikebook.cli.options import check_out


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "report",
        help="evaluations beside the paper's tables",
        description="Put the results of evaluations beside the paper's tables and other published numbers. Writes "
        "OUT/report.md with its pictures, and OUT/report.html, one file that needs nothing else.",
    )
    parser.add_argument("results", metavar="RESULTS", nargs="+", help="folders that 'ikebook evaluate' has written")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the report")
    parser.add_argument(
        "--no-frames",
        action="store_true",
        help="leave out the best and worst frames, which show pictures of the data set",
    )
    parser.set_defaults(command="report", execute=execute)


def execute(options: argparse.Namespace) -> None:
    from ikebook.runs.report.composition import write_report

    out = user_path(options.out)
    check_out(out)
    written = write_report(options.results, out, frames=not options.no_frames)
    print(f"Written to {out}: {', '.join(path.name for path in written)}")
