"""The process in which a handed-in notebook runs: cells in, answers out. What it says is believed of answers, and of nothing else.

It reads orders from its standard input and answers to its standard output, before either is taken away from the notebook's cells. They may
find the way back to it all the same, and gain nothing: a verdict is not among the things that it carries.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ikebook.base.crashes import call_and_measure, describe_crash
from ikebook.grading.wire import Missing, decode, encode, receive, send


class WrongAnswer(Exception):  # noqa: N818
    """Stands for that of the checks, which are not here."""


def hide_the_checks() -> None:
    """Have notebooks import a `check_answers` that says nothing, whatever it is given: the real one is where the answers go."""
    stand_in: Any = types.ModuleType("ikebook.check_answers")
    stand_in.__path__ = []
    stand_in.WrongAnswer = WrongAnswer
    stand_in.check_answers = lambda *_, **__: None
    sys.modules[stand_in.__name__] = stand_in


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what runs inside by a `TimeoutError`; where the system has no alarm, the process that waits ends this one."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError(f"stopped after {seconds:g} seconds")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Runner:
    """A notebook's namespace, and what can be asked of it."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        shell: Any = InteractiveShell.instance()
        shell.showtraceback = shell.showsyntaxerror = lambda *_, **__: None
        self.shell = shell
        # A student may have imported it by hand once, in a cell that is gone: that costs no point.
        shell.user_ns["check_answers"] = sys.modules["ikebook.check_answers"].check_answers
        self.functions: list[Any] = []

    def do(self, order: dict[str, Any]) -> dict[str, Any]:
        """Obey an order: run a cell, hand out answers, or call a function that is one."""
        if order["do"] == "run":
            return {"crash": self.run(order["code"], order["seconds"])}
        if order["do"] == "answers":
            return {"answers": [self.shell.user_ns.get(name, Missing) for name in order["names"]]}
        return self.call(self.functions[order["function"]], order["arguments"], order["seconds"], order["measured"])

    def run(self, code: str, seconds: float) -> str | None:
        """Run a cell; what it stopped with, in words."""
        try:
            with limited(seconds):
                result = self.shell.run_cell(code, store_history=True)
        except BaseException as error:  # noqa: BLE001  # SystemExit, KeyboardInterrupt: the next cell runs all the same
            return describe_crash(error)
        raised = result.error_before_exec or result.error_in_exec
        return None if raised is None else describe_crash(raised)

    def call(self, function: Any, arguments: tuple[Any, ...], seconds: float, measured: bool) -> dict[str, Any]:
        """Call a function: its value, and the largest thing that it built if that is asked for; or its crash."""
        size = 0
        try:
            with limited(seconds):
                if measured:
                    value, size = call_and_measure(function, *arguments)
                else:
                    value = function(*arguments)
        except BaseException as error:  # noqa: BLE001  # whatever a student's function does wrong
            return {"crash": describe_crash(error, function)}
        return {"value": value, "size": size}


def main() -> None:
    """Obey orders until there are no more."""
    orders, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    hide_the_checks()
    runner = Runner()
    send(replies, encode({"ready": True}))
    while True:
        try:
            order = decode(receive(orders))
        except EOFError:
            break
        reply = runner.do(order)
        try:
            message = encode(reply, runner.functions)
        except BaseException as error:  # noqa: BLE001  # an answer may do what it likes when it is looked at
            message = encode({"crash": describe_crash(error)})
        send(replies, message)
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            os._exit(0)  # what a notebook has left running waits for nobody


if __name__ == "__main__":
    main()
