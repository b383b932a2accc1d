"""Faults put into the package on purpose, one at a time: which of them do the tests catch?

    python tests/experiments/seeded_faults.py                          all faults of faults.py, against this checkout
    python tests/experiments/seeded_faults.py --only solvers theory    those whose file, or what is wrong, has one of the words
    python tests/experiments/seeded_faults.py --save new.json          and keep what was found; run again, it goes on there
    python tests/experiments/seeded_faults.py --package ../old/ikebook --tests ../old/tests --save old.json
    python tests/experiments/seeded_faults.py --table old.json new.json > docs/results/seeded_faults.md

Each fault is put into a copy of the package in a temporary folder, never into the checkout, and the tests that it names
are run on it, one process at a time, up to the first that fails. That one is then run on the copy without the fault: a
test that fails there too has caught nothing. Checkouts from before the package had rooms are read as well.

It ends with 1 if a fault is not caught, and with 2 if one is void, because its text does not stand in the file once, or
if its tests fail without it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from faults import FAULTS, FLAT_TESTS, Fault

HERE = Path(__file__).resolve().parent.parent.parent

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "node_modules")

FIRST_FAILURE = """
import os, pathlib

def tell(report):
    place = pathlib.Path(os.environ["FIRST_FAILURE"])
    if report.failed and not place.exists():
        place.write_text(report.nodeid, encoding="utf-8")

pytest_runtest_logreport = pytest_collectreport = tell
"""
"""A plug-in of pytest's that writes down the first test that fails."""

WORDS = {"caught": "yes", "missed": "**no**", "limit": "**no** (time)", "void": "**void**", "unsound": "**unsound**"}


class Copy:
    """A copy of a checkout that faults may be put into.

    Parameters
    ----------
    folder : an empty folder, for the copy
    package, tests : folders to copy; what lies beside the package comes along
    """

    def __init__(self, folder: Path, package: Path, tests: Path) -> None:
        self.folder, self.package = folder / "checkout", folder / "checkout" / "ikebook"
        shutil.copytree(package.parent, self.folder, ignore=lambda *names: {*LEFT_OUT(*names), "ikebook", "tests"})
        shutil.copytree(package, self.package, ignore=LEFT_OUT)
        shutil.copytree(tests, self.folder / "tests", ignore=LEFT_OUT)
        (folder / "first_failure.py").write_text(FIRST_FAILURE, encoding="utf-8")
        self.has_rooms = (self.package / "base").is_dir()
        self.sound: set[str] = set()  # tests that pass without a fault
        self.environment = os.environ | {
            "PYTHONPATH": f"{self.folder}{os.pathsep}{folder}",
            "FIRST_FAILURE": str(folder / "failed.txt"),
            "OMP_NUM_THREADS": "1",
        }
        found = self._run([sys.executable, "-c", "import ikebook; print(ikebook.__file__)"], 60).strip()
        if Path(found).parent != self.package:
            sys.exit(f"tests would run against {found}, not against the copy {self.package}.")

    def seed(self, fault: Fault) -> tuple[Path, str] | None:
        """Put a fault in; the file, and its text before. None if the fault is void."""
        file = self.package / (fault.file if self.has_rooms else fault.flat or fault.file)
        old, new = fault.old, fault.new
        if not self.has_rooms and fault.flat_old:
            old, new = fault.flat_old, fault.flat_new
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if text.count(old) != 1:
            return None
        self.write(file, text.replace(old, new))
        return file, text

    @staticmethod
    def write(file: Path, text: str) -> None:
        """Write a module. A fault may be as long as what it replaces, and as old: its bytecode would pass for the other's."""
        file.write_text(text, encoding="utf-8")
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()

    def is_sound(self, test: str, limit: float) -> bool:
        """Whether a test passes without a fault."""
        if test not in self.sound and self.run([test], limit)[0] == "passed":
            self.sound.add(test)
        return test in self.sound

    def tests_of(self, fault: Fault) -> list[str]:
        """The files of the tests that a fault names, those that this checkout has."""
        names = [name if self.has_rooms else FLAT_TESTS.get(name, Path(name).name) for name in fault.tests]
        there = [f"tests/{name}" for name in names if (self.folder / "tests" / name).is_file()]
        if not there:
            sys.exit(f"there is none of {', '.join(names)}, which should catch: {fault.what}.")
        return there

    def run(self, tests: Sequence[str], limit: float) -> tuple[str, str]:
        """Run tests up to the first failure: "passed", "failed" or "limit", and which test failed."""
        failed = Path(self.environment["FIRST_FAILURE"])
        failed.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "first_failure", *tests]
        try:
            output = self._run(command, limit)
        except subprocess.TimeoutExpired:
            return "limit", ""
        which = failed.read_text(encoding="utf-8") if failed.exists() else ""
        if not which and not (" passed" in output or " skipped" in output):
            sys.exit(f"{' '.join(tests)} ran no test:\n{output[-2000:]}")
        return ("failed", which) if which else ("passed", "")

    def _run(self, command: Sequence[str], limit: float) -> str:
        """What a command writes; it and what it has started are ended at the limit."""
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        try:
            return process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def judge(copy: Copy, fault: Fault, limit: float) -> dict[str, Any]:
    """What the tests say of one fault."""
    begin = time.monotonic()
    seeded = copy.seed(fault)
    if seeded is None:
        return {"verdict": "void", "test": "", "seconds": 0.0}
    file, text = seeded
    try:
        came, which = copy.run(copy.tests_of(fault), limit)
    finally:
        copy.write(file, text)
    seconds = time.monotonic() - begin
    verdict = {"passed": "missed", "limit": "limit", "failed": "caught"}[came]
    if verdict == "caught" and "::" in which:  # else the fault lets the tests not even be collected
        verdict = "caught" if copy.is_sound(which, limit) else "unsound"
    return {"verdict": verdict, "test": which.removeprefix("tests/"), "seconds": round(seconds, 1)}


def table(files: Sequence[Path]) -> str:
    """What several runs have found, side by side, as Markdown."""
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    names = [run["name"] for run in runs]
    about = (
        f"Written by `tests/experiments/seeded_faults.py` on {dt.datetime.now(tz=dt.UTC).date()}, on two cores, one process at "
        "a time. Each fault is one change of the package. The tests of its room were run on it, up to the first that failed; "
        "that test passes without the fault. Seconds are those until then, on a machine that did other work as well. Void: what "
        "is changed is not there in that version."
    )
    lines = ["# Seeded faults", "", about, ""]
    for name, run in zip(names, runs, strict=True):
        verdicts = [run["found"].get(fault.what, {"verdict": "void"})["verdict"] for fault in FAULTS]
        void = verdicts.count("void")
        lines.append(
            f"- {name}: {verdicts.count('caught')} of {len(FAULTS) - void} faults are caught"
            + (f"; {void} are of what it does not have." if void else ".")
        )
    heads = [f"{name}: caught | by | s" for name in names]
    lines += ["", f"| file | what is wrong | {' | '.join(heads)} |", "|---|---|" + "---|---|---:|" * len(runs)]
    for fault in FAULTS:
        cells = []
        for run in runs:
            one = run["found"].get(fault.what, {"verdict": "void", "test": "", "seconds": 0.0})
            test = one["test"].replace("|", "\\|")
            cells.append(f"{WORDS[one['verdict']]} | {test and f'`{test}`'} | {one['seconds']:.0f}")
        lines.append(f"| `{fault.file}` | {fault.what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Try the faults, or print the table of what has been found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, default=HERE / "ikebook", help="the package's folder")
    parser.add_argument("--tests", type=Path, default=HERE / "tests", help="the folder of its tests")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="faults with one of these words")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS", help="for the tests of one fault")
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="keep what was found, and leave out what it has already"
    )
    parser.add_argument("--name", default="the suite", help="what the table calls this run")
    parser.add_argument(
        "--table", type=Path, nargs="+", metavar="FILE", help="print the table of saved runs, and do no more"
    )
    options = parser.parse_args()
    if options.table:
        print(table(options.table))
        return 0
    chosen = [
        fault
        for fault in FAULTS
        if not options.only or any(word in f"{fault.file} {fault.what}" for word in options.only)
    ]
    found: dict[str, dict[str, Any]] = {}
    if options.save and options.save.exists():
        found = json.loads(options.save.read_text(encoding="utf-8"))["found"]
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder), options.package.resolve(), options.tests.resolve())
        for fault in chosen:
            if fault.what not in found:
                found[fault.what] = judge(copy, fault, options.limit)
                if options.save:
                    options.save.write_text(
                        json.dumps({"name": options.name, "found": found}, indent=1), encoding="utf-8"
                    )
            one = found[fault.what]
            print(f"{one['verdict']:8}{one['seconds']:7.1f} s  {fault.file}: {fault.what}  {one['test']}", flush=True)
    verdicts = [found[fault.what]["verdict"] for fault in chosen]
    print(f"{verdicts.count('caught')} of {len(chosen)} faults are caught.")
    for fault in chosen:
        if found[fault.what]["verdict"] == "void":
            print(
                f"void: {fault.old!r} does not stand once in {fault.file}: {fault.what}. Mend the fault.",
                file=sys.stderr,
            )
    if {"void", "unsound"} & set(verdicts):
        return 2
    return int(verdicts.count("caught") < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
