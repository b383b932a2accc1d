"""From a clip to a folder of results, whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from layouts import read_grey, tree, write_frames

import ikebook.runs.outputs
from ikebook.base.arrays import DiskArray, Memory
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.base.files import write_mask
from ikebook.base.machine import machine_memory, resident_memory
from ikebook.datasets.toys import toy
from ikebook.flow import FlowCache, compute_flow, provider
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions, override, preset
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import write_results
from ikebook.runs.sheet import contact_sheet
from ikebook.runs.single import run
from ikebook.runs.summary import summarise
from ikebook.video.clip import Clip, read_clip

NAMES = ["a", "b2", "b10", "frame 3", "z.ß"]
OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)


def clip_on_disk(folder, own_size=(51, 39), size=(32, 24)) -> Clip:
    frames = toy("disc", own_size, len(NAMES)).clip.frames
    return read_clip(write_frames(folder, frames, NAMES), size)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run of five frames: the folder, the clip, the result and the summary."""
    parent = tmp_path_factory.mktemp("run")
    clip = clip_on_disk(parent / "my frames")
    outcome = run(clip, provider("dis"), options=OPTIONS)
    out = parent / "new" / "out"
    return out, clip, outcome.result, write_results(out, clip, outcome, OPTIONS)


@pytest.fixture
def no_sheet(monkeypatch) -> None:
    """Draws no contact sheet: it takes longer than all the rest."""
    monkeypatch.setattr("ikebook.runs.sheet.contact_sheet", lambda *_: None)


def test_an_earlier_run_s_masks_do_not_stay_between_new_ones(finished, tmp_path) -> None:
    out, _, _, _ = finished
    again = tmp_path / "again"
    shutil.copytree(out, again)
    (again / "masks" / "notes.txt").write_text("mine")
    made = toy("disc", (32, 24), 3)
    outcome = run(made.clip, provider("dis"), options=OPTIONS)
    write_results(again, made.clip, outcome, OPTIONS)
    names = {f"{kind}/{index:05d}.png" for kind in ("masks", "soft") for index in range(3)}
    assert tree(again) == names | {".lock", "masks/notes.txt", "overlay.webm", "sheet.png", "summary.json"}


def frames_of(video) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    frames = []
    while (answer := capture.read())[0]:
        frames.append(answer[1])
    capture.release()
    return frames


def test_the_folder_holds_these_files_and_no_others(finished) -> None:
    out, *_ = finished
    masks = {f"{kind}/{name}.png" for kind in ("masks", "soft") for name in NAMES}
    assert tree(out) == masks | {".lock", "overlay.webm", "sheet.png", "summary.json"}


def test_masks_are_0_and_255_at_the_inputs_own_size(finished) -> None:
    out, *_ = finished
    for name in NAMES:
        mask = read_grey(out / "masks" / f"{name}.png")
        assert (mask.shape, mask.dtype) == ((39, 51), np.uint8)
        assert set(np.unique(mask)) == {0, 255}


def test_soft_masks_are_the_result_in_eight_bits(finished) -> None:
    out, clip, result, _ = finished
    for index, name in enumerate(clip.frame_names):
        stored = read_grey(out / "soft" / f"{name}.png")
        assert (stored.shape, stored.dtype) == ((39, 51), np.uint8)
        assert np.array_equal(stored, np.rint(255 * result.soft_at(index, (51, 39))))


def test_masks_are_where_the_soft_mask_is_above_the_threshold(finished) -> None:
    out, clip, result, summary = finished
    assert summary["threshold"] == result.threshold
    for index, name in enumerate(clip.frame_names):
        mask = read_grey(out / "masks" / f"{name}.png") == 255
        assert np.array_equal(mask, result.soft_at(index, (51, 39)) > result.threshold)
        stored = read_grey(out / "soft" / f"{name}.png") / 255
        assert stored[mask].min() >= result.threshold - 0.5 / 255
        assert stored[~mask].max() <= result.threshold + 0.5 / 255


def test_frames_keep_their_own_order_and_names(finished) -> None:
    _, clip, *_ = finished
    assert list(clip.frame_names) == NAMES


def test_the_overlay_has_every_frame_and_even_sides(finished) -> None:
    out, *_ = finished
    frames = frames_of(out / "overlay.webm")
    assert [frame.shape for frame in frames] == [(40, 52, 3)] * len(NAMES)
    assert read_clip(out / "overlay.webm", None).fps == 24


def test_the_overlay_is_redder_on_the_object(finished) -> None:
    out, clip, result, _ = finished
    originals = list(clip.originals())
    for index, frame in enumerate(frames_of(out / "overlay.webm")):
        mask = result.soft_at(index, (51, 39)) > result.threshold
        change = frame[:39, :51, ::-1].astype(float) - originals[index]
        assert change[mask][:, 0].mean() > change[~mask][:, 0].mean() + 15


def test_the_contact_sheet_is_a_picture(finished) -> None:
    out, *_ = finished
    sheet = read_grey(out / "sheet.png")
    assert sheet.dtype == np.uint8
    assert min(sheet.shape[:2]) > 200
    assert sheet[..., :3].std() > 20


def test_the_summary_says_what_was_done_and_found(finished) -> None:
    out, _, result, summary = finished
    text = (out / "summary.json").read_text(encoding="utf-8")
    stored = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert stored == json.loads(json.dumps(summary))
    assert set(stored) == {
        "clip", "input", "frames", "original_size", "working_size", "solver", "eigenvalues", "eigenvector", "eigengap",
        "eigenvalue_ratio", "residual", "solver_residual", "converged", "products", "threshold", "object_share", "confidence", "confidence_measures", "warnings", "cycles", "seconds", "flow", "label_trained",
        "peak_memory_bytes", "on_disk", "device", "options", "versions",
    }  # fmt: skip
    assert (stored["clip"], stored["frames"]) == ("my frames", len(NAMES))
    assert (stored["original_size"], stored["working_size"]) == ("51x39", "32x24")
    values = stored["eigenvalues"]
    assert values == sorted(values, reverse=True)
    nearest = [*values, 0.0][result.chosen + 1]  # where no positive one is left, A's zeros come next
    assert stored["eigengap"] == pytest.approx(values[result.chosen] - nearest)
    assert stored["eigenvalue_ratio"] == pytest.approx(nearest / values[result.chosen])
    assert stored["eigenvector"] == result.chosen + 1
    assert 0 <= stored["residual"] < 1e-3
    assert stored["object_share"] == pytest.approx(result.masks.mean())
    assert set(stored["seconds"]) == {"flow", "features", "solve", "masks", "write"}
    assert all(seconds >= 0 for seconds in stored["seconds"].values())
    assert stored["peak_memory_bytes"] is None or stored["peak_memory_bytes"] > 10_000_000
    assert stored["options"]["cycle"]["graph"] == json.loads(json.dumps(GraphOptions().as_dict()))
    assert (stored["options"]["flow"], stored["options"]["size"], stored["device"]) == ("dis", "32x24", "cpu")
    assert stored["versions"]["torch"] == torch.__version__


def test_progress_is_told_of_every_step(no_sheet, tmp_path) -> None:
    seen: list[tuple[str, int]] = []

    def progress(stage, steps):
        for step in range(steps):
            seen.append((stage, step))
            yield

    clip = toy("disc", (32, 24), 4).clip
    outcome = run(clip, provider("dis"), options=OPTIONS, progress=progress)
    write_results(tmp_path, clip, outcome, OPTIONS, progress=progress)
    assert seen == [("flow", step) for step in range(3)] + [("write", step) for step in range(4)]


@pytest.mark.parametrize("name", ["default", "paper", "released"])
def test_known_masks_never_influence_the_result(name, no_sheet, tmp_path) -> None:
    options = replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=preset(name)))
    known = toy("disc", (32, 24), 3).clip
    outcomes = []
    for index, masks in enumerate((known.masks, None, ~known.masks)):
        clip = replace(known, masks=masks)
        outcome = run(clip, provider("dis"), options=options)
        out = tmp_path / str(index)
        summary = write_results(out, clip, outcome, options)
        pictures = [read_grey(file).tobytes() for file in sorted(out.rglob("*/*.png"))]
        found = {key: summary[key] for key in summary if key not in ("seconds", "peak_memory_bytes")}
        found["cycles"] = [{key: half[key] for key in half if key != "seconds"} for half in summary["cycles"]]
        outcomes.append((outcome.result.soft.tobytes(), outcome.result.threshold, pictures, found))
    assert len(outcomes[0][2]) == 2 * 3
    assert outcomes[1:] == [outcomes[0]] * 2


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("default", ()),
        ("default", ("solver.method=power", "motion.radius=3", "solver.iterations=10")),
        ("default", ("features.scale=minmax", "features.displacements=steps", "motion.radius=3")),
        ("paper", ("motion.radius=3", "solver.iterations=10")),
        ("paper", ("features.scale=minmax", "motion.radius=2", "solver.iterations=10")),
        ("released", ("motion.radius=3",)),
        ("released", ("features.cue_window=2", "motion.radius=2")),
    ],
)
def test_a_clip_without_room_lies_on_disk_and_has_the_same_result(name, options, tmp_path) -> None:
    run_options = replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=override(preset(name), *options)))
    frames = write_frames(tmp_path / "in", toy("two_objects", (40, 32), 6).clip.frames)
    folder = tmp_path / "spilt"
    known, found = (
        run(
            read_clip(frames, (40, 32), memory=memory),
            provider("dis"),
            options=run_options,
            compute=Compute(memory=memory),
        ).result
        for memory in (Memory(), Memory(0, folder))
    )
    assert isinstance(known.soft, np.ndarray)
    assert isinstance(found.soft, DiskArray)
    assert (found.saliency is None) == (known.saliency is None)
    assert found.saliency is None or isinstance(found.saliency, DiskArray)
    assert np.array_equal(known.soft, found.soft)
    assert (known.threshold, known.chosen, known.sign) == (found.threshold, found.chosen, found.sign)
    assert torch.equal(known.pairs.values.nan_to_num(), found.pairs.values.nan_to_num())
    assert known.object_share == found.object_share == pytest.approx(known.masks.mean())
    assert known.residual() == pytest.approx(found.residual(), nan_ok=True)
    assert list(folder.iterdir()) == []


def test_flow_that_the_cache_has_stays_on_disk_where_there_is_no_room(tmp_path) -> None:
    clip = toy("disc", (32, 24), 4).clip
    run_options = replace(OPTIONS, cache=True)
    known = run(clip, provider("dis"), options=run_options).result
    memory = Memory(0, tmp_path / "spilt")
    flow = compute_flow(clip, provider("dis"), cache=FlowCache(), memory=memory)
    assert isinstance(flow.forward, DiskArray)
    assert np.array_equal(
        run(clip, provider("dis"), options=run_options, compute=Compute(memory=memory)).result.soft, known.soft
    )


def test_memory_is_shared_between_arrays_and_work() -> None:
    assert RunOptions().compute().memory.limit == pytest.approx(
        (machine_memory() // 2 - resident_memory()) // 3, rel=0.1
    )
    assert RunOptions(memory=resident_memory() + 15 * 10**8).compute().memory.limit == pytest.approx(5e8, rel=0.02)
    assert RunOptions(memory=1).compute().memory.limit == 0
    with pytest.raises(InputError, match="memory is 0; expected a whole number, 1 or more"):
        RunOptions(memory=0)


def test_of_a_clip_on_disk_the_solver_s_own_residual_is_told(tmp_path) -> None:
    clip = toy("disc", (32, 24), 4).clip
    for memory, known in ((Memory(), True), (Memory(0, tmp_path), False)):
        outcome = run(clip, provider("dis"), options=OPTIONS, compute=Compute(memory=memory))
        summary = summarise(clip, outcome, OPTIONS)
        assert summary["on_disk"] is not known
        assert 0 <= summary["solver_residual"] < 1e-5
        assert (summary["residual"] is not None) is known
        assert not known or 0 < summary["residual"] < 1e-5


def test_of_a_large_clip_the_residual_is_measured_where_it_is_asked_for() -> None:
    made = toy("disc", (96, 64), 4)  # more nodes than those that are measured always
    for measure in (False, True):
        options = replace(OPTIONS, measure=measure)
        outcome = run(made.clip, provider("dis"), options=options)
        summary = summarise(made.clip, outcome, options)
        assert summary["solver_residual"] < 1e-4
        assert (summary["residual"] is not None) is measure
        assert ("residual" in summary["seconds"]) is measure
    assert 0 < summary["residual"] < 1e-5


def test_more_memory_than_allowed_is_said(no_sheet, tmp_path) -> None:
    clip, limited = toy("disc", (32, 24), 3).clip, replace(OPTIONS, memory=10**6)
    outcome = run(clip, provider("dis"), options=limited)
    summary = write_results(tmp_path, clip, outcome, limited)
    assert any("more than the 0.00 GB allowed" in warning for warning in summary["warnings"])


def test_numbers_that_a_solver_does_not_have_are_null(no_sheet, tmp_path) -> None:
    options = replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=preset("released")))
    clip = toy("disc", (32, 24), 3).clip
    outcome = run(clip, provider("dis"), options=options)
    assert torch.isnan(outcome.result.pairs.values).all()
    summary = write_results(tmp_path, clip, outcome, options)
    assert (summary["eigenvalues"], summary["residual"], summary["eigengap"]) == ([None], None, None)
    stored = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert (stored["eigenvalues"], stored["residual"], stored["eigengap"]) == ([None], None, None)


def test_a_clip_in_which_nothing_moves_has_empty_masks_and_finite_numbers(tmp_path) -> None:
    clip = toy("still", (32, 24), 3).clip
    outcome = run(clip, provider("dis"), options=OPTIONS)
    summary = write_results(tmp_path, clip, outcome, OPTIONS)
    assert summary["object_share"] == 0
    assert any("Nothing moves" in warning for warning in summary["warnings"])
    json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert all(not read_grey(file).any() for file in (tmp_path / "masks").iterdir())
    assert len(frames_of(tmp_path / "overlay.webm")) == 3


def test_one_frame_is_refused_before_anything_is_written() -> None:
    clip = replace(toy("disc", (32, 24), 2).clip, masks=None)
    single = Clip(frames=clip.frames[:1], name="short")
    with pytest.raises(InputError, match="'short' has 1 frame; motion needs two or more"):
        run(single, provider("dis"), options=OPTIONS)


def test_two_frames_are_enough(no_sheet, tmp_path) -> None:
    clip = toy("disc", (32, 24), 2).clip
    outcome = run(clip, provider("dis"), options=OPTIONS)
    write_results(tmp_path, clip, outcome, OPTIONS)
    assert len(frames_of(tmp_path / "overlay.webm")) == 2


def test_flow_is_kept_between_runs_only_if_asked_for(tmp_path) -> None:
    clip = toy("disc", (32, 24), 3).clip
    cache = tmp_path / "cache"  # where the fixture puts it
    run(clip, provider("dis"), options=OPTIONS)
    assert not cache.exists()
    first = run(clip, provider("dis"), options=replace(OPTIONS, cache=True))
    assert len(tree(cache)) == 1

    class Broken:
        def describe(self) -> str:
            return provider("dis").describe()

        def pairs(self, frames):
            pytest.fail("the flow is known already")

    second = run(clip, Broken(), options=replace(OPTIONS, cache=True))
    assert np.array_equal(first.result.soft, second.result.soft)


def test_frames_of_one_pixel_are_a_clip_too(tmp_path) -> None:
    frames = [np.full((1, 1, 3), 60 * index, np.uint8) for index in range(3)]
    clip = read_clip(write_frames(tmp_path / "in", frames), (16, 16))
    outcome = run(clip, provider("dis"), options=OPTIONS)
    write_results(tmp_path / "out", clip, outcome, OPTIONS)
    assert read_grey(tmp_path / "out" / "masks" / "00000.png").shape == (1, 1)
    assert [frame.shape for frame in frames_of(tmp_path / "out" / "overlay.webm")] == [(2, 2, 3)] * 3


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_no_half_written_file(error, tmp_path, monkeypatch) -> None:
    clip = toy("disc", (32, 24), 5).clip
    outcome = run(clip, provider("dis"), options=OPTIONS)
    count = 0

    def fail_at_the_third(path, mask) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise error
        write_mask(path, mask)

    monkeypatch.setattr(ikebook.runs.outputs, "write_mask", fail_at_the_third)
    with pytest.raises(type(error)):
        write_results(tmp_path, clip, outcome, OPTIONS)
    assert (tmp_path / "sheet.png").exists()  # the first of all
    there = tree(tmp_path) - {".lock", "sheet.png"}
    assert there == {"masks/00000.png", "masks/00001.png", "soft/00000.png", "soft/00001.png", "soft/00002.png"}
    assert all(read_grey(tmp_path / file).shape == (24, 32) for file in there)


def test_a_failing_contact_sheet_leaves_none(tmp_path, monkeypatch) -> None:
    clip = toy("disc", (32, 24), 3).clip
    outcome = run(clip, provider("dis"), options=OPTIONS)

    def cut_short(figure, path, **_) -> None:
        path.write_bytes(b"half a pict")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", cut_short)
    with pytest.raises(OSError, match="No space left"):
        write_results(tmp_path, clip, outcome, OPTIONS)
    assert {file for file in tree(tmp_path) if "/" not in file} == {".lock"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"device": "tpu"}, "device is 'tpu'; expected one of 'auto', 'cpu', 'cuda'")],
)
def test_bad_options(options, message) -> None:
    with pytest.raises(InputError, match=message):
        RunOptions(**options)


def test_cuda_is_refused_where_there_is_none(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds no CUDA device; use 'cpu'"):
        RunOptions(device="cuda")
    assert RunOptions(device="auto").torch_device() == "cpu"


@pytest.fixture(scope="module")
def made():
    known = toy("disc", (32, 24), 6)
    return known.clip, segment(known.clip, known.flow)


class TestContactSheet:
    @pytest.mark.parametrize("name", ["cost $x^$ y_b^{c", "片段", "a & b\\frac\ttab $"])
    def test_any_name_can_be_drawn(self, name, made, tmp_path) -> None:
        clip, result = made
        named = replace(clip, name=name, frame_names=[f"{name}{index}" for index in range(6)])
        contact_sheet(tmp_path / "sheet.png", named, result)
        assert read_grey(tmp_path / "sheet.png").std() > 20

    @pytest.mark.parametrize("rows", [1, 4, 9])
    def test_it_has_as_many_rows_as_asked_for_and_frames_there_are(self, rows, made, tmp_path) -> None:
        clip, result = made
        contact_sheet(tmp_path / "sheet.png", clip, result, rows)
        height = read_grey(tmp_path / "sheet.png").shape[0]
        assert height == pytest.approx(110 * (3.2 * 0.75 * min(rows, 6) + 2.4), abs=1)

    @pytest.mark.parametrize("size", [(16, 200), (200, 16)])
    def test_long_frames_make_no_endless_picture(self, size, tmp_path) -> None:
        known = toy("disc", size, 3)
        contact_sheet(tmp_path / "sheet.png", known.clip, segment(known.clip, known.flow))
        assert max(read_grey(tmp_path / "sheet.png").shape) <= 110 * (3.2 * 3 * 3 + 2.4)
