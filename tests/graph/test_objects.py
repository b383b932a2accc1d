"""Several objects: labels against known objects, clusters of directions against known ones, and what must not crash."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.flow import Flow
from ikebook.graph.objects import SCALE, cluster_directions, embedding, label_objects, residual_cues
from ikebook.graph.presets import override, preset
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def two_objects(size: tuple[int, int], frames: int, seed: int) -> tuple[ikebook.datasets.layers.Toy, np.ndarray]:
    """The toy and which object each pixel is of, by its exact flow: the large one (1) goes right, the small one (2) left."""
    made = ikebook.toy("two_objects", size, frames, seed)
    dx = np.concatenate([made.flow.forward[..., 0], -made.flow.backward[-1:, ..., 0]])
    truth = np.where(made.clip.masks, np.where(dx > 0, 1, 2), 0)
    assert min((truth == 1).sum(), (truth == 2).sum()) > 0
    return made, truth


def squares(
    *objects: tuple[int, int, int, int, int], size: int = 40, frames: int = 6
) -> tuple[np.ndarray, Flow, np.ndarray]:
    """Frames, exact flow and labels of squares (x, y, side, dx, dy), whole pixels, on a still scene."""
    labels = np.zeros((frames, size, size), int)
    velocity = np.zeros((frames, size, size, 2))
    for number, (x, y, side, dx, dy) in enumerate(objects, 1):
        for t in range(frames):
            where = np.s_[t, y + t * dy : y + t * dy + side, x + t * dx : x + t * dx + side]
            labels[where], velocity[where] = number, (dx, dy)
    pictures = np.random.default_rng(0).integers(0, 255, (frames, size, size, 3), np.uint8)
    return pictures, Flow(forward=velocity[:-1], backward=-velocity[1:]), labels


def scores(found: np.ndarray, truth: np.ndarray) -> list[float]:
    """J of each object, with the found labels permuted so that they fit best."""
    count = int(truth.max())
    return max(
        (
            [jaccard(found == label, truth == k) for k, label in enumerate(order, 1)]
            for order in itertools.permutations(range(1, count + 1))
        ),
        key=sum,
    )


class TestToys:
    @pytest.mark.parametrize(
        ("size", "frames", "seed"), [((48, 32), 8, 0), ((48, 32), 8, 1), ((64, 48), 8, 2), ((32, 24), 6, 3)]
    )
    def test_two_objects(self, size, frames, seed) -> None:
        made, truth = two_objects(size, frames, seed)
        result = ikebook.segment(made.clip, made.flow, objects=2)
        found = result.objects
        assert found.dtype == np.uint8
        assert found.shape == truth.shape
        assert set(np.unique(found)) == {0, 1, 2}
        assert np.array_equal(found > 0, result.masks)
        large, small = scores(found, truth)
        assert large > 0.88  # of the small one, the masks have a rim of a pixel too much
        assert small > 0.65
        assert ((found == 1) & (truth == 2)).sum() == ((found == 2) & (truth == 1)).sum() == 0
        assert (found == 1).sum() > (found == 2).sum()

    @pytest.mark.parametrize("name", ["paper", "released"])
    def test_with_other_presets_it_gives_labels_inside_the_masks(self, name) -> None:
        made, _ = two_objects((20, 16), 5, 0)
        result = ikebook.segment(made.clip, made.flow, objects=2, options=preset(name))
        assert np.array_equal(result.objects > 0, result.masks)

    @pytest.mark.parametrize(
        ("objects", "close", "least"),
        [
            (((4, 6, 9, 2, 0), (24, 24, 9, -2, 0)), 0.9, 0.97),  # alike: no single eigenvector is either of them
            (((3, 3, 10, 2, 0), (27, 14, 9, -1, 2), (6, 28, 8, 0, -2)), 0.9, 0.97),
            (((3, 3, 9, 3, 0), (4, 22, 9, 1, 0)), 0.5, 0.8),  # one way, but one of them faster
        ],
    )
    def test_known_masks_are_divided_as_they_were_made(self, objects, close, least) -> None:
        """With masks that are known, so that only the division is looked at; eigenvalues as close as said, or closer."""
        pictures, flow, truth = squares(*objects)
        options = override(preset("default"), "motion.colour=none")  # as `segment` divides
        matrix = ikebook.build(pictures, flow, cues=residual_cues(flow, Compute()), options=options)
        pairs = exact(matrix, SolverOptions(pairs=len(objects)))
        assert float(pairs.values[1] / pairs.values[0]) > close
        found = label_objects(embedding(pairs), truth > 0, len(objects))
        assert min(scores(found, truth)) > least
        sizes = np.bincount(found.ravel(), minlength=len(objects) + 1)[1:]
        assert (np.diff(sizes.astype(int)) <= 0).all()

    def test_what_moves_together_is_told_apart_by_nothing(self) -> None:
        """As the module says: a rider and what he rides are one object for any of this, wherever it is cut."""
        pictures, flow, truth = squares((3, 3, 10, 2, 1), (24, 24, 8, 2, 1))
        cues = residual_cues(flow, Compute())
        places = embedding(exact(ikebook.build(pictures, flow, cues=cues), SolverOptions(pairs=2))).flatten(1).T
        units = places / places.norm(dim=1, keepdim=True).clamp_min(1e-12)
        first, second = (units[torch.from_numpy(truth == k).flatten()].mean(0) for k in (1, 2))
        assert float(first @ second / first.norm() / second.norm()) > 0.95

    def test_a_seed_is_not_needed(self) -> None:
        made, _ = two_objects((32, 24), 6, 1)
        one, two = (ikebook.segment(made.clip, made.flow, objects=2).objects for _ in range(2))
        assert np.array_equal(one, two)


class TestNothingCrashes:
    def test_one_object_is_none(self) -> None:
        made = ikebook.toy("disc")
        assert ikebook.segment(made.clip, made.flow).objects is None
        assert ikebook.segment(made.clip, made.flow, objects=1).objects is None

    @pytest.mark.parametrize("count", [2, 7, 255])
    def test_one_object_asked_for_as_many(self, count) -> None:
        made = ikebook.toy("disc")
        result = ikebook.segment(made.clip, made.flow, objects=count)
        assert np.array_equal(result.objects > 0, result.masks)
        assert result.objects.max() <= count

    @pytest.mark.parametrize("name", ["still", "tracked", "pause"])
    def test_other_toys(self, name) -> None:
        made = ikebook.toy(name)
        result = ikebook.segment(made.clip, made.flow, objects=2)
        assert np.array_equal(result.objects > 0, result.masks)
        if name == "still":
            assert not result.masks.any()
            assert result.objects.dtype == np.uint8

    def test_masks_from_a_cue_where_nothing_moves(self) -> None:
        made = ikebook.toy("still")
        cue = ikebook.Cue(name="c", maps=made.clip.masks * 1.0)
        result = ikebook.segment(made.clip, made.flow, cues=[cue], objects=2)
        assert result.masks.any()
        assert np.array_equal(result.objects > 0, result.masks)

    def test_two_frames_and_two_flows(self) -> None:
        made = ikebook.toy("two_objects", frames=2)
        result = ikebook.segment(made.clip, made.flow, feature_flow=made.flow, objects=2)
        assert np.array_equal(result.objects > 0, result.masks)

    @pytest.mark.parametrize("count", [0, -1, 256, 1.5, "2", None, True])
    def test_bad_counts_are_refused_in_one_line(self, count) -> None:
        made = ikebook.toy("disc")
        with pytest.raises(InputError, match="objects is") as caught:
            ikebook.segment(made.clip, made.flow, objects=count)
        assert "\n" not in str(caught.value)


class TestClusters:
    @pytest.mark.parametrize("seed", range(6))
    def test_known_directions_are_found_the_largest_first(self, seed) -> None:
        rng = np.random.default_rng(seed)
        count = int(rng.integers(2, 5))
        dimensions = count + seed % 2
        axes = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0][:count]
        truth = rng.permutation(np.repeat(np.arange(count), 40 + 30 * np.arange(count)[::-1]))
        spread = axes[truth] + 0.1 * rng.standard_normal((len(truth), dimensions))
        points = torch.from_numpy(spread * rng.uniform(0.1, 10, (len(truth), 1)))  # how far from 0 does not matter
        assert cluster_directions(points, count).tolist() == truth.tolist()

    def test_turning_the_space_or_the_points_changes_nothing(self) -> None:
        noise = torch.Generator().manual_seed(0)
        points = torch.randn(200, 3, generator=noise, dtype=torch.float64)
        turn = torch.linalg.qr(torch.randn(3, 3, generator=noise, dtype=torch.float64))[0]
        known = cluster_directions(points, 3)
        assert torch.equal(cluster_directions(points @ turn, 3), known)
        order = torch.randperm(200, generator=noise)
        assert torch.equal(cluster_directions(points[order], 3), known[order])
        assert known.bincount().tolist() == sorted(known.bincount().tolist(), reverse=True)

    def test_each_point_is_nearest_to_its_own_cluster_s_mean(self) -> None:
        points = torch.randn(300, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        labels = cluster_directions(points, 4)
        units = points / points.norm(dim=1, keepdim=True)
        centres = torch.stack([units[labels == k].sum(0) for k in range(4)])
        assert torch.equal((units @ (centres / centres.norm(dim=1, keepdim=True)).T).argmax(1), labels)

    @pytest.mark.parametrize("points", [np.zeros((5, 2)), np.ones((5, 2)), np.array([[1.0, 0.0]]), np.zeros((1, 1))])
    def test_points_that_are_one_or_0(self, points) -> None:
        labels = cluster_directions(torch.from_numpy(points), 3)
        assert labels.tolist() == [0] * len(points)

    def test_empty_masks_have_no_object(self) -> None:
        labels = label_objects(torch.randn(2, 3, 4, 5), np.zeros((3, 4, 5), bool), 2)
        assert labels.shape == (3, 4, 5)
        assert labels.dtype == np.uint8
        assert not labels.any()

    def test_only_what_is_in_the_masks_is_clustered(self) -> None:
        places = torch.zeros(2, 1, 2, 4, dtype=torch.float64)
        places[0, 0, :, :3], places[1, 0, :, 3] = 1.0, 1.0
        masks = np.ones((1, 2, 4), bool)
        masks[0, 0] = False
        assert label_objects(places, masks, 2).tolist() == [[[0, 0, 0, 0], [1, 1, 1, 2]]]


def test_places_are_eigenvectors_by_the_root_of_their_eigenvalues() -> None:
    made = ikebook.toy("disc", frames=3)
    matrix = ikebook.build(
        made.clip,
        made.flow,
        options=override(preset("default"), "solver.pairs=3"),
        compute=Compute(dtype=torch.float64),
    )
    pairs = exact(matrix)
    a = matrix.dense().numpy()
    values, vectors = np.linalg.eigh(a)
    places = embedding(pairs).flatten(1).numpy().T
    r = places.shape[1]
    assert r == (values > 1e-6).sum()
    top = vectors[:, ::-1][:, :r]
    # Free of signs: inner products of places are those of A's positive part.
    assert np.abs(places @ places.T - (top * values[::-1][:r]) @ top.T).max() < 1e-10


@pytest.mark.parametrize("seed", [0, 1])
def test_residual_motion_is_that_against_the_scene(seed) -> None:
    """A scene that pans by a constant: what is left of the objects' flow is known, and 0 elsewhere."""
    made, truth = two_objects((32, 24), 6, seed)
    pan = np.median(made.flow.forward, axis=(0, 1, 2))
    ahead = np.concatenate([made.flow.forward, -made.flow.backward[-1:]]) - pan
    behind = np.concatenate([-made.flow.forward[:1], made.flow.backward]) + pan
    known = np.stack([ahead, behind], 1)  # (m, 2, h, w, 2)
    length = np.linalg.norm(known, axis=-1)
    unit = np.quantile(length, SCALE)
    known = known / unit / (1 + length / unit)[..., None]
    cues = residual_cues(made.flow, Compute(dtype=torch.float64))
    assert [cue.name for cue in cues] == ["ahead dx", "ahead dy", "behind dx", "behind dy"]
    assert not any(cue.on_object for cue in cues)
    for k, cue in enumerate(cues):
        difference = np.abs(cue.maps.numpy() - known[:, k // 2, ..., k % 2])
        assert difference.max() < 0.02, cue.name
        assert np.abs(cue.maps.numpy()).max() < 1
        assert np.abs(cue.maps.numpy()[truth == 0]).max() < 0.02
