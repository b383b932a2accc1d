"""Errors about what a user passed in, phrased once: what was expected, what came, how to mend it."""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, TypeVar

Kind = TypeVar("Kind")

NO_CHARACTER = re.compile("[\ud800-\udfff]")
"""What Python has for such bytes."""


class InputError(ValueError):
    """A value, option or file that can't be used as it is. The message names it and says how to mend it.

    The command line prints the message as one line and exits with code 2; every other exception is a bug.
    """


def explain(error: Exception) -> tuple[str, str] | None:
    """Whose fault an error is, "input", "system" or "memory", and one sentence about it; None for a bug of ours."""
    if isinstance(error, InputError):
        return "input", " ".join(str(error).splitlines())
    of_opencv = type(error).__module__ == "cv2" and "Insufficient memory" in str(error)
    if isinstance(error, MemoryError) or of_opencv or (isinstance(error, RuntimeError) and "memory" in str(error)):
        # PyTorch has a RuntimeError of its own for each device.
        return "memory", "there is not enough memory for this; give a smaller --size or a shorter clip."
    if isinstance(error, OSError):  # a name too long, no permission, a disk that is full
        where = error.filename2 or error.filename
        reason = f"{where}: {error.strerror}" if where else error.strerror or str(error)
        return "system", f"{reason}. Check the path, its permissions and the space left."
    return None


def require(condition: bool, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds."""
    if not condition:
        raise InputError(message)


def or_default(name: str, value: Any, kind: type[Kind], hint: str = "") -> Kind:
    """`value`, or `kind()` where it is None; raise, with a hint at what to write, unless it is of that kind."""
    return kind() if value is None else instance(name, value, kind, hint)


def instance(name: str, value: Any, kind: type[Kind], hint: str = "") -> Kind:
    """`value`; raise unless it is of that kind."""
    if not isinstance(value, kind):
        raise InputError(f"{name} is {short(value)}; expected {kind.__name__}{hint and f', {hint}'}.")
    return value


def short(value: Any, most: int = 60) -> str:
    """What a value is, in one short line: itself, if it is short, else its kind and shape.

    >>> short("paper"), short([1] * 100)
    ("'paper'", 'a list of 100')
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array {tuple(value.shape)} of {value.dtype}"
    if isinstance(value, (tuple, list)) and (len(value) > 4 or any(hasattr(item, "shape") for item in value)):
        return f"a {type(value).__name__} of {len(value)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"a {type(value).__name__}"


def file_name(name: str, value: Any) -> None:
    """Raise unless `value` can be the name of a file in some folder: a text that names no other folder, with no character of code 0.

    >>> file_name("frame", "00000")
    """
    fits = isinstance(value, str) and value not in ("", ".", "..") and "\0" not in value and "/" not in value
    require(
        fits and PurePath(str(value)).name == value,  # on Windows a backslash, or a drive, names another place, too
        f"{name} holds {short(value)}; expected names of files without their folders, such as '00000'.",
    )


def readable(name: str) -> str:
    """A name in characters that every file and font has: bytes of a file's name that are no UTF-8 become U+FFFD.

    >>> readable(chr(0xDCF6) + "n") == chr(0xFFFD) + "n"
    True
    """
    return NO_CHARACTER.sub(chr(0xFFFD), name)


def one_of(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise unless `value` is one of the names in `choices`."""
    choices = list(choices)
    require(value in choices, f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}.")


def names(name: str, text: str) -> list[str]:
    """Read names with commas between them, and spaces where somebody likes them.

    >>> names("--sequences", "camel, dog")
    ['camel', 'dog']
    """
    found = [word.strip() for word in text.split(",")]
    require(all(found), f"{name} is {text!r}; expected names with a comma between them, such as camel,dog.")
    return found


def flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False."""
    require(isinstance(value, bool), f"{name} is {value!r}; expected True or False.")


def whole(name: str, value: Any, at_least: int = 0, at_most: int | None = None) -> None:
    """Raise unless `value` is a whole number between `at_least` and `at_most`."""
    fits = not isinstance(value, bool) and isinstance(value, numbers.Integral) and int(value) >= at_least
    require(fits, f"{name} is {value!r}; expected a whole number, {at_least} or more.")
    require(at_most is None or int(value) <= at_most, f"{name} is {value!r}; expected {at_most} or less.")


def number(name: str, value: Any, *, above: float = -math.inf, at_least: float = -math.inf) -> None:
    """Raise unless `value` is a finite number above `above` and not below `at_least`."""
    is_number = not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(value)
    fits = is_number and value > above and value >= at_least
    bound = (
        f" above {above:g}" if math.isfinite(above) else f", {at_least:g} or more" if math.isfinite(at_least) else ""
    )
    require(fits, f"{name} is {value!r}; expected a finite number{bound}.")


def shape(name: str, array: Any, expected: Sequence[int | str]) -> None:
    """Raise unless `array.shape` fits `expected`, where a string stands for any length.

    >>> import numpy as np
    >>> shape("frames", np.zeros((5, 16, 16, 3)), ("m", "h", "w", 3))
    """
    require(
        hasattr(array, "shape"),
        f"{name} is a {type(array).__name__}; expected an array ({', '.join(map(str, expected))}).",
    )
    came = tuple(array.shape)
    fits = len(came) == len(expected) and all(
        isinstance(want, str) or want == have for want, have in zip(expected, came, strict=True)
    )
    wanted = ", ".join(map(str, expected))
    require(fits, f"{name} has shape {came}; expected ({wanted}).")


def finite(name: str, array: Any, mend: str = "fill them in or compute it again") -> None:
    """Raise if an array or tensor of numbers has values that are NaN or infinite."""
    bad = int((~(array == array) | (abs(array) == math.inf)).sum())  # noqa: PLR0124  # NaN alone differs from itself
    require(bad == 0, f"{name} has {bad} values that are NaN or infinite; {mend}.")


def size(name: str, value: Any) -> tuple[int, int]:
    """Read a frame size: `(width, height)` or a text such as `"416x224"`, in pixels.

    >>> size("size", "416x224")
    (416, 224)
    """
    parts: Sequence[Any]
    if isinstance(value, str):
        parts = value.lower().split("x")
    else:
        parts = tuple(value) if isinstance(value, (tuple, list)) or hasattr(value, "__array__") else ()
    try:
        width, height = (int(part) if isinstance(part, str) else operator.index(part) for part in parts)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {value!r}; expected WIDTHxHEIGHT in pixels, such as 416x224.") from None
    require(
        4 <= width <= 16384 and 4 <= height <= 16384,
        f"{name} is {width}x{height}; each side must lie between 4 and 16384 pixels.",
    )
    return width, height


def memory(name: str, text: str) -> int:
    """Read an amount of memory such as 800M, 1.5G or 2000000000, in bytes; K, M, G and T are powers of 1000.

    >>> memory("--memory", "1.5G")
    1500000000
    """
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    try:
        amount = float(number) * {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
        require(1 <= amount < 1e18, "")
    except (ValueError, KeyError):
        raise InputError(f"{name} is {text!r}; expected a size such as 800M or 1.5G.") from None
    return int(amount)


def seconds(name: str, text: str) -> float:
    """Read a time such as 60s, 2m, 1.5h or 90, in seconds.

    >>> seconds("--budget", "2m")
    120.0
    """
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "s")
    try:
        amount = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
        require(0 < amount < math.inf, "")
    except (ValueError, KeyError):
        raise InputError(f"{name} is {text!r}; expected a time such as 60s or 2m.") from None
    return amount
