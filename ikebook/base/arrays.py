"""Arrays with one item a frame that may be longer than memory: on disk where they do not fit, and read frame by frame."""

from __future__ import annotations

import struct
import tempfile
import threading
import weakref
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from ikebook.base.check import InputError, require


class _ByFrames(ABC):
    """An array (m, ...) that is read by its first index: an item, or some of them. `numpy.asarray` reads all."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> np.ndarray: ...
    def __getitem__(self, index: int | slice) -> np.ndarray:
        if isinstance(index, slice):
            return self._several(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"index is {index}; expected one of {len(self)} items.")
        return self._several(range(index % len(self), index % len(self) + 1))[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: np.typing.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    @abstractmethod
    def _several(self, indices: range) -> np.ndarray:
        """The items at indices, (k, ...)."""


class DiskArray(_ByFrames):
    """An array (m, ...) in a file, read by its first index; it grows by `append`.

    Items are read anew each time that they are asked for, so change them where you have them. `numpy.asarray` reads all.

    Not a `numpy.memmap`: that needs its length beforehand, which a video does not tell, and the pages that it has touched
    count as the process's memory, which is what the array is to keep small.

    Parameters
    ----------
    stream : binary file, open for reading, and for writing if the array is to grow
    shape : of the array so far; (0, h, w), say, to begin with
    dtype : of its values
    offset : bytes in the file before the first item
    """

    def __init__(self, stream: BinaryIO, shape: Sequence[int], dtype: np.typing.DTypeLike, offset: int = 0) -> None:
        self._stream = stream
        weakref.finalize(self, stream.close)
        self._offset = offset
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self._place = threading.Lock()  # of the stream, which several threads may read

    def __repr__(self) -> str:
        return f"DiskArray({self.shape}, {self.dtype})"

    @property
    def nbytes(self) -> int:
        return len(self) * self._item_bytes

    @property
    def _item_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def append(self, item: np.ndarray) -> None:
        """Write one more item."""
        with self._place:
            self._stream.seek(self._offset + self.nbytes)
            self._stream.write(np.ascontiguousarray(item, self.dtype).data)
        self.shape = (len(self) + 1, *self.shape[1:])

    def _several(self, indices: range) -> np.ndarray:
        if indices.step < 0:
            return self._several(indices[::-1])[::-1]
        start, stop = (indices[0], indices[-1] + 1) if indices else (0, 0)
        return self._read(start, stop)[:: indices.step]

    def _read(self, start: int, stop: int) -> np.ndarray:
        values = np.empty((stop - start, *self.shape[1:]), self.dtype)
        with self._place:
            self._stream.seek(self._offset + start * self._item_bytes)
            there = self._stream.readinto(values.reshape(-1).view(np.uint8))  # type: ignore[attr-defined]
        if there != values.nbytes:
            raise InputError(f"a file of intermediate results ends {values.nbytes - there} bytes early; run again.")
        return values


Array = np.ndarray | DiskArray
"""What holds a clip's frames, flow or masks: an array in memory, or one on disk."""


class Computed(_ByFrames):
    """An array (m, ...) whose items are made of another array's when they are asked for, and not held.

    Parameters
    ----------
    source : array of m items
    make : makes an item of one of the source's
    dtype : of the items
    """

    def __init__(self, source: Array, make: Callable[[np.ndarray], np.ndarray], dtype: np.typing.DTypeLike) -> None:
        self.source, self.make, self.dtype = source, make, np.dtype(dtype)
        self.shape = (len(source), *make(np.asarray(source[0])).shape)

    def _several(self, indices: range) -> np.ndarray:
        found = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for place, index in enumerate(indices):
            found[place] = self.make(np.asarray(self.source[index]))
        return found


Held = TypeVar("Held", np.ndarray, Tensor)


class Memory:
    """Memory that arrays may take together. What does not fit goes to files in a folder, which vanish with the array.

    An array counts as long as it is there: with the last who knows it, or a view of it, its memory is free again.

    Parameters
    ----------
    limit : bytes; None for as many as there are
    folder : where the files are made; the system's place for temporary files if None. They have no name there, so that
        nothing is left of them, however the program ends.
    """

    def __init__(self, limit: int | None = None, folder: Path | None = None) -> None:
        self.limit = limit
        self.folder = folder
        self.used = 0

    def fits(self, size: int) -> bool:
        """Whether `size` more bytes may be taken."""
        return self.limit is None or self.used + size <= self.limit

    def share(self, of: int) -> int:
        """The least of `of` bytes and a quarter of what is left: for whoever keeps things only to save time.

        It is not counted as used.
        """
        return of if self.limit is None else min(of, max(0, self.limit - self.used) // 4)

    def array(self, items: Iterable[np.ndarray], count: int | None = None) -> Array:
        """Items of one shape and dtype, at least one of them, as one array: in memory if it fits, else on disk."""
        recorder = Recorder(self, count)
        for item in items:
            recorder.append(item)
        return recorder.finish()

    def tensor(self, parts: Iterable[Tensor], count: int) -> Tensor | Array:
        """Parts (b, ...) of `count` items in all as one tensor, on their device, if it fits, else as an array on disk."""
        whole: Tensor | DiskArray | None = None
        done = 0
        for part in parts:
            item = part[0]
            if whole is None and self.fits(count * item.numel() * item.element_size()):
                whole = self.hold(torch.empty(count, *item.shape, dtype=item.dtype, device=item.device))
            elif whole is None:
                whole = DiskArray(self.file(), (0, *item.shape), item.cpu().numpy().dtype)
            if isinstance(whole, DiskArray):
                for item in part.cpu().numpy():
                    whole.append(item)
            else:
                whole[done : done + len(part)] = part
            done += len(part)
        assert whole is not None
        return whole

    def hold(self, array: Held) -> Held:
        """Count the memory of an array as used, for as long as it is there."""
        self.used += array.nbytes
        # Views keep an array itself alive, but of a tensor only its storage.
        owner = array.untyped_storage() if isinstance(array, Tensor) else array  # type: ignore[redundant-expr]  # for each kind
        weakref.finalize(owner, self._free, array.nbytes).atexit = False
        return array

    def _free(self, size: int) -> None:
        self.used -= size

    def file(self) -> BinaryIO:
        """A new file without a name."""
        try:
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=self.folder)
        except OSError as error:
            raise InputError(
                f"{self.folder or tempfile.gettempdir()} can't hold intermediate results ({error.strerror}); "
                "choose another place, or allow more memory."
            ) from None


class Recorder:
    """An array that grows item by item, in a `Memory`.

    Parameters
    ----------
    memory : where to
    count : items that will come, if that is known; then none is held twice
    """

    def __init__(self, memory: Memory, count: int | None = None) -> None:
        self._memory = memory
        self._count = count
        self._whole: np.ndarray | None = None
        self._disk: DiskArray | None = None
        self._length = 0
        self._taken = 0  # bytes of the memory

    def __len__(self) -> int:
        return self._length

    def append(self, item: np.ndarray) -> None:
        """One more item, of the shape and dtype of the first."""
        if self._disk is None and (self._whole is None or self._count is None):
            more = item.nbytes * (self._count or 1)
            if self._memory.fits(more):  # taken at once: others may be growing in it at the same time
                self._memory.used += more
                self._taken += more
            else:
                self._disk = DiskArray(self._memory.file(), (0, *item.shape), item.dtype)
                for early in () if self._whole is None else self._whole[: self._length]:
                    self._disk.append(early)
                self._whole = None
                self._memory.used -= self._taken
        if self._disk is not None:
            self._disk.append(item)
        else:
            if self._whole is None:
                self._whole = np.empty((self._count or 8, *item.shape), item.dtype)
            if self._count is None and self._length == len(self._whole):
                # In place, as far as the system can: a copy would take twice the memory.
                self._whole.resize((self._length * 9 // 8, *item.shape), refcheck=False)
            self._whole[self._length] = item
        self._length += 1

    def finish(self) -> Array:
        """The array of all items."""
        if self._disk is not None:
            return self._disk
        require(self._whole is not None, "there is no item.")
        assert self._whole is not None
        self._memory.used -= self._taken
        if self._count is None:
            self._whole.resize((self._length, *self._whole.shape[1:]), refcheck=False)
        return self._memory.hold(self._whole)[: self._length]


def open_npz(path: Path, name: str) -> DiskArray:
    """One array of an uncompressed `.npz` archive, as an array on disk; it is read once, to compare its checksum.

    Raises
    ------
    InputError
        If it is compressed, holds objects, is in Fortran's order, or is not as long as its header says.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        entry = archive.getinfo(f"{name}.npy")
        np.lib.format.read_magic(member)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(member)
        begin = member.tell()
        while member.read(1 << 20):  # to its end, where the checksum is compared
            pass
    stream = path.open("rb")
    # An entry's header has 30 bytes, of which the last 4 are the lengths of two texts that follow it.
    stream.seek(entry.header_offset + 26)
    start = entry.header_offset + 30 + sum(struct.unpack("<HH", stream.read(4)))
    array = DiskArray(stream, shape, dtype, start + begin)
    plain = entry.compress_type == zipfile.ZIP_STORED and not by_columns and not dtype.hasobject
    require(
        plain and entry.file_size == begin + array.nbytes,
        f"{path} holds no plain array {name!r}; write it again.",
    )
    return array


def write_npz(stream: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """Write arrays as an uncompressed `.npz` archive, item by item."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            descr = np.lib.format.dtype_to_descr(array.dtype)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(
                    member, {"descr": descr, "fortran_order": False, "shape": array.shape}
                )
                for item in array:
                    member.write(np.ascontiguousarray(item).data)
