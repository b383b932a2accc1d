"""A disk that is full, or a limit on the size of files: one line and exit code 2, and no file that is there by half."""

from __future__ import annotations

from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from layouts import tree, write_frames

from ikebook.base.files import atomic, count_frames, is_whole, write_json, write_mask, write_video
from ikebook.cli import main
from ikebook.datasets.toys import toy

resource = pytest.importorskip("resource")


@contextmanager
def files_up_to(size):
    """Files of this process may have so many bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise(frames, size=(96, 64)) -> np.ndarray:
    """A moving disc under noise, whose video is long."""
    grain = np.random.default_rng(0).integers(-60, 60, (frames, size[1], size[0], 3))
    return np.clip(toy("disc", size, frames).clip.frames.astype(int) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_video_is_whole_or_not_there(share, tmp_path) -> None:
    write_video(tmp_path / "whole.mp4", noise(12), 24)
    size = (tmp_path / "whole.mp4").stat().st_size
    with files_up_to(int(share * size)), pytest.raises(OSError, match="not all of it could be written"):
        write_video(tmp_path / "v.mp4", noise(12), 24)
    assert tree(tmp_path) == {"whole.mp4"}


def test_a_frame_that_the_encoder_drops_is_noticed(tmp_path, monkeypatch) -> None:
    class Dropping:
        def __init__(self, *arguments) -> None:
            self.writer, self.count = actual(*arguments), 0
            self.isOpened, self.release = self.writer.isOpened, self.writer.release

        fourcc = staticmethod(cv2.VideoWriter.fourcc)

        def write(self, frame) -> None:
            self.count += 1
            if self.count != 5:
                self.writer.write(frame)

    actual = cv2.VideoWriter
    monkeypatch.setattr(cv2, "VideoWriter", Dropping)
    with pytest.raises(OSError, match=r"v\.mp4"):
        write_video(tmp_path / "v.mp4", noise(8), 24)
    assert tree(tmp_path) == set()


@pytest.mark.parametrize("name", ["m.png", "v.mp4", "s.json", "a.npz"])
def test_the_end_of_a_file_is_looked_at(name, tmp_path) -> None:
    whole = tmp_path / name
    if name == "m.png":
        write_mask(whole, np.eye(40, dtype=bool))
    elif name == "v.mp4":
        write_video(whole, noise(4), 24)
        assert count_frames(whole) == 4
    elif name == "s.json":
        write_json(whole, {"a": [1, 2], "b": {"c": 3}})
    else:
        np.savez(whole, a=np.arange(9))
    assert is_whole(whole)
    content = whole.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 4):
        whole.write_bytes(content[:length])
        assert not is_whole(whole)

    def cut_short() -> None:
        with atomic(tmp_path / f"other{whole.suffix}") as temporary:
            temporary.write_bytes(content[: len(content) // 2])

    with pytest.raises(OSError, match="not all of it could be written"):
        cut_short()
    assert tree(tmp_path) == {name}


@pytest.mark.parametrize(
    ("size", "more", "named"),
    [
        (30_000, [], "overlay.webm: not all of it could be written"),
        (
            15_000,
            ["--cycles", "2", "--set", "network.widths=8,16", "--set", "training.steps=2"],
            "File too large",
        ),
    ],
)
def test_the_command_ends_in_one_line(size, more, named, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(
        "ikebook.runs.sheet.contact_sheet", lambda *_: None
    )  # larger than the disk, and before all else
    write_frames(tmp_path / "frames", noise(12))
    arguments = ["segment", str(tmp_path / "frames"), "--out", str(tmp_path / "out"), "--size", "32x16", "--no-cache"]
    with files_up_to(size):
        assert main([*arguments, *more]) == 2
    printed, error = capsys.readouterr()
    assert "Written" not in printed
    assert len(error.splitlines()) == 1
    assert named in error
    files = {name for name in tree(tmp_path / "out") if name[:5] not in ("masks", "soft/")}
    assert files == {".lock"}
    assert main([*arguments, "--cycles", "1"]) == 0
