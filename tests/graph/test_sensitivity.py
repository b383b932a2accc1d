"""Sensitivity and bars against what they are by definition, in NumPy on dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from by_hand import outgoing

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow, noisy
from ikebook.graph.presets import override, preset
from ikebook.graph.sensitivity import bootstrap_bars, label_sensitivity
from ikebook.solvers.rolling import BLOCK, THERE, RollingSolver

DOUBLE = Compute(dtype=torch.float64)
H, W, M = 6, 7, 4
RAW = override(
    preset("saliency"),
    "saliency=none",
    "features.displacements=steps",
    "features.half_window=1",
    "features.cue_window=0",
    "features.center=none",
    "motion.radius=3",
)
"""Features that are the flow itself."""


def random_scene(seed: int) -> tuple[np.ndarray, Flow]:
    """Flow of a tenth of a pixel: a little noise leads no chain to another pixel, so M stays and F is linear in the noise."""
    rng = np.random.default_rng(seed)
    forward, backward = 0.1 * rng.uniform(0.2, 1, (2, M - 1, H, W, 2))
    return rng.integers(0, 255, (M, H, W, 3), np.uint8), Flow(forward=forward, backward=-backward)


def shifted(flow: Flow, error: Flow, step: float) -> Flow:
    return Flow(forward=flow.forward + step * error.forward, backward=flow.backward + step * error.backward)


def dense_labels(pictures: np.ndarray, flow: Flow, like: np.ndarray, options=RAW) -> np.ndarray:
    """The principal eigenvector of a dense A by NumPy, with the sign that fits to `like`."""
    matrix = ikebook.build(pictures, flow, options=options, compute=DOUBLE)
    f, m = matrix.features.dense().numpy(), matrix.motion.dense().numpy()
    q, sizes, _ = np.linalg.svd(f / np.linalg.norm(f, axis=0), full_matrices=False)
    q = q[:, sizes > 1e-8 * sizes[0]]
    _, vectors = np.linalg.eigh(q.T @ m @ q)
    x = q @ vectors[:, -1]
    return x * np.sign(x @ like.ravel())


def soft_range(labels: np.ndarray, top: float = 0.995) -> float:
    """By how much labels differ between soft masks 0 and 1, of the middle frame: from a frame's median to its quantile. Of an
    even number, the lower one is in the middle."""
    frames = np.sort(labels.reshape(len(labels), -1), axis=1)
    n = frames.shape[1]
    spread = np.sort(frames[:, int(np.ceil(top * n)) - 1] - frames[:, (n - 1) // 2])
    return float(spread[(len(spread) - 1) // 2])


class TestMap:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_it_is_the_derivative_of_the_labels(self, seed) -> None:
        """Central differences, along each draw, by NumPy's eigenvectors."""
        pictures, flow = random_scene(seed)
        draws, noise = 3, 1e-4
        found = label_sensitivity(pictures, flow, noise=noise, draws=draws, seed=10 * seed, options=RAW, compute=DOUBLE)
        known = ikebook.segment(pictures, flow, options=RAW, compute=DOUBLE).labels.numpy()
        squares = np.zeros(known.size)
        for draw in range(draws):
            drawn = noisy(flow, 1.0, 10 * seed + draw)
            error = Flow(forward=drawn.forward - flow.forward, backward=drawn.backward - flow.backward)
            ahead, back = (dense_labels(pictures, shifted(flow, error, way * 1e-3), known) for way in (1, -1))
            squares += ((ahead - back) / 2e-3) ** 2
        derivative = np.sqrt(squares / draws).reshape(known.shape) / soft_range(known)
        assert found.map.dtype == np.float32
        assert derivative.max() > 0.1
        assert np.abs(found.map - derivative).max() < 0.02 * derivative.max()

    @pytest.mark.parametrize(("name", "noise"), [("disc", 0.05), ("two_objects", 0.2)])
    def test_of_a_toy_with_the_default_preset(self, name, noise) -> None:
        """Through saliency, chains and all: what the same noise does to NumPy's eigenvectors."""
        made, options = ikebook.toy(name), preset("default")
        found = label_sensitivity(made.clip, made.flow, noise=noise, draws=2, seed=3, compute=DOUBLE)
        known = dense_labels(made.clip, made.flow, found.map, options)
        known *= np.sign(known @ ikebook.segment(made.clip, made.flow).labels.double().numpy().ravel())
        drawn = [dense_labels(made.clip, noisy(made.flow, noise, 3 + draw), known, options) for draw in range(2)]
        squares = sum(((one - known) / noise) ** 2 for one in drawn)
        change = np.sqrt(squares / 2).reshape(found.map.shape) / soft_range(known.reshape(found.map.shape))
        assert np.abs(found.map - change).max() < 1e-5 * change.max()
        assert found.cosines == pytest.approx([one @ known for one in drawn], abs=1e-9)

    def test_features_that_know_nothing_of_the_flow_are_not_moved_by_its_noise(self) -> None:
        made = ikebook.toy("still")
        options = override(preset("saliency"), "saliency=none", "features.cue_window=0")
        cue = ikebook.Cue(name="c", maps=made.clip.masks * 1.0)
        found = label_sensitivity(
            made.clip, made.flow, cues=[cue], noise=0.01, draws=3, options=options, compute=DOUBLE
        )
        assert found.map.max() < 1e-9
        assert found.cosines == pytest.approx(1)
        assert found.areas == pytest.approx(found.area)
        assert found.area == pytest.approx(made.clip.masks.mean(), abs=0.01)

    def test_more_noise_less_alike(self) -> None:
        made = ikebook.toy("disc", (24, 24))
        little, much = (label_sensitivity(made.clip, made.flow, noise=noise, draws=4) for noise in (0.02, 1.0))
        assert little.cosines.min() > 0.98
        assert much.cosines.mean() < little.cosines.mean() - 0.02
        assert (little.noise, much.noise) == (0.02, 1.0)

    def test_a_seed_settles_it(self) -> None:
        made = ikebook.toy("disc")
        one, two, other = (label_sensitivity(made.clip, made.flow, draws=2, seed=seed) for seed in (0, 0, 5))
        assert np.array_equal(one.map, two.map)
        assert np.array_equal(one.cosines, two.cosines)
        assert np.array_equal(one.areas, two.areas)
        assert not np.array_equal(one.map, other.map)

    def test_it_is_in_units_of_the_soft_mask_that_the_options_make(self) -> None:
        """ "minmax" goes from a frame's least label to its greatest: a wider range than from the median, so less of it."""
        made = ikebook.toy("disc")
        by_map = {
            name: label_sensitivity(
                made.clip,
                made.flow,
                noise=1e-3,
                draws=1,
                options=override(preset("default"), f"masks.map={name}"),
                compute=DOUBLE,
            ).map
            for name in ("median", "minmax")
        }
        labels = ikebook.segment(made.clip, made.flow, compute=DOUBLE).labels.numpy().reshape(5, -1)
        wide = np.median(np.ptp(labels, axis=1))
        assert by_map["minmax"] * wide == pytest.approx(by_map["median"] * soft_range(labels), rel=1e-4, abs=1e-9)

    def test_nothing_to_be_changed_is_said_in_one_line(self) -> None:
        made = ikebook.toy("still")
        with pytest.raises(InputError, match=r"no eigenvector to be changed: .*Nothing moves") as caught:
            label_sensitivity(made.clip, made.flow)
        assert "\n" not in str(caught.value)

    def test_labels_without_contrast_are_said_in_one_line(self) -> None:
        made = ikebook.toy("still")
        options = override(preset("saliency"), "saliency=none", "features.cue_window=0", "features.center=none")
        cue = ikebook.Cue(name="c", maps=np.ones((5, 16, 16)))
        with pytest.raises(InputError, match="contrast") as caught:
            label_sensitivity(made.clip, made.flow, cues=[cue], options=options)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"noise": 0}, "noise is 0"),
            ({"noise": -1.0}, "noise is -1"),
            ({"noise": float("nan")}, "noise is nan"),
            ({"draws": 0}, "draws is 0"),
            ({"draws": 1.5}, "draws is 1.5"),
            ({"seed": "a"}, "seed is 'a'"),
            ({"seed": -1}, "seed is -1"),
            ({"options": 3}, "options is"),
        ],
    )
    def test_bad_input_is_refused_in_one_line(self, given, message) -> None:
        made = ikebook.toy("disc")
        with pytest.raises(InputError, match=message) as caught:
            label_sensitivity(made.clip, made.flow, **given)
        assert "\n" not in str(caught.value)


def drawn_frames(seed: int, draws: int, m: int) -> list[np.ndarray]:
    """Frames in blocks of neighbours, the clip closed to a circle: the same draws as the program's, from the same generator."""
    rng = np.random.default_rng(seed)
    block = min(BLOCK, m)
    found = []
    for _ in range(draws):
        starts = rng.integers(0, m, size=-(-m // block))
        found.append(np.concatenate([(start + np.arange(block)) % m for start in starts])[:m])
    return found


def graph(seed: int, *changes: str, frames: int = 12):
    """A scene of `frames` frames with cues of noise that lasts, and chains that go astray here and there."""
    rng = np.random.default_rng(seed)
    forward = rng.normal(0, 0.4, (frames - 1, 4, 5, 2))
    flow = Flow(forward=forward, backward=-forward)
    maps = rng.standard_normal((2, 1, 4, 5)) + 0.3 * rng.standard_normal((2, frames, 4, 5))
    cues = [ikebook.Cue(name=name, maps=one) for name, one in zip("ab", maps, strict=True)]
    options = override(
        preset("saliency"),
        "saliency=none",
        "features.cue_window=0",
        "features.center=none",
        "motion.radius=3",
        *changes,
    )
    pictures = rng.integers(0, 255, (frames, 4, 5, 3), np.uint8)
    return flow, lambda: ikebook.segment(pictures, flow, cues=cues, options=options, compute=DOUBLE)


class TestBars:
    @pytest.mark.parametrize("changes", [(), ("motion.self_loop=0.5",), ("projection.ridge=5.0",)])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_eigenvalues_against_a_direct_bootstrap(self, seed, changes) -> None:
        """Sums of what drawn frames add to F'F and to F'CF + (F'CF)', C followed by hand, and SciPy's generalised problem."""
        flow, segmented = graph(seed, *changes)
        result = segmented()
        f = result.matrix.features.dense().numpy()
        c = outgoing(flow, 3, result.matrix.motion.options.sigma)
        loop, rho = result.matrix.motion.options.self_loop, result.matrix.projection.options.ridge
        assert np.abs(c + c.T + loop * np.eye(len(c)) - result.matrix.motion.dense().numpy()).max() < 1e-12
        frames = f.reshape(12, 20, 2)
        grams = np.einsum("ipd,ipe->ide", frames, frames)
        parts = np.einsum("ipd,ipe->ide", frames, (c @ f).reshape(12, 20, 2))
        direct = []
        for drawn in drawn_frames(seed, 60, 12):
            g, b = grams[drawn].sum(0), parts[drawn].sum(0)
            b = b + b.T + loop * g
            assert np.linalg.eigvalsh(g)[0] > THERE * np.linalg.eigvalsh(grams.sum(0))[-1] / 2
            if rho:
                shrunk = np.linalg.inv(g + rho * np.eye(2))
                values = np.linalg.eigvals(shrunk @ b @ shrunk @ g).real
            else:
                values = scipy.linalg.eigh(b, g, eigvals_only=True)
            direct.append(np.sort(np.maximum(values, 0))[::-1])
        found = RollingSolver(result.matrix).bootstrap(60, pairs=2, seed=seed)
        assert np.abs(found - direct).max() < 1e-10
        bars = bootstrap_bars(result, 60, pairs=2, seed=seed)
        assert bars.eigenvalues == pytest.approx(np.quantile(direct, [0.025, 0.975], axis=0).T, rel=1e-9)
        value = float(result.pairs.values[0])
        assert bars.eigenvalues[0, 0] < value < bars.eigenvalues[0, 1]

    def test_areas_against_a_direct_bootstrap(self) -> None:
        made = ikebook.toy("occluder", frames=20)
        result = ikebook.segment(made.clip, made.flow)
        shares = result.masks.mean((1, 2))
        for seed in range(3):
            means = [shares[drawn].mean() for drawn in drawn_frames(seed, 100, 20)]
            bars = bootstrap_bars(result, 100, pairs=1, seed=seed)
            low, high = np.quantile(means, [0.025, 0.975])
            assert bars.area == pytest.approx((low, high), rel=1e-9)
            assert bars.area[0] < result.object_share < bars.area[1]

    def test_every_frame_alike_leaves_no_doubt(self) -> None:
        """Drawn frames of a scene that stands still are all the same, but for the clip's ends: with loops alone, not even these."""
        made = ikebook.toy("still", frames=10)
        cue = ikebook.Cue(name="c", maps=made.clip.masks * 1.0)
        options = override(preset("saliency"), "saliency=none", "features.cue_window=0")
        bars = bootstrap_bars(
            ikebook.segment(made.clip, made.flow, cues=[cue], options=options, compute=DOUBLE), 50, pairs=1
        )
        assert bars.area[1] - bars.area[0] < 1e-12
        assert np.ptp(bars.eigenvalues) < 0.25 * bars.eigenvalues[0, 0]

    def test_more_pairs_than_there_are_count_as_0(self) -> None:
        _, segmented = graph(0)
        bars = bootstrap_bars(segmented(), 10, pairs=5)
        assert bars.eigenvalues.shape == (5, 2)
        assert not bars.eigenvalues[2:].any()

    def test_columns_that_the_first_frames_looked_at_mislead_about(self) -> None:
        """Bars are drawn around the value that the solver gives, also where F has to be looked at again."""
        frames, shape = 40, (4, 5)
        rng = np.random.default_rng(0)
        maps = rng.standard_normal((2, 1, *shape)) + 0.3 * rng.standard_normal((2, frames, *shape))
        seen = ikebook.matrix.projection.sampled_frames(frames)
        maps[1, seen] = maps[0, seen]
        flow = Flow(forward=np.zeros((frames - 1, *shape, 2)), backward=np.zeros((frames - 1, *shape, 2)))
        options = override(
            preset("saliency"), "saliency=none", "features.cue_window=0", "features.center=none", "motion.radius=3"
        )
        cues = [ikebook.Cue(name=name, maps=one) for name, one in zip("ab", maps, strict=True)]
        result = ikebook.segment(
            np.zeros((frames, *shape, 3), np.uint8), flow, cues=cues, options=options, compute=DOUBLE
        )
        bars = bootstrap_bars(result, 60, pairs=2)
        assert len(result.pairs.values) == 2
        for (low, high), value in zip(bars.eigenvalues, result.pairs.values.tolist(), strict=True):
            assert low < value < high

    def test_a_seed_settles_it(self) -> None:
        _, segmented = graph(0)
        result = segmented()
        one, two, other = (bootstrap_bars(result, 20, seed=seed) for seed in (0, 0, 1))
        assert np.array_equal(one.eigenvalues, two.eigenvalues)
        assert one.area == two.area
        assert not np.array_equal(one.eigenvalues, other.eigenvalues)

    def test_nothing_moves(self) -> None:
        made = ikebook.toy("still")
        bars = bootstrap_bars(ikebook.segment(made.clip, made.flow), 10)
        assert bars.area == (0, 0)
        assert not bars.eigenvalues.any()

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"draws": 0}, "draws is 0"),
            ({"draws": 2.5}, "draws is 2.5"),
            ({"pairs": 0}, "pairs is 0"),
            ({"pairs": -1}, "pairs is -1"),
            ({"seed": -1}, "seed is -1"),
            ({"seed": None}, "seed is None"),
        ],
    )
    def test_bad_input_is_refused_in_one_line(self, given, message) -> None:
        _, segmented = graph(0, frames=4)
        with pytest.raises(InputError, match=message) as caught:
            bootstrap_bars(segmented(), **given)
        assert "\n" not in str(caught.value)

    def test_what_is_no_result_of_a_graph(self) -> None:
        with pytest.raises(InputError, match="result is"):
            bootstrap_bars(np.zeros(3))
        made = ikebook.toy("disc")
        with pytest.raises(InputError, match="one P for the clip"):
            bootstrap_bars(ikebook.segment(made.clip, made.flow, options=preset("released")))
