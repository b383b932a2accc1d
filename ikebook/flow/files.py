"""Flow from Middlebury `.flo` files, as RAFT, FlowNet2.0 and others write them.

A `.flo` file is the float32 202021.25 ("PIEH"), the int32 width and height, then the rows of float32 pairs (dx, dy),
little-endian (Baker et al., IJCV 2011, doi:10.1007/s11263-010-0390-2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.files import atomic
from ikebook.base.places import refuse_pipe, user_path
from ikebook.video.images import files_fingerprint, natural_key

MAGIC = b"PIEH"
LARGEST_SIDE = 16384
UNKNOWN = 1e9  # the format marks an unknown displacement with a value above this


def read_flo(path: str | Path) -> np.ndarray:
    """Read one field from a Middlebury `.flo` file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray
        (h, w, 2) float32, (dx, dy) in pixels.

    Raises
    ------
    InputError
        If the file is missing, is no `.flo`, is cut short or too long, or has unknown, NaN or infinite values.
    """
    path = user_path(path)
    refuse_pipe(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            magic = stream.read(4)
            require(
                magic == MAGIC, f"{path} begins with {magic!r}; a .flo file begins with {MAGIC!r}. Is it a flow file?"
            )
            w, h = (int(side) for side in np.frombuffer(stream.read(8).ljust(8, b"\0"), "<i4"))
            require(
                1 <= w <= LARGEST_SIDE and 1 <= h <= LARGEST_SIDE,
                f"{path} says that it is {w}x{h} pixels; expected sides of 1 to {LARGEST_SIDE}. The file is damaged.",
            )
            require(
                size == 12 + 8 * w * h,
                f"{path} has {size} bytes; a {w}x{h} field takes {12 + 8 * w * h}. Copy it again.",
            )
            field = np.frombuffer(stream.read(), "<f4").reshape(h, w, 2)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}).") from None
    bad = int((~(np.abs(field) < UNKNOWN)).any(axis=2).sum())  # written so that NaN counts as bad
    require(
        bad == 0,
        f"{path} has {bad} pixels whose flow is unknown, NaN or infinite; fill them in or compute it again.",
    )
    return field.astype(np.float32)


def write_flo(path: str | Path, field: np.ndarray) -> None:
    """Write one field as a Middlebury `.flo` file.

    Parameters
    ----------
    path : str or Path
        The file; its folder is made if need be.
    field : (h, w, 2) floating
        (dx, dy) in pixels; written as float32.
    """
    check.shape("field", field, ("h", "w", 2))
    h, w = field.shape[:2]
    with atomic(user_path(path)) as temporary:
        header = MAGIC + np.array([w, h], "<i4").tobytes()
        temporary.write_bytes(header + np.ascontiguousarray(field, "<f4").tobytes())


class FlowFiles:
    """A folder with `forward/*.flo` and `backward/*.flo`, each m-1 files in natural order.

    `forward`'s i-th file is the flow from frame i to i+1, `backward`'s i-th that from frame i+1 to i.

    Parameters
    ----------
    folder : str or Path
        That holds both folders.

    Raises
    ------
    InputError
        If one is missing, or they do not hold equally many fields.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder)
        self.forward, self.backward = self._files("forward"), self._files("backward")
        require(
            len(self.forward) == len(self.backward),
            f"{self.folder} has {len(self.forward)} forward and {len(self.backward)} backward fields; expected as many.",
        )

    def describe(self) -> str:
        return f"files {files_fingerprint([*self.forward, *self.backward])}"

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for ahead, back in zip(self.forward, self.backward, strict=True):
            yield read_flo(ahead), read_flo(back)

    def _files(self, direction: str) -> list[Path]:
        folder = self.folder / direction
        require(
            folder.is_dir(),
            f"{folder} is missing; expected .flo files in {self.folder}/forward and {self.folder}/backward.",
        )
        files = [file for file in folder.iterdir() if file.suffix == ".flo" and not file.name.startswith(".")]
        require(len(files) > 0, f"{folder} holds no .flo file.")
        return sorted(files, key=lambda file: natural_key(file.name))
