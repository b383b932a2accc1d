"""How tests look at a page that changes: until it has got there, on however slow a machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SECONDS = 60
"""How long a page may take, on two busy cores."""

DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

LOOKS = 4
"""In a row, that have to find an element at the same place."""

CALM = """() => document.getAnimations().every((one) =>
    // Colours that fade, and what slides in: those that end have ended.
    one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)"""


def until(page, look: Callable[[], Any], good: Callable[[Any], bool] = bool, seconds: float = SECONDS) -> Any:
    """Look until what is seen is good, and give it."""
    end = time.monotonic() + seconds
    while not good(seen := look()):
        assert time.monotonic() < end, f"after {seconds:g} seconds there is still {seen!r}"
        page.wait_for_timeout(40)
    return seen


def drawn(page) -> None:
    """Wait until the page has been drawn with all that has been asked for up to now."""
    page.evaluate(DRAWN)


def calm(page) -> None:
    """Wait until it has been drawn, and nothing fades or slides any more."""
    drawn(page)
    until(page, lambda: page.evaluate(CALM))


def steady_box(locator) -> dict[str, float]:
    """Where an element is in the window, once it stays there: pictures grow into their room after they have come."""
    found: list[dict[str, float] | None] = []

    def look() -> list[dict[str, float] | None]:
        drawn(locator.page)
        found.append(locator.bounding_box())
        return found[-LOOKS:]

    locator.wait_for()
    last = until(locator.page, look, lambda last: len(last) == LOOKS and last.count(last[0]) == LOOKS and last[0])
    return last[0]


def wait_for_walk(iteration) -> None:
    """Until the page has the matrix that it iterates with; before, it would not hear of what is painted."""
    until(iteration.page, lambda: iteration.evaluate("(node) => Boolean(node.live.walk)"))


def wait_for_rest(iteration) -> None:
    """Until the page iterates no more, and has drawn what it came to."""
    until(iteration.page, lambda: iteration.evaluate("({ live }) => !live.timer && !live.ticket"))
