"""Reading tensors from .pt files of unknown origin: plain tensors only, no code, and no more than fits."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from ikebook.check import InputError, require


def load_tensors(path: Path, largest: int, mend: str = "Save plain tensors, with torch.save(tensor, file).") -> Any:
    """What `torch.save` has put into a file, if it is tensors and plain values.

    Such a file is a zip archive with a pickle inside, and a pickle can run any code. PyTorch's `weights_only` reader
    knows tensors, numbers, texts, lists and dictionaries, and refuses all else.

    Parameters
    ----------
    path : file
    largest : most bytes that its content may have, unpacked
    mend : what to do about a file that can't be read

    Raises
    ------
    InputError
        If it can't be read safely.
    """
    damaged = f"{path} is no file of torch.save, or damaged. {mend}"
    try:
        with path.open("rb") as stream:  # PyTorch reads other files than archives, too, by other rules
            require(stream.read(4) == b"PK\x03\x04", damaged)
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            require(
                size <= largest,
                f"{path} holds {size / 1e9:.1f} GB, more than the {largest / 1e9:.1f} GB that may be read.",
            )
            require(archive.testzip() is None, damaged)  # PyTorch itself would not notice a bit that has changed
    except InputError:
        raise
    # What zipfile raises for a damaged archive, a compression that it does not know, and an encrypted one.
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise InputError(damaged) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # a damaged pickle fails in more ways than PyTorch lists
        raise InputError(f"{path} is more than plain tensors, or damaged ({type(error).__name__}). {mend}") from None
