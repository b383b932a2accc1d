"""Reading tensors from .pt files of unknown origin: plain tensors only, no code, and no more than fits."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from ikebook.check import InputError, require


def load_tensors(path: Path, largest: int) -> Any:
    """What `torch.save` has put into a file, if it is tensors and plain values.

    Such a file is a zip archive with a pickle inside, and a pickle can run any code. PyTorch's `weights_only` reader
    knows tensors, numbers, texts, lists and dictionaries, and refuses all else.

    Parameters
    ----------
    path : file
    largest : most bytes that its content may have, unpacked

    Raises
    ------
    InputError
        If it can't be read safely.
    """
    mend = "Save plain tensors, with torch.save(tensor, file)."
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise InputError(f"{path} is no file of torch.save, or damaged. {mend}") from None
    require(
        size <= largest, f"{path} holds {size / 1e9:.1f} GB, more than the {largest / 1e9:.1f} GB that may be read."
    )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # a damaged pickle fails in more ways than PyTorch lists
        raise InputError(f"{path} is more than plain tensors, or damaged ({type(error).__name__}). {mend}") from None
