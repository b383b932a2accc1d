"""DAVIS 2016 is read as its authors laid it out: on a layout made up here, and on the real sequences where they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.datasets import DATASETS, Davis2016, open_dataset

REAL = {
    "blackswan": 50,
    "bmx-trees": 80,
    "breakdance": 84,
    "camel": 90,
    "car-roundabout": 75,
    "car-shadow": 40,
    "cows": 104,
    "dog": 60,
    "drift-chicane": 52,
    "goat": 90,
    "kite-surf": 50,
    "scooter-black": 43,
}
"""The sequences that come with the project, and their numbers of frames."""


def save(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def mask_of(t: int) -> np.ndarray:
    mask = np.zeros((24, 32), bool)
    mask[4:12, 3 + t : 15 + t] = True
    return mask


def make(root, sequences=("walk", "ant", "bee"), frames: int = 3, resolution: str = "480p"):
    for name in sequences:
        for t in range(frames):
            shade = np.full((24, 32, 3), 40 * t, np.uint8)
            save(root / "JPEGImages" / resolution / name / f"{t:05d}.jpg", shade)
            save(
                root / "Annotations" / resolution / name / f"{t:05d}.png", np.where(mask_of(t), 255, 0).astype(np.uint8)
            )
    return root


def lists(root, text: str) -> None:
    listing = root / "ImageSets" / "480p" / "val.txt"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_bytes(text.encode("latin-1"))


def line(name: str, t: int = 0) -> str:
    return f"/JPEGImages/480p/{name}/{t:05d}.jpg /Annotations/480p/{name}/{t:05d}.png\n"


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "davis")


class TestSequences:
    def test_without_a_list_they_are_the_folders(self, root) -> None:
        (root / "JPEGImages" / "480p" / "notes.txt").write_text("no sequence")
        (root / "JPEGImages" / "480p" / ".trash").mkdir()
        assert Davis2016(root).sequences() == ["ant", "bee", "walk"]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "  \n"])
    def test_a_list_says_which_and_in_which_order(self, root, end) -> None:
        lists(root, (line("walk") + line("walk", 1) + line("ant") + line("ant", 1)).replace("\n", end))
        assert Davis2016(root).sequences() == ["walk", "ant"]

    def test_a_list_of_names_alone_will_do(self, root) -> None:
        lists(root, "walk\nant\n")
        assert Davis2016(root).sequences() == ["walk", "ant"]

    def test_what_is_listed_and_not_there_is_left_out(self, root) -> None:
        lists(root, line("gone") + line("bee"))
        assert Davis2016(root).sequences() == ["bee"]

    @pytest.mark.parametrize(
        "bad", ["../../x.jpg\n", "..\n", ".\n", "/\n", "/JPEGImages/480p/..\n", "x/../y.jpg\n", "\xff\n"]
    )
    def test_a_list_leads_nowhere_else(self, root, bad) -> None:
        lists(root, bad + line("bee"))
        assert Davis2016(root).sequences() == ["bee"]

    def test_there_is_none(self, root) -> None:
        lists(root, line("gone"))
        with pytest.raises(InputError, match="480p holds no sequence"):
            Davis2016(root).sequences()

    def test_a_sequence_outside_the_list_can_still_be_read(self, root) -> None:
        lists(root, line("ant"))
        assert len(Davis2016(root).clip("bee", None)) == 3


class TestReading:
    def test_a_clip_has_frames_and_no_masks(self, root) -> None:
        clip = Davis2016(root).clip("walk", "16x12")
        assert (clip.name, len(clip), clip.size, clip.original_size) == ("walk", 3, (16, 12), (32, 24))
        assert clip.frame_names == ("00000", "00001", "00002")
        assert clip.masks is None
        assert np.abs(clip.frames.mean((1, 2, 3)) - [0, 40, 80]).max() < 2

    def test_annotations_are_truth_values_at_their_own_size(self, root) -> None:
        masks = list(Davis2016(root).annotations("walk"))
        assert [mask.dtype for mask in masks] == [bool] * 3
        assert all(np.array_equal(mask, mask_of(t)) for t, mask in enumerate(masks))

    def test_above_127_is_object(self, root) -> None:
        values = np.full((24, 32), 127, np.uint8)
        values[0, 0], values[0, 1] = 128, 255
        save(root / "Annotations" / "480p" / "walk" / "00001.png", values)
        _, mask, _ = Davis2016(root).annotations("walk")
        assert np.argwhere(mask).tolist() == [[0, 0], [0, 1]]

    def test_annotations_belong_to_frames_by_name(self, root) -> None:
        save(root / "Annotations" / "480p" / "walk" / "00009.png", np.zeros((24, 32), np.uint8))
        assert len(list(Davis2016(root).annotations("walk"))) == 3
        (root / "Annotations" / "480p" / "walk" / "00001.png").unlink()
        with pytest.raises(InputError, match="walk has no annotation of frame 00001"):
            list(Davis2016(root).annotations("walk"))

    def test_a_sequence_without_annotations_has_frames(self, root) -> None:
        for file in (folder := root / "Annotations" / "480p" / "walk").iterdir():
            file.unlink()
        folder.rmdir()
        assert len(Davis2016(root).clip("walk", None)) == 3
        with pytest.raises(InputError, match=r"'walk' is no sequence in .*Annotations"):
            list(Davis2016(root).annotations("walk"))

    @pytest.mark.parametrize("name", ["cat", "", ".", "..", "../480p/walk", "walk/", "/", ".hidden"])
    def test_an_unknown_sequence_is_refused_with_the_known_ones(self, root, name) -> None:
        (root / "JPEGImages" / "480p" / ".hidden").mkdir()
        with pytest.raises(InputError, match=f"'{name}' is no sequence in .*480p; there are ant, bee, walk"):
            Davis2016(root).clip(name, None)


class TestRoot:
    def test_it_may_be_the_folder_above(self, tmp_path) -> None:
        make(tmp_path / "DAVIS")
        assert (
            Davis2016(str(tmp_path)).sequences() == Davis2016(tmp_path / "DAVIS").sequences() == ["ant", "bee", "walk"]
        )

    def test_there_may_be_other_resolutions(self, tmp_path) -> None:
        make(tmp_path, ["walk"], resolution="1080p")
        assert Davis2016(tmp_path, "1080p").sequences() == ["walk"]
        assert len(list(Davis2016(tmp_path, "1080p").annotations("walk"))) == 3
        with pytest.raises(InputError, match="JPEGImages/480p is missing"):
            Davis2016(tmp_path)

    def test_a_folder_without_the_data_set_says_how_to_fetch_it(self, tmp_path) -> None:
        message = r"is no DAVIS 2016: JPEGImages/480p is missing. Fetch it with 'ikebook data get davis2016 --root .*'"
        with pytest.raises(InputError, match=message):
            Davis2016(tmp_path)


def test_data_sets_open_by_name(root) -> None:
    assert isinstance(open_dataset("davis2016", root), Davis2016)
    assert all(reader.name == name for name, reader in DATASETS.items())
    with pytest.raises(InputError, match="data set is 'davis'; expected one of 'davis2016'"):
        open_dataset("davis", root)


@pytest.mark.data
class TestRealSequences:
    def test_all_of_them_are_there(self, davis_root) -> None:
        data = Davis2016(davis_root)
        assert set(REAL) <= set(data.sequences())
        for name, frames in REAL.items():
            assert len(list((data.frames / name).iterdir())) == len(list((data.masks / name).iterdir())) == frames

    def test_the_shortest_is_read_whole(self, davis_root) -> None:
        clip = Davis2016(davis_root).clip("car-shadow", "104x56")
        assert (len(clip), clip.size, clip.original_size) == (40, (104, 56), (854, 480))
        assert clip.frame_names[-1] == "00039"
        assert 50 < clip.frames.mean() < 200
        assert clip.frames.std() > 30

    @pytest.mark.parametrize("name", REAL)
    def test_every_first_annotation_fits_its_frame_and_holds_an_object(self, davis_root, name) -> None:
        mask = next(iter(Davis2016(davis_root).annotations(name)))
        assert mask.shape == (480, 854)
        assert 0.002 < mask.mean() < 0.4
