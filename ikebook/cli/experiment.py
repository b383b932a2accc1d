"""`ikebook experiment`: one of the paper's experiments, its figure and its numbers."""

from __future__ import annotations

import argparse
from typing import Any

from ikebook.base.places import user_path
from ikebook.cli.options import check_out
from ikebook.cli.terminal import say


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    what = "run one of the paper's experiments on DAVIS 2016: its figure and its numbers"
    parser = commands.add_parser("experiment", help=what, description=f"{what[0].upper()}{what[1:]}, in OUT.")
    parser.add_argument(
        "name",
        metavar="NAME",
        help="initialisation (Fig. 6), window (Fig. 7), spectrum (Fig. 8) or cycles (Fig. 9, Table 3)",
    )
    parser.add_argument("--root", required=True, metavar="DIR", help="folder that holds JPEGImages/, ...")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--sequences", metavar="A,B", help="only these (default: all; spectrum: car-roundabout)")
    parser.add_argument("--size", metavar="WxH", help="the graph's (default: 208x112; spectrum: 16x16)")
    parser.add_argument("--cue", metavar="DIR", help="spectrum: maps DIR/<sequence>/ that stand for good cues")
    parser.set_defaults(command="experiment", execute=execute)


def execute(options: argparse.Namespace) -> None:
    from ikebook.experiments.registry import run_experiment

    out = user_path(options.out)
    check_out(out)
    print(run_experiment(options.name, options.root, out, options.sequences, options.size, options.cue, say))
