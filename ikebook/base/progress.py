"""How long work shows how far it is, whoever shows it: a bar in the terminal, a widget, nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Progress = Callable[[str, int], Iterable[None]]
"""Given a stage's name and its number of steps, an iterator that is advanced once a step."""


def silent(stage: str, steps: int) -> Iterable[None]:
    """No progress shown."""
    return ()
