"""The process that measures."""

from __future__ import annotations

from multiprocessing.connection import Connection

from plan import Plan, Section


def work(plan: Plan, sections: list[Section], pipe: Connection) -> None:
    """Send what the machine is, and then each section's rows, one after the other."""
    from common import InputError, Machine  # which imports PyTorch: whoever starts this process does without

    try:
        machine = Machine(plan)
    except InputError as error:
        pipe.send(("nothing", str(error)))
        return
    pipe.send(("about", machine.about()))
    for section in sections:
        problem = ""
        try:
            for row in section.function()(machine):
                pipe.send(("row", row))
        except Exception as error:  # noqa: BLE001  # whatever it is, it stands in the page, and the next section has its turn
            lines = str(error).strip().splitlines()
            problem = f"{type(error).__name__}: {lines[0] if lines else ''}"
        machine.clear()
        pipe.send(("done", problem))
