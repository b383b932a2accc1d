"""The embedded clips' scenes: whole objects, exact masks and flow, and what each of them is there to show."""

from __future__ import annotations

import re
from importlib.resources import files

import cv2
import numpy as np
import pytest

import ikebook
from ikebook.base.check import InputError
from ikebook.datasets.scenes import SCENES
from ikebook.datasets.toys import Toy, demo
from ikebook.graph.principal import solve_graph
from ikebook.video.metrics import region_similarity

each_scene = pytest.mark.parametrize("scene", SCENES)


@pytest.fixture(scope="module")
def small() -> dict[str, Toy]:
    return {scene: demo(24, (104, 56), scene=scene) for scene in SCENES}


@each_scene
def test_objects_are_there_in_every_frame_and_nowhere_alone(scene, small) -> None:
    masks = small[scene].clip.masks
    parts = [cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 for mask in masks]
    assert set(parts) == {2 if scene == "coins" else 1}
    assert 0.01 < masks.mean() < 0.3
    inner = masks[:, 1:-1, 1:-1].sum() == masks.sum()
    assert inner == (scene != "astronaut"), "the frame's border cuts the astronaut, and nothing else"


@each_scene
def test_the_flow_carries_masks_and_pictures(scene, small) -> None:
    made = small[scene]
    frames = made.clip.frames.astype(np.float32)
    x, y = np.meshgrid(np.arange(104, dtype=np.float32), np.arange(56, dtype=np.float32))
    for t in range(0, 23, 5):
        field = made.flow.forward[t].astype(np.float32)
        rows, columns = np.nonzero(made.clip.masks[t])
        dx, dy = field[rows, columns].T
        to = np.rint(rows + dy).astype(int).clip(0, 55), np.rint(columns + dx).astype(int).clip(0, 103)
        near = cv2.dilate(made.clip.masks[t + 1].astype(np.uint8), np.ones((3, 3)))  # fins are a pixel thin
        assert near[to].mean() > 0.97
        seen = cv2.remap(frames[t + 1], x + field[..., 0], y + field[..., 1], cv2.INTER_CUBIC)
        off = cv2.remap(frames[t + 1], x - field[..., 0], y - field[..., 1], cv2.INTER_CUBIC)
        still = made.clip.masks[t] & (x > 4) & (x < 99) & (y > 4) & (y < 51)
        right, wrong = (np.abs(one - frames[t])[still].mean() for one in (seen, off))
        assert right < 0.7 * wrong


def test_coins_have_two_eigenvalues_that_are_nearly_one() -> None:
    """So that an iteration with displacements, as printed, is slow enough to be watched: notebook 05."""
    made = demo(25, (208, 112), scene="coins")
    pairs = solve_graph(made.clip, ikebook.compute_flow(made.clip), pairs=2, options=ikebook.preset("paper")).pairs
    assert float(pairs.values[1] / pairs.values[0]) == pytest.approx(0.92, abs=0.03)


def test_both_coins_are_found_and_the_shuttle_in_the_dark_less_well() -> None:
    scores = {}
    for scene in ("coins", "shuttle"):
        clip = demo(12, (208, 112), scene=scene).clip
        masks = ikebook.segment(clip).masks
        scores[scene] = np.mean([region_similarity(*pair) for pair in zip(masks, clip.masks, strict=True)])
    assert scores["coins"] > 0.9
    assert 0.4 < scores["shuttle"] < 0.85


def test_a_scene_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="scene is 'cat'; expected one of 'cup', 'shuttle', 'astronaut', 'coins'"):
        demo(scene="cat")


def test_every_still_is_small_and_its_licence_recorded() -> None:
    folder = files("ikebook") / "datasets" / "stills"
    pictures = {item.name: len(item.read_bytes()) for item in folder.iterdir() if item.name.endswith((".png", ".jpg"))}
    assert max(pictures.values()) < 150_000
    assert sum(pictures.values()) < 500_000
    rows = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| `")]
    named = {name: row for row in rows for name in re.findall(r"`(\w+\.(?:png|jpg))`", row.split("|")[1])}
    assert set(named) == set(pictures)
    for row in named.values():
        *_, scene, _, author, licence, _ = (cell.strip() for cell in row.split("|"))
        assert scene in SCENES
        assert author
        assert re.search(r"CC0|public domain|no known copyright restrictions", licence)
