"""Masks as PNGs whose values are objects: DAVIS's, with a palette, and MOTS's, 16-bit numbers of class and instance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ikebook.base.files import atomic, write_png
from ikebook.exports.saved import SavedResult

CLASS, PER_CLASS = 1, 1000
"""MOTS: the object's class, and how many instances a class may have."""


def davis_palette() -> list[int]:
    """The 256 colours of DAVIS and Pascal VOC, RGB after RGB: the bits of a number, three at a time, from the highest bit down."""
    numbers = np.arange(256)[:, None]  # (256, 1)
    bits = [(numbers >> (3 * place + np.arange(3)) & 1) << (7 - place) for place in range(3)]  # each (256, 3)
    return np.asarray(bits[0] | bits[1] | bits[2]).ravel().tolist()


def write_palette(saved: SavedResult, place: Path) -> list[str]:
    """Write `palette/<frame>.png`: 0 is background, 1 the object."""
    from PIL import Image

    colours = davis_palette()
    for name, mask in zip(saved.names, saved.masks(), strict=True):
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette(colours)
        with atomic(place / "palette" / f"{name}.png") as temporary:
            image.save(temporary, format="PNG")
    return []


def write_mots(saved: SavedResult, place: Path) -> list[str]:
    """Write `mots/<frame>.png`: 0 is background, 1001 the first instance of class 1."""
    for name, mask in zip(saved.names, saved.masks(), strict=True):
        write_png(place / "mots" / f"{name}.png", np.where(mask, CLASS * PER_CLASS + 1, 0).astype(np.uint16))
    return []
