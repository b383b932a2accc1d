"""Names of a package that are found when they are first used: PyTorch, OpenCV and Jupyter take seconds to import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(
    package: str, homes: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's `__init__` calls `__getattr__`, `__dir__` and `__all__` (PEP 562).

    Parameters
    ----------
    package : its `__name__`
    homes : the module within it that each public name lives in
    modules : where modules of it lie that are found too, by name, and shown by `dir`, but not imported by a star
    """
    further = modules or {}

    def getattribute(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        if name in further:
            return importlib.import_module(f"{package}.{further[name]}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def directory() -> list[str]:
        special = [name for name in vars(sys.modules[package]) if name.startswith("__") and name.endswith("__")]
        return sorted({*special, *homes, *further})

    return getattribute, directory, sorted(homes)
