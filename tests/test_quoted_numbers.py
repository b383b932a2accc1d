"""Scores that README and notebooks quote are those of docs/results/report.md, which `ikebook report` has written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README, ACCURACY = ROOT / "README.md", ROOT / "docs" / "accuracy.md"
REPORT = ROOT / "docs" / "results" / "report.md"
if not REPORT.exists():
    pytest.skip("no docs/: they are part of a checkout", allow_module_level=True)
SCORING = ROOT / "notebooks" / "source" / "10_scoring.py"


def tables(path: Path) -> list[list[list[str]]]:
    """All tables of a Markdown text, or of such a text in a script's comments: their rows, without emphasis."""
    found: list[list[list[str]]] = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("# ").strip()
        if text.startswith("|"):
            found[-1].append([cell.strip() for cell in text.replace("**", "").strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [rows for rows in found if rows]


def under(heading: str) -> dict[str, list[str]]:
    """The table of the report that stands under a heading, by the names of its rows."""
    text = REPORT.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert text, f"the report has no {heading!r}"
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip("*| "): row[1:] for row in rows[2:]}


def quoted(path: Path, *columns: str) -> dict[str, list[str]]:
    """The one table of a text whose head has these columns, by the names of its rows."""
    fitting = [rows for rows in tables(path) if all(column in rows[0] for column in columns)]
    assert len(fitting) == 1, f"{len(fitting)} tables of {path.name} have the columns {', '.join(columns)}"
    return {row[0]: row[1:] for row in fitting[0][2:]}


def test_one_graph() -> None:
    page, report = quoted(ACCURACY, "J mean", "J recall"), under("one-graph: sequence by sequence")
    del report["ours: mean, refined"]
    assert page.pop("mean") == report.pop("ours: mean")[1:]
    assert page == {name: row[1:] for name, row in report.items()}
    assert len(page) == 12


def test_refined() -> None:
    refined = under("one-graph: sequence by sequence")["ours: mean, refined"]
    text = " ".join(ACCURACY.read_text(encoding="utf-8").split())
    assert f"One graph, refined, has a mean J of {refined[1]}, and an F of {refined[4]}." in text
    assert quoted(SCORING, "J", "F")["ours: graph, refined"][:2] == [refined[1], refined[4]]


def test_cycles() -> None:
    page, report = quoted(ACCURACY, "x#1", "s#1"), under("three-cycles: cycle by cycle")
    assert len(report) == 14
    for name, row in report.items():
        assert page[name.removeprefix("ours: ")][:5] == row, name
    assert page["mean J"][5] == under("three-cycles: sequence by sequence")["ours: mean, refined"][1]
    changes = under("Table 3: Relative change between cycles")["ours: three-cycles"]
    x2, x3, s1, s2 = changes[:4]
    assert page["change of J, %"][1:5] == [s1, x2, s2, x3]


def test_without_network() -> None:
    half = under("without-network: cycle by cycle")["ours: mean J"]
    refined = under("without-network: sequence by sequence")["ours: mean, refined"][1]
    text = " ".join(ACCURACY.read_text(encoding="utf-8").split())
    assert f"mean J is {half[0]}, {half[1]} and {half[2]}, refined {refined}." in text


def test_readme() -> None:
    half = under("without-network: cycle by cycle")["ours: mean J"]
    refined = under("without-network: sequence by sequence")["ours: mean, refined"][1]
    with_network = under("three-cycles: cycle by cycle")["ours: mean J"][::2]
    refined_with = under("three-cycles: sequence by sequence")["ours: mean, refined"][1]
    assert quoted(README, "one graph", "refined") == {
        "no network": [*half, refined],
        "with the network (without `--network none`)": [*with_network, refined_with],
    }


def test_with_a_cue() -> None:
    mean = under("rvos-in-graph: sequence by sequence")["ours: mean"][1]
    assert f"the first graph has a mean J of {mean}." in " ".join(ACCURACY.read_text(encoding="utf-8").split())


def test_ablation() -> None:
    one_graph, _ = (rows for rows in tables(ROOT / "docs" / "ablation.md") if "best threshold" in rows[0])
    whole = {row[0]: row[1:] for row in one_graph[2:]}
    page = quoted(ACCURACY, "best threshold")
    assert len(page) > 5
    assert all(row == whole[name] for name, row in page.items())


def test_as_printed() -> None:
    mean = under("paper-preset: sequence by sequence")["ours: mean"][1]
    assert f"a mean J of {mean} on the same 12" in ACCURACY.read_text(encoding="utf-8")
    assert quoted(SCORING, "J", "F")["ours: the method as printed"][0] == mean


@pytest.mark.parametrize("path", [ACCURACY, SCORING], ids=["accuracy", "10"])
def test_released(path) -> None:
    report = under("released-preset: sequence by sequence")
    names = [name for name in report if name != "ours: mean"]
    assert quoted(path, *names)["`--preset released`"] == [report[name][1] for name in names]


def test_notebook_10() -> None:
    rows = quoted(SCORING, "J", "F")
    graph, cycled = under("one-graph: sequence by sequence"), under("three-cycles: sequence by sequence")
    assert rows["ours: graph, default"][:2] == [graph["ours: mean"][1], graph["ours: mean"][4]]
    assert rows["ours: three cycles"][:2] == [cycled["ours: mean"][1], cycled["ours: mean"][4]]
    assert rows["ours: three cycles, refined"][:2] == [
        cycled["ours: mean, refined"][1],
        cycled["ours: mean, refined"][4],
    ]
    halves = under("three-cycles: cycle by cycle")
    text = SCORING.read_text(encoding="utf-8")
    for name, column in (("first", 0), ("third", 4)):
        given = re.search(rf"^{name} = np\.array\(\[(.*)\]\)$", text, re.MULTILINE)[1].split(", ")
        assert given == [row[column] for clip, row in halves.items() if not clip.startswith("ours")]


def test_notebook_08() -> None:
    rows = quoted(ROOT / "notebooks" / "source" / "08_knowledge_exchange.py", "graph 1", "graph 3")
    for run, name in (("without-network", "no network"), ("three-cycles", "network")):
        first, second, third = under(f"{run}: cycle by cycle")["ours: mean J"][:: 2 if run == "three-cycles" else 1]
        x2, x3 = under("Table 3: Relative change between cycles")[f"ours: {run}"][:2]
        assert rows[f"12 validation sequences, {name}"] == [first, f"{second} ({x2}%)", f"{third} ({x3}%)"]


def test_notebook_11() -> None:
    report = under("one-graph: sequence by sequence")
    own_video = ROOT / "notebooks" / "source" / "11_your_own_video.py"
    failing = {name: row[0] for name, row in quoted(own_video, "", "J").items()}
    assert failing == {name: report[name][1] for name in failing}
    assert sorted(failing) == ["bmx-trees", "drift-chicane", "goat", "kite-surf"]


def test_hard_clips() -> None:
    rows = quoted(ROOT / "docs" / "hard_clips.md", "x#1", "x#3")
    halves, refined = under("three-cycles: cycle by cycle"), under("three-cycles: sequence by sequence")
    assert rows.pop("mean of all 12")[:3] == [*halves["ours: mean J"][::4], refined["ours: mean, refined"][1]]
    assert len(rows) == 4
    for name, row in rows.items():
        assert row[:2] == halves[name][::4], name


def test_experiments() -> None:
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    for run in ("three-cycles", "without-network"):
        halves = under(f"{run}: cycle by cycle")
        lines = zip(*(halves[name] for name in ("ours: mean J", "ours: mean F")), strict=True)
        graphs = list(lines)[:: 2 if run == "three-cycles" else 1]
        for cycle, (j, f) in enumerate(graphs, 1):
            assert re.search(rf"^ +{cycle}  graph +{j} +{f}\b", text, re.MULTILINE), (run, cycle)
