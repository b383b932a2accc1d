"""Reading tensors from .pt files of unknown origin: plain tensors only, no code, and no more than fits."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from ikebook.base.check import InputError, require
from ikebook.base.places import refuse_pipe

OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files begin that PyTorch wrote before 1.6: a pickled number that stands for them."""


def load_tensors(
    path: Path, largest: int, mend: str = "Save plain tensors, with torch.save(tensor, file).", *, old: bool = False
) -> Any:
    """What `torch.save` has put into a file, if it is tensors and plain values.

    Such a file is a zip archive with a pickle inside, and a pickle can run any code. PyTorch's `weights_only` reader
    knows tensors, numbers, texts, lists and dictionaries, and refuses all else.

    Parameters
    ----------
    path : file
    largest : most bytes that its content may have, unpacked
    mend : what to do about a file that can't be read
    old : whether files as PyTorch wrote them before 1.6, without an archive around them, are read too. They have no
        checksum of their own: compare one where there is one.

    Raises
    ------
    InputError
        If it can't be read safely.
    """
    damaged = f"{path} is no file of torch.save, or damaged. {mend}"
    refuse_pipe(path)
    try:
        with path.open("rb") as stream:  # PyTorch reads other files than archives, too, by other rules
            begin = stream.read(len(OLD))
        require(begin[:4] == b"PK\x03\x04" or (old and begin == OLD), damaged)
        if begin == OLD:
            _limit(path, path.stat().st_size, largest)
        else:
            with zipfile.ZipFile(path) as archive:
                _limit(path, sum(member.file_size for member in archive.infolist()), largest)
                require(archive.testzip() is None, damaged)  # PyTorch itself would not notice a bit that has changed
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}). {mend}") from None
    # What zipfile raises for a damaged archive, and, as kinds of RuntimeError, for an unknown compression and an encrypted one.
    except (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError):
        raise InputError(damaged) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # a damaged pickle fails in more ways than PyTorch lists
        raise InputError(f"{path} is more than plain tensors, or damaged ({type(error).__name__}). {mend}") from None


def _limit(path: Path, size: int, largest: int) -> None:
    require(
        size <= largest, f"{path} holds {size / 1e9:.1f} GB, more than the {largest / 1e9:.1f} GB that may be read."
    )
