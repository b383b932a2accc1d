"""Masks of any program's: what is object is told from what the files of a folder hold, with a note, or refused by their values."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from layouts import write_image

from ikebook.base.check import InputError
from ikebook.datasets.davis2016 import Davis2016
from ikebook.datasets.folders import missing, read_list
from ikebook.datasets.masks import Masks
from ikebook.runs.evaluation import evaluate_masks

H, W = 24, 40
OBJECT = np.zeros((H, W), bool)
OBJECT[5:15, 8:30] = True


def painted(value, dtype=np.uint8, background=0) -> np.ndarray:
    """A mask whose object has a value, or a colour (red first)."""
    shape = (H, W) if np.ndim(value) == 0 else (H, W, len(value))
    image = np.full(shape, background, dtype)
    image[OBJECT] = value
    return image


def two(first, second, dtype=np.uint8) -> np.ndarray:
    image = painted(first, dtype)
    image[5:15, 20:30] = second
    return image


def save(path, image) -> None:
    """As OpenCV writes it, with red first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = [2, 1, 0, 3] if image.ndim == 3 else []
    assert cv2.imwrite(str(path), image[..., order[: image.shape[2]]] if image.ndim == 3 else image)


SOFT = np.where(OBJECT, np.linspace(128, 255, W).astype(np.uint8), np.linspace(0, 127, W).astype(np.uint8))

HELD = {
    "0 and 255": (painted(255), "m.png", ""),
    "0 and 128": (painted(128), "m.png", ""),
    "soft": (SOFT, "m.png", ""),
    "JPEG": (painted(255), "m.jpg", ""),
    "0 and 1": (painted(1), "m.png", "Masks hold the values 0 and 1: what is not 0 is taken for object."),
    "0, 1 and 2": (two(1, 2), "m.png", "Masks hold the values 0, 1 and 2"),
    "0 and 100": (painted(100), "m.png", "Masks hold the values 0 and 100"),
    "palette as grey": (two(38, 75), "m.png", "Masks hold the values 0, 38 and 75"),
    "red": (painted((255, 0, 0)), "m.png", "Masks are coloured"),
    "dark red and green": (two((128, 0, 0), (0, 128, 0)), "m.png", "Masks are coloured"),
    "blue": (painted((0, 0, 40)), "m.png", "Masks are coloured"),
    "red, JPEG": (painted((255, 0, 0)), "m.jpg", "Masks are coloured"),
    "white in colours": (painted((255, 255, 255)), "m.png", ""),
    "16-bit 1": (painted(1, np.uint16), "m.png", "Masks hold the values 0 and 1"),
    "16-bit 255": (painted(255, np.uint16), "m.png", "Masks hold the values 0 and 255"),
    "16-bit 65535": (painted(65535, np.uint16), "m.png", ""),
    "16-bit instances": (two(1001, 2003, np.uint16), "m.png", "Masks hold the values 0, 1001 and 2003"),
    "float 1": (painted(1.0, np.float32), "m.tif", ""),
    "a picture cut out": (
        np.dstack([np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8), painted(255)]),
        "m.png",
        "Masks are pictures with an alpha channel",
    ),
}


@pytest.mark.parametrize(("image", "name", "note"), HELD.values(), ids=HELD)
def test_what_a_folder_holds_tells_what_is_object(tmp_path, image, name, note) -> None:
    save(tmp_path / f"0{name}", image)
    save(tmp_path / f"1{name}", np.zeros_like(image))
    masks = Masks(sorted(tmp_path.iterdir()))
    found = masks.read(tmp_path / f"0{name}")
    assert found.dtype == bool
    assert (found != OBJECT).sum() <= (64 if name.endswith("jpg") else 0)  # JPEG blurs the border
    assert not masks.read(tmp_path / f"1{name}").any()
    assert masks.note.startswith(note)
    assert bool(masks.note) == bool(note)


def test_one_file_is_read_as_its_neighbours_are(tmp_path) -> None:
    """A soft mask with nothing but 0 and 1 in it is empty, where others reach white."""
    save(tmp_path / "0.png", SOFT)
    save(tmp_path / "1.png", painted(1))
    assert not Masks(sorted(tmp_path.iterdir())).read(tmp_path / "1.png").any()
    assert Masks([tmp_path / "1.png"]).read(tmp_path / "1.png").sum() == OBJECT.sum()


UNCLEAR = {
    "an index and a border of 255": (
        np.where(np.arange(W) == 8, 255, painted(1)).astype(np.uint8),
        "values 0, 1 and 255",
    ),
    "three levels": (two(100, 200), r"values 0, 100 and 200, of which it is not clear what is object; write 0 and 255"),
    "a picture": (np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8), r"has \d+ colours, as a picture has"),
    "colours without black": (painted((255, 0, 0), background=90), "nothing in it is black"),
}


@pytest.mark.parametrize(("image", "message"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_may_be_either_is_refused_by_its_values(tmp_path, image, message) -> None:
    save(tmp_path / "m.png", image)
    with pytest.raises(InputError, match=message) as caught:
        Masks([tmp_path / "m.png"]).read(tmp_path / "m.png")
    assert "\n" not in str(caught.value)


NAMES = ["boat", "my swan", "Überholer"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_is_read_in_whichever_encoding_it_is(tmp_path, encoding, end) -> None:
    for name in NAMES:
        (tmp_path / "frames" / name).mkdir(parents=True)
    (tmp_path / "val.txt").write_bytes(end.join([*NAMES, ""]).encode(encoding))
    assert read_list(tmp_path / "val.txt", tmp_path / "frames") == NAMES


@pytest.mark.parametrize(
    "line",
    [
        "boat",
        "  boat\t",
        "*boat",
        "BOAT",
        "/JPEGImages/480p/boat/00000.jpg /Annotations/480p/boat/00000.png",
        "boat 1 2",
    ],
)
def test_a_line_names_a_sequence_in_many_ways(tmp_path, line) -> None:
    (tmp_path / "frames" / "boat").mkdir(parents=True)
    (tmp_path / "val.txt").write_text(f"{line}\n\n{line}\nelsewhere\n")
    assert read_list(tmp_path / "val.txt", tmp_path / "frames") == ["boat"]
    assert missing(tmp_path / "val.txt", tmp_path / "frames") == ["elsewhere"]


def test_annotations_and_masks_of_ends_may_be_missing_and_notes_are_kept(tmp_path) -> None:
    for t in range(5):
        write_image(tmp_path / "root/JPEGImages/480p/boat" / f"{t:05d}.jpg", np.full((H, W, 3), 9 * t, np.uint8))
        if 0 < t < 4:
            save(tmp_path / "root/Annotations/480p/boat" / f"{t:05d}.png", painted(1))
            save(tmp_path / "masks/boat" / f"{t:05d}.png", painted((255, 0, 0)))
    found = evaluate_masks(Davis2016(tmp_path / "root"), tmp_path / "masks", tmp_path / "out")
    assert found["sequences"]["boat"]["J_mean"] == 1.0
    assert found["sequences"]["boat"]["warnings"] == [
        "Annotations: Masks hold the values 0 and 1: what is not 0 is taken for object.",
        "Masks are coloured: what is not black is taken for object.",
    ]
    (tmp_path / "root/Annotations/480p/boat/00002.png").unlink()
    with pytest.raises(InputError, match="no annotation of frame 00002"):
        list(Davis2016(tmp_path / "root").annotations("boat"))
