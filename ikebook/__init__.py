"""Iterative knowledge exchange between deep learning and space-time spectral clustering, to use and to learn from.

>>> import ikebook
>>> clip = ikebook.read_clip("my_video.mp4")  # doctest: +SKIP
>>> ikebook.segment(clip).masks  # doctest: +SKIP

E. Haller, A. M. Florea and M. Leordeanu, IEEE TPAMI 2022, doi:10.1109/TPAMI.2021.3120228.
"""

from __future__ import annotations

import os

from ikebook.base.lazy import attach
from ikebook.base.quota import ask_for_threads

__version__ = "0.1.0"

# OpenCV reads it when it is first imported. A picture of 20 kB can ask for 3 GB; larger sides than 16384 are refused anyway.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(16384**2))

# And PyTorch how many threads it may begin.
ask_for_threads(os.environ)

_HOMES = {
    "Clip": "video.clip",
    "Compute": "base.compute",
    "Cue": "matrix.features",
    "CycleOptions": "cycle",
    "CycleState": "cycle",
    "Flow": "flow.fields",
    "GraphOptions": "graph.presets",
    "GraphResult": "graph.result",
    "PRESETS": "graph.presets",
    "build": "graph.graph_module",
    "compute_flow": "flow.compute",
    "demo": "datasets.toys",
    "exchange": "cycle",
    "override": "graph.presets",
    "preset": "graph.presets",
    "provider": "flow.providers",
    "read_clip": "video.clip",
    "segment": "graph.graph_module",
    "toy": "datasets.toys",
}

_ROOMS = (
    "video",
    "flow",
    "datasets",
    "matrix",
    "solvers",
    "graph",
    "networks",
    "cycle",
    "runs",
    "exports",
    "experiments",
    "course",
    "widgets",
    "check_answers",
)

__getattr__, __dir__, __all__ = attach(__name__, _HOMES, {name: name for name in _ROOMS} | {"toys": "datasets.toys"})
__all__ += ["__version__"]
