"""`ikebook data`: list and fetch data sets."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tqdm import tqdm

from ikebook.base.places import user_path
from ikebook.cli.terminal import say
from ikebook.datasets.download import BY_HAND, SOURCES, fetch


def add_command(commands: Any) -> None:
    """Add the command, and what can be done with it, to the parsers of all."""
    data = commands.add_parser("data", help="list and fetch data sets", description="List and fetch data sets.")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what can be fetched", description="What can be fetched, and from where.")
    listing.set_defaults(command="data list", execute=execute_list)
    getting = actions.add_parser(
        "get",
        help="fetch one",
        description="Fetch a data set, check it and unpack it. Run again, it goes on where it stopped.",
    )
    getting.add_argument("name", metavar="NAME", help=", ".join([*SOURCES, *BY_HAND]))
    getting.add_argument("--root", required=True, metavar="DIR", help="folder to unpack to")
    getting.add_argument("--url", help="another address of the archive")
    getting.add_argument("--checksum", metavar="md5:... | sha256:... | none", help="another checksum of the archive")
    getting.set_defaults(command="data get", execute=execute_get)


def execute_list(_: argparse.Namespace) -> None:
    for name, source in SOURCES.items():
        print(f"{name}\n  {source.title}\n  {source.size} from {source.url}\n  {source.checksum}\n  {source.note}")
    for name, steps in BY_HAND.items():
        print(f"{name}\n  {steps}")
    print(
        "demo\n  The embedded clip, nothing to fetch: type 'ikebook demo', or in Python 'import ikebook; ikebook.demo()'"
    )


def execute_get(options: argparse.Namespace) -> None:
    with tqdm(desc=options.name, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=None) as line:

        def show(there: int, total: int) -> None:
            line.total = total or None
            line.update(there - line.n)

        root = fetch(
            options.name, user_path(options.root), url=options.url, checksum=options.checksum, progress=show, say=say
        )
    print(f"{options.name} lies in {root}. Try: ikebook evaluate {options.name} --root {root} --out results")
