"""P against NumPy's singular value decomposition of F, in float64: nothing of ikebook is in what it is held to."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.projection import Projection, ProjectionOptions, sampled_frames

H, W, M, D = 5, 6, 4, 5
N = M * H * W
EPS = {torch.float64: 2.0**-52, torch.float32: 2.0**-23}
BOTH = pytest.mark.parametrize("scope", ["video", "frame"])


def features(
    f: np.ndarray, dtype: torch.dtype = torch.float64, batch: int = 1, shape: tuple[int, int] = (H, W)
) -> FeatureMatrix:
    """F with these columns (n, d), called a, b, ...: cues on a scene where nothing moves."""
    maps = f.T.reshape(f.shape[1], -1, *shape)
    still = np.zeros((maps.shape[1] - 1, *shape, 2))
    chains = MotionChains(Flow(forward=still, backward=still), compute=Compute(dtype=dtype), batch=batch)
    cues = [
        Cue(name=chr(97 + k), maps=one.astype(np.float32) if dtype == torch.float32 else one)
        for k, one in enumerate(maps)
    ]
    return FeatureMatrix(chains, FeatureOptions(center="none", cue_window=0), cues)


def project(
    f: np.ndarray, dtype: torch.dtype = torch.float64, *, batch: int = 1, shape=(H, W), **options
) -> Projection:
    return Projection(features(f, dtype, batch, shape), ProjectionOptions(**options))


def conditioned(seed: int, condition: float, d: int = D, n: int = N) -> np.ndarray:
    """A random matrix (n, d) with singular values from 1 down to 1 / `condition`."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((size, d)))[0] for size in (n, d))
    return left * np.geomspace(1, 1 / condition, d) @ right.T


def unit_columns(f: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(f, axis=0)
    return f / np.where(lengths > 0, lengths, 1)


def known_span(f: np.ndarray, tolerance: float = 1e-8) -> tuple[np.ndarray, np.ndarray]:
    """An orthonormal basis of the span of F, and all singular values of F, columns at unit length."""
    left, values, _ = np.linalg.svd(unit_columns(f), full_matrices=False)
    return left[:, values > tolerance * values[0]], values


def known_projection(f: np.ndarray, ridge: float = 0.0, tolerance: float = 1e-8) -> np.ndarray:
    """P (n, n); a ridge by an orthogonal decomposition of [F; sqrt(rho) I], in place of F'F + rho I."""
    if ridge == 0:
        q = known_span(f, tolerance)[0]
        return q @ q.T
    q = np.linalg.qr(np.vstack([f, np.sqrt(ridge) * np.eye(f.shape[1])]))[0][: len(f)]
    return q @ q.T


def by_scope(f: np.ndarray, scope: str, known=known_projection, **options) -> np.ndarray:
    """The same for the clip, or frame by frame as a block-diagonal matrix."""
    if scope == "video":
        return known(f, **options)
    p, size = np.zeros((len(f), len(f))), len(f) // M
    for i in range(M):
        rows = slice(i * size, (i + 1) * size)
        p[rows, rows] = known(f[rows], **options)
    return p


def worst(projection: Projection, known: np.ndarray, f: np.ndarray) -> float:
    """|P x - known x| for unit x: all left singular vectors of F, so the one that is hardest to keep too, and noise."""
    left = np.linalg.svd(unit_columns(f), full_matrices=False)[0]
    noise = np.random.default_rng(5).standard_normal((len(f), 3))
    xs = np.hstack([left, noise / np.linalg.norm(noise, axis=0)]).T
    return max(
        float(np.linalg.norm((projection @ torch.tensor(x, dtype=projection.dtype)).double().numpy() - known @ x))
        for x in xs
    )


def frame_condition(f: np.ndarray, scope: str) -> float:
    parts = [f] if scope == "video" else np.split(f, M)
    values = [np.linalg.svd(unit_columns(part), compute_uv=False) for part in parts]
    return max(each[0] / each[-1] for each in values)


@BOTH
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("dtype", "condition"),
    [
        (torch.float64, 1.0),
        (torch.float64, 1e3),
        (torch.float64, 1e5),
        (torch.float64, 1e7),
        (torch.float32, 10.0),
        (torch.float32, 1e3),
        (torch.float32, 1e5),
    ],
)
def test_the_error_grows_with_the_condition_and_not_with_its_square(dtype, condition, seed, scope) -> None:
    """At 1e7 in float64, and 1e5 in float32, eps times the square is 0.02 and 1e3: nothing would be right."""
    f = conditioned(seed, condition)
    if dtype == torch.float32:
        f = f.astype(np.float32).astype(np.float64)  # what the program is given
    true = frame_condition(f, scope)
    projection = project(f, dtype, scope=scope, tolerance=1e-9)
    known = by_scope(f, scope, tolerance=1e-9)
    allowed = 8 * EPS[dtype] * max(true, 10)
    assert worst(projection, known, f) <= allowed
    assert np.abs(projection.dense().double().numpy() - known).max() <= allowed + 8 * EPS[dtype]
    parts = [f] if scope == "video" else np.split(f, M)
    for span, part in zip(projection.spans(), parts, strict=True):
        basis, values = known_span(part, 1e-9)
        assert span.basis.shape == (D, D)
        assert span.dropped == ()
        assert np.abs(span.singular.numpy() - values).max() <= 8 * EPS[dtype] * values[0]
        assert span.condition == pytest.approx(
            values[0] / values[-1], rel=8 * EPS[dtype] * values[0] / values[-1] + 1e-12
        )
        q = part @ span.basis.numpy()
        assert np.abs(q.T @ q - np.eye(D)).max() <= 8 * EPS[dtype] * max(true, 10)
        assert np.abs(q - basis @ (basis.T @ q)).max() <= allowed


@BOTH
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_units_of_columns_do_not_matter(dtype, seed, scope) -> None:
    rng = np.random.default_rng(seed)
    f = rng.standard_normal((N, D)) * 10 ** rng.permutation(np.linspace(-6, 6, D))
    projection = project(f, dtype, scope=scope)
    assert worst(projection, by_scope(f, scope), f) < 100 * EPS[dtype]
    for span in projection.spans():
        assert len(span.singular) == D
        assert span.condition < 10


@BOTH
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_zero_and_equal_columns_are_left_out_and_named(dtype, seed, scope) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.standard_normal((2, N))
    f = np.stack([one, np.zeros(N), two, one, -1e4 * two], axis=1)  # a, nothing, c, a again, c again
    projection = project(f, dtype, scope=scope)
    assert worst(projection, by_scope(f, scope, tolerance=1e-6), np.stack([one, two], axis=1)) < 100 * EPS[dtype]
    for span in projection.spans():
        assert len(span.singular) == 2
        assert len(span.dropped) == 3
        assert "+1.00 b[+0]" in span.dropped
        named = {name for direction in span.dropped for name in re.findall(r"([a-e])\[\+0\]", direction)}
        assert named == {"a", "b", "c", "d", "e"}
        # Each direction in words is one in which unit columns cancel.
        columns = dict(zip("abcde", unit_columns(f).T, strict=True))
        for direction in span.dropped:
            parts = re.findall(r"([+-]\d\.\d\d) ([a-e])\[", direction)
            assert np.linalg.norm(sum(float(share) * columns[name] for share, name in parts)) < 0.02


def test_an_f_of_zeros_has_no_span() -> None:
    for scope in ("video", "frame"):
        projection = project(np.zeros((N, 2)), scope=scope)
        x = torch.ones(N, dtype=torch.float64)
        assert float((projection @ x).abs().max()) == 0
        assert all(len(span.singular) == 0 and span.condition == 1 for span in projection.spans())
        assert all(span.dropped == ("+1.00 a[+0]", "+1.00 b[+0]") for span in projection.spans())


@pytest.mark.parametrize(("share", "kept"), [(1e-4, 2), (1e-2, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_tolerance_says_what_counts_as_dependent(seed, share, kept) -> None:
    f = conditioned(seed, 1.0, 2)
    f[:, 1] = f[:, 0] + 2e-3 * f[:, 1]  # singular values sqrt(2) and sqrt(2) 1e-3, nearly
    projection = project(f, tolerance=share)
    assert len(projection.spans()[0].singular) == kept
    assert float(projection.dense().trace()) == pytest.approx(kept)
    assert len(known_span(f, share)[0].T) == kept


@BOTH
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("ridge", [1e-8, 1e-2, 1.0, 1e3])
@pytest.mark.parametrize("condition", [10.0, 1e6])
def test_a_ridge_is_the_formula(condition, ridge, seed, scope) -> None:
    f = conditioned(seed, condition)
    known = by_scope(f, scope, ridge=ridge)
    projection = project(f, ridge=ridge, scope=scope)
    assert worst(projection, known, f) < 1e-15 * max(frame_condition(f, scope), 1e2)
    assert np.abs(projection.dense().numpy() - known).max() < 1e-14 * max(frame_condition(f, scope), 1e2)
    shrinks = np.concatenate([span.shrink.numpy() for span in projection.spans()])
    eigenvalues = np.linalg.eigvalsh(known)[-len(shrinks) :]
    assert np.sort(shrinks) == pytest.approx(eigenvalues, abs=1e-9)
    assert not projection.is_projector


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("ridge", [1e-6, 1.0, 1e6])
def test_a_ridge_acts_on_columns_as_they_are(ridge, seed) -> None:
    """Lengths from 1e-6 to 1e6: F'F + rho I is solved with its diagonal at 1, where it is well conditioned."""
    rng = np.random.default_rng(seed)
    scales = 10 ** rng.permutation(np.linspace(-6, 6, D))
    f = rng.standard_normal((N, D)) * scales
    g = f.T @ f + ridge * np.eye(D)
    size = np.sqrt(g.diagonal())
    known = (f / size) @ np.linalg.solve(g / size / size[:, None], (f / size).T)
    assert worst(project(f, ridge=ridge), known, f) < 1e-12


class TestSampledFrames:
    """F is looked at in a few frames first; what they do not show must still be right."""

    FRAMES, SHAPE = 40, (3, 4)

    @pytest.fixture(params=[0, 1])
    def noise(self, request) -> np.ndarray:
        return np.random.default_rng(request.param).standard_normal((3, self.FRAMES, 12))

    @property
    def seen(self) -> np.ndarray:
        seen = np.zeros(self.FRAMES, bool)
        seen[sampled_frames(self.FRAMES)] = True
        assert 1 < seen.sum() < self.FRAMES / 2
        return seen[:, None]

    def assert_projection(
        self, maps: list[np.ndarray], dtype: torch.dtype = torch.float64, allowed: float = 20, **options
    ) -> Projection:
        f = np.stack([one.ravel() for one in maps], axis=1)
        if dtype == torch.float32:
            f = f.astype(np.float32).astype(np.float64)
        tolerance = 1e-8 if dtype == torch.float64 else 1e-6
        projection = project(f, dtype, batch=7, shape=self.SHAPE, **options)
        values = np.linalg.svd(unit_columns(f), compute_uv=False)
        values = values[values > tolerance * values[0]]
        known = known_projection(f, options.get("ridge", 0.0), tolerance)
        assert worst(projection, known, f) <= allowed * EPS[dtype] * max(values[0] / values[-1], 10)
        assert len(projection.spans()[0].singular) == len(values)
        assert projection.spans()[0].settled
        return projection

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_a_column_that_is_0_there(self, noise, dtype) -> None:
        one, two, _ = noise
        self.assert_projection([one, np.where(self.seen, 0, two)], dtype)
        self.assert_projection([np.where(self.seen, 0, two)], dtype)
        self.assert_projection([np.where(self.seen, 0, one), np.where(self.seen, 0, one + 1e-3 * two), one], dtype)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_a_column_that_is_0_everywhere_else(self, noise, dtype) -> None:
        one, two, _ = noise
        self.assert_projection([one, np.where(self.seen, two, 0)], dtype)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    @pytest.mark.parametrize("share", [0.0, 1e-12, 1e-9, 1e-6, 1e-3])
    def test_columns_that_are_dependent_there_only(self, noise, share, dtype) -> None:
        one, two, three = noise
        self.assert_projection([one, np.where(self.seen, one + share * two, two)], dtype)
        self.assert_projection([one, np.where(self.seen, one + share * two, two), three], dtype)
        self.assert_projection([one, two, np.where(self.seen, one - two + share * three, three)], dtype)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    @pytest.mark.parametrize("scale", [1e-20, 1e-10, 1e-5, 1e5, 1e10])
    def test_a_column_of_another_size_there(self, noise, scale, dtype) -> None:
        one, two, _ = noise
        self.assert_projection([one, np.where(self.seen, scale * two, two)], dtype)

    def test_columns_that_are_independent_there_only(self, noise) -> None:
        one, two, _ = noise
        self.assert_projection([one, np.where(self.seen, two, one)])
        self.assert_projection([one, np.where(self.seen, 1e-5 * two + one, one)])

    @pytest.mark.parametrize("ridge", [1e-3, 10.0])
    def test_with_a_ridge(self, noise, ridge) -> None:
        one, two, three = noise
        self.assert_projection([one, np.where(self.seen, one, two), np.where(self.seen, 0, three)], ridge=ridge)

    def test_what_is_dependent_everywhere_is_dropped_and_named(self, noise) -> None:
        one, two, _ = noise
        late = np.where(self.seen, 0, two)
        projection = self.assert_projection([one, late, 3 * late, np.zeros_like(one)])
        dropped = projection.spans()[0].dropped
        assert len(dropped) == 2
        assert "+1.00 d[+0]" in dropped
        assert any(re.fullmatch(r"\+0\.71 [bc]\[\+0\] -0\.71 [bc]\[\+0\]", name) for name in dropped)


@pytest.mark.parametrize("frames", [2, 8, 9, 40, 256, 300, 1000])
def test_sampled_frames_are_some_of_the_clip_s(frames) -> None:
    found = sampled_frames(frames)
    assert found == sorted(set(found))
    assert 0 <= found[0] <= found[-1] < frames
    assert len(found) == min(frames, max(8, -(-frames // 32)))
    assert max(np.diff([-1, *found, frames])) <= 2 * -(-frames // len(found))  # and none is far away


@BOTH
def test_more_columns_than_rows(scope) -> None:
    rng = np.random.default_rng(0)
    f = rng.standard_normal((M * 6, 8))  # frames of six pixels
    projection = project(f, scope=scope, shape=(2, 3))
    known = by_scope(f, scope, tolerance=1e-8)
    x = torch.tensor(rng.standard_normal(M * 6))
    assert np.abs((projection @ x).numpy() - known @ x.numpy()).max() < 1e-10
    assert [len(span.singular) for span in projection.spans()] == ([8] if scope == "video" else [6] * M)


@BOTH
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_symmetric_and_without_a_ridge_its_own_square(seed, ridge, scope) -> None:
    f = conditioned(seed, 1e4)
    projection = project(f, ridge=ridge, scope=scope)
    noise = torch.Generator().manual_seed(seed)
    u, v = torch.randn(2, N, generator=noise, dtype=torch.float64)
    assert float(u @ (projection @ v)) == pytest.approx(float(v @ (projection @ u)), abs=1e-11)
    again = (projection @ (projection @ u) - projection @ u).norm()
    assert (float(again) < 1e-11) == (ridge == 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ridge": -1.0}, "ridge is -1"),
        ({"ridge": float("nan")}, "ridge is nan"),
        ({"scope": "clip"}, "'clip'; expected one of 'video', 'frame'"),
        ({"tolerance": 1.0}, "tolerance is 1.0; expected less than 1"),
        ({"tolerance": -1e-3}, "tolerance is -0.001"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(options, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ProjectionOptions(**options)
    assert "\n" not in str(caught.value)
