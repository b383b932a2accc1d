"""Motion saliency: the fit, the contrast and the filter on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.check import InputError
from ikebook.flow import Flow
from ikebook.saliency import (
    SaliencyOptions,
    dominant_motion,
    guided_filter,
    motion_contrast,
    motion_saliency,
    quadratic_basis,
    quantile,
)
from ikebook.toys import TOYS, toy


@pytest.mark.parametrize("seed", range(4))
def test_dominant_motion_is_found_under_an_object(seed) -> None:
    h, w = 60, 90
    noise = np.random.default_rng(seed)
    coefficients = torch.from_numpy(noise.normal(0, 2, (6, 2)))
    field = quadratic_basis(h, w, torch.zeros((), dtype=torch.float64)) @ coefficients
    scene = field.clone()
    field[20:40, 30:60] += torch.tensor([6.0, -4.0], dtype=torch.float64)
    assert float((dominant_motion(field) - scene).abs().max()) < 0.05


def test_a_quadratic_motion_leaves_no_residual() -> None:
    coefficients = torch.arange(12, dtype=torch.float64).view(6, 2) / 3
    field = quadratic_basis(40, 50, coefficients) @ coefficients
    assert float((dominant_motion(field) - field).abs().max()) < 1e-8


def test_contrast_is_positive_inside_and_negative_along_the_border() -> None:
    residual = torch.zeros(50, 70, 2)
    residual[18:32, 25:45, 0] = 3.0  # an object in the middle
    residual[:, :9, 1] = 3.0  # something that the border cuts off
    contrast = motion_contrast(residual)
    assert float(contrast[20:30, 28:42].min()) > 1
    assert float(contrast[:, :9].max()) < -1
    mirrored = motion_contrast(residual.flip(1))
    assert torch.allclose(mirrored.flip(1), contrast, atol=1e-4)


def test_the_same_noise_everywhere_has_little_contrast() -> None:
    residual = torch.randn(128, 128, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(motion_contrast(residual, SaliencyOptions(bins=21)).abs().mean()) < 0.2


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
        guide = torch.rand(3, 21, 30, generator=torch.Generator().manual_seed(0))
        filtered = guided_filter(guide, torch.full((21, 30), 0.7), 4, 1e-3)
        assert float((filtered - 0.7).abs().max()) < 1e-5

    def test_an_image_that_is_affine_in_the_guide_stays(self) -> None:
        y, x = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 60), indexing="ij")
        guide = torch.stack([x, y, (x * y)])
        image = 0.2 + 0.5 * guide[0] - 0.3 * guide[1]
        filtered = guided_filter(guide.double(), image.double(), 8, 1e-9)
        assert float((filtered - image)[8:-8, 8:-8].abs().max()) < 1e-3

    def test_noise_goes_and_the_edge_stays(self) -> None:
        guide = torch.zeros(3, 40, 60)
        guide[:, :, 30:] = 1
        edge = (guide[0] > 0.5).float()
        noisy = edge + 0.2 * torch.randn(40, 60, generator=torch.Generator().manual_seed(0))
        filtered = guided_filter(guide, noisy, 6, 1e-3)
        assert float((filtered - edge).std()) < 0.25 * float((noisy - edge).std())
        assert float(filtered[:, 32].mean() - filtered[:, 27].mean()) > 0.9


def test_quantile_of_many_values() -> None:
    values = torch.linspace(0, 1, 3_000_001)
    assert quantile(values, 0.95) == pytest.approx(0.95, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 1.5}, "quantile is 1.5; expected 1 or less"),
        ({"centre": -1}, "centre is -1"),
        ({"guide_epsilon": 0}, "guide_epsilon is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"bins": 2}, "bins is 2"),
    ],
)
def test_bad_options(options, message) -> None:
    with pytest.raises(InputError, match=message):
        SaliencyOptions(**options)
