"""Print the badges of the course, in Markdown: Binder opens JupyterLab at the first notebook, Colab one notebook each.

python binder/badges.py [OWNER/NAME] [--ref main]
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def owner_and_name() -> str:
    """The repository that pyproject.toml names."""
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    return address.removeprefix("https://github.com/")


def binder(repository: str, ref: str, path: str) -> str:
    link = f"https://mybinder.org/v2/gh/{repository}/{ref}?urlpath=lab/tree/{path}"
    return f"[![Binder](https://mybinder.org/badge_logo.svg)]({link})"


def colab(repository: str, ref: str, path: str) -> str:
    link = f"https://colab.research.google.com/github/{repository}/blob/{ref}/{path}"
    return f"[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the badges of the course.")
    parser.add_argument("repository", nargs="?", default=owner_and_name(), metavar="OWNER/NAME")
    parser.add_argument("--ref", default="main")
    options = parser.parse_args()
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        where = path.relative_to(ROOT).as_posix()
        badges = (make(options.repository, options.ref, where) for make in (binder, colab))
        print(f"| {path.stem[:2]} | {path.stem[3:].replace('_', ' ')} | {' | '.join(badges)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
