"""Answers as bytes, and back: plain numbers, texts, arrays, tensors and what is made of them. Nothing that is read is run.

A message is a line of JSON that says what there is, then the arrays' numbers. pickle would let a notebook run what it likes in
the process that grades it.
"""

from __future__ import annotations

import json
import struct
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

import numpy as np

MOST_BYTES = 128 * 1024 * 1024
"""Of one message. The largest answer of the course is a matrix of 13 MB."""

MOST_HEAD = 8 * 1024 * 1024
"""Bytes of a message that say what there is."""

MOST_ITEMS, MOST_DEPTH, MOST_LETTERS = 20_000, 8, 10_000

KINDS = "biuf"
"""NumPy's letters for truth values, whole numbers and fractions: the arrays that are carried."""

Remote = Callable[[int], Callable[..., Any]]
"""Makes a function that stands for the one of a number on the other side."""


class Malformed(Exception):  # noqa: N818
    """Bytes that are no message."""


class Missing:
    """In the place of an answer that is not there."""


def encode(value: Any, functions: list[Any] | None = None) -> bytes:
    """A value as bytes; functions in it are entered in `functions`, and stand in the message by their number there."""
    blobs: list[bytes] = []
    tree = _Encoder(blobs, functions).tree(value, 0)
    head = json.dumps({"tree": tree, "sizes": [len(blob) for blob in blobs]}).encode()
    return b"".join([struct.pack(">I", len(head)), head, *blobs])


class _Encoder:
    def __init__(self, blobs: list[bytes], functions: list[Any] | None) -> None:
        self.blobs, self.functions, self.items = blobs, functions, 0

    def tree(self, value: Any, depth: int) -> Any:
        self.items += 1
        if self.items > MOST_ITEMS or depth > MOST_DEPTH:
            return _unknown(value)
        if value is None or type(value) in (bool, int, float):
            return value
        if isinstance(value, str):
            return str(value)[:MOST_LETTERS]
        for name, single in (("ellipsis", Ellipsis), ("notimplemented", NotImplemented), ("missing", Missing)):
            if value is single:
                return {name: 0}
        if _is_tensor(value) or isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "toarray"):
            return self._array(value)
        if hasattr(value, "solution"):  # what torch's lstsq returns
            return self.tree(value.solution, depth + 1)
        if isinstance(value, (tuple, list, range)):
            return self._sequence(value, depth)
        if isinstance(value, dict):
            pairs = [[self.tree(key, depth + 1), self.tree(each, depth + 1)] for key, each in value.items()]
            return {"dict": pairs}
        if hasattr(value, "__float__"):  # fractions and the like are numbers
            with suppress(TypeError, ValueError, OverflowError):
                return float(value)
        if callable(value) and self.functions is not None:
            self.functions.append(value)
            return {"function": len(self.functions) - 1}
        return self._array(np.asarray(value)) if hasattr(value, "__array__") else _unknown(value)

    def _sequence(self, value: Any, depth: int) -> Any:
        if len(value) and (len(value) > 1000 or (isinstance(value[0], list) and len(value[0]) > 100)):
            try:  # a long table of numbers, as `tolist` makes them
                return self._array(np.asarray(value))
            except (TypeError, ValueError, RuntimeError):
                return _unknown(value)
        name = "tuple" if isinstance(value, tuple) else "list"
        return {name: [self.tree(each, depth + 1) for each in value]}

    def _array(self, value: Any) -> Any:
        kind = "scalar" if isinstance(value, np.generic) else "array"
        try:
            if _is_tensor(value):
                kind = "tensor"
                value = value.detach().to_dense().cpu().resolve_conj().numpy()
            elif hasattr(value, "toarray"):
                value = value.toarray()
            array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        except (TypeError, ValueError, RuntimeError, AttributeError):
            return _unknown(value)
        if array.dtype.kind not in KINDS or array.dtype.itemsize > 8 or array.nbytes > MOST_BYTES // 2:
            return _unknown(value)
        self.blobs.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return {kind: len(self.blobs) - 1, "dtype": array.dtype.str.lstrip("<>=|"), "shape": list(array.shape)}


def _is_tensor(value: Any) -> bool:
    """Whether a value is one of torch's, which takes seconds to import: where it is not, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _unknown(value: Any) -> Any:
    return {"other": type(value).__name__[:60]}


def decode(message: bytes, remote: Remote | None = None) -> Any:
    """What `encode` had; raise `Malformed` for all else."""
    try:
        return _read(message, remote)
    except Exception as error:  # noqa: BLE001  # whatever a notebook has written there, it must not stop the grader
        raise Malformed(str(error)) from None


def _read(message: bytes, remote: Remote | None) -> Any:
    (length,) = struct.unpack(">I", message[:4])
    if length > MOST_HEAD:
        raise Malformed("too long a head")
    head = json.loads(message[4 : 4 + length])
    blobs, place = [], 4 + length
    for size in head["sizes"]:
        if type(size) is not int or size < 0:
            raise Malformed("sizes")
        blobs.append(message[place : place + size])
        place += size
    return _value(head["tree"], blobs, remote, 0)


def _value(tree: Any, blobs: list[bytes], remote: Remote | None, depth: int) -> Any:
    if depth > MOST_DEPTH + 2:
        raise Malformed("too deep")
    if not isinstance(tree, dict):
        if isinstance(tree, list):
            raise Malformed("a list without its name")
        return tree
    name = next(iter(tree), "")
    content = tree[name]
    if name in ("tuple", "list"):
        values = [_value(each, blobs, remote, depth + 1) for each in content]
        return tuple(values) if name == "tuple" else values
    if name == "dict":
        return {_value(key, blobs, remote, depth + 1): _value(each, blobs, remote, depth + 1) for key, each in content}
    if name in ("array", "tensor", "scalar"):
        return _read_array(name, tree, blobs)
    if name == "function":
        if remote is None or type(content) is not int:
            raise Malformed("a function")
        return remote(content)
    if name == "other":
        return type(_identifier(content), (), {})()
    return {"ellipsis": Ellipsis, "notimplemented": NotImplemented, "missing": Missing}[name]


def _read_array(name: str, tree: dict[str, Any], blobs: list[bytes]) -> Any:
    dtype = np.dtype(str(tree["dtype"])[:3]).newbyteorder("<")
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise Malformed(f"an array of {dtype}")
    array = np.frombuffer(blobs[tree[name]], dtype).reshape([int(side) for side in tree["shape"]])
    array = array.astype(dtype.newbyteorder("="))  # a copy, which may be written to
    if name == "tensor":
        import torch

        return torch.from_numpy(array)
    return array[()] if name == "scalar" else array


def _identifier(name: object) -> str:
    """A type's name as it may stand in a sentence."""
    kept = "".join(letter for letter in str(name)[:60] if letter.isalnum() or letter in "_.")
    return kept or types.SimpleNamespace.__name__


def send(stream: IO[bytes], message: bytes) -> None:
    """Write a message, its length before it."""
    stream.write(struct.pack(">Q", len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read the next message; raise `EOFError` if there is none, `Malformed` if it is too long."""
    (length,) = struct.unpack(">Q", _exactly(stream, 8))
    if length > MOST_BYTES:
        raise Malformed(f"a message of {length} bytes")
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    parts, missing = [], count
    while missing:
        part = stream.read(min(missing, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
