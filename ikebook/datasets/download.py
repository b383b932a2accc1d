"""Fetching data sets: with a checksum, progress, and resuming; unpacked safely and all at once."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.base.download import download
from ikebook.base.places import user_path

LARGEST = 50 << 30
"""Archives that would unpack to more bytes than this are refused."""


UNPACKING = re.compile(r"\.unpacking-[0-9a-z_]{8,16}")
"""What folders are called that an archive is unpacked to."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set can be had. Addresses change: `data get --url` and `--checksum` override them.

    Parameters
    ----------
    title : str
        What it is.
    url : str
        Of its archive, a zip.
    checksum : str
        "md5:..." or "sha256:..."; "none" where none is known.
    size : str
        Of the archive, for people.
    note : str
        Licence and reservations.
    """

    title: str
    url: str
    checksum: str
    size: str
    note: str


SOURCES = {
    "davis2016": Source(
        title="DAVIS 2016: 50 sequences, 20 of them for validation, at 480p and 1080p",
        url="https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip",
        checksum="md5:0cb3cf9c5617209fa3cc4794e52a2ffa",
        size="1.9 GB",
        note="The licence of each video is its author's. Address and checksum are as once published.",
    ),
    "davis2017": Source(
        title="DAVIS 2017: 90 sequences, 30 of them for validation, at 480p",
        url="https://data.vision.ee.ethz.ch/csergi/share/davis/DAVIS-2017-trainval-480p.zip",
        checksum="sha256:e3d0b5b77c3d031b000a19e0e25e3e2cac65d183755601bc2cf066df1a2aa492",
        size="0.8 GB",
        note="The licence of each video is its author's. Address and checksum are as once published.",
    ),
    "segtrackv2": Source(
        title="SegTrack v2: 14 sequences",
        url="https://web.engr.oregonstate.edu/~lif/SegTrack2/SegTrackv2.zip",
        checksum="none",
        size="some 0.2 GB",
        note="For research. No checksum has been published, so only the archive's own are compared.",
    ),
    "fbms59": Source(
        title="FBMS-59: the 30 sequences of the test set",
        url="https://lmb.informatik.uni-freiburg.de/resources/datasets/fbms/FBMS_Testset.zip",
        checksum="none",
        size="some 0.5 GB",
        note="For research. No checksum has been published, so only the archive's own are compared.",
    ),
}
"""Data sets that can be fetched, by name."""

BY_HAND = {
    "youtube-objects": """YouTube-Objects with the masks of Jain & Grauman: 10 categories, 126 shots
  1. Open https://vision.cs.utexas.edu/projects/videoseg/data_download_register.html, register, and fetch the masks.
  2. If images/ of the shots hold the labelled frames only, fetch all frames from
     https://data.vision.ee.ethz.ch/cvl/youtube-objects/ and put those of a shot into its images/ folder.
  3. Unpack so that ROOT/aeroplane/data/0001/shots/001/images/ and .../labels/ are there; name ROOT with --root.""",
    "davsod": """DAVSOD, easy test split: 35 sequences
  1. Open https://github.com/DengPingFan/DAVSOD, and follow its link to Easy-35.zip (2.2 GB, on Google Drive).
  2. Unpack so that ROOT/select_0001/Imgs/ and ROOT/select_0001/GT_object_level/ are there, or ROOT/Easy-35/select_0001/...;
     name ROOT with --root.""",
}
"""Data sets without an address that a program could fetch them from: what to do instead."""


def fetch(
    name: str,
    root: str | Path,
    *,
    url: str | None = None,
    checksum: str | None = None,
    progress: Callable[[int, int], Any] | None = None,
    say: Callable[[str], Any] = lambda _: None,
) -> Path:
    """Fetch a data set's archive into `root`, check it, and unpack it there; what `ikebook data get` does.

    Parameters
    ----------
    name : str
        One of `SOURCES`: "davis2016", "davis2017", "segtrackv2" or "fbms59".
    root : str or Path
        Folder to unpack to. An unfinished archive waits there for the next call; a whole one that you have put there as
        `<name>.zip` is used, and kept.
    url, checksum : str, optional
        In place of the recorded ones; the checksum "none" skips the check.
    progress : callable, optional
        Called with bytes so far and in all (0 if the server does not say).
    say : callable, optional
        Is told in one line where there is no checksum to compare.

    Returns
    -------
    Path
        `root`.

    Raises
    ------
    InputError
        If the address does not answer, the checksum differs, or the archive is not safe to unpack.

    Examples
    --------
    >>> dataset = open_dataset("davis2016", fetch("davis2016", "DAVIS"))  # doctest: +SKIP
    """
    root = user_path(root)
    check.one_of("data set", name, [*SOURCES, *BY_HAND])
    require(name in SOURCES, f"{name} has to be fetched by hand. {BY_HAND.get(name, '')}")
    url, checksum = url or SOURCES[name].url, checksum or SOURCES[name].checksum
    algorithm, _, digest = checksum.partition(":")
    require(
        checksum == "none" or (algorithm in ("md5", "sha256") and bool(digest)),
        f"checksum is {checksum!r}; expected md5:..., sha256:... or none.",
    )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{root} can't be made ({error.strerror}); choose another --root.") from None
    archive, tag = root / f"{name}.zip", _tag(name, url, checksum)
    if move_unpacked(root, tag):  # of a call that was killed at that
        return root
    fetched = not archive.exists()
    if fetched:
        part = root / f"{name}.zip.part"
        download(url, part, progress, "give another address with --url")
        part.replace(archive)
    if checksum == "none":
        with archive.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        say(f"{archive.name} was compared with no checksum, as none is known or wanted; it has sha256:{found}.")
    else:
        with archive.open("rb") as stream:
            found = hashlib.file_digest(stream, algorithm).hexdigest()
        if found != digest.lower():
            require(
                fetched,
                f"{archive}, which was there before, has the {algorithm} {found}, not {digest}. Remove it to fetch it anew, "
                "or pass --checksum if you trust it.",
            )
            archive.unlink()
            raise InputError(
                f"{url} gave a file whose {algorithm} is {found}, not {digest}; it was removed. The archive has changed or "
                "was damaged on its way: try again, or pass --checksum if you trust the new one."
            )
    unpack(archive, root, tag)
    if fetched:
        archive.unlink()
    move_unpacked(root, tag)
    return root


def _tag(*texts: str) -> str:
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()


def unpack(archive: Path, target: Path, tag: str) -> None:
    """Unpack a zip into a folder of its own in `target`, all of it or nothing; refuse links and paths that would lead elsewhere.

    Once it is there under the name that `tag` is in, `move_unpacked` can do the rest, now or after an interruption.
    """
    whole, scratch = target / f".unpacked-{tag}", target / f".unpacking-{tag}"
    with _lock(target):
        try:
            with zipfile.ZipFile(archive) as bundle:
                _check_entries(archive, bundle.infolist())
                for left in target.glob(".unpacking-*"):  # by calls that were killed
                    if UNPACKING.fullmatch(left.name):
                        shutil.rmtree(left, ignore_errors=True)
                scratch.mkdir()
                bundle.extractall(scratch)
            for item in scratch.iterdir():
                _check_free(target / item.name)
            scratch.rename(whole)
        except zipfile.BadZipFile:
            raise InputError(f"{archive} is no zip archive, or a damaged one; remove it and try again.") from None
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001  # a damaged archive fails in more ways than can be listed
            reason = str(error) or type(error).__name__
            raise InputError(
                f"{archive} can't be unpacked ({reason}); make room, or remove it and try again."
            ) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def move_unpacked(target: Path, tag: str) -> bool:
    """Move what `unpack` has unpacked to its place in `target`; whether there was anything of this tag."""
    whole = target / f".unpacked-{tag}"
    if not whole.is_dir():
        return False
    with _lock(target):
        for item in list(whole.iterdir()):
            _check_free(target / item.name)
            item.rename(target / item.name)
        whole.rmdir()
    return True


def _check_entries(archive: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    require(len(entries) > 0, f"{archive} is an empty zip archive; remove it and try again.")
    total = sum(entry.file_size for entry in entries)
    require(total <= LARGEST, f"{archive} would unpack to {total} bytes; at most {LARGEST} are taken.")
    for entry in entries:
        parts = Path(entry.filename.replace("\\", "/")).parts
        leads_out = not parts or ".." in parts or Path(parts[0]).is_absolute() or ":" in parts[0]
        is_link = stat.S_ISLNK(entry.external_attr >> 16)
        require(not (leads_out or is_link), f"{archive} holds {entry.filename!r}, which is not safe to unpack.")


def _check_free(place: Path) -> None:
    require(not os.path.lexists(place), f"{place} exists already; remove it, or choose another --root.")


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Be the only one who unpacks to a folder."""
    from filelock import FileLock, Timeout

    file = target / ".unpacking.lock"
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"another run unpacks to {target}; wait for it.") from None
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            file.unlink()
