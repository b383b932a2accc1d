"""Flow that is known already: a toy's exact flow, or fields from another program, as a provider like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ikebook.flow.fields import Flow
from ikebook.video.clip import array_fingerprint


class KnownFlow:
    """Fields that are known, whatever the frames; `compute_flow` brings them to a clip's working size.

    Parameters
    ----------
    flow : Flow
        Of m frames, at any size.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def describe(self) -> str:
        return f"known {array_fingerprint(self.flow.forward)} {array_fingerprint(self.flow.backward)}"

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from zip(self.flow.forward, self.flow.backward, strict=True)
