"""Motion saliency: the fit, the contrast and the filter on cases with known answers."""

from __future__ import annotations

import weakref

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as nn

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import TOYS, toy
from ikebook.flow import Flow
from ikebook.graph.contrast import (
    colour_cells,
    colour_contrast,
    colour_tables,
    histograms,
    motion_cells,
    motion_contrast,
    windows,
)
from ikebook.graph.guided_filter import guided_filter, solve_ridge
from ikebook.graph.residual import both_directions, dominant_motion, median, planar, quadratic_basis
from ikebook.graph.saliency import Evidence, SaliencyOptions, bell, measure, motion_saliency, sample_parts


def contrast_of(residual: torch.Tensor, bins: int = 65) -> torch.Tensor:
    """L of each pixel (b, h, w) of residuals (b, h, w, 2), each frame alone, where nothing is known."""
    q = bell(tuple(residual.shape[1:3]), SaliencyOptions(), Compute(dtype=residual.dtype)).expand(residual.shape[:3])
    cells = motion_cells(residual, bins)
    contrast = motion_contrast([histograms(cells, q, bins**2)], bins)
    return contrast.gather(1, cells.flatten(1)).view_as(cells)


@pytest.mark.parametrize("seed", range(4))
def test_dominant_motion_is_found_under_an_object(seed) -> None:
    h, w = 60, 90
    noise = np.random.default_rng(seed)
    coefficients = torch.from_numpy(noise.normal(0, 2, (6, 2)))
    field = (coefficients.T @ quadratic_basis(h, w, coefficients).flatten(1)).view(2, h, w).movedim(0, -1)
    scene = field.clone()
    field[20:40, 30:60] += torch.tensor([6.0, -4.0], dtype=torch.float64)
    assert float((dominant_motion(field[None])[0] - scene).abs().max()) < 0.05


def test_a_quadratic_motion_leaves_no_residual() -> None:
    coefficients = torch.arange(12, dtype=torch.float64).view(6, 2) / 3
    field = (coefficients.T @ quadratic_basis(40, 50, coefficients).flatten(1)).view(1, 2, 40, 50).movedim(1, -1)
    assert float((dominant_motion(field) - field).abs().max()) < 1e-8
    assert float(field.abs().max()) > 1


def test_contrast_is_positive_inside_and_negative_along_the_border() -> None:
    residual = torch.zeros(1, 50, 70, 2)
    residual[0, 18:32, 25:45, 0] = 3.0  # an object in the middle
    residual[0, :, :9, 1] = 3.0  # something that the border cuts off
    contrast = contrast_of(residual)[0]
    assert float(contrast[20:30, 28:42].min()) > 1
    assert float(contrast[:, :9].max()) < -1
    mirrored = contrast_of(residual.flip(2))[0]
    assert torch.allclose(mirrored.flip(1), contrast, atol=1e-4)


@pytest.mark.parametrize(("there", "back"), [(4.0, 9.0), (6.0, 6.0), (8.0, 0.0)])
def test_the_distance_is_the_geometric_mean_of_both_directions(there, back) -> None:
    """What moves in one direction of time alone, as at an occlusion, is no object."""
    forward, backward = torch.zeros(2, 1, 60, 90, 2, dtype=torch.float64)
    forward[0, 20:40, 30:60, 0], backward[0, 20:40, 30:60, 1] = there, -back
    flow = Flow(forward=np.repeat(forward.numpy(), 2, 0), backward=np.repeat(backward.numpy(), 2, 0))
    distance = measure(flow, range(1, 2), SaliencyOptions(), Compute(dtype=torch.float64))[:, 0]
    assert float(distance[0, 30, 45]) == pytest.approx((there * back) ** 0.5, abs=0.1)
    assert float(distance[0, :10].max()) < 0.1


def test_the_same_noise_everywhere_has_little_contrast() -> None:
    residual = torch.randn(1, 128, 128, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(contrast_of(residual, bins=21).abs().mean()) < 0.2


@pytest.mark.parametrize("name", [name for name in TOYS if name not in ("still", "tracked")])
@pytest.mark.parametrize("seed", [0, 1])
def test_saliency_is_higher_on_the_object(name, seed) -> None:
    made = toy(name, (96, 64), 6, seed=seed)
    maps = motion_saliency(torch.from_numpy(made.clip.frames), made.flow)
    assert made.clip.masks is not None
    mask = torch.from_numpy(made.clip.masks)
    assert maps.shape == mask.shape
    assert float(maps.min()) >= 0
    assert float(maps.max()) <= 1
    assert float(maps[mask].mean()) > 5 * float(maps[~mask].mean())


def test_a_still_clip_has_none() -> None:
    made = toy("still", (32, 24), 4)
    assert float(motion_saliency(torch.from_numpy(made.clip.frames), made.flow).abs().max()) == 0


def test_a_camera_motion_alone_has_hardly_any() -> None:
    forward = np.zeros((3, 40, 60, 2), np.float32)
    forward[..., 0] = 2.5 + np.linspace(-1, 1, 60, dtype=np.float32)
    frames = torch.zeros(4, 40, 60, 3, dtype=torch.uint8)
    maps = motion_saliency(frames, Flow(forward=forward, backward=-forward))
    assert float(maps.max()) < 0.02


def test_two_frames_have_one_direction_each() -> None:
    made = toy("disc", (48, 40), 2)
    maps = motion_saliency(torch.from_numpy(made.clip.frames), made.flow)
    assert made.clip.masks is not None
    mask = torch.from_numpy(made.clip.masks)
    for frame in range(2):
        assert float(maps[frame][mask[frame]].mean()) > 5 * float(maps[frame][~mask[frame]].mean())


class TestGuidedFilter:
    def test_a_constant_stays(self) -> None:
        guide = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
        filtered = guided_filter(guide, torch.full((1, 21, 30), 0.7), 4, 1e-3)
        assert float((filtered - 0.7).abs().max()) < 1e-5

    def test_an_image_that_is_affine_in_the_guide_stays(self) -> None:
        y, x = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 60), indexing="ij")
        guide = torch.stack([x, y, (x * y)])
        image = 0.2 + 0.5 * guide[0] - 0.3 * guide[1]
        filtered = guided_filter(guide[None].double(), image[None].double(), 8, 1e-9)[0]
        assert float((filtered - image)[8:-8, 8:-8].abs().max()) < 1e-3

    def test_noise_goes_and_the_edge_stays(self) -> None:
        guide = torch.zeros(3, 40, 60)
        guide[:, :, 30:] = 1
        edge = (guide[0] > 0.5).float()
        noisy = edge + 0.2 * torch.randn(40, 60, generator=torch.Generator().manual_seed(0))
        filtered = guided_filter(guide[None], noisy[None], 6, 1e-3)[0]
        assert float((filtered - edge).std()) < 0.25 * float((noisy - edge).std())
        assert float(filtered[:, 32].mean() - filtered[:, 27].mean()) > 0.9

    @pytest.mark.parametrize("size", [(20, 30), (21, 30), (20, 31)])
    @pytest.mark.parametrize("radius", [1, 5, 40])
    def test_it_is_the_regression_in_each_window(self, size, radius) -> None:
        """Against the definition: a ridge regression window by window, at half the size, averaged and enlarged."""
        epsilon, reach, noise = 1e-3, max(1, radius // 2), torch.Generator().manual_seed(radius)
        guide = torch.rand(3, *size, generator=noise, dtype=torch.float64)
        image = torch.rand(*size, generator=noise, dtype=torch.float64)
        planes = torch.cat([guide, image[None]])
        small = nn.interpolate(planes[None], size=[(n + 1) // 2 for n in size], mode="area")[0]
        rows, columns = small.shape[1:]

        def window(planes, y, x):
            y, x = (slice(max(0, centre - reach), centre + reach + 1) for centre in (y, x))
            return planes[:, y, x].flatten(1)

        affine = small.new_empty(4, rows, columns)
        for y in range(rows):
            for x in range(columns):
                pixels = window(small, y, x)
                mean = pixels.mean(1)
                covariance = torch.cov(pixels, correction=0)
                slope = torch.linalg.solve(
                    covariance[:3, :3] + epsilon * torch.eye(3, dtype=torch.float64), covariance[:3, 3]
                )
                affine[:, y, x] = torch.cat([slope, (mean[3] - slope @ mean[:3])[None]])
        mean = torch.stack([window(affine, y, x).mean(1) for y in range(rows) for x in range(columns)], dim=1)
        large = nn.interpolate(mean.view(1, 4, rows, columns), size=size, mode="bilinear")[0]
        expected = (large[:3] * guide).sum(0) + large[3]
        assert torch.allclose(guided_filter(guide[None], image[None], radius, epsilon)[0], expected, atol=1e-11)


class TestRidge:
    @staticmethod
    def system(colours, dtype, seed):
        """Covariance of `colours` independent colours among three, at 6x7 pixels, and a right-hand side."""
        noise = torch.Generator().manual_seed(seed)
        mixed = torch.rand(6, 7, 3, colours, generator=noise, dtype=torch.float64)
        covariance = mixed @ mixed.mT / 12
        right = (mixed @ torch.rand(6, 7, colours, 1, generator=noise, dtype=torch.float64))[..., 0] / 12
        return covariance.to(dtype), right.to(dtype)

    @staticmethod
    def solved(covariance, right, epsilon):
        left = [covariance[None, ..., i, j] for i in range(3) for j in range(i, 3)]
        return solve_ridge(left, [right[None, ..., i] for i in range(3)], epsilon)[0].movedim(0, -1)

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("colours", [1, 2, 3])
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-4), (torch.float64, 1e-12)])
    def test_it_is_the_solution(self, dtype, tolerance, colours, seed) -> None:
        covariance, right = self.system(colours, dtype, seed)
        exact = torch.linalg.solve(covariance.double() + 1e-3 * torch.eye(3, dtype=torch.float64), right.double())
        assert float(exact.abs().max()) > 0.3
        assert float((self.solved(covariance, right, 1e-3) - exact).abs().max()) < tolerance

    @pytest.mark.parametrize("seed", range(3))
    def test_rounding_makes_no_pivot_negative(self, seed) -> None:
        covariance, right = self.system(1, torch.float32, seed)
        x = self.solved(covariance, right, 1e-9)
        left = (covariance @ x[..., None])[..., 0]
        assert float((left - right).abs().max()) < 1e-3 * float(right.abs().max())


class TestBatches:
    """Frames are treated each alone: how many at a time is nobody's business but the processor's."""

    @pytest.mark.parametrize("name", ["disc", "occluder"])
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
    def test_any_partition_gives_the_same(self, name, dtype, tolerance) -> None:
        made = toy(name, (96, 64), 7, seed=3)
        noise = np.random.default_rng(3)  # without it residuals are rounding errors, of which the saliency has the root
        forward, backward = (
            field + noise.normal(0, 0.05, field.shape) for field in (made.flow.forward, made.flow.backward)
        )
        frames, flow = torch.from_numpy(made.clip.frames), Flow(forward=forward, backward=backward)
        one, *others = (
            motion_saliency(frames, flow, compute=Compute(dtype=dtype), batch=batch) for batch in (1, 2, 5, 7, None)
        )
        assert one.dtype == dtype
        assert float(one.amax((1, 2)).min()) > 0.5
        assert len(others) == 4
        for other in others:
            assert float((other - one).abs().max()) < tolerance

    def test_fields_are_fitted_and_contrasted_each_alone(self) -> None:
        fields = torch.randn(3, 40, 60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        fields *= torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64).view(3, 1, 1, 1)
        for function in (dominant_motion, contrast_of):
            alone = torch.cat([function(field[None]) for field in fields])
            assert torch.allclose(function(fields), alone, atol=1e-12)
            assert torch.allclose(function(planar(fields)), alone, atol=1e-12)  # whatever the layout in memory

    def test_images_are_filtered_each_alone(self) -> None:
        noise = torch.Generator().manual_seed(0)
        guide, image = (
            torch.rand(3, 3, 20, 30, generator=noise).double(),
            torch.rand(3, 20, 30, generator=noise).double(),
        )
        alone = torch.cat([guided_filter(guide[i : i + 1], image[i : i + 1], 5, 1e-3) for i in range(3)])
        assert torch.allclose(guided_filter(guide, image, 5, 1e-3), alone, atol=1e-12)

    def test_both_directions_at_the_ends_and_between(self) -> None:
        forward = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1) * np.ones((1, 2, 3, 2), np.float32)
        flow = Flow(forward=forward, backward=forward + 10)
        for start in range(5):
            for stop in range(start + 1, 6):
                there, back = both_directions(flow, range(start, stop))
                assert list(there[:, 0, 0, 0]) == [0, 1, 2, 3, 13][start:stop]
                assert list(back[:, 0, 0, 0]) == [0, 10, 11, 12, 13][start:stop]

    def test_the_distance_alone_is_the_saliency_without_contrast_and_filter(self) -> None:
        made = toy("disc", (64, 48), 5)
        distance = measure(made.flow, range(5), SaliencyOptions(), Compute())[:, 0]
        scale = np.quantile(sample_parts([distance], distance.numel()), SaliencyOptions().quantile)
        plain = SaliencyOptions(contrast=False, guide_radius=0)
        maps = motion_saliency(torch.from_numpy(made.clip.frames), made.flow, plain)
        assert torch.allclose(maps, (1 - torch.exp(-distance / scale)).sqrt(), atol=1e-6)


def noisy_clip(seed: int = 0):
    """Random frames and flow: no two pixels are alike."""
    noise = np.random.default_rng(seed)
    frames = noise.integers(0, 256, (7, 12, 14, 3), dtype=np.uint8)
    return frames, Flow(forward=noise.normal(0, 1, (6, 12, 14, 2)), backward=noise.normal(0, 1, (6, 12, 14, 2))), noise


def smooth(histogram: np.ndarray) -> np.ndarray:
    """A Gaussian of one cell along each axis, by its definition; beyond the border are the cells on it."""
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    weights /= weights.sum()
    for axis in range(histogram.ndim):
        n = histogram.shape[axis]
        histogram = sum(
            weight * np.take(histogram, np.clip(np.arange(n) + shift, 0, n - 1), axis)
            for shift, weight in zip(range(-4, 5), weights, strict=True)
        )
    return histogram


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize(("pool", "mix"), [(0, 0.5), (2, 0.3), (9, 1.0)])
def test_evidence_by_its_definition(pool, mix, knows, batch) -> None:
    """Bayes' rule, pixel by pixel: logit P = logit of the mean of what is known + L of both motions + L of the colour."""
    frames, flow, noise = noisy_clip()
    known = noise.random((7, 12, 14)) ** 2 if knows else None
    o = SaliencyOptions(pool=pool, mix=mix, bins=9, colour_bins=4, guide_radius=0)
    compute = Compute(dtype=torch.float64)
    measured = measure(flow, range(7), o, compute).numpy()
    middle = bell((12, 14), o, compute).numpy()
    q = np.broadcast_to(middle, (7, 12, 14)) if known is None else mix * middle + (1 - mix) * known
    prior = (middle if known is None else known).mean()
    logit = np.full(q.shape, np.log(prior / (1 - prior)))
    for direction in (1, 2):
        cells = measured[:, direction].astype(int)
        shares = np.zeros((2, 7, 81))
        for i in range(7):
            for side, weight in enumerate((q[i], 1 - q[i])):
                for cell, one in zip(cells[i].ravel(), weight.ravel(), strict=True):
                    shares[side, i, cell] += one / weight.sum()
        for i in range(7):
            near = slice(max(0, i - pool), i + pool + 1)
            logs = [np.log(smooth(side[near].mean(0).reshape(9, 9)) + 1e-6).ravel() for side in shares]
            logit[i] += (logs[0] - logs[1])[cells[i]]
    if known is not None:
        lab = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2Lab) for frame in frames])
        counts = np.stack([np.bincount(lab[..., axis].ravel(), minlength=256) for axis in range(3)])
        cells = colour_cells(lab, colour_tables(counts, 4), 4)
        shares = np.zeros((2, 64))
        for side, weight in enumerate((known, 1 - known)):
            np.add.at(shares[side], cells.ravel(), weight.ravel() / weight.sum())
        logs = [np.log(smooth(side.reshape(4, 4, 4)) + 1e-5).ravel() for side in shares]
        logit += (logs[0] - logs[1])[cells]
    scale = np.quantile(measured[:, 0], o.quantile)
    expected = np.sqrt(1 - np.exp(-measured[:, 0] / scale)) / (1 + np.exp(-logit))
    found = Evidence(frames, flow, o, compute=compute, batch=batch).saliency(known)
    assert np.abs(found.numpy() - expected).max() < 1e-10


def test_colour_tells_what_is_known_from_what_moves_alike() -> None:
    frames, forward = np.full((5, 40, 60, 3), 120, np.uint8), np.zeros((4, 40, 60, 2))
    red, blue = (slice(12, 28), slice(10, 24)), (slice(12, 28), slice(36, 50))
    for place, colour in ((red, (200, 30, 30)), (blue, (30, 30, 200))):
        frames[(slice(None), *place)] = colour
        forward[(slice(None), *place, 0)] = 3
    evidence = Evidence(frames, Flow(forward=forward, backward=-forward))
    known = np.zeros((5, 40, 60), np.float32)
    known[(slice(None), *red)] = 1
    before, after = evidence.saliency(), evidence.saliency(known)
    assert float(before[(slice(None), *blue)].min()) > 0.5
    assert float(after[(slice(None), *red)].min()) > 0.6  # at the corners, by the guided filter
    assert float(after[(slice(None), *blue)].max()) < 0.1


def test_where_nothing_moves_what_is_known_stands_in_for_the_distance() -> None:
    """Frames with a patch that moves by so many pixels: rest = exp(-(quantile / (0.1 scale))^2), and S = max(strength, rest K)."""
    m, h, w = 6, 40, 50
    noise = np.random.default_rng(0)
    speeds = np.array([8.0, 8.0, 8.0, 0.0, 0.0, 0.0])
    field = np.zeros((m, h, w, 2), np.float32)
    field[:, 10:30, 15:35, 0] = speeds[:, None, None]
    flow = Flow(forward=field[:-1], backward=-field[:-1])
    frames, known = noise.integers(0, 255, (m, h, w, 3), np.uint8), noise.random((m, h, w)).astype(np.float32)
    evidence = Evidence(frames, flow, SaliencyOptions(contrast=False, guide_radius=0))
    first, later = evidence.saliency().numpy(), evidence.saliency(known).numpy()
    assert np.abs(later[4:] - known[4:]).max() < 1e-3  # no direction moves there
    assert first[4:].max() < 0.02
    assert np.array_equal(later[:3], first[:3])  # and here the motion says it all


def test_evidence_of_two_flows_is_the_mean_of_both() -> None:
    frames, flow, noise = noisy_clip(1)
    other = Flow(forward=flow.forward + noise.normal(0, 1, flow.forward.shape), backward=flow.backward)
    known = noise.random((7, 12, 14))
    both = Evidence(frames, [flow, other]).saliency(known)
    alone = [Evidence(frames, one).saliency(known) for one in (flow, other)]
    assert torch.allclose(both, torch.stack(alone).mean(0), atol=1e-6)


def test_windows_are_cut_off_at_the_ends() -> None:
    found = [tuple(int(one) for one in near) for near in windows(map(torch.tensor, range(6)), 2)]
    assert found == [(0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 5), (2, 3, 4, 5), (3, 4, 5)]
    assert [len(near) for near in windows(map(torch.tensor, range(3)), 0)] == [1, 1, 1]
    assert [len(near) for near in windows(map(torch.tensor, range(3)), 9)] == [3, 3, 3]


def test_colours_that_are_as_common_on_both_sides_say_nothing() -> None:
    counts = torch.rand(1, 64, generator=torch.Generator().manual_seed(0)).expand(2, -1)
    assert float(colour_contrast(counts * torch.tensor([[1.0], [7.0]]), 4).abs().max()) < 1e-5


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_median_is_the_lower_one_of_each_row(n) -> None:
    values = torch.randn(3, n, generator=torch.Generator().manual_seed(n))
    before = values.clone()
    assert median(values).equal(values.median(dim=1, keepdim=True).values)
    assert values.equal(before)


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_quantile_of_many_values_that_come_in_parts(pieces) -> None:
    values = torch.linspace(0, 1, 3_000_001)
    assert np.quantile(sample_parts(values.tensor_split(pieces), len(values)), 0.95) == pytest.approx(0.95, abs=1e-4)
    assert np.quantile(sample_parts(values.tensor_split(pieces), len(values)), 0.5) == np.quantile(
        sample_parts([values], len(values)), 0.5
    )
    noise = torch.randn(1001, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    known = float(torch.quantile(noise, 0.777))
    assert np.quantile(sample_parts(noise.tensor_split(pieces), 1001), 0.777) == pytest.approx(known, abs=1e-14)


def test_the_quantile_of_a_long_clip_does_not_hold_its_frames() -> None:
    held: list[weakref.ref] = []

    def parts():
        for seed in range(40):
            values = np.random.default_rng(seed).random(100_000)
            held.append(weakref.ref(values))
            yield torch.from_numpy(values)
            del values
            assert sum(part() is not None for part in held) <= 1  # the last one, which the reader may have in hand

    assert np.quantile(sample_parts(parts(), 4_000_000), 0.9) == pytest.approx(0.9, abs=1e-3)
    assert len(held) == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 1.5}, "quantile is 1.5; expected 1 or less"),
        ({"centre": -1}, "centre is -1"),
        ({"guide_epsilon": 0}, "guide_epsilon is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"bins": 2}, "bins is 2"),
        ({"mix": 1.1}, "mix is 1.1; expected 1 or less"),
        ({"pool": -1}, "pool is -1"),
        ({"colour_bins": 1}, "colour_bins is 1"),
    ],
)
def test_bad_options(options, message) -> None:
    with pytest.raises(InputError, match=message):
        SaliencyOptions(**options)
