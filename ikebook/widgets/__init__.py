"""Widgets for JupyterLab: every object of the paper to look at, click and step (Figs. 1 to 6 and 8).

They show what the library computes, and compute nothing themselves; each becomes a static page with `save_html`. A widget that
computes has its page's side in a file `..._view.py`; `browser/` holds what runs in the browser, and `scripts.py` joins it.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ChainExplorer": "chain_explorer",
    "ClipPlayer": "clip_player",
    "Compare": "compare",
    "CycleDashboard": "cycle_dashboard",
    "InitialisationRace": "initialisation_race",
    "Job": "background",
    "MatrixExplorer": "matrix_explorer",
    "PowerIterationStepper": "power_iteration_stepper",
    "SpectrumExplorer": "spectrum_explorer",
    "VideoCanvas": "canvas",
    "link": "canvas",
    "write_module": "save_html",
    "write_page": "save_html",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Public names, found when first used."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
