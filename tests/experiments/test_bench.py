"""The benchmark: what it writes, that its judgements are right, and that its fits are. No test asserts a time."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from layouts import tree, write_frames

from ikebook.base.machine import cpu_name, machine, peak_memory, resident_memory
from ikebook.cli import main
from ikebook.datasets.toys import toy
from ikebook.experiments import bench, costs, curves
from ikebook.experiments.baselines import NoConvergenceError
from ikebook.experiments.bench import COLUMNS, RECIPE
from ikebook.experiments.costs import Data, GatherMeter, measure, measure_gather, run_in_process
from ikebook.experiments.curves import SWEEPS, Setting, Sweep, draw_curves, fit_exponent, fits
from ikebook.experiments.methods import METHODS, Method
from ikebook.flow import Flow, compute_flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import override, preset
from ikebook.solvers.exact import exact
from ikebook.video.clip import Clip

TINY = ["--size", "32x24", "--frames", "8"]
OPTIONS = override(preset("default"), *RECIPE)
RESULTS = {"bench.csv", "bench.json"}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "out"


@pytest.fixture
def together(monkeypatch):
    """All in this process: starting others takes seconds each, and one test of it will do."""
    for module in (bench, curves):
        monkeypatch.setattr(module, "run_in_process", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(costs, "copy_bandwidth", lambda: 1e10)
    monkeypatch.setattr(costs, "_warm_up", lambda: None)


@pytest.fixture
def cli(capsys, together):
    def run(*arguments) -> tuple[int, str, str]:
        code = main(["bench", *(str(argument) for argument in arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_command_on_the_embedded_clip(cli, out) -> None:
    code, printed, _ = cli("--out", out, *TINY)
    assert code == 0
    assert tree(out) == RESULTS
    rows, results = rows_of(out / "bench.csv"), read(out / "bench.json")
    assert [row["method"] for row in rows] == list(METHODS)
    assert set(rows[0]) == set(COLUMNS)
    assert (results["frames"], results["size"], results["columns"], results["radius"]) == (8, "32x24", 22, 15)
    assert results["nodes"] == 8 * 32 * 24
    for row, entry, method in zip(rows, results["rows"], METHODS.values(), strict=True):
        assert method.title in printed
        assert float(row["total_s_per_frame"]) == pytest.approx(
            float(row["setup_s_per_frame"]) + float(row["solve_s_per_frame"])
        )
        assert float(row["times_exact"]) > 0
        assert float(row["cpu_s_per_frame"]) > 0
        assert entry["peak_bytes"] > entry["added_bytes"] >= 0
        linear = row["method"] != "scatter"
        assert (0 <= entry["residual"] < 1e-4) == linear
        assert (entry["cosine"] > 0.999999) == linear
        assert entry["cosine"] < 1 + 1e-6
        assert (entry["eigenvalue"] is not None) == linear
        if linear:
            assert entry["eigenvalue"] == pytest.approx(results["rows"][0]["eigenvalue"], rel=1e-4)
    assert float(rows[0]["times_exact"]) == 1
    assert results["machine"]["cpu"]
    assert results["machine"]["threads"] == torch.get_num_threads()
    assert {"torch", "numpy", "scipy", "ikebook"} <= set(results["machine"]["versions"])
    assert results["machine"]["cpu"] in printed
    assert "of a plain copy" in printed
    assert results["gather"]["share_of_copy"] == pytest.approx(
        results["gather"]["bytes_per_second"] / results["gather"]["copy_bytes_per_second"]
    )


def test_the_command_on_a_folder_of_frames(cli, out, tmp_path) -> None:
    folder = write_frames(tmp_path / "frames", toy("disc", (64, 48), 10).clip.frames)
    code, _, _ = cli(folder, "--out", out, *TINY, "--set", "motion.radius=3", "--set", "features.half_window=2")
    assert code == 0
    results = read(out / "bench.json")
    assert (results["clip"], results["frames"], results["size"]) == ("frames", 8, "32x24")
    assert (results["radius"], results["columns"]) == (3, 2 + 4 * 2)
    assert len(list((tmp_path / "cache" / "flow").iterdir())) == 1


def test_curves_of_the_command(cli, out, monkeypatch) -> None:
    few = [
        Sweep("frames", [Setting(m, m, (24, 16)) for m in (4, 8)], base=Setting(2, 2, (24, 16))),
        Sweep("columns", [Setting(2 * (1 + c), 4, (24, 16), (), c) for c in (0, 2)]),
    ]
    monkeypatch.setattr(curves, "SWEEPS", few)
    code, printed, _ = cli("--out", out, *TINY, "--curves")
    assert code == 0
    assert tree(out) == RESULTS | {"curves.csv", "curves.json", "curves.png"}
    rows = rows_of(out / "curves.csv")
    assert [(row["sweep"], row["x"], row["d"]) for row in rows] == [
        ("frames", "2", "22"),
        ("frames", "4", "22"),
        ("frames", "8", "22"),
        ("columns", "2", "2"),
        ("columns", "6", "6"),
    ]
    assert all(float(row["total_s"]) > 0 for row in rows)
    assert set(read(out / "curves.json")["exponents"]) == {"frames", "columns"}
    picture = cv2.imread(str(out / "curves.png"))
    assert picture.shape[0] > 400
    assert picture.std() > 10
    assert "frames: time grows with exponent" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "1"], "--frames is 1; expected a whole number, 2 or more"),
        (["--repeat", "0"], "--repeat is 0; expected a whole number, 1 or more"),
        (["--size", "3x3"], "each side must lie between 4"),
        (["--size", "large"], "expected WIDTHxHEIGHT"),
        (["--set", "motion.speed=3"], "motion has no option 'speed'"),
        (["--set", "solver.method=magic"], "expected one of"),
        (["nowhere"], "nowhere does not exist"),
    ],
)
def test_wrong_input_gets_one_line(arguments, message, cli, out) -> None:
    code, printed, error = cli(*arguments, "--out", out)
    assert (code, printed) == (2, "")
    assert len(error.splitlines()) == 1
    assert message in error
    assert not out.exists()


def test_a_clip_in_which_nothing_moves_gets_one_line(cli, out, tmp_path) -> None:
    folder = write_frames(tmp_path / "frames", toy("still", (32, 24), 4).clip.frames)
    code, printed, error = cli(folder, "--out", out, *TINY)
    assert (code, printed) == (2, "")
    assert "nothing moves" in error.splitlines()[-1]


def test_a_single_frame_gets_one_line(cli, out, tmp_path) -> None:
    folder = write_frames(tmp_path / "frames", toy("disc", (32, 24), 2).clip.frames[:1])
    code, _, error = cli(folder, "--out", out, *TINY)
    assert code == 2
    assert len(error.splitlines()) == 1
    assert "has 1 frame; motion needs two or more" in error


def test_a_method_that_fails_leaves_the_others_their_rows(monkeypatch, together) -> None:
    def fail(*_) -> None:
        raise MemoryError

    monkeypatch.setitem(METHODS, "eigsh", Method("sparse M, eigsh", fail, fail, ""))
    made = toy("disc", (32, 24), 4)
    results = bench.compare_methods(made.clip, made.flow, OPTIONS)
    rows = {row["method"]: row for row in results["rows"]}
    assert rows["eigsh"]["total_s_per_frame"] is None
    assert "memory" in rows["eigsh"]["note"]
    assert all(rows[name]["total_s_per_frame"] > 0 for name in METHODS if name != "eigsh")
    assert "sparse M, eigsh" in bench.cost_table(results)


def test_another_process_measures_the_same_clip(tmp_path) -> None:
    made = toy("disc", (128, 96), 6)
    data = Data.save(tmp_path, made.clip, made.flow)
    found = run_in_process(measure, "exact", data, OPTIONS, 2, tmp_path / "exact.npy")
    cost = found.cost
    flow = Flow(forward=made.flow.forward.astype(np.float32), backward=made.flow.backward.astype(np.float32))
    pairs = exact(build(Clip(frames=made.clip.frames), flow, options=OPTIONS))
    assert found.products == 22  # M is applied to each column of F
    assert found.value == pytest.approx(float(pairs.values[0]), rel=1e-5)
    vector = torch.from_numpy(np.load(tmp_path / "exact.npy"))
    assert abs(float(vector @ pairs.vectors[0])) > 0.99999
    assert 0 < cost.setup < 60
    assert 0 < cost.solve < 60
    # Two frames' features of 27 columns at least; and not what this process, with all its tests, holds.
    assert cost.peak - cost.before > 2 * 128 * 96 * 27 * 4
    assert cost.before > 50e6


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory held now is known from /proc only")  # noqa: PTH110
def test_memory_is_counted_in_bytes() -> None:
    before = resident_memory()
    array = np.ones(1 << 25)  # 256 MiB
    now, peak = resident_memory(), peak_memory()
    assert array.nbytes * 0.9 < now - before < array.nbytes * 1.2
    assert peak >= now


def test_a_table_says_what_it_was_measured_on() -> None:
    about = machine()
    assert about["cpu"] == cpu_name() != ""
    assert about["cores"] == os.cpu_count()
    assert about["threads"] == torch.get_num_threads()
    assert {"ikebook", "python", "torch", "numpy", "scipy", "opencv"} < set(about["versions"])


@pytest.mark.parametrize(("links", "d"), [(30, 27), (4, 7)])
def test_the_meter_counts_what_a_gather_moves(links, d) -> None:
    index = torch.randint(0, 50, (100, links), dtype=torch.int32)
    table, weights = torch.rand(50, d), torch.rand(100, links)
    with GatherMeter() as meter:
        torch.nn.functional.embedding_bag(index, table, mode="sum", per_sample_weights=weights)
        torch.nn.functional.embedding_bag(index, table, mode="sum", per_sample_weights=weights)
        torch.relu(table)
    assert meter.moved == 2 * (100 * links * (d * 4 + 4 + 4) + 100 * d * 4)
    assert meter.seconds > 0
    torch.nn.functional.embedding_bag(index, table, mode="sum", per_sample_weights=weights)
    assert meter.moved == 2 * (100 * links * (d * 4 + 4 + 4) + 100 * d * 4)


def test_the_exact_solver_gathers_each_row_of_each_step(tmp_path) -> None:
    made = toy("disc", (32, 24), 6)
    gather = measure_gather(Data.save(tmp_path, made.clip, made.flow), override(OPTIONS, "motion.radius=3"), 1)
    steps = sum(min(3, i) + min(3, 5 - i) for i in range(6))
    rows = 6 * 2 - 2  # of C: one for each frame and direction, but for the two that have no step
    least, most = 32 * 24, 34 * 26  # pixels of a frame, and cells
    assert (steps * (27 * 4 + 8) + rows * 27 * 4) * least <= gather["bytes"]
    assert gather["bytes"] <= (steps * (27 * 4 + 8) + rows * 27 * 4) * most * 1.5  # room for what is gathered in vain
    assert gather["copy_bytes_per_second"] > 1e8


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_exponents_of_known_powers(exponent, factor) -> None:
    x = np.array([4.0, 8, 16, 33])
    found, level = fit_exponent(x, factor * x**exponent)
    assert found == pytest.approx(exponent, abs=1e-12)
    assert level == pytest.approx(factor, rel=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exponents_of_noisy_powers(seed) -> None:
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 64, 7)
    found, _ = fit_exponent(x, 3 * x * np.exp(rng.normal(0, 0.05, 7)))
    assert found == pytest.approx(1, abs=0.05)


def curve_rows(name: str, points, time, memory) -> list[dict[str, float]]:
    return [{"sweep": name, "x": x, "base": False, "total_s": time(x), "added_bytes": memory(x)} for x in points]


def test_each_sweep_has_its_own_exponents(tmp_path) -> None:
    rows = curve_rows("frames", (8, 16, 32), lambda x: 0.1 * x, lambda x: 1e6 * x**0.5)
    rows += curve_rows("columns", (7, 14, 98), lambda x: 0.1 * x**2, lambda x: 1e6)
    found = fits(rows)
    assert found["frames"] == {"total_s": pytest.approx(1), "added_bytes": pytest.approx(0.5)}
    assert found["columns"] == {"total_s": pytest.approx(2), "added_bytes": pytest.approx(0, abs=1e-12)}
    rows += curve_rows("radius", (1, 8, 16, 32), lambda x: 5 + 0.1 * x, lambda x: 3e7 + 1e6 * x)
    assert 0.05 < fits(rows)["radius"]["total_s"] < 0.3  # the constant hides it
    rows[-4]["base"] = True
    assert fits(rows)["radius"] == {"total_s": pytest.approx(1), "added_bytes": pytest.approx(1)}
    rows[-3]["total_s"] = 5.0  # less than the base's: noise, left out
    assert fits(rows)["radius"]["total_s"] == pytest.approx(1)
    rows[-2]["total_s"] = rows[-1]["total_s"] = 5.0
    assert np.isnan(fits(rows)["radius"]["total_s"])
    draw_curves(tmp_path / "curves.png", rows, {"cpu": "a CPU with 100% $ signs", "threads": 2})
    assert cv2.imread(str(tmp_path / "curves.png")).std() > 10


def test_the_sweeps_vary_what_they_say() -> None:
    assert [sweep.name for sweep in SWEEPS] == ["frames", "pixels", "radius", "columns"]
    for sweep in SWEEPS:
        x = [point.x for point in sweep.points]
        assert len(x) >= 4
        assert x == sorted(x)
        assert x[-1] / x[0] >= 4
        for point in (*sweep.points, *([sweep.base] if sweep.base else [])):
            radius = override(preset("default"), *point.options).motion.radius
            quantity = {
                "frames": point.frames,
                "pixels": point.size[0] * point.size[1],
                "radius": radius,
                "columns": 2 * (1 + point.cues),
            }
            assert point.x == quantity[sweep.name]
            assert sweep.name in ("pixels", "columns") or point.frames >= 4 * radius


class TestMethodsThatFail:
    """What a method that fails says, in place of numbers; the others go on."""

    def results(self, monkeypatch, error, after: int = 0):
        calls = []
        method = METHODS["eigsh"]

        def solve(state, problem):
            calls.append(None)
            if len(calls) > after:
                raise error
            return method.solve(state, problem)

        for name in ("power", "scatter"):  # the rest says enough of whether the others go on
            monkeypatch.delitem(METHODS, name)
        monkeypatch.setitem(METHODS, "eigsh", replace(method, solve=solve))
        made = toy("disc", (24, 20), 5)
        results = bench.compare_methods(made.clip, made.flow, OPTIONS, repeat=2)
        rows = {row["method"]: row for row in results["rows"]}
        assert rows["exact"]["residual"] < 1e-3  # float32, and both columns of F are much alike: its condition is 1e4
        assert rows["lobpcg"]["cosine"] > 1 - 1e-5
        return rows["eigsh"]

    @pytest.mark.parametrize(
        ("error", "message", "after"),
        [
            (MemoryError(), "for lack of memory most likely", 0),
            (MemoryError(), "for lack of memory most likely", 1),
            (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "can't allocate memory: 9 bytes", 0),
            (NoConvergenceError("no convergence after 10 iterations"), "no convergence after 10", 0),
        ],
    )
    def test_one_has_no_numbers(self, together, monkeypatch, error, message, after) -> None:
        row = self.results(monkeypatch, error, after)
        assert message in row["note"]
        assert row["total_s_per_frame"] is None
        assert row["residual"] is None

    def test_other_errors_are_bugs(self, together, monkeypatch) -> None:
        with pytest.raises(RuntimeError, match="a bug"):
            self.results(monkeypatch, RuntimeError("a bug"))


def test_a_video_is_cut_before_its_flow_is_computed(cli, out, tmp_path, monkeypatch) -> None:
    frames = write_frames(tmp_path / "in", toy("disc", (32, 24), 12).clip.frames)
    seen = []
    known = compute_flow
    monkeypatch.setattr(
        "ikebook.flow.compute_flow", lambda clip, *rest, **more: seen.append(clip) or known(clip, *rest, **more)
    )
    assert cli(frames, "--out", out, *TINY)[0] == 0
    assert len(seen[0]) == len(list(seen[0].originals())) == 8
