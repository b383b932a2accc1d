"""Toys know their flow and masks exactly: both are held against where the layers are placed, and against the pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.datasets.toys import TOYS, Toy, demo, toy
from ikebook.flow import Dis, compute_flow

MOVING = [name for name in TOYS if name not in ("still", "tracked")]


def grid(w: int, h: int) -> np.ndarray:
    """Positions (h, w, 3) of all pixels, homogeneous."""
    return np.stack(np.broadcast_arrays(np.arange(w), np.arange(h)[:, None], 1.0), -1)


def placement(layer, t: int) -> np.ndarray:
    return np.vstack([layer.place(t), [0, 0, 1]])


def carried(layer, t: int, other: int, points: np.ndarray) -> np.ndarray:
    """Where points of a layer at one frame lie in another."""
    return (points @ np.linalg.inv(placement(layer, t)).T @ placement(layer, other).T)[..., :2]


def owners(layers, t: int, points: np.ndarray) -> np.ndarray:
    """The topmost layer at each point."""
    owner = np.zeros(points.shape[:-1], int)
    for index, layer in enumerate(layers):
        own = points @ np.linalg.inv(placement(layer, t)).T
        owner[layer.alpha(own[..., :2]) > 0.5] = index
    return owner


def bilinear(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = points.T
    left, top = np.floor(points).astype(int).T
    a, b = (x - left)[:, None], (y - top)[:, None]
    above = (1 - a) * field[top, left] + a * field[top, left + 1]
    below = (1 - a) * field[top + 1, left] + a * field[top + 1, left + 1]
    return (1 - b) * above + b * below


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("size", [(16, 16), (48, 30)])
def test_flow_leads_where_the_layers_placement_says(name, size) -> None:
    frames, seed = 6, 3
    made, layers, points = toy(name, size, frames, seed), TOYS[name](*size, frames, seed), grid(*size)
    for t in range(frames):
        owner = owners(layers, t, points)
        for index, layer in enumerate(layers):
            mine = owner == index
            assert (made.clip.masks[t][mine] == layer.is_object).all()
            for other, field in ((t + 1, made.flow.forward[t : t + 1]), (t - 1, made.flow.backward[t - 1 : t])):
                if 0 <= other < frames:
                    target = points[mine][:, :2] + field[0][mine]
                    assert np.allclose(target, carried(layer, t, other, points[mine]), atol=1e-10)


@pytest.mark.parametrize("name", [name for name in TOYS if name != "occluder"])
def test_a_point_of_the_object_followed_by_the_flow_stays_on_it(name) -> None:
    size, frames = (96, 80), 16
    made, points = toy(name, size, frames), grid(96, 80)
    layer = next(layer for layer in TOYS[name](*size, frames, 0) if layer.is_object)
    well_inside = layer.alpha(1.5 * (points @ np.linalg.inv(placement(layer, 0)).T)[..., :2]) > 0.5
    start = points[well_inside]
    assert len(start) > 50
    now = start[:, :2].copy()
    for t in range(frames - 1):
        now = now + bilinear(made.flow.forward[t], now)
        assert np.allclose(now, carried(layer, 0, t + 1, start), atol=1e-9)
        assert made.clip.masks[t + 1][tuple(np.rint(now).astype(int).T[::-1])].all()
    for t in reversed(range(frames - 1)):
        now = now + bilinear(made.flow.backward[t], now)
    assert np.allclose(now, start[:, :2], atol=1e-9)


@pytest.mark.parametrize("name", TOYS)
def test_pictures_move_with_the_flow(name) -> None:
    made = toy(name, (64, 48), 6)
    frames, (x, y) = made.clip.frames.astype(np.float32), grid(64, 48)[..., :2].transpose(2, 0, 1)
    for t in range(5):
        for now, other, field in ((t, t + 1, made.flow.forward[t]), (t + 1, t, made.flow.backward[t])):
            where = np.float32([x + field[..., 0], y + field[..., 1]])
            seen = cv2.remap(frames[other], *where, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            assert np.median(np.abs(seen - frames[now]).max(-1)) < 2


@pytest.mark.parametrize(
    ("name", "moves"),
    [("disc", True), ("two_objects", True), ("deforming", True), ("tracked", False), ("still", False)],
)
def test_objects_move_and_scenes_move_as_their_names_say(name, moves) -> None:
    made = toy(name, (64, 48), 6)
    speed = np.linalg.norm(made.flow.forward, axis=-1)
    on_object, on_scene = speed[made.clip.masks[:-1]], speed[~made.clip.masks[:-1]]
    assert (on_object.min() > 0.5) == moves
    assert (on_object.max() == 0) != moves
    assert (on_scene.min() > 0.1) == (name != "still")


def test_the_scene_pans_while_a_tracked_disc_rests() -> None:
    made = toy("tracked", (50, 40), 4)
    assert np.allclose(made.flow.forward[~made.clip.masks[:-1]], (-3.0, 0.4))
    assert np.allclose(made.flow.backward[~made.clip.masks[1:]], (3.0, -0.4))
    assert (made.clip.masks == made.clip.masks[0]).all()


def test_nothing_moves_in_a_still_clip() -> None:
    made = toy("still", (32, 24), 4)
    assert (made.clip.frames == made.clip.frames[0]).all()
    assert np.abs(made.flow.forward).max() == np.abs(made.flow.backward).max() == 0


def test_two_objects_differ_in_size_and_speed() -> None:
    made = toy("two_objects", (96, 80), 5)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(made.clip.masks[0].astype(np.uint8))
    assert count == 3
    speeds = [made.flow.forward[0][labels == label].mean(0) for label in (1, 2)]
    areas = stats[1:, cv2.CC_STAT_AREA]
    assert max(areas) > 2 * min(areas)
    assert np.linalg.norm(speeds[0] - speeds[1]) > 3


def test_a_post_passes_in_front_of_the_object() -> None:
    made = toy("occluder", (96, 80), 12)
    areas = made.clip.masks.sum((1, 2))
    assert areas.min() < 0.7 * areas.max()


def test_a_deforming_object_changes_its_shape() -> None:
    made = toy("deforming", (96, 80), 8)
    (across, down), (later_across, later_down) = (
        [int(np.ptp(axis)) for axis in np.nonzero(mask)[::-1]] for mask in made.clip.masks[[0, 7]]
    )
    assert later_across / later_down > 1.2 * across / down


@given(st.sampled_from(list(TOYS)), st.integers(16, 60), st.integers(16, 60), st.integers(2, 9), st.integers(0, 10**6))
def test_any_size_length_and_seed(name, w, h, frames, seed) -> None:
    made = toy(name, (w, h), frames, seed)
    assert made.clip.frames.shape == (frames, h, w, 3)
    assert made.flow.forward.shape == made.flow.backward.shape == (frames - 1, h, w, 2)
    assert made.clip.frames.std() > 10
    share = made.clip.masks.mean((1, 2))
    assert share.max() < 0.35
    assert share.min() > 0 or name == "occluder"


def test_the_smallest_is_a_clip_of_1280_nodes() -> None:
    made = toy("disc")
    assert made.clip.masks.size == 1280
    assert made.clip.name == "disc"
    assert np.array_equal(toy("disc", "16x16", 5, 0).clip.frames, made.clip.frames)


@pytest.mark.parametrize("name", TOYS)
def test_a_seed_decides_the_picture_and_not_the_motion(name) -> None:
    first, again, other = (toy(name, (32, 24), 4, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.clip.frames, again.clip.frames)
    assert np.abs(first.clip.frames.astype(int) - other.clip.frames).mean() > 5
    assert np.array_equal(first.clip.masks, other.clip.masks)
    assert np.array_equal(first.flow.forward, other.flow.forward)


def test_every_toy_looks_different() -> None:
    assert len({toy(name).clip.fingerprint() for name in TOYS}) == len(TOYS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "dsic"}, "toy is 'dsic'; expected one of 'disc', 'two_objects', 'occluder', 'deforming'"),
        ({"size": (15, 16)}, "size is 15x16; toys are 16x16 or larger"),
        ({"size": "16"}, "size is '16'; expected WIDTHxHEIGHT in pixels"),
        ({"frames": 1}, "frames is 1; expected a whole number, 2 or more"),
        ({"frames": 2.0}, "frames is 2.0; expected a whole number, 2 or more"),
        ({"seed": -1}, "seed is -1; expected a whole number, 0 or more"),
    ],
)
def test_bad_arguments(values, message) -> None:
    with pytest.raises(InputError, match=message):
        toy(**{"name": "disc", **values})


@pytest.fixture(scope="module")
def small() -> Toy:
    """The embedded clip, short and at half size."""
    return demo(6, (208, 112))


class TestDemo:
    def test_its_default_is_two_seconds_at_the_working_size(self) -> None:
        made = demo()
        assert made.clip.frames.shape == (24, 224, 416, 3)
        assert made.flow.forward.shape == (23, 224, 416, 2)
        assert (made.clip.name, made.clip.fps) == ("demo", 12.0)
        share = made.clip.masks.mean((1, 2))
        assert 0.08 < share.min() < share.max() < 0.2

    def test_its_object_moves_through_a_scene_that_moves_too(self, small) -> None:
        speed = np.linalg.norm(small.flow.forward, axis=-1)
        assert np.median(speed[small.clip.masks[:-1]]) > 3
        assert 0.05 < np.median(speed[~small.clip.masks[:-1]]) < 1.5

    def test_its_flow_is_what_a_search_finds(self, small) -> None:
        found = compute_flow(small.clip, Dis())
        for a, b in ((found.forward, small.flow.forward), (found.backward, small.flow.backward)):
            assert np.median(np.linalg.norm(a - b, axis=-1)) < 0.1
        errors = np.linalg.norm(found.forward - small.flow.forward, axis=-1)[small.clip.masks[:-1]]
        assert np.median(errors) < 0.6

    def test_its_masks_move_with_its_flow(self, small) -> None:
        for t in range(5):
            y, x = np.nonzero(small.clip.masks[t])
            dx, dy = small.flow.forward[t][y, x].T
            assert small.clip.masks[t + 1][np.rint(y + dy).astype(int), np.rint(x + dx).astype(int)].mean() > 0.97

    def test_its_object_is_whole_in_every_frame(self) -> None:
        masks = demo(24, (104, 56)).clip.masks
        border = np.ones(masks.shape[1:], bool)
        border[1:-1, 1:-1] = False
        for mask in masks:
            assert not mask[border].any()
            assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2

    def test_light_and_noise_change_from_frame_to_frame(self, small) -> None:
        scene = ~small.clip.masks.any(0)
        brightness = small.clip.frames[:, scene].mean((1, 2))
        assert np.ptp(brightness) > 3
        noise = np.diff(small.clip.frames[:, scene].astype(float), axis=0).std()
        assert noise > 3

    @pytest.mark.parametrize("size", [(16, 16), (120, 30), (40, 100)])
    def test_any_shape_of_frame_holds_the_object(self, size) -> None:
        masks = demo(3, size).clip.masks
        assert (masks.mean((1, 2)) > 0.01).all()

    def test_a_seed_decides_the_noise_alone(self) -> None:
        first, again, other = (demo(2, (52, 28), seed) for seed in (0, 0, 1))
        assert np.array_equal(first.clip.frames, again.clip.frames)
        assert 1 < np.abs(first.clip.frames.astype(int) - other.clip.frames).mean() < 6
        assert np.array_equal(first.flow.forward, other.flow.forward)

    def test_a_longer_clip_is_slower_and_not_longer_a_way(self) -> None:
        short, long = demo(24, (52, 28)), demo(48, (52, 28))
        first, last = (np.argwhere(long.clip.masks[t]).mean(0)[1] for t in (0, 47))
        assert np.argwhere(short.clip.masks[23]).mean(0)[1] == pytest.approx(last, abs=0.5)
        assert last - first == pytest.approx(26, abs=1)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"frames": 1}, "frames is 1; expected a whole number, 2 or more"),
            ({"size": "3x3"}, "size is 3x3; each side must lie between 4 and 16384 pixels"),
            ({"seed": 0.5}, "seed is 0.5; expected a whole number, 0 or more"),
        ],
    )
    def test_bad_arguments(self, values, message) -> None:
        with pytest.raises(InputError, match=message):
            demo(**values)
