"""Build Binder's environment on this machine, as far as that goes without Docker, and run the first notebook in it.

    python binder/build_here.py [--keep DIR] [--notebook 00]

From the same files that Binder reads: environment.yml by conda, mamba or micromamba, whichever there is; where there is none,
the same list by pip, with the names that the packages have on PyPI and the versions of constraints.txt, which it says.
Packages of apt.txt are looked for, and not installed. Then postBuild runs in a copy of what git tracks, and the notebook.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYPI = {"pytorch-cpu": "torch", "py-opencv": "opencv-python", "matplotlib-base": "matplotlib"}


def dependencies() -> list[str]:
    """The entries of environment.yml."""
    text = (ROOT / "binder" / "environment.yml").read_text()
    return re.findall(r"^  - (\S+)$", text.partition("dependencies:")[2], re.MULTILINE)


def wanted_by_pip() -> tuple[str, list[str]]:
    """Python's version, and what pip should install, from environment.yml."""
    python, packages = "", []
    for entry in dependencies():
        name, bound = re.fullmatch(r"([\w.-]+?)([=<>].*)?", entry).groups("")
        if name == "python":
            python = bound.strip("=")
        else:
            packages.append(PYPI.get(name, name) + bound)
    return python, packages


def packages_of_apt() -> list[str]:
    lines = (ROOT / "binder" / "apt.txt").read_text().splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def run(*command: object, **options: object) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, **options)


def build(folder: Path) -> Path:
    """Make the environment, and return its Python."""
    conda = next((tool for tool in ("mamba", "micromamba", "conda") if shutil.which(tool)), None)
    target = folder / "environment"
    if conda:
        verb = ["create"] if conda == "micromamba" else ["env", "create"]
        run(conda, *verb, "--yes", "--quiet", "--prefix", target, "--file", ROOT / "binder" / "environment.yml")
        return target / "bin" / "python"
    python, packages = wanted_by_pip()
    usable = shutil.which(f"python{python}")
    if usable and subprocess.run([usable, "-c", ""], capture_output=True, check=False).returncode:
        usable = None  # a shim of a Python that is not installed
    print(f"no conda here: the list of environment.yml by pip, on {usable or sys.executable}")
    if not usable:
        print(f"no Python {python} here either, which Binder has; this is {sys.version.split()[0]}")
    run(usable or sys.executable, "-m", "venv", target)
    run(
        target / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "-c",
        ROOT / "binder" / "constraints.txt",
        *packages,
    )
    return target / "bin" / "python"


def main() -> int:
    parser = argparse.ArgumentParser(description="Build Binder's environment here, and run a notebook in it.")
    parser.add_argument("--keep", metavar="DIR", help="build there, and leave it")
    parser.add_argument("--notebook", default="00", metavar="NUMBER", help="which to run (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.keep or scratch).resolve()
        repository = folder / "repository"
        repository.mkdir(parents=True)
        for name in packages_of_apt():
            there = (
                shutil.which("dpkg")
                and not subprocess.run(["dpkg", "-s", name], capture_output=True, check=False).returncode
            )
            print(f"apt.txt: {name} is {'here' if there else 'not here; Binder would install it'}")
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        for name in filter(None, tracked.split("\0")):
            if (ROOT / name).is_file():
                (repository / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, repository / name)
        python = build(folder)
        settings = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
        run("./binder/postBuild", cwd=repository, env=settings)
        notebook = next((repository / "notebooks").glob(f"{options.notebook}_*.ipynb"), None)
        if notebook is None:
            sys.exit(f"there is no notebook {options.notebook}")
        # A student's notebook stops at its first empty answer; its solutions run to the end.
        solution = repository / "notebooks" / "solutions" / notebook.name
        run(python, "-m", "jupyter", "execute", "--timeout=600", solution, cwd=repository / "notebooks", env=settings)
    print(f"{notebook.name} runs in the environment of binder/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
