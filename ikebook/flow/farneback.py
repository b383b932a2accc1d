"""Flow by polynomial expansion (Farnebäck, SCIA 2003, doi:10.1007/3-540-45103-X_50)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from ikebook.base import check
from ikebook.flow.pairwise import PairwiseFlow


@dataclass(frozen=True, kw_only=True)
class FarnebackOptions:
    """Options of OpenCV's Farneback flow.

    Parameters
    ----------
    levels : int, default 5
        Levels of the pyramid, each half the size of the one before.
    window : int, default 15
        Side of the averaging window, pixels.
    iterations : int, default 3
        Iterations at each level.
    max_height : int, default 480
        Taller frames are reduced to this many rows before, pixels.
    """

    levels: int = 5
    window: int = 15
    iterations: int = 3
    max_height: int = 480

    def __post_init__(self) -> None:
        check.whole("FarnebackOptions.levels", self.levels, at_least=1)
        check.whole("FarnebackOptions.window", self.window, at_least=3)
        check.whole("FarnebackOptions.iterations", self.iterations, at_least=1)
        check.whole("FarnebackOptions.max_height", self.max_height, at_least=16)


class Farneback(PairwiseFlow):
    """OpenCV's Farnebäck flow, from a pair of grey frames, both ways.

    G. Farnebäck, SCIA 2003, doi:10.1007/3-540-45103-X_50.

    Parameters
    ----------
    options : FarnebackOptions, optional
        Levels, window and size.
    """

    def __init__(self, options: FarnebackOptions | None = None) -> None:
        self.options = options or FarnebackOptions()
        super().__init__(self.options.max_height)

    def describe(self) -> str:
        return f"farneback {asdict(self.options)} OpenCV {cv2.__version__}"

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        o = self.options

        def search(first: np.ndarray, second: np.ndarray) -> np.ndarray:
            return cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]
                first, second, None, 0.5, o.levels, o.window, o.iterations, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN
            )

        return self.pairs_of_grey(frames, lambda: search)
