"""Paths as users write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ikebook.base.check import InputError, require

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def user_path(path: str | Path) -> Path:
    """A path, in which `~` at its beginning is the user's home, as in a shell.

    Raises
    ------
    InputError
        If the path is empty, no path at all, or an address, or nobody knows where that home is.

    Examples
    --------
    >>> user_path("~/video.mp4") == Path.home() / "video.mp4"
    True
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"path is a {type(path).__name__}; expected a text or a Path.")
    require(
        not is_remote(path),
        f"{shown(str(path))} is an address, and expected is a path here; copy it. 'ikebook segment' and ikebook.read_clip take addresses.",
    )
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path} can't be found: nobody knows that home. Write the path out.") from None


def refuse_pipe(path: Path) -> None:
    """Raise `InputError` if a path is that of a pipe, a socket or a device: who reads there may wait forever.

    What is not there at all is no concern of this.
    """
    require(
        not path.exists() or path.is_file() or path.is_dir(),
        f"{path} is a pipe or a device; expected a file or a folder. Write what comes from it to a file first.",
    )


def is_remote(path: object) -> bool:
    """Whether a path is an address: a text that begins with a kind of them, such as `s3://`.

    >>> is_remote("s3://bucket/walk.mp4"), is_remote("walk.mp4")
    (True, False)
    """
    return isinstance(path, str) and ADDRESS.match(path) is not None


def shown(url: str) -> str:
    """An address as it may be shown and kept: without a password, and without what may be a signature.

    >>> shown("https://me:secret@host/walk.mp4?signature=0123")
    'https://host/walk.mp4'
    """
    start, _, rest = re.split(r"[?#]", url)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{start}://{host.rpartition('@')[2]}{slash}{path}"
