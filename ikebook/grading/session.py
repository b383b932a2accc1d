"""A notebook's process seen from outside: started, given cells, asked for answers, and ended."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

import ikebook
from ikebook.check_answers.reading import Crashed, WrongAnswer
from ikebook.grading import jail
from ikebook.grading.wire import Malformed, Missing, decode, encode, receive, send

GRACE = 5.0
"""Seconds that the runner gets to stop a cell by itself, before it is ended from outside."""


@dataclass(frozen=True)
class Limits:
    """What a handed-in notebook may take.

    Parameters
    ----------
    seconds : of the whole notebook
    cell : seconds of one cell
    call : seconds of one call of an answer that is a function
    memory : bytes of all its processes together
    files : bytes that it may write
    processes : how many it may have at a time
    """

    seconds: float = 600.0
    cell: float = 180.0
    call: float = 20.0
    memory: int = 3_000_000_000
    files: int = 200_000_000
    processes: int = 32


class Ended(Exception):  # noqa: N818
    """The notebook's process is not there any more; the message says why."""


class Session:
    """A process that runs one notebook's cells.

    Parameters
    ----------
    limits : what it may take
    jailed : whether it gets a file system, a network and users of its own, see `can_jail`
    """

    def __init__(self, limits: Limits, *, jailed: bool) -> None:
        self.limits, self.ended, self._late = limits, "", False
        self._folder = tempfile.TemporaryDirectory(prefix="ikebook-grade-")
        self._began = time.monotonic()
        program = ["-m", "ikebook.grading.runner"]
        spec = specification(limits, self._folder.name, program, jailed=jailed)
        watched = os.name == "posix"
        command = ["-m", "ikebook.grading.jail", json.dumps(spec)] if watched else program
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(Path(self._folder.name)) | _paths(),
            cwd=self._folder.name,
        )

    def __enter__(self) -> Self:
        self._ask(None, self.limits.cell, GRACE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        self._folder.cleanup()

    def run(self, code: str) -> str | None:
        """Run a cell; what it stopped with, in words, or None."""
        reply = self._ask({"do": "run", "code": code, "seconds": self.limits.cell}, self.limits.cell, GRACE)
        return _text(reply.get("crash"))

    def answers(self, names: list[str]) -> list[Any]:
        """The values of names, `Missing` where there are none. Functions among them are called in the notebook's process."""
        reply = self._ask({"do": "answers", "names": names}, self.limits.call, GRACE)
        values = reply.get("answers")
        if not isinstance(values, list) or len(values) != len(names):
            raise WrongAnswer(f"the answer can't be read ({_text(reply.get('crash')) or 'it is of no known kind'}).")
        return values

    def _call(self, function: int, arguments: tuple[Any, ...], *, measured: bool) -> tuple[Any, int]:
        order = {"do": "call", "function": function, "arguments": list(arguments), "seconds": self.limits.call}
        reply = self._ask(order | {"measured": measured}, self.limits.call, GRACE)
        crash = _text(reply.get("crash"))
        if crash is not None:
            raise Crashed(crash)
        size = reply.get("size")
        return reply.get("value", Missing), size if type(size) is int else 0

    def _remote(self, number: int) -> Any:
        """A function that stands for one in the notebook's process."""

        def function(*arguments: Any) -> Any:
            return self._call(number, arguments, measured=False)[0]

        function.call_and_measure = lambda *arguments: self._call(number, arguments, measured=True)  # type: ignore[attr-defined]
        return function

    def _ask(self, order: dict[str, Any] | None, seconds: float, grace: float) -> dict[str, Any]:
        if self.ended:
            raise Ended(self.ended)
        left = self._began + self.limits.seconds - time.monotonic()
        timer = Timer(max(0.1, min(seconds + grace, left)), self._overdue)
        timer.start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            if order is not None:
                send(self._process.stdin, encode(order))
            reply = decode(receive(self._process.stdout), self._remote)
            if isinstance(reply, dict):
                return reply
            self.ended = "the notebook's process answered with what is no answer"
        except Malformed:
            self.ended = "the notebook's process answered with what is no answer"
        except (EOFError, OSError):
            self.ended = self._reason()
        finally:
            timer.cancel()
        self._end()
        raise Ended(self.ended)

    def _overdue(self) -> None:
        self._late = True
        self._end()

    def _reason(self) -> str:
        code = jail.LATE if self._late else jail.ENDED
        if not self._late:
            with suppress(subprocess.TimeoutExpired):  # it may have closed its mouth, and live on
                code = self._process.wait(5)
        return {
            jail.LATE: "it took too long (an endless loop?)",
            jail.MEMORY: f"it took more than {self.limits.memory / 1e9:.3g} GB of memory",
            jail.PROCESSES: f"it started more than {self.limits.processes} processes",
        }.get(code, "its process ended itself, or was ended for want of memory")

    def _end(self) -> None:
        """End the process with all that it has started; the one who watches over it does that when asked to."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _text(value: Any) -> str | None:
    """A text of the notebook's process, of a length that a table bears."""
    return None if value is None else " ".join(str(value).split())[:600]


def package() -> Path:
    """The folder of the package, of which notebooks see a part."""
    return Path(ikebook.__file__).resolve().parent


def _libraries() -> list[str]:
    """Folders of installed packages, a user's own among them."""
    return [
        *site.getsitepackages(),
        *(place for place in sys.path if place.endswith(("site-packages", "dist-packages"))),
    ]


def _paths() -> dict[str, str]:
    """Where the notebook's process finds packages: this ikebook first."""
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys((str(package().parent), *_libraries())))}


def specification(limits: Limits, folder: str, program: list[str], *, jailed: bool) -> dict[str, Any]:
    """What `jail` has to know."""
    home = Path(folder)
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, sysconfig.get_path("purelib"), *_libraries()}
    shown = {place for each in places for place in (str(Path(each).absolute()), str(Path(each).resolve()))}
    shown.add(str(package()))
    return {
        "jailed": jailed,
        "probing": False,
        "root": str(home),
        "program": program,
        "shown": sorted(shown),
        "hidden": [str(package() / "check_answers"), str(package() / "notebooks")],
        "environment": _environment(Path(jail.HOME) if jailed else home) | _paths(),
        "seconds": limits.seconds,
        "memory": limits.memory,
        "files": limits.files,
        "processes": limits.processes,
    }


def _environment(home: Path) -> dict[str, str]:
    """Variables of a notebook's process: none of the lecturer's but what finds programs. Notebooks take the embedded clips."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    named = dict.fromkeys(("HOME", "IPYTHONDIR", "MPLCONFIGDIR", "IKEBOOK_CACHE", "TMPDIR", "USERPROFILE"), str(home))
    return kept | named | {"IKEBOOK_DATA": "", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def can_jail() -> str:
    """Try whether notebooks can be shut in here: "" if so, else the reason why not."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no user namespaces"
    with tempfile.TemporaryDirectory(prefix="ikebook-grade-") as folder:
        probe = "import socket, sys; sys.exit(any(name != 'lo' for _, name in socket.if_nameindex()))"
        spec = specification(Limits(seconds=30), folder, ["-c", probe], jailed=True) | {"probing": True}
        tried = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "ikebook.grading.jail", json.dumps(spec)],
            env=os.environ | _paths(),
            capture_output=True,
            text=True,
            check=False,
        )
    if tried.returncode == 0:
        return ""
    return tried.stderr.strip().removeprefix("no jail: ").splitlines()[-1:][0] if tried.stderr.strip() else "refused"
