"""Iterative knowledge exchange between deep learning and space-time spectral clustering, to use and to learn from.

>>> import ikebook
>>> clip = ikebook.read_clip("my_video.mp4")  # doctest: +SKIP
>>> flow = ikebook.compute_flow(clip, ikebook.provider("dis"))  # doctest: +SKIP
>>> ikebook.segment(clip, flow).masks  # doctest: +SKIP

E. Haller, A. M. Florea and M. Leordeanu, IEEE TPAMI 2022, doi:10.1109/TPAMI.2021.3120228.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# OpenCV reads it when it is first imported. A picture of 20 kB can ask for 3 GB; larger sides than 16384 are refused anyway.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(16384**2))

_HOMES = {
    "Clip": "clip",
    "Cue": "features",
    "CycleOptions": "cycle",
    "CycleState": "cycle",
    "Flow": "flow",
    "GraphOptions": "presets",
    "GraphResult": "graph",
    "PRESETS": "presets",
    "build": "graph",
    "compute_flow": "flow",
    "demo": "toys",
    "exchange": "cycle",
    "override": "presets",
    "preset": "presets",
    "provider": "flow",
    "read_clip": "clip",
    "segment": "graph",
    "toy": "toys",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Public names, found when first used: torch and OpenCV take seconds to import, `import ikebook` should not."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
