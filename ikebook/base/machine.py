"""What a result was computed on: processor, software, and memory of the machine and of this process."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy
import torch

import ikebook
from ikebook.base.limits import address_space_limit, group_limit


def machine() -> dict[str, Any]:
    """What numbers are measured on, and when: for a table's head."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def cpu_name() -> str:
    """The processor's name, or its kind where the system gives no name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of everything that a result depends on."""
    return {
        "ikebook": ikebook.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "opencv": cv2.__version__,
        "platform": platform.platform(),
    }


def machine_memory() -> int:
    """Memory of the machine, in bytes, or as much of it as this process may have; 0 where the system does not say."""
    limits = [group_limit(), address_space_limit()]
    with suppress(AttributeError, ValueError, OSError):  # Windows
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min((limit for limit in limits if limit is not None), default=0)


def resident_memory() -> int:
    """Memory that this process holds now, in bytes; the most that it has held, or 0, where the system does not say."""
    now = _status("VmRSS")
    return (peak_memory() or 0) if now is None else now


def return_memory(size: int) -> None:
    """Give the system back what the C library holds of memory that is free; it does so by itself only at the heap's end.

    Between two pieces of work: whatever comes next then begins beside what is there, and not beside what was. It takes some
    thousandths of a second, so nothing is done for arrays below a megabyte.

    Parameters
    ----------
    size : bytes of the large arrays that came and went
    """
    if sys.platform == "linux" and size >= 1 << 20:
        with suppress(OSError, AttributeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)


def peak_memory() -> int | None:
    """Most memory that this process has held, in bytes; None where the system does not say.

    On Linux from /proc, since the other count, `ru_maxrss`, includes what the parent process held.
    """
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _status(name: str) -> int | None:
    """A line of Linux's /proc/self/status, in bytes."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None
