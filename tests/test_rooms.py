"""Imports go one way, from room to room: the order is that of the table in CONTRIBUTING.md, the one place where it stands."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ikebook

PACKAGE = Path(ikebook.__file__).parent
MAP = Path(__file__).parents[1] / "CONTRIBUTING.md"

LEAVES = {"experiments", "course", "widgets", "check_answers"}
"""Rooms that nobody imports but the command line and the checks of answers."""


def rooms(text: str) -> list[str]:
    """The rooms, from low to high, as the map's table lists them."""
    return re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)


ORDER = rooms(MAP.read_text(encoding="utf-8")) if MAP.exists() else []


def modules() -> dict[str, Path]:
    """Files of all modules, by their name within the package; the package itself is ""."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        if (file.parent / "__init__.py").is_file():
            parts = file.relative_to(PACKAGE).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = file
    return found


MODULES = modules()


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imported(source: str, name: str = "") -> set[str]:
    """The modules of ours that a source imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import in line {node.lineno}; say where it comes from"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {path.partition("ikebook.")[2] for path in found if path.split(".")[0] == "ikebook"}
    return {module_of(path) for path in ours} - {name}


def module_of(path: str) -> str:
    """The module that holds what is imported as `ikebook.<path>`: a module, or a name in one."""
    while path not in MODULES and "." in path:
        path = path.rpartition(".")[0]
    return path if path in MODULES else ""


IMPORTS = {name: imported(file.read_text(encoding="utf-8"), name) for name, file in MODULES.items()}


@pytest.mark.skipif(not MAP.exists(), reason="no CONTRIBUTING.md, which has the map: it is part of a checkout")
class TestRooms:
    def test_every_room_is_on_the_map(self) -> None:
        assert {room_of(name) for name in MODULES} - {"", "__main__"} == set(ORDER)
        assert len(ORDER) == len(set(ORDER))

    @pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) not in ("", "__main__")])
    def test_a_module_imports_only_from_rooms_above_it_on_the_map(self, name) -> None:
        allowed = {"", *ORDER[: ORDER.index(room_of(name)) + 1]}
        below = sorted(one for one in IMPORTS[name] if room_of(one) not in allowed)
        assert not below, f"{name} imports {', '.join(below)}, which lie below it on the map in {MAP.name}"

    def test_every_room_says_what_lives_there(self) -> None:
        for room in ORDER:
            text = ast.get_docstring(ast.parse(MODULES[room].read_text(encoding="utf-8")))
            assert text, f"{room} has no docstring"
            assert text.splitlines()[0].endswith("."), room


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    graph = {
        name: found - {""} for name, found in IMPORTS.items() if name
    }  # the front door opens on all of them, lazily
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert sorted(order) == sorted(graph)


def test_the_package_imports_none_of_its_rooms_but_what_makes_them_lazy() -> None:
    assert IMPORTS[""] == {"base.lazy"}
    assert not {room_of(home) for home in ikebook._HOMES.values()} & LEAVES


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_the_library_imports_no_leaf(leaf) -> None:
    users = {room_of(name) for name, found in IMPORTS.items() if leaf in map(room_of, found)} - {leaf}
    assert users <= {"cli", "check_answers"}


def test_errors_and_scores_know_hardly_anyone() -> None:
    assert IMPORTS["base.check"] == set()
    assert IMPORTS["matrix.operator"] <= {"base.check"}
    assert IMPORTS["video.metrics"] <= {"base", "base.check"}


def test_graph_and_network_know_nothing_of_each_other() -> None:
    assert not any(
        room_of(found) == "networks" for name in MODULES if room_of(name) == "graph" for found in IMPORTS[name]
    )
    assert not any(
        room_of(found) == "graph" for name in MODULES if room_of(name) == "networks" for found in IMPORTS[name]
    )


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import ikebook.flow.dis
from ikebook import toy
from ikebook.base import check
from ikebook.flow import Flow, cache
def late():
    from ikebook.graph.graph_module import segment
    import torch, ikebook
"""
    assert imported(source) == {"flow.dis", "base.check", "flow", "flow.cache", "graph.graph_module"}


def test_the_map_is_read_as_it_is_written() -> None:
    assert rooms("| room | what |\n|---|---|\n| `base` | x |\n| `video` | y |\n") == ["base", "video"]
