"""Refinement: what it mends, what it leaves alone, and that it needs no more than a few frames."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from ikebook.base.arrays import DiskArray, Memory
from ikebook.base.check import InputError
from ikebook.datasets.toys import Toy, toy
from ikebook.flow import Flow
from ikebook.graph.refine import RefineOptions, refine, temporal_median
from ikebook.video.clip import Clip
from ikebook.video.metrics import region_similarity

MEDIAN_ALONE = RefineOptions(median=2, smoothness=0)
SOLVER_ALONE = RefineOptions(median=0)


def ragged_disc(seed: int) -> tuple[Clip, Flow, np.ndarray, np.ndarray]:
    """Three frames of one disc in two colours, and soft masks of a disc whose border is frayed."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :160]
    angle, radius = np.arctan2(y - 48, x - 80), np.hypot(y - 48, x - 80)
    truth = radius < 30
    frames = np.where(truth[..., None], (190, 90, 60), (80, 120, 100)) + noise.normal(0, 2, (3, 96, 160, 3))
    waves = sum(
        amplitude * np.sin(k * angle + phase)
        for k, amplitude, phase in zip((5, 9, 14), (2.5, 2.5, 2.0), noise.uniform(0, 6, 3), strict=True)
    )
    soft = 1 / (1 + np.exp((radius - 30 - waves) / 3)) + noise.normal(0, 0.02, (3, 96, 160))
    still = np.zeros((2, 96, 160, 2), np.float32)
    clip = Clip(frames=np.rint(frames).clip(0, 255).astype(np.uint8))
    return clip, Flow(forward=still, backward=still), soft.clip(0, 1).astype(np.float32), truth


def soft_of(made: Toy, dropped: int | None = None) -> np.ndarray:
    """A toy's masks as soft ones, one frame of which may be empty."""
    assert made.clip.masks is not None
    soft = 0.1 + 0.8 * made.clip.masks.astype(np.float32)
    if dropped is not None:
        soft[dropped] = 0.1
    return soft


def on_disk(array: np.ndarray) -> DiskArray:
    kept = Memory(0).array(iter(array))
    assert isinstance(kept, DiskArray)
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_a_frayed_disc_gets_its_border_back(seed) -> None:
    clip, flow, soft, truth = ragged_disc(seed)
    before = region_similarity(soft[1] > 0.5, truth)
    refined = list(refine(clip, soft, 0.5, flow))
    after = region_similarity(refined[1] > 0.5, truth)
    assert before < 0.90
    assert after > 0.98


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["disc", "occluder", "deforming"])
def test_the_median_mends_a_frame_in_which_the_object_is_lost(name, seed) -> None:
    made = toy(name, (80, 60), 7, seed=seed)
    assert made.clip.masks is not None
    refined = list(refine(made.clip, soft_of(made, dropped=3), 0.5, made.flow, MEDIAN_ALONE))
    assert region_similarity(refined[3] > 0.5, made.clip.masks[3]) > 0.9


def test_the_median_takes_out_a_flash() -> None:
    made = toy("disc", (80, 60), 7)
    soft = np.full((7, 60, 80), 0.1, np.float32)
    soft[3, 20:40, 20:60] = 1
    assert max(float(mask.max()) for mask in refine(made.clip, soft, 0.5, made.flow, MEDIAN_ALONE)) < 0.5


def test_the_median_of_known_numbers() -> None:
    """Scene and object stand still: the median of a pixel over five frames, of three at the ends, of even numbers between."""
    still = np.zeros((5, 16, 16, 2), np.float32)
    values = np.array([0.1, 0.9, 0.3, 0.5, 0.7, 0.2], np.float32)
    soft = np.broadcast_to(values[:, None, None], (6, 16, 16))
    medians = [float(mask[8, 8]) for mask in temporal_median(soft, Flow(forward=still, backward=still), 2)]
    assert medians == pytest.approx([0.3, 0.4, 0.5, 0.5, 0.4, 0.5])


def test_the_median_follows_the_motion() -> None:
    """A line that moves by three pixels a frame: along chains it stays, at fixed places it would be gone."""
    motion = np.zeros((6, 16, 40, 2), np.float32)
    motion[..., 0] = 3
    soft = np.zeros((7, 16, 40), np.float32)
    for t in range(7):
        soft[t, :, 10 + 3 * t] = 1
    flow = Flow(forward=motion, backward=-motion)
    assert np.array_equal(np.stack(list(temporal_median(soft, flow, 2))), soft)


def test_chains_that_have_left_the_frame_have_no_vote() -> None:
    motion = np.full((6, 16, 16, 2), 5.0, np.float32)
    soft = np.full((7, 16, 16), 0.8, np.float32)
    medians = np.stack(list(temporal_median(soft, Flow(forward=motion, backward=-motion), 3)))
    assert np.array_equal(medians, soft)


@pytest.mark.parametrize("value", [0.0, 0.3, 0.7, 1.0])
def test_a_constant_mask_stays(value) -> None:
    made = toy("disc", (48, 32), 4)
    soft = np.full((4, 32, 48), value, np.float32)
    for mask in refine(made.clip, soft, 0.5, made.flow):
        assert np.ptp(mask) < 1e-6
        assert (mask > 0.5).all() == (value > 0.5)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.85])
def test_without_either_step_the_masks_are_those_that_came(threshold) -> None:
    made = toy("deforming", (48, 32), 4)
    soft = np.random.default_rng(0).random((4, 32, 48), np.float32)
    refined = np.stack(list(refine(made.clip, soft, threshold, made.flow, RefineOptions(median=0, smoothness=0))))
    assert np.array_equal(refined > 0.5, soft > threshold)


@pytest.mark.parametrize("options", [RefineOptions(), MEDIAN_ALONE, SOLVER_ALONE])
def test_masks_come_at_the_clips_own_size(options) -> None:
    made = toy("disc", (96, 64), 4)
    clip = made.clip.resize((48, 32))
    flow = Flow(forward=made.flow.forward[:, ::2, ::2] / 2, backward=made.flow.backward[:, ::2, ::2] / 2)
    assert clip.masks is not None
    refined = list(refine(clip, clip.masks.astype(np.float32), 0.5, flow, options))
    assert len(refined) == 4
    for mask, truth in zip(refined, soft_of(made) > 0.5, strict=True):
        assert mask.shape == (64, 96)
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert region_similarity(mask > 0.5, truth) > 0.85


def test_from_disk_it_is_the_same() -> None:
    made = toy("deforming", (48, 32), 8)
    soft = np.random.default_rng(0).random((8, 32, 48), np.float32)
    clip = Clip(frames=on_disk(made.clip.frames))
    flow = Flow(forward=on_disk(made.flow.forward), backward=on_disk(made.flow.backward))
    whole = np.stack(list(refine(made.clip, soft, 0.4, made.flow)))
    assert np.array_equal(np.stack(list(refine(clip, on_disk(soft), 0.4, flow))), whole)


def test_a_frame_depends_on_no_more_than_its_neighbours() -> None:
    made = toy("deforming", (48, 32), 9)
    soft = np.random.default_rng(0).random((9, 32, 48), np.float32)
    whole = list(refine(made.clip, soft, 0.4, made.flow, RefineOptions(median=2)))
    begin = Flow(forward=made.flow.forward[:5], backward=made.flow.backward[:5])
    part = list(refine(made.clip.first(6), soft[:6], 0.4, begin, RefineOptions(median=2)))
    assert np.array_equal(np.stack(part[:4]), np.stack(whole[:4]))


def test_masks_are_read_as_they_are_needed() -> None:
    made = toy("disc", (48, 32), 9)

    class Watched(DiskArray):
        farthest = -1

        def __getitem__(self, index):
            self.farthest = max(self.farthest, index)
            return super().__getitem__(index)

    with tempfile.TemporaryFile() as stream:
        soft = Watched(stream, (0, 32, 48), np.float32)
        for mask in soft_of(made):
            soft.append(mask)
        refined = refine(made.clip, soft, 0.5, made.flow, RefineOptions(median=2))
        assert soft.farthest == -1
        for index in range(5):
            next(refined)
            assert soft.farthest == index + 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"median": -1}, "RefineOptions.median is -1; expected a whole number, 0 or more."),
        ({"median": 1.5}, "RefineOptions.median is 1.5; expected a whole number, 0 or more."),
        ({"smoothness": -1}, "RefineOptions.smoothness is -1; expected a finite number, 0 or more."),
        ({"spatial": 0}, "RefineOptions.spatial is 0; expected a finite number above 0."),
        ({"luma": 0}, "RefineOptions.luma is 0; expected a finite number above 0."),
        ({"chroma": "4"}, "RefineOptions.chroma is '4'; expected a finite number above 0."),
        ({"slope": 0}, "RefineOptions.slope is 0; expected a finite number above 0."),
        ({"doubt": 0}, "RefineOptions.doubt is 0; expected a finite number above 0."),
        ({"doubt": 2}, "RefineOptions.doubt is 2; expected 1 or less."),
    ],
)
def test_wrong_options_are_refused(option, message) -> None:
    with pytest.raises(InputError) as error:
        RefineOptions(**option)
    assert str(error.value) == message


def test_wrong_input_is_refused_before_the_first_mask_is_asked_for() -> None:
    made = toy("disc", (48, 32), 4)
    soft = soft_of(made)
    other = toy("disc", (48, 32), 5).flow
    with pytest.raises(InputError, match=r"soft has shape \(3, 32, 48\); expected \(4, 32, 48\)."):
        refine(made.clip, soft[:3], 0.5, made.flow)
    with pytest.raises(InputError, match="threshold is nan; expected a finite number"):
        refine(made.clip, soft, float("nan"), made.flow)
    with pytest.raises(InputError, match="flow has 4 fields of 48x32, but clip 'disc' has 4 frames of 48x32: m frames"):
        refine(made.clip, soft, 0.5, other)
    with pytest.raises(InputError, match=r"options is 3; expected RefineOptions."):
        refine(made.clip, soft, 0.5, made.flow, 3)  # type: ignore[arg-type]
