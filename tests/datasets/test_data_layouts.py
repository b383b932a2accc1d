"""Each data set is read in exactly the layout that it is handed out in, with its quirks, and scored by its protocol."""

from __future__ import annotations

import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from layouts import read_grey, write_image

from ikebook.base.check import InputError
from ikebook.base.files import write_mask
from ikebook.datasets import DATASETS, Davis2016, Davis2017, Davsod, Fbms59, SegTrackV2, YouTubeObjects, open_dataset
from ikebook.datasets.download import BY_HAND, SOURCES, fetch
from ikebook.datasets.folders import number
from ikebook.datasets.masks import read_mask
from ikebook.datasets.toys import toy
from ikebook.runs.evaluation import evaluate, evaluate_masks
from ikebook.runs.options import RunOptions
from ikebook.runs.tables import scores_table

W, H = 40, 24


def frame(t: int, w: int = W, h: int = H) -> np.ndarray:
    return np.full((h, w, 3), 10 * t, np.uint8)


def box(t: int, top: int = 4, w: int = W, h: int = H) -> np.ndarray:
    mask = np.zeros((h, w), bool)
    mask[top : top + 6, 3 + t : 11 + t] = True
    return mask


def grey(mask: np.ndarray, value: int = 255) -> np.ndarray:
    return mask.astype(np.uint8) * np.uint8(value)


def png(path, raw: np.ndarray, kind: int, palette: bytes | None = None) -> None:
    """Write rows of bytes as PNG of a colour type that OpenCV does not write: 3 is a palette, 4 grey with alpha."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.tobytes() for row in raw)
    head = struct.pack(">IIBBBBB", raw.shape[1], raw.shape[0], 8, kind, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + (chunk(b"PLTE", palette) if palette else b"")
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def masks_of(dataset, sequence: str) -> list[np.ndarray | None]:
    return list(dataset.annotations(sequence))


def same(found, expected) -> bool:
    return len(found) == len(expected) and all(
        two is None if one is None else one.dtype == bool and np.array_equal(one, two)
        for one, two in zip(found, expected, strict=True)
    )


class TestMasks:
    @pytest.mark.parametrize("alpha", [0, 255])
    def test_two_channels_are_grey_and_alpha(self, tmp_path, alpha) -> None:
        values = np.stack([grey(box(0)), np.full((H, W), alpha, np.uint8)], axis=-1)
        png(tmp_path / "m.png", values, 4)
        assert np.array_equal(read_mask(tmp_path / "m.png"), box(0))

    @pytest.mark.parametrize("value", [1, 128, 255])
    def test_ones_count_as_object_where_nothing_is_larger(self, tmp_path, value) -> None:
        write_image(tmp_path / "m.png", grey(box(0), value))
        assert np.array_equal(read_mask(tmp_path / "m.png"), box(0))
        write_image(tmp_path / "none.png", grey(box(0), 0))
        assert not read_mask(tmp_path / "none.png").any()

    def test_every_colour_of_a_palette_is_an_object(self, tmp_path) -> None:
        indices = np.zeros((H, W), np.uint8)
        indices[2:5, 2:5], indices[8:9, 3:20], indices[15:, 30:] = 1, 2, 3
        png(tmp_path / "m.png", indices, 3, bytes([0, 0, 0, 128, 0, 0, 0, 1, 0, 0, 0, 255]))
        assert np.array_equal(read_mask(tmp_path / "m.png"), indices > 0)

    @pytest.mark.parametrize(
        ("stem", "found"),
        [("cars1_01", 1), ("frame0012", 12), ("00005", 5), ("a", None), ("v2_x", None), ("9" * 40, int("9" * 18))],
    )
    def test_numbers_end_names(self, stem, found) -> None:
        assert number(stem) == found


class TestDavis2017:
    @pytest.fixture
    def root(self, tmp_path):
        base = tmp_path / "data" / "DAVIS"
        for name in ("bike-packing", "dogs-jump"):
            for t in range(4):
                write_image(base / "JPEGImages" / "480p" / name / f"{t:05d}.jpg", frame(t))
                indices = grey(box(t), 1) + grey(box(t, 14), 2)
                palette = bytes([0, 0, 0, 128, 0, 0, 0, 128, 0])
                png(base / "Annotations" / "480p" / name / f"{t:05d}.png", indices, 3, palette)
        (base / "ImageSets" / "2017").mkdir(parents=True)
        (base / "ImageSets" / "2017" / "val.txt").write_text("dogs-jump\n")
        return base.parent

    def test_all_objects_are_one(self, root) -> None:
        data = Davis2017(root)
        assert data.sequences() == ["dogs-jump"]
        assert same(masks_of(data, "dogs-jump"), [box(t) | box(t, 14) for t in range(4)])
        assert not data.protocol.ends

    def test_davis_2016_reads_the_same_and_says_so(self, root) -> None:
        data = Davis2016(root)
        assert data.sequences() == ["bike-packing", "dogs-jump"]
        assert same(masks_of(data, "dogs-jump"), [box(t) | box(t, 14) for t in range(4)])
        assert data.notes("dogs-jump") == ["Annotations: Masks are coloured: what is not black is taken for object."]
        assert Davis2017(root).notes("dogs-jump") == []

    def test_elsewhere_it_says_what_it_is(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"is no DAVIS 2017: .*ikebook data get davis2017 --root"):
            Davis2017(tmp_path)


class TestSegTrack:
    @pytest.fixture
    def root(self, tmp_path):
        """frog: .png frames, .png masks; girl: .bmp both; worm: .png frames, .bmp masks; penguin: two objects in folders."""
        base = tmp_path / "SegTrackv2"
        kinds = {
            "frog": (".png", ".png"),
            "girl": (".bmp", ".bmp"),
            "worm": (".png", ".bmp"),
            "penguin": (".bmp", ".png"),
        }
        for name, (frames, masks) in kinds.items():
            for t in range(5):
                write_image(base / "JPEGImages" / name / f"{name}_{t:05d}{frames}", frame(t))
                if name != "penguin":
                    write_image(base / "GroundTruth" / name / f"{name}_{t:05d}{masks}", grey(box(t)))
                    continue
                write_image(base / "GroundTruth" / name / "1" / f"{name}_{t:05d}{masks}", grey(box(t)))
                if t >= 2:  # comes later
                    write_image(base / "GroundTruth" / name / "2" / f"{name}_{t:05d}{masks}", grey(box(t, 14)))
        (base / "JPEGImages" / "girl" / "Thumbs.db").write_bytes(b"Windows was here")
        (base / "ImageSets").mkdir()
        (base / "ImageSets" / "all.txt").write_text("*girl\n*frog\n*penguin\n*worm\n*..\n\n")
        return tmp_path

    def test_sequences_are_listed_with_asterisks(self, root) -> None:
        assert SegTrackV2(root).sequences() == SegTrackV2(root / "SegTrackv2").sequences() == [
            "girl", "frog", "penguin", "worm"
        ]  # fmt: skip

    @pytest.mark.parametrize("name", ["frog", "girl", "worm"])
    def test_frames_and_masks_of_any_kind(self, root, name) -> None:
        data = SegTrackV2(root)
        clip = data.clip(name, None)
        assert (len(clip), clip.name, clip.frame_names[0]) == (5, name, f"{name}_00000")
        assert clip.frames.mean((1, 2, 3)).tolist() == [0, 10, 20, 30, 40]
        assert same(masks_of(data, name), [box(t) for t in range(5)])

    def test_objects_in_folders_are_united(self, root) -> None:
        assert same(masks_of(SegTrackV2(root), "penguin"), [box(t) | (box(t, 14) & (t >= 2)) for t in range(5)])

    def test_masks_numbered_without_the_name_belong_to_their_frames(self, root) -> None:
        truth = root / "SegTrackv2" / "GroundTruth" / "frog"
        for file in list(truth.iterdir()):
            file.rename(truth / f"{int(file.stem[-5:])}.png")
        assert same(masks_of(SegTrackV2(root), "frog"), [box(t) for t in range(5)])

    def test_a_frame_without_any_mask_is_not_annotated(self, root) -> None:
        (root / "SegTrackv2" / "GroundTruth" / "girl" / "girl_00003.bmp").unlink()
        assert [mask is None for mask in masks_of(SegTrackV2(root), "girl")] == [False, False, False, True, False]

    def test_all_frames_count(self, root, tmp_path) -> None:
        data = SegTrackV2(root)
        for t in range(5):
            write_mask(tmp_path / "masks" / "girl" / f"girl_{t:05d}.png", box(t) if t not in (0, 4) else ~box(t))
        found = evaluate_masks(data, tmp_path / "masks", tmp_path / "out", ["girl"])
        assert found["mean"]["J_mean"] == pytest.approx(3 / 5)

    def test_errors(self, root) -> None:
        with pytest.raises(InputError, match=r"'cat' is no sequence in .*; there are girl, frog, penguin, worm"):
            SegTrackV2(root).clip("cat", None)
        (root / "SegTrackv2" / "GroundTruth").rename(root / "gone")
        with pytest.raises(InputError, match=r"is no SegTrack v2: .*ikebook data get segtrackv2"):
            SegTrackV2(root)


class TestYouTubeObjects:
    @pytest.fixture
    def root(self, tmp_path):
        """Frames from 1 on, labels of every tenth at half the size, as JPEG."""
        for shot in ("cow/data/0019/shots/001", "cow/data/0019/shots/003", "car/data/0001/shots/001"):
            place = tmp_path / shot
            for t in range(1, 22):
                write_image(place / "images" / f"frame{t:04d}.jpg", frame(t % 20))
            for t in (1, 11, 21):
                write_image(place / "labels" / f"{t:05d}.jpg", grey(box(t // 10, 2, W // 2, H // 2)))
        (tmp_path / "cow" / "data" / "0019" / "shots" / "002" / "images").mkdir(parents=True)  # no labels
        return tmp_path

    def test_shots_with_labels_are_sequences(self, root) -> None:
        data = YouTubeObjects(root)
        assert data.sequences() == ["car_0001_001", "cow_0019_001", "cow_0019_003"]
        clip = data.clip("cow_0019_001", None)
        assert (len(clip), clip.frame_names[0], clip.frame_names[-1]) == (21, "frame0001", "frame0021")

    def test_labels_find_their_frames_by_number_and_grow_to_their_size(self, root) -> None:
        expected = [
            box(t // 10, 2, W // 2, H // 2).repeat(2, 0).repeat(2, 1) if t % 10 == 1 else None for t in range(1, 22)
        ]
        assert same(masks_of(YouTubeObjects(root), "cow_0019_003"), expected)

    def test_means_are_by_category_and_only_labelled_frames_count(self, root, tmp_path) -> None:
        data = YouTubeObjects(root)
        for name, share in (("car_0001_001", 3), ("cow_0019_001", 0), ("cow_0019_003", 3)):
            for t, truth in enumerate(data.annotations(name), 1):
                right = truth is not None and t // 10 < share
                mask = truth if right else np.ones((H, W), bool) if truth is None else ~truth
                write_mask(tmp_path / "masks" / name / f"frame{t:04d}.png", mask)
        found = evaluate_masks(data, tmp_path / "masks", tmp_path / "out")
        assert [found["sequences"][name]["J_mean"] for name in data.sequences()] == [1, 0, 1]
        assert found["mean"]["J_mean"] == pytest.approx((1 + 0.5) / 2)

    def test_errors(self, root, tmp_path) -> None:
        for file in (root / "car/data/0001/shots/001/labels").iterdir():
            file.rename(file.with_name(f"9{file.name}"))
        with pytest.raises(InputError, match="no label has the number of a frame"):
            masks_of(YouTubeObjects(root), "car_0001_001")
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=r"is no YouTube-Objects: .*'ikebook data get youtube-objects' says how"):
            YouTubeObjects(tmp_path / "empty")


class TestDavsod:
    @pytest.fixture
    def root(self, tmp_path):
        """Numbered as in the source video, with a gap; one mask with an alpha channel, one missing."""
        for name in ("select_0002", "select_0010_1"):
            place = tmp_path / "Easy-35" / name
            for t, index in enumerate((48, 49, 51, 60)):
                write_image(place / "Imgs" / f"{index:04d}.png", frame(t))
                if index == 49:
                    png(place / "GT_object_level" / "0049.png", np.stack([grey(box(t)), grey(~box(t))], -1), 4)
                elif index != 51:
                    write_image(place / "GT_object_level" / f"{index:04d}.png", grey(box(t)))
                write_image(place / "GT_instance_level" / f"{index:04d}.png", grey(box(t), 2))
            (place / "Fixation_records").mkdir()
        (tmp_path / "Easy-35" / "notes").mkdir()
        return tmp_path

    def test_masks_by_name_in_the_order_of_frames(self, root) -> None:
        data = Davsod(root)
        assert data.sequences() == Davsod(root / "Easy-35").sequences() == ["select_0002", "select_0010_1"]
        assert data.clip("select_0002", None).frame_names == ("0048", "0049", "0051", "0060")
        assert same(masks_of(data, "select_0002"), [box(0), box(1), None, box(3)])

    def test_soft_masks_are_scored(self, root, tmp_path) -> None:
        data = Davsod(root)
        for name in data.sequences():
            for t, index in enumerate((48, 49, 51, 60)):
                soft = np.where(box(t), 255, 51).astype(np.uint8)
                soft[0, 0] = 0
                soft = soft if index == 49 else 255 - soft  # the first and the last that have a mask do not count
                write_image(tmp_path / "masks" / name / f"{index:04d}.png", soft)
        found = evaluate_masks(data, tmp_path / "masks", tmp_path / "out")
        outside = 1 - box(0).mean() - 1 / (W * H)
        assert found["mean"]["MAE"] == pytest.approx(0.2 * outside)
        assert found["mean"]["Fbeta_max"] == pytest.approx(1)
        assert found["mean"]["J_mean"] == 1
        stored = json.loads((tmp_path / "out" / "results.json").read_text())
        assert [len(one["Fbeta_curve"]) for one in stored["sequences"].values()] == [256, 256]
        assert "Fbeta_max" in scores_table(found).splitlines()[0]

    def test_errors(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"is no DAVSOD: .*'ikebook data get davsod' says how to come by it"):
            Davsod(tmp_path)


class TestFbms:
    @pytest.fixture
    def root(self, tmp_path):
        """camel01: masks in colour, with companions for the official program; cars1, marple2: grey ones."""
        place = tmp_path / "Testset" / "camel01"
        for t in range(1, 6):
            write_image(place / f"camel01_{t:04d}.jpg", frame(t))
        for t in (1, 5):
            colours = np.full((H, W, 3), 255, np.uint8)
            colours[box(t)], colours[box(t, 14)] = (255, 0, 0), (0, 0, 255)
            write_image(place / "GroundTruth" / f"camel01_{t:04d}_gt.ppm", colours)
            write_image(place / "GroundTruth" / f"camel01_{t:04d}_gt.pgm", grey(box(t), 100))
            write_image(place / "GroundTruth" / f"camel01_{t:04d}_PROB_gt.ppm", 255 - colours)
        (place / "camel01.bmf").write_text("5 1\n")
        (place / "GroundTruth" / "camel01Def.dat").write_text("Ground truth definition file; do not change!\n")
        for name, dark in (("cars1", 20), ("marple2", 90)):
            for t in range(1, 4):
                write_image(tmp_path / "Testset" / name / f"{name}_{t:02d}.jpg", frame(t))
            values = np.where(box(1), 128, dark).astype(np.uint8)
            values[box(1, 14)] = 255
            write_image(tmp_path / "Testset" / name / "GroundTruth" / f"{name}_01.pgm", values)
        return tmp_path

    def test_white_is_background_of_coloured_masks(self, root) -> None:
        data = Fbms59(root)
        assert data.sequences() == Fbms59(root / "Testset").sequences() == ["camel01", "cars1", "marple2"]
        assert len(data.clip("camel01", None)) == 5
        both = {t: box(t) | box(t, 14) for t in (1, 5)}
        assert same(masks_of(data, "camel01"), [both[1], None, None, None, both[5]])

    @pytest.mark.parametrize("name", ["cars1", "marple2"])
    def test_dark_is_background_of_grey_masks(self, root, name) -> None:
        assert same(masks_of(Fbms59(root), name), [box(1) | box(1, 14), None, None])

    def test_errors(self, root, tmp_path) -> None:
        (root / "Testset" / "cars1" / "GroundTruth" / "cars1_01.pgm").rename(
            root / "Testset" / "cars1" / "GroundTruth" / "x.pgm"
        )
        with pytest.raises(InputError, match="no mask has the number of a frame"):
            masks_of(Fbms59(root), "cars1")
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=r"is no FBMS-59: .*ikebook data get fbms59"):
            Fbms59(tmp_path / "empty")


class TestWhole:
    def test_a_sparsely_annotated_set_runs_through_the_system(self, tmp_path) -> None:
        """FBMS-59's layout, from frames to scores; the masks that come out are those of all frames."""
        made = toy("disc", (48, 32), 6)
        place = tmp_path / "data" / "Testset" / "disc"
        for t, (picture, mask) in enumerate(zip(made.clip.frames, made.clip.masks, strict=True), 1):
            write_image(place / f"disc_{t:04d}.jpg", picture)
            if t in (1, 6):
                write_image(place / "GroundTruth" / f"disc_{t:02d}.pgm", grey(mask))
        options = RunOptions(size=(48, 32), device="cpu", cache=False)
        found = evaluate(open_dataset("fbms59", tmp_path / "data"), tmp_path / "out", options)
        assert len(list((tmp_path / "out" / "masks" / "disc").iterdir())) == 6
        first = read_grey(tmp_path / "out" / "masks" / "disc" / "disc_0001.png") > 127
        last = read_grey(tmp_path / "out" / "masks" / "disc" / "disc_0006.png") > 127
        scores = [(a & b).sum() / (a | b).sum() for a, b in ((first, made.clip.masks[0]), (last, made.clip.masks[-1]))]
        assert found["mean"]["J_mean"] == pytest.approx(np.mean(scores))
        assert found["mean"]["J_mean"] > 0.3

    def test_davsod_gets_soft_scores_of_each_half_cycle(self, tmp_path) -> None:
        made = toy("disc", (48, 32), 5)
        place = tmp_path / "data" / "select_0001"
        for t, (picture, mask) in enumerate(zip(made.clip.frames, made.clip.masks, strict=True)):
            write_image(place / "Imgs" / f"{t:04d}.png", picture)
            write_image(place / "GT_object_level" / f"{t:04d}.png", grey(mask))
        options = RunOptions(size=(48, 32), device="cpu", cache=False)
        data = open_dataset("davsod", tmp_path / "data")
        found = evaluate(data, tmp_path / "out", options)
        assert 0 < found["mean"]["MAE"] < 0.3
        assert found["mean"]["Fbeta_max"] > 0.5
        assert found["sequences"]["select_0001"]["cycles"][0]["MAE"] == found["mean"]["MAE"]
        assert "Fbeta_curve" not in found["sequences"]["select_0001"]["cycles"][0]
        stored = json.loads((tmp_path / "out" / "results.json").read_text())
        assert evaluate(data, tmp_path / "out", options)["mean"] == stored["mean"]  # taken up again
        assert "MAE" in (tmp_path / "out" / "results.csv").read_text().splitlines()[0]


class TestRegistry:
    def test_each_has_a_reader_and_a_way_to_come_by_it(self) -> None:
        assert set(DATASETS) == {*SOURCES, *BY_HAND}
        assert all(reader.name == name for name, reader in DATASETS.items())
        assert all("--root" in steps and "https://" in steps for steps in BY_HAND.values())

    @pytest.mark.parametrize("name", BY_HAND)
    def test_what_has_to_be_fetched_by_hand_says_how(self, name, tmp_path) -> None:
        with pytest.raises(InputError, match=rf"{name} has to be fetched by hand. (.|\n)*1\. Open https://"):
            fetch(name, tmp_path / "root")
        assert not (tmp_path / "root").exists()

    def test_what_has_no_checksum_is_fetched_without(self, tmp_path) -> None:
        import zipfile

        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("Testset/x/GroundTruth/x_01.pgm", cv2.imencode(".pgm", grey(box(0)))[1].tobytes())
        fetch("fbms59", tmp_path / "root", url=(tmp_path / "a.zip").as_uri())
        assert Fbms59(tmp_path / "root").sequences() == ["x"]
