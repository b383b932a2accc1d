"""What a command shows on stderr while it works: lines, and bars below them where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


def say(text: str) -> None:
    """A line on stderr, above the bars, if there are any."""
    tqdm.write(text, file=sys.stderr)


def bar(stage: str, steps: int) -> Iterator[None]:
    """A progress bar on stderr, if that is a terminal, advanced by taking from it."""
    for _ in tqdm(range(steps), desc=stage, file=sys.stderr, leave=False, disable=None, dynamic_ncols=True):
        yield None


class Board:
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
def overview(total: int | None = None, *, shown: bool) -> Iterator[Board]:
    """A board for `total` sequences, wiped away at the end; one that shows nothing, unless `shown`."""
    if not shown:
        yield Board()
        return
    with tqdm(total=total, desc="workers", file=sys.stderr, leave=False, disable=None, dynamic_ncols=True) as line:
        yield Board(line)
