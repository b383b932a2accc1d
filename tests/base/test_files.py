"""What is written can be read back by anyone, and nothing is ever written by half."""

from __future__ import annotations

import csv
import json
import math
import os
import stat

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.base.files import (
    OVERLAY_COLOUR,
    atomic,
    overlay,
    plain,
    write_csv,
    write_json,
    write_mask,
    write_soft,
    write_video,
)


def names(folder) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def frames(m: int = 4, h: int = 32, w: int = 48) -> np.ndarray:
    return np.stack([np.full((h, w, 3), (40 * i, 120, 200 - 30 * i), np.uint8) for i in range(m)])


def decoded(path) -> tuple[list[np.ndarray], float]:
    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return found, rate


class TestAtomic:
    def test_it_makes_the_folders_above_and_leaves_one_file(self, tmp_path) -> None:
        with atomic(tmp_path / "a" / "b" / "c.txt") as temporary:
            temporary.write_text("whole")
            assert temporary.suffix == ".txt"
            assert temporary.name.startswith(".")
        assert (tmp_path / "a" / "b" / "c.txt").read_text() == "whole"
        assert names(tmp_path / "a" / "b") == ["c.txt"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_a_stop_half_way_leaves_what_was_there(self, tmp_path, error) -> None:
        def stopped() -> None:
            with atomic(tmp_path / "c.txt") as temporary:
                temporary.write_text("ha")
                raise error

        (tmp_path / "c.txt").write_text("old")
        with pytest.raises(error):
            stopped()
        assert (tmp_path / "c.txt").read_text() == "old"
        assert names(tmp_path) == ["c.txt"]

    def test_the_file_is_not_there_before_the_end(self, tmp_path) -> None:
        with atomic(tmp_path / "c.txt") as temporary:
            temporary.write_text("whole")
            assert not (tmp_path / "c.txt").exists()
        assert (tmp_path / "c.txt").exists()

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
    @pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
    def test_others_may_read_what_the_umask_lets_them(self, tmp_path, mask, mode) -> None:
        before = os.umask(mask)
        try:
            with atomic(tmp_path / "c.txt") as temporary:
                temporary.write_text("whole")
            assert os.umask(mask) == mask
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "c.txt").stat().st_mode) == mode

    def test_a_file_where_a_folder_should_be(self, tmp_path) -> None:
        (tmp_path / "out").write_text("a file")
        with (
            pytest.raises(InputError, match=r"out/c\.txt can't be written \(.+\); choose another place"),
            atomic(tmp_path / "out" / "c.txt"),
        ):
            pass
        assert names(tmp_path) == ["out"]

    def test_a_folder_where_a_file_should_be(self, tmp_path) -> None:
        (tmp_path / "c.png").mkdir()
        with pytest.raises(InputError, match=r"c\.png can't be written \(.+\); choose another place"):
            write_mask(tmp_path / "c.png", np.zeros((4, 4), bool))
        assert names(tmp_path) == ["c.png"]

    def test_a_name_as_long_as_the_file_system_takes(self, tmp_path) -> None:
        write_mask(tmp_path / ("n" * 251 + ".png"), np.zeros((4, 4), bool))
        assert names(tmp_path) == ["n" * 251 + ".png"]

    def test_a_name_longer_than_that(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"nnn\.png can't be written"):
            write_mask(tmp_path / ("n" * 300 + ".png"), np.zeros((4, 4), bool))
        assert names(tmp_path) == []


class TestMasks:
    @given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 1000))
    def test_binary_masks_are_0_and_255(self, tmp_path_factory, h, w, seed) -> None:
        path = tmp_path_factory.mktemp("masks") / "m.png"
        mask = np.random.default_rng(seed).random((h, w)) > 0.5
        write_mask(path, mask)
        read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert read.dtype == np.uint8
        assert np.array_equal(read, np.where(mask, 255, 0))

    def test_soft_masks_are_rounded_and_cut_to_8_bits(self, tmp_path) -> None:
        write_soft(tmp_path / "s.png", np.array([[-1, 0, 0.001, 0.002], [0.2, 0.5, 1, 7]]))
        read = cv2.imread(str(tmp_path / "s.png"), cv2.IMREAD_UNCHANGED)
        assert read.tolist() == [[0, 0, 0, 1], [51, 128, 255, 255]]

    @pytest.mark.parametrize(("write", "name"), [(write_mask, "mask"), (write_soft, "soft")])
    def test_a_mask_has_two_axes(self, tmp_path, write, name) -> None:
        with pytest.raises(InputError, match=rf"{name} has shape \(4, 4, 3\); expected \(h, w\)"):
            write(tmp_path / "m.png", np.zeros((4, 4, 3), bool))
        assert names(tmp_path) == []

    def test_a_binary_mask_is_of_truth_values(self, tmp_path) -> None:
        with pytest.raises(InputError, match="mask is uint8; expected bool"):
            write_mask(tmp_path / "m.png", np.full((4, 4), 255, np.uint8))
        assert names(tmp_path) == []


class TestOverlay:
    def test_the_object_is_tinted_and_outlined_and_the_rest_untouched(self) -> None:
        frame = np.full((20, 30, 3), 100, np.uint8)
        mask = np.zeros((20, 30), bool)
        mask[5:15, 8:22] = True
        drawn = overlay(frame, mask)
        assert (frame == 100).all()
        assert (drawn[~mask] == 100).all()
        assert drawn[10, 15].tolist() == [(100 + colour) // 2 for colour in OVERLAY_COLOUR]
        edge = mask.copy()
        edge[6:14, 9:21] = False
        assert (drawn[edge] == 255).all()

    @pytest.mark.parametrize("value", [False, True])
    def test_masks_that_are_empty_or_full(self, value) -> None:
        frame = np.full((8, 8, 3), 100, np.uint8)
        drawn = overlay(frame, np.full((8, 8), value))
        assert np.array_equal(drawn, frame) != value


class TestVideo:
    def test_frames_and_rate_come_back(self, tmp_path) -> None:
        write_video(tmp_path / "v.mp4", iter(frames()), 12.5)
        read, rate = decoded(tmp_path / "v.mp4")
        assert rate == 12.5
        assert np.abs(np.stack(read).mean((1, 2)) - frames()[:, 0, 0]).max() < 6
        assert names(tmp_path) == ["v.mp4"]

    @pytest.mark.parametrize("size", [(32, 47), (31, 48), (31, 47)])
    def test_odd_sides_are_made_even(self, tmp_path, size) -> None:
        write_video(tmp_path / "v.mp4", frames(2, *size), 24)
        read, _ = decoded(tmp_path / "v.mp4")
        assert [frame.shape for frame in read] == [(32, 48, 3)] * 2
        assert np.abs(np.stack(read).mean((1, 2)) - frames(2)[:, 0, 0]).max() < 6

    @pytest.mark.parametrize("fps", [1, 23.976023976, 29.97, 66.6667, 119.9876, 239.87, 1000])
    def test_any_rate_a_camera_has(self, tmp_path, fps) -> None:
        write_video(tmp_path / "v.mp4", frames(3), fps)
        read, rate = decoded(tmp_path / "v.mp4")
        assert len(read) == 3
        assert rate == pytest.approx(fps, rel=1e-3)

    def test_frames_that_fail_half_way_leave_nothing(self, tmp_path) -> None:
        def failing():
            yield frames()[0]
            raise InputError("the second frame is damaged")

        with pytest.raises(InputError, match="the second frame is damaged"):
            write_video(tmp_path / "v.mp4", failing(), 24)
        assert names(tmp_path) == []

    def test_no_frames_make_no_video(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"v\.mp4 can't be written: there is no frame"):
            write_video(tmp_path / "v.mp4", [], 24)
        assert names(tmp_path) == []


class TestTables:
    def test_json_has_null_for_what_it_has_no_word_for(self, tmp_path) -> None:
        content = {"a": [1.5, math.nan, (math.inf, "x")], "b": {"c": -math.inf, "d": None, "e": True}, "ä": 3}
        write_json(tmp_path / "s.json", content)
        text = (tmp_path / "s.json").read_text(encoding="utf-8")
        assert json.loads(text) == {"a": [1.5, None, [None, "x"]], "b": {"c": None, "d": None, "e": True}, "ä": 3}
        assert text.endswith("}\n")

    def test_what_json_can_say_stays(self) -> None:
        content = {"a": [1, 2.5, "text", None, False], "b": {}}
        assert plain(content) == content

    def test_json_that_cannot_be_said_leaves_nothing(self, tmp_path) -> None:
        with pytest.raises(TypeError):
            write_json(tmp_path / "s.json", {"a": object()})
        assert names(tmp_path) == []

    def test_csv_has_a_header_and_one_line_a_row(self, tmp_path) -> None:
        write_csv(tmp_path / "t.csv", [{"name": "a, b", "J": 0.5}, {"name": 'c"d', "J": None}])
        with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
            assert list(csv.reader(stream)) == [["name", "J"], ["a, b", "0.5"], ['c"d', ""]]
