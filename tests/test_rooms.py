"""Imports go one way, from room to room: the order is that of the table in CONTRIBUTING.md, the one place where it stands."""

from __future__ import annotations

import ast
import importlib.util
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import ikebook

SOURCE = Path(__file__).parents[1] / "docs" / "book" / "structure.py"
if not SOURCE.exists():
    pytest.skip("no docs/book/structure.py and CONTRIBUTING.md: they are part of a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("structure", SOURCE)
structure = importlib.util.module_from_spec(SPEC)
sys.modules["structure"] = structure  # where dataclasses look for it
SPEC.loader.exec_module(structure)
room_of = structure.room_of

LEAVES = {"experiments", "course", "widgets", "check_answers", "grading"}
"""Rooms that nobody imports but the command line, the checks of answers, and grading."""

MODULES = structure.modules(Path(ikebook.__file__).parent)
IMPORTS = structure.imports(MODULES)
ROOMS = structure.read_map(structure.MAP.read_text(encoding="utf-8"), MODULES)
ORDER = [room.name for room in ROOMS]


class TestRooms:
    def test_every_room_is_on_the_map(self) -> None:
        assert {room_of(name) for name in MODULES} - {"", "__main__"} == set(ORDER)
        assert len(ORDER) == len(set(ORDER))

    @pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) not in ("", "__main__")])
    def test_a_module_imports_only_from_rooms_above_it_on_the_map(self, name) -> None:
        allowed = {"", *ORDER[: ORDER.index(room_of(name)) + 1]}
        below = sorted(one for one in IMPORTS[name] if room_of(one) not in allowed)
        assert not below, f"{name} imports {', '.join(below)}, which lie below it on the map in CONTRIBUTING.md"

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
    assert IMPORTS[""] == {"base.lazy", "base.quota"}
    assert not {room_of(home) for home in ikebook._HOMES.values()} & LEAVES


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_the_library_imports_no_leaf(leaf) -> None:
    users = {room_of(name) for name, found in IMPORTS.items() if leaf in map(room_of, found)} - {leaf}
    assert users <= {"cli", "check_answers", "grading", "__main__"}


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
    assert structure.imported(source, MODULES) == {"flow.dis", "base.check", "flow", "flow.cache", "graph.graph_module"}


def test_the_map_is_read_as_it_is_written() -> None:
    table = "| room | what |\n|---|---|---|\n| `base` | errors | |\n| `video` | clips | Sec. 6 |\n"
    read = structure.read_map(table, MODULES)
    assert [(room.name, room.says, room.paper) for room in read] == [
        ("base", "errors", ""),
        ("video", "clips", "Sec. 6"),
    ]
    assert "base.check" in read[0].files


def test_the_picture_stands_on_what_it_imports() -> None:
    arrows = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a"}}
    assert structure.floors("abcd", arrows) == {"a": 0, "b": 1, "c": 2, "d": 1}
    assert structure.direct(arrows) == {("b", "a"), ("c", "b"), ("d", "a")}
    drawn = ET.fromstring(structure.draw(ROOMS, structure.room_imports(IMPORTS)))
    names = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text") if text.get("font-weight")]
    assert names == ORDER
    page = structure.page()
    assert all(f"## {name}" in page for name in ORDER)
