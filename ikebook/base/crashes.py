"""What an answer did as it ran, in words: where it stopped, and how much it built on its way."""

from __future__ import annotations

import inspect
import linecache
import traceback
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

MOST = 300
"""Letters of another program's message that are passed on."""


def describe_crash(error: BaseException, function: object = None) -> str:
    """What stopped a cell or a function, and in which of its lines.

    Parameters
    ----------
    error : what was raised
    function : the one that was called; its lines are looked for. None: those of a notebook's cell

    Returns
    -------
    str
        Such as "IndexError: list index out of range, in line 3: `x = places[step]`"; without a line where none is known.
    """
    message = " ".join(str(getattr(error, "msg", error) if isinstance(error, SyntaxError) else error).split())
    said = f"{type(error).__name__}: {message[:MOST]}" if message else type(error).__name__
    if isinstance(error, SyntaxError):
        line, text = error.lineno, (error.text or "").strip()
    else:
        line, text = _last_line(error, function)
    if not line:
        return said
    return f"{said}, in line {line}" + (f": `{text[:MOST]}`" if text else "")


def _last_line(error: BaseException, function: object) -> tuple[int, str]:
    """The last line of a student's that ran: number and text; 0 where none is known."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if file == code.co_filename if code else file.startswith("<ipython") or "ipykernel_" in file:
            return line, linecache.getline(file, line).strip()
    return 0, ""


def call_and_measure(function: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """What a function returns, and the size of the largest thing that it built with torch, or of all with NumPy.

    Parameters
    ----------
    function, *arguments : what to call, and with what

    Returns
    -------
    value, size
        Size counts entries of the largest tensor, or bytes that Python knows of, whichever is more.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Largest(TorchFunctionMode):
        entries = 0

        def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for value in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(value, torch.Tensor):
                    stored = value.numel() if value.layout == torch.strided else 3 * value._nnz()  # noqa: SLF001  # torch has no other name for it
                    self.entries = max(self.entries, stored)
            return result

    tracemalloc.start()
    try:
        with warnings.catch_warnings(), Largest() as largest:
            warnings.simplefilter("ignore")  # torch says of sparse tensors that they are new
            value = function(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return value, max(largest.entries, peak)
