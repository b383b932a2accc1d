"""The course around the notebooks: its clips and its JupyterLab (`lab`), its pictures (`figures`, `animation`), its made-up networks.

A notebook begins with one line, which takes from here what all of them share:

>>> from ikebook.course import check_answers, course_clip, double, figures, ikebook, np, pipeline, torch

`np` and `torch` are NumPy and PyTorch. `double` is the precision in which toys are computed: they are small, and get all the
digits there are.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {"np": "numpy", "torch": "torch", "ikebook": "ikebook", "figures": "ikebook.course.figures"}

_HOMES = {
    "check_answers": "ikebook.check_answers",
    "course_clip": "ikebook.course.lab",
    "pipeline": "ikebook.course.animation",
}

__all__ = sorted([*_MODULES, *_HOMES, "double"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Public names, found when first used: `ikebook lab` needs none of them."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "double":
        import torch

        from ikebook.base.compute import Compute

        return Compute(dtype=torch.float64)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
