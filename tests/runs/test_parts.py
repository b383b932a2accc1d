"""One long video in parts gives what it gives in one piece, wherever it is cut; on workers: see `test_cluster`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layouts import read_grey, tree, write_frames

import ikebook.runs.part
import ikebook.runs.parts
from ikebook.base.check import InputError
from ikebook.base.files import write_video
from ikebook.cli import main
from ikebook.cycle import CycleOptions
from ikebook.datasets.toys import toy
from ikebook.flow import provider, write_flo
from ikebook.graph.presets import override, preset
from ikebook.runs.options import RunOptions
from ikebook.runs.parts import segment_parts
from ikebook.runs.runners import LostTask
from ikebook.runs.single import run
from ikebook.video.clip import read_clip
from ikebook.video.movies import VideoFile

FRAMES = 13
GRAPH = override(preset("default"), "motion.radius=3", "features.cue_window=2")
OPTIONS = RunOptions(cycle=CycleOptions(cycles=1, graph=GRAPH), size=(32, 24), device="cpu", cache=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = toy("two_objects", (48, 36), FRAMES)
    return write_frames(tmp_path_factory.mktemp("data") / "frames", made.clip.frames)


def whole(path, options=OPTIONS):
    """What one piece gives: the outcome of a run."""
    clip = read_clip(path, options.size)
    return clip, run(clip, provider(options.flow), options=options)


def assert_same(out, path, summary, options=OPTIONS) -> None:
    clip, outcome = whole(path, options)
    result = outcome.result
    values = [float(value) for value in result.pairs.values]
    assert summary["eigenvalues"] == pytest.approx(values, rel=1e-9, abs=1e-9 * abs(values[0]))
    assert summary["threshold"] == result.threshold
    assert summary["eigenvector"] == result.chosen + 1
    assert summary["object_share"] == pytest.approx(result.object_share, abs=1e-4)
    assert len(list((out / "masks").iterdir())) == len(clip)
    differ = 0
    for index, name in enumerate(clip.frame_names):
        soft = result.soft_at(index, clip.original_size)
        found = read_grey(out / "soft" / f"{name}.png").astype(int)
        assert abs(found - np.rint(255 * soft)).max() <= 1
        differ += int(((read_grey(out / "masks" / f"{name}.png") > 127) != (soft > result.threshold)).sum())
    assert differ <= 2


@pytest.mark.parametrize("every", [1, 2, 5, 12, 13, 100])
def test_wherever_it_is_cut(folder, every, tmp_path) -> None:
    summary = segment_parts(folder, tmp_path / "out", OPTIONS, part_length=every)
    assert summary["parts"] == -(-FRAMES // every)
    assert_same(tmp_path / "out", folder, summary)
    assert tree(tmp_path / "out") == {".lock", "summary.json"} | {
        f"{kind}/{index:05d}.png" for kind in ("masks", "soft") for index in range(FRAMES)
    }


@pytest.mark.parametrize(
    "changes",
    [
        ("motion.edges=union",),
        ("features.displacements=steps", "features.half_window=3"),
        ("features.displacements=flows", "features.half_window=2", "features.cue_window=0"),
        ("features.ends=hold", "chains.consistent=true", "motion.self_loop=1"),
        ("masks.threshold=0.4", "projection.ridge=0.5", "solver.pairs=2"),
    ],
)
def test_options(folder, changes, tmp_path) -> None:
    options = replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=override(GRAPH, *changes)))
    assert_same(tmp_path / "out", folder, segment_parts(folder, tmp_path / "out", options, part_length=4), options)


def test_a_video_file(folder, tmp_path) -> None:
    clip = read_clip(folder, None)
    video = tmp_path / "video.mp4"
    write_video(video, iter(clip.frames), 24)
    assert VideoFile(video).count() == FRAMES
    some = [frame.sum() for frame in VideoFile(video).between(5, 9)]
    assert some == [frame.sum() for frame in VideoFile(video)][5:9]
    assert_same(tmp_path / "out", video, segment_parts(video, tmp_path / "out", OPTIONS, part_length=5))


def test_flow_from_files(folder, tmp_path) -> None:
    flow = toy("two_objects", (48, 36), FRAMES).flow
    for direction in ("forward", "backward"):
        for index, field in enumerate(getattr(flow, direction)):
            write_flo(tmp_path / "flow" / direction / f"{index:05d}.flo", field)
    options = replace(OPTIONS, flow=str(tmp_path / "flow"))
    assert_same(tmp_path / "out", folder, segment_parts(folder, tmp_path / "out", options, part_length=4), options)


class StopError(Exception):
    pass


def test_stopped_in_each_round_it_goes_on_there(folder, tmp_path, monkeypatch) -> None:
    expected = segment_parts(folder, tmp_path / "expected", OPTIONS, part_length=4)
    done: list[str] = []

    def stopping(name, actual):
        def work(task, progress):
            if name not in done:
                done.append(name)
                raise StopError
            done.append(name)
            return actual(task, progress)

        return work

    rounds = ("find_evidence", "reduce_part", "label_part", "write_part")
    for name in rounds:
        monkeypatch.setattr(ikebook.runs.parts, name, stopping(name, getattr(ikebook.runs.parts, name)))
    computed: list[int] = []
    actual = ikebook.runs.part._provider
    monkeypatch.setattr(
        ikebook.runs.part, "_provider", lambda part, frames: computed.append(part.start) or actual(part, frames)
    )
    for _ in rounds:
        with pytest.raises(StopError):
            segment_parts(folder, tmp_path / "out", OPTIONS, part_length=4)
    assert segment_parts(folder, tmp_path / "out", OPTIONS, part_length=4) == expected
    assert computed == [0, 4, 8, 12]  # flow once each
    assert tree(tmp_path / "out") == tree(tmp_path / "expected")


@pytest.mark.parametrize("moment", [1, 2, 10, 30])
def test_stopped_while_it_clears_up_it_can_be_run_again(folder, moment, tmp_path, monkeypatch) -> None:
    expected = segment_parts(folder, tmp_path / "expected", OPTIONS, part_length=4)
    left, actual = moment, Path.unlink

    def unlink(path, *more, **options):
        nonlocal left
        left -= path.parent.name == "parts" and not path.name.startswith(".")
        if left == 0:
            raise StopError
        return actual(path, *more, **options)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(StopError):
        segment_parts(folder, tmp_path / "out", OPTIONS, part_length=4)
    monkeypatch.undo()
    assert segment_parts(folder, tmp_path / "out", OPTIONS, part_length=4) == expected
    assert tree(tmp_path / "out") == tree(tmp_path / "expected")
    assert [one.name for one in (tmp_path / "out" / ".ikebook").iterdir() if one.is_dir()] == []


def test_what_somebody_has_put_among_the_parts_stays(folder, tmp_path, monkeypatch) -> None:
    actual = ikebook.runs.parts.write_part

    def write(task, progress):
        (tmp_path / "parts" / "notes.txt").write_text("mine")
        return actual(task, progress)

    monkeypatch.setattr(ikebook.runs.parts, "write_part", write)
    segment_parts(folder, tmp_path, OPTIONS, part_length=4)
    assert [file.name for file in (tmp_path / "parts").iterdir()] == ["notes.txt"]


def test_parts_of_other_options_are_not_mixed(folder, tmp_path, monkeypatch) -> None:
    def stop(*_):
        raise StopError

    monkeypatch.setattr(ikebook.runs.parts, "reduce_part", stop)
    with pytest.raises(StopError):
        segment_parts(folder, tmp_path, OPTIONS, part_length=4)
    for options, every in ((OPTIONS, 5), (replace(OPTIONS, size=(16, 16)), 4)):
        with pytest.raises(InputError, match="is of a video or of options that are not these"):
            segment_parts(folder, tmp_path, options, part_length=every)


def test_parts_of_other_frames_are_not_mixed(folder, tmp_path, monkeypatch) -> None:
    copied, out = Path(shutil.copytree(folder, tmp_path / "own")), tmp_path / "out"
    actual = ikebook.runs.parts.reduce_part

    def stop(*_):
        raise StopError

    monkeypatch.setattr(ikebook.runs.parts, "reduce_part", stop)
    with pytest.raises(StopError):
        segment_parts(copied, out, OPTIONS, part_length=4)
    shutil.copy(copied / "00001.png", copied / "00002.png")
    monkeypatch.setattr(ikebook.runs.parts, "reduce_part", actual)
    with pytest.raises(InputError, match="is of a video or of options that are not these"):
        segment_parts(copied, out, OPTIONS, part_length=4)


def test_a_folder_of_parts_that_is_not_ours_stays(folder, tmp_path) -> None:
    """All of OUT/parts is removed in the end: the video must not lie there, nor anything else."""
    copied = Path(shutil.copytree(folder, tmp_path / "parts"))
    before = tree(tmp_path)
    for path in (copied, folder):
        with pytest.raises(InputError, match=r"parts is there, and is none of ikebook's; move it"):
            segment_parts(path, tmp_path, OPTIONS, part_length=4)
        assert tree(tmp_path) - {".lock"} == before


def test_results_of_an_earlier_video_do_not_stay_among_these(folder, tmp_path) -> None:
    segment_parts(folder, tmp_path / "out", OPTIONS, part_length=5)
    short = write_frames(tmp_path / "short", toy("disc", (48, 36), 3).clip.frames)
    summary = segment_parts(short, tmp_path / "out", OPTIONS, part_length=5)
    assert_same(tmp_path / "out", short, summary)
    assert len(list((tmp_path / "out" / "soft").iterdir())) == 3


def test_flow_that_can_t_be_used_is_refused(folder, tmp_path, monkeypatch) -> None:
    flow = toy("two_objects", (48, 36), FRAMES + 1).flow
    for direction in ("forward", "backward"):
        for index, field in enumerate(getattr(flow, direction)):
            write_flo(tmp_path / "flow" / direction / f"{index:05d}.flo", field)
    options = replace(OPTIONS, flow=str(tmp_path / "flow"))
    with pytest.raises(InputError, match=r"flow of 13 pairs of frames, but .* has 13 frames: expected 12"):
        segment_parts(folder, tmp_path / "out", options, part_length=4)
    assert not (tmp_path / "out").exists()
    actual = ikebook.runs.part._provider(type("P", (), {"options": OPTIONS}), range(2)).pairs

    def spoilt(frames):
        for ahead, back in actual(frames):
            back[3, 3] = np.nan
            yield ahead, back

    monkeypatch.setattr(ikebook.runs.part, "_provider", lambda *_: type("P", (), {"pairs": staticmethod(spoilt)}))
    with pytest.raises(
        InputError, match="the flow between frames 00000 and 00001 has 2 values that are NaN or infinite"
    ):
        segment_parts(folder, tmp_path / "out", OPTIONS, part_length=4)


@pytest.mark.parametrize(
    ("taught", "mark"), [("labels", "label-trained: flow"), ("synthetic", ""), (None, "training unknown: flow")]
)
def test_what_taught_the_flow_is_marked(folder, taught, mark, tmp_path, capsys) -> None:
    for direction in ("forward", "backward"):
        for index, field in enumerate(getattr(toy("two_objects", (48, 36), FRAMES).flow, direction)):
            write_flo(tmp_path / "flow" / direction / f"{index:05d}.flo", field)
    if taught:
        (tmp_path / "flow" / "source.json").write_text(json.dumps({"name": "net", "supervision": taught}))
    arguments = ["segment", str(folder), "--out", str(tmp_path / "out"), "--size", "32x24", "--parts", "8"]
    assert main([*arguments, "--flow", str(tmp_path / "flow"), "--device", "cpu"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["label_trained"] is {"labels": True, "synthetic": False, None: None}[taught]
    printed = capsys.readouterr().out
    assert (mark in printed) if mark else ("trained" not in printed)


def test_a_still_video_has_empty_masks(tmp_path) -> None:
    write_frames(tmp_path / "still", np.full((5, 16, 16, 3), 90, np.uint8))
    summary = segment_parts(tmp_path / "still", tmp_path / "out", replace(OPTIONS, size=(16, 16)), part_length=2)
    assert (summary["eigenvalues"], summary["object_share"]) == ([], 0)
    assert not any(read_grey(file).any() for file in (tmp_path / "out" / "masks").iterdir())


@pytest.mark.parametrize(
    "options",
    [
        replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=preset("paper"))),
        replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=preset("released"))),
        replace(OPTIONS, cycle=CycleOptions(cycles=2)),
        replace(OPTIONS, cues=["somewhere"]),
        replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=override(GRAPH, "solver.method=lanczos"))),
        replace(OPTIONS, cycle=replace(OPTIONS.cycle, graph=override(GRAPH, "features.center=video"))),
    ],
)
def test_what_is_no_sum_is_refused(folder, options, tmp_path) -> None:
    with pytest.raises(InputError, match="a video in parts takes one graph with the exact solver"):
        segment_parts(folder, tmp_path / "out", options, part_length=4)
    assert not (tmp_path / "out").exists()


def test_wrong_inputs(folder, tmp_path) -> None:
    for path, message in ((tmp_path / "nowhere", "does not exist"), (tmp_path, "holds no image")):
        with pytest.raises(InputError, match=message):
            segment_parts(path, tmp_path / "out", OPTIONS, part_length=4)
    with pytest.raises(InputError, match="part_length is 0"):
        segment_parts(folder, tmp_path / "out", OPTIONS, part_length=0)

    def losing(work, tasks):
        for name in tasks:
            yield name, LostTask("4 workers died of it")

    with pytest.raises(InputError, match="part 0: 4 workers died of it"):
        segment_parts(folder, tmp_path / "out", OPTIONS, part_length=4, runner=losing)
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "00007.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"00007\.png is no image"):
        segment_parts(broken, tmp_path / "other", OPTIONS, part_length=4)


def test_the_command(folder, tmp_path, capsys) -> None:
    arguments = ["segment", str(folder), "--out", str(tmp_path / "out"), "--size", "32x24"]
    assert main([*arguments, "--workers", "2"]) == 2
    assert "are for a video in --parts" in capsys.readouterr().err
    assert main([*arguments, "--parts", "0"]) == 2
    assert "--parts is 0; expected a whole number, 1 or more" in capsys.readouterr().err
    assert main([*arguments, "--parts", "6", "--threads", "1"]) == 0
    printed, error = capsys.readouterr()
    assert printed.splitlines()[-1] == f"Written to {tmp_path / 'out'}: masks/, soft/, summary.json"
    assert error.splitlines()[0] == "13 frames in 3 parts"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["parts"] == 3
    assert summary["options"]["size"] == "32x24"
