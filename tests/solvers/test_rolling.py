"""Frames that come and go: the sums of a clip that has moved on are those of the clip itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.graph.presets import override, preset
from ikebook.solvers.exact import exact
from ikebook.solvers.rolling import RollingSolver

MADE = ikebook.toy("two_objects", (20, 16), 24)
OPTIONS = override(preset("paper"), "motion.radius=3", "features.half_window=2", "features.center=frame")


def cut(start: int, stop: int, *changes: str):
    flow = Flow(forward=MADE.flow.forward[start : stop - 1], backward=MADE.flow.backward[start : stop - 1])
    options = override(OPTIONS, *changes)
    return ikebook.build(MADE.clip.frames[start:stop], flow, options=options, compute=Compute(dtype=torch.float64))


def test_frames_come_and_go_in_a_toy() -> None:
    solver = RollingSolver(cut(0, 12))
    for start, stop, dropped, again in (
        (0, 13, 0, 6),
        (1, 13, 1, 5),
        (3, 15, 2, 5 + 5 + 2),
        (3, 15, 0, 0),
        (4, 17, 1, 5 + 5 + 2),
    ):
        assert solver.move(cut(start, stop), dropped=dropped) == again
        known = exact(cut(start, stop))
        assert len(solver) == stop - start
        assert solver.pairs().values.tolist() == pytest.approx(known.values.tolist(), rel=1e-10)
        assert abs(float(solver.pairs().vectors[0] @ known.vectors[0])) > 1 - 1e-10


class Scene:
    """A long scene of random flow and two cues, of which any frames can be had as a graph."""

    FRAMES, SHAPE = 40, (4, 5)

    def __init__(self, seed: int, *changes: str, dtype: torch.dtype = torch.float64) -> None:
        rng = np.random.default_rng(seed)
        m, shape = self.FRAMES, self.SHAPE
        self.forward = rng.normal(0, 0.6, (m - 1, *shape, 2))
        self.backward = -self.forward + rng.normal(0, 0.3, (m - 1, *shape, 2))
        self.maps = rng.standard_normal((2, 1, *shape)) + 0.5 * rng.standard_normal((2, m, *shape))
        self.pictures = rng.integers(0, 255, (m, *shape, 3), np.uint8)
        self.options = override(
            preset("saliency"),
            "saliency=none",
            "features.cue_window=1",
            "features.center=none",
            "motion.radius=2",
            *changes,
        )
        self.compute = Compute(dtype=dtype)

    def cut(self, start: int, stop: int, *changes: str, gain: float = 1.0, push: float = 0.0):
        flow = Flow(forward=self.forward[start : stop - 1] + push, backward=self.backward[start : stop - 1])
        cues = [ikebook.Cue(name=name, maps=gain * one[start:stop]) for name, one in zip("ab", self.maps, strict=True)]
        options = override(self.options, *changes)
        return ikebook.build(self.pictures[start:stop], flow, cues=cues, options=options, compute=self.compute)

    @property
    def reach(self) -> int:
        radius = self.options.motion.radius
        return radius + self.options.features.reach(radius, cues=True)


OPTION_SETS = {
    "plain": (),
    "union": ("motion.edges=union",),
    "loops and checks": ("motion.self_loop=0.5", "chains.consistent=true"),
    "ridge": ("projection.ridge=3.0",),
    "centred": ("features.center=frame",),
    "steps": ("features.displacements=steps", "features.half_window=2"),
    "flows": ("features.displacements=flows", "features.half_window=1", "features.ends=hold"),
    "corners": ("chains.links=corners", "chains.border=pass"),
    "bilinear": ("chains.sampling=bilinear", "features.bias=true"),
    "means": ("features.mean=2.0",),
    "colours": ("features.mean=2.0", "motion.colour=30.0"),
}


@pytest.mark.parametrize("name", OPTION_SETS)
@pytest.mark.parametrize("seed", [0, 1])
def test_any_moves_lead_to_what_a_fresh_solver_gives(seed, name) -> None:
    scene, rng = Scene(seed, *OPTION_SETS[name]), np.random.default_rng(seed)
    start, stop = 0, 14
    solver = RollingSolver(scene.cut(start, stop))
    for move in range(3):
        dropped, added = (int(k) for k in rng.integers(0, 5, 2)) if move else (3, 0)
        kept, frames = stop - start - dropped, stop - start - dropped + added
        start, stop = start + dropped, stop + added
        anew = [i for i in range(frames) if (dropped and i < scene.reach) or (added and i >= kept - scene.reach)]
        assert solver.move(scene.cut(start, stop), dropped=dropped) == len(anew)
        matrix = scene.cut(start, stop)
        found, known = solver.pairs(), exact(matrix)
        assert len(solver) == frames
        assert found.values.numpy() == pytest.approx(known.values.numpy(), rel=1e-9, abs=1e-9)
        assert found.residuals.max() < 1e-9
        assert found.ends == pytest.approx(known.ends, rel=1e-9, abs=1e-12)
        if move == 2:  # and the fresh solver is right
            f, m = matrix.features.dense().numpy(), matrix.motion.dense().numpy()
            rho = matrix.projection.options.ridge
            p = f @ np.linalg.pinv(f.T @ f + rho * np.eye(f.shape[1]), rcond=1e-13) @ f.T
            values = np.linalg.eigvalsh(p @ m @ p)[::-1][: len(found.values)]
            assert found.values.numpy() == pytest.approx(values, rel=1e-6, abs=1e-8)


def test_in_float32_it_keeps_what_float32_has() -> None:
    scene = Scene(0, dtype=torch.float32)
    solver = RollingSolver(scene.cut(0, 14))
    for start in range(1, 20):  # many moves: errors must not add up
        solver.move(scene.cut(start, start + 14), dropped=1)
    known = exact(Scene(0).cut(19, 33))
    assert solver.pairs().values.numpy() == pytest.approx(known.values.numpy(), rel=2e-5, abs=2e-5)


def test_all_frames_may_be_new() -> None:
    scene = Scene(3)
    solver = RollingSolver(scene.cut(0, 8))
    assert solver.move(scene.cut(8, 14), dropped=8) == 6
    assert solver.pairs().values.tolist() == pytest.approx(exact(scene.cut(8, 14)).values.tolist(), rel=1e-10)


def test_a_feature_that_comes_later() -> None:
    """Nothing of it was there when F was first looked at."""
    scene = Scene(1)
    scene.maps[1, :20] = 0
    solver = RollingSolver(scene.cut(0, 12))
    solver.move(scene.cut(10, 34), dropped=10)
    known = exact(scene.cut(10, 34))
    assert len(known.values) == len(solver.pairs().values) > 1
    assert solver.pairs().values.tolist() == pytest.approx(known.values.tolist(), rel=1e-9)


def test_a_start_from_before_saves_products() -> None:
    """Warm start: the labels that are there, and the last frame's for the new one."""
    before, after = cut(0, 4), cut(0, 5)
    labels = exact(before).volumes[0]
    warm = torch.cat([labels, labels[-1:]])
    counts = {}
    for name, start in (("cold", None), ("warm", warm)):
        pairs = ikebook.solvers.solve(
            after, ikebook.solvers.SolverOptions(method="power", which="LM", tolerance=1e-4), start=start
        )
        assert pairs.converged
        counts[name] = pairs.products
    assert counts["warm"] < 0.8 * counts["cold"]


def test_a_bootstrap_has_bars_around_the_value() -> None:
    solver = RollingSolver(cut(0, 24))
    drawn = solver.bootstrap(40, pairs=2, seed=1)
    assert drawn.shape == (40, 2)
    low, high = np.quantile(drawn[:, 0], [0.02, 0.98])
    assert low < float(solver.pairs().values[0]) < high
    assert (drawn[:, 0] >= drawn[:, 1]).all()
    assert np.array_equal(drawn, solver.bootstrap(40, pairs=2, seed=1))
    assert not np.array_equal(drawn, solver.bootstrap(40, pairs=2, seed=2))


def test_what_does_not_fit_is_refused() -> None:
    solver = RollingSolver(cut(0, 10))
    with pytest.raises(InputError, match="matrix has 8 frames; expected 9 or more: those from before less 1"):
        solver.move(cut(1, 9), dropped=1)
    with pytest.raises(InputError, match="expected those from before"):
        solver.move(cut(0, 11, "features.half_window=1"))
    with pytest.raises(InputError, match="one P for the clip"):
        RollingSolver(cut(0, 10, "projection.scope=frame"))
    with pytest.raises(InputError, match="dropped is 11"):
        solver.move(cut(0, 11), dropped=11)
    with pytest.raises(InputError, match="matrix is"):
        solver.move(np.zeros(3))


@pytest.mark.parametrize(
    "changes", ["motion.radius=1", "motion.self_loop=1.0", "projection.ridge=1.0", "chains.consistent=true"]
)
def test_other_options_than_before_are_refused(changes) -> None:
    scene = Scene(0)
    with pytest.raises(InputError, match="other options of chains, motion, features or projection"):
        RollingSolver(scene.cut(0, 12)).move(scene.cut(0, 13, changes))


@pytest.mark.parametrize("changes", [("features.center=video",), ("features.scale=minmax",)])
def test_features_that_hang_on_the_whole_clip_are_refused_and_not_silently_wrong(changes) -> None:
    scene = Scene(0, *changes)
    solver = RollingSolver(scene.cut(0, 14))
    values = solver.pairs().values
    with pytest.raises(InputError, match="has other node features than before") as caught:
        solver.move(scene.cut(2, 18), dropped=2)
    assert "\n" not in str(caught.value)
    assert torch.equal(solver.pairs().values, values)  # and nothing has happened


def test_the_saliency_is_refused_where_it_changes() -> None:
    flow, pictures = MADE.flow, MADE.clip.frames
    options = override(preset("default"), "motion.radius=2", "features.cue_window=1")

    def built(stop: int):
        part = Flow(
            forward=flow.forward[: stop - 1] * np.linspace(1, 3, stop - 1)[:, None, None, None],
            backward=flow.backward[: stop - 1],
        )
        return ikebook.build(pictures[:stop], part, options=options)

    with pytest.raises(InputError, match="other node features than before"):
        RollingSolver(built(12)).move(built(16))


def test_another_clip_is_refused() -> None:
    scene = Scene(0)
    solver = RollingSolver(scene.cut(0, 12))
    with pytest.raises(InputError, match="frame 5 of matrix, frame 7 before, has other node features"):
        solver.move(scene.cut(2, 12, gain=1.5), dropped=2)
    with pytest.raises(InputError, match="has other node features than before"):
        solver.move(scene.cut(2, 14))  # and none dropped


def test_another_flow_is_refused_though_no_feature_is_of_it() -> None:
    scene = Scene(0, "features.cue_window=0")
    solver = RollingSolver(scene.cut(0, 12))
    with pytest.raises(InputError, match=r"the flow at frame \d+ of matrix is not that from before"):
        solver.move(scene.cut(1, 13, push=0.3), dropped=1)


def test_other_colours_are_refused_though_no_feature_is_of_them() -> None:
    scene = Scene(0, "features.cue_window=0", "motion.colour=30.0")
    solver = RollingSolver(scene.cut(0, 12))
    scene.pictures = scene.pictures[::-1].copy()
    with pytest.raises(InputError, match=r"the colours of frame \d+ of matrix are not those from before"):
        solver.move(scene.cut(0, 14))
