"""Exports are read back by the libraries of those whose formats they are, and say what the masks say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from layouts import tree, write_frames
from PIL import Image

from ikebook.base.check import InputError
from ikebook.base.files import write_json, write_mask, write_soft, write_video
from ikebook.exports import export, read_saved
from ikebook.exports.pngs import davis_palette
from ikebook.exports.rle import box_of, coco_text
from ikebook.exports.yolo import polygon_of

coco_mask = pytest.importorskip("pycocotools.mask")
coco_api = pytest.importorskip("pycocotools.coco")

SIZE = 40, 30
NAMES = ["00003", "00005", "00007", "00009"]


def object_masks() -> np.ndarray:
    """Four masks: a square with a hole, two parts, none, and one that touches all borders."""
    masks = np.zeros((4, SIZE[1], SIZE[0]), bool)
    masks[0, 5:20, 8:28] = True
    masks[0, 10:14, 12:20] = False
    masks[1, 2:9, 3:11] = True
    masks[1, 15:28, 20:37] = True
    masks[3, :, 10:30] = True
    masks[3, 12:20] = True
    return masks


def colours() -> np.ndarray:
    """Frames of a video, (12, h, w, 3), of one colour each."""
    return np.stack([np.full((SIZE[1], SIZE[0], 3), (20 * k, 10, 255 - 20 * k), np.uint8) for k in range(12)])


@pytest.fixture
def result(tmp_path):
    """A folder of results: each second frame from the third on of a folder of frames."""
    folder = tmp_path / "result"
    write_frames(tmp_path / "frames", colours())
    for name, mask in zip(NAMES, object_masks(), strict=True):
        write_mask(folder / "masks" / f"{name}.png", mask)
        write_soft(folder / "soft" / f"{name}.png", 0.9 * mask + 0.05)
    summary = {
        "clip": "squares & co",
        "input": {"path": str(tmp_path / "frames"), "fps": 12.0},
        "frames": 4,
        "original_size": "40x30",
        "working_size": "40x30",
        "eigenvalues": [1.0],
        "eigenvector": 1,
        "solver_residual": None,
        "threshold": 0.5,
        "object_share": 0.2,
        "label_trained": False,
        "options": {},
        "versions": {},
    }
    write_json(folder / "summary.json", summary)
    return folder


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools, with NumPy 2
class TestCoco:
    def test_pycocotools_reads_masks_areas_and_boxes(self, result) -> None:
        export(result, "coco", label="dog")
        api = coco_api.COCO(str(result / "export" / "coco.json"))
        assert [cat["name"] for cat in api.loadCats(api.getCatIds())] == ["dog"]
        images = api.loadImgs(api.getImgIds())
        assert [image["file_name"] for image in images] == [f"{name}.png" for name in NAMES]
        assert {(image["width"], image["height"]) for image in images} == {SIZE}
        for image, mask in zip(images, object_masks(), strict=True):
            found = api.loadAnns(api.getAnnIds(imgIds=image["id"]))
            assert len(found) == mask.any()
            for one in found:
                assert np.array_equal(api.annToMask(one).astype(bool), mask)
                assert one["area"] == mask.sum() == coco_mask.area(one["segmentation"])
                assert one["bbox"] == coco_mask.toBbox(one["segmentation"]).tolist()
                assert one["track_id"] == 1

    @given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
    def test_any_mask_is_packed_as_pycocotools_packs_it(self, mask) -> None:
        expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert coco_text(mask) == expected["counts"].decode()
        assert list(box_of(mask) or (0, 0, 0, 0)) == coco_mask.toBbox(expected).tolist()

    def test_long_runs(self) -> None:
        mask = np.random.default_rng(0).random((300, 500)) > 0.5
        mask[:, 100:450] = True
        mask[:, 450:] = cv2.GaussianBlur(mask[:, 450:].astype(np.float32), (0, 0), 9) > 0.5
        assert coco_text(mask) == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


class TestPngs:
    def test_palette(self, result) -> None:
        export(result, "palette")
        for name, mask in zip(NAMES, object_masks(), strict=True):
            with Image.open(result / "export" / "palette" / f"{name}.png") as image:
                assert image.mode == "P"
                assert np.array_equal(np.asarray(image), mask)
                assert image.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
                assert (np.asarray(image.convert("RGB"))[mask] == [128, 0, 0]).all()

    def test_the_palette_is_that_of_davis(self) -> None:
        colours = np.array(davis_palette()).reshape(256, 3).tolist()
        known = {
            1: [128, 0, 0],
            4: [0, 0, 128],
            7: [128, 128, 128],
            8: [64, 0, 0],
            15: [192, 128, 128],
            20: [0, 64, 128],
        }
        assert {number: colours[number] for number in known} == known
        assert colours[255] == [224, 224, 192]
        assert len({tuple(colour) for colour in colours}) == 256

    def test_mots(self, result) -> None:
        export(result, "mots")
        for name, mask in zip(NAMES, object_masks(), strict=True):
            with Image.open(result / "export" / "mots" / f"{name}.png") as image:
                values = np.array(image)
            assert image.mode.startswith("I")  # 16 bits
            assert set(np.unique(values)) <= {0, 1001}
            assert np.array_equal(values // 1000 == 1, mask)
            assert np.array_equal(values % 1000, mask)


def read_cvat(path: Path) -> dict[int, np.ndarray]:
    """Masks by frame, as CVAT's documents have it: lengths along the rows of the box, the first of background."""
    masks = {}
    root = ET.parse(path).getroot()
    assert root.tag == "annotations"
    assert root.findtext("version") == "1.1"
    size = root.find("meta/task/original_size")
    shape = int(size.findtext("height")), int(size.findtext("width"))
    for track in root.findall("track"):
        assert track.get("label") in [label.text for label in root.findall("meta/task/labels/label/name")]
        first, last = track.findall("mask")
        assert (first.get("outside"), last.get("outside")) == ("0", "1")
        assert int(last.get("frame")) > int(first.get("frame"))
        left, top, width, height = (int(first.get(name)) for name in ("left", "top", "width", "height"))
        lengths = [int(one) for one in first.get("rle").split(",")]
        values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        mask = np.zeros(shape, bool)
        mask[top : top + height, left : left + width] = values.reshape(height, width)
        masks[int(first.get("frame"))] = mask
    assert [track.get("id") for track in root.findall("track")] == [str(number) for number in range(len(masks))]
    return masks


def test_cvat(result) -> None:
    export(result, "cvat", label="a <dog>")
    path = result / "export" / "cvat.xml"
    found = read_cvat(path)
    assert sorted(found) == [3, 5, 9]  # as in the whole video, and none where there is no object
    for number, mask in found.items():
        assert np.array_equal(mask, object_masks()[(number - 3) // 2])
    task = ET.parse(path).getroot().find("meta/task")
    told = {name: task.findtext(name) for name in ("name", "size", "mode", "start_frame", "stop_frame", "frame_filter")}
    assert told == {
        "name": "squares & co", "size": "4", "mode": "interpolation", "start_frame": "3", "stop_frame": "9", "frame_filter": "step=2",
    }  # fmt: skip


class TestYolo:
    def test_lines_are_polygons_of_the_masks(self, result) -> None:
        export(result, "yolo", label='"dog"')
        folder = result / "export" / "yolo"
        for name, mask, number in zip(NAMES, object_masks(), (3, 5, 7, 9), strict=True):
            lines = (folder / "labels" / "train" / f"{name}.txt").read_text().splitlines()
            assert len(lines) == mask.any()
            drawn = np.zeros(mask.shape, np.uint8)
            for line in lines:
                assert re.fullmatch(r"0( (0\.\d{6}|1\.000000)){6,}", line)
                points = np.array(line.split()[1:], float).reshape(-1, 2) * SIZE
                cv2.fillPoly(drawn, [np.rint(points).astype(int)], 1)
            filled = mask.copy()
            if name == NAMES[0]:
                filled[5:20, 8:28] = True  # its hole
            extra = drawn.astype(bool) & ~filled
            assert not (filled & ~drawn.astype(bool)).any()
            assert extra.sum() <= (12 if name == NAMES[1] else 0)  # the line that joins two parts
            image = cv2.imread(str(folder / "images" / "train" / f"{name}.jpg"))
            assert np.abs(image[..., ::-1] - colours()[number].astype(int)).max() < 12
        read = (folder / "data.yaml").read_text()
        assert read == 'train: images/train\nval: images/train\nnames:\n  0: "\\"dog\\""\n'

    @given(arrays(bool, st.tuples(st.integers(3, 12), st.integers(3, 12))))
    def test_a_polygon_covers_all_parts_that_have_three_corners(self, mask) -> None:
        polygon = polygon_of(mask)
        found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        parts = [part for part in found if len(part) >= 3]
        assert (polygon is None) == (not parts)
        if polygon is not None:
            corners = {tuple(point) for part in parts for point in part[:, 0].tolist()}
            assert corners == {tuple(point) for point in polygon.tolist()}


class TestRgba:
    def test_pictures_have_the_frames_colours_and_the_soft_mask(self, result) -> None:
        export(result, "rgba")
        for name, mask, number in zip(NAMES, object_masks(), (3, 5, 7, 9), strict=True):
            with Image.open(result / "export" / "rgba" / f"{name}.png") as image:
                assert image.mode == "RGBA"
                values = np.asarray(image)
            assert np.array_equal(values[..., :3], colours()[number])
            assert np.array_equal(values[..., 3], np.where(mask, 242, 13))

    def test_a_video_has_alpha(self, result) -> None:
        av = pytest.importorskip("av")
        assert export(result, "rgba").notes == []
        decoder, found, times = av.CodecContext.create("libvpx-vp9", "r"), [], []
        with av.open(str(result / "export" / "rgba.webm")) as container:
            for packet in container.demux(video=0):
                for frame in decoder.decode(packet) if packet.size else []:
                    assert frame.format.name == "yuva420p"
                    found.append(frame.to_ndarray(format="rgba")[..., 3])
                    times.append(float(packet.pts * packet.time_base))
        assert times == pytest.approx([0, 1 / 12, 2 / 12, 3 / 12], abs=1e-3)
        assert np.abs(np.array(found).astype(int) - np.where(object_masks(), 242, 13)).mean() < 6

    def test_without_pyav_a_note_says_what_is_missing(self, result, monkeypatch) -> None:
        monkeypatch.setattr("ikebook.exports.rgba.has_pyav", lambda: False)
        exported = export(result, "rgba")
        assert [path.name for path in exported.files] == ["rgba"]
        assert exported.notes == [
            "rgba: without PyAV there is no rgba.webm, a video with alpha; install it with: pip install 'ikebook[video]'"
        ]

    def test_frames_of_a_video_file(self, result, tmp_path) -> None:
        write_video(tmp_path / "v.mp4", colours(), 12)
        export(result, "rgba", frames=tmp_path / "v.mp4")
        values = cv2.imread(str(result / "export" / "rgba" / "00007.png"), cv2.IMREAD_UNCHANGED)
        assert np.abs(values[..., 2::-1].astype(int) - colours()[7]).max() < 12


class TestPlaces:
    def test_several_at_once_and_elsewhere(self, result, tmp_path) -> None:
        exported = export(result, ["coco", "mots", "coco"], tmp_path / "out")
        assert [path.relative_to(tmp_path / "out").as_posix() for path in exported.files] == ["coco.json", "mots"]
        assert tree(tmp_path / "out") == {".lock", "coco.json", *(f"mots/{name}.png" for name in NAMES)}
        assert not (result / "export").exists()

    def test_again_replaces_its_own_and_nothing_else(self, result) -> None:
        export(result, "coco,yolo")
        (result / "export" / "yolo" / "labels" / "train.cache").write_bytes(b"of YOLO's")
        (result / "export" / "yolo" / "labels" / "train" / "00005.txt").unlink()
        before = (result / "export" / "coco.json").read_bytes()
        export(result, "coco,yolo")
        assert (result / "export" / "coco.json").read_bytes() == before
        assert (result / "export" / "yolo" / "labels" / "train" / "00005.txt").exists()
        (result / "export" / "yolo" / "labels" / "train" / "00005.txt").write_text("0 by hand\n")
        with pytest.raises(InputError, match=r"00005\.txt is there, and ikebook has not written it, or it has changed"):
            export(result, "coco,yolo")
        assert (result / "export" / "yolo" / "labels" / "train" / "00005.txt").read_text() == "0 by hand\n"

    @pytest.mark.parametrize("name", ["coco.json", "cvat.xml", "mots/00005.png", "palette", "yolo/data.yaml"])
    def test_a_file_of_the_users_is_left_alone(self, result, name) -> None:
        path = result / "export" / name
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        with pytest.raises(InputError, match="ikebook has not written it"):
            export(result, "coco,cvat,mots,palette,yolo")
        assert tree(result / "export") == {name}
        assert path.read_text() == "mine"

    @pytest.mark.parametrize(
        ("told", "says"),
        [
            ({"formats": "coco,voc"}, r"format is 'voc'; expected one of 'rgba', 'coco'"),
            ({"formats": " , "}, "expected some of rgba, coco"),
            ({"label": "two\nlines"}, "expected a word, such as 'dog'"),
            ({"masks": "soft"}, "masks is 'soft'; expected one of 'masks', 'refined'"),
            ({"masks": "refined"}, "holds 0 masks, but there are 4 frames; segment the video again, with --refine"),
            ({"frames": "nowhere.mp4"}, "nowhere.mp4 does not exist; expected the video that was segmented"),
        ],
    )
    def test_what_cannot_be_is_said(self, result, told, says) -> None:
        with pytest.raises(InputError, match=says):
            export(result, told.pop("formats", "coco"), **told)
        assert not (result / "export").exists()

    def test_no_result(self, tmp_path) -> None:
        with pytest.raises(
            InputError, match=r"holds no summary\.json of ikebook's; name a folder that 'ikebook segment'"
        ):
            export(tmp_path, "coco")

    def test_a_mask_is_missing(self, result) -> None:
        (result / "masks" / "00005.png").unlink()
        with pytest.raises(InputError, match="holds 3 masks, but there are 4 frames; segment the video again"):
            export(result, "coco")

    def test_the_video_is_gone(self, result, tmp_path) -> None:
        (tmp_path / "frames").rename(tmp_path / "elsewhere")
        with pytest.raises(InputError, match=r"rgba needs the frames, .* is not there; name it with --frames"):
            export(result, "rgba")
        exported = export(result, "yolo")
        assert exported.notes == [
            "yolo: the video is not there, so yolo/images/train/ is left to you; or name it with --frames."
        ]
        assert export(result, "rgba", frames=tmp_path / "elsewhere").notes == []

    def test_another_video(self, result, tmp_path) -> None:
        write_frames(tmp_path / "small", colours()[:, :16, :16])
        with pytest.raises(InputError, match="has frames of 16x16, but the masks are 40x30; name the video that was"):
            export(result, "rgba", frames=tmp_path / "small")
        write_frames(tmp_path / "short", colours()[:6])
        with pytest.raises(InputError, match="has fewer frames than"):
            export(result, "rgba", frames=tmp_path / "short")

    def test_names_of_the_files_are_those_of_the_frames(self, result) -> None:
        assert read_saved(result).file_names() == [f"{name}.png" for name in NAMES]
        assert read_saved(result).numbers() == [3, 5, 7, 9]
        assert json.loads((result / "summary.json").read_text())["frames"] == len(read_saved(result))
