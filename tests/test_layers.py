"""Imports go one way: each module knows only those below it, and nobody knows the leaves."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ikebook

PACKAGE = Path(ikebook.__file__).parent

ORDER = [
    "ikebook",
    "check",
    "machine",
    "operator",
    "storage",
    "metrics",
    "clip",
    "writers",
    "cache",
    "sources",
    "torch_files",
    "download",
    "weights",
    "torchvision_models",
    "flow.fields",
    "flow.pairwise",
    "flow.dis",
    "flow.farneback",
    "flow.files",
    "flow.known",
    "flow.cache",
    "flow.raft",
    "flow",
    "chains",
    "drift",
    "trust",
    "motion",
    "features",
    "feature_motion",
    "neighbours",
    "reduced",
    "eigen",
    "power",
    "walk",
    "subspace",
    "matrices",
    "theory",
    "toys",
    "protocol",
    "datasets.folders",
    "datasets.davis2016",
    "datasets.davis2017",
    "datasets.segtrackv2",
    "datasets.youtube_objects",
    "datasets.davsod",
    "datasets.fbms59",
    "datasets.download",
    "datasets",
    "guided_filter",
    "saliency",
    "masks",
    "presets",
    "graph",
    "principal",
    "bilateral",
    "refine",
    "network",
    "losses",
    "train",
    "cycle",
    "baselines",
    "methods",
    "costs",
    "cues",
    "cue_networks",
    "plots",
    "results",
    "tables",
    "run",
    "cluster",
    "rounds",
    "parts",
    "evaluate",
    "report.published",
    "report.pages",
    "report.pictures",
    "report",
    "bench",
    "curves",
    "experiments.common",
    "experiments.initialisation",
    "experiments.window",
    "experiments.spectrum",
    "experiments.cycles",
    "experiments",
    "arguments",
    "figures",
    "borrowed",
    "check_answers.judge",
    "check_answers.chains",
    "check_answers.motion",
    "check_answers.projection",
    "check_answers.feature_motion",
    "check_answers.power",
    "check_answers.implicit",
    "check_answers.learning",
    "check_answers.cycles",
    "check_answers.start",
    "check_answers.borrowing",
    "check_answers.scoring",
    "check_answers.own_video",
    "check_answers.claims",
    "check_answers",
    "course",
    "widgets.arrays",
    "widgets.canvas",
    "widgets.figures",
    "widgets.save_html",
    "widgets.base",
    "widgets.clip_player",
    "widgets.chain_explorer",
    "widgets.compare",
    "widgets.lines",
    "widgets.background",
    "widgets.computing",
    "widgets.matrix_explorer",
    "widgets.stepper_view",
    "widgets.power_iteration_stepper",
    "widgets.spectrum_explorer",
    "widgets.initialisation_race",
    "widgets.cycle_dashboard",
    "widgets",
    "terminal",
    "cli",
    "__main__",
]
"""From low to high. A module may import those before it in this list, and none after."""

CHECKS = [name for name in ORDER if name.startswith("check_answers.") and name != "check_answers.judge"]
"""The checks of one notebook each."""

LEAVES = {
    "baselines": {"methods", "bench"},
    "methods": {"costs", "bench"},
    "costs": {"bench", "curves"},
    "cue_networks": {"evaluate", "run"},
    "plots": {"run"},
    "bilateral": {"refine", "cycle"},
    "refine": {"run", "evaluate", "cli"},
    "evaluate": {"cli", "experiments.cycles"},
    "tables": {"cli", "report", "experiments.cycles"},
    "report": {"cli"},
    "bench": {"curves", "cli"},
    "curves": {"cli"},
    "experiments.common": {
        "experiments",
        "experiments.initialisation",
        "experiments.window",
        "experiments.spectrum",
        "experiments.cycles",
    },
    "experiments": {"cli"},
    "figures": set(),
    "borrowed": set(),
    "check_answers.judge": {"check_answers", *CHECKS},
    **{check: {"check_answers"} for check in CHECKS},
    "check_answers": set(),
    "course": {"cli"},
    "widgets": set(),
    "arguments": {"cli", "check_answers.own_video"},
    "rounds": {"parts"},
    "parts": {"cli"},
    "results": {"evaluate", "tables", "rounds", "parts", "report"},
    "run": {"cluster", "rounds", "parts", "evaluate", "experiments.cycles", "cli"},
    "cluster": {"evaluate", "parts", "cli"},
    "terminal": {"cli"},
    "cli": {"__main__"},
    "__main__": set(),
}
"""What the library itself never imports, and who alone may."""


def modules() -> dict[str, Path]:
    """Files of all modules, by their name within the package; the package itself is "ikebook"."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        if (file.parent / "__init__.py").is_file():
            parts = file.relative_to(PACKAGE).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__") or "ikebook"] = file
    return found


MODULES = modules()


def imported(source: str, name: str = "") -> set[str]:
    """The modules of ours that a source imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import in line {node.lineno}; say where it comes from"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {path.partition("ikebook.")[2] or "ikebook" for path in found if path.split(".")[0] == "ikebook"}
    return {module_of(path) for path in ours} - {name}


def module_of(path: str) -> str:
    """The module that holds what is imported as `ikebook.<path>`: a module, or a name in one."""
    while path not in MODULES and "." in path:
        path = path.rpartition(".")[0]
    return path if path in MODULES else "ikebook"


IMPORTS = {name: imported(file.read_text(encoding="utf-8"), name) for name, file in MODULES.items()}


def test_every_module_has_its_place() -> None:
    new, gone = sorted(set(MODULES) - set(ORDER)), sorted(set(ORDER) - set(MODULES))
    assert not new, f"{', '.join(new)}: not in ORDER of {Path(__file__).name}; say there what they may import"
    assert not gone, f"{', '.join(gone)}: in ORDER of {Path(__file__).name}, but there is no such module"
    assert len(ORDER) == len(set(ORDER))


def test_imports_form_no_cycle() -> None:
    order = list(TopologicalSorter(IMPORTS).static_order())  # raises CycleError, which names the circle
    assert sorted(order) == sorted(MODULES)
    place = {name: index for index, name in enumerate(order)}
    assert all(place[low] < place[name] for name, found in IMPORTS.items() for low in found)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_lies_below_it(name) -> None:
    if name not in ORDER:
        pytest.skip("it has no place yet, as another test says")
    above = sorted(IMPORTS[name] - set(ORDER[: ORDER.index(name)]))
    assert not above, f"{name} imports {', '.join(above)}, which must not lie below it"


@pytest.mark.parametrize(("leaf", "allowed"), LEAVES.items())
def test_nobody_imports_a_leaf_but_those_who_may(leaf, allowed) -> None:
    assert {name for name, found in IMPORTS.items() if leaf in found} <= allowed


@pytest.mark.parametrize(("low", "knows"), [("check", set()), ("operator", {"check"}), ("metrics", {"check"})])
def test_the_lowest_modules_know_hardly_anyone(low, knows) -> None:
    assert IMPORTS[low] <= knows


def test_the_front_door_opens_on_no_leaf() -> None:
    assert IMPORTS["ikebook"] == set()
    assert not set(ikebook._HOMES.values()) & set(LEAVES)


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import ikebook.flow.dis
from ikebook import check, toy
from ikebook.flow import Flow, cache
def late():
    from ikebook.graph import segment
    import torch, ikebook
"""
    assert imported(source) == {"flow.dis", "check", "ikebook", "flow", "flow.cache", "graph"}
