"""Streams that are closed, full, of another code or without a reader: right exit codes, no traceback, no work lost."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from layouts import tree, write_davis, write_frames

import ikebook
import ikebook.cli.command_line
from ikebook.cli import main
from ikebook.cli.streams import Stream, lasting_streams
from ikebook.datasets.toys import toy

HOME = Path(ikebook.__file__).parents[1]
RESULTS = {"masks/00004.png", "soft/00004.png", "overlay.webm", "sheet.png", "summary.json"}

posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the streams")


@pytest.fixture
def segment(tmp_path):
    """The arguments of a segmentation, which writes to `tmp_path`/out."""
    write_frames(tmp_path / "frames", toy("disc", (48, 32), 5).clip.frames)
    return ["segment", str(tmp_path / "frames"), "--out", str(tmp_path / "out"), "--size", "48x32", "--no-cache"]


def shell(arguments, ending, **environment) -> subprocess.CompletedProcess[str]:
    """`python -m ikebook ARGUMENTS ENDING` in a shell."""
    line = f'"$0" -m ikebook "$@" {ending}'
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *arguments],
        cwd=HOME,
        env={**os.environ, "PYTHONPATH": str(HOME), **environment},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )


def has_results(out) -> bool:
    return tree(out) >= RESULTS


@posix
class TestClosed:
    @pytest.mark.parametrize("ending", [">&-", "<&- 2>&-"])
    def test_the_work_is_done(self, ending, segment, tmp_path) -> None:
        done = shell(segment, ending)
        assert (done.returncode, done.stderr) == (0, "")
        assert ("Written to" in done.stdout) is (ending == "<&- 2>&-")
        assert has_results(tmp_path / "out")
        for name in tree(tmp_path / "out") - {"summary.json"}:  # what was printed went into no file
            assert b"eigengap" not in (tmp_path / "out" / name).read_bytes()

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [(["data", "list"], 0), (["--help"], 0), (["segment"], 2), (["segment", "x", "--out", ""], 2)],
    )
    def test_exit_codes_are_the_same(self, arguments, code) -> None:
        for ending in (">&-", "2>&-", ">&- 2>&-"):
            done = shell(arguments, ending)
            assert done.returncode == code
            assert "Traceback" not in done.stderr

    def test_a_program_without_a_console(self, segment, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(sys, "stdout", None)  # as pythonw has it
        monkeypatch.setattr(sys, "stderr", None)
        assert main(segment) == 0
        assert main(["segment", "nowhere", "--out", str(tmp_path / "other")]) == 2
        assert sys.stdout is None
        assert has_results(tmp_path / "out")


class TestReader:
    def test_one_that_goes_does_not_end_the_work(self, segment, tmp_path, monkeypatch) -> None:
        """`ikebook segment ... 2>&1 | head -1`, whose reader goes after the first line at the latest."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            monkeypatch.setattr(sys, "stderr", stream)
            assert main(segment) == 0
        assert has_results(tmp_path / "out")

    def test_nor_that_of_a_data_set(self, tmp_path, monkeypatch) -> None:
        root = write_davis(tmp_path / "DAVIS", ["disc", "tracked"], size=(24, 16))
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w", buffering=1) as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            arguments = [
                "evaluate",
                "davis2016",
                "--root",
                str(root),
                "--out",
                str(tmp_path / "out"),
                "--size",
                "16x16",
            ]
            assert main(arguments) == 0
        assert len(list((tmp_path / "out" / "masks").glob("*/*.png"))) == 10
        assert (tmp_path / "out" / "results.json").exists()

    @posix
    def test_in_a_shell(self, tmp_path) -> None:
        done = shell(["data", "list"], "2>&1 | head -1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "davis2016\n", "")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
    def test_no_room_for_what_is_printed_is_said_when_the_work_is_done(self, segment, tmp_path) -> None:
        done = shell([*segment], "> /dev/full")
        assert done.returncode == 2
        assert done.stderr == (
            "ikebook: No space left on device: not all could be printed; what was to be written to files is there.\n"
        )
        assert has_results(tmp_path / "out")
        assert shell(["--help"], "> /dev/full").returncode == 2

    def test_a_stream_that_is_full_takes_all(self) -> None:
        class Full(io.StringIO):
            def write(self, text):
                raise OSError(28, "No space left on device")

        inner = Full()
        stream = Stream(inner)
        assert stream.write("text") == 4
        stream.flush()
        assert stream.error.errno == 28
        assert not stream.isatty()


class TestCodes:
    @posix
    @pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "cp1252"}, {"LANG": "C", "LC_ALL": ""}])
    def test_names_without_a_code_are_escaped(self, environment, segment, tmp_path) -> None:
        place = tmp_path / "Größe Ⲁ 猫"
        place.mkdir()
        (tmp_path / "frames").rename(place / "frames")
        arguments = [str(place / "frames") if one == str(tmp_path / "frames") else one for one in segment]
        done = shell(
            [one if one != str(tmp_path / "out") else str(place / "out") for one in arguments], "", **environment
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1].startswith(f"Written to {tmp_path}")
        assert has_results(place / "out")

    @posix
    def test_nor_are_words_lost_in_a_plain_locale(self) -> None:
        plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        done = shell(["segment", "Größe Ⲁ.mp4", "--out", "out"], "", **plain)
        assert done.returncode == 2
        assert done.stderr.startswith("ikebook: Gr")
        assert done.stderr.endswith(".mp4 does not exist; expected a folder of images or a video file.\n")
        assert shell(["data", "list"], "", **plain).returncode == 0

    def test_streams_are_as_they_were_afterwards(self) -> None:
        before = sys.stdout, sys.stderr
        with lasting_streams():
            assert isinstance(sys.stdout, Stream)
        assert (sys.stdout, sys.stderr) == before


def test_ctrl_c_while_the_words_are_read(monkeypatch, capsys) -> None:
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ikebook.cli.command_line, "parser", interrupted)
    assert main(["data", "list"]) == 130
    assert capsys.readouterr().err == "ikebook: stopped; what was finished is kept, and nothing is half-written.\n"
