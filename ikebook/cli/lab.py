"""`ikebook lab` and `ikebook page`: the course, in JupyterLab or as pages without code."""

from __future__ import annotations

import argparse
from typing import Any

from ikebook.base.check import require
from ikebook.base.places import user_path


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "lab",
        help="the course's notebooks, in JupyterLab",
        description="Copy the notebooks of the course into DIR and open JupyterLab there. Notebooks that are in DIR already "
        "stay as they are: your answers are never written over.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        default="ikebook-course",
        metavar="DIR",
        help="folder for the notebooks (default: %(default)s)",
    )
    parser.add_argument("--start", metavar="NUMBER", help="the notebook to open, such as 05 (default: the first)")
    parser.add_argument(
        "--solutions", action="store_true", help="copy the solutions of all exercises too, into DIR/solutions"
    )
    parser.add_argument("--copy-only", action="store_true", help="copy the notebooks, and open nothing")
    parser.set_defaults(command="lab", execute=execute)

    page = commands.add_parser(
        "page",
        help="a notebook of the course as a page, without code",
        description="Serve a notebook of the course as a page without code, by Voila, until you stop it with Ctrl-C.",
    )
    page.add_argument("number", nargs="?", default="00", metavar="NUMBER", help="such as 05 (default: %(default)s)")
    page.set_defaults(command="page", execute=execute_page)


def execute(options: argparse.Namespace) -> None:
    from ikebook.course.lab import copy_notebooks, notebook, notebooks, open_lab

    folder = user_path(options.folder)
    start = (notebook(options.start) if options.start else notebooks()[0]).name[:2]
    written, kept = copy_notebooks(folder, solved=options.solutions)
    print(
        f"{folder}: {len(written)} notebooks copied"
        + (f", {len(kept)} were there and stay as they are" if kept else "")
    )
    if not options.copy_only:
        _done("JupyterLab", open_lab(folder, start=start))


def execute_page(options: argparse.Namespace) -> None:
    from ikebook.course.lab import open_page

    _done("Voila", open_page(options.number))


def _done(program: str, code: int) -> None:
    require(code == 0, f"{program} ended with exit code {code}; what it printed says why.")
