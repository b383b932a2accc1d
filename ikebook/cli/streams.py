"""What a command prints, and where it goes when nobody reads it: the work is never lost over its words."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Stream:
    """A stream that can't fail in the middle of the work.

    When its reader has gone (`| head -1`), or there is no room for it (`> file` on a full disk), what follows is dropped. A
    stream that is closed (`>&-`) takes all and shows nothing.

    Parameters
    ----------
    inner : text stream or None
        Where it goes.

    Attributes
    ----------
    error : OSError or None
        Why the inner stream took no more; None also if its reader has gone, which is the reader's right.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.error: OSError | None = None
        self._silent = inner is None

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Hand on what has been written."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether somebody sees it at once."""
        return not self._silent and bool(self.inner.isatty())

    def __getattr__(self, name: str) -> Any:
        if self.__dict__.get("inner") is None:
            raise AttributeError(f"a closed stream has no {name}")
        return getattr(self.inner, name)

    def _try(self, method: str, *arguments: str) -> None:
        if self._silent:
            return
        try:
            getattr(self.inner, method)(*arguments)
        except OSError as error:
            self._silent = True
            self.error = None if isinstance(error, BrokenPipeError) else error
            with suppress(OSError, ValueError):  # what the buffer still holds goes nowhere when Python ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.inner.fileno())


@contextmanager
def lasting_streams() -> Iterator[tuple[Stream, Stream]]:
    """Within the block, `sys.stdout` and `sys.stderr` are such streams; characters that they have no code for are escaped."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    streams = Stream(sys.stdout), Stream(sys.stderr)
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = before
