"""Dense inverse search flow (Kroeger, Timofte, Dai & Van Gool, ECCV 2016, doi:10.1007/978-3-319-46493-0_29)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from ikebook.base import check
from ikebook.flow.pairwise import PairwiseFlow, Search

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@dataclass(frozen=True, kw_only=True)
class DisOptions:
    """Options of OpenCV's DIS flow.

    Parameters
    ----------
    preset : str, default "medium"
        OpenCV's "ultrafast", "fast" or "medium".
    finest_scale : int, default 0
        Level of the pyramid that the search ends at; 0 is the frame itself.
    max_height : int, default 480
        Taller frames are reduced to this many rows before the search, pixels.
    refinement : int or None, default None
        Iterations of the variational refinement that smooths the field on each scale; None: as many as the preset has, 5 for
        "medium" and "fast", none for "ultrafast".

    Notes
    -----
    docs/speed.md has what other options cost and bring, by `tests/experiments/flow_settings.py`.
    """

    preset: str = "medium"
    finest_scale: int = 0
    max_height: int = 480
    refinement: int | None = None

    def __post_init__(self) -> None:
        check.one_of("DisOptions.preset", self.preset, PRESETS)
        check.whole("DisOptions.finest_scale", self.finest_scale)
        check.whole("DisOptions.max_height", self.max_height, at_least=16)
        if self.refinement is not None:
            check.whole("DisOptions.refinement", self.refinement)


class Dis(PairwiseFlow):
    """OpenCV's dense inverse search, from a pair of grey frames, both ways.

    T. Kroeger, R. Timofte, D. Dai and L. Van Gool, ECCV 2016, doi:10.1007/978-3-319-46493-0_29.

    Parameters
    ----------
    options : DisOptions, optional
        Preset, scale and size.
    """

    def __init__(self, options: DisOptions | None = None) -> None:
        self.options = options or DisOptions()
        super().__init__(self.options.max_height)

    def describe(self) -> str:
        return f"dis {asdict(self.options)} OpenCV {cv2.__version__}"

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return self.pairs_of_grey(frames, self._new_search)

    def _new_search(self) -> Search:
        search = cv2.DISOpticalFlow.create(PRESETS[self.options.preset])
        search.setFinestScale(self.options.finest_scale)
        if self.options.refinement is not None:
            search.setVariationalRefinementIterations(self.options.refinement)
        return lambda first, second: search.calc(first, second, None)  # type: ignore[call-overload]
