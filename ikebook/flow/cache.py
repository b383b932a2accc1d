"""Flow kept between runs, under a key made of the frames, the provider's options and the working size."""

from __future__ import annotations

from pathlib import Path

from ikebook.base.arrays import Memory
from ikebook.base.cache import ArrayCache
from ikebook.base.check import InputError
from ikebook.flow.fields import Flow


class FlowCache(ArrayCache):
    """Flow fields kept between runs, one `.npz` file a clip. Delete them whenever you like.

    Parameters
    ----------
    folder : Path, optional
        Where; by default `$IKEBOOK_CACHE`, else the system's place for caches.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__("flow", folder)

    def load(self, key: str, memory: Memory | None = None) -> Flow | None:
        """The flow kept under `key`, left on disk if `memory` has none for it; None where no file can be read."""
        try:
            arrays = self.load_arrays(key, ("forward", "backward"), memory)
            return None if arrays is None else Flow(forward=arrays[0], backward=arrays[1])
        except InputError:  # arrays, but no flow
            return None

    def save(self, key: str, flow: Flow) -> None:
        """Keep `flow` under `key`. A place that can't be written to costs the next run time, and is no error."""
        self.save_arrays(key, {"forward": flow.forward, "backward": flow.backward})
