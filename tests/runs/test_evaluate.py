"""A data set through the system: the layout of the results, resuming, masks made elsewhere."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from layouts import read_grey, tree, write_davis, write_image

import ikebook.runs.sequence
from ikebook.base.check import InputError
from ikebook.cycle import CycleOptions
from ikebook.datasets import Davis2016, open_dataset
from ikebook.datasets.toys import toy
from ikebook.flow import write_flo
from ikebook.graph.presets import GraphOptions, preset
from ikebook.graph.refine import RefineOptions
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.runs.evaluation import _longest_first, evaluate, evaluate_masks
from ikebook.runs.options import RunOptions
from ikebook.runs.tables import cycle_means, cycles_table, scores_table
from ikebook.video.metrics import davis_scores, summary

SEQUENCES = ["disc", "occluder", "tracked"]
SCORES = ["J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay"]
OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)


def test_results_of_another_place_are_not_taken_for_these(root, finished, tmp_path) -> None:
    shutil.copytree(root, tmp_path / "other")
    shutil.copytree(finished[0], tmp_path / "out")
    with pytest.raises(InputError, match="made with other options"):
        evaluate(Davis2016(tmp_path / "other"), tmp_path / "out", OPTIONS)


class StopError(Exception):
    pass


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_davis(tmp_path_factory.mktemp("data") / "DAVIS", SEQUENCES)


@pytest.fixture
def dataset(root):
    return open_dataset("davis2016", root)


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    return out, evaluate(Davis2016(root), out, OPTIONS)


def load(out):
    return json.loads((out / "results.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def save(out, results) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results), encoding="utf-8")


def without(entry, *keys):
    return {key: value for key, value in entry.items() if key not in keys}


def never(*_, **__) -> None:
    pytest.fail("this sequence was finished already")


class TestResults:
    def test_the_folder_holds_these_files_and_no_others(self, finished) -> None:
        out, _ = finished
        masks = {f"masks/{name}/{index:05d}.png" for name in SEQUENCES for index in range(5)}
        entries = {f"sequences/{name}.json" for name in SEQUENCES}
        assert tree(out) == masks | entries | {".lock", "results.json", "results.csv", "cycles.csv"}

    def test_the_layout_of_the_file(self, finished) -> None:
        out, results = finished
        stored = load(out)
        assert stored == json.loads(json.dumps(results))
        assert list(stored) == ["mean", "sequences", "failed", "options", "versions"]
        assert stored["failed"] == {}
        assert list(stored["mean"]) == SCORES
        assert list(stored["sequences"]) == SEQUENCES
        for entry in stored["sequences"].values():
            assert list(entry)[:7] == ["frames", *SCORES]
            assert entry["frames"] == 5
            assert {"eigenvalues", "residual", "confidence", "threshold", "seconds", "warnings"} <= set(entry)
        made_with = stored["options"].copy()
        assert made_with.pop("dataset") == "davis2016"
        assert made_with.pop("root").endswith("DAVIS")
        assert made_with.pop("ikebook") == ikebook.__version__
        assert made_with == json.loads(json.dumps(OPTIONS.as_dict()))
        assert stored["options"]["cycle"]["graph"] == json.loads(json.dumps(GraphOptions().as_dict()))

    def test_scores_lie_between_0_and_1(self, finished) -> None:
        _, results = finished
        for entry in (results["mean"], *results["sequences"].values()):
            assert all(0 <= entry[key] <= 1 for key in SCORES if "decay" not in key)
            assert all(-1 <= entry[key] <= 1 for key in SCORES)

    def test_the_mean_is_that_of_the_sequences(self, finished) -> None:
        _, results = finished
        for key in SCORES:
            assert results["mean"][key] == pytest.approx(
                sum(entry[key] for entry in results["sequences"].values()) / len(SEQUENCES)
            )

    def test_the_table_of_values_agrees(self, finished) -> None:
        out, results = finished
        with (out / "results.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row.pop("sequence") for row in rows] == SEQUENCES
        for row, name in zip(rows, SEQUENCES, strict=True):
            assert {key: float(value) for key, value in row.items()} == {
                key: results["sequences"][name][key] for key in SCORES
            }

    def test_scores_are_those_of_the_masks_written(self, finished, dataset) -> None:
        out, results = finished
        for name in SEQUENCES:
            masks = [read_grey(file) == 255 for file in sorted((out / "masks" / name).iterdir())]
            assert [mask.shape for mask in masks] == [(32, 48)] * 5
            found = summary(davis_scores(masks, dataset.annotations(name)))
            assert {key: results["sequences"][name][key] for key in SCORES} == pytest.approx(found)

    def test_scoring_the_masks_again_gives_the_same(self, finished, dataset, tmp_path) -> None:
        out, results = finished
        again = evaluate_masks(dataset, out / "masks", tmp_path)
        assert again["mean"] == results["mean"]

    def test_annotations_never_influence_the_masks(self, finished, root, tmp_path) -> None:
        out, results = finished
        other = tmp_path / "other"
        shutil.copytree(root, other)
        for name in SEQUENCES:
            for file in (other / "Annotations" / "480p" / name).iterdir():
                write_image(file, 255 - read_grey(file))
        found = evaluate(Davis2016(other), tmp_path / "out", OPTIONS)
        for name in SEQUENCES:
            for file in (out / "masks" / name).iterdir():
                assert (tmp_path / "out" / "masks" / name / file.name).read_bytes() == file.read_bytes()
        assert found["mean"]["J_mean"] != results["mean"]["J_mean"]

    def test_the_text_table_has_a_line_each_in_percent(self, finished) -> None:
        _, results = finished
        lines = scores_table(results).splitlines()
        assert lines[0].split() == SCORES
        assert [line.split()[0] for line in lines[1:]] == [*SEQUENCES, "mean"]
        assert float(lines[-1].split()[1]) == pytest.approx(100 * results["mean"]["J_mean"], abs=0.0501)


CYCLED = replace(
    OPTIONS,
    cycle=CycleOptions(
        cycles=2,
        network=NetworkOptions(widths=(8, 16), stem=1),
        training=TrainOptions(epochs=1, batch=2),
        tolerance=0.0,
    ),
)


@pytest.fixture(scope="module")
def cycled(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("cycles") / "out"
    return out, evaluate(Davis2016(root), out, CYCLED)


class TestCycles:
    """Scores after each half of a cycle."""

    def test_the_first_graph_is_the_one_without_cycles(self, cycled, finished) -> None:
        for name in SEQUENCES:
            half = cycled[1]["sequences"][name]["cycles"][0]
            assert {key: half[key] for key in SCORES} == {key: finished[1]["sequences"][name][key] for key in SCORES}

    def test_the_last_graph_is_the_result(self, cycled) -> None:
        out, results = cycled
        for name in SEQUENCES:
            entry = results["sequences"][name]
            assert [half["module"] for half in entry["cycles"]] == ["graph", "network", "graph"]
            assert {key: entry[key] for key in SCORES} == {key: entry["cycles"][-1][key] for key in SCORES}
        files = {f"masks/{name}/{index:05d}.png" for name in SEQUENCES for index in range(5)}
        assert tree(out) == files | {f"sequences/{name}.json" for name in SEQUENCES} | {
            ".lock",
            "results.json",
            "results.csv",
            "cycles.csv",
        }

    def test_means_and_relative_changes(self, cycled) -> None:
        rows = cycle_means(cycled[1])
        assert [(row["cycle"], row["module"]) for row in rows] == [(1, "graph"), (1, "network"), (2, "graph")]
        found = [
            np.mean([cycled[1]["sequences"][name]["cycles"][half]["J_mean"] for name in SEQUENCES]) for half in range(3)
        ]
        assert [row["J_mean"] for row in rows] == pytest.approx(found)
        assert rows[0]["J_change"] is None
        assert rows[1]["J_change"] == pytest.approx(100 * (found[1] - found[0]) / found[0])
        assert rows[2]["J_change"] == pytest.approx(100 * (found[2] - found[0]) / found[0])
        assert len(cycles_table(cycled[1]).splitlines()) == 4

    def test_a_sequence_that_ended_early_keeps_its_scores(self) -> None:
        def half(cycle, module, score):
            return {"cycle": cycle, "module": module, "J_mean": score, "F_mean": score}

        long = [half(1, "graph", 0.4), half(1, "network", 0.5), half(2, "graph", 0.6)]
        results = {"sequences": {"a": {"cycles": long}, "b": {"cycles": long[:1]}, "c": {"cycles": []}}}
        rows = cycle_means(results)
        assert [row["sequences"] for row in rows] == [2, 1, 2]
        assert [row["J_mean"] for row in rows] == pytest.approx([0.4, 0.5, 0.5])

    def test_the_csv_has_a_row_for_each_half(self, cycled) -> None:
        with (cycled[0] / "cycles.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["sequence"] for row in rows] == [name for name in SEQUENCES for _ in range(3)]
        assert float(rows[2]["J_mean"]) == cycled[1]["sequences"][SEQUENCES[0]]["J_mean"]

    def test_an_interrupted_training_goes_on(self, cycled, dataset, tmp_path) -> None:
        def interrupted(stage, steps):
            return (ended() for _ in range(steps)) if stage == "network 1" else ()

        def ended() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            evaluate(dataset, tmp_path, CYCLED, progress=interrupted)
        assert evaluate(dataset, tmp_path, CYCLED)["mean"] == cycled[1]["mean"]
        assert not (tmp_path / "checkpoints").exists()


def test_refined_masks_are_scored_apart(finished, dataset, tmp_path) -> None:
    results = evaluate(dataset, tmp_path, replace(OPTIONS, refine=RefineOptions()))
    assert results["mean"] == finished[1]["mean"]
    for name in SEQUENCES:
        masks = [read_grey(file) == 255 for file in sorted((tmp_path / "refined" / name).iterdir())]
        found = summary(davis_scores(masks, dataset.annotations(name)))
        assert results["sequences"][name]["refined"] == pytest.approx(found)
    expected = np.mean([results["sequences"][name]["refined"]["J_mean"] for name in SEQUENCES])
    assert results["mean_refined"]["J_mean"] == pytest.approx(expected)
    assert scores_table(results).splitlines()[-1].split()[:2] == ["mean,", "refined"]
    with pytest.raises(InputError, match="made with other options"):
        evaluate(dataset, tmp_path, OPTIONS)


class TestResuming:
    def test_finished_sequences_are_not_run_again(self, finished, dataset, tmp_path, monkeypatch) -> None:
        out = tmp_path / "out"
        shutil.copytree(finished[0], out)
        before = (out / "results.json").read_bytes()
        monkeypatch.setattr(ikebook.runs.sequence, "run", never)
        seen: list[str] = []
        again = evaluate(dataset, out, OPTIONS, report=lambda name, _: seen.append(name))
        assert seen == SEQUENCES
        assert json.loads(json.dumps(again)) == json.loads(before)
        assert (out / "results.json").read_bytes() == before

    def test_a_run_that_was_stopped_goes_on(self, finished, dataset, tmp_path, monkeypatch) -> None:
        run_names: list[str] = []
        actual = ikebook.runs.sequence.run

        def counted(clip, *arguments, **more):
            run_names.append(clip.name)
            return actual(clip, *arguments, **more)

        monkeypatch.setattr(ikebook.runs.sequence, "run", counted)

        def stop_at_the_second(name, entry) -> None:
            assert entry["frames"] == 5
            if name == SEQUENCES[1]:
                raise StopError

        with pytest.raises(StopError):
            evaluate(dataset, tmp_path, OPTIONS, report=stop_at_the_second)
        assert run_names == SEQUENCES[:2]
        assert list(load(tmp_path)["sequences"]) == SEQUENCES[:2]
        assert load(tmp_path)["sequences"]["disc"]["J_mean"] == finished[1]["sequences"]["disc"]["J_mean"]
        results = evaluate(dataset, tmp_path, OPTIONS)
        assert run_names == SEQUENCES
        assert results["mean"] == finished[1]["mean"]

    def test_an_interrupt_within_a_sequence_keeps_those_before(self, dataset, tmp_path, monkeypatch) -> None:
        actual = ikebook.runs.sequence.run

        def stop(clip, *arguments, **more):
            if clip.name == SEQUENCES[1]:
                raise KeyboardInterrupt
            return actual(clip, *arguments, **more)

        monkeypatch.setattr(ikebook.runs.sequence, "run", stop)
        with pytest.raises(KeyboardInterrupt):
            evaluate(dataset, tmp_path, OPTIONS)
        assert list(load(tmp_path)["sequences"]) == SEQUENCES[:1]

    def test_sequences_can_be_added_one_at_a_time_in_any_order(self, finished, dataset, tmp_path) -> None:
        first = evaluate(dataset, tmp_path, OPTIONS, ["tracked"])
        assert list(first["sequences"]) == ["tracked"]
        assert first["mean"]["J_mean"] == finished[1]["sequences"]["tracked"]["J_mean"]
        both = evaluate(dataset, tmp_path, OPTIONS, ["disc"])
        assert list(both["sequences"]) == ["disc", "tracked"]
        assert both["mean"]["F_mean"] == pytest.approx(
            np.mean([finished[1]["sequences"][name]["F_mean"] for name in ("disc", "tracked")])
        )

    @pytest.mark.parametrize(
        "other",
        [
            RunOptions(size=(40, 24), device="cpu", cache=False),
            RunOptions(size=(32, 24), device="cpu", cache=False, flow="farneback"),
            RunOptions(cycle=CycleOptions(cycles=1, graph=preset("paper")), size=(32, 24), device="cpu", cache=False),
        ],
    )
    def test_results_of_other_options_are_not_mixed(self, other, finished, dataset, tmp_path, monkeypatch) -> None:
        shutil.copytree(finished[0], tmp_path / "out")
        monkeypatch.setattr(ikebook.runs.sequence, "run", never)
        with pytest.raises(InputError, match=r"results\.json was made with other options; choose another --out"):
            evaluate(dataset, tmp_path / "out", other)
        assert load(tmp_path / "out") == load(finished[0])

    def test_the_cache_is_no_option_of_the_result(self, finished, dataset, tmp_path, monkeypatch) -> None:
        shutil.copytree(finished[0], tmp_path / "out")
        monkeypatch.setattr(ikebook.runs.sequence, "run", never)
        assert evaluate(dataset, tmp_path / "out", RunOptions(size=(32, 24)))["mean"] == finished[1]["mean"]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "3",
            "null",
            "{}",
            '{"sequences": {}}',
            '{"sequences": 5, "options": {}}',
            '{"sequences": {"disc": 5}, "options": {}}',
            '{"sequences": {"disc": {"J_mean": 0.5}}, "options": {}}',
            "\u00ff",
        ],
    )
    def test_a_damaged_file_is_no_results(self, text, dataset, tmp_path, monkeypatch) -> None:
        (tmp_path / "results.json").write_bytes(text.encode("latin-1"))
        monkeypatch.setattr(ikebook.runs.sequence, "run", never)
        with pytest.raises(InputError, match=r"results\.json is no results file of ikebook; choose another --out"):
            evaluate(dataset, tmp_path, OPTIONS)
        assert (tmp_path / "results.json").read_bytes() == text.encode("latin-1")

    def test_an_entry_whose_scores_are_no_numbers_is_damage(self, finished, dataset, tmp_path) -> None:
        results = load(finished[0])
        results["sequences"]["disc"]["J_mean"] = "high"
        save(tmp_path, results)
        with pytest.raises(InputError, match="is no results file"):
            evaluate(dataset, tmp_path, OPTIONS)


class TestOptions:
    @pytest.mark.parametrize("names", [["nope"], ["disc", ""], ["disc", "../disc"], [" disc"]])
    def test_an_unknown_sequence(self, names, dataset, tmp_path) -> None:
        with pytest.raises(InputError, match="is not in davis2016; there are disc, occluder, tracked"):
            evaluate(dataset, tmp_path / "out", OPTIONS, names)
        assert not (tmp_path / "out").exists()

    def test_flow_and_cues_are_found_by_sequence(self, dataset, tmp_path) -> None:
        made = toy("disc", (48, 32), 5)
        for direction in ("forward", "backward"):
            for index, field in enumerate(getattr(made.flow, direction)):
                write_flo(tmp_path / "flow" / "disc" / direction / f"{index:05d}.flo", field)
        for index, mask in enumerate(made.clip.masks):
            write_image(tmp_path / "cue" / "disc" / f"{index:05d}.png", mask.astype(np.uint8) * 255)
        options = RunOptions(
            size=(48, 32), device="cpu", flow=str(tmp_path / "flow"), cues=[str(tmp_path / "cue")], cache=False
        )
        results = evaluate(dataset, tmp_path / "out", options, ["disc"])
        assert results["mean"]["J_mean"] > 0.8
        assert results["options"]["cues"] == [str(tmp_path / "cue")]
        failed = evaluate(dataset, tmp_path / "out", options, ["tracked"])["failed"]
        assert re.search(
            r"flow is .*tracked.*expected dis, farneback, raft, raft-small or a folder", failed["tracked"]["reason"]
        )

    def test_annotations_that_are_missing(self, root, tmp_path) -> None:
        shutil.copytree(root, tmp_path / "root")
        (tmp_path / "root" / "Annotations" / "480p" / "disc" / "00003.png").unlink()
        results = evaluate(Davis2016(tmp_path / "root"), tmp_path / "out", OPTIONS, ["disc"])
        assert "has no annotation of frame 00003" in results["failed"]["disc"]["reason"]
        assert results["sequences"] == results["mean"] == {}


class TestMasks:
    @pytest.fixture
    def masks(self, root, tmp_path):
        shutil.copytree(root / "Annotations" / "480p", tmp_path / "masks")
        return tmp_path / "masks"

    def test_perfect_masks_score_one(self, masks, dataset, tmp_path) -> None:
        results = evaluate_masks(dataset, masks, tmp_path / "out")
        perfect = {
            "J_mean": 1.0, "J_recall": 1.0, "J_decay": 0.0, "F_mean": 1.0, "F_recall": 1.0, "F_decay": 0.0
        }  # fmt: skip
        assert results["mean"] == perfect
        assert {name: without(entry, "where") for name, entry in results["sequences"].items()} == {
            name: {"frames": 5} | perfect for name in SEQUENCES
        }
        assert results["options"] == {"dataset": "davis2016", "masks": str(masks)}
        files = {f"sequences/{name}.json" for name in SEQUENCES}
        assert tree(tmp_path / "out") == files | {".lock", "results.json", "results.csv"}
        assert load(tmp_path / "out")["mean"] == perfect

    def test_an_annotation_of_another_size(self, masks, root, tmp_path) -> None:
        shutil.copytree(root, tmp_path / "data")
        write_image(tmp_path / "data" / "Annotations" / "480p" / "disc" / "00002.png", np.zeros((10, 12), np.uint8))
        failed = evaluate_masks(Davis2016(tmp_path / "data"), masks, tmp_path / "out", ["disc"])["failed"]
        assert "annotation of frame 00002 of disc is 12x10; its frame is 48x32" in failed["disc"]["reason"]

    def test_masks_that_have_changed_are_scored_anew(self, masks, dataset, tmp_path) -> None:
        evaluate_masks(dataset, masks, tmp_path / "out")
        for file in (masks / "disc").iterdir():
            write_image(file, np.zeros_like(read_grey(file)))
        assert evaluate_masks(dataset, masks, tmp_path / "out")["sequences"]["disc"]["J_mean"] == 0

    def test_above_127_is_object(self, masks, dataset, tmp_path) -> None:
        for file in (masks / "disc").iterdir():
            write_image(file, np.where(read_grey(file) > 127, 128, 127).astype(np.uint8))
        assert evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])["mean"]["J_mean"] == 1

    def test_colour_masks_are_read_as_grey(self, masks, dataset, tmp_path) -> None:
        for file in (masks / "disc").iterdir():
            write_image(file, np.repeat(read_grey(file)[..., None], 3, axis=2))
        assert evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])["mean"]["J_mean"] == 1

    def test_empty_masks_score_nothing(self, masks, dataset, tmp_path) -> None:
        for file in (masks / "disc").iterdir():
            write_image(file, np.zeros((32, 48), np.uint8))
        mean = evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])["mean"]
        assert (mean["J_mean"], mean["F_mean"], mean["J_recall"]) == (0, 0, 0)

    def test_masks_of_the_unscored_ends_do_not_count(self, masks, dataset, tmp_path) -> None:
        for name in ("00000.png", "00004.png"):
            write_image(masks / "disc" / name, np.zeros((32, 48), np.uint8))
        assert evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])["mean"]["J_mean"] == 1

    def test_what_can_t_be_scored_is_named_and_the_rest_is_scored(self, masks, dataset, tmp_path) -> None:
        shutil.rmtree(masks / "disc")
        write_image(masks / "tracked" / "00002.png", np.zeros((16, 24), np.uint8))
        results = evaluate_masks(dataset, masks, tmp_path / "out")
        assert list(results["sequences"]) == ["occluder"]
        assert results["mean"]["J_mean"] == 1
        failed = load(tmp_path / "out")["failed"]
        assert {name: failure["kind"] for name, failure in failed.items()} == {"disc": "input", "tracked": "input"}
        assert re.search(r"disc is missing; expected masks in .*/<sequence>/<frame>\.png", failed["disc"]["reason"])
        assert "00002.png is 24x16; expected 48x32" in failed["tracked"]["reason"]
        with pytest.raises(InputError, match=r"nowhere is missing; expected masks in"):
            evaluate_masks(dataset, tmp_path / "nowhere", tmp_path / "other")
        assert not (tmp_path / "other").exists()

    def test_a_missing_mask(self, masks, dataset, tmp_path) -> None:
        (masks / "disc" / "00002.png").unlink()
        failed = evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])["failed"]
        assert "disc has no mask of frame 00002" in failed["disc"]["reason"]

    def test_a_damaged_mask_until_it_is_mended(self, masks, dataset, tmp_path) -> None:
        whole = (masks / "disc" / "00002.png").read_bytes()
        (masks / "disc" / "00002.png").write_bytes(b"no picture")
        failed = evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])["failed"]
        assert "00002.png is no image that OpenCV can read" in failed["disc"]["reason"]
        assert list(evaluate_masks(dataset, masks, tmp_path / "out", ["tracked"])["failed"]) == ["disc"]
        (masks / "disc" / "00002.png").write_bytes(whole)
        results = evaluate_masks(dataset, masks, tmp_path / "out", ["disc"])
        assert results["failed"] == {}
        assert list(results["sequences"]) == ["disc", "tracked"]

    def test_they_are_not_mixed_with_results_of_a_run(self, masks, finished, dataset, tmp_path) -> None:
        shutil.copytree(finished[0], tmp_path / "out")
        with pytest.raises(InputError, match="made with other options"):
            evaluate_masks(dataset, masks, tmp_path / "out")
        (tmp_path / "out" / "results.json").unlink()  # as a run leaves it that is killed early
        before = tree(tmp_path / "out")
        with pytest.raises(InputError, match="made with other options"):
            evaluate_masks(dataset, masks, tmp_path / "out")
        assert tree(tmp_path / "out") == before


def test_sequences_too_short_to_score_have_no_scores_and_no_share_in_the_mean(tmp_path) -> None:
    write_davis(tmp_path / "root", ["disc"], frames=2)
    write_davis(tmp_path / "root", ["tracked"], frames=3)
    masks = tmp_path / "root" / "Annotations" / "480p"
    results = evaluate_masks(Davis2016(tmp_path / "root"), masks, tmp_path / "out")
    assert {results["sequences"]["disc"][key] for key in SCORES} == {None}
    assert results["mean"]["J_mean"] == 1
    assert load(tmp_path / "out") == json.loads(json.dumps(results))
    lines = [line.split() for line in scores_table(results).splitlines()]
    assert lines[1] == ["disc", *"------"]
    assert lines[3] == ["mean", "100.0", "100.0", "0.0", "100.0", "100.0", "0.0"]
    alone = evaluate_masks(Davis2016(tmp_path / "root"), masks, tmp_path / "alone", ["disc"])
    assert set(alone["mean"].values()) == {None}
    again = evaluate_masks(Davis2016(tmp_path / "root"), masks, tmp_path / "alone", ["disc"])
    assert again["sequences"] == alone["sequences"]


@pytest.mark.data
def test_the_reference_masks_get_the_official_scores(davis_root, metrics_root, tmp_path) -> None:
    expected = json.loads((metrics_root / "davis2016_expected.json").read_text(encoding="utf-8"))
    results = evaluate_masks(Davis2016(davis_root), metrics_root / "masks", tmp_path, list(expected))
    for name, scores in expected.items():
        found = {key: results["sequences"][name][key] for key in SCORES}
        official = {f"{measure}_{key}": scores[measure][key] for measure in "JF" for key in ("mean", "recall", "decay")}
        assert found == pytest.approx(official, abs=1e-6)


def test_the_longest_are_handed_out_first() -> None:
    class Lengths:
        def clip(self, name, size):
            if name == "broken":
                raise InputError("no frame can be read.")
            return range(int(name))

    assert _longest_first(Lengths(), ["2", "broken", "10", "4", "04"]) == ["10", "4", "04", "2", "broken"]
