"""A finished result stays until the new one is whole, whoever stops, fails or kills the run that makes it."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from layouts import read_grey, tree, write_frames

import ikebook.runs.outputs
from ikebook.base.check import InputError
from ikebook.base.files import write_mask
from ikebook.base.replacing import NEW
from ikebook.base.written import LISTS, WrittenFiles, all_lists
from ikebook.cli import main
from ikebook.exports import export
from ikebook.exports.formats import FORMATS
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import write_results
from ikebook.runs.parts import segment_parts
from ikebook.runs.runners import SerialRunner

OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)
ERRORS = [OSError(28, "No space left on device"), KeyboardInterrupt(), TypeError("a bug")]


def everything(folder) -> dict[str, bytes]:
    """All files, also those that say whose they are."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def visible(folder) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder) - {".lock"}}


def frames_said(folder) -> int:
    return int(json.loads((folder / "summary.json").read_text())["frames"])


def fail_at(third, error):
    """Writes masks until the third."""
    count = 0

    def write(path, mask) -> None:
        nonlocal count
        count += 1
        if count == third:
            raise error
        write_mask(path, mask)

    return write


class TestWriteResults:
    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_one_that_fails_half_way_leaves_the_earlier_result(
        self, error, long, short, tmp_path, monkeypatch, no_sheet
    ) -> None:
        write_results(tmp_path, *long, OPTIONS)
        before = everything(tmp_path)
        monkeypatch.setattr(ikebook.runs.outputs, "write_mask", fail_at(3, error))
        with pytest.raises(type(error)):
            write_results(tmp_path, *short, OPTIONS)
        assert everything(tmp_path) == before
        assert not (tmp_path / LISTS / NEW).exists()
        assert frames_said(tmp_path) == 7

    def test_one_that_ends_well_replaces_all_of_it(self, long, short, tmp_path) -> None:
        write_results(tmp_path / "new", *short, OPTIONS)
        out = tmp_path / "out"
        write_results(out, *long, OPTIONS)
        write_results(out, *short, OPTIONS)
        assert set(visible(out)) == set(visible(tmp_path / "new"))
        pictures = [name for name in visible(out) if name.endswith(".png")]
        assert "sheet.png" in pictures
        for name in pictures:
            assert (out / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
        listed = WrittenFiles(out)
        assert set(listed.hashes()) == set(visible(out))
        assert listed.intact()
        assert [one.list.name for one in all_lists(out)] == ["files.jsonl"]

    def test_where_there_is_none_the_picture_comes_first(self, short, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(ikebook.runs.outputs, "write_mask", fail_at(1, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            write_results(tmp_path, *short, OPTIONS)
        assert read_grey(tmp_path / "sheet.png").std() > 20

    def test_a_file_put_in_the_way_meanwhile_is_kept_and_so_is_the_earlier_result(
        self, long, short, tmp_path, monkeypatch, no_sheet
    ) -> None:
        write_results(tmp_path, *short, OPTIONS)
        before = everything(tmp_path)

        def put(path, mask) -> None:
            (tmp_path / "masks" / "00005.png").write_bytes(b"mine")
            write_mask(path, mask)

        monkeypatch.setattr(ikebook.runs.outputs, "write_mask", put)
        with pytest.raises(InputError, match=r"masks/00005\.png is there, and ikebook has not written it"):
            write_results(tmp_path, *long, OPTIONS)
        assert everything(tmp_path) == before | {"masks/00005.png": b"mine"}

    @pytest.mark.parametrize("place", ["masks", "soft", ".ikebook"])
    def test_folders_that_can_t_be_written_to_are_named_before_any_work(
        self, place, short, tmp_path, monkeypatch, capsys, no_sheet
    ) -> None:
        out, frames = tmp_path / "out", write_frames(tmp_path / "frames", short[0].frames)
        write_results(out, *short, OPTIONS)
        before = everything(out)
        shut = out / place
        monkeypatch.setattr("ikebook.base.replacing.os.access", lambda path, _: Path(path) != shut)
        monkeypatch.setattr("ikebook.runs.videos.run", lambda *_, **__: pytest.fail("this is work"))
        assert main(["segment", str(frames), "--out", str(out), "--size", "32x24", "--no-cache"]) == 2
        assert f"{shut} can't be written to: its permissions forbid it" in capsys.readouterr().err
        assert everything(out) == before

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
    def test_by_the_permissions_themselves(self, long, short, tmp_path, no_sheet) -> None:
        write_results(tmp_path, *long, OPTIONS)
        before = everything(tmp_path)
        (tmp_path / "masks").chmod(0o555)
        try:
            with pytest.raises(InputError, match="masks can't be written to"):
                write_results(tmp_path, *short, OPTIONS)
        finally:
            (tmp_path / "masks").chmod(0o755)
        assert everything(tmp_path) == before


class TestWhileFilesAreMoved:
    def test_ctrl_c_comes_through_when_all_are_in_place(self, long, short, tmp_path, monkeypatch, no_sheet) -> None:
        write_results(tmp_path, *long, OPTIONS)
        move, moved = ikebook.base.replacing._move, []

        def interrupted(file, place) -> None:
            moved.append(place.name)
            if len(moved) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            move(file, place)

        monkeypatch.setattr("ikebook.base.replacing._move", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_results(tmp_path, *short, OPTIONS)
        assert moved[-1] == "summary.json"
        assert len(moved) == 2 * 3 + 2
        assert frames_said(tmp_path) == 3
        assert WrittenFiles(tmp_path).intact()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_a_thread_may_write_results_too(self, long, short, tmp_path, no_sheet) -> None:
        write_results(tmp_path, *long, OPTIONS)
        worker = threading.Thread(target=write_results, args=(tmp_path, *short, OPTIONS))
        worker.start()
        worker.join()
        assert frames_said(tmp_path) == 3

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are killed by a process that forks")
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_killed_at_any_moment_a_summary_says_what_is_there(self, long, short, tmp_path, no_sheet) -> None:
        write_results(tmp_path / "old", *long, OPTIONS)
        old, seen = visible(tmp_path / "old"), set()
        for moment in range(1, 40):
            out = tmp_path / str(moment)
            write_results(out, *long, OPTIONS)
            old = visible(out)
            child = os.fork()
            if child == 0:
                left = moment

                def dying(method):
                    def call(*arguments, **more):
                        nonlocal left
                        left -= 1
                        if left == 0:
                            os.kill(os.getpid(), signal.SIGKILL)
                        return method(*arguments, **more)

                    return call

                Path.replace, Path.unlink = dying(Path.replace), dying(Path.unlink)
                write_results(out, *short, OPTIONS)
                os._exit(0)
            os.waitpid(child, 0)
            now = {name: content for name, content in visible(out).items() if not name.startswith(".")}
            if "summary.json" not in now:
                seen.add("neither")
            elif frames_said(out) == 7:
                seen.add("old")
                assert now == old
            else:
                seen.add("new")
                assert len(now) == 2 * 3 + 2
                assert WrittenFiles(out).intact()
        assert seen >= {"old", "neither"}


class TestParts:
    @pytest.fixture
    def folder(self, long, tmp_path):
        return write_frames(tmp_path / "frames", long[0].frames)

    @pytest.mark.parametrize("stopped", ["find_evidence", "label_part", "write_part"])
    def test_stopped_in_any_round_the_earlier_result_stays(self, stopped, folder, short, tmp_path, no_sheet) -> None:
        out, tasks_done = tmp_path / "out", 0
        write_results(out, *short, OPTIONS)
        before = visible(out)

        def stopping(work, tasks):
            nonlocal tasks_done
            for one in SerialRunner()(work, tasks):
                yield one
                if work.__name__ == stopped:
                    tasks_done += 1
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            segment_parts(folder, out, OPTIONS, part_length=3, runner=stopping)
        assert tasks_done == 1
        now = {name: content for name, content in visible(out).items() if not name.startswith("parts/")}
        assert now == before
        assert segment_parts(folder, out, OPTIONS, part_length=3)["frames"] == 7
        pictures = {f"{kind}/{index:05d}.png" for kind in ("masks", "soft") for index in range(7)}
        assert set(visible(out)) == pictures | {"summary.json"}
        assert all(one.intact() for one in all_lists(out))
        assert {name for one in all_lists(out) for name in one.hashes()} == pictures | {"summary.json"}

    def test_one_that_was_killed_when_all_was_in_place_but_for_its_own_files(
        self, folder, tmp_path, monkeypatch
    ) -> None:
        out = tmp_path / "out"
        monkeypatch.setattr("ikebook.runs.parts._remove_parts", lambda _: None)
        first = segment_parts(folder, out, OPTIONS, part_length=3)
        before = visible(out)
        monkeypatch.undo()
        assert segment_parts(folder, out, OPTIONS, part_length=3) == first
        after = visible(out)
        assert after == {name: content for name, content in before.items() if not name.startswith("parts/")}
        assert len(after) == 2 * 7 + 1


class TestExports:
    def test_one_that_fails_leaves_the_earlier(self, short, tmp_path, monkeypatch, no_sheet) -> None:
        write_results(tmp_path, *short, OPTIONS)
        export(tmp_path, "palette,mots", label="disc")
        before = everything(tmp_path)
        assert sum(name.startswith("export/palette/") for name in before) == 3
        write, count = FORMATS["palette"][0], []

        def failing(saved, place):
            write(saved, place)
            count.append(len(list(place.rglob("*.png"))))
            raise KeyboardInterrupt

        monkeypatch.setitem(FORMATS, "palette", (failing, FORMATS["palette"][1]))
        with pytest.raises(KeyboardInterrupt):
            export(tmp_path, "mots,palette", label="disc")
        assert count == [3]
        assert everything(tmp_path) == before
        monkeypatch.undo()
        exported = export(tmp_path, "palette", label="disc")
        assert [one.relative_to(tmp_path).as_posix() for one in exported.files] == ["export/palette"]
        assert everything(tmp_path) == before
