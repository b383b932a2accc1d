"""Everything that can be known of a release before it is made: `make release-check`.

    .venv/bin/python .ci/release_check.py [--pythons 3.11 3.12 ...] [--tests WORDS] [--constraints FILE] [--out DIR]

Builds sdist and wheel into OUT, checks what they hold and say, and for each Python that is here installs the wheel in an empty
environment, away from the checkout: `ikebook demo` has to find the object, `ikebook lab --copy-only --solutions` has to bring the course, and the tests that the sdist ships have to
pass against what was installed. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TESTS = "tests -m 'not slow and not browser'"
NEEDED = ("pytest", "pytest-xdist", "pytest-timeout", "pytest-rerunfailures", "hypothesis", "jupytext", "pyyaml")


def run(*command: object, cwd: Path = ROOT) -> str:
    """Run a command that has to go well; what it prints. It imports what is installed, and nothing that lies where it runs."""
    print("$", *command, flush=True)
    environment = os.environ | {"IKEBOOK_DATA": "", "PYTHONPATH": "", "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(done.stdout)
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return done.stdout


def build(out: Path) -> tuple[Path, Path]:
    """Build sdist and wheel, the wheel from the sdist; check their metadata and contents."""
    shutil.rmtree(out, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", out, ROOT)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    run(sys.executable, "-m", "check_wheel_contents", wheel)
    for file in (sdist, wheel):
        print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")
    return sdist, wheel


def find_pythons(wanted: list[str]) -> dict[str, str]:
    """The Pythons that are here and run: a shim of one that is not installed doesn't count."""
    found = {}
    for version in wanted:
        path = shutil.which(f"python{version}")
        if path and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
            found[version] = path
        else:
            print(f"Python {version} is not here, and is left out")
    return found


def try_out(python: str, sdist: Path, wheel: Path, tests: list[str], constraints: Path | None) -> None:
    """Install a wheel in an empty environment, use it, and run the tests that ship."""
    with tempfile.TemporaryDirectory(prefix="ikebook-release-") as name:
        folder = Path(name)
        run(python, "-m", "venv", folder / "environment")
        own = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
        bound = ["-c", constraints] if constraints else []
        run(own / "python", "-m", "pip", "install", "--quiet", *bound, wheel, cwd=folder)
        home = run(own / "python", "-c", "import ikebook; print(ikebook.__file__)", cwd=folder).strip()
        if not Path(home).is_relative_to(folder):
            sys.exit(f"ikebook is imported from {home}, and not from what was installed")
        run(own / "ikebook", "demo", "--out", "demo", cwd=folder)
        if not json.loads((folder / "demo" / "summary.json").read_text()):
            sys.exit("ikebook demo has written an empty summary")
        run(own / "ikebook", "lab", "course", "--copy-only", "--solutions", cwd=folder)
        counts = [len(list((folder / "course" / part).glob("*.ipynb"))) for part in (".", "solutions")]
        if counts != [13, 13]:
            sys.exit(f"the wheel brings {counts[0]} notebooks and {counts[1]} solutions; expected 13 of each")
        run(own / "python", "-m", "pip", "install", "--quiet", *bound, *NEEDED, cwd=folder)
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "shipped", filter="data")
        (shipped,) = (folder / "shipped").iterdir()
        last = run(own / "pytest", "-q", "-p", "no:cacheprovider", *tests, cwd=shipped).splitlines()[-1]
        print(f"{python}: {last}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a release before it is made.")
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS), metavar="VERSION")
    parser.add_argument("--tests", default=TESTS, metavar="WORDS", help="what pytest is told (default: %(default)s)")
    parser.add_argument("--constraints", metavar="FILE", help="versions that pip should take")
    parser.add_argument("--out", default=str(ROOT / "dist"), metavar="DIR")
    options = parser.parse_args()
    sdist, wheel = build(Path(options.out).resolve())
    pythons = find_pythons(options.pythons)
    if not pythons:
        sys.exit("no Python to try the wheel with")
    constraints = Path(options.constraints).resolve() if options.constraints else None
    for python in pythons.values():
        try_out(python, sdist, wheel, shlex.split(options.tests), constraints)
    print(f"ready: {sdist.name}, {wheel.name}; tried on Python {', '.join(pythons)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
