"""The files that grades go to: looked at before an hour of work, and replaced only where `ikebook grade` has written them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ikebook.base.check import InputError, require
from ikebook.base.written import WrittenFiles


@dataclass(frozen=True)
class Output:
    """A file that is to be written.

    Parameters
    ----------
    option : of the command, that names it
    path : of the file
    suffixes : that it may have
    """

    option: str
    path: Path
    suffixes: tuple[str, ...]

    def check(self) -> None:
        """Raise `InputError` where the file can't be written, or would replace one that is somebody else's."""
        path, option = self.path, self.option
        require(path.suffix.lower() in self.suffixes, f"{option} is {path}; expected a file named {self.suffixes[0]}.")
        try:
            with suppress(FileNotFoundError):
                path.lstat()  # which tells of a name that is too long, or of a folder that is none
            # Whether root may write, say, is known only by trying; folders that are missing are made when there is something to write.
            folder = next(place for place in path.absolute().parents if os.path.lexists(place))
            with tempfile.NamedTemporaryFile(prefix=".ikebook-", dir=folder):
                pass
        except OSError as error:
            raise InputError(f"{option} {path} can't be written ({error.strerror}); choose another place.") from None
        self._ours.check([path.name])

    def write(self, writing: Callable[[Path], None]) -> None:
        """Have the file written and remembered; raise `InputError` if it has changed since the last time."""
        with self._ours.recording():
            writing(self.path)

    @property
    def _ours(self) -> WrittenFiles:
        return WrittenFiles(self.path.parent, kind="grade", option=self.option)
