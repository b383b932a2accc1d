"""Make `cup.png` and `lawn.jpg`, the stills of the embedded clip, from two CC0 photographs.

They come with scikit-image 0.26 (any version that holds `coffee.png` and `grass.png` does). To make them again:

    pip install scikit-image
    python ikebook/datasets/stills/make_stills.py

See README.md in this folder for the photographs' authors and licences.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent


def main() -> None:
    """Write both stills beside this file."""
    data = Path(str(files("skimage") / "data"))
    cv2.imwrite(str(HERE / "cup.png"), cut_out(read(data / "coffee.png", cv2.IMREAD_COLOR)))
    lawn = tint(read(data / "grass.png", cv2.IMREAD_GRAYSCALE))
    cv2.imwrite(str(HERE / "lawn.jpg"), lawn, [cv2.IMWRITE_JPEG_QUALITY, 82])


def read(file: Path, flags: int) -> np.ndarray:
    """One of scikit-image's photographs."""
    photo = cv2.imread(str(file), flags)
    if photo is None:
        raise SystemExit(f"{file} is missing; this script needs a scikit-image that holds it.")
    return photo


def cut_out(photo: np.ndarray) -> np.ndarray:
    """Cup, saucer and spoon from the table, BGR and alpha, 200 pixels wide; the outline was traced by hand."""
    fine = 4
    h, w = photo.shape[:2]
    alpha = np.zeros((h * fine, w * fine), np.uint8)
    for (x, y), (width, height), angle in (((279, 227), (398, 316), 6), ((291, 112), (236, 188), 0)):
        cv2.ellipse(alpha, ((x * fine, y * fine), (width * fine, height * fine), angle), 255, -1)
    handle = np.array([[396, 150], [402, 72], [411, 67], [422, 70], [425, 80], [408, 140]])
    cv2.fillPoly(alpha, [handle * fine], 255)
    alpha = cv2.resize(alpha, (w, h), interpolation=cv2.INTER_AREA)
    cup = np.dstack([photo, alpha])[12:392, 74:486]
    return cv2.resize(cup, (200, round(200 * cup.shape[0] / cup.shape[1])), interpolation=cv2.INTER_AREA)


def tint(texture: np.ndarray) -> np.ndarray:
    """A grey photograph of grass in greens that change over the lawn, BGR."""
    noise = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    patches = cv2.resize(noise, texture.shape[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)[..., None]
    dry, fresh = np.array([88, 158, 160], np.float32), np.array([62, 150, 96], np.float32)
    colour = dry * patches + fresh * (1 - patches)
    return (colour * (texture[..., None] / np.float32(texture.mean()))).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
