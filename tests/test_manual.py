"""`help()` is the manual: what is public says what it takes, gives and raises, and shows it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing

import pytest

import ikebook
from ikebook.datasets.protocol import SequenceScores

ROOMS = ("video", "flow", "datasets", "matrix", "solvers", "graph", "networks", "cycle", "runs", "exports")


def public() -> dict[str, object]:
    """What the front door and the rooms offer, by its dotted name."""
    found: dict[str, object] = {f"ikebook.{name}": getattr(ikebook, name) for name in ikebook.__all__}
    for room in ROOMS:
        module = importlib.import_module(f"ikebook.{room}")
        found |= {f"ikebook.{room}.{name}": getattr(module, name) for name in getattr(module, "__all__", ())}
    known: dict[int, str] = {}
    for name, value in found.items():
        if callable(value):
            known.setdefault(id(value), name)
    return {name: found[name] for name in known.values()}


PUBLIC = public()
FUNCTIONS = [name for name, value in PUBLIC.items() if inspect.isfunction(value)]
CLASSES = [
    name for name, value in PUBLIC.items() if inspect.isclass(value) and not getattr(value, "_is_protocol", False)
]


def section(text: str, title: str) -> str:
    """The body of a section of a numpydoc docstring; "" if there is none."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def described(text: str) -> set[str]:
    """The names that a section describes, as "a, b : type"."""
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?) ?:(?: .*)?$", text, flags=re.MULTILINE)
    heads += re.findall(r"^((?:\w+, )+\w+)$", text, flags=re.MULTILINE)  # those that are told elsewhere: "See `build`."
    return {name.strip(" *") for head in heads for name in head.split(",")}


def taken(value: object) -> set[str]:
    """The names of a callable's parameters, or of a dictionary's keys."""
    if typing.is_typeddict(value):
        scores = set(typing.get_type_hints(SequenceScores)) if value is not SequenceScores else set()
        return set(typing.get_type_hints(value)) - scores  # a type does not know its base; those are described there
    return {name for name in inspect.signature(value).parameters if name != "self" and not name.startswith("_")}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_what_it_takes_is_described(name) -> None:
    value = PUBLIC[name]
    text = inspect.getdoc(value) or ""
    assert text.splitlines()[0].rstrip().endswith((".", ":")), f"{name}: the first line is no sentence"
    if inspect.isclass(value) and issubclass(value, BaseException):
        return
    missing = taken(value) - described(section(text, "Parameters"))
    assert not missing, f"{name} does not describe {', '.join(sorted(missing))}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_it_gives_is_described(name) -> None:
    returned = inspect.signature(PUBLIC[name]).return_annotation
    text = inspect.getdoc(PUBLIC[name]) or ""
    if returned not in ("None", None):
        assert section(text, "Returns") or section(text, "Yields"), f"{name} does not say what it returns"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.count(".") == 1])
def test_the_front_door_shows_each_of_its_functions(name) -> None:
    assert ">>>" in section(inspect.getdoc(PUBLIC[name]) or "", "Examples"), f"{name} has no example"


@pytest.mark.parametrize("name", [name for name in CLASSES if dataclasses.is_dataclass(PUBLIC[name])])
def test_options_tell_the_defaults_that_they_have(name) -> None:
    value = PUBLIC[name]
    if not name.endswith("Options"):
        pytest.skip("no options")
    text = section(inspect.getdoc(value) or "", "Parameters")
    for field in dataclasses.fields(value):
        told = re.search(rf"^{field.name} : .*default (.*)$", text, flags=re.MULTILINE)
        assert told, f"{name}.{field.name} has no default in its description"
        if field.default is not dataclasses.MISSING and not told.group(1).startswith("`"):
            shown = told.group(1).replace('"', "'")
            assert shown in (
                repr(field.default),
                str(field.default),
                f"{field.default:g}" if isinstance(field.default, float) else "",
            ) or (float(shown) == field.default), (
                f"{name}.{field.name} is {field.default!r}, but its description says {shown}"
            )
