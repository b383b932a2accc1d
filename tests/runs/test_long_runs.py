"""Long runs lose nothing: killed and resumed, on full disks, with damaged clips, two at a time."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import errands
import numpy as np
import pytest
from layouts import read_grey, tree, write_davis, write_frames, write_image

import ikebook.runs.sequence
from ikebook.base.check import InputError
from ikebook.cli import main
from ikebook.cycle import CycleOptions
from ikebook.datasets import Davis2016
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.runs.evaluation import evaluate
from ikebook.runs.json_types import LARGEST
from ikebook.runs.options import RunOptions
from ikebook.runs.result_folder import ResultsWriter, has_lock, lock_folder, lock_sequence
from ikebook.runs.runners import SerialRunner

SEQUENCES = ["disc", "tracked"]
OPTIONS = RunOptions(
    size=(16, 16),
    device="cpu",
    cache=False,
    cycle=CycleOptions(
        cycles=2,
        network=NetworkOptions(widths=(8, 16), stem=1),
        training=TrainOptions(epochs=3, batch=2),
        tolerance=0.0,
    ),
)
PLAIN = RunOptions(size=(16, 16), device="cpu", cache=False)
KILLS = int(os.environ.get("IKEBOOK_KILLS", "20"))  # tests/experiments/kills.py asks for more


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_davis(tmp_path_factory.mktemp("data") / "DAVIS", SEQUENCES, size=(24, 16))


@pytest.fixture(scope="module")
def expected(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    begin = time.perf_counter()
    results = evaluate(Davis2016(root), out, OPTIONS, runner=SerialRunner(threads=1))
    return out, results, time.perf_counter() - begin


def lasting(value):
    """What does not depend on when and where it was made."""
    if isinstance(value, dict):
        return {key: lasting(one) for key, one in value.items() if key not in ("seconds", "where", "peak_memory_bytes")}
    return [lasting(one) for one in value] if isinstance(value, list) else value


def same(out, expected) -> None:
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert lasting(found) == lasting(json.loads((expected[0] / "results.json").read_text(encoding="utf-8")))
    assert tree(out) == tree(expected[0])
    for file in expected[0].glob("masks/*/*.png"):
        assert (out / file.relative_to(expected[0])).read_bytes() == file.read_bytes()


@pytest.fixture(scope="module")
def children():
    """Processes that have imported everything when they start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["errands", "ikebook.runs.evaluation"])
    return context


class TestKills:
    """Each time at another moment."""

    @pytest.mark.parametrize("seed", range(KILLS))
    def test_what_is_finished_counts_and_nothing_else(self, seed, children, root, expected, tmp_path) -> None:
        chance = random.Random(seed)
        out, ready = tmp_path / "out", children.Event()
        # Half of them while something is written, of which there are 15: the owner, twice 5 masks and an entry, twice results.json.
        dies_at = chance.randint(1, 14) if seed % 2 else None
        child = children.Process(target=errands.evaluated, args=(root, out, OPTIONS, ready, dies_at))
        child.start()
        assert ready.wait(60)
        if dies_at is None:
            time.sleep(chance.uniform(0, 1.2 * expected[2]))
            child.kill()
        child.join(60)
        assert child.exitcode in ((-signal.SIGKILL,) if dies_at else (-signal.SIGKILL, 0))
        entries = {file.stem for file in out.glob("sequences/*.json") if not file.name.startswith(".")}
        for name in entries:  # whole, and all that it speaks of is there
            assert json.loads((out / "sequences" / f"{name}.json").read_text())["entry"]["frames"] == 5
            assert [read_grey(file).shape for file in (out / "masks" / name).glob("[0-9]*.png")] == [(16, 24)] * 5
        if (out / "results.json").exists():
            assert set(json.loads((out / "results.json").read_text())["sequences"]) <= entries
        evaluate(Davis2016(root), out, OPTIONS, runner=SerialRunner(threads=1))
        same(out, expected)


class TestTwoRuns:
    def test_the_second_says_so_and_changes_nothing(self, root, tmp_path) -> None:
        with lock_folder(tmp_path) as token:
            assert has_lock(tmp_path, token)
            assert not has_lock(tmp_path, "other", patience=0)
            before = tree(tmp_path)
            with pytest.raises(
                InputError, match=f"another run is writing to .*process {os.getpid()} since 20.*wait for it"
            ):
                evaluate(Davis2016(root), tmp_path, PLAIN)
            assert tree(tmp_path) == before
        assert tree(tmp_path) == {".lock"}
        assert evaluate(Davis2016(root), tmp_path, PLAIN)["failed"] == {}

    def test_a_run_that_was_killed_leaves_no_lock(self, tmp_path) -> None:
        code = "import sys, os, signal; from pathlib import Path; from ikebook.runs.result_folder import lock_folder\n"
        code += "with lock_folder(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert tree(tmp_path) == {".lock", ".owner.json"}
        with lock_folder(tmp_path) as token:
            assert has_lock(tmp_path, token, patience=0)

    def test_one_works_on_a_sequence_at_a_time(self, tmp_path) -> None:
        with lock_folder(tmp_path):
            with lock_sequence(tmp_path, "a"), lock_sequence(tmp_path, "b/c"):
                assert len(list((tmp_path / ".locks").iterdir())) == 2
            with lock_sequence(tmp_path, "a"):
                pass
        assert tree(tmp_path) == {".lock"}
        with lock_sequence(tmp_path, "a"):
            with pytest.raises(KeyboardInterrupt), lock_folder(tmp_path), lock_sequence(tmp_path, "b"):
                raise KeyboardInterrupt
            assert len(tree(tmp_path)) == 2  # a's lock is still held


def broken(root, name):
    """A data set with one more sequence, `name`, which is wrong in some way, between two that are right."""
    folder, truth = root / "JPEGImages" / "480p" / name, root / "Annotations" / "480p" / name
    shutil.copytree(root / "JPEGImages" / "480p" / "disc", folder)
    shutil.copytree(root / "Annotations" / "480p" / "disc", truth)
    return folder, truth


class TestWrongSequences:
    """Each is a readable line in the report, and the others are unharmed."""

    @pytest.fixture
    def copied_root(self, root, tmp_path):
        return Path(shutil.copytree(root, tmp_path / "root"))

    def line(self, copied_root, tmp_path, capsys, *more) -> str:
        """What is said of the sequence `ill`."""
        out = tmp_path / "out"
        code = main(["evaluate", "davis2016", "--root", str(copied_root), "--out", str(out), "--size", "16x16", *more])
        printed, error = capsys.readouterr()
        assert code == 3
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        assert list(results["sequences"]) == SEQUENCES
        assert list(results["failed"]) == ["ill"]
        assert results["mean"]["J_mean"] == pytest.approx(
            np.mean([one["J_mean"] for one in results["sequences"].values()])
        )
        for name in SEQUENCES:
            assert len(list((out / "masks" / name).glob("*.png"))) == 5
        assert error.splitlines()[-1].startswith("ikebook: 1 of 3 sequences failed: ill. The reasons stand above")
        assert "mean" in printed
        (line,) = [line for line in error.splitlines() if line.startswith("ill: failed: ")]
        assert "Traceback" not in error
        return line

    def test_a_frame_that_can_t_be_decoded(self, copied_root, tmp_path, capsys) -> None:
        folder, _ = broken(copied_root, "ill")
        (folder / "00002.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        assert "00002.jpg is no image that OpenCV can read; it may be damaged." in self.line(
            copied_root, tmp_path, capsys
        )

    def test_annotations_of_another_size(self, copied_root, tmp_path, capsys) -> None:
        _, truth = broken(copied_root, "ill")
        write_image(truth / "00001.png", np.zeros((10, 12), np.uint8))
        line = self.line(copied_root, tmp_path, capsys)
        assert "the annotation of frame 00001 of ill is 12x10; its frame is 24x16." in line

    def test_frames_of_two_sizes(self, copied_root, tmp_path, capsys) -> None:
        folder, _ = broken(copied_root, "ill")
        write_image(folder / "00004.jpg", np.zeros((10, 12, 3), np.uint8))
        assert "00004.jpg is 12x10, but 00000.jpg is 24x16" in self.line(copied_root, tmp_path, capsys)

    def test_a_place_that_can_t_be_written(self, copied_root, tmp_path, capsys) -> None:
        broken(copied_root, "ill")
        (tmp_path / "out" / "masks").mkdir(parents=True)
        (tmp_path / "out" / "masks" / "ill").write_text("a file in the way")
        assert "ill/00000.png can't be written" in self.line(copied_root, tmp_path, capsys)
        assert (tmp_path / "out" / "masks" / "ill").read_text() == "a file in the way"

    def test_a_damaged_entry(self, copied_root, tmp_path, capsys) -> None:
        broken(copied_root, "ill")
        entry = tmp_path / "out" / "sequences" / "ill.json"
        entry.parent.mkdir(parents=True)
        entry.write_text('{"key": "')
        assert "ill.json is no file of ikebook, or damaged; remove it, and ill is done again" in self.line(
            copied_root, tmp_path, capsys
        )
        assert entry.read_text() == '{"key": "'

    def test_a_bug(self, copied_root, tmp_path, capsys, monkeypatch) -> None:
        broken(copied_root, "ill")
        actual = ikebook.runs.sequence.run

        def buggy(clip, *arguments, **more):
            return 1 // 0 if clip.name == "ill" else actual(clip, *arguments, **more)

        monkeypatch.setattr(ikebook.runs.sequence, "run", buggy)
        assert "a bug of ikebook's: ZeroDivisionError" in self.line(copied_root, tmp_path, capsys)
        failure = json.loads((tmp_path / "out" / "results.json").read_text())["failed"]["ill"]
        assert failure["kind"] == "bug"
        assert "in buggy" in failure["traceback"]

    def test_memory_that_is_too_small(self, copied_root, tmp_path, capsys, monkeypatch) -> None:
        broken(copied_root, "ill")
        actual = ikebook.runs.sequence.run

        def greedy(clip, *arguments, **more):
            if clip.name == "ill":
                np.empty(1 << 60, np.uint8)
            return actual(clip, *arguments, **more)

        monkeypatch.setattr(ikebook.runs.sequence, "run", greedy)
        assert "there is not enough memory for this" in self.line(copied_root, tmp_path, capsys)

    def test_a_disk_that_is_full_for_a_while(self, copied_root, tmp_path, capsys, monkeypatch) -> None:
        broken(copied_root, "ill")
        actual = Path.write_bytes

        def write(path, content):
            if path.parent.name == "ill":
                actual(path, content[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return actual(path, content)

        monkeypatch.setattr(Path, "write_bytes", write)
        assert "No space left on device" in self.line(copied_root, tmp_path, capsys)
        assert not any("ill" in file for file in tree(tmp_path / "out"))

    def test_one_frame(self, copied_root, tmp_path, capsys) -> None:
        for place in broken(copied_root, "ill"):
            for file in sorted(place.iterdir())[1:]:
                file.unlink()
        line = self.line(copied_root, tmp_path, capsys)
        assert "clip 'ill' has 1 frame; motion needs two or more. Give a longer video." in line

    def test_frames_of_4k(self, copied_root, tmp_path) -> None:
        folder, truth = broken(copied_root, "ill")
        for place in (folder, truth):
            shutil.rmtree(place)
        x = np.random.default_rng(0).integers(0, 255, (54, 96, 3), dtype=np.uint8)
        frames = [np.roll(x, 2 * i, axis=1).repeat(40, axis=0).repeat(40, axis=1) for i in range(3)]
        write_frames(folder, frames, suffix=".jpg")
        write_frames(truth, [np.zeros((2160, 3840), np.uint8)] * 3)
        results = evaluate(Davis2016(copied_root), tmp_path / "out", PLAIN, ["ill", "disc"])
        assert results["failed"] == {}
        assert results["sequences"]["ill"]["J_mean"] is not None
        assert read_grey(tmp_path / "out" / "masks" / "ill" / "00001.png").shape == (2160, 3840)


def test_a_real_disk_that_is_full(root, tmp_path, capsys) -> None:
    """A file system of one megabyte, where this may be made."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be made here")
    try:
        (disk / "ballast").write_bytes(bytes((1 << 20) - 10 * 4096))
        arguments = ["evaluate", "davis2016", "--root", str(root), "--out", str(disk / "out"), "--size", "16x16"]
        assert main(arguments) in (2, 3)  # 2 if there was no place for results.json either
        assert "No space left on device" in capsys.readouterr().err
        (disk / "ballast").unlink()
        assert main(arguments) == 0
        assert main([*arguments[:-3], str(tmp_path / "out"), *arguments[-2:]]) == 0
        same(disk / "out", (tmp_path / "out",))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_only_be_read(root, tmp_path) -> None:
    """As somebody who may not write there."""
    (tmp_path / "out").mkdir(mode=0o755)
    code = (
        "import os, sys; import ikebook.runs.evaluation; from ikebook.cli import main; os.setgid(65534); os.setuid(65534); "
        "sys.exit(main(sys.argv[1:]))"
    )
    for place in {tmp_path, *tmp_path.parents, *root.parents}:
        if place.is_relative_to(tempfile.gettempdir()) and place != Path(tempfile.gettempdir()):
            place.chmod(0o755)
    arguments = ["evaluate", "davis2016", "--root", str(root), "--out", str(tmp_path / "out"), "--size", "16x16"]
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert "can't be written: no permission for" in found.stderr
    assert tree(tmp_path / "out") == set()


def test_results_are_merged_now_and_then_and_a_full_disk_does_not_end_the_run(tmp_path, monkeypatch) -> None:
    written: Counter[str] = Counter()
    monkeypatch.setattr("ikebook.runs.result_folder.write_json", lambda path, content: written.update([path.name]))
    merged = ResultsWriter(tmp_path, {}, [str(index) for index in range(1000)], dict)
    for index in range(1000):
        merged.add(str(index), {"frames": 5, "J_mean": 0.5})
        merged.write_now_and_then()
    assert 1 <= written["results.json"] < 10

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ikebook.runs.result_folder.write_json", full)
    merged.write_if_possible()
    with pytest.raises(OSError, match="No space left"):
        merged.write()


def test_a_results_file_that_is_too_long_is_not_read(root, tmp_path) -> None:
    with (tmp_path / "results.json").open("wb") as stream:
        stream.truncate(LARGEST + 1)
    with pytest.raises(InputError, match=r"results\.json is no results file"):
        evaluate(Davis2016(root), tmp_path, PLAIN)
