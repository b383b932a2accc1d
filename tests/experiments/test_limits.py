"""The page against the limit: what is counted is right, and the command goes through. No test asserts a time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import build
from ikebook.graph.presets import override, preset
from ikebook.solvers import reduced

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("limits", ROOT / "tests" / "experiments" / "limits.py")
limits = importlib.util.module_from_spec(spec)
sys.modules["limits"] = limits
spec.loader.exec_module(limits)


def test_bytes_and_elements_of_operations_are_counted_by_stage() -> None:
    stage = ["one"]
    counted = limits.Counted(lambda: stage[0])
    values, index = torch.rand(100, 4), torch.tensor([3, 3, 5])
    with counted:
        values + 1
        stage[0] = "two"
        values.index_select(0, index)
        assert values.view(4, 100).T.shape == (100, 4)
    assert counted.moved == {"one": 2 * 1600, "two": 2 * 3 * 16 + 24}
    assert counted.elements == {"one": 400, "two": 12}


def test_a_stage_within_a_stage_has_its_own_time(monkeypatch) -> None:
    ticks = iter([0.0, 1.0, 5.0, 7.0])
    monkeypatch.setattr(limits.time, "process_time", lambda: next(ticks))
    clock = limits.Clock()
    with clock.within("outer"), clock.within("inner"):
        assert clock.stage == "inner"
    assert clock.seconds == {"outer": 1.0 + 2.0, "inner": 4.0}


def test_steps_are_those_that_chains_have() -> None:
    made = toy("disc", (18, 16), 7)
    matrix = build(made.clip, made.flow, options=override(preset("paper"), "motion.radius=3"))
    steps = sum(len(row.cells) * len(row.frames) for arrival in matrix.motion.stream() for row in arrival.rows)
    assert limits.steps_a_frame(7, 3) == pytest.approx(steps / 7)


def test_the_passs_parts_are_put_back_and_sum_to_the_whole() -> None:
    made = toy("disc", (24, 20), 6)
    before = [getattr(owner, name) for owner, name, _ in limits.PARTS]
    matrix = build(made.clip, made.flow)
    begin = time.process_time()
    seconds, moved, _ = limits.measured(lambda: reduced.reduce(matrix.motion, matrix.features), 1)
    assert [getattr(owner, name) for owner, name, _ in limits.PARTS] == before
    assert 0 < sum(seconds.values()) <= time.process_time() - begin
    assert {"chains", "gathers of CF", "G and B", "the rest"} <= set(seconds)
    assert moved["gathers of CF"] > 0


def test_an_exponent_is_of_steps_beyond_the_base() -> None:
    rows = [{"p": p, "steps": 2.0 * p, "a": 3.0 + 0.1 * (2 * p - 10) ** 2, "b": 1.0} for p in (5, 10, 20, 40)]
    assert limits.exponent(rows, ["a"]) == pytest.approx(2)
    assert limits.exponent(rows, ["a", "b"]) == pytest.approx(2)


@pytest.mark.parametrize("links", ["nearest", "corners"])
def test_many_steps_are_summed_a_few_at_a_time_to_the_same(links, monkeypatch) -> None:
    made = toy("deforming", (18, 16), 24)
    options = override(preset("default"), "motion.radius=20", f"chains.links={links}")
    matrix = build(made.clip, made.flow, options=options, compute=Compute(dtype=torch.float64))
    found = reduced.reduce(matrix.motion, matrix.features)
    f = matrix.features.dense()
    assert torch.allclose(found.motion, f.T @ matrix.motion.matmat(f), rtol=1e-10)  # M x gathers and casts step by step
    fetched = []
    usual = torch.nn.functional.embedding_bag
    monkeypatch.setattr(
        torch.nn.functional,
        "embedding_bag",
        lambda index, *a, **k: fetched.append(index.shape[1]) or usual(index, *a, **k),
    )
    reduced.reduce(matrix.motion, matrix.features)
    assert max(fetched) == reduced.AT_ONCE * (1 if links == "nearest" else 4)
    monkeypatch.setattr(reduced, "AT_ONCE", 1000)
    fetched.clear()
    assert torch.allclose(reduced.reduce(matrix.motion, matrix.features).motion, found.motion, rtol=1e-12)
    assert max(fetched) == 20 * (1 if links == "nearest" else 4)


def test_the_command_writes_the_whole_page(tmp_path) -> None:
    command = [
        sys.executable,
        str(ROOT / "tests" / "experiments" / "limits.py"),
        "--small",
        "--frames",
        "4",
        "--repeat",
        "1",
    ]
    command += ["--radii", "6,8", "--radius-frames", "10", "--write", str(tmp_path / "limits.md")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "limits.md").read_text(encoding="utf-8")
    for stage in ("read:", "flow:", "saliency", "chains", "likeness", "gathers", "G and B", "choice", "a step"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {stage}")]
        seconds, limit, share = (row.split("|")[k].split()[0] for k in (2, 5, 6))
        assert float(share.rstrip("%")) == pytest.approx(100 * float(limit) / float(seconds), abs=0.11, rel=0.02)
    assert text.count("| exponent |") == 4
    assert "--radii 6,8" in text


def test_the_page_is_that_commands() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").splitlines()
    for line in (*limits.TITLE, *limits.STAGES_ARE, *limits.WHAT_THEY_SAY, *limits.P_COSTS):
        assert line in page
