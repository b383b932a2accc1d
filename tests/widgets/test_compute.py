"""The widgets that compute, without a browser: every trait and button, and the numbers that they show."""

from __future__ import annotations

import html
import math
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from ikebook import cycle as cycle_module
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.cycle import CycleOptions
from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.graph.presets import override, preset
from ikebook.graph.principal import solve_graph
from ikebook.matrix.orders import node_order
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.solvers.replay import Replay
from ikebook.solvers.theory import convergence
from ikebook.video.clip import Clip
from ikebook.widgets import (
    CycleDashboard,
    InitialisationRace,
    MatrixExplorer,
    PowerIterationStepper,
    SpectrumExplorer,
    VideoCanvas,
)
from ikebook.widgets import cycle_dashboard as dashboard_module

ALL = [CycleDashboard, InitialisationRace, MatrixExplorer, PowerIterationStepper, SpectrumExplorer]

TINY = CycleOptions(
    cycles=2,
    network=NetworkOptions(widths=(8, 16), dilations=(1, 2), stem=1),
    training=TrainOptions(epochs=2, rate=1e-2, batch=3),
    tolerance=0.0,
)


@pytest.fixture(scope="module")
def made():
    return toy("disc", (16, 16), 5)


@pytest.fixture(scope="module")
def short():
    """Where a matrix is built, and it does not matter which: its eigenvalues take a fifth of the time of five frames."""
    return toy("disc", (16, 16), 3)


@pytest.fixture(scope="module")
def larger():
    return toy("disc", (32, 24), 6)


@pytest.fixture(scope="module")
def solved(made):
    return solve_graph(made.clip, made.flow, compute=Compute(dtype=torch.float64))


@pytest.fixture(scope="module")
def exchanged(larger):
    """What the dashboard has to find."""
    return list(cycle_module.exchange(larger.clip, larger.flow, options=TINY))


@pytest.fixture(scope="module")
def whole(made):
    return MatrixExplorer(made.clip, made.flow)


@pytest.fixture(scope="module")
def still():
    return toy("still", (16, 16), 3)


def shown(canvas: VideoCanvas) -> np.ndarray:
    """What a small canvas shows, in its values."""
    low, high = canvas.map_range
    return np.frombuffer(canvas.maps, np.uint8).reshape(canvas.shape) / 255 * (high - low) + low


def waited(widget, seconds: float = 60):
    assert widget.wait(seconds)
    return widget


@pytest.mark.parametrize("kind", ALL)
def test_flow_of_another_clip_and_unknown_options_are_refused(made, kind) -> None:
    other = toy("disc", (20, 16), 5)
    with pytest.raises(InputError, match="flow has 4 fields of 20x16"):
        kind(made.clip, other.flow)
    with pytest.raises(InputError, match=rf"{kind.__name__} has no option 'opitons'. Did you mean 'options'"):
        kind(made.clip, made.flow, opitons=preset("paper"))


@pytest.mark.parametrize("kind", ALL)
def test_their_names_are_stable_and_their_pages_need_no_network(short, kind, tmp_path) -> None:
    first, second = kind(short.clip, short.flow), kind(short.clip, short.flow)
    waited(first), waited(second)
    assert repr(first) == repr(second)
    assert repr(first).startswith(f"{kind.__name__}('disc', 3 frames of 16x16, ")
    assert first._repr_mimebundle_()["text/plain"] == repr(first)
    before = repr(first)
    first.save_html(tmp_path / "page.html", title="A page")
    text = (tmp_path / "page.html").read_text()
    assert "<h1>A page</h1>" in text
    assert "http://" not in text
    assert "https://" not in text
    assert repr(first) == before
    assert first.error == ""


class TestPowerIterationStepper:
    @pytest.fixture
    def stepper(self, made):
        return PowerIterationStepper(made.clip, made.flow, dense=True, pace=0.0)

    def test_it_steps_through_the_stages_and_back(self, stepper) -> None:
        assert (stepper.stage, stepper.iteration, stepper.start, stepper.preset) == ("start", 0, "noise", "default")
        seen = []
        for _ in range(6):
            stepper.step()
            seen.append((stepper.iteration, stepper.stage, stepper.labels.copy()))
        assert [one[1] for one in seen] == ["propagated", "projected", "normalised"] * 2
        assert [one[0] for one in seen] == [1, 1, 1, 2, 2, 2]
        assert (len(stepper.rayleigh), len(stepper.residuals), len(stepper.cosines)) == (2, 2, 3)
        assert math.isnan(stepper.rayleigh[0])
        stepper.back()
        assert (stepper.iteration, stepper.stage) == (2, "projected")
        assert (len(stepper.rayleigh), len(stepper.cosines)) == (1, 2)
        assert np.array_equal(stepper.labels, seen[4][2])
        for _ in range(9):
            stepper.back()
        assert (stepper.iteration, stepper.stage) == (0, "start")
        stepper.step()
        assert np.array_equal(stepper.labels, seen[0][2])

    def test_the_stages_are_those_of_the_matrices(self, solved, stepper) -> None:
        matrix = solved.matrix
        m, p = matrix.motion.dense().numpy(), matrix.projection.dense().numpy()
        x = stepper.labels.reshape(-1)
        stepper.step()
        x = m @ (x / np.linalg.norm(x))
        assert np.allclose(stepper.labels.reshape(-1), x)
        stepper.step()
        x = p @ x
        assert np.allclose(stepper.labels.reshape(-1), x)
        stepper.step()
        assert np.allclose(stepper.labels.reshape(-1), x / np.linalg.norm(x))
        assert np.allclose(shown(stepper.x), np.clip(stepper.sign * stepper.labels, *stepper.x.map_range), atol=0.01)

    @pytest.mark.parametrize("start", ["noise", "constant", "gaussian"])
    def test_playing_ends_at_the_eigenvector(self, solved, stepper, start) -> None:
        stepper.start = start
        stepper.play()
        waited(stepper)
        assert stepper.converged
        assert stepper.cosines[-1] > 0.99999
        assert stepper.residuals[-1] < 1e-6
        assert stepper.rayleigh[-1] == pytest.approx(float(solved.pairs.values[0]), rel=1e-8)
        assert np.allclose(stepper.sign * stepper.labels, solved.labels().numpy(), atol=1e-4)
        at = repr(stepper)
        stepper.step()  # there is nothing left to do
        assert repr(stepper) == at
        rate = convergence(solved.matrix, solved.labels().flatten() + 0.1).expected
        errors = np.sqrt(1 - np.array(stepper.cosines[1:5]) ** 2)
        assert errors[3] < 3 * errors[0] * max(rate, 0.05) ** 2

    @pytest.mark.parametrize(
        "corner", [(slice(0, 4), slice(0, 4)), (slice(12, 16), slice(8, 16)), (slice(6, 9), slice(6, 9))]
    )
    def test_whatever_is_painted_becomes_the_object(self, made, stepper, corner) -> None:
        painting = np.zeros((16, 16))
        painting[corner] = 1
        stepper.frames.frame = 2
        stepper.paint(painting)
        assert (stepper.start, stepper.stage) == ("painted", "start")
        assert stepper.start_menu.value == "painted"
        assert np.array_equal(stepper.labels[2], painting)
        assert not stepper.labels[[0, 1, 3, 4]].any()
        assert np.array_equal(stepper.frames.painting, stepper.labels)
        begin = stepper.cosines[0]
        stepper.play()
        waited(stepper)
        assert begin < 0.5
        assert stepper.cosines[-1] > 0.99999
        found = stepper.soft > 0.5
        assert (found & made.clip.masks).sum() / (found | made.clip.masks).sum() > 0.8

    def test_strokes_from_the_browser_start_anew(self, stepper) -> None:
        stepper.step()
        data = np.zeros((5, 16, 16), np.uint8)
        data[1, 3, 4] = 255
        stepper.frames.painted = data.tobytes()
        assert (stepper.start, stepper.stage, stepper.iteration) == ("painted", "start", 0)
        assert np.array_equal(stepper.labels, data / 255)
        stepper.frames.painted = bytes(5 * 16 * 16)  # cleared
        assert not stepper.labels.any()
        stepper.next_button.click()
        assert "nothing is painted yet" in stepper.error
        with pytest.raises(InputError, match="nothing is painted yet"):
            stepper.play()
        assert list(stepper.page_states()) == ["x(0)"]  # a page of it shows what there is
        stepper.start = "gaussian"
        stepper.next_button.click()
        waited(stepper)
        assert (stepper.error, stepper.stage) == ("", "propagated")

    def test_the_buttons_and_menus(self, stepper) -> None:
        stepper.ready()
        assert stepper.back_button.disabled
        stepper.next_button.click()
        waited(stepper)
        assert stepper.stage == "propagated"
        assert not stepper.back_button.disabled
        stepper.back_button.click()
        assert stepper.stage == "start"
        stepper.pace = 60.0
        stepper.play_button.click()
        assert stepper.playing
        assert stepper.play_button.description == "Pause"
        stepper.play_button.click()
        assert not stepper.playing
        assert stepper.play_button.description == "Play"
        stepper.restart_button.click()
        assert (stepper.iteration, stepper.stage) == (0, "start")
        stepper.start_menu.value = "constant"
        assert (stepper.start, float(stepper.labels.min())) == ("constant", 1.0)
        stepper.preset_menu.value = "paper"
        assert stepper.preset == "paper"
        stepper.step()
        assert stepper.error == ""

    def test_each_of_many_fast_clicks_counts(self, stepper) -> None:
        stepper.ready()
        for _ in range(9):
            stepper.next_button.click()
        waited(stepper)
        assert (stepper.iteration, stepper.stage) == (3, "normalised")
        stepper.next_button.click()
        waited(stepper)
        assert (stepper.iteration, stepper.stage) == (4, "propagated")

    def test_the_cosine_is_that_of_what_is_shown(self, solved, stepper) -> None:
        exact = solved.labels().flatten().numpy()
        for _ in range(5):
            stepper.step()
            x = stepper.labels.reshape(-1)
            cosine = abs(x @ exact) / np.linalg.norm(x)
            assert f"to the exact vector: {cosine:.4f}." in stepper.words.value

    def test_presets(self, made, stepper) -> None:
        stepper.preset = "released"
        stepper.play()
        waited(stepper)
        assert stepper.iteration == 20  # a rule that is not linear converges to no eigenvector
        assert stepper.sign == 1
        assert all(math.isnan(value) for value in stepper.rayleigh)
        assert "Ended after 20 iterations" in stepper.words.value
        assert "length 1" not in stepper.words.value
        assert "each frame to [0, 1]" in stepper.chips.value
        assert PowerIterationStepper(made.clip, made.flow, options=preset("paper")).preset == "paper"
        own = PowerIterationStepper(made.clip, made.flow, options=override(preset("paper"), "motion.radius=3"))
        assert own.preset == "own"
        own.step()
        own.preset = "default"
        own.step()
        assert own.stage == "propagated"
        with pytest.raises(InputError, match="preset is 'own'"):
            stepper.preset = "own"

    def test_implicit_and_dense_are_one(self, made, stepper) -> None:
        implicit = PowerIterationStepper(made.clip, made.flow)
        for _ in range(5):
            implicit.step(), stepper.step()
        assert np.allclose(implicit.labels, stepper.labels, atol=5e-5 * np.abs(stepper.labels).max())

    def test_old_steps_are_dropped_where_there_is_no_room(self, made, monkeypatch) -> None:
        monkeypatch.setitem(Replay.__init__.__kwdefaults__, "keep", 6 * 1280 * 4)
        stepper = PowerIterationStepper(made.clip, made.flow)
        for _ in range(9):
            stepper.step()
        for _ in range(5):
            stepper.back()
        with pytest.raises(InputError, match=r"the last 6 are\. Begin anew"):
            stepper.back()
        assert len(stepper.cosines) == 2
        stepper.restart()
        assert (stepper.stage, len(stepper.cosines)) == ("start", 1)

    def test_where_nothing_moves(self, still) -> None:
        stepper = PowerIterationStepper(still.clip, still.flow)
        stepper.step()
        assert "Nothing moves" in stepper.words.value
        assert math.isnan(stepper.cosines[0])
        stepper.play()
        waited(stepper)
        assert stepper.error == ""

    def test_bad_values(self, made, stepper) -> None:
        with pytest.raises(InputError, match="start is 'nose'; expected one of 'noise'"):
            stepper.start = "nose"
        with pytest.raises(InputError, match="start is 'x'"):
            PowerIterationStepper(made.clip, made.flow, start="x")
        with pytest.raises(InputError, match=r"map has shape \(3, 3\); expected \(16, 16\)"):
            stepper.paint(np.zeros((3, 3)))
        with pytest.raises(InputError, match="outside 0 to 1"):
            stepper.paint(np.full((16, 16), 2.0))
        with pytest.raises(InputError, match="outside 0 to 1"):
            stepper.paint(np.full((5, 16, 16), np.nan))
        with pytest.raises(InputError, match="pace is -1"):
            PowerIterationStepper(made.clip, made.flow, pace=-1)
        assert stepper.start == "noise"


class TestMatrixExplorer:
    @pytest.fixture
    def explorer(self, whole):
        whole.ready()  # a click that comes before has nothing to point at
        whole.order, whole.shown, whole.entry = "pixel", "PMP", None
        return whole

    def test_it_shows_each_matrix_in_each_order(self, made, solved, explorer) -> None:
        dense = {"M": solved.matrix.motion, "P": solved.matrix.projection, "PMP": solved.matrix}
        orders = {
            "pixel": np.arange(1280),
            "object": node_order("object", masks=made.clip.masks),
            "eigenvector": node_order("eigenvector", labels=solved.labels().numpy()),
        }
        for name, operator in dense.items():
            entries = operator.dense().numpy()
            assert np.allclose(explorer.facts and explorer.matrices[name], entries, atol=1e-12)
            explorer.shown = name
            for order, places in orders.items():
                explorer.order = order
                canvas = explorer.picture
                expected = np.clip(entries[np.ix_(places, places)], *canvas.map_range)
                found = _unpacked(canvas)
                assert np.abs(found - expected).max() < (canvas.map_range[1] - canvas.map_range[0]) / 255
        assert explorer.shown_menu.value == "PMP"
        assert explorer.order_menu.value == "eigenvector"

    def test_facts(self, explorer) -> None:
        explorer.shown = "M"
        assert explorer.facts["trace"] == 0
        assert explorer.facts["sparsity"] > 0.99
        assert explorer.facts["least"] < 0
        assert "99.68 %" in explorer._view.facts.value
        explorer.shown = "P"
        assert explorer.facts["trace"] == pytest.approx(explorer.facts["rank"])  # a projection
        assert explorer.facts["greatest"] == pytest.approx(1)
        explorer.shown = "PMP"
        assert explorer.facts["rank"] <= 7

    def test_a_click_marks_the_two_pixels_that_an_entry_joins(self, explorer) -> None:
        explorer.shown = "M"
        column, row = 256 + 2 * 16 + 5, 3 * 16 + 7
        explorer.picture.picked = [0, column, row]
        assert explorer.entry == (row, column)
        assert explorer.joined == ((0, 7, 3), (1, 5, 2))
        assert (explorer.row_frame.frame, explorer.column_frame.frame) == (0, 1)
        (mark,) = explorer.column_frame.points
        assert (mark["frame"], mark["x"], mark["y"]) == (1, 5, 2)
        assert explorer.value == explorer.matrices["M"][row, column] == 0
        assert "No motion chain joins" in explorer.words.value
        there = np.argwhere(explorer.matrices["M"] > 0)[0]
        explorer.entry = tuple(int(k) for k in there)
        assert explorer.value > 0
        assert "A motion chain joins the two pixels, 1 frame apart" in explorer.words.value

    def test_the_pixels_stay_when_the_order_changes(self, explorer) -> None:
        explorer.pick((0, 8, 7), (3, 5, 4))
        joined, value, before = explorer.joined, explorer.value, explorer.entry
        assert joined == ((0, 8, 7), (3, 5, 4))
        for order in ("object", "eigenvector"):
            explorer.order = order
            assert (explorer.joined, explorer.value) == (joined, value)
            assert explorer.entry != before
        explorer.order_menu.value = "pixel"
        assert explorer.entry == before
        assert explorer.picture.points[0]["x"] == before[1]

    def test_bad_values(self, short, explorer) -> None:
        with pytest.raises(InputError, match="order is 'size'"):
            explorer.order = "size"
        with pytest.raises(InputError, match="shown is 'A'"):
            explorer.shown = "A"
        with pytest.raises(InputError, match="entry's column is 1280; expected 1279 or less"):
            explorer.entry = (0, 1280)
        with pytest.raises(InputError, match=r"expected \(row, column\)"):
            explorer.entry = 3
        with pytest.raises(InputError, match="frame is 5; expected 4 or less"):
            explorer.pick((5, 0, 0), (0, 0, 0))
        assert explorer.entry is None
        blind = replace(short.clip, masks=None)
        with pytest.raises(InputError, match="needs the clip's masks"):
            MatrixExplorer(blind, short.flow, order="object")
        explorer = MatrixExplorer(blind, short.flow, order="eigenvector")
        assert len(explorer.order_menu.options) == 2
        assert waited(explorer).error == ""

    def test_a_clip_too_large_is_refused_with_a_hint(self) -> None:
        large = toy("disc", (32, 32), 5)
        with pytest.raises(InputError, match=r"has 5120 nodes .* up to 2600 nodes. Give a toy, or clip.first\(5\)"):
            MatrixExplorer(large.clip, large.flow)

    def test_where_nothing_moves(self, still) -> None:
        explorer = MatrixExplorer(still.clip, still.flow, order="eigenvector")
        assert explorer.facts["rank"] == 0
        assert explorer.error == ""


def _unpacked(canvas: VideoCanvas) -> np.ndarray:
    data = canvas.maps
    raw = zlib.decompress(data[4:]) if data[:4] == b"IKEZ" else data
    low, high = canvas.map_range
    return np.frombuffer(raw, np.uint8).reshape(canvas.shape)[0] / 255 * (high - low) + low


class TestSpectrumExplorer:
    @pytest.fixture
    def explorer(self, made):
        return SpectrumExplorer(made.clip, made.flow, options=preset("saliency"))

    @pytest.fixture
    def quick(self, short):
        return SpectrumExplorer(short.clip, short.flow, options=preset("saliency"))

    def test_eigenvalues_and_eigenvectors(self, made, explorer) -> None:
        solved = solve_graph(made.clip, made.flow, options=preset("saliency"), compute=Compute(dtype=torch.float64))
        assert explorer.values == pytest.approx([float(value) for value in solved.pairs.values])
        assert explorer.gap == pytest.approx(explorer.values[0] - explorer.values[1])
        count = len(explorer.values)
        assert 3 < count == len(explorer.choice.options) == len(explorer.mixing.values)
        least = f"{solved.pairs.ends[0]:.3g}".replace("-", "\u2212")
        assert f"A's least eigenvalue is {least}." in html.unescape(explorer._view.words.value)
        for k in range(count):
            explorer.choice.value = k
            assert explorer.selected == k
            assert explorer.weights == [float(other == k) for other in range(count)]
            assert explorer.mixing.weights == explorer.weights
            assert np.allclose(explorer.labels, solved.labels(k).numpy(), atol=1e-6)
            assert explorer.mixture.caption == f"eigenvector {k + 1}"
            expected = np.clip(explorer.labels, *explorer.mixture.map_range)
            assert np.allclose(shown(explorer.mixture), expected, atol=explorer.mixture.map_range[1] / 100)

    def test_what_is_chosen_before_the_graph_is_there_stays_chosen(self, made, monkeypatch) -> None:
        go, solve = threading.Event(), SpectrumExplorer._solve

        def late(explorer, flow, pairs):
            assert go.wait(30)
            return solve(explorer, flow, pairs)

        monkeypatch.setattr(SpectrumExplorer, "_solve", late)
        explorer = SpectrumExplorer(made.clip, made.flow, options=preset("saliency"))
        explorer.selected = 1
        go.set()
        explorer.ready()
        assert explorer.selected == 1
        assert explorer.weights[:2] == [0.0, 1.0]
        assert explorer.choice.value == 1

    def test_mixing(self, explorer) -> None:
        explorer.ready()
        first, second = explorer._vectors[:2]
        count = len(explorer.values)
        explorer.mixing.weights = [1.0, -0.5] + [0.0] * (count - 2)  # as the browser sends them
        assert explorer.weights == [1.0, -0.5] + [0.0] * (count - 2)
        assert np.allclose(explorer.labels, first - 0.5 * second)
        assert explorer.mixture.caption == "1 v1 \u2212 0.5 v2"
        assert explorer.choice.value is None  # no eigenvector is what is shown
        explorer.choice.value = 0
        assert explorer.weights == [1.0] + [0.0] * (count - 1)
        assert explorer.mixture.caption == "eigenvector 1"
        explorer.weights = [0.0] * count
        assert "nothing" in explorer.mixture.caption
        assert explorer.mixing.weights == [0.0] * count
        with pytest.raises(InputError, match=f"weights has 2 numbers; expected {count}"):
            explorer.weights = [1.0, 0.0]
        with pytest.raises(InputError, match="from -1 to 1"):
            explorer.weights = [2.0] + [0.0] * (count - 1)
        with pytest.raises(InputError, match=f"selected is 9; expected {count - 1} or less"):
            explorer.selected = 9

    def test_noise_turns_the_vector_no_further_than_davis_and_kahan_allow(self, quick) -> None:
        assert math.isnan(quick.moved)
        moved = []
        for noise in (0.02, 0.1, 0.5):
            quick.noise = noise
            waited(quick)
            assert quick.error == ""
            assert 0 < quick.moved <= quick.bound
            assert quick.printed > 0
            assert f"{noise:g} px of noise" in quick.noisy.caption
            moved.append(quick.moved)
        assert moved == sorted(moved)
        assert len(quick._points) == 3
        quick.noise_slider.value = 0.0
        waited(quick)
        assert quick.moved < 1e-6
        assert quick.bound < 1e-3

    def test_of_many_moves_of_the_slider_the_last_counts(self, quick) -> None:
        quick.ready()
        for noise in (0.1, 0.2, 0.3, 0.4):
            quick.noise_slider.value = noise
        waited(quick)
        assert list(quick._points) == [0.4]
        quick.noise = 0.7
        quick.bar.button.click()
        waited(quick)
        assert list(quick._points) == [0.4]
        assert quick.error == ""

    def test_bad_values(self, made, explorer, still) -> None:
        with pytest.raises(InputError, match=r"noise is -1\.0"):
            explorer.noise = -1.0
        with pytest.raises(InputError, match="expected 100 or less"):
            explorer.noise = 1e6
        with pytest.raises(InputError, match="pairs is 1"):
            SpectrumExplorer(made.clip, made.flow, pairs=1)
        nothing = SpectrumExplorer(still.clip, still.flow)
        waited(nothing)
        assert "nothing moves against the scene" in nothing.error
        assert 'role="alert"' in nothing.bar.alert.value
        with pytest.raises(InputError, match="nothing moves"):
            nothing.values  # noqa: B018


class TestInitialisationRace:
    def test_all_starts_come_to_the_same_answer(self, made) -> None:
        race = InitialisationRace(made.clip, made.flow, iterations=12)
        assert race.curves == {"J": {name: [] for name in race.starts}, "cosine": {name: [] for name in race.starts}}
        race.run()
        assert race.iteration == 12
        for name in ("noise", "constant", "gaussian", "left half", "truth"):
            assert len(race.curves["cosine"][name]) == len(race.curves["J"][name]) == 13
            assert race.curves["cosine"][name][-1] > 0.9999
            assert race.curves["J"][name][-1] == race.curves["J"]["truth"][-1]
        assert race.curves["J"]["truth"][0] == 1.0
        assert "5 of 5 starts" in race.words.value
        last = [shown(canvas) for canvas in race.canvases.values()]
        assert all(np.allclose(one / np.abs(one).max(), last[0] / np.abs(last[0]).max(), atol=0.03) for one in last)
        race.slider.value = 0
        assert race.iteration == 0
        assert np.allclose(shown(race.canvases["truth"]), made.clip.masks, atol=0.01)
        assert race.canvases["truth"].caption.startswith("truth: 0.933")
        with pytest.raises(InputError, match="iteration is 13; expected 12 or less"):
            race.iteration = 13

    @pytest.mark.parametrize("name", ["paper", "released"])
    def test_other_presets(self, made, name) -> None:
        race = InitialisationRace(
            made.clip, made.flow, options=preset(name), starts=("noise", "wide gaussian"), iterations=4
        )
        race.run()
        assert len(race.curves["cosine"]["noise"]) == 5
        assert race.error == ""

    def test_own_maps_and_clips_without_masks(self, made) -> None:
        blind = replace(made.clip, masks=None)
        race = InitialisationRace(blind, made.flow, starts={"mine": made.clip.masks}, iterations=3)
        assert race.starts["mine"].dtype == np.float32  # masks are shown as labels are, from the start
        race.run()
        assert race.curves["J"] == {}
        assert race.curves["cosine"]["mine"][0] > 0.8
        assert "truth" not in InitialisationRace(blind, made.flow).starts
        with pytest.raises(InputError, match="'truth' needs masks"):
            InitialisationRace(blind, made.flow, starts=("truth",))

    def test_the_button_runs_and_stops(self, made, monkeypatch) -> None:
        race = InitialisationRace(made.clip, made.flow, starts=("noise",))
        race.ready()
        monkeypatch.setattr("ikebook.widgets.initialisation_race.PACE", 60.0)
        race.run_button.click()
        assert race.run_button.description == "Stop"
        assert not race.wait(0.2)
        race.run_button.click()
        waited(race)
        assert race.run_button.description == "Run"
        assert (race.iteration, race.error) == (0, "")
        monkeypatch.setattr("ikebook.widgets.initialisation_race.PACE", 0.0)
        race.run_button.click()
        waited(race)
        assert race.iteration == 20

    def test_bad_values(self, made, still) -> None:
        with pytest.raises(InputError, match="start is 'nois'"):
            InitialisationRace(made.clip, made.flow, starts=("nois",))
        with pytest.raises(InputError, match=r"start 'a' has shape \(2, 2\)"):
            InitialisationRace(made.clip, made.flow, starts={"a": np.zeros((2, 2))})
        with pytest.raises(InputError, match="NaN or infinite"):
            InitialisationRace(made.clip, made.flow, starts={"a": np.full((5, 16, 16), np.nan)})
        with pytest.raises(InputError, match="expected 1 to 8"):
            InitialisationRace(made.clip, made.flow, starts=())
        with pytest.raises(InputError, match="iterations is 0"):
            InitialisationRace(made.clip, made.flow, iterations=0)
        nothing = InitialisationRace(still.clip, still.flow)
        with pytest.raises(InputError, match="nothing moves"):
            nothing.run()
        assert "nothing moves" in nothing.error


class TestCycleDashboard:
    def test_it_runs_the_exchange_and_shows_each_half(self, larger, exchanged) -> None:
        dashboard = CycleDashboard(larger.clip, larger.flow, options=TINY)
        assert (dashboard.state, dashboard.states, dashboard.error) == ("ready", [], "")
        assert dashboard.stop_button.disabled
        dashboard.start_button.click()
        waited(dashboard)
        assert (dashboard.state, dashboard.error) == ("done", "")
        assert [state.module for state in dashboard.states] == ["graph", "network", "graph"]
        for ours, theirs in zip(dashboard.states, exchanged, strict=True):
            assert np.array_equal(ours.soft, theirs.soft)
        assert dashboard.scores == [state.score for state in exchanged]
        assert dashboard.losses == {1: exchanged[1].training.losses}
        assert [name for name, _ in dashboard.tabs.options] == ["graph 1", "network 1", "graph 2"]
        assert dashboard.shown == 2
        assert "Done: all cycles are done" in dashboard.words.value
        assert f"{dashboard.scores[2]:.3f}" in dashboard._view.scores.value
        dashboard.tabs.value = 1
        assert dashboard.shown == 1
        # Side by side: what the network learned, and what it was taught by.
        assert "Network Module 1: s" in dashboard.network_video.caption
        assert np.allclose(shown(dashboard.network_video), dashboard.states[1].soft, atol=0.01)
        assert np.allclose(shown(dashboard.graph_video), dashboard.states[0].soft, atol=0.01)
        curves = {curve["label"]: curve["values"] for curve in dashboard.playback.curves}
        assert list(curves) == ["J network 1", "J graph 1"]
        assert np.mean(curves["J network 1"]) == pytest.approx(dashboard.scores[1])
        dashboard.tabs.value = 0
        assert "nothing yet" in dashboard.network_video.caption
        with pytest.raises(InputError, match="shown is 3; expected 2 or less"):
            dashboard.shown = 3
        assert repr(dashboard) == "CycleDashboard('disc', 6 frames of 32x24, done, 3 half-cycles)"

    def test_scores_need_masks_and_change_nothing(self, larger) -> None:
        dashboard = CycleDashboard(replace(larger.clip, masks=None), larger.flow, options=replace(TINY, cycles=1))
        dashboard.start()
        waited(dashboard)
        assert dashboard.scores == [None]
        assert ">J<" not in dashboard._view.scores.value
        assert dashboard.playback.curves == []

    def test_it_pauses_within_a_training_goes_on_and_ends_as_if_it_had_not(self, larger, exchanged) -> None:
        dashboard = CycleDashboard(larger.clip, larger.flow, options=TINY)
        reached = threading.Event()
        show_progress = dashboard.bar.show

        def show(fraction, text):
            show_progress(fraction, text)
            if text.startswith("network 1: step 2"):
                dashboard.pause()
                reached.set()

        dashboard._progress = show
        dashboard.start()
        assert reached.wait(60)
        assert dashboard.state == "paused"
        assert not dashboard.wait(0.2)
        assert [state.module for state in dashboard.states] == ["graph"]
        assert dashboard.pause_button.description == "Continue"
        assert "Paused" in dashboard.words.value
        with pytest.raises(InputError, match="it is paused"):
            dashboard.start()
        dashboard.pause_button.click()
        waited(dashboard)
        assert dashboard.state == "done"
        assert np.array_equal(dashboard.states[-1].soft, exchanged[-1].soft)

    def test_the_network_is_shown_after_each_epoch(self, larger, monkeypatch) -> None:
        monkeypatch.setattr("ikebook.widgets.dashboard_view.BETWEEN", 0.0)
        dashboard = CycleDashboard(larger.clip, larger.flow, options=TINY)
        seen = []

        def look(change):
            if "learning" in change["new"]:
                seen.append((change["new"].rsplit(": ", 1)[1], shown(dashboard.network_video)))

        dashboard.network_video.observe(look, ["caption"])
        dashboard.start()
        waited(dashboard)
        assert [name for name, _ in seen] == ["learning, epoch 1", "learning, epoch 2"]
        assert np.abs(seen[1][1] - seen[0][1]).max() > 0.01
        assert dashboard.states[1].training is not None

    def test_it_stops_keeps_what_it_found_and_starts_anew(self, larger) -> None:
        dashboard = CycleDashboard(larger.clip, larger.flow, options=TINY)

        def show(fraction, text):
            if text.startswith("network 1: step 2"):
                dashboard.stop()

        dashboard._progress = show
        dashboard.start()
        waited(dashboard)
        assert (dashboard.state, dashboard.error) == ("stopped", "")
        assert [state.module for state in dashboard.states] == ["graph"]
        assert "Stopped" in dashboard.words.value
        assert dashboard.start_button.description == "Start again"
        dashboard._progress = lambda fraction, text: None
        dashboard.start()
        waited(dashboard)
        assert (dashboard.state, len(dashboard.states)) == ("done", 3)

    def test_an_error_is_shown_in_one_line(self, larger, monkeypatch) -> None:
        dashboard = CycleDashboard(larger.clip, larger.flow, options=TINY)

        def fails(*_, **__):
            raise RuntimeError("out of\nmemory")
            yield

        monkeypatch.setattr(dashboard_module, "exchange", fails)
        dashboard.start_button.click()
        waited(dashboard)
        assert dashboard.state == "failed"
        assert dashboard.error.startswith("RuntimeError: out of memory")
        assert "RuntimeError: out of memory" in dashboard.bar.alert.value
        assert not dashboard.start_button.disabled

    def test_where_nothing_moves(self, still) -> None:
        dashboard = CycleDashboard(still.clip, still.flow, options=TINY)
        dashboard.start()
        waited(dashboard)
        assert (dashboard.state, len(dashboard.states)) == ("done", 1)
        assert "nothing moves" in dashboard.words.value

    def test_one_frame_is_too_few(self) -> None:
        clip = Clip(frames=np.zeros((1, 8, 8, 3), np.uint8))
        field = np.zeros((1, 8, 8, 2))
        with pytest.raises(InputError, match="has 1 frame; motion needs two or more"):
            CycleDashboard(clip, Flow(forward=field, backward=field))
