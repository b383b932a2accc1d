"""Names of a package that are found when they are first used: PyTorch, OpenCV and Jupyter take seconds to import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's `__init__` calls `__getattr__`, `__dir__` and `__all__` (PEP 562).

    Parameters
    ----------
    package : its `__name__`
    homes : the module within it that each public name lives in
    """

    def getattribute(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def directory() -> list[str]:
        shown = [name for name in vars(sys.modules[package]) if name.startswith("__")]
        return sorted({*shown, *homes})

    return getattribute, directory, sorted(homes)
