"""Every widget, of a made clip: for tests of what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ikebook.cycle import CycleOptions
from ikebook.widgets import (
    ChainExplorer,
    ClipPlayer,
    Compare,
    CycleDashboard,
    InitialisationRace,
    MatrixExplorer,
    PowerIterationStepper,
    SpectrumExplorer,
)


def dashboard(made: SimpleNamespace) -> CycleDashboard:
    shown = CycleDashboard(made.clip, made.flow, options=CycleOptions(cycles=2, network=None))
    shown.start_button.click()
    return shown


WIDGETS: dict[str, Callable[[Any], Any]] = {
    "ClipPlayer": lambda made: ClipPlayer(made.clip),
    "ClipPlayer with maps": lambda made: ClipPlayer(made.clip, masks=made.clip.masks, labels=made.clip.masks - 0.5),
    "Compare": lambda made: Compare(made.clip, made.clip.masks, np.roll(made.clip.masks, 5, axis=2)),
    "ChainExplorer": lambda made: ChainExplorer(made.clip, made.flow),
    "MatrixExplorer": lambda made: MatrixExplorer(made.clip, made.flow),
    "PowerIterationStepper": lambda made: PowerIterationStepper(made.clip, made.flow),
    "PowerIterationStepper of noise": lambda made: PowerIterationStepper(made.clip, made.flow, start="noise"),
    "SpectrumExplorer": lambda made: SpectrumExplorer(made.clip, made.flow),
    "InitialisationRace": lambda made: InitialisationRace(made.clip, made.flow, iterations=3),
    "CycleDashboard": dashboard,
}
