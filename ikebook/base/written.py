"""Which files in a folder ikebook has written: it replaces and removes these, and no others.

The list lies in `FOLDER/.ikebook/` and says of each file its name and the SHA-256 of what was written, a line before the file
gets its name: whenever a run is killed, the list knows all that it has left. A file of the user's that has one of these
names, or one of ours that was changed since, has another hash and is left alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ikebook.base.check import InputError
from ikebook.base.files import before_each, is_whole

LISTS = ".ikebook"
"""The folder of lists, within that of the files."""


class WrittenFiles:
    """The files below a folder that ikebook has written, by a list of their names and hashes.

    Parameters
    ----------
    folder : Path
    part : str, optional
        What part of the files this is about: each has a list of its own, as several may be written at a time.
    kind : str, default "files"
        What wrote them, if not a segmentation or an evaluation: "report", say. Neither replaces what the other has written.
    option : str, default "--out"
        Of the command, that says where they go, as a user is told who has something else there.
    """

    def __init__(self, folder: Path, part: str = "", *, kind: str = "files", option: str = "--out") -> None:
        digest = hashlib.blake2b(part.encode(errors="surrogatepass"), digest_size=8)
        name = f"-{digest.hexdigest()}" if part else ""
        self.folder, self.list, self.option = folder, folder / LISTS / f"{kind}{name}.jsonl", option

    def hashes(self) -> dict[str, list[str]]:
        """By name, the hashes of what has been written, the latest last."""
        found: dict[str, list[str]] = {}
        with suppress(OSError):
            for line in self.list.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, TypeError, RecursionError):  # a line that was cut short
                    name, digest = json.loads(line)
                    found.setdefault(str(name), []).append(str(digest))
        return found

    def vouches(self, file: Path) -> bool:
        """Whether a file is on the list, and as it was written, or damaged since."""
        return _is_ours(file, self.hashes().get(file.relative_to(self.folder).as_posix(), []))

    def check(self, names: Iterable[str]) -> None:
        """Raise `InputError` if any file of these names is there and not on the list as it is now."""
        known = self.hashes()
        for name in names:
            _check(self.folder / name, known.get(name, []), self.option)

    def intact(self) -> bool:
        """Whether there is a list, and all files on it are there as they were written last."""
        known = self.hashes()
        return bool(known) and all(digest_of(self.folder / name) == digests[-1] for name, digests in known.items())

    def remove(self) -> None:
        """Remove all files on the list that are as they were written, the last first, as it says that all are there; then the list."""
        for name, digests in reversed(self.hashes().items()):
            file = self.folder / name
            if _is_ours(file, digests):
                file.unlink(missing_ok=True)
        self.list.unlink(missing_ok=True)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Put on the list what is written below the folder; raise `InputError` rather than replace what is not ours."""
        known = self.hashes()

        def record(temporary: Path, file: Path) -> None:
            name = file.relative_to(self.folder).as_posix()
            _check(file, known.get(name, []), self.option)
            digest = digest_of(temporary) or ""
            known.setdefault(name, []).append(digest)
            self.list.parent.mkdir(parents=True, exist_ok=True)
            with self.list.open("a", encoding="utf-8") as stream:
                stream.write(
                    f"\n{json.dumps([name, digest])}"
                )  # a new line first: the one before may have been cut short

        with before_each(self.folder, record):
            yield


def all_lists(folder: Path) -> list[WrittenFiles]:
    """All lists of a folder's results."""
    lists = []
    for path in sorted((folder / LISTS).glob("files*.jsonl")):
        one = WrittenFiles(folder)
        one.list = path
        lists.append(one)
    return lists


def check_written(folder: Path, files: Iterable[Path]) -> None:
    """Raise `InputError` if any of some files below a folder is there and on none of its lists as it is now."""
    known: dict[str, list[str]] = {}
    for one in all_lists(folder):
        for name, digests in one.hashes().items():
            known.setdefault(name, []).extend(digests)
    for file in files:
        _check(file, known.get(file.relative_to(folder).as_posix(), []))


def remove_written(folder: Path) -> None:
    """Remove all that ikebook has written to a folder, its folders where they are empty then, and its lists."""
    lists = all_lists(folder)
    folders = {place for one in lists for name in one.hashes() for place in Path(name).parents} - {Path()}
    for one in reversed(lists):  # the one that is of no part, with the summary of all, is the last
        one.remove()
    for place in sorted(folders, key=lambda place: -len(place.parts)):
        with suppress(OSError):
            (folder / place).rmdir()


def _check(file: Path, digests: list[str], option: str = "--out") -> None:
    if os.path.lexists(file) and not _is_ours(file, digests):
        raise InputError(
            f"{file} is there, and ikebook has not written it, or it has changed since; move it, or choose another {option}."
        )


def digest_of(file: Path) -> str | None:
    """SHA-256 of a file in hexadecimal digits; None where there is none."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _is_ours(file: Path, digests: list[str]) -> bool:
    """Whether a file is as it was written, or was damaged since, as a power failure does; a link never is."""
    if not digests or file.is_symlink() or not file.is_file():
        return False
    return digest_of(file) in digests or _is_damaged(file)


def _is_damaged(file: Path) -> bool:
    """Whether a picture or a JSON file is empty or cut short: nobody has made it so by hand."""
    if file.suffix not in (".png", ".json") or is_whole(file):
        return False
    with file.open("rb") as stream:
        begin = stream.read(64)
    return len(begin) < 64 or begin.startswith((b"\x89PNG", b"{", bytes(16)))
