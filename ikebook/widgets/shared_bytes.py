"""Long bytes of widgets, such as a clip's frames: sent to a page once, in pieces, whichever canvases show them.

A canvas's own message has names of models in their place; each of these has one piece, and a message of its own. So no message
is longer than a server lets through, and a page that is loaded again, or a saved notebook, has every clip once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

SHARED_FROM = 1 << 17
"""Bytes from which on they are not worth a copy in each canvas."""

PIECE = 1 << 22
"""Bytes of a piece, at most: four of them are less than what a Jupyter server lets through."""


class Piece(anywidget.AnyWidget):
    """A piece of bytes in the page; nothing that can be seen."""

    _esm = "export default {};"

    data = traitlets.Bytes(b"").tag(sync=True)

    def close(self) -> None:
        """Take it out of the page, and forget it."""
        layout = self.layout if self.comm is not None else None
        super().close()
        self.data = b""
        if layout is not None:
            layout.close()


class SharedBytes:
    """Bytes that are in the page as long as a widget uses them.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.users = 0
        self.pieces = [Piece(data=data[begin : begin + PIECE]) for begin in range(0, len(data), PIECE)]

    @property
    def names(self) -> list[str]:
        """What stands for them in a message."""
        return [f"IPY_MODEL_{piece.model_id}" for piece in self.pieces]

    @property
    def is_open(self) -> bool:
        """Whether all of it still is in the page: `Widget.close_all` closes pieces as well."""
        return all(piece.comm is not None for piece in self.pieces)


_ALL: dict[bytes, SharedBytes] = {}
"""By their hash, those that are in the page."""


def use(widget: Any, name: str, data: bytes) -> list[str] | bytes:
    """Let a widget use these bytes as its trait `name`, in place of those before: what its message has of them."""
    held: dict[str, SharedBytes] = vars(widget).setdefault("_shared_bytes", {})
    before = held.get(name)
    if before is not None and before.data is data and before.is_open:
        return before.names
    found = None
    if len(data) >= SHARED_FROM:
        key = hashlib.blake2b(data, digest_size=16).digest()
        found = _ALL.get(key)
        if found is None or not found.is_open:
            found = _ALL[key] = SharedBytes(data)
        found.users += 1
        held[name] = found
    else:
        held.pop(name, None)
    if before is not None:
        _leave(before)
    return data if found is None else found.names


def leave_all(widget: Any) -> None:
    """The widget uses none any more: it has been closed."""
    held: dict[str, SharedBytes] = vars(widget).pop("_shared_bytes", {})
    for one in held.values():
        _leave(one)


def shared(name: str) -> Callable[[bytes, Any], list[str] | bytes]:
    """How the trait `name`, of bytes that may be long, becomes part of a message: `tag(sync=True, to_json=shared(name))`."""
    return lambda data, widget: use(widget, name, data)


def _leave(one: SharedBytes) -> None:
    one.users -= 1
    if one.users == 0:
        for key in [key for key, known in _ALL.items() if known is one]:
            del _ALL[key]
        for piece in one.pieces:
            piece.close()
