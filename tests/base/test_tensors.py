"""Tensors of frames: what is kept, what is read once, and memory that is used again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.base.arrays import Memory
from ikebook.base.tensors import FrameCache, Spare, chunks, extent, tensor


def values(m: int = 37, dtype: str = "float32") -> np.ndarray:
    return (np.random.default_rng(m).normal(size=(m, 5, 4)) * 50).astype(dtype)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, lambda array: Memory(0).array(array)])
def test_chunks_and_extent(kind) -> None:
    array = values()
    assert torch.equal(torch.cat(list(chunks(kind(array)))), torch.from_numpy(array))
    assert extent(kind(array)) == (array.min(), array.max())
    array[20, 1, 1] = np.nan
    assert all(map(np.isnan, extent(kind(array))))


@pytest.mark.parametrize("dtype", [">f4", "uint16", "bool", "int64", "float16"])
def test_tensors_of_any_dtype_and_layout(dtype) -> None:
    array = (values() > 0).astype(dtype)[:, ::-1]
    assert np.array_equal(tensor(array).numpy(), array)


def test_recent_frames_are_read_once_and_forgotten_when_there_are_too_many() -> None:
    array, asked = values(), []

    def convert(item: np.ndarray) -> torch.Tensor:
        asked.append(item[0, 0])
        return torch.from_numpy(item)

    recent = FrameCache(array, convert, limit=array.nbytes - 1)
    recent.at_least, recent.steps = 3, 1
    for frame in (0, 1, 2, 1, 0, 3, 2, 1, 0):  # 3 drives out 0, and then 0 drives out 3
        assert torch.equal(recent[frame], torch.from_numpy(array[frame]))
    assert asked == [array[frame, 0, 0] for frame in (0, 1, 2, 3, 0)]
    assert torch.equal(recent.batch(range(5, 9)), torch.from_numpy(array[5:9]))
    for stored, times in ((Memory(0).array(array), 1), (array, 3)):  # what lies in memory is not kept there twice
        whole = FrameCache(stored, convert, limit=array.nbytes)
        asked.clear()
        for _ in range(3):
            whole.batch(range(37))
        assert len(asked) == 37 * times


def test_a_window_is_forgotten_and_what_fits_is_not() -> None:
    array, asked = values(), []

    def convert(item: np.ndarray) -> torch.Tensor:
        asked.append(float(item[0, 0]))
        return torch.from_numpy(item)

    for limit, again in ((0, 2), (array.nbytes, 0)):
        cache = FrameCache(Memory(0).array(array), convert, limit)
        cache.at_least = 2
        for frame in range(len(array)):
            cache[frame]
        cache.forget()
        asked.clear()
        assert torch.equal(cache.batch([35, 36]), torch.from_numpy(array[35:]))
        assert len(asked) == again


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.float64])
def test_spare_memory_is_used_again(dtype) -> None:
    spare = Spare(24 * dtype.itemsize, torch.device("cpu"))
    first = spare.empty((2, 3, 4), dtype).fill_(7)
    place = first.data_ptr()
    second = spare.empty((4, 3), dtype).fill_(5)
    assert second.data_ptr() != place
    assert (first == 7).all()
    spare.give(first[:1])  # a part of it: the whole comes back
    del first
    third = spare.empty((3, 2), dtype)
    assert (third.shape, third.dtype, third.data_ptr()) == ((3, 2), dtype, place)
    assert third.is_contiguous()


def test_what_is_not_of_spare_memory_is_not_taken_for_it() -> None:
    spare = Spare(96, torch.device("cpu"))
    stranger = torch.zeros(5)
    large = spare.empty((25,), torch.float32)  # larger than any that it holds
    for one in (stranger, large):
        spare.give(one)
    assert spare.empty((5,), torch.float32).data_ptr() not in (stranger.data_ptr(), large.data_ptr())
    elsewhere = Spare(96, torch.device("meta"))
    assert elsewhere.empty((24,), torch.float32).device.type == "meta"
