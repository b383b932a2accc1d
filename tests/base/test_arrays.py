"""Arrays in memory and on disk are one to those who read them."""

from __future__ import annotations

import gc
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ikebook.base.arrays import Computed, DiskArray, Memory, Recorder, open_npz, write_npz
from ikebook.base.check import InputError


def values(m: int = 37, dtype: str = "float32") -> np.ndarray:
    return (np.random.default_rng(m).normal(size=(m, 5, 4)) * 50).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
@pytest.mark.parametrize("count", [None, 37])
class TestRoom:
    def test_what_fits_stays_in_memory(self, tmp_path, dtype, count) -> None:
        array = values(dtype=dtype)
        memory = Memory(array.nbytes, tmp_path)
        kept = memory.array(array, count)
        assert isinstance(kept, np.ndarray)
        assert np.array_equal(kept, array)
        assert memory.used == array.nbytes

    def test_what_does_not_goes_to_disk(self, tmp_path, dtype, count) -> None:
        array = values(dtype=dtype)
        memory = Memory(array.nbytes - 1, tmp_path)
        kept = memory.array(array, count)
        assert isinstance(kept, DiskArray)
        assert (kept.shape, kept.dtype, kept.ndim, len(kept)) == (array.shape, array.dtype, 3, 37)
        assert kept.nbytes == array.nbytes
        assert np.array_equal(np.asarray(kept), array)
        assert memory.used == 0

    def test_any_index_reads_what_numpy_reads(self, tmp_path, dtype, count) -> None:
        array = values(dtype=dtype)
        kept = Memory(0, tmp_path).array(array, count)
        for index in (
            0,
            36,
            -1,
            -37,
            slice(None),
            slice(3, 9),
            slice(30, 99),
            slice(5, 5),
            slice(0, 37, 4),
            slice(9, 2, -2),
        ):
            assert np.array_equal(kept[index], array[index])
        assert all(np.array_equal(one, other) for one, other in zip(kept, array, strict=True))
        for index in (37, -38):
            with pytest.raises(IndexError):
                kept[index]


def test_a_file_leaves_nothing_behind(tmp_path) -> None:
    kept = Memory(0, tmp_path / "made").array(values())
    if os.name == "posix":
        assert list((tmp_path / "made").iterdir()) == []
    del kept
    gc.collect()
    assert list((tmp_path / "made").iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="can't hold intermediate results"):
        Memory(0, tmp_path / "file").array(values())


def test_a_file_that_was_cut_short_is_no_garbage() -> None:
    stream = io.BytesIO(values(3).tobytes()[:-5])
    with pytest.raises(InputError, match="ends 5 bytes early"):
        DiskArray(stream, (3, 5, 4), "float32")[2]


def test_arrays_share_a_room(tmp_path) -> None:
    array = values()
    memory = Memory(2 * array.nbytes + 10, tmp_path)
    kept = [memory.array(array, count) for count in (37, None, 37)]
    assert [type(one) for one in kept] == [np.ndarray, np.ndarray, DiskArray]
    assert memory.share(1000) == 2
    del kept[0]
    assert memory.share(1000) == (array.nbytes + 10) // 4
    assert isinstance(memory.array(array), np.ndarray)
    assert Memory().share(1000) == 1000


@pytest.mark.parametrize("count", [37, 40, None])
def test_memory_counts_as_long_as_anyone_knows_it(count) -> None:
    array = values()
    memory = Memory()
    kept = memory.array(array, count)
    taken = (count or 37) * array[0].nbytes
    tensor = memory.tensor(torch.from_numpy(array).split(5), 37)
    assert memory.used == taken + array.nbytes
    views = [kept[3:5][::2], tensor[1:].numpy()[:2]]
    del kept, tensor
    assert memory.used == taken + array.nbytes
    views.pop(0)
    assert memory.used == array.nbytes
    views.clear()
    assert memory.used == 0


def test_fewer_items_than_were_expected(tmp_path) -> None:
    recorder = Recorder(Memory(), 40)
    for item in values():
        recorder.append(item)
    assert len(recorder) == 37
    assert np.array_equal(recorder.finish(), values())


@pytest.mark.parametrize("batch", [1, 4, 37])
def test_tensors_in_parts(tmp_path, batch) -> None:
    array = values()
    parts = [torch.from_numpy(array[start : start + batch]) for start in range(0, 37, batch)]
    memory = Memory(array.nbytes, tmp_path)
    held, spilt = memory.tensor(iter(parts), 37), memory.tensor(iter(parts), 37)
    assert isinstance(held, torch.Tensor)
    assert isinstance(spilt, DiskArray)
    assert torch.equal(held, torch.from_numpy(array))
    assert np.array_equal(spilt[:], array)


@pytest.mark.parametrize("source", [values(dtype="uint8"), Memory(0).array(values(dtype="uint8"))])
def test_a_computed_array_is_numpy_s_and_makes_only_what_is_asked_for(source) -> None:
    made: list[int] = []

    def half(item: np.ndarray) -> np.ndarray:
        made.append(1)
        return item[:, ::-1].astype(np.float64) / 2

    array = Computed(source, half, np.float32)
    wanted = (values(dtype="uint8")[:, :, ::-1] / 2).astype(np.float32)
    assert (array.shape, array.ndim, array.dtype, len(array)) == (wanted.shape, 3, np.float32, 37)
    made.clear()
    assert np.array_equal(array[5], wanted[5])
    assert np.array_equal(array[-1], wanted[-1])
    assert len(made) == 2
    for index in (slice(3, 9), slice(None, None, -5), slice(40, 50), slice(None)):
        assert np.array_equal(array[index], wanted[index])
        assert array[index].dtype == np.float32
    assert np.array_equal(np.asarray(array), wanted)
    assert np.array_equal(np.stack(list(array)), wanted)
    with pytest.raises(IndexError):
        array[37]


class TestArchive:
    def test_a_written_archive_is_numpy_s_and_reads_from_disk(self, tmp_path) -> None:
        one, other = values(), values(9, "float64")
        with (tmp_path / "a.npz").open("wb") as stream:
            write_npz(stream, {"one": one, "other": Memory(0).array(other)})
        with np.load(tmp_path / "a.npz") as archive:
            assert np.array_equal(archive["one"], one)
            assert np.array_equal(archive["other"], other)
        for name, array in (("one", one), ("other", other)):
            found = open_npz(tmp_path / "a.npz", name)
            assert np.array_equal(found[:], array)
            assert np.array_equal(found[4], array[4])

    def test_numpy_s_own_archives_read_too(self, tmp_path) -> None:
        np.savez(tmp_path / "a.npz", one=values())
        assert np.array_equal(open_npz(tmp_path / "a.npz", "one")[:], values())

    @pytest.mark.parametrize(
        "save",
        [
            lambda path: np.savez_compressed(path, one=values()),
            lambda path: np.savez(path, one=np.asfortranarray(values())),
            lambda path: np.savez(path, one=np.array([{}, []], dtype=object)),
            lambda path: np.savez(path, two=values()),
        ],
    )
    def test_other_archives_are_refused(self, tmp_path, save) -> None:
        save(tmp_path / "a.npz")
        with pytest.raises((InputError, KeyError)):
            open_npz(tmp_path / "a.npz", "one")

    def test_a_changed_byte_is_found(self, tmp_path) -> None:
        path: Path = tmp_path / "a.npz"
        np.savez(path, one=values())
        whole = bytearray(path.read_bytes())
        whole[900] ^= 8
        path.write_bytes(bytes(whole))
        with pytest.raises(Exception, match="CRC"):
            open_npz(path, "one")
