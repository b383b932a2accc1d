"""Videos through PyAV, where it is installed: H.264, frames that are not evenly spaced in time, sound, and alpha.

OpenCV's wheels write VP9 and no H.264, and their videos have one rate and no sound. PyAV is under the BSD licence; its wheels bring
an FFmpeg with x264 and x265, which are under the GPL. So it is an extra, `pip install 'ikebook[video]'`, and nothing asks for it
that can do without.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base.check import InputError, require

MEND = "install it with: pip install 'ikebook[video]'"
"""What helps where PyAV is missing."""

CODECS = {
    ".webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "crf": "24", "b": "0"}),
    ".mp4": ("libx264", {"crf": "20", "preset": "medium"}),
}
"""By suffix, what frames are encoded with."""

SOUND = {".webm": (("opus", "vorbis"), "libopus", 48000), ".mp4": (("aac", "mp3"), "aac", 48000)}
"""By suffix, sound that is copied as it is, and what other sound is encoded with, at how many samples a second."""


def has_pyav() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


def import_pyav(purpose: str) -> Any:
    """PyAV's module; raise `InputError` that says what it is needed for, where it is not installed."""
    try:
        import av
    except ImportError:
        raise InputError(f"{purpose} needs PyAV; {MEND}") from None
    return av


def encode(
    path: Path,
    frames: Iterable[np.ndarray],
    seconds: Iterable[float],
    *,
    rate: float,
    sound: tuple[Path, float, float] | None = None,
) -> int:
    """Encode frames as VP9 in WebM or H.264 in MP4, by the path's suffix; gives their number.

    Parameters
    ----------
    path : Path
    frames : of (h, w, 3) or (h, w, 4) uint8 RGB or RGBA
        Of one size. Odd sides get one more row or column, a copy of the last. With alpha for WebM alone.
    seconds : of float
        When each frame is shown, increasing.
    rate : float
        Frames a second, about: for programs that ask.
    sound : (path, begin, end), optional
        A video or sound, of which these seconds are heard, from the first frame on.
    """
    av = import_pyav("a video with times and sound")
    begun, shown = iter(frames), iter(seconds)
    first = next(begun, None)
    if first is None:
        return 0
    alpha = first.shape[2] == 4
    pixels, base = "yuva420p" if alpha else "yuv420p", Fraction(1, 1000 if path.suffix == ".webm" else 90000)
    codec, options = CODECS[path.suffix]
    with _as_encoding_error(av), av.open(str(path), "w") as container:
        container.flags |= av.container.Flags.bitexact.value  # no random identifiers: equal frames make equal files
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height = (side + side % 2 for side in first.shape[1::-1])
        stream.pix_fmt = pixels
        stream.options = options | ({"auto-alt-ref": "0"} if alpha else {})  # such frames can't have alpha
        stream.codec_context.time_base = base
        heard = None if sound is None else _Sound(av, container, path.suffix, *sound)
        count, latest = 0, -1
        for frame, at in zip(itertools.chain([first], begun), shown, strict=False):
            picture = av.VideoFrame.from_ndarray(_even(frame), "rgba" if alpha else "rgb24").reformat(format=pixels)
            latest = max(latest + 1, round(at / base))
            picture.pts, picture.time_base = latest, base
            container.mux(stream.encode(picture))
            count += 1
            if heard is not None:
                heard.write_until(at)
        container.mux(stream.encode(None))
        if heard is not None:
            heard.write_until(float("inf"))
    return count


class EncodingError(OSError):
    """FFmpeg could not write what it should."""


@contextmanager
def _as_encoding_error(av: Any) -> Iterator[None]:
    """Tell what FFmpeg says from what goes wrong with the frames meanwhile."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise EncodingError(error.errno, error.strerror) from None


def _even(frame: np.ndarray) -> np.ndarray:
    """A frame with even sides, as codecs want them."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class _Sound:
    """The sound of another file, between two of its seconds, written along with frames; nothing where it has none."""

    def __init__(self, av: Any, container: Any, suffix: str, path: Path, begin: float, end: float) -> None:
        self.container = container
        source = av.open(str(path))
        heard = source.streams.audio
        if not heard:
            source.close()
            self.packets: Iterator[tuple[float, Any]] = iter(())
        elif heard[0].codec_context.name in SOUND[suffix][0]:
            target = container.add_stream_from_template(heard[0])
            self.packets = _copied(source, heard[0], target, begin, end)
        else:
            target = container.add_stream(SOUND[suffix][1], rate=SOUND[suffix][2])
            self.packets = _encoded(av, source, heard[0], target, begin, end)
        self.next = next(self.packets, None)

    def write_until(self, seconds: float) -> None:
        """Write what is heard up to this time from the first frame."""
        while self.next is not None and self.next[0] <= seconds:
            self.container.mux(self.next[1])
            self.next = next(self.packets, None)


def _copied(source: Any, stream: Any, target: Any, begin: float, end: float) -> Iterator[tuple[float, Any]]:
    """Packets of sound as they are, by when they are heard."""
    with closing(source):
        shift = round(begin / stream.time_base)
        for packet in source.demux(stream):
            if packet.pts is None or not begin <= packet.pts * stream.time_base < end:
                continue
            packet.stream = target
            packet.pts -= shift
            packet.dts = packet.pts
            yield float(packet.pts * stream.time_base), packet


def _encoded(av: Any, source: Any, stream: Any, target: Any, begin: float, end: float) -> Iterator[tuple[float, Any]]:
    """Sound encoded anew, by when it is heard."""
    with closing(source):
        codec = target.codec_context
        resampler = av.AudioResampler(format=codec.format, layout="stereo", rate=codec.sample_rate)
        position = 0  # samples that are written
        for frame in itertools.chain(source.decode(stream), [None]):
            if frame is not None and not begin <= frame.time < end:
                continue
            for even in resampler.resample(frame):
                even.pts, even.time_base = position, Fraction(1, codec.sample_rate)
                position += even.samples
                for packet in target.encode(even):
                    yield float(packet.pts * packet.time_base), packet
        for packet in target.encode(None):
            yield float(packet.pts * packet.time_base), packet


def frame_times(path: Path) -> list[float] | None:
    """When each frame of a video is shown, in seconds and in order; None where PyAV is missing or can't tell.

    Packets are looked at, and no frame is decoded.
    """
    if not has_pyav():
        return None
    av = import_pyav("times of frames")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = sorted(
                float(packet.pts * stream.time_base) for packet in container.demux(stream) if packet.pts is not None
            )
    except (OSError, IndexError, ValueError):
        return None
    return times if len(set(times)) == len(times) else None


class PyAVFile:
    """Frames of a video file that PyAV decodes: of codecs that OpenCV's FFmpeg does not have, such as AV1.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count: int | None = None

    def fingerprint(self) -> str:
        """A text that changes when the file does."""
        with self.path.open("rb") as stream:
            return f"PyAV {hashlib.file_digest(stream, 'sha256').hexdigest()}"

    @property
    def fps(self) -> float:
        """Frames per second, 24 where the file does not say."""
        with self._open() as container:
            rate = container.streams.video[0].average_rate
        return float(rate) if rate is not None and 1 <= rate <= 1000 else 24.0

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.between(0, None)

    def count(self) -> int:
        """How many frames can be decoded."""
        if self._count is None:
            self._count = sum(1 for _ in self._decoded())
        return self._count

    def names(self) -> list[str]:
        """What the frames are called: their numbers."""
        return [f"{index:05d}" for index in range(self.count())]

    def notes(self) -> list[str]:
        """What a user should know of how the file was read: nothing."""
        return []

    def between(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """The frames from `start` to before `stop`, RGB; those before are decoded, too."""
        for frame in itertools.islice(self._decoded(), start, stop):
            yield frame.to_ndarray(format="rgb24")

    def _decoded(self) -> Iterator[Any]:
        av = import_pyav(f"reading {self.path.name}")
        count = 0
        with self._open() as container:
            try:
                for frame in container.decode(video=0):
                    count += 1
                    yield frame
            except av.error.FFmpegError as error:
                require(count > 0, f"{self.path} holds no frame that PyAV can decode ({error.strerror}).")
        require(count > 0, f"{self.path} holds no frame that PyAV can decode.")

    def _open(self) -> Any:
        av = import_pyav(f"reading {self.path.name}")
        try:
            container = av.open(str(self.path))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path} is no video that PyAV can open ({error}).") from None
        if not container.streams.video:
            container.close()
            raise InputError(f"{self.path} holds no video that PyAV can find.")
        return container
