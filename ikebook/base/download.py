"""Fetching one file: with progress, a time-out, and resuming where an earlier call stopped."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from ikebook.base.check import InputError, require
from ikebook.base.places import shown

CHUNK = 1 << 20
"""Bytes that are written, and told to whoever watches, at a time."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows an address that has moved, but from https to nothing else: what comes there could be anybody's."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and not newurl.lower().startswith("https://"):
            raise ConnectionError(f"it leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """What opens addresses here."""
    return urllib.request.build_opener(_Redirects)


def download(
    url: str, part: Path, progress: Callable[[int, int], Any] | None, otherwise: str, *, limit: int | None = None
) -> None:
    """Download to `part`, going on where an earlier call stopped if the server can.

    Parameters
    ----------
    url : https or file; http only as it is given: no https address may lead to one
    part : file, which stays where the connection ends
    progress : called with bytes so far and in all (0 if the server does not say)
    otherwise : what else can be done, for the message where the address does not answer
    limit : bytes that it may have

    Raises
    ------
    InputError
        If not all of it came, or there is more than is allowed.
    """
    begins = url.lower().startswith(("https://", "http://", "file://"))
    require(begins, f"url is {url!r}; expected one that begins with https://.")
    there = part.stat().st_size if part.exists() else 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "ikebook"})  # noqa: S310
        if there:
            request.add_header("Range", f"bytes={there}-")
        with opener().open(request, timeout=30) as answer:
            resumed = getattr(answer, "status", None) == 206
            there = there if resumed else 0
            total = there + int(answer.headers.get("Content-Length") or 0)
            _check_size(url, total, limit)
            with part.open("ab" if resumed else "wb") as stream:
                while chunk := answer.read(CHUNK):
                    there += len(chunk)
                    _check_size(url, there, limit)
                    stream.write(chunk)
                    if progress is not None:
                        progress(there, total)
        if there < total:
            raise ConnectionError(f"the connection ended after {there} of {total} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and there:  # nothing is left to send: the part is whole, as its checksum will tell
            return
        raise InputError(
            f"{shown(url)} answered {error.code} {error.reason}. {otherwise[0].upper()}{otherwise[1:]}."
        ) from None
    except InputError:  # which is a ValueError
        raise
    except (OSError, HTTPException, ValueError, OverflowError) as error:  # the last two: no such address can be
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{shown(url)} could not be fetched ({reason}). Is there a network? Run the command again to go on where it stopped, "
            f"or {otherwise}."
        ) from None


def _check_size(url: str, size: int, limit: int | None) -> None:
    require(
        limit is None or size <= limit,
        f"{shown(url)} has {size / 1e9:.3g} GB or more, and there is room for {(limit or 0) / 1e9:.3g} GB; free some, or set TMPDIR to "
        "another disk.",
    )
