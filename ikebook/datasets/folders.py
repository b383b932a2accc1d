"""What readers of data sets in folders have in common: frame numbers, lists of names."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from ikebook.base.check import InputError, require
from ikebook.datasets.masks import Masks
from ikebook.video.clip import Clip, read_clip
from ikebook.video.images import image_files


def number(stem: str) -> int | None:
    """The number that a file's name ends in: 12 of "frame0012" and of "12"; None if there is none.

    >>> number("cars1_01")
    1
    """
    found = re.search(r"([0-9]{1,18})$", stem)
    return int(found[1]) if found else None


def by_number(files: Iterable[Path]) -> dict[int, Path]:
    """Files by the number that their names end in; those without one are passed over."""
    return {index: file for file in files if (index := number(file.stem)) is not None}


def read_list(file: Path, parent: Path) -> list[str]:
    """The sequences that a list names, of those that have a folder in `parent`, each once; what is missing there is left out.

    A line is a sequence's name, with an asterisk before it or not, or begins with the path of one of its frames. What Windows'
    programs write is read as well: a byte order mark, UTF-16, spaces about a name and in it, and another case.
    """
    there = {name.casefold(): name for name in folders(parent)}
    found: list[str] = []
    for line in decode_text(file).splitlines():
        name = _listed(line.strip(), there, parent)
        if name is not None and name not in found:
            found.append(name)
    return found


def missing(file: Path, parent: Path) -> list[str]:
    """The lines of a list that name no folder in `parent`."""
    there = {name.casefold(): name for name in folders(parent)}
    lines = (line.strip() for line in decode_text(file).splitlines())
    return [line for line in dict.fromkeys(lines) if line and _listed(line, there, parent) is None]


def _listed(line: str, there: dict[str, str], parent: Path) -> str | None:
    """The name of the folder that a line is about."""
    whole = line.removeprefix("*").strip()
    first = Path(whole.split()[0]) if whole else Path()  # a frame's path, or a sequence's name
    for name in (whole, first.parent.name, first.name, Path(whole).parent.name):
        if is_folder(parent, name):
            return name
        if name.casefold() in there:
            return there[name.casefold()]
    return None


def decode_text(file: Path) -> str:
    """A text in whichever of Unicode's encodings it is."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}).") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:200]:  # UTF-16 without its mark
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin1")


def folders(parent: Path) -> list[str]:
    """Names of the folders in `parent`, in alphabetical order, without hidden ones."""
    try:
        return sorted(entry.name for entry in parent.iterdir() if is_folder(parent, entry.name))
    except OSError as error:
        raise InputError(f"{parent} can't be read ({error.strerror}).") from None


def is_folder(parent: Path, name: str) -> bool:
    """Whether `name` is a folder in `parent` itself, and not a hidden one."""
    return name != "" and not name.startswith(".") and Path(name).name == name and (parent / name).is_dir()


def image_files_below(folder: Path) -> list[Path]:
    """The images in a folder and in its folders; none where it is missing."""
    places = [folder, *(folder / name for name in folders(folder))] if folder.is_dir() else []
    return [file for place in places for file in image_files(place)]


class FolderDataset(ABC):
    """A data set whose sequences lie in folders of their own; a reader adds where these are, and how masks are read."""

    name: str
    root: Path

    @abstractmethod
    def sequences(self) -> list[str]:
        """Names of the sequences, in the data set's order."""

    @abstractmethod
    def frames_folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames, whose name is known to be one of `sequences`."""

    @abstractmethod
    def truth_folder(self, sequence: str) -> Path:
        """The folder with a sequence's annotations, or with folders of them."""

    def files(self, sequence: str) -> list[Path]:
        """All files that a sequence is read from: frames, then annotations."""
        return [*image_files(self.folder(sequence)), *image_files_below(self.truth_folder(sequence))]

    def clip(self, sequence: str, size: tuple[int, int] | str | None) -> Clip:
        """The frames of a sequence, without masks, at a working size (width, height); see `ikebook.read_clip`."""
        return read_clip(self.folder(sequence), size, sequence)

    def notes(self, sequence: str) -> list[str]:
        """What a user should know of how a sequence's annotations are read."""
        truth = self.truth_folder(sequence)
        places = [place for place in (truth, *(truth / name for name in folders(truth))) if image_files(place)]
        return [f"Annotations: {note}" for place in places if (note := Masks(image_files(place)).note)]

    def folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames.

        Raises
        ------
        InputError
            If there is no such sequence.
        """
        known = self.sequences()
        require(sequence in known, f"{sequence!r} is no sequence in {self.root}; there are {', '.join(known)}.")
        return self.frames_folder(sequence)
