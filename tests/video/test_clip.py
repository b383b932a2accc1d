"""Clips: what is read is what was written, in the order a person would count, and everything else is refused by name."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base import check
from ikebook.base.check import InputError
from ikebook.base.files import write_video
from ikebook.video.clip import ArrayFrames, Clip, array_fingerprint, read_clip, resize_area
from ikebook.video.images import IMAGE_SUFFIXES, ImageFolder, _is_whole, files_fingerprint, natural_key, read_image
from ikebook.video.movies import VideoFile


def noise(m: int = 3, h: int = 12, w: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (m, h, w, 3), np.uint8)


def save(path, rgb) -> None:
    colour = rgb if rgb.ndim == 2 else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    path.parent.mkdir(parents=True, exist_ok=True)
    written, data = cv2.imencode(path.suffix.lower().replace(".jfif", ".jpg"), colour)
    assert written
    data.tofile(path)


@pytest.fixture
def folder(tmp_path):
    for number, frame in zip((1, 2, 10), noise(), strict=True):
        save(tmp_path / "walk" / f"f{number}.png", frame)
    return tmp_path / "walk"


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=1))
def test_names_are_sorted_as_a_person_counts(numbers) -> None:
    names = [f"shot{number}.png" for number in numbers]
    assert sorted(names, key=natural_key) == [f"shot{number}.png" for number in sorted(numbers)]


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_names_can_be_sorted(names) -> None:
    assert sorted(sorted(names, key=natural_key)) == sorted(names)


class TestFolder:
    def test_frames_come_in_natural_order_and_in_rgb(self, folder) -> None:
        clip = read_clip(folder, None)
        assert np.array_equal(clip.frames, noise())
        assert clip.frame_names == ("f1", "f2", "f10")
        assert (clip.name, clip.fps, clip.size, clip.original_size) == ("walk", 24.0, (16, 12), (16, 12))
        assert clip.masks is None
        assert len(clip) == 3

    def test_other_files_are_passed_over(self, folder) -> None:
        (folder / "notes.txt").write_text("not a frame")
        (folder / ".hidden.png").write_bytes(b"not a frame")
        (folder / "f3.png").mkdir()
        assert read_clip(folder, None).frame_names == ("f1", "f2", "f10")

    def test_the_working_size_is_reached_by_area_and_the_own_size_is_kept(self, folder) -> None:
        clip = read_clip(folder, "8x6")
        blocks = noise().reshape(3, 6, 2, 8, 2, 3).mean((2, 4))
        assert np.abs(clip.frames - blocks).max() <= 0.5
        assert (clip.size, clip.original_size) == ((8, 6), (16, 12))
        assert np.array_equal(np.stack(list(clip.originals())), noise())

    def test_the_working_size_is_the_papers_unless_said_otherwise(self, folder) -> None:
        assert read_clip(folder).size == (416, 224)

    @pytest.mark.parametrize("suffix", [*sorted(IMAGE_SUFFIXES), ".PNG"])
    def test_any_common_format_is_read(self, tmp_path, suffix) -> None:
        frame = np.full((12, 16, 3), (200, 100, 40), np.uint8)
        grey = {".pgm": 200, ".pbm": 255}.get(suffix)
        save(tmp_path / f"a{suffix}", frame if grey is None else frame[..., 0])
        expected = (200, 100, 40) if grey is None else (grey,) * 3
        assert np.abs(read_clip(tmp_path, None).frames.astype(int) - expected).max() <= 3

    def test_grey_deep_and_transparent_images_become_rgb(self, tmp_path) -> None:
        save(tmp_path / "a.png", np.full((12, 16), 77, np.uint8))
        save(tmp_path / "b.png", np.full((12, 16), 77 * 257, np.uint16))
        cv2.imwrite(str(tmp_path / "c.png"), np.full((12, 16, 4), (77, 77, 77, 0), np.uint8))
        clip = read_clip(tmp_path, None)
        assert clip.frames.shape == (3, 12, 16, 3)
        assert (clip.frames == 77).all()

    def test_frames_that_differ_only_in_suffix_keep_it_in_their_names(self, folder) -> None:
        save(folder / "f1.bmp", noise()[0])
        assert read_clip(folder, None).frame_names == ("f1.bmp", "f1.png", "f2.png", "f10.png")

    def test_a_name_can_be_given(self, folder) -> None:
        assert read_clip(folder, None, name="other").name == "other"

    def test_a_name_is_found_for_the_folder_one_stands_in(self, folder, monkeypatch) -> None:
        monkeypatch.chdir(folder)
        assert read_clip(".", None).name == "walk"


class TestVideo:
    @pytest.mark.parametrize("size", [None, "32x24"])
    def test_a_video_is_read_with_its_rate_and_number_of_frames(self, tmp_path, size) -> None:
        frames = np.stack([np.full((48, 64, 3), (30 * i, 200 - 20 * i, 90), np.uint8) for i in range(5)])
        write_video(tmp_path / "walk.mp4", frames, 12.5)
        clip = read_clip(tmp_path / "walk.mp4", size)
        assert (len(clip), clip.fps, clip.name) == (5, 12.5, "walk")
        assert clip.frame_names == ("00000", "00001", "00002", "00003", "00004")
        assert (clip.size, clip.original_size) == ((64, 48) if size is None else (32, 24), (64, 48))
        assert np.abs(clip.frames.mean((1, 2)) - frames[:, 0, 0]).max() < 6
        assert [frame.shape for frame in clip.originals()] == [(48, 64, 3)] * 5

    def test_a_video_can_be_read_again_and_again(self, tmp_path) -> None:
        write_video(tmp_path / "v.mp4", noise(4, 32, 32), 24)
        source = VideoFile(tmp_path / "v.mp4")
        assert [len(list(source)) for _ in range(3)] == [4, 4, 4]

    def test_a_video_that_is_cut_short_is_refused(self, tmp_path) -> None:
        write_video(tmp_path / "v.mp4", noise(4, 32, 32), 24)
        data = (tmp_path / "v.mp4").read_bytes()
        (tmp_path / "v.mp4").write_bytes(data[: len(data) // 2])
        with pytest.raises(InputError, match=r"v\.mp4 is no video that OpenCV can open; convert it to MP4"):
            read_clip(tmp_path / "v.mp4")


class TestResize:
    def test_it_starts_from_the_original_frames(self) -> None:
        clip = Clip(frames=noise(2, 24, 32))
        small = clip.resize((8, 6))
        assert np.array_equal(small.resize((16, 12)).frames, clip.resize((16, 12)).frames)
        assert np.array_equal(small.resize((32, 24)).frames, clip.frames)
        assert small.original_size == (32, 24)
        assert np.array_equal(np.stack(list(small.originals())), clip.frames)

    def test_masks_go_by_majority(self) -> None:
        masks = np.zeros((1, 8, 8), bool)
        masks[0, :2, :2] = True
        masks[0, 2:4, 2] = True
        masks[0, 6:, 5:] = True
        small = Clip(frames=noise(1, 8, 8), masks=masks).resize("4x4")
        expected = np.zeros((4, 4), bool)
        expected[0, 0] = expected[3, 3] = True
        assert small.masks is not None
        assert np.array_equal(small.masks[0], expected)

    def test_its_own_size_changes_nothing(self) -> None:
        clip = Clip(frames=noise())
        assert clip.resize("16x12") is clip

    def test_it_keeps_name_rate_and_frame_names(self, folder) -> None:
        clip = read_clip(folder, None).resize("8x6")
        assert (clip.name, clip.fps, clip.frame_names) == ("walk", 24.0, ("f1", "f2", "f10"))
        assert isinstance(clip.source, ImageFolder)

    @given(st.integers(4, 40), st.integers(4, 40), st.integers(4, 40), st.integers(4, 40), st.integers(0, 255))
    def test_a_constant_stays_at_any_size(self, h, w, new_h, new_w, value) -> None:
        small = resize_area(np.full((h, w, 3), value, np.uint8), (new_w, new_h))
        assert small.shape == (new_h, new_w, 3)
        assert (small == value).all()

    @given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
    def test_whole_factors_are_means_of_blocks(self, fy, fx, seed) -> None:
        image = np.random.default_rng(seed).random((5 * fy, 7 * fx)).astype(np.float32)
        assert np.allclose(resize_area(image, (7, 5)), image.reshape(5, fy, 7, fx).mean((1, 3)), atol=1e-5)

    def test_enlarging_is_linear(self) -> None:
        ramp = np.tile(np.arange(4, dtype=np.float32), (4, 1))
        assert np.allclose(resize_area(ramp, (8, 4))[0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


class TestFingerprint:
    def test_it_is_that_of_the_original_frames_at_any_working_size(self, folder) -> None:
        assert read_clip(folder, "8x6").fingerprint() == read_clip(folder, None).fingerprint()
        clip = Clip(frames=noise())
        assert clip.resize("8x6").fingerprint() == clip.fingerprint() == ArrayFrames(noise()).fingerprint()

    def test_it_changes_with_one_value(self, folder) -> None:
        before = read_clip(folder, None).fingerprint()
        frame = noise()[1]
        frame[0, 0, 0] ^= 1
        save(folder / "f2.png", frame)
        assert read_clip(folder, None).fingerprint() != before

    def test_it_changes_with_order_shape_and_dtype(self, folder) -> None:
        files = sorted(folder.iterdir())
        assert files_fingerprint(files) != files_fingerprint(files[::-1])
        frames = noise()
        others = [frames[::-1], frames.reshape(3, 16, 12, 3), frames.view(np.int8), frames[:2]]
        assert len({array_fingerprint(a) for a in [frames, *others]}) == 5

    def test_a_view_has_that_of_its_copy(self) -> None:
        view = noise()[:, ::2, ::-1]
        assert array_fingerprint(view) == array_fingerprint(view.copy())

    def test_a_file_that_has_gone_is_named(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"gone\.png can't be read \(No such file or directory\)"):
            files_fingerprint([tmp_path / "gone.png"])


def test_a_clip_says_what_it_is() -> None:
    clip = Clip(frames=noise(), masks=np.zeros((3, 12, 16), bool), name="walk")
    assert repr(clip) == "Clip('walk', 3 frames of 16x12, own size 16x12, masks)"
    assert clip.frame_names == ("00000", "00001", "00002")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": noise()[0]}, r"frames has shape \(12, 16, 3\); expected \(m, h, w, 3\)"),
        ({"frames": noise()[..., :2]}, r"frames has shape \(3, 12, 16, 2\); expected \(m, h, w, 3\)"),
        ({"frames": noise().astype(np.float32)}, "frames are float32; expected uint8 RGB values, 0 to 255"),
        ({"frames": noise()[:0]}, "frames holds no frame; expected at least one"),
        ({"frames": noise(h=3)}, "size of frames is 16x3; each side must lie between 4 and 16384 pixels"),
        ({"fps": 0}, "fps is 0; expected a finite number above 0"),
        ({"fps": float("nan")}, "fps is nan; expected a finite number above 0"),
        ({"masks": np.zeros((2, 12, 16), bool)}, r"masks has shape \(2, 12, 16\); expected \(3, 12, 16\)"),
        ({"masks": np.zeros((3, 12, 16), np.uint8)}, r"masks are uint8; expected bool \(masks > 127, say\)"),
        ({"frame_names": ["a", "b"]}, "frame_names has 2 names for 3 frames; expected one for each"),
        ({"frame_names": ["a", "b", "a"]}, "frame_names repeats a name; results named after it would overwrite"),
    ],
)
def test_bad_clips(values, message) -> None:
    with pytest.raises(InputError, match=message):
        Clip(**{"frames": noise(), **values})


class TestBadInput:
    def test_a_path_that_is_not_there(self, tmp_path) -> None:
        with pytest.raises(InputError, match="nowhere does not exist; expected a folder of images or a video file"):
            read_clip(tmp_path / "nowhere")

    def test_a_folder_without_images(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"holds no image \(\.bmp, \.dib, \.jfif, .*\)\.$"):
            read_clip(tmp_path)

    def test_a_folder_of_folders(self, folder) -> None:
        with pytest.raises(InputError, match="It holds 1 folders: name one of them"):
            read_clip(folder.parent)

    def test_a_single_image(self, folder) -> None:
        with pytest.raises(InputError, match=r"f1\.png is a single image; expected the folder that holds the frames"):
            read_clip(folder / "f1.png")

    @pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n and no more", b"text"])
    def test_a_damaged_image(self, folder, content) -> None:
        (folder / "f2.png").write_bytes(content)
        with pytest.raises(InputError, match=r"f2\.png is no image that OpenCV can read.*Remove or replace it"):
            read_clip(folder)

    def test_an_image_that_cannot_be_opened(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"gone\.png can't be read \(No such file or directory\)"):
            read_image(tmp_path / "gone.png")

    def test_frames_of_two_sizes(self, folder) -> None:
        save(folder / "f2.png", noise(1, 10, 16)[0])
        with pytest.raises(InputError, match=r"f2\.png is 16x10, but f1\.png is 16x12;.*Resize it, or move it"):
            read_clip(folder)

    @pytest.mark.parametrize("content", [b"", b"no video at all", bytes(range(256)) * 20])
    def test_no_video(self, tmp_path, content) -> None:
        (tmp_path / "v.mp4").write_bytes(content)
        with pytest.raises(InputError, match=r"v\.mp4 is no video that OpenCV can open; convert it to MP4 or to a"):
            read_clip(tmp_path / "v.mp4")

    def test_a_text_that_a_decoder_would_show_as_a_film(self, tmp_path) -> None:
        (tmp_path / "notes.txt").write_text("a line of text\n" * 100)
        with pytest.raises(InputError, match=r"notes\.txt is a text file; expected a folder of images or a video"):
            read_clip(tmp_path / "notes.txt")

    def test_a_size_that_makes_no_sense(self, folder) -> None:
        with pytest.raises(InputError, match=r"size is 'huge'; expected WIDTHxHEIGHT in pixels, such as 416x224"):
            read_clip(folder, "huge")


@given(st.integers(4, 16384), st.integers(4, 16384))
def test_a_size_is_read_from_text_and_pairs(w, h) -> None:
    assert check.size("size", f"{w}x{h}") == check.size("size", f"{w}X{h}") == (w, h)
    assert check.size("size", (w, h)) == check.size("size", [np.int64(w), np.int64(h)]) == (w, h)


@pytest.mark.parametrize(
    "value", ["", "416", "416x", "416x224x3", "axb", "16.5x16", (16,), (16.7, 16), (float("inf"), 16), None, 416, "²x²"]
)
def test_a_size_is_width_and_height(value) -> None:
    with pytest.raises(InputError, match=rf"--size is {re.escape(repr(value))}; expected WIDTHxHEIGHT in pixels"):
        check.size("--size", value)


@pytest.mark.parametrize("value", ["3x16", "16x0", "-16x16", (16, 16385)])
def test_a_size_lies_within_bounds(value) -> None:
    with pytest.raises(InputError, match=r"size is -?\d+x\d+; each side must lie between 4 and 16384 pixels"):
        check.size("size", value)


@pytest.mark.parametrize(("own", "working"), [((60, 40), (416, 224)), ((40, 60), (224, 416)), ((40, 40), (416, 224))])
def test_the_working_size_turns_with_the_video(own, working, tmp_path) -> None:
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((own[1], own[0], 3), np.uint8))
    clip = read_clip(tmp_path)
    assert clip.size == working
    assert clip.original_size == own


def test_frames_that_are_no_array() -> None:
    with pytest.raises(InputError, match="frames is a list; expected a NumPy array"):
        Clip(frames=[[[0]]])


def test_the_first_frames_of_a_clip(tmp_path) -> None:
    for name, frame in zip("abc", noise(), strict=True):
        save(tmp_path / f"{name}.png", frame)
    clip = read_clip(tmp_path, (8, 6))
    first = clip.first(2)
    assert np.array_equal(first.frames, clip.frames[:2])
    assert first.frame_names == clip.frame_names[:2]
    assert [frame.tobytes() for frame in first.originals()] == [f.tobytes() for f in clip.originals()][:2]
    assert first.fingerprint() != clip.fingerprint()
    assert first.original_size == clip.original_size
    assert clip.first(len(clip)) is clip.first(99) is clip


class TestPngs:
    def test_a_chunk_that_says_it_is_longer_than_the_file(self, tmp_path) -> None:
        """OpenCV would take as much memory before it finds out."""
        whole = cv2.imencode(".png", np.zeros((7, 9), np.uint8))[1]
        assert _is_whole(whole)
        assert _is_whole(np.append(whole, np.full(40, 255, np.uint8)))  # what follows the end is not looked at
        lying = whole.copy()
        place = whole.tobytes().index(b"IDAT")
        lying[place - 4 : place] = 255
        assert not _is_whole(lying)
        lying.tofile(tmp_path / "a.png")
        with pytest.raises(InputError, match="is no image that OpenCV can read"):
            read_image(tmp_path / "a.png")

    def test_other_formats_are_not_looked_into(self) -> None:
        assert _is_whole(cv2.imencode(".jpg", np.zeros((7, 9), np.uint8))[1])
