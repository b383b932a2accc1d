"""Make the stills of the embedded clips from photographs that anyone may use.

They come with scikit-image 0.26 (any version that holds them does). To make them again:

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

Ellipse = tuple[tuple[float, float], tuple[float, float], float]

CUP: list[Ellipse] = [((279, 227), (398, 316), 6), ((291, 112), (236, 188), 0)]
"""Saucer and cup: centre, width and height, and angle of an ellipse each."""

HANDLE = [[396, 150], [402, 72], [411, 67], [422, 70], [425, 80], [408, 140]]

SHUTTLE = [
    [409, 0], [421, 0], [428, 8], [434, 20], [437, 35], [438, 48], [441, 45], [444, 40], [447, 47], [451, 58], [454, 66],
    [454, 240], [456, 255], [459, 262], [455, 266], [454, 272], [447, 273], [443, 267], [440, 262], [434, 260], [436, 248],
    [437, 237], [428, 235], [417, 227], [415, 240], [411, 257], [405, 266], [397, 266], [392, 261], [388, 254], [388, 244],
    [384, 244], [372, 268], [368, 272], [366, 262], [371, 248], [378, 231], [355, 227], [354, 218], [358, 205], [368, 194],
    [378, 184], [378, 118], [381, 105], [381, 80], [382, 62], [385, 50], [388, 43], [391, 50], [394, 62], [396, 40],
    [398, 20], [402, 8],
]  # fmt: skip
"""Outline of the model of a space shuttle that stands behind the astronaut."""

ASTRONAUT = [
    [18, 511], [22, 400], [40, 270], [110, 190], [120, 150], [160, 125], [150, 60], [170, 20], [230, 10], [290, 30],
    [310, 80], [290, 130], [270, 138], [261, 155], [261, 171], [282, 185], [298, 205], [306, 232], [330, 247], [350, 268],
    [362, 300], [366, 345], [400, 338], [450, 345], [505, 400], [511, 470], [511, 511],
]  # fmt: skip
"""What holds all of the astronaut, and little else."""

INSIDE = [
    [50, 511], [40, 400], [60, 290], [120, 240], [140, 180], [190, 150], [170, 70], [190, 40], [260, 40], [280, 90],
    [255, 150], [285, 210], [335, 260], [340, 370], [420, 370], [480, 420], [490, 511],
]  # fmt: skip
"""What is astronaut for certain."""

COINS = {"coin1": ((334.5, 43.5), (58.5, 55.5)), "coin2": ((347, 187), (63, 61))}
"""Centre, width and height of a coin each."""


def main() -> None:
    """Write all stills beside this file."""
    data = Path(str(files("skimage") / "data"))
    astronaut = read(data / "astronaut.png", cv2.IMREAD_COLOR)
    coins = read(data / "coins.png", cv2.IMREAD_COLOR)
    cut = {"cup": cut_out(read(data / "coffee.png", cv2.IMREAD_COLOR), cup_shape())[12:392, 74:486]}
    cut["shuttle"] = cut_out(astronaut, smooth(polygon(SHUTTLE, astronaut)))[0:276, 350:464]
    cut["astronaut"] = cut_out(astronaut, person(astronaut))[8:, 12:]
    widths = {"cup": 200, "shuttle": 84, "astronaut": 190, "coin1": 60, "coin2": 60}
    for name, (centre, size) in COINS.items():
        outline = smooth(ellipses(coins, [(centre, size, 0)]))
        x, y = (round(value) for value in centre)
        cut[name] = cut_out(bronze(coins), outline)[y - 34 : y + 34, x - 34 : x + 34]
    for name, width in widths.items():
        cv2.imwrite(str(HERE / f"{name}.png"), reduce(cut[name], width))
    write_jpeg("lawn", tint(read(data / "grass.png", cv2.IMREAD_GRAYSCALE), (88, 158, 160), (62, 150, 96)), 82)
    wall = tint(read(data / "brick.png", cv2.IMREAD_GRAYSCALE), (110, 125, 150), (88, 112, 160))
    write_jpeg("wall", reduce(np.rot90(wall), 400), 70)
    gravel = cv2.cvtColor(read(data / "gravel.png", cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2BGR)
    write_jpeg("gravel", reduce(gravel, 320), 55)
    write_jpeg("galaxies", reduce(read(data / "hubble_deep_field.jpg", cv2.IMREAD_COLOR)[:560, :720], 520), 70)


def read(file: Path, flags: int) -> np.ndarray:
    """One of scikit-image's photographs."""
    photo = cv2.imread(str(file), flags)
    if photo is None:
        raise SystemExit(f"{file} is missing; this script needs a scikit-image that holds it.")
    return photo


def write_jpeg(name: str, picture: np.ndarray, quality: int) -> None:
    cv2.imwrite(str(HERE / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def reduce(picture: np.ndarray, width: int) -> np.ndarray:
    """A picture at another width."""
    size = (width, round(width * picture.shape[0] / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def cut_out(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A photograph and its opacity, BGRA."""
    return np.dstack([photo, alpha])


FINE = 4
"""Outlines are drawn so many times larger, and reduced: their edges are smooth then."""


def smooth(drawn: np.ndarray) -> np.ndarray:
    """Opacity at the photograph's size."""
    h, w = drawn.shape
    return cv2.resize(drawn, (w // FINE, h // FINE), interpolation=cv2.INTER_AREA)


def blank(photo: np.ndarray) -> np.ndarray:
    return np.zeros((photo.shape[0] * FINE, photo.shape[1] * FINE), np.uint8)


def ellipses(photo: np.ndarray, shapes: list[Ellipse]) -> np.ndarray:
    """Some ellipses, drawn `FINE` times larger: centre, width and height, and angle each."""
    drawn = blank(photo)
    for (x, y), (width, height), angle in shapes:
        cv2.ellipse(drawn, ((x * FINE, y * FINE), (width * FINE, height * FINE), angle), 255, -1)
    return drawn


def polygon(outline: list[list[int]], photo: np.ndarray) -> np.ndarray:
    """What an outline that was traced by hand encloses, drawn `FINE` times larger."""
    drawn = blank(photo)
    cv2.fillPoly(drawn, [np.array(outline) * FINE], 255)
    return drawn


def cup_shape() -> np.ndarray:
    """Opacity of cup, saucer and spoon; the outline was traced by hand."""
    photo = np.zeros((400, 600))
    return smooth(np.maximum(ellipses(photo, CUP), polygon(HANDLE, photo)))


def person(photo: np.ndarray) -> np.ndarray:
    """Opacity of the astronaut: by GrabCut, between two outlines that were drawn by hand."""
    known = np.full(photo.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.fillPoly(known, [np.array(ASTRONAUT)], cv2.GC_PR_FGD)
    cv2.fillPoly(known, [np.array(INSIDE)], cv2.GC_FGD)
    cv2.setRNGSeed(0)
    models = np.zeros((2, 1, 65))
    cv2.grabCut(photo, known, (0, 0, 0, 0), models[0], models[1], 5, cv2.GC_INIT_WITH_MASK)
    found = np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(found)
    largest = (parts == 1 + sizes[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    return cv2.GaussianBlur(cv2.morphologyEx(largest, cv2.MORPH_OPEN, np.ones((5, 5))) * 255, (0, 0), 1)


def bronze(grey: np.ndarray) -> np.ndarray:
    return (grey * np.array([0.62, 0.85, 1.05])).clip(0, 255).astype(np.uint8)


def tint(texture: np.ndarray, one: tuple[int, int, int], other: tuple[int, int, int]) -> np.ndarray:
    """A grey photograph in two colours, BGR, that change over the picture."""
    noise = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    patches = cv2.resize(noise, texture.shape[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)[..., None]
    colour = np.array(one, np.float32) * patches + np.array(other, np.float32) * (1 - patches)
    return (colour * (texture[..., None] / np.float32(texture.mean()))).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
