"""Cues from outside: another network's soft outputs, in a folder, become node features (Sec. 7.3, Tables 1 and 2)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from ikebook.base.arrays import Memory
from ikebook.base.check import InputError, require
from ikebook.base.places import refuse_pipe, user_path
from ikebook.base.torch_files import load_tensors
from ikebook.matrix.features import Cue
from ikebook.video.clip import Clip, resize_area
from ikebook.video.images import IMAGE_SUFFIXES, natural_key, read_image

LARGEST = 1 << 28
"""Most values that one map may hold."""


def read_cue(folder: str | Path, clip: Clip, *, memory: Memory | None = None) -> Cue:
    """Read one map for each frame of a clip and resize it to the clip's working size (Sec. 7.3).

    Parameters
    ----------
    folder : str or Path
        With 8-bit or 16-bit images, scaled to [0, 1], or `.npy` or `.pt` arrays (h, w) of real values, named like the frames,
        or as many as the frames and in their natural order.
    clip : Clip
        Whose frames they belong to.
    memory : Memory, optional
        That the maps may take; on disk if they do not fit.

    Returns
    -------
    Cue
        Called like the folder.

    Raises
    ------
    InputError
        If a file is missing, has no single channel, or can't be read safely.
    """
    folder = user_path(folder)
    require(folder.is_dir(), f"cue {folder} is no folder; expected one map for each frame in it.")
    files = [
        f
        for f in folder.iterdir()
        if f.suffix.lower() in IMAGE_SUFFIXES | {".npy", ".pt"} and not f.name.startswith(".")
    ]
    files = sorted(files, key=lambda file: natural_key(file.name))
    for file in files:
        refuse_pipe(file)
    by_name = {file.stem: file for file in files}
    if all(name in by_name for name in clip.frame_names):
        files = [by_name[name] for name in clip.frame_names]
    require(
        len(files) == len(clip),
        f"cue {folder} holds {len(files)} maps, but the clip has {len(clip)} frames; expected one for each.",
    )
    maps = (resize_area(_read_map(file), clip.size) for file in files)
    return Cue(name=folder.name, maps=(memory or Memory()).array(maps, len(files)))


def _read_map(file: Path) -> np.ndarray:
    """One map (h, w) float32."""
    suffix = file.suffix.lower()
    if suffix not in (".npy", ".pt"):
        image = read_image(file, cv2.IMREAD_UNCHANGED)
        require(
            image.ndim == 2, f"{file} has {image.shape[-1]} channels; a cue's map has one. Save it as a grey image."
        )
        require(image.dtype in (np.uint8, np.uint16), f"{file} is {image.dtype}; expected an 8-bit or 16-bit image.")
        return image.astype(np.float32) / np.iinfo(image.dtype).max
    values = _read_pt(file) if suffix == ".pt" else _read_npy(file)
    require(
        values.ndim == 2 and np.issubdtype(values.dtype, np.number) and not np.iscomplexobj(values),
        f"{file} has shape {values.shape} and dtype {values.dtype}; expected one map (h, w) of real numbers.",
    )
    require(0 < values.size <= LARGEST, f"{file} has {values.size} values; expected 1 to {LARGEST}.")
    with np.errstate(over="ignore"):  # beyond float32 is infinite
        numbers = np.array(values, np.float32)
    require(
        bool(np.isfinite(numbers).all()),
        f"{file} has values that are NaN or infinite; fill them in or compute it again.",
    )
    return numbers


def _read_npy(file: Path) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            return np.lib.format.open_memmap(file, mode="r")  # mapped: a header that lies costs no memory
    except Exception as error:  # noqa: BLE001  # such a header fails in more ways than NumPy's documentation lists
        raise InputError(f"{file} can't be read as a plain array ({error}). Save it with numpy.save.") from None


def _read_pt(file: Path) -> np.ndarray:
    values = load_tensors(file, 8 * LARGEST)
    kind = type(values).__name__
    require(isinstance(values, torch.Tensor), f"{file} holds a {kind}; expected one tensor (h, w) for each frame.")
    plain = values.layout == torch.strided and not values.is_quantized and not values.is_nested
    require(
        plain and values.device.type == "cpu",
        f"{file} holds a tensor that is sparse, quantised, nested or without data; expected a plain one.",
    )
    require(
        values.ndim == 2 and 0 < values.numel() <= LARGEST and not values.is_complex(),
        f"{file} has shape {tuple(values.shape)} and dtype {values.dtype}; expected one map (h, w) of real numbers.",
    )
    values = values.detach().resolve_neg()
    return (values.float() if values.is_floating_point() and values.dtype != torch.float64 else values).numpy()
