"""Cues from a folder: scaled, ordered and resized as promised; a file that can't be trusted is named and refused."""

from __future__ import annotations

import io
import zipfile

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.networks.cues import read_cue
from ikebook.video.clip import Clip


def clip_of(m: int = 3, h: int = 6, w: int = 8, names: tuple[str, ...] = ()) -> Clip:
    return Clip(frames=np.zeros((m, h, w, 3), np.uint8), frame_names=names)


def save(path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        assert cv2.imwrite(str(path), values)


def header(shape: str, dtype: str = "'<f4'") -> bytes:
    """The beginning of a `.npy` file that says what it is told to, and 256 bytes after it."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(256)


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535)])
def test_images_are_scaled_to_one(tmp_path, dtype, largest) -> None:
    values = np.random.default_rng(0).integers(0, largest + 1, (3, 6, 8)).astype(dtype)
    for i in range(3):
        save(tmp_path / "net" / f"{i}.png", values[i])
    cue = read_cue(tmp_path / "net", clip_of())
    assert cue.name == "net"
    assert cue.maps.dtype == np.float32
    assert np.allclose(cue.maps, values / largest, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, np.uint8])
def test_arrays_are_taken_as_they_are(tmp_path, dtype) -> None:
    values = np.random.default_rng(0).normal(0, 50, (3, 6, 8)).astype(dtype)
    for i in range(3):
        save(tmp_path / f"{i}.npy", np.asfortranarray(values[i]))
    assert np.allclose(read_cue(tmp_path, clip_of()).maps, values, rtol=1e-6)


def test_files_named_like_the_frames_are_found_among_others(tmp_path) -> None:
    for value, name in enumerate(["b", "a", "extra", "c"]):
        save(tmp_path / f"{name}.npy", np.full((6, 8), float(value)))
    maps = read_cue(tmp_path, clip_of(names=("a", "b", "c"))).maps
    assert maps[:, 0, 0].tolist() == [1.0, 0.0, 3.0]


def test_files_with_other_names_come_in_natural_order(tmp_path) -> None:
    for number in (10, 9, 1):
        save(tmp_path / f"p{number}.png", np.full((6, 8), number, np.uint8))
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / ".hidden.npy").write_bytes(b"passed over")
    maps = read_cue(tmp_path, clip_of()).maps
    assert np.allclose(255 * maps[:, 0, 0], [1, 9, 10])


def test_maps_are_resized_by_area_to_the_working_size(tmp_path) -> None:
    values = np.random.default_rng(0).random((12, 16))
    save(tmp_path / "0.npy", values)
    maps = read_cue(tmp_path, clip_of(1)).maps
    assert np.allclose(maps[0], values.reshape(6, 2, 8, 2).mean((1, 3)), atol=1e-6)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(-1e3, 1e3))
def test_a_constant_stays_at_any_size(tmp_path_factory, h, w, value) -> None:
    folder = tmp_path_factory.mktemp("cue")
    save(folder / "0.npy", np.full((h, w), value))
    maps = read_cue(folder, clip_of(1)).maps
    assert maps.shape == (1, 6, 8)
    assert np.allclose(maps, value, rtol=1e-5, atol=1e-6)


class TestBadCues:
    def test_no_folder(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"cue .*nowhere is no folder; expected one map for each frame in it"):
            read_cue(tmp_path / "nowhere", clip_of())

    def test_too_few_maps(self, tmp_path) -> None:
        save(tmp_path / "0.png", np.zeros((6, 8), np.uint8))
        with pytest.raises(InputError, match="holds 1 maps, but the clip has 3 frames; expected one for each"):
            read_cue(tmp_path, clip_of())

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.zeros((6, 8, 3), np.uint8), r"0\.png has 3 channels; a cue's map has one. Save it as a grey image"),
            (np.zeros((6, 8, 4), np.uint8), r"0\.png has 4 channels; a cue's map has one"),
        ],
    )
    def test_colour(self, tmp_path, values, message) -> None:
        save(tmp_path / "0.png", values)
        with pytest.raises(InputError, match=message):
            read_cue(tmp_path, clip_of(1))

    def test_an_image_of_floating_point(self, tmp_path) -> None:
        save(tmp_path / "0.tiff", np.zeros((6, 8), np.float32))
        with pytest.raises(InputError, match=r"0\.tiff is float32; expected an 8-bit or 16-bit image"):
            read_cue(tmp_path, clip_of(1))

    def test_a_damaged_image(self, tmp_path) -> None:
        (tmp_path / "0.png").write_bytes(b"nothing")
        with pytest.raises(InputError, match=r"0\.png is no image that OpenCV can read.*Remove or replace it"):
            read_cue(tmp_path, clip_of(1))

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.zeros((2, 6, 8)), r"has shape \(2, 6, 8\) and dtype float64; expected one map \(h, w\) of real"),
            (np.zeros((6, 8), complex), "dtype complex128; expected one map"),
            (np.zeros((6, 8), bool), "dtype bool; expected one map"),
            (np.full((6, 8), "a"), "dtype <U1; expected one map"),
            (np.zeros((0, 8)), "has 0 values; expected 1 to 268435456"),
            (np.full((6, 8), np.nan), "has values that are NaN or infinite; fill them in"),
            (np.full((6, 8), -np.inf), "has values that are NaN or infinite; fill them in"),
            (np.full((6, 8), 1e300), "has values that are NaN or infinite; fill them in"),
            (np.full((6, 8), {"a": 1}, object), "can't be read as a plain array.*Save it with numpy.save"),
        ],
    )
    def test_arrays_that_are_no_map(self, tmp_path, values, message) -> None:
        save(tmp_path / "0.npy", values)
        with pytest.raises(InputError, match=rf"0\.npy .*{message}"):
            read_cue(tmp_path, clip_of(1))

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x93NUMPY",
            b"no array",
            b"cos\nsystem\n(S'false'\ntR.",
            header("(6, 8)")[:-100],
            header("(1000000, 1000000)"),
            header("(-6, 8)"),
            header("(1180591620717411303424, 1)"),
            header("(1099511627776, 1099511627776)"),
            header("(6, 8"),
            header("(6, 8)", "'O'"),
            header("(6, 8)", "'unknown'"),
        ],
    )
    def test_files_that_are_no_array_or_lie_about_it(self, tmp_path, content) -> None:
        (tmp_path / "0.npy").write_bytes(content)
        with pytest.raises(InputError, match=r"0\.npy can't be read as a plain array \(.*\). Save it with numpy.save"):
            read_cue(tmp_path, clip_of(1))

    def test_an_archive_of_arrays(self, tmp_path) -> None:
        with (tmp_path / "0.npy").open("wb") as stream:
            np.savez(stream, map=np.zeros((6, 8)))
        with pytest.raises(InputError, match=r"0\.npy can't be read as a plain array"):
            read_cue(tmp_path, clip_of(1))


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int32]
)
def test_plain_tensors_are_taken_as_they_are(tmp_path, dtype) -> None:
    values = (100 * torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))).to(dtype)
    for i in range(3):
        torch.save(values[i], tmp_path / f"{i}.pt")
    assert np.allclose(read_cue(tmp_path, clip_of()).maps, values.double(), rtol=1e-6)


class Code:
    def __reduce__(self):
        return (print, ("code was run",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Code(), "is more than plain tensors"),
        ({"map": torch.zeros(6, 8)}, "holds a dict; expected one tensor"),
        (torch.zeros(6, 8).to_sparse(), "sparse, quantised"),
        (torch.zeros(6, 8, device="meta"), "nested or without data"),
        (torch.zeros(1, dtype=torch.float16).expand(1 << 20, 1 << 20), "expected one map (h, w)"),
        (torch.zeros(1, 6, 8), "expected one map (h, w)"),
        (torch.zeros(6, 8, dtype=torch.complex64), "real numbers"),
        (torch.full((6, 8), torch.nan), "NaN or infinite"),
        (torch.nn.Conv2d(1, 1, 1), "is more than plain tensors"),
    ],
)
def test_tensors_that_are_no_map_are_refused(tmp_path, capsys, content, message) -> None:
    for i in range(3):
        torch.save(content, tmp_path / f"{i}.pt")
    with pytest.raises(InputError) as error:
        read_cue(tmp_path, clip_of())
    assert message in str(error.value)
    assert "0.pt" in str(error.value)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(60)])
def test_files_that_hold_no_tensor_are_refused(tmp_path, content) -> None:
    for i in range(3):
        (tmp_path / f"{i}.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"no file of torch\.save, or damaged"):
        read_cue(tmp_path, clip_of())


def test_views_are_read_as_what_they_show(tmp_path) -> None:
    values = torch.arange(48.0).view(6, 8)
    negative = torch.complex(values, values).conj().imag  # a view with its sign turned
    for i in range(3):
        torch.save((negative, values.mT.contiguous().mT, values[None].expand(2, 6, 8)[1])[i], tmp_path / f"{i}.pt")
    maps = read_cue(tmp_path, clip_of()).maps
    assert np.array_equal(maps, np.stack([-values, values, values]))


def test_an_archive_at_the_end_of_another_file_is_no_archive(tmp_path) -> None:
    """PyTorch would read the file by its older rules, which know no limit."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as small:
        small.writestr("a", "b")
    for i in range(3):
        torch.save(torch.zeros(6, 8), tmp_path / f"{i}.pt", _use_new_zipfile_serialization=False)
        with (tmp_path / f"{i}.pt").open("ab") as stream:
            stream.write(archive.getvalue())
    with pytest.raises(InputError, match=r"no file of torch\.save"):
        read_cue(tmp_path, clip_of())


def test_a_file_that_unpacks_to_more_than_fits_is_refused_unread(tmp_path, monkeypatch) -> None:
    for i in range(3):
        with zipfile.ZipFile(tmp_path / f"{i}.pt", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data/0", bytes(50_000_000))
    monkeypatch.setattr("ikebook.networks.cues.LARGEST", 1000)
    with pytest.raises(InputError, match=r"holds 0.1 GB, more than the 0.0 GB that may be read"):
        read_cue(tmp_path, clip_of())
