"""What is the user's stays, whatever it is called; and a folder of results is of one run, however others have ended."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from layouts import read_grey, tree, write_davis, write_frames, write_image

from ikebook.base.check import InputError
from ikebook.base.written import LISTS, WrittenFiles
from ikebook.cli import main
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import toy
from ikebook.runs.evaluation import evaluate
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import write_results
from ikebook.runs.result_folder import lock_folder

KILLS = int(os.environ.get("IKEBOOK_KILLS", "40"))  # tests/experiments/kills.py asks for more
OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)


def contents(folder) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}


def segment(path, out, *more) -> int:
    return main(["segment", str(path), "--out", str(out), "--size", "32x24", "--no-cache", *more])


class TestWhatIsTheUsers:
    @pytest.mark.parametrize("more", [[], ["--parts", "4"]])
    @pytest.mark.parametrize("name", ["masks/00002.png", "soft/00000.png", "overlay.webm", "sheet.png", "summary.json"])
    def test_files_of_the_same_names_are_refused_before_any_work(
        self, name, more, tmp_path, capsys, monkeypatch
    ) -> None:
        monkeypatch.setattr("ikebook.runs.videos.run", lambda *_, **__: pytest.fail("this is work"))
        frames = write_frames(tmp_path / "clip" / "frames", toy("disc", (32, 24), 5).clip.frames)
        (tmp_path / "clip" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "clip" / name).write_bytes(b"mine")
        before = contents(tmp_path / "clip")
        assert segment(frames, tmp_path / "clip", *more) == 2
        assert f"{name} is there, and ikebook has not written it" in capsys.readouterr().err
        assert {name: content for name, content in contents(tmp_path / "clip").items() if name != ".lock"} == before

    def test_also_those_of_a_video(self, long, tmp_path, capsys) -> None:
        from ikebook.base.files import write_video

        write_video(tmp_path / "v.mp4", long[0].frames, 24)
        write_image(tmp_path / "masks" / "00003.png", np.zeros((24, 32), np.uint8))
        before = (tmp_path / "masks" / "00003.png").read_bytes()
        assert segment(tmp_path / "v.mp4", tmp_path) == 2
        assert "00003.png is there, and ikebook has not written it" in capsys.readouterr().err
        assert (tmp_path / "masks" / "00003.png").read_bytes() == before

    def test_what_is_put_among_results_stays(self, long, short, tmp_path, no_sheet) -> None:
        out = tmp_path / "out"
        write_results(out, *long, OPTIONS)
        mine = {f"{kind}/mine.png": b"hand-made" for kind in ("masks", "soft", "refined")} | {".my-notebook.txt": b"x"}
        for name, content in mine.items():
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_bytes(content)
        write_results(out, *short, OPTIONS)
        after = contents(out)
        assert {name: after[name] for name in mine} == mine
        assert len([name for name in after if name.startswith("masks/")]) == 3 + 1

    def test_a_result_that_was_touched_up_by_hand_is_refused(self, long, short, tmp_path, no_sheet) -> None:
        write_results(tmp_path, *long, OPTIONS)
        write_image(tmp_path / "masks" / "00001.png", np.full((24, 32), 255, np.uint8))
        write_image(tmp_path / "masks" / "00005.png", np.full((24, 32), 255, np.uint8))
        before = contents(tmp_path)
        with pytest.raises(InputError, match=r"masks/00001\.png is there, .* or it has changed since; move it"):
            write_results(tmp_path, *short, OPTIONS)
        assert contents(tmp_path) == before
        (tmp_path / "masks" / "00001.png").unlink()
        write_results(tmp_path, *short, OPTIONS)
        assert (tmp_path / "masks" / "00005.png").read_bytes() == before["masks/00005.png"]  # a name that is not needed
        write_results(tmp_path, *short, OPTIONS)

    def test_links_are_neither_followed_nor_replaced(self, short, tmp_path, no_sheet) -> None:
        out, own = tmp_path / "out", tmp_path / "own"
        write_results(out, *short, OPTIONS)
        shutil.copytree(out / "soft", own)
        for file in (out / "masks").iterdir():
            shutil.move(file, own / f"m{file.name}")
        for name in ("00000.png", "00001.png"):
            (out / "masks" / name).symlink_to(own / f"m{name}")
        before = contents(own)
        with pytest.raises(InputError, match=r"00000\.png is there, and ikebook has not written it"):
            write_results(out, *short, OPTIONS)
        shutil.rmtree(out / "masks")
        (out / "masks").symlink_to(own)
        for name in before:
            shutil.copy(own / name, own / f"x{name}")
        with pytest.raises(InputError, match="has not written it"):  # soft masks of these names are in own/
            write_results(out, *short, OPTIONS)
        assert {name: contents(own)[name] for name in before} == before

    def test_a_damaged_file_of_ours_may_go(self, short, tmp_path, no_sheet) -> None:
        write_results(tmp_path, *short, OPTIONS)
        before = contents(tmp_path)
        for name, length in (
            ("masks/00000.png", 1),
            ("masks/00001.png", 60),
            ("soft/00002.png", 0),
            ("summary.json", 300),
        ):
            (tmp_path / name).write_bytes(before[name][:length])
        write_results(tmp_path, *short, OPTIONS)
        after = contents(tmp_path)
        assert {name: after[name] for name in before if name.endswith(".png")} == {
            name: before[name] for name in before if name.endswith(".png")
        }

    def test_a_data_set_s_masks(self, tmp_path) -> None:
        dataset, out = Davis2016(write_davis(tmp_path / "DAVIS", ["disc"], (24, 16))), tmp_path / "out"
        write_image(out / "masks" / "disc" / "00003.png", np.full((16, 24), 255, np.uint8))
        before = contents(out)
        with pytest.raises(InputError, match=r"00003\.png is there, and ikebook has not written it"):
            evaluate(dataset, out, RunOptions(size=(16, 16), cache=False))
        assert {name: content for name, content in contents(out).items() if name != ".lock"} == before


class TestOneRun:
    @pytest.mark.parametrize("more", [[], ["--parts", "4"]])
    def test_a_second_one_says_so_and_changes_nothing(self, more, tmp_path, capsys) -> None:
        frames = write_frames(tmp_path / "frames", toy("disc", (32, 24), 5).clip.frames)
        with lock_folder(tmp_path / "out"):
            before = tree(tmp_path / "out")
            assert segment(frames, tmp_path / "out", *more) == 2
            assert "another run is writing to" in capsys.readouterr().err
            assert tree(tmp_path / "out") == before

    def test_an_input_that_is_none_leaves_no_folder(self, tmp_path) -> None:
        assert segment(tmp_path / "nowhere.mp4", tmp_path / "new" / "out") == 2
        assert not (tmp_path / "new").exists()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are killed by a process that forks")
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    @pytest.mark.parametrize("seed", range(KILLS))
    def test_killed_while_it_writes_leaves_nothing_of_it_to_the_next(
        self, seed, long, short, tmp_path, no_sheet
    ) -> None:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            write_results(tmp_path, *short, OPTIONS)
        child = os.fork()
        if child == 0:  # dies at some moment at which something comes to the disk
            left = chance.randint(1, 3 * 16)

            def dying(method):
                def call(*arguments, **more):
                    nonlocal left
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return method(*arguments, **more)

                return call

            Path.replace, Path.open, Path.write_bytes = map(dying, (Path.replace, Path.open, Path.write_bytes))
            write_results(tmp_path, *long, OPTIONS)
            os._exit(0)
        assert os.waitpid(child, 0)[1] in (0, signal.SIGKILL)
        write_results(tmp_path, *short, OPTIONS)
        pictures = {f"{kind}/{index:05d}.png" for kind in ("masks", "soft") for index in range(3)}
        assert tree(tmp_path) == pictures | {".lock", "overlay.webm", "summary.json"}
        assert json.loads((tmp_path / "summary.json").read_text())["frames"] == 3
        for index, mask in enumerate(short[1].result.masks):
            assert np.array_equal(read_grey(tmp_path / "masks" / f"{index:05d}.png") == 255, mask)


class TestTheList:
    def test_a_line_that_was_cut_short_spoils_no_other(self, tmp_path) -> None:
        files = WrittenFiles(tmp_path)
        with files.recording():
            write_image_by_us(tmp_path / "a.png")
        with (tmp_path / LISTS / "files.jsonl").open("a") as stream:
            stream.write('\n["b.png", "12')
        with files.recording():
            write_image_by_us(tmp_path / "c.png")
        assert set(files.hashes()) == {"a.png", "c.png"}
        assert files.intact()
        (tmp_path / "a.png").unlink()
        assert not files.intact()


def write_image_by_us(path) -> None:
    from ikebook.base.files import write_mask

    write_mask(path, np.zeros((4, 4), bool))
