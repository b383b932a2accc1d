"""What is to be measured, and where: told to every process, without any library."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""Names and values of one line of a table. `goal` is no column: which goal of the page the row is about, and the number."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Parameters
    ----------
    device : "cuda", "cuda:1" or "cpu"
    small : whether this is a rehearsal on toys
    root : of DAVIS 2016, if it is there
    sequences : of it, by name
    weights : of RAFT-small, if they are there
    out : folder of the page
    repository : the checkout's folder
    deadline : seconds for all sections together
    """

    device: str
    small: bool
    root: Path | None
    sequences: tuple[str, ...]
    weights: Path | None
    out: Path
    repository: Path
    deadline: float

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of the frames; the first is the size of the goals."""
        return ((40, 32), (56, 40)) if self.small else ((416, 224), (854, 480))

    @property
    def frames(self) -> int:
        """Of a clip of the first size; of the second half as many, which are four times as large."""
        return 6 if self.small else 50

    def frames_of(self, size: tuple[int, int]) -> int:
        return self.frames if size == self.sizes[0] else self.frames // 2

    def budget(self, section: Section) -> float:
        """Seconds that a section may take; a rehearsal is about what it does, on whatever machine."""
        return section.budget * (5 if self.small else 1)

    @property
    def pairs(self) -> int:
        """Of frames that RAFT is timed on."""
        return 1 if self.small else 16


@dataclass(frozen=True, kw_only=True)
class Section:
    """Parameters
    ----------
    name : of the section, for --only
    title : in the page
    says : what the table shows, a sentence or two
    budget : seconds that it may take
    home : "module:function", imported by the process that measures
    """

    name: str
    title: str
    says: str
    budget: float
    home: str

    def function(self) -> Callable[[Any], Iterator[Row]]:
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(module), name)
