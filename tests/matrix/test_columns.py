"""Columns of F against their definitions, followed from pixel to pixel in loops (`by_hand`)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import maps_along, steps_along

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.graph.presets import override, preset
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions

H, W, M = 5, 7, 5
DOUBLE = Compute(dtype=torch.float64)


def random_flow(seed: int, frames: int = M, size: float = 1.5) -> Flow:
    """Vectors that lead out of the frame here and there, and together again."""
    rng = np.random.default_rng(seed)
    forward, backward = rng.normal(0, size, (2, frames - 1, H, W, 2))
    agree = rng.random((frames - 1, H, W)) < 0.7  # where the forward-backward check has a chance
    backward[agree] = -forward[agree] + rng.normal(0, 0.2, (agree.sum(), 2))
    return Flow(forward=forward, backward=backward)


def random_maps(seed: int, frames: int = M) -> np.ndarray:
    return np.random.default_rng(1000 + seed).uniform(2, 3, (frames, H, W))  # nowhere near 0


def collect(flow: Flow, cues=(), *, batch: int = 1, consistent: bool = False, further=(), **options) -> FeatureMatrix:
    def chains(of: Flow) -> MotionChains:
        return MotionChains(of, ChainOptions(consistent=consistent), compute=DOUBLE, batch=batch)

    defaults = {"half_window": 2, "cue_window": 2, "center": "none"}
    return FeatureMatrix(
        chains(flow), FeatureOptions(**(defaults | options)), cues, further=[chains(other) for other in further]
    )


def own_flows(flow: Flow) -> list[np.ndarray]:
    """Each pixel's own two flows as maps (m, h, w): forward dx, forward dy, backward dx, backward dy.

    The last frame has no flow ahead, and the first none behind: the other one stands in, negated.
    """
    forward = np.concatenate([flow.forward, -flow.backward[-1:]])
    backward = np.concatenate([-flow.forward[:1], flow.backward])
    return [field[..., axis] for field in (forward, backward) for axis in (0, 1)]


@pytest.mark.parametrize("consistent", [False, True])
@pytest.mark.parametrize("ends", ["mirror", "hold"])
@pytest.mark.parametrize(("seed", "frames", "batch"), [(0, 5, 1), (1, 5, 3), (2, 3, 2), (3, 2, 1)])
def test_every_kind_is_what_the_loops_collect(seed, frames, batch, ends, consistent) -> None:
    flow, maps = random_flow(seed, frames), random_maps(seed, frames)
    by = {"ends": ends, "consistent": consistent}
    cue = [Cue(name="c", maps=maps)]
    steps = collect(flow, cue, displacements="steps", batch=batch, bias=True, **by)
    known = np.hstack([steps_along(flow, 2, **by), maps_along(flow, maps, 2, **by), np.ones((maps.size, 1))])
    assert known.shape[1] == 4 * 2 + 5 + 1
    assert np.abs(steps.dense().numpy() - known).max() < 1e-12
    flows = collect(flow, cue, displacements="flows", batch=batch, **by)
    fig3 = np.hstack([maps_along(flow, field, 2, **by) for field in own_flows(flow)])
    assert fig3.shape[1] == 4 * (2 * 2 + 1)
    assert np.abs(flows.dense().numpy() - np.hstack([fig3, maps_along(flow, maps, 2, **by)])).max() < 1e-12


def test_names_say_what_lies_in_a_column() -> None:
    features = collect(
        random_flow(0), [Cue(name="c", maps=random_maps(0))], displacements="flows", half_window=1, cue_window=0
    )
    flows = [f"{way} {axis}[{k:+d}]" for way in ("forward", "backward") for axis in ("dx", "dy") for k in (-1, 0, 1)]
    assert features.columns == (*flows, "c[+0]")


def test_the_paper_s_preset_takes_fig_3_literally_when_told() -> None:
    made = ikebook.toy("disc")
    options = override(preset("paper"), "features.displacements=flows", "features.half_window=3")
    matrix = ikebook.build(made.clip, made.flow, options=options, compute=DOUBLE)
    assert matrix.features.shape == (1280, 4 * 7)
    known = np.hstack([maps_along(made.flow, field, 3, "mirror") for field in own_flows(made.flow)])
    assert np.abs(matrix.features.dense().numpy() - known).max() < 1e-12
    names = list(matrix.features.columns)
    inside = matrix.features.dense()[:, names.index("forward dx[+0]")].view(5, 16, 16)
    assert torch.allclose(inside[:4], torch.as_tensor(made.flow.forward[..., 0], dtype=torch.float64))


@pytest.mark.parametrize("displacements", ["steps", "flows"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_second_flow_is_collected_along_its_own_chains(seed, displacements) -> None:
    flow, other = random_flow(seed), random_flow(seed + 10)
    features = collect(flow, displacements=displacements, further=[other])
    if displacements == "steps":
        known = [steps_along(one, 2, "mirror") for one in (flow, other)]
    else:
        known = [maps_along(one, field, 2, "mirror") for one in (flow, other) for field in own_flows(one)]
    assert np.abs(features.dense().numpy() - np.hstack(known)).max() < 1e-12
    assert len(set(features.columns)) == features.shape[1]
    assert features.columns[features.shape[1] // 2].startswith(("dx2[", "forward dx2["))


@pytest.mark.parametrize("ends", ["mirror", "hold"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("displacements", ["steps", "flows"])
def test_centring_subtracts_each_frame_s_mean_or_the_clip_s(displacements, seed, ends) -> None:
    flow, cue = random_flow(seed), [Cue(name="c", maps=random_maps(seed))]
    given = {"displacements": displacements, "ends": ends, "bias": True}
    plain = collect(flow, cue, **given).dense().numpy()
    by_frame = plain.reshape(M, H * W, -1)
    means = {"frame": by_frame.mean(1, keepdims=True), "video": by_frame.mean((0, 1), keepdims=True)}
    for center, mean in means.items():
        mean[..., -1] = 0  # the bias stays
        for batch in (1, 3):
            found = collect(flow, cue, center=center, batch=batch, **given)
            assert np.abs(found.dense().numpy() - (by_frame - mean).reshape(plain.shape)).max() < 1e-12
            assert found.dense()[:, -1].eq(1).all()
    frames = collect(flow, cue, center="video", **given).dense().numpy().reshape(M, H * W, -1)[..., :-1]
    assert np.abs(frames.mean((0, 1))).max() < 1e-13
    assert np.abs(frames.mean(1)).max() > 0.1  # frames keep what they have of their own


def test_a_column_that_is_constant_over_the_clip_is_0_when_centred() -> None:
    maps = np.full((M, H, W), 1 / 3)
    for center in ("frame", "video"):
        found = collect(random_flow(0), [Cue(name="c", maps=maps)], cue_window=0, center=center).dense()
        assert float(found.abs().max()) == 0, center


class TestConsistent:
    """A chain ends at a step that fails the forward-backward check, and one that leads out of the frame can't fail it."""

    def flow(self) -> Flow:
        """3 px to the right ahead, and 3 px to the left behind: in the right three columns chains leave the frame."""
        forward = np.zeros((M - 1, H, W, 2))
        forward[..., 0] = 3.0
        return Flow(forward=forward, backward=-forward)

    def test_the_step_that_leaves_the_frame_stays_as_it_is(self) -> None:
        plain, checked = (collect(self.flow(), displacements="steps", consistent=flag) for flag in (False, True))
        frames = checked.dense().view(M, H, W, -1)
        assert torch.equal(plain.dense(), checked.dense())
        first, second = (checked.columns.index(f"dx[+{k}]") for k in (1, 2))
        assert frames[1, 2, W - 1, first].item() == 3.0
        assert frames[1, 2, W - 1, second].item() == 0.0  # it has ended by then
        assert frames[1, 2, 0, second].item() == 3.0
        behind = checked.columns.index("dx[-1]")
        assert frames[2, 2, 0, behind].item() == -3.0

    def test_a_step_that_fails_ends_the_chain(self) -> None:
        flow = self.flow()
        flow.backward[2, 2, 6] = (1.0, 0.0)  # what frame 3's pixel (2, 6) says contradicts who comes there from (2, 3)
        frames = collect(flow, displacements="steps", consistent=True).dense().view(M, H, W, -1)
        unchecked = collect(flow, displacements="steps").dense().view(M, H, W, -1)
        assert frames[2, 2, 3, 0].item() == 0.0
        assert unchecked[2, 2, 3, 0].item() == 3.0
        assert frames[1, 2, 0].tolist()[:4] == [3.0, 0.0, 0.0, 0.0]  # by its second step
        changed = (frames[..., :4] != unchecked[..., :4]).any(-1)
        assert [tuple(place) for place in changed.nonzero().tolist()] == [(1, 2, 0), (2, 2, 3)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_ended_cue_is_0_before_scaling(seed) -> None:
    flow, maps = random_flow(seed, size=3.0), random_maps(seed)
    low, high = maps.min(), maps.max()
    found = collect(flow, [Cue(name="c", maps=maps)], scale="minmax", batch=1 + seed).dense().numpy()
    raw = maps_along(flow, maps, 2, "mirror", off=0.0)
    assert (raw == 0).any()
    assert np.abs(found - (raw - low) / (high - low)).max() < 1e-12
    assert found[raw == 0] == pytest.approx(-low / (high - low))
    assert found[raw != 0].min() >= 0
    assert found[raw != 0].max() <= 1


@pytest.mark.parametrize("seed", [0, 1])
def test_displacements_are_scaled_by_direction_and_axis(seed) -> None:
    flow = random_flow(seed)
    ranges = [
        (field[..., axis].min(), field[..., axis].max()) for field in (flow.forward, flow.backward) for axis in (0, 1)
    ]
    flows = collect(flow, displacements="flows", scale="minmax").dense().numpy()
    known = [
        (maps_along(flow, field, 2, "mirror") - low) / (high - low)
        for field, (low, high) in zip(own_flows(flow), ranges, strict=True)
    ]
    assert np.abs(flows - np.hstack(known)).max() < 1e-12
    steps = collect(flow, displacements="steps", scale="minmax").dense().numpy().reshape(-1, 2, 2, 2)  # way, k, axis
    raw = steps_along(flow, 2, "mirror").reshape(-1, 2, 2, 2)
    for way in (0, 1):
        for axis in (0, 1):
            low, high = ranges[2 * way + axis]
            assert np.abs(steps[:, way, :, axis] - (raw[:, way, :, axis] - low) / (high - low)).max() < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"displacements": True}, "FeatureOptions.displacements is True; expected one of 'none', 'steps', 'flows'"),
        ({"displacements": "flow"}, "'flow'; expected one of 'none', 'steps', 'flows'"),
        ({"center": "clip"}, "'clip'; expected one of 'frame', 'video', 'none'"),
    ],
)
def test_what_is_unknown_is_refused_in_one_line(options, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        FeatureOptions(**options)
    assert "\n" not in str(caught.value)
