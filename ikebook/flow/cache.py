"""Flow kept between runs, under a key made of the frames, the provider's options and the working size."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from ikebook.check import InputError
from ikebook.flow.fields import Flow
from ikebook.storage import Room, open_npz, write_npz
from ikebook.writers import atomic


def default_folder() -> Path:
    """`$IKEBOOK_CACHE`, else the system's place for caches."""
    import pooch  # takes 0.4 s, and most programs that import this module keep no cache

    return Path(os.environ.get("IKEBOOK_CACHE") or pooch.os_cache("ikebook"))


class FlowCache:
    """Flow fields in `folder`, one `.npz` file a clip. Delete the folder whenever you like."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()) / "flow"

    def key(self, frames: str, provider: str, size: tuple[int, int]) -> str:
        """Name of the file for frames with this fingerprint, at a working size (width, height)."""
        return hashlib.blake2b(f"1 {frames} {provider} {size}".encode(), digest_size=16).hexdigest()

    def load(self, key: str, room: Room | None = None) -> Flow | None:
        """The flow kept under `key`, left on disk if `room` has none for it; None where no file can be read."""
        room, path = room or Room(), self.folder / f"{key}.npz"
        try:
            if not room.fits(path.stat().st_size):
                return Flow(forward=open_npz(path, "forward"), backward=open_npz(path, "backward"))
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as fields:
                flow = Flow(forward=fields["forward"], backward=fields["backward"])
        except Exception:  # noqa: BLE001  # a damaged archive fails in more ways than can be listed
            return None
        room.used += flow.forward.nbytes + flow.backward.nbytes
        return flow

    def save(self, key: str, flow: Flow) -> None:
        """Keep `flow` under `key`. A place that can't be written to costs the next run time, and is no error."""
        try:
            with atomic(self.folder / f"{key}.npz") as temporary, temporary.open("wb") as stream:
                write_npz(stream, {"forward": flow.forward, "backward": flow.backward})
        except (OSError, InputError):
            pass
