"""The experiments on generated sequences: what they write, what their numbers must obey, and one line for wrong inputs."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
import torch
from layouts import tree, write_davis

from ikebook.base.compute import Compute
from ikebook.cli import main
from ikebook.cycle import CycleOptions
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import toy
from ikebook.experiments import EXPERIMENTS, common, cycles, initialisation, spectrum, window
from ikebook.experiments.common import Setup, mean_j, read_annotated, text_table
from ikebook.experiments.initialisation import EXACT, GRAPHS, ITERATIONS, STARTS, TRUTH, SpanSystem, iterate, near
from ikebook.graph.graph_module import build, segment
from ikebook.graph.presets import override, preset
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.solvers.exact import exact
from ikebook.solvers.power import power_steps, start_labels

SEQUENCES = ["disc", "two_objects"]
FILES = {
    "initialisation": {"initialisation.csv", "initialisation.png"},
    "window": {"window.csv", "window.png"},
    "spectrum": {"spectrum.csv", "spectrum-disc.png", "spectrum-two_objects.png"},
}
SIZES = {"initialisation": "32x24", "window": "32x24", "spectrum": "12x12"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_davis(tmp_path_factory.mktemp("davis"), SEQUENCES, size=(48, 32), frames=6)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "out"


@pytest.fixture
def cli(capsys):
    def run(*arguments) -> tuple[int, str, str]:
        code = main(["experiment", *(str(argument) for argument in arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def setup_of(root, out, name, sequences=SEQUENCES, **more) -> Setup:
    w, h = map(int, SIZES[name].split("x"))
    return Setup(dataset=Davis2016(root), out=out, sequences=sequences, size=(w, h), **more)


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", FILES)
def test_each_writes_its_figure_and_its_numbers(name, cli, root, out) -> None:
    sequences = ",".join(SEQUENCES) if name == "spectrum" else "disc"
    code, printed, _ = cli(name, "--root", root, "--out", out, "--size", SIZES[name], "--sequences", sequences)
    assert code == 0
    assert tree(out) == FILES[name]
    assert printed.splitlines()[-1].startswith(f"Written to {out}: {name}.csv, ")
    assert set(printed.splitlines()[-1].split(": ")[1].split(", ")) == FILES[name]
    for file in sorted(FILES[name] - {f"{name}.csv"}):
        picture = cv2.imread(str(out / file))
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 10
    rows = rows_of(out / f"{name}.csv")
    assert len(rows) > 15
    assert any(key.startswith("paper") for key in rows[0])


def test_the_table_of_text_is_aligned() -> None:
    assert text_table([{"name": "a", "J": "1.0"}, {"name": "bcdef", "J": "10.0"}]) == (
        "name      J\na       1.0\nbcdef  10.0"
    )


class TestInitialisation:
    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, root, tmp_path_factory):
        folder = tmp_path_factory.mktemp("initialisation")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IKEBOOK_CACHE", str(folder))
            return initialisation.measure(setup_of(root, folder, "initialisation"))

    @pytest.mark.parametrize("name", ["paper", "default"])
    @pytest.mark.parametrize("kind", ["disc", "deforming", "two_objects"])
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_the_small_iteration_is_algorithm_2(self, name, kind, seed) -> None:
        made = toy(kind, (24, 16), 5, seed=seed)
        matrix = build(made.clip, made.flow, options=preset(name), compute=Compute(dtype=torch.float64))
        start = start_labels("uniform", 5, (24, 16), seed=seed, dtype=torch.float64)
        system = SpanSystem.of(matrix, [start.view(5, 16, 24)])
        found = system.labels(iterate(system.small, system.firsts[:, 0], 12)).flatten(1)
        begin = matrix.motion.matvec(start)  # `power_steps` projects before its first step, and Algorithm 2 after it
        steps = [s.labels for s in power_steps(matrix, begin, iterations=11, tolerance=0) if s.step[0] in "sn"]
        assert len(steps) == len(found) == 12
        assert (found - torch.stack(steps)).abs().max() < 1e-9

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_from_every_start_it_tends_to_the_eigenvector(self, seed) -> None:
        made = toy("disc", (24, 16), 6, seed=seed)
        matrix = build(made.clip, made.flow, options=preset("saliency"), compute=Compute(dtype=torch.float64))
        assert made.clip.masks is not None
        starts = [start_labels(kind, 6, (24, 16), seed=seed) for kind in ("uniform", "constant", "gaussian")]
        starts = [start.reshape(6, 16, 24) for start in (*starts, torch.from_numpy(made.clip.masks))]
        system = SpanSystem.of(matrix, starts)
        assert system.ratio < 0.95
        for first in system.firsts.T:
            cosines = (system.vectors[:, 0] @ iterate(system.small, first, 500)).abs()
            assert cosines[-1] > 1 - 1e-9
            assert (cosines.diff() > -1e-9).all()  # it never turns away
        vector = exact(matrix).vectors[0]
        assert (system.labels(system.vectors[:, :1]).flatten() @ vector).abs() > 1 - 1e-9
        again = SpanSystem.of(matrix, [vector.view(6, 16, 24)]).firsts[:, 0]
        assert abs(again @ system.vectors[:, 0]) > (1 - 1e-9) * again.norm()

    def test_what_starts_at_the_eigenvector_stays_there(self, rows) -> None:
        chosen = [row for row in rows if row["start"] == EXACT]
        assert len(chosen) == (ITERATIONS + 1) * len(GRAPHS) * (1 + len(SEQUENCES))
        assert min(row["cosine_exact"] for row in chosen) > 1 - 1e-4

    def test_what_starts_at_the_truth_begins_there(self, rows) -> None:
        chosen = [row for row in rows if row["start"] == TRUTH and row["iteration"] == 0]
        assert min(row["cosine_truth"] for row in chosen) == pytest.approx(1)
        assert all(row["J"] == 1 for row in chosen if row["features"] == "paper")

    def test_it_draws_near_in_every_step(self, rows) -> None:
        for name in SEQUENCES:
            for graph in GRAPHS:
                for start in STARTS:
                    path = [
                        row["cosine_exact"]
                        for row in rows
                        if (row["sequence"], row["features"], row["flow"], row["start"]) == (name, *graph, start)
                    ]
                    assert len(path) == ITERATIONS + 1
                    assert (np.diff(path[1:]) > -1e-5).all()

    def test_every_number_is_a_share(self, rows) -> None:
        for row in rows:
            assert 0 <= row["J"] <= 1
            assert 0 <= row["cosine_truth"] <= 1 + 1e-6
            assert 0 <= row["cosine_exact"] <= 1 + 1e-6

    def test_the_means_are_those_of_the_sequences(self, rows) -> None:
        def key(row):
            return row["features"], row["flow"], row["start"], row["iteration"]

        means = {key(row): row for row in rows if row["sequence"] == "mean"}
        assert len(means) == (ITERATIONS + 1) * len(GRAPHS) * len(STARTS)
        for at in list(means)[::37]:
            for number in ("J", "cosine_truth", "cosine_exact"):
                each = [row[number] for row in rows if row["sequence"] != "mean" and key(row) == at]
                assert means[at][number] == pytest.approx(np.mean(each))

    def test_a_start_that_has_nothing_in_common_stays_nothing(self) -> None:
        made = toy("disc", (24, 16), 5)
        matrix = build(made.clip, made.flow, options=preset("default"))
        system = SpanSystem.of(matrix, [torch.zeros(5, 16, 24), torch.ones(5, 16, 24)])
        assert iterate(system.small, system.firsts[:, 0]).norm() == 0
        assert iterate(system.small, system.firsts[:, 1]).norm(dim=0).min() == pytest.approx(1)  # M 1 is no constant

    def test_what_stands_for_a_networks_masks_is_nearly_right(self) -> None:
        for kind in ("disc", "deforming"):
            masks = toy(kind, (96, 64), 4).clip.masks
            assert masks is not None
            found = near(masks)
            assert found.dtype == np.float32
            assert 0 <= found.min() < 0.01
            assert 0.9 < found.max() <= 1
            assert 0.6 < mean_j(found, 0.5, masks) < 1

    def test_a_clip_in_which_nothing_moves(self, cli, out, tmp_path) -> None:
        still = write_davis(tmp_path / "davis", ["still"], size=(32, 24), frames=4)
        code, printed, error = cli("initialisation", "--root", still, "--out", out, "--size", "32x24")
        assert (code, printed) == (2, "")
        assert "nothing moves against the scene" in error
        assert not out.exists()


class TestWindow:
    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, root, tmp_path_factory):
        folder = tmp_path_factory.mktemp("window")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IKEBOOK_CACHE", str(folder))
            return window.measure(setup_of(root, folder, "window"))

    def test_its_numbers_are_those_of_segment(self, rows, root, out) -> None:
        assert [row["chain_size"] for row in rows if row["features"] == "saliency"] == [1, 3, 5, 7, 9, 11, 13]
        assert all(row["chain_size"] == 2 * row["q"] + 1 for row in rows)
        assert all(0 <= row["J"] <= 1 for row in rows)
        for row in rows:
            assert row["J"] == pytest.approx(np.mean([row[f"J {name}"] for name in SEQUENCES]))
        annotated = read_annotated(setup_of(root, out, "window"), "disc")
        for features, size, options in (
            ("saliency", 7, preset("saliency")),
            ("displacements, as printed", 11, override(preset("paper"), "solver.method=exact")),
        ):
            result = segment(annotated.clip, annotated.flow("dis"), options=options)
            row = next(row for row in rows if (row["features"], row["chain_size"]) == (features, size))
            assert row["J disc"] == mean_j(result.soft, result.threshold, annotated.truth)

    def test_what_the_paper_found_stands_beside(self, rows) -> None:
        text = window.chain_size_table(rows)
        lines = {line.split()[0]: line for line in text.splitlines()[1:]}
        assert lines["3"].endswith("best on DAVIS")
        assert lines["13"].endswith("best on YouTube-Objects and SegTrack")
        assert lines["1"].split()[1:3] == ["-", "-"]


class TestSpectrum:
    @pytest.fixture(scope="class")
    @classmethod
    def spectra(cls, root, tmp_path_factory):
        folder = tmp_path_factory.mktemp("spectrum")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IKEBOOK_CACHE", str(folder))
            return spectrum.measure(setup_of(root, folder, "spectrum"), "disc")

    def test_all_configurations_are_there(self, spectra) -> None:
        made_with = {(s.preset, s.flow, s.cues) for s in spectra}
        assert made_with == {
            (p, f, c) for p in ("paper", "saliency") for f in ("dis", "farneback") for c in (False, True)
        }
        assert len(spectra) == 8

    def test_eigenvalues_are_those_of_the_matrix(self, spectra) -> None:
        for s in spectra:
            values = np.linalg.eigvalsh(s.matrix)
            assert np.abs(s.values - values[::-1][:6]).max() < 1e-9 * np.abs(values).max()
            assert np.abs(s.matrix - s.matrix.T).max() < 1e-9 * np.abs(s.matrix).max()

    def test_shares_of_the_blocks_add_up(self, spectra) -> None:
        for s in spectra:
            shares, row = s.shares(), s.row("disc")
            assert sum(shares.values()) == pytest.approx(1)
            k, n = s.objects, len(s.matrix)
            assert shares["object"] == pytest.approx(np.abs(s.matrix[:k, :k]).sum() / np.abs(s.matrix).sum())
            part = (k / n) ** 2
            assert row["density_object"] * part + row["density_elsewhere"] * (1 - part) == pytest.approx(1)
            assert row["gap"] == pytest.approx(row["lambda_1"] - row["lambda_2"])
            assert all(0 <= row[f"cosine_{i}"] <= 1 + 1e-9 for i in range(1, 7))

    def test_nodes_of_the_object_come_first(self, spectra, root, out) -> None:
        setup = setup_of(root, out, "spectrum")
        annotated = read_annotated(setup, "disc", 5)
        matrix = build(
            annotated.clip, annotated.flow("dis"), options=preset("saliency"), compute=Compute(dtype=torch.float64)
        )
        plain = matrix.dense().numpy()
        chosen = next(s for s in spectra if (s.preset, s.flow, s.cues) == ("saliency", "dis", False))
        inside = annotated.truth.reshape(-1)
        assert chosen.objects == inside.sum()
        assert chosen.matrix[: chosen.objects, : chosen.objects] == pytest.approx(plain[np.ix_(inside, inside)])
        assert chosen.matrix[chosen.objects :, : chosen.objects] == pytest.approx(plain[np.ix_(~inside, inside)])

    @pytest.mark.parametrize("seed", range(4))
    def test_good_cues_are_good(self, seed) -> None:
        masks = toy("disc", (16, 16), 5).clip.masks
        assert masks is not None
        maps = np.asarray(spectrum.good_cue(masks.astype(np.float32), seed).maps)
        assert maps.min() >= 0
        assert maps.max() <= 1
        assert np.corrcoef(maps.ravel(), masks.ravel())[0, 1] > 0.5
        assert np.array_equal(maps, np.asarray(spectrum.good_cue(masks.astype(np.float32), seed).maps))
        assert not np.array_equal(maps, np.asarray(spectrum.good_cue(masks.astype(np.float32), seed + 1).maps))

    def test_cues_of_ones_own(self, cli, root, out, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(spectrum, "draw", lambda *_: None)
        maps = np.random.default_rng(0).random((6, 16, 16))
        (tmp_path / "cues" / "disc").mkdir(parents=True)
        for index, values in enumerate(maps):  # of all frames, though five are used
            np.save(tmp_path / "cues" / "disc" / f"{index:05d}.npy", values)
        common_options = ["--root", root, "--sequences", "disc", "--size", SIZES["spectrum"]]
        assert cli("spectrum", *common_options, "--out", out / "own", "--cue", tmp_path / "cues")[0] == 0
        assert cli("spectrum", *common_options, "--out", out / "good")[0] == 0
        chosen, good = (rows_of(out / folder / "spectrum.csv") for folder in ("own", "good"))
        for mine, theirs in zip(chosen, good, strict=True):
            assert (mine["lambda_1"] == theirs["lambda_1"]) == (mine["cues"] == "False")


class TestWrongInputs:
    @pytest.fixture
    def refused(self, cli, out):
        def run(*arguments) -> str:
            code, printed, error = cli(*arguments, "--out", out)
            assert (code, printed) == (2, "")
            assert len(error.splitlines()) == 1
            assert error.startswith("ikebook: ")
            assert not out.exists()
            return error

        return run

    @pytest.mark.parametrize("name", EXPERIMENTS)
    def test_sequences_and_roots(self, name, refused, root, tmp_path) -> None:
        error = refused(name, "--root", root, "--sequences", "disc,nope")
        assert "sequence 'nope' is not in davis2016; name some of disc, two_objects" in error
        assert "is no DAVIS 2016" in refused(name, "--root", tmp_path / "missing")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nope"], "experiment is 'nope'; expected one of 'initialisation', 'window', 'spectrum', 'cycles'"),
            (["spectrum"], "sequence 'car-roundabout' is not in davis2016"),
            (["window", "--size", "huge"], "--size is 'huge'"),
            (["window", "--cue", "maps"], "--cue is of no use with window"),
            (["spectrum", "--sequences", "disc", "--cue", "maps"], "maps/disc is no folder"),
            (["spectrum", "--sequences", "disc", "--size", "96x64"], "dense matrices are built up to 16384 x 16384"),
        ],
    )
    def test_options(self, arguments, message, refused, root) -> None:
        assert message in refused(*arguments, "--root", root)

    def test_out_is_a_file(self, cli, root, tmp_path) -> None:
        (tmp_path / "file").write_text("")
        code, _, error = cli("window", "--root", root, "--out", tmp_path / "file")
        assert code == 2
        assert "is a file; name a folder" in error

    @pytest.mark.parametrize("name", ["window", "spectrum"])
    def test_nothing_is_left_half_written(self, name, cli, root, out, monkeypatch) -> None:
        def fail(self, target, **options) -> None:
            target.write_bytes(b"half a picture")
            raise OSError(28, "No space left on device", str(target))

        monkeypatch.setattr(common.Figure, "savefig", fail)
        code, _, error = cli(name, "--root", root, "--out", out, "--sequences", "disc", "--size", "8x8")
        assert code == 2
        assert "No space left on device" in error
        assert tree(out) == {f"{name}.csv"}

    def test_a_sequence_of_two_frames(self, refused, tmp_path) -> None:
        short = write_davis(tmp_path / "davis", ["disc"], size=(32, 24), frames=2)
        assert "has 2 frames; the experiments need three or more" in refused("window", "--root", short)


def test_the_help_names_them_all(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["experiment", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, experiment in EXPERIMENTS.items():
        assert name in text
        assert "{}x{}".format(*experiment.size) in text
        for sequence in experiment.sequences or ():
            assert sequence in text


class TestCycles:
    """Fig. 9 and Table 3, with a network that learns in no time."""

    @pytest.fixture
    def tiny(self, monkeypatch):
        learning = CycleOptions(
            network=NetworkOptions(widths=(8,), dilations=(1,), stem=1), training=TrainOptions(epochs=1)
        )
        monkeypatch.setitem(cycles.VARIANTS, "with network", learning)

    def test_scores_and_changes_after_each_half(self, tiny, cli, root, out) -> None:
        code, printed, _ = cli("cycles", "--root", root, "--out", out, "--size", "32x24")
        assert code == 0
        rows = rows_of(out / "cycles.csv")
        halves = [(row["variant"], row["cycle"], row["module"]) for row in rows]
        first, second = "with network", "without network"
        assert halves == [
            *((first, cycle, module) for cycle, module in zip("11223", ["graph", "network"] * 3, strict=False)),
            *((second, cycle, "graph") for cycle in "123"),
        ]
        assert [row["paper_J_change"] for row in rows] == ["", "7.0", "10.4", "2.1", "1.7", "", "1.3", "0.4"]
        j = [float(row["J_mean"]) for row in rows]
        assert j[0] == j[5]  # the first graph is the same
        assert float(rows[4]["J_change"]) == pytest.approx(100 * (j[4] - j[2]) / j[2])
        for row in rows:
            scores = json.loads((out / row["variant"].replace(" ", "-") / "results.json").read_text(encoding="utf-8"))
            found = [
                half["J_mean"]
                for entry in scores["sequences"].values()
                for half in entry["cycles"]
                if (str(half["cycle"]), half["module"]) == (row["cycle"], row["module"])
            ]
            assert float(row["J_mean"]) == pytest.approx(np.mean(found))
        assert cv2.imread(str(out / "cycles.png")).std() > 10
        again, printed_again, _ = cli("cycles", "--root", root, "--out", out, "--size", "32x24")
        assert (again, printed_again) == (0, printed)
