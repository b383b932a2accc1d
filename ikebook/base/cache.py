"""Arrays kept between runs, one uncompressed `.npz` file for each key. Delete the folder whenever you like."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ikebook.base.arrays import Array, Memory, open_npz, write_npz
from ikebook.base.check import InputError
from ikebook.base.files import atomic


def default_folder() -> Path:
    """`$IKEBOOK_CACHE`, else the system's place for caches."""
    chosen = os.environ.get("IKEBOOK_CACHE")
    if chosen:
        return Path(chosen)
    # Whoever only computes needs none of what downloads and caches are made with.
    from platformdirs import user_cache_path

    return user_cache_path("ikebook")


class ArrayCache:
    """Arrays of one kind in `folder`/`kind`.

    Parameters
    ----------
    kind : name of the sub-folder
    folder : `default_folder` if None
    """

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()) / kind

    def key(self, frames: str, maker: str, size: tuple[int, int]) -> str:
        """Name of the file for frames with this fingerprint, who made it, and a working size (width, height)."""
        return hashlib.blake2b(f"1 {frames} {maker} {size}".encode(), digest_size=16).hexdigest()

    def load_arrays(self, key: str, names: Sequence[str], memory: Memory | None = None) -> list[Array] | None:
        """The arrays kept under `key`, left on disk if `memory` has none for them; None where no file can be read."""
        memory, path = memory or Memory(), self.folder / f"{key}.npz"
        try:
            if not memory.fits(path.stat().st_size):
                return [open_npz(path, name) for name in names]
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = [stored[name] for name in names]
        except Exception:  # noqa: BLE001  # a damaged archive fails in more ways than can be listed
            return None
        return [memory.hold(array) for array in arrays]

    def save_arrays(self, key: str, arrays: Mapping[str, Array]) -> None:
        """Keep arrays under `key`. A place that can't be written to costs the next run time, and is no error."""
        try:
            with atomic(self.folder / f"{key}.npz") as temporary, temporary.open("wb") as stream:
                write_npz(stream, arrays)
        except (OSError, InputError):
            pass
