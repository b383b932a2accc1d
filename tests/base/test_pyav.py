"""Videos that browsers play: what codec they have, when frames are shown, and what is heard; with PyAV and without."""

from __future__ import annotations

import os
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.base.files import is_whole, write_video
from ikebook.base.pyav import PyAVFile, frame_times, import_pyav
from ikebook.datasets.toys import toy

av = pytest.importorskip("av")


def frames(m: int = 6, size=(48, 32)) -> np.ndarray:
    return toy("disc", size, m).clip.frames


def codec(path) -> str:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name


def decoded(path) -> list[np.ndarray]:
    capture, found = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return found
        found.append(frame[..., ::-1])


@pytest.mark.parametrize("by_pyav", [False, True])
@pytest.mark.parametrize("size", [(48, 32), (47, 31)])
def test_webm_has_vp9_whoever_writes_it(by_pyav, size, tmp_path, capfd) -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.3, 0.5] if by_pyav else None
    write_video(tmp_path / "v.webm", frames(size=size), 25, seconds=times)
    assert codec(tmp_path / "v.webm") == "vp9"
    assert (np.array(decoded(tmp_path / "v.webm"))[:, : size[1], : size[0]].shape) == (6, size[1], size[0], 3)
    assert (
        np.abs(np.array(decoded(tmp_path / "v.webm"))[:, : size[1], : size[0]] - frames(size=size).astype(int)).mean()
        < 9
    )
    shown = frame_times(tmp_path / "v.webm")
    assert shown == pytest.approx(times or [0, 0.04, 0.08, 0.12, 0.16, 0.2], abs=1e-3)
    assert capfd.readouterr().err == ""  # OpenCV would have a line on tags
    assert is_whole(tmp_path / "v.webm")
    content = (tmp_path / "v.webm").read_bytes()
    for length in (0, 1, 4, 40, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.webm").write_bytes(content[:length])
        assert not is_whole(tmp_path / "cut.webm")


def test_mp4_with_times_has_h264(tmp_path) -> None:
    write_video(tmp_path / "v.mp4", frames(), 25, seconds=[0, 0.1, 0.15, 0.4, 0.5, 1])
    assert codec(tmp_path / "v.mp4") == "h264"
    assert frame_times(tmp_path / "v.mp4") == pytest.approx([0, 0.1, 0.15, 0.4, 0.5, 1], abs=1e-4)
    assert np.abs(np.array(decoded(tmp_path / "v.mp4")) - frames().astype(int)).mean() < 9


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_equal_frames_make_equal_files(suffix, tmp_path) -> None:
    for name in "ab":
        write_video(tmp_path / f"{name}{suffix}", frames(), 25, seconds=[index / 25 for index in range(6)])
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def with_sound(path, audio: str) -> None:
    """Two seconds of frames and of a tone that is there in the second one alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        heard = container.add_stream(audio, rate=48000)
        for frame in frames(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
        second = np.arange(96000) / 48000
        tone = (0.5 * np.sin(2 * np.pi * 440 * second) * (second >= 1)).astype(np.float32)
        resampler = av.AudioResampler(format=heard.codec_context.format, layout="stereo", rate=48000)
        for start in range(0, 96000, 960):
            part = av.AudioFrame.from_ndarray(np.stack([tone[start : start + 960]] * 2), "fltp", "stereo")
            part.sample_rate, part.pts, part.time_base = 48000, start, Fraction(1, 48000)
            for one in resampler.resample(part):
                container.mux(heard.encode(one))
        container.mux(heard.encode(None))


def loudness(path) -> np.ndarray:
    """Of each tenth of a second."""
    with av.open(str(path)) as container:
        parts = [np.abs(frame.to_ndarray().astype(float)).mean(0) for frame in container.decode(audio=0)]
    heard = np.concatenate(parts)
    return np.array([part.mean() for part in np.array_split(heard, round(len(heard) / 4800))])


@pytest.mark.parametrize("audio", ["aac", "libopus", "mp2"])
@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_sound_is_kept_and_begins_where_the_frames_do(audio, suffix, tmp_path) -> None:
    with_sound(tmp_path / "in.mkv", audio)
    path = tmp_path / f"out{suffix}"
    write_video(
        path, frames(12), 10, seconds=[index / 10 for index in range(12)], sound=(tmp_path / "in.mkv", 0.6, 1.8)
    )
    found = loudness(path)
    assert len(found) == pytest.approx(12, abs=1)
    assert found[:3].max() < 0.05 * found.max()  # silent for 0.4 seconds, and then no more
    assert found[6:10].min() > 0.7 * found.max()
    assert len(decoded(path)) == 12


def test_a_video_without_sound_stays_silent(tmp_path) -> None:
    write_video(tmp_path / "in.mp4", frames(), 24)
    write_video(tmp_path / "v.webm", frames(), 24, seconds=[0, 1, 2, 3, 4, 5], sound=(tmp_path / "in.mp4", 0, 1))
    with av.open(str(tmp_path / "v.webm")) as container:
        assert len(container.streams.audio) == 0


def test_frames_have_alpha_in_webm(tmp_path) -> None:
    cut = np.zeros((4, 32, 48, 4), np.uint8)
    cut[..., 0] = 200
    cut[:, 8:24, 10:30, 3] = 255
    write_video(tmp_path / "v.webm", cut, 24, seconds=[0, 1, 2, 3])
    decoder, found = av.CodecContext.create("libvpx-vp9", "r"), []  # FFmpeg's own decoder leaves alpha out
    with av.open(str(tmp_path / "v.webm")) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"
        for packet in container.demux(video=0):
            found += [frame.to_ndarray(format="rgba") for frame in (decoder.decode(packet) if packet.size else [])]
    assert len(found) == 4
    assert np.abs(np.array(found)[..., 3].astype(int) - cut[..., 3]).mean() < 2


def test_stderr_may_be_closed(tmp_path) -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        write_video(tmp_path / "v.webm", frames(), 25)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert len(decoded(tmp_path / "v.webm")) == 6


def test_where_it_is_missing_one_line_says_what_to_do(tmp_path, monkeypatch) -> None:
    write_video(tmp_path / "v.mp4", frames(), 24)
    monkeypatch.setitem(sys.modules, "av", None)
    mend = r"needs PyAV; install it with: pip install 'ikebook\[video\]'"
    with pytest.raises(InputError, match=f"H.264 {mend}"):
        import_pyav("H.264")
    with pytest.raises(InputError, match=mend):
        next(iter(PyAVFile(tmp_path / "v.mp4")))
    with pytest.raises(InputError, match=mend):
        write_video(tmp_path / "w.webm", frames(), 24, seconds=[0, 1, 2, 3, 4, 5])
    assert frame_times(tmp_path / "v.mp4") is None
    assert not (tmp_path / "w.webm").exists()
