"""Whether what a JSON file holds has the type that it should have."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

LARGEST = 1 << 28
"""Bytes that a file may have: results of 100,000 sequences take about as much."""

DEEPEST = 40
"""Levels that may be nested in a file: some ten are, and what walks through them calls itself."""

LARGEST_NUMBER = {int: float(1 << 63), float: sys.float_info.max}
"""Up to which numbers are read: no count that is written is larger, and no measure is infinite."""

Kind = TypeVar("Kind")


def read_json(path: Path, kind: type[Kind]) -> Kind | None:
    """What a JSON file holds; None where there is none, it can't be read, or it is not of this type.

    Parameters
    ----------
    path : Path
    kind : type
        A `TypedDict`, say; see `has_type`.
    """
    try:
        fits = path.is_file() and path.stat().st_size <= LARGEST
        content = json.loads(path.read_text(encoding="utf-8")) if fits else None
    except (OSError, ValueError, RecursionError):
        return None
    return content if not _is_deeper(content, DEEPEST) and has_type(content, kind) else None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a value is nested more than so many levels deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner if isinstance(one, (dict, list)))


def has_type(value: Any, kind: Any) -> bool:
    """Whether a value as JSON gives it has a type.

    Types are made of `TypedDict`, whose further keys are passed over, `dict[str, ...]`, `list[...]`, unions, `Literal`, `Any`,
    and `Annotated[list[...], 5]`, a list of so many. A whole number is a `float` too; True and False are no numbers, nor are NaN,
    infinities, and what is above `LARGEST_NUMBER`.

    >>> has_type({"a": [1, 2.5, None]}, dict[str, list[float | None]])
    True
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return isinstance(value, dict) and _has_fields(value, kind)
    if origin is Annotated:
        return has_type(value, arguments[0]) and len(value) == arguments[1]
    if origin in (Union, UnionType):
        return any(has_type(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is dict:
        return isinstance(value, dict) and all(has_type(one, arguments[1]) for one in value.values())
    if origin is list:
        return isinstance(value, list) and all(has_type(one, arguments[0]) for one in value)
    if kind in (int, float):  # NaN is not below anything
        return isinstance(value, (int, kind)) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER[kind]
    return kind is Any or isinstance(value, kind or NoneType)


def _has_fields(value: dict[str, Any], kind: Any) -> bool:
    return all(
        has_type(value[key], field) if key in value else not required
        for key, (field, required) in _fields(kind).items()
    )


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The fields of a `TypedDict`: their types, and whether they have to be there."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        key: (get_args(hint)[0] if get_origin(hint) is NotRequired else hint, key in kind.__required_keys__)
        for key, hint in hints.items()
    }
