"""Files in object stores (`s3://`, `gs://`) and on web servers (`https://`, `http://`), by copies that lie here for a while.

Stores are reached through fsspec; who may read and write there is up to its packages, which look for credentials where they always do:
no address holds any, and none is ever shown with what follows its `?`. `memory://` is fsspec's own, of one process, for tests.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ikebook.base.check import InputError, require
from ikebook.base.download import CHUNK, download, opener
from ikebook.base.places import shown

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "memory": "fsspec"}
"""Kinds of stores, and what fsspec needs for each."""

WEB = ("https", "http")

LARGEST = 1 << 36
"""Bytes that a copy may have: more than a day of video."""

MOST_FILES = 1_000_000
"""Objects that are copied, or listed, at a time."""

STAMPS = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime", "created")
"""What stores say of an object that changes with it; the first one that is there is looked at."""


def is_pattern(url: str) -> bool:
    """Whether an address stands for several objects of a store, such as `s3://bucket/*.mp4`."""
    return _kind(url) in PACKAGES and any(sign in url for sign in "*?[")


def matching(url: str) -> list[str]:
    """The addresses that a pattern stands for, sorted; of another address itself.

    Raises
    ------
    InputError
        If there are none, or the store can't be asked.
    """
    if not is_pattern(url):
        check_address(url)
        return [url]
    with _explained(url):
        store, path = _open_store(url)
        found = [str(one) for one in store.glob(path)]
    require(len(found) > 0, f"{url} stands for nothing that is there; mend the pattern.")
    require(len(found) <= MOST_FILES, f"{url} stands for {len(found)} objects; expected {MOST_FILES} or fewer.")
    return [f"{_kind(url)}://{one.lstrip('/')}" for one in sorted(found)]


def check_address(url: str) -> None:
    """Raise `InputError` unless an address is of a kind that is read, with all installed that it takes; asks no network."""
    kind, parts = _kind(url), re.split(r"[?#]", url)[0].partition("://")[2]
    require(
        kind in PACKAGES or kind in WEB,
        f"{shown(url)} is a kind of address that is not read; expected {', '.join(f'{one}://' for one in (*PACKAGES, *WEB))}.",
    )
    require(
        "@" not in parts.partition("/")[0],
        f"{shown(url)} came with a name or a password before an @; leave them out, and let {PACKAGES.get(kind, 'the server')} find them.",
    )
    require(bool(parts.strip("/")), f"{shown(url)} names nothing; expected such as {kind}://bucket/folder/video.mp4.")
    if kind in PACKAGES:
        with _explained(url):
            _open_store(url)


def name_in(url: str) -> str:
    """What the file or folder at an address is called.

    Raises
    ------
    InputError
        If no file here can be called so.

    Examples
    --------
    >>> name_in("https://host/videos/walk%201.mp4?version=2")
    'walk 1.mp4'
    """
    path = urlsplit(url).path if _kind(url) in WEB else url.partition("://")[2]
    name = path.rstrip("/").rpartition("/")[2]
    return _safe(unquote(name) if _kind(url) in WEB else name, url)


@contextmanager
def local_copy(url: str, *, limit: int = LARGEST, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Path]:
    """A copy of a file, of a folder of files, or of those that a pattern stands for; it is removed with the end of the block.

    Parameters
    ----------
    url : str
    limit : int, default `LARGEST`
        Bytes of all of it, at most.
    wanted : callable, optional
        Which of a folder's files are copied, by their names.

    Raises
    ------
    InputError
        If it can't be read, is larger than that, or than what the disk has room for.
    """
    with tempfile.TemporaryDirectory(prefix="ikebook-copy-", ignore_cleanup_errors=True) as folder:
        path = fetch(url, Path(folder), limit=limit, wanted=wanted)
        try:
            yield path
        except InputError as error:  # nobody knows the copy
            raise InputError(str(error).replace(str(path), shown(url).rstrip("/"))) from None


def fetch(url: str, folder: Path, *, limit: int = LARGEST, wanted: Callable[[str], bool] = lambda _: True) -> Path:
    """`local_copy`, into a folder that stays; of a folder only the files right in it, whose names do not begin with a point."""
    check_address(url)
    limit = min(limit, shutil.disk_usage(folder).free)
    if _kind(url) in WEB:
        target = folder / name_in(url)
        download(url, target, None, "mend the address", limit=limit)
        return target
    if is_pattern(url):
        parent = url.partition("://")[2].rpartition("/")[0]
        target = folder / _safe(parent.rpartition("/")[2], url)
        return _copy_all(filter(wanted, matching(url)), target, limit)
    with _explained(url):
        store, path = _open_store(url)
        is_folder = store.info(path)["type"] == "directory"
        inside = [f"{_kind(url)}://{one['name'].lstrip('/')}" for one in _files_in(store, path)] if is_folder else []
    if is_folder:
        seen = [one for one in inside if wanted(one) and not one.rpartition("/")[2].startswith(".")]
        return _copy_all(seen, folder / name_in(url), limit)
    target = folder / name_in(url)
    _copy(url, target, limit)
    return target


def stamp(url: str) -> str:
    """A text that changes when what lies at an address does, as far as the store or the server tells; nothing is read."""
    check_address(url)
    if _kind(url) in WEB:
        told = _headers(url)
    else:
        with _explained(url):
            store, path = _open_store(url)
            if is_pattern(url):
                files = list(store.glob(path, detail=True).values())
            else:
                info = store.info(path)
                files = _files_in(store, path) if info["type"] == "directory" else [info]
        told = sorted(f"{one['name']} {one.get('size')} {_told(one)}" for one in files)
    return hashlib.blake2b("\n".join([shown(url), *told]).encode(errors="replace"), digest_size=16).hexdigest()


class RemoteFolder:
    """A folder in a store, which files are written to: each appears whole or not at all.

    Parameters
    ----------
    url : str

    Raises
    ------
    InputError
        If it is none of a store's that can be written.
    """

    def __init__(self, url: str) -> None:
        require(
            _kind(url) not in WEB,
            f"{shown(url)} is on a web server, which takes no results; name a folder, or an address that begins with s3:// or gs://.",
        )
        require(not is_pattern(url), f"{url} is a pattern; expected one folder.")
        check_address(url)
        self.url = url.rstrip("/")

    def names(self) -> list[str]:
        """Of all files below the folder, relative to it."""
        with _explained(self.url):
            store, path = _open_store(self.url)
            found = [str(one) for one in store.find(path)]
        inside = [one.removeprefix(f"{path}/") for one in found if one.startswith(f"{path}/")]
        return sorted(
            one for one in inside if one and not one.endswith("/")
        )  # some tools keep folders as empty objects

    def read(self, name: str, limit: int) -> bytes | None:
        """What a small file holds; None where there is none."""
        url = self._address(name)
        with suppress(FileNotFoundError), _explained(url, missing=False):
            store, path = _open_store(url)
            with store.open(path, "rb") as stream:
                content: bytes = stream.read(limit + 1)
            require(len(content) <= limit, f"{shown(url)} has more than {limit} bytes; it is none of ikebook's.")
            return content
        return None

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        url = self._address(name)
        with _explained(url, "written"):
            store, path = _open_store(url)
            store.pipe_file(path, content)

    def upload(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files of a folder here, in their order."""
        for name in names:
            url = self._address(name)
            with _explained(url, "written"):
                store, path = _open_store(url)
                store.put_file(str(folder / name), path)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that are there."""
        for name in names:
            url = self._address(name)
            with suppress(FileNotFoundError), _explained(url, "removed", missing=False):
                store, path = _open_store(url)
                store.rm_file(path)

    def _address(self, name: str) -> str:
        inner = PurePosixPath(name)
        fits = bool(inner.parts) and not inner.is_absolute() and ".." not in inner.parts and name.isprintable()
        require(fits, f"{name!r} is no name of a file within {shown(self.url)}.")
        return f"{self.url}/{inner.as_posix()}"


def _kind(url: str) -> str:
    return url.partition("://")[0].lower()


def _open_store(url: str) -> tuple[Any, str]:
    """The file system that an address is of, which looks anew at what is there, and the path in it."""
    from fsspec.core import url_to_fs

    store, path = url_to_fs(url)
    store.invalidate_cache()
    return store, str(path).rstrip("/")


def _files_in(store: Any, path: str) -> list[dict[str, Any]]:
    """The files right in a folder."""
    found = [one for one in store.ls(path, detail=True) if one["type"] == "file"]
    require(len(found) <= MOST_FILES, f"{path} holds {len(found)} files; expected {MOST_FILES} or fewer.")
    return [one for one in found if not one["name"].endswith("/") and one["name"].rstrip("/") != path]


def _copy_all(urls: Iterable[str], folder: Path, limit: int) -> Path:
    folder.mkdir()
    for url in urls:
        target = folder / name_in(url)
        require(
            not target.exists(), f"{shown(url)} is the second one that is called {target.name}; copy them yourself."
        )
        limit -= _copy(url, target, limit)
    return folder


def _copy(url: str, target: Path, limit: int) -> int:
    """Copy one object; gives its bytes."""
    with _explained(url):
        store, path = _open_store(url)
        size, done = store.info(path).get("size"), 0
        require(size is None or size <= limit, _too_large(url, limit, size))
        with store.open(path, "rb") as stream, target.open("xb") as file:
            while chunk := stream.read(CHUNK):
                done += len(chunk)
                require(done <= limit, _too_large(url, limit))
                file.write(chunk)
    require(size is None or done == size, f"{shown(url)} ended after {done} of {size} bytes; run it again.")
    return done


def _too_large(url: str, limit: int, size: int | None = None) -> str:
    has = "more" if size is None else f"{size / 1e9:.3g} GB"
    return (
        f"{shown(url)} has {has}, and there is room for {limit / 1e9:.3g} GB; free some, or set TMPDIR to another disk."
    )


def _headers(url: str) -> list[str]:
    """What a web server tells of a file without sending it; nothing where it does not say."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "ikebook"})  # noqa: S310
    with suppress(OSError, ValueError), opener().open(request, timeout=30) as answer:
        return [str(answer.headers.get(name)) for name in ("ETag", "Last-Modified", "Content-Length")]
    return []


def _told(info: dict[str, Any]) -> str:
    return next((str(info[name]) for name in STAMPS if info.get(name)), "")


def _safe(name: str, url: str) -> str:
    """A name that a file here may have, wherever here is."""
    fits = name.isprintable() and not any(sign in name for sign in '/\\:*?"<>|') and 0 < len(os.fsencode(name)) <= 255
    require(
        fits and not name.startswith("."),
        f"{shown(url)!r} ends in a name that no file here can have; give it another name.",
    )
    return name


@contextmanager
def _explained(url: str, done: str = "read", *, missing: bool = True) -> Iterator[None]:
    """Say in one line what a store has against it: its libraries have errors of their own, which may hold what nobody should see."""
    kind = _kind(url)
    package = PACKAGES.get(kind, "fsspec")
    try:
        yield
    except (InputError, MemoryError):
        raise
    except ImportError:
        raise InputError(f"{kind}:// needs {package}, which is not installed: pip install 'ikebook[remote]'.") from None
    except FileNotFoundError:
        if not missing:
            raise
        raise InputError(f"{shown(url)} does not exist; mend the address.") from None
    except PermissionError:
        raise InputError(
            f"{shown(url)} can't be {done}: no permission. Look at the credentials that {package} finds, and at what they allow."
        ) from None
    except Exception as error:  # noqa: BLE001  # whatever it is, a store that fails is none of our bugs
        said = re.sub(r"\?\S*|(?<=://)[^\s/]*@", "", " ".join(str(error).split()))[:200]
        raise InputError(f"{shown(url)} can't be {done} ({type(error).__name__}: {said}).") from None
