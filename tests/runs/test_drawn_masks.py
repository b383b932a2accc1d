"""--init takes masks of all kinds, and no photograph for one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from layouts import write_frames

from ikebook.base.check import InputError
from ikebook.cli import main
from ikebook.datasets.scenes import _still
from ikebook.exports.pngs import davis_palette
from ikebook.runs.drawn import read_drawn
from ikebook.video.clip import Clip

SIZE = (96, 64)
CLIP = Clip(np.zeros((3, *SIZE[::-1], 3), np.uint8))


def disc(colour=255, channels=3) -> np.ndarray:
    """An object drawn with a brush, whose edges are smooth."""
    image = np.zeros((*SIZE[::-1], channels), np.uint8)
    cv2.circle(image, (40, 30), 18, colour, -1, cv2.LINE_AA)
    return image[..., 0] if channels == 1 else image


def other(image) -> np.ndarray:
    """With two more objects."""
    cv2.circle(image, (80, 15), 10, (40, 160, 60), -1, cv2.LINE_AA)
    cv2.circle(image, (75, 50), 9, (200, 60, 120), -1, cv2.LINE_AA)
    return image


MASKS = {
    "black and white": np.where(disc(channels=1) > 127, 255, 0).astype(np.uint8),
    "0 and 1": (disc(channels=1) > 127).astype(np.uint8),
    "soft": cv2.GaussianBlur(disc(channels=1), (0, 0), 4),
    "grey in three channels": disc((255, 255, 255)),
    "red": disc((0, 0, 255)),
    "blurred red": cv2.GaussianBlur(disc((0, 0, 255)), (0, 0), 2),
    "white among others": other(disc((255, 255, 255))),
    "on transparent ground": np.dstack([disc((255, 255, 255)), disc(channels=1)]),
}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("kind", MASKS)
def test_masks_are_taken(kind, suffix, tmp_path) -> None:
    if suffix == ".jpg" and kind in ("0 and 1", "on transparent ground"):
        pytest.skip("JPEG keeps neither")
    assert cv2.imwrite(str(tmp_path / f"mask{suffix}"), MASKS[kind])
    maps = read_drawn(f"{tmp_path}/mask{suffix}@1", CLIP)
    assert not maps[[0, 2]].any()
    inside, outside = MASKS["black and white"] > 0, cv2.dilate(MASKS["black and white"], np.ones((9, 9))) == 0
    assert maps[1][inside].mean() > 0.85
    assert maps[1][outside].mean() < 0.05


def test_a_palette_is_taken(tmp_path) -> None:
    from PIL import Image

    image = Image.fromarray((MASKS["black and white"] > 0).astype(np.uint8))
    image.putpalette(davis_palette())
    image.save(tmp_path / "mask.png")
    assert np.array_equal(read_drawn(f"{tmp_path}/mask.png@1", CLIP)[1] > 0, MASKS["black and white"] > 0)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("name", ["astronaut.png", "cup.png", "lawn.jpg"])
def test_photographs_are_refused(name, suffix, tmp_path) -> None:
    photo = cv2.resize(_still(name)[..., 2::-1].astype(np.uint8), SIZE, interpolation=cv2.INTER_NEAREST)
    assert cv2.imwrite(str(tmp_path / f"photo{suffix}"), photo)
    with pytest.raises(InputError, match="is a photograph in colour, and expected is a mask; draw") as caught:
        read_drawn(f"{tmp_path}/photo{suffix}@1", CLIP)
    assert len(str(caught.value).splitlines()) == 1


def test_so_is_the_frame_itself_with_its_object_painted_over(tmp_path, capsys) -> None:
    photo = cv2.resize(_still("astronaut.png")[..., 2::-1].astype(np.uint8), SIZE)
    frames = write_frames(tmp_path / "frames", [np.roll(photo, index, axis=1) for index in range(3)])
    painted = photo.copy()
    cv2.circle(painted, (40, 30), 10, (0, 0, 255), -1)
    assert cv2.imwrite(str(tmp_path / "painted.png"), painted)
    arguments = ["segment", str(frames), "--out", str(tmp_path / "out"), "--init", f"{tmp_path}/painted.png@1"]
    assert main([*arguments, "--size", "48x32", "--no-cache"]) == 2
    assert "painted.png is a photograph in colour" in capsys.readouterr().err
