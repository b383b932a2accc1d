"""Tensors of frames: made of arrays a few at a time, kept while the work is near them, and in memory that is used again."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ikebook.base.arrays import Array, Computed

COPY_FRAMES = 16
"""Frames of an array on disk that are read at a time where all of them are looked at."""

MOST_AT_A_TIME = 8
"""Frames of a clip that are worked on side by side on a CPU, at most."""

GPU_FRAMES, GPU_PIXELS = 32, 1 << 22
"""Most frames, and most pixels of them, that are worked on at once on a GPU: larger frames come in smaller batches."""


def frames_at_once(device: torch.device, pixels: int, on_cpu: int = 1) -> int:
    """How many frames to work on at once: on a CPU as few as its caches hold, on a GPU up to 32, to keep it busy."""
    return on_cpu if device.type == "cpu" else max(1, min(GPU_FRAMES, GPU_PIXELS // pixels))


def on_device(values: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Values on a device. To a GPU they go by way of memory that stays in place: the program does not wait for what runs there."""
    dtype = values.dtype if dtype is None else dtype
    if device.type == "cuda" and values.device.type == "cpu" and torch.cuda.is_available():
        return values.to(dtype).pin_memory().to(device, non_blocking=True)
    return values.to(device, dtype)


def tensor(values: np.ndarray | Tensor) -> Tensor:
    """Values as a tensor: NumPy's of any real dtype and layout become float64 unless PyTorch takes them as they are."""
    if isinstance(values, Tensor):
        return values
    plain = np.float32 if values.dtype == np.float32 else np.float64
    return torch.from_numpy(np.require(values, plain, ["C", "W"]))


def pictures(frames: np.ndarray | Tensor) -> Tensor:
    """Frames as a tensor that keeps their dtype, uint8: an eighth of what `tensor` would make of them."""
    return frames if isinstance(frames, Tensor) else torch.from_numpy(np.require(frames, requirements=["C", "W"]))


def chunks(array: Array | Tensor) -> Iterator[Tensor]:
    """An array of any real dtype and layout, as tensors of a few frames, so that what is computed of them stays small."""
    return (tensor(array[start : start + COPY_FRAMES]) for start in range(0, len(array), COPY_FRAMES))


def extent(array: Array | Tensor) -> tuple[float, float]:
    """The least and the greatest value; NaN if there is one among them."""
    parts = [torch.stack([part.min(), part.max()]).double() for part in chunks(array)]
    low, high = torch.stack(parts).T
    least, greatest = torch.stack([low.min(), high.max()]).tolist()  # one answer: a GPU is waited for once
    return least, greatest


class FrameCache:
    """The frames of an array as tensors on the device: all of them, or those around the one that was asked for last.

    Whoever goes through the frames one after the other, again and again, finds none of the first when only some are kept.
    So where not all fit, no more are kept than one step of the work needs; nor are those of an array that lies in the same memory,
    which would be there twice. On a GPU those that fit lie side by side, so that consecutive ones are there without a copy.
    Several threads may ask at a time.

    Parameters
    ----------
    array : (m, ...), in memory, on disk, or computed
    convert : makes a tensor of one frame
    limit : bytes that all of them may take
    """

    def __init__(
        self, array: Array | Computed | Tensor, convert: Callable[[np.ndarray | Tensor], Tensor], limit: int
    ) -> None:
        self.array = array
        self.convert = convert
        self.limit = limit
        self.at_least = 1  # frames that one step of the work needs
        self.steps = min(torch.get_num_threads(), MOST_AT_A_TIME)  # under way at a time, each a frame after the last
        self._kept: dict[int, Tensor] = {}
        self._whole: Tensor | None = None  # (m, ...), on a GPU, if all fit
        self._lock = threading.RLock()

    def __getitem__(self, frame: int) -> Tensor:
        found = self._kept.get(frame)
        if found is not None:
            return found
        with self._lock:
            return self._add(frame)

    def _add(self, frame: int) -> Tensor:
        if frame not in self._kept:
            values = self.convert(self.array[frame])
            size = values.numel() * values.element_size()
            all_fit = size * len(self.array) <= self.limit and not self._lies_beside(values)
            if all_fit and values.device.type != "cpu":
                if self._whole is None:
                    self._whole = values.new_empty(len(self.array), *values.shape)
                values = self._whole[frame].copy_(values)
            most = self.at_least + min(self.steps - 1, self.limit // max(1, size))
            while not all_fit and len(self._kept) >= most:
                del self._kept[max(self._kept, key=lambda kept: abs(kept - frame))]
            self._kept[frame] = values
        return self._kept[frame]

    def forget(self) -> None:
        """Hold no frame, unless all of them fit: after a pass they are the last ones, and the next pass begins with the first."""
        with self._lock:
            if len(self._kept) < len(self.array):
                self._kept.clear()

    def _lies_beside(self, values: Tensor) -> bool:
        """Whether the array lies in the memory that `values` is in."""
        if isinstance(self.array, np.ndarray):
            return values.device.type == "cpu"
        return isinstance(self.array, Tensor) and self.array.device == values.device

    def batch(self, frames: Sequence[int]) -> Tensor:
        """Several frames, in the order of time, (b, ...)."""
        if len(frames) == 1:
            return self[frames[0]][None]
        found = [self[frame] for frame in frames]
        if self._whole is not None and frames[-1] - frames[0] == len(frames) - 1:
            return self._whole[frames[0] : frames[-1] + 1]
        return torch.stack(found)


class Spare:
    """Memory of tensors that are done with, for the next ones: up to one size, taken and given back by several threads.

    Where large tensors come and go while others stay, the system's own heap is left with holes between them, of which it gives
    nothing back: a third of what a pass over a clip takes. GPUs have such a store already, so there this one does nothing.

    Parameters
    ----------
    size : bytes of the largest tensor
    device : of the tensors
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.size = size if device.type == "cpu" else 0
        self.device = device
        self._free: list[torch.UntypedStorage] = []

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor with any values in it."""
        count = math.prod(shape)
        if count * dtype.itemsize > self.size:
            return torch.empty(*shape, dtype=dtype, device=self.device)
        try:
            storage = self._free.pop()
        except IndexError:
            storage = torch.UntypedStorage(self.size)
        return torch.empty(0, dtype=dtype).set_(storage)[:count].view(*shape)

    def give(self, tensor: Tensor) -> None:
        """Give a tensor back, of which nobody knows any more, not even a view. One that is not from here is just forgotten."""
        storage = tensor.untyped_storage()
        if self.size and storage.nbytes() == self.size:
            self._free.append(storage)
