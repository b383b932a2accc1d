"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path

from ikebook.base.check import InputError


def user_path(path: str | Path) -> Path:
    """A path, in which `~` at its beginning is the user's home, as in a shell.

    Raises
    ------
    InputError
        If the path is empty or no path at all, or nobody knows where that home is.

    Examples
    --------
    >>> user_path("~/video.mp4") == Path.home() / "video.mp4"
    True
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"path is a {type(path).__name__}; expected a text or a Path.")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path} can't be found: nobody knows that home. Write the path out.") from None
