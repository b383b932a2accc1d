"""Videos in a store, segmented by workers that share no disk: fsspec's own store in memory, and a web server of this machine."""

from __future__ import annotations

import http.server
import json
import logging
import tempfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from layouts import read_grey, write_frames

import ikebook
from ikebook.base.check import InputError
from ikebook.base.files import write_png, write_video
from ikebook.base.remote import RemoteFolder
from ikebook.cli import main
from ikebook.datasets.toys import toy
from ikebook.runs import RunOptions, segment_videos
from ikebook.runs import videos as tasks
from ikebook.runs.videos import MADE_OF, expand, folder_names, segment_video, within

fsspec = pytest.importorskip("fsspec")

OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False)
SIZE = ["--size", "32x24", "--no-cache", "--device", "cpu"]
SECRET = "signature=0123456789"


@pytest.fixture(autouse=True)
def _own_temporaries(tmp_path, monkeypatch):
    """Copies lie in a folder of the test, which has to be empty in the end."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert list((tmp_path / "temporary").glob("ikebook*")) == []


@pytest.fixture(autouse=True)
def _plain_sheet(monkeypatch):
    """Contact sheets take longer to draw than all else of such small videos."""
    monkeypatch.setattr(
        "ikebook.runs.sheet.contact_sheet", lambda path, *_: write_png(path, np.zeros((4, 4), np.uint8))
    )


@pytest.fixture
def movies(store, tmp_path):
    """Two videos and a folder of frames in the store, and here."""
    here = tmp_path / "here"
    here.mkdir()
    for name, kind in (("walk", "disc"), ("run", "occluder")):
        write_video(here / f"{name}.mp4", toy(kind, (48, 32), 6).clip.frames, 12)
        store.put_file(str(here / f"{name}.mp4"), f"/b/videos/{name}.mp4")
    write_frames(here / "frames", toy("tracked", (48, 32), 5).clip.frames)
    for file in (here / "frames").iterdir():
        store.put_file(str(file), f"/b/frames/{file.name}")
    return here


def content(store, folder) -> dict[str, bytes]:
    """Masks and soft masks below a folder of the store."""
    return {path.removeprefix(folder): store.cat_file(path) for path in store.find(folder) if path.endswith(".png") and "/sheet" not in path}  # fmt: skip


def counted(monkeypatch) -> list[str]:
    """The videos that are worked on from now on."""
    worked: list[str] = []
    segment = tasks.segment_file

    def noted(path, *arguments, **options):
        worked.append(path.name)
        return segment(path, *arguments, **options)

    monkeypatch.setattr(tasks, "segment_file", noted)
    return worked


class TestNames:
    def test_patterns_of_frames_are_one_video(self, movies) -> None:
        assert expand(["memory://b/frames/*.png"]) == ["memory://b/frames/*.png"]
        assert expand(["memory://b/videos/*"]) == ["memory://b/videos/run.mp4", "memory://b/videos/walk.mp4"]
        assert expand(["walk.mp4", "https://host/run.mp4"]) == [
            str(Path("walk.mp4").absolute()),
            "https://host/run.mp4",
        ]

    def test_folders(self) -> None:
        assert folder_names(["memory://b/frames/*.png", "memory://b/Frames", "https://h/a%20b.mp4"]) == [
            "frames",
            "Frames-2",
            "a b",
        ]
        assert within("s3://b/out/", "walk") == "s3://b/out/walk"


class TestReadClip:
    def test_as_if_it_lay_here_and_the_copy_goes_with_it(self, movies, tmp_path) -> None:
        clip = ikebook.read_clip("memory://b/videos/walk.mp4", "48x32")
        here = ikebook.read_clip(movies / "walk.mp4", "48x32")
        assert (clip.name, clip.origin, len(clip)) == ("walk", "memory://b/videos/walk.mp4", 6)
        assert np.array_equal(clip.frames, here.frames)
        first = clip.first(2)
        del clip
        assert all(np.array_equal(a, b) for a, b in zip(first.originals(), here.originals(), strict=False))
        assert len(list((tmp_path / "temporary").iterdir())) == 1
        del first
        assert list((tmp_path / "temporary").glob("ikebook*")) == []

    def test_frames(self, movies) -> None:
        clip = ikebook.read_clip("memory://b/frames", "48x32", start=1, every=2)
        assert (clip.name, list(clip.frame_names)) == ("frames", ["00001", "00003"])

    def test_what_is_no_video_leaves_no_copy(self, store) -> None:
        store.pipe_file("/b/walk.mp4", b"no video")
        with pytest.raises(InputError, match=r"^memory://b/walk.mp4 is no video that OpenCV can open"):
            ikebook.read_clip("memory://b/walk.mp4")


class TestResults:
    def test_the_same_masks_as_here_and_nothing_else(self, movies, store, tmp_path) -> None:
        found = segment_videos(["memory://b/videos/*.mp4", "memory://b/frames"], "memory://b/out", OPTIONS)
        assert [(name, one["frames"], one["earlier"]) for name, one in found.items()] == [("run", 6, False), ("walk", 6, False), ("frames", 5, False)]  # fmt: skip
        segment_videos([movies / "run.mp4", movies / "walk.mp4", movies / "frames"], tmp_path / "out", OPTIONS)
        for name in found:
            masks = content(store, f"/b/out/{name}")
            assert len(masks) == 2 * found[name]["frames"]
            assert all((tmp_path / "out" / f"{name}{file}").read_bytes() == one for file, one in masks.items())
        summary = json.loads(store.cat_file("/b/out/walk/summary.json"))
        assert summary["input"] == {"path": "memory://b/videos/walk.mp4", "fps": 12.0}
        top = {path.removeprefix("/b/out/walk/").split("/")[0] for path in store.find("/b/out/walk")}
        assert top == {"masks", "soft", "overlay.webm", "sheet.png", "summary.json", ".ikebook"}

    @pytest.mark.parametrize("elsewhere", [True, False])
    def test_a_finished_video_is_not_done_twice(self, movies, store, tmp_path, monkeypatch, elsewhere) -> None:
        out = "memory://b/out" if elsewhere else tmp_path / "out"
        worked = counted(monkeypatch)
        segment_videos(["memory://b/videos/walk.mp4"], out, OPTIONS)
        again = segment_videos(["memory://b/videos/*.mp4"], out, OPTIONS)
        assert worked == ["walk.mp4", "run.mp4"]
        assert {name: one["earlier"] for name, one in again.items()} == {"run": False, "walk": True}
        store.put_file(str(movies / "run.mp4"), "/b/videos/walk.mp4")  # another video by the same name
        segment_videos(["memory://b/videos/*.mp4"], out, OPTIONS)
        assert worked[2:] == ["walk.mp4"]
        segment_videos(["memory://b/videos/*.mp4"], out, RunOptions(size=(24, 16), device="cpu", cache=False))
        assert worked[3:] == ["run.mp4", "walk.mp4"]

    def test_one_with_a_mask_that_is_gone_is_done_again_here(self, movies, tmp_path, monkeypatch) -> None:
        segment_videos(["memory://b/videos/walk.mp4"], tmp_path / "out", OPTIONS)
        (tmp_path / "out" / "walk" / "masks" / "00003.png").unlink()
        worked = counted(monkeypatch)
        segment_videos(["memory://b/videos/walk.mp4"], tmp_path / "out", OPTIONS)
        assert worked == ["walk.mp4"]

    @pytest.mark.parametrize("until", [0, 1, 5, 13])
    def test_stopped_while_results_are_sent_there_is_no_summary_and_the_next_run_ends_it(
        self, movies, store, monkeypatch, until
    ) -> None:
        whole = segment_videos(["memory://b/videos/walk.mp4"], "memory://b/whole", OPTIONS)
        put, sent = type(store).put_file, []

        def stop(self, here, there, **options):
            if len(sent) == until:
                raise KeyboardInterrupt
            sent.append(there)
            put(self, here, there, **options)

        with monkeypatch.context() as patch:
            patch.setattr(type(store), "put_file", stop)
            with pytest.raises(KeyboardInterrupt):
                segment_videos(["memory://b/videos/walk.mp4"], "memory://b/out", OPTIONS)
        assert len(store.find("/b/out")) == until + 1  # and what says whose they are
        assert not store.exists("/b/out/walk/summary.json")
        again = segment_videos(["memory://b/videos/walk.mp4"], "memory://b/out", OPTIONS)
        assert again["walk"] == whole["walk"]
        assert content(store, "/b/out") == content(store, "/b/whole")

    def test_the_summary_comes_last(self, movies, store, monkeypatch) -> None:
        order, put = [], type(store).put_file

        def noted(self, here, there, **options):
            order.append(there)
            put(self, here, there, **options)

        monkeypatch.setattr(type(store), "put_file", noted)
        segment_videos(["memory://b/videos/walk.mp4"], "memory://b/out", OPTIONS)
        assert [one for one in order if one.endswith("summary.json")] == [order[-1]]

    def test_what_fails_is_said_and_the_others_are_finished(self, movies, store) -> None:
        store.pipe_file("/b/videos/broken.mp4", b"no video")
        found = segment_videos(["memory://b/videos/*.mp4", "memory://b/none.mp4"], "memory://b/out", OPTIONS)
        assert found["none"]["reason"] == "memory://b/none.mp4 does not exist; mend the address."
        assert found["broken"]["reason"].startswith("memory://b/videos/broken.mp4 is no video that OpenCV can open;")
        assert found["walk"]["frames"] == found["run"]["frames"] == 6
        assert not store.exists("/b/out/broken")

    def test_files_of_others_stay(self, movies, store) -> None:
        store.pipe_file("/b/out/walk/notes.txt", b"mine")
        found = segment_videos(["memory://b/videos/walk.mp4"], "memory://b/out", OPTIONS)
        assert (
            found["walk"]["reason"]
            == "memory://b/out/walk holds notes.txt, and ikebook has not written it; choose another --out."
        )
        assert store.find("/b/out") == ["/b/out/walk/notes.txt"]

    def test_shorter_results_leave_none_of_the_longer_ones_and_none_of_others_is_replaced(self, movies, store) -> None:
        task = tasks.VideoTask(source="memory://b/videos/walk.mp4", out="memory://b/out/walk", options=OPTIONS)
        segment_video(task)
        store.pipe_file("/b/out/walk/masks/notes.txt", b"mine")
        done = segment_video(tasks.replace(task, part=tasks.Selection(end=3)))
        assert done["frames"] == 3
        assert [path.rpartition("/")[2] for path in store.find("/b/out/walk/masks")] == ["00000.png", "00001.png", "00002.png", "notes.txt"]  # fmt: skip
        store.pipe_file("/b/out/walk/masks/00004.png", b"mine")
        assert "holds masks/00004.png, and ikebook has not written it" in segment_video(task)["reason"]
        assert store.cat_file("/b/out/walk/masks/00004.png") == b"mine"

    @pytest.mark.parametrize("forged", ["../../videos/run.mp4", "/b/videos/run.mp4", ""])
    def test_a_forged_list_removes_nothing_outside(self, movies, store, forged) -> None:
        task = tasks.VideoTask(source="memory://b/videos/walk.mp4", out="memory://b/out/walk", options=OPTIONS)
        RemoteFolder(task.out).write(MADE_OF, json.dumps({"input": "", "options": "", "files": [forged]}).encode())
        assert "is no name of a file within memory://b/out/walk" in segment_video(task)["reason"]
        assert store.exists("/b/videos/run.mp4")

    @pytest.mark.parametrize("damaged", [b"", b"[1]", b"\xff", b"[" * 5000, b'{"input": 1}'])
    def test_what_is_damaged_is_none_of_ours(self, movies, store, damaged) -> None:
        store.pipe_file(f"/b/out/walk/{MADE_OF}", damaged)
        found = segment_videos(["memory://b/videos/walk.mp4"], "memory://b/out", OPTIONS)
        assert "and ikebook has not written it" in found["walk"]["reason"]


class TestTheCommand:
    def test_several_with_exports_resumed(self, movies, store, capsys) -> None:
        command = ["segment", "memory://b/videos/*.mp4", "--out", "memory://b/out", "--export", "coco", "--end", "4"]
        assert main([*command, *SIZE]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert [line.split(" pixels")[0].split(",")[0] for line in printed] == ["run: 4 frames", "walk: 4 frames", "Written to memory://b/out: 2 folders of results"]  # fmt: skip
        assert json.loads(store.cat_file("/b/out/run/export/coco.json"))["categories"][0]["name"] == "object"
        assert main([*command, *SIZE]) == 0
        assert [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines()[:2]] == [
            "finished before"
        ] * 2
        store.pipe_file("/b/videos/broken.mp4", b"no video")
        assert main([*command, *SIZE]) == 3
        assert (
            capsys.readouterr().err.splitlines()[-1]
            == "ikebook: 1 of 3 videos failed: broken. The reasons stand above."
        )

    def test_one_alone_has_the_folder_to_itself(self, movies, store, tmp_path, capsys) -> None:
        assert main(["segment", "memory://b/videos/walk.mp4", "--out", str(tmp_path / "out"), *SIZE]) == 0
        assert main(["segment", str(movies / "walk.mp4"), "--out", "memory://b/single", *SIZE]) == 0
        assert np.array_equal(
            read_grey(tmp_path / "out" / "masks" / "00002.png"),
            np.array(read_grey_of(store.cat_file("/b/single/masks/00002.png"))),
        )
        assert main(["segment", "memory://b/none.mp4", "--out", "memory://b/single", *SIZE]) == 2
        assert capsys.readouterr().err == "ikebook: memory://b/none.mp4 does not exist; mend the address.\n"

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["memory://b/videos/*.mp4", "--out", "memory://b/out", "--parts", "3"], "a video in --parts, and its results, lie where"),
            (["memory://b/videos/*.avi", "--out", "memory://b/out"], "memory://b/videos/*.avi stands for nothing that is there"),
            (["memory://b/videos/*.mp4", "--out", "https://host/out"], "https://host/out/run is on a web server, which takes no results"),
            (["memory://b/videos/*.mp4", "--out", "ftp://host/out"], "ftp://host/out/run is a kind of address that is not read"),
            (["memory://b/videos/*.mp4", "--out", "memory://b/out", "--init", "m.png@0"], "--init is for one video; there are 2."),
        ],
    )  # fmt: skip
    def test_what_can_t_be_is_said_before_any_work(self, movies, capsys, words, says) -> None:
        assert main(["segment", *words, *SIZE]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"ikebook: {says}")
        assert len(error.splitlines()) == 1

    @pytest.mark.parametrize(
        "words",
        [
            ["evaluate", "davis2016", "--root", "s3://bucket/DAVIS", "--out", "out"],
            ["export", "s3://bucket/out", "--to", "coco"],
        ],
    )
    def test_commands_that_take_no_address_say_so(self, capsys, words) -> None:
        assert main(words) == 2
        assert "is an address, and expected is a path here" in capsys.readouterr().err


def read_grey_of(data: bytes) -> np.ndarray:
    import cv2

    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


class TestWithoutASharedDisk:
    def test_from_a_web_server_to_a_store_and_no_secret_is_kept(self, movies, store, capsys, caplog) -> None:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(movies))) as running:
            thread = threading.Thread(target=running.serve_forever, args=(0.01,))
            thread.start()
            try:
                url = f"http://127.0.0.1:{running.server_port}/walk.mp4"
                with caplog.at_level(logging.DEBUG, "ikebook"):
                    assert main(["segment", f"{url}?{SECRET}", "--out", "memory://b/out", *SIZE]) == 0
                    assert main(["segment", f"{url}?another", "--out", "memory://b/out", *SIZE]) == 0
                printed = capsys.readouterr()
                assert printed.out.splitlines()[2].endswith("finished before")
                assert main(["segment", f"{url}.none?{SECRET}", "--out", "memory://b/other", *SIZE]) == 2
                printed_then = capsys.readouterr()
            finally:
                running.shutdown()
                thread.join()
        assert json.loads(store.cat_file("/b/out/summary.json"))["input"]["path"] == url
        kept = b"".join(store.cat_file(path) for path in store.find("/b/out"))
        said = "".join((*printed, *printed_then, caplog.text)).encode()
        assert SECRET.encode() not in kept + said

    def test_by_the_workers_of_a_cluster(self, movies, store) -> None:
        distributed = pytest.importorskip("distributed")
        from ikebook.runs import ClusterRunner

        # Workers in this process, as the store in memory is of one.
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            local_directory=str(movies),
        ) as cluster:
            runner = ClusterRunner(address=cluster.scheduler_address, threads=1)
            found = segment_videos(["memory://b/videos/*.mp4"], "memory://b/out", OPTIONS, runner=runner)
        assert [one["frames"] for one in found.values()] == [6, 6]
        segment_videos(["memory://b/videos/*.mp4"], "memory://b/serial", OPTIONS)
        assert content(store, "/b/out") == content(store, "/b/serial")
