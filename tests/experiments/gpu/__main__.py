"""What ikebook does on a GPU, in one command and at most six minutes: `make gpu`, or

    python tests/experiments/gpu --root ../shared/davis2016                  writes docs/results/gpu-<card>.md
    python tests/experiments/gpu --device cpu --small                        the rehearsal, into build/gpu

It needs Python, PyTorch, scipy, OpenCV, NumPy and pytest, and no network. Real sequences are those below --root, if that is
there, else the embedded clip; weights of RAFT-small those of --weights, if they are there, else chance.

Sections run one after the other in a process of their own, which is ended when a section takes longer than it may, or takes the
process with it; the next one begins anew. The page is written after each, so that what was measured is there, however it ends.
"""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SHARED = next((one for one in (ROOT.parent / "shared", ROOT / "shared") if one.is_dir()), ROOT.parent / "shared")
sys.path[:0] = [str(HERE), str(ROOT)]

import page  # noqa: E402
from plan import Plan, Section  # noqa: E402
from worker import work  # noqa: E402

START = 60.0
"""Seconds that a process may take to load PyTorch and to find the card, beyond its first section's."""


def main() -> None:
    plan = arguments()
    begin = time.monotonic()
    results = page.Results(plan)
    waiting = list(page.SECTIONS)
    while waiting and time.monotonic() - begin < plan.deadline:
        waiting = run(plan, waiting, results, begin)
    for section in waiting:
        results.failed(section, "left out: the time for all sections was up")
    results.finished(time.monotonic() - begin)
    print(f"Written to {results.path}")
    sys.exit(results.alarming)


def arguments() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:1, or cpu to rehearse")
    parser.add_argument("--small", action="store_true", help="toys and few steps: a rehearsal of every line")
    parser.add_argument(
        "--root", type=Path, default=SHARED / "davis2016", help="DAVIS 2016's folder (default: %(default)s)"
    )
    parser.add_argument("--sequences", default="cows,car-roundabout", help="of them (default: %(default)s)")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights" / "raft_small" / "raft-small.pth")
    parser.add_argument("--out", type=Path, help="folder for the page")
    parser.add_argument("--only", help="sections, by name: for whoever mends one")
    parser.add_argument("--deadline", type=float, default=345.0, help="seconds for all sections (default: %(default)s)")
    given = parser.parse_args()
    if given.only:
        chosen = given.only.split(",")
        page.SECTIONS[:] = [section for section in page.SECTIONS if section.name in chosen]
    out = given.out or (ROOT / "build" / "gpu" if given.device == "cpu" else ROOT / "docs" / "results")
    return Plan(
        device=given.device,
        small=given.small,
        root=None if given.small or not (given.root / "JPEGImages").is_dir() else given.root,
        sequences=tuple(given.sequences.split(",")),
        weights=given.weights if given.weights.is_file() and not given.small else None,
        out=out,
        repository=ROOT,
        deadline=given.deadline,
    )


def run(plan: Plan, sections: list[Section], results: page.Results, begin: float) -> list[Section]:
    """Let a new process work on sections until it is done, or has to be ended; those that are left."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(plan, sections, theirs))
    worker.start()
    theirs.close()
    at, since = 0, time.monotonic() + START
    try:
        while at < len(sections):
            section, now = sections[at], time.monotonic()
            left = min(since + plan.budget(section), begin + plan.deadline) - now
            if not ours.poll(max(left, 0.01)):
                results.failed(section, f"ended after {max(now - since, 0):.0f} s, which is all that it may take")
                return sections[at + 1 :]
            try:
                kind, content = ours.recv()
            except EOFError:
                worker.join(5)
                results.failed(section, f"its process ended by itself, with code {worker.exitcode}")
                return sections[at + 1 :]
            if kind == "nothing":
                sys.exit(f"make gpu: {content}")
            if kind == "row":
                results.row(section, content)
            elif kind == "about":
                results.about(content)
                since = time.monotonic()  # libraries are loaded: the first section begins
            else:
                results.done(section, time.monotonic() - since, content)
                at, since = at + 1, time.monotonic()
    finally:
        worker.kill()
        worker.join()
    return []


if __name__ == "__main__":
    main()
