"""New files in the place of earlier ones, all or none: they are written beside them first, and moved there when they are whole.

Whoever is stopped while they are written, fails, or meets a full disk leaves the earlier ones as they are. Moving takes a moment and no space:
what is killed in that moment leaves files that the lists know (`ikebook.base.written`), and never the last one, which says that all are there.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ikebook.base.check import InputError, require
from ikebook.base.files import fsync_folder
from ikebook.base.written import LISTS, WrittenFiles, all_lists, check_written

NEW = "new"
"""The folder, within that of the lists, of files that are not yet all there; it is nobody's but ikebook's."""


@contextmanager
def replacing(folder: Path, part: str = "", *, remove: Callable[[], None]) -> Iterator[Path]:
    """Give a folder to write to; when the block ends well, what was written there comes to the same places in `folder`.

    Parameters
    ----------
    folder : Path
        That nobody else writes to.
    part : str, optional
        What part of its files this is about; see `WrittenFiles`.
    remove : callable
        Removes the earlier files, once the new ones are there.
    """
    sweep(folder)
    new = folder / LISTS / NEW
    try:
        with WrittenFiles(new, part).recording():
            yield new
        put_in_place(folder, [WrittenFiles(new, part)], remove)
    finally:
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove what a run has left that was killed while it wrote new files for a folder."""
    shutil.rmtree(folder / LISTS / NEW, ignore_errors=True)


def put_in_place(folder: Path, staged: Sequence[WrittenFiles], remove: Callable[[], None]) -> None:
    """Have the earlier files of a folder removed, and move new ones there, by the lists of them; the last on the last list comes last.

    Raises
    ------
    InputError
        If one of them is missing, or can't get its name; nothing is removed then.
    """
    new = staged[0].folder
    names = [name for one in staged for name in one.hashes()]
    files = [*(one.list for one in staged), *(new / name for name in names)]
    missing = [file for file in files if not file.is_file()]
    require(not missing, f"{next(iter(missing), '')} is missing; it was written a moment ago. Run again.")
    check_written(folder, [folder / name for name in names])
    check_changeable(folder, names)
    for one in staged:
        fsync_folder(one.list.parent, one.list)
    with _interrupts_held_back():
        remove()
        (folder / LISTS).mkdir(parents=True, exist_ok=True)
        for one in staged:
            one.list.replace(folder / LISTS / one.list.name)  # the lists first: they know whatever comes
        for name in names[:-1]:
            _move(new / name, folder / name)
        for place in {(folder / name).parent for name in names} | {folder / LISTS}:
            fsync_folder(place)
        _move(new / names[-1], folder / names[-1])
        fsync_folder((folder / names[-1]).parent, folder / names[-1])


def check_changeable(folder: Path, names: Iterable[str]) -> None:
    """Raise `InputError` if files of these names can't be made in a folder, or some on its lists not removed, by the permissions."""
    known = [name for one in all_lists(folder) for name in one.hashes()]
    for place in sorted({(folder / name).parent for name in (f"{LISTS}/{NEW}", *names, *known)}):
        while not place.exists() and place != folder:
            place = place.parent  # noqa: PLW2901  # the one that it will be made in
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            raise InputError(
                f"{place} can't be written to: its permissions forbid it; change them, or choose another --out."
            )


def _move(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    file.replace(place)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let a Ctrl-C that comes within the block come through when it has ended; only the main thread gets any."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        handler(came[0], None)
