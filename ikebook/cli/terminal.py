"""What a command shows on stderr while it works: lines, and bars below them where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ikebook.base.provenance import marks

if TYPE_CHECKING:
    from ikebook.runs.results import Summary


def say(text: str) -> None:
    """A line on stderr, above the bars, if there are any."""
    tqdm.write(text, file=sys.stderr)


def bar(stage: str, steps: int) -> Iterator[None]:
    """A progress bar on stderr, if that is a terminal, advanced by taking from it."""
    for _ in tqdm(range(steps), desc=stage, file=sys.stderr, leave=False, disable=None, dynamic_ncols=True):
        yield None


class StatusLine:
    """How far all sequences are, in one line on stderr, where several are worked on at a time; else nothing."""

    def __init__(self, line: Any = None) -> None:
        self.line = line

    def advance(self) -> None:
        """One more is done."""
        if self.line is not None:
            self.line.update()

    def show(self, states: Mapping[str, str]) -> None:
        """What each of those that are worked on is doing, by name."""
        if self.line is not None:
            self.line.set_postfix_str(" | ".join(f"{name}: {state}" for name, state in states.items()))


@contextmanager
def status_line(total: int | None = None, *, shown: bool) -> Iterator[StatusLine]:
    """A line for `total` sequences, wiped away at the end; one that shows nothing, unless `shown`."""
    if not shown:
        yield StatusLine()
        return
    with tqdm(total=total, desc="workers", file=sys.stderr, leave=False, disable=None, dynamic_ncols=True) as line:
        yield StatusLine(line)


def show_summary(summary: Summary) -> None:
    """Print what a run found and how long it took."""
    values = [f"{value:.4g}" for value in summary["eigenvalues"] if value is not None]
    if values:
        print(
            f"first {len(values)} eigenvalues: {'  '.join(values)}" if len(values) > 1 else f"eigenvalue: {values[0]}"
        )
        ratio = summary["eigenvalue_ratio"]
        if summary["eigengap"] is not None and ratio is not None:
            print(f"eigengap: {summary['eigengap']:.4g} (the nearest eigenvalue is {ratio:.2f} of the object's)")
    moves = summary["confidence_measures"]
    print(
        f"confidence: {summary['confidence']:.2f} of 1 (pixels a frame against the scene: {moves['inside']:.2f} in the masks, "
        f"{moves['outside']:.2f} elsewhere)"
    )
    for line in marks(summary["options"]["sources"]):
        print(line)
    print("seconds: " + "  ".join(f"{stage} {spent:.1f}" for stage, spent in summary["seconds"].items()))
    for warning in summary["warnings"]:
        print(f"ikebook: note: {warning}", file=sys.stderr)
