"""Node features against chains followed by hand, and the projection against least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.arrays import Memory
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.flow import Flow
from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.projection import Projection, ProjectionOptions, complete, precondition


def shift(m: int, dx: float, h: int = 5, w: int = 9) -> Flow:
    """Flow whose displacement grows by 1 with each frame, so that steps of a chain can be told apart."""
    forward = np.zeros((m - 1, h, w, 2))
    for index in range(m - 1):
        forward[index, ..., 0] = dx + index
    return Flow(forward=forward, backward=-forward)


def matrix(flow: Flow, cues: list[Cue] | None = None, **options: object) -> FeatureMatrix:
    return FeatureMatrix(
        MotionChains(flow, compute=Compute(dtype=torch.float64)),
        FeatureOptions(**({"displacements": "steps"} | options)),
        cues or [],
    )


def columns(features: FeatureMatrix) -> dict[str, torch.Tensor]:
    """Each column as frames (m, h, w)."""
    grid, m = features.chains.grid, features.chains.frames
    return {name: c.view(m, grid.h, grid.w) for name, c in zip(features.columns, features.dense().T, strict=True)}


def test_displacements_are_those_of_the_chain_steps() -> None:
    f = columns(matrix(shift(5, 0.0), half_window=2, center="none"))
    assert list(f) == ["dx[+1]", "dy[+1]", "dx[+2]", "dy[+2]", "dx[-1]", "dy[-1]", "dx[-2]", "dy[-2]"]
    assert float(f["dx[+1]"][2, 2, 1]) == 2  # from frame 2 to 3
    assert float(f["dx[+2]"][2, 2, 1]) == 3  # from frame 3 to 4, at the pixel that the chain has come to
    assert float(f["dx[-1]"][2, 2, 5]) == -1  # from frame 2 back to 1
    assert float(f["dx[-2]"][2, 2, 5]) == 0
    assert float(f["dx[+2]"][2, 2, 8]) == 0  # that chain left the frame at its first step


def test_the_clip_s_ends_mirror_the_other_direction_or_hold_the_last_value() -> None:
    mirrored = columns(matrix(shift(4, 1.0), half_window=2, center="none"))
    held = columns(matrix(shift(4, 1.0), half_window=2, center="none", ends="hold"))
    assert float(mirrored["dx[-1]"][0, 2, 3]) == -1  # no frame before the first: minus the step ahead
    assert float(mirrored["dx[+1]"][3, 2, 5]) == 3  # no frame after the last: minus the step behind
    assert float(held["dx[+1]"][3, 2, 5]) == 0
    assert float(held["dx[+2]"][2, 2, 3]) == 3  # the last step there is, from frame 2 to 3
    assert float(held["dx[-2]"][1, 2, 4]) == -1


def test_cues_are_read_where_the_chain_leads() -> None:
    maps = torch.arange(4 * 5 * 9, dtype=torch.float64).view(4, 5, 9)
    f = columns(matrix(shift(4, 1.0), [Cue(name="c", maps=maps)], displacements="none", cue_window=1, center="none"))
    assert list(f) == ["c[-1]", "c[+0]", "c[+1]"]
    assert torch.equal(f["c[+0]"], maps)
    assert float(f["c[+1]"][1, 2, 3]) == float(maps[2, 2, 5])  # the flow from frame 1 to 2 is 2 px
    assert float(f["c[-1]"][1, 2, 3]) == float(maps[0, 2, 2])
    assert float(f["c[+1]"][1, 2, 8]) == 0  # off the frame
    assert float(f["c[-1]"][0, 2, 3]) == float(maps[1, 2, 4])  # mirrored


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_centred_columns_have_no_mean_in_any_frame(seed) -> None:
    made = toy("two_objects", (20, 17), 4, seed=seed)
    for column in columns(matrix(made.flow, half_window=2)).values():
        assert float(column.mean(dim=(1, 2)).abs().max()) < 1e-12


def test_minmax_scales_each_direction_and_axis_to_the_unit_interval() -> None:
    features = matrix(toy("disc", (20, 17), 4).flow, half_window=1, center="none", scale="minmax", bias=True)
    inside = columns(features)
    assert torch.equal(inside["bias"], torch.ones(4, 17, 20, dtype=torch.float64))
    for name in ("dx[+1]", "dy[+1]", "dx[-1]", "dy[-1]"):
        frames = inside[name][:3] if "+" in name else inside[name][1:]  # the other one is mirrored
        assert float(frames.min()) == pytest.approx(0)
        assert float(frames.max()) == pytest.approx(1)


@pytest.mark.parametrize("ends", ["mirror", "hold"])
@pytest.mark.parametrize("scale", ["none", "minmax"])
@pytest.mark.parametrize("center", ["none", "frame"])
@pytest.mark.parametrize("batch", [3, 8])
def test_features_do_not_depend_on_the_batch(ends, scale, center, batch) -> None:
    made = toy("two_objects", (18, 16), 7)
    noise = torch.Generator().manual_seed(batch)
    cues = [Cue(name="noise", maps=torch.rand(7, 16, 18, generator=noise))]
    options = FeatureOptions(
        displacements="steps", half_window=3, cue_window=2, ends=ends, scale=scale, center=center, bias=True
    )
    one, many = (
        FeatureMatrix(MotionChains(made.flow, compute=Compute(dtype=torch.float64), batch=b), options, cues)
        for b in (1, batch)
    )
    assert torch.allclose(one.dense(), many.dense(), rtol=0, atol=1e-13)
    w = torch.rand(one.shape[1], generator=noise, dtype=torch.float64)
    assert torch.allclose(one.matvec(w), many.matvec(w), rtol=0, atol=1e-12)
    for scope in ("video", "frame"):
        options_of_p = ProjectionOptions(scope=scope, ridge=0.1)
        x = torch.rand(one.shape[0], generator=noise, dtype=torch.float64)
        assert torch.allclose(
            Projection(one, options_of_p).matvec(x), Projection(many, options_of_p).matvec(x), atol=1e-11
        )


def test_cues_of_any_kind_are_one(tmp_path) -> None:
    made = toy("disc", (18, 16), 5)
    maps = np.random.default_rng(0).integers(0, 255, (5, 16, 18))
    chains, options = MotionChains(made.flow, compute=Compute(dtype=torch.float64)), FeatureOptions(scale="minmax")
    kinds = [
        torch.from_numpy(maps),
        maps.astype(np.uint16),
        maps.astype(">f4"),
        Memory(0, tmp_path).array(maps.astype("f4")),
    ]
    known, *others = (FeatureMatrix(chains, options, [Cue(name="c", maps=kind)]).dense() for kind in kinds)
    assert float(known.abs().max()) > 0.1
    assert all(torch.equal(known, other) for other in others)


def test_features_above_the_limit_are_not_kept() -> None:
    made = toy("disc", (20, 17), 4)
    x = torch.rand(4 * 20 * 17, dtype=torch.float64)
    chains, options = (
        MotionChains(made.flow, compute=Compute(dtype=torch.float64)),
        FeatureOptions(displacements="steps", half_window=2),
    )
    kept, fresh = (Projection(FeatureMatrix(chains, options, keep=keep)) for keep in (1 << 20, 10))
    assert torch.equal(kept.matvec(x), fresh.matvec(x))
    assert len(kept.features._kept) == 4
    assert len(fresh.features._kept) == 0


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 5.0]))
def test_projection_is_ridge_regression(seed, ridge) -> None:
    made = toy("deforming", (18, 16), 3, seed=seed % 5)
    noise = torch.Generator().manual_seed(seed)
    cue = Cue(name="noise", maps=torch.rand(3, 16, 18, generator=noise, dtype=torch.float64))
    features = matrix(made.flow, [cue], half_window=1, cue_window=1)
    x = torch.rand(3 * 16 * 18, generator=noise, dtype=torch.float64)
    f = features.dense().numpy()
    padded = np.vstack([f, np.sqrt(ridge) * np.eye(f.shape[1])])
    weights, *_ = np.linalg.lstsq(padded, np.append(x.numpy(), np.zeros(f.shape[1])), rcond=1e-4)
    projected = Projection(features, ProjectionOptions(ridge=ridge)).matvec(x).numpy()
    assert np.abs(projected - f @ weights).max() < 1e-8


@pytest.mark.parametrize("ridge", [1e-9, 1e-3, 1.0, 1e4])
def test_a_ridge_acts_on_columns_of_any_units_as_the_formula_says(ridge) -> None:
    made = toy("deforming", (18, 16), 4)
    noise = torch.Generator().manual_seed(0)
    cues = [
        Cue(name=name, maps=scale * torch.rand(4, 16, 18, generator=noise, dtype=torch.float64))
        for name, scale in (("grey levels", 255), ("shares", 1), ("tiny", 1e-3))
    ]
    features = matrix(made.flow, cues, displacements="none", cue_window=1)
    f = features.dense()
    formula = f @ torch.linalg.solve(f.T @ f + ridge * torch.eye(f.shape[1], dtype=f.dtype), f.T)
    projection = Projection(features, ProjectionOptions(ridge=ridge))
    x = torch.rand(len(f), generator=noise, dtype=torch.float64)
    assert float((projection @ x - formula @ x).abs().max()) < 1e-7
    assert float((projection.dense() - formula).abs().max()) < 1e-7


def test_a_cue_may_be_a_numpy_array() -> None:
    maps = np.arange(180, dtype=np.float32).reshape(4, 5, 9)
    f = columns(matrix(shift(4, 1.0), [Cue(name="c", maps=maps)], displacements="none", cue_window=0, center="none"))
    assert np.array_equal(f["c[+0]"].numpy(), maps)


def test_dependent_and_constant_columns_change_nothing() -> None:
    made = toy("two_objects", (20, 17), 4)
    maps = torch.rand(4, 17, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.rand(4 * 17 * 20, dtype=torch.float64)
    cues = [Cue(name="a", maps=maps)]
    twice = [*cues, Cue(name="b", maps=3 * maps + 7), Cue(name="c", maps=torch.full_like(maps, 2.5))]
    once, again = (
        Projection(matrix(made.flow, given, half_window=1, cue_window=0)).matvec(x) for given in (cues, twice)
    )
    assert float((once - again).abs().max()) < 1e-9


def test_units_of_the_columns_do_not_matter_without_ridge() -> None:
    made = toy("disc", (20, 17), 4)
    maps = torch.rand(4, 17, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.rand(4 * 17 * 20, dtype=torch.float64)
    small, large = (
        Projection(matrix(made.flow, [Cue(name="a", maps=scale * maps)], half_window=1)).matvec(x)
        for scale in (1e-6, 1e6)
    )
    assert float((small - large).abs().max()) < 1e-9


def test_span_of_more_columns_than_rows() -> None:
    f = torch.randn(5, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    conditioner = precondition(f.T @ f)
    combined = f @ conditioner.matrix
    span = complete(conditioner, combined.T @ combined, ProjectionOptions(), torch.float64)
    q = f @ span.basis
    assert span.basis.shape == (12, 5)
    assert len(span.dropped) == 7
    assert torch.allclose(q.T @ q, torch.eye(5, dtype=torch.float64), atol=1e-10)


def test_cues_of_the_wrong_shape_or_with_nan() -> None:
    with pytest.raises(InputError, match=r"cue 'c' has shape \(4, 5, 8\); expected \(4, 5, 9\)"):
        matrix(shift(4, 1.0), [Cue(name="c", maps=torch.zeros(4, 5, 8))])
    with pytest.raises(InputError, match="cue 'c' has values that are NaN"):
        matrix(shift(4, 1.0), [Cue(name="c", maps=torch.full((4, 5, 9), torch.nan))])


def test_no_column_at_all() -> None:
    with pytest.raises(InputError, match="F has no column; switch on displacements"):
        matrix(shift(4, 1.0), displacements="none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"half_window": 0}, "half_window is 0"),
        ({"cue_window": -1}, "cue_window is -1"),
        ({"center": "mean"}, "'mean'; expected one of 'frame', 'video', 'none'"),
        ({"scale": 2}, "scale is 2; expected one of 'none', 'minmax'"),
        ({"ends": "wrap"}, "'wrap'; expected one of 'mirror', 'hold'"),
    ],
)
def test_bad_options(options, message) -> None:
    with pytest.raises(InputError, match=message):
        FeatureOptions(**options)


@pytest.mark.parametrize("colour", [None, 12.0])
@pytest.mark.parametrize("links", ["nearest", "corners"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_mean_is_that_along_the_chains(colour, links, batch) -> None:
    """T S = D^-1 (I + C) S, with the C of M but for the width of its Gaussian."""
    noise = np.random.default_rng(0)
    flow = Flow(forward=noise.normal(0, 1.5, (4, 11, 14, 2)), backward=noise.normal(0, 1.5, (4, 11, 14, 2)))
    colours, maps = noise.uniform(0, 40, (5, 11, 14, 3)), noise.random((5, 11, 14))
    chains = MotionChains(flow, ChainOptions(links=links), compute=Compute(dtype=torch.float64), batch=batch)
    motion = MotionMatrix(chains, MotionOptions(radius=3, sigma=4.0, colour=colour), colours)
    options = FeatureOptions(cue_window=0, mean=1.5, center="none")
    features = FeatureMatrix(chains, options, [Cue(name="c", maps=maps)], motion=motion)
    wide = MotionMatrix(chains, MotionOptions(radius=3, sigma=1.5, colour=colour), colours)
    votes = wide.outgoing().numpy() + np.eye(len(maps.ravel()))
    assert features.columns == ("c[+0]", "c mean")
    assert (features.reach, features.halo) == (0, 3)
    for keep in (0, 1 << 20):
        found = FeatureMatrix(chains, options, features.cues, keep=keep, motion=motion)
        for _ in range(2):
            assert np.abs(found.dense()[:, 1].numpy() - votes @ maps.ravel() / votes.sum(1)).max() < 1e-12
    assert np.array_equal(features.dense()[:, 0].numpy(), maps.ravel())


def test_means_need_chains_to_go_along() -> None:
    cue = Cue(name="c", maps=np.zeros((4, 4, 6)))
    with pytest.raises(InputError, match=r"FeatureOptions\.mean is 8\.0, but there is no M"):
        FeatureMatrix(MotionChains(shift(4, 1.0)), FeatureOptions(mean=8.0), [cue])
    with pytest.raises(InputError, match=r"FeatureOptions\.mean is 0"):
        FeatureOptions(mean=0)
