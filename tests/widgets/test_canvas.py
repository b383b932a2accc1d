"""The canvas without a browser: what goes to it, what comes back, and what is refused."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zlib

import cv2
import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.widgets import VideoCanvas, link, scripts
from ikebook.widgets.arrays import RAW_BYTES, colour_map, json_numbers, pack, quantise, value_range
from ikebook.widgets.scripts import HERE, IMPORT, script

FRAMES = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)


def test_what_goes_to_the_browser() -> None:
    maps = np.linspace(0, 1, 60).reshape(3, 4, 5)
    canvas = VideoCanvas(FRAMES, maps=maps, compare=~FRAMES, caption="clip", frame=2)
    state = canvas.get_state()
    assert state["shape"] == (3, 4, 5)
    assert bytes(state["frames"]) == FRAMES.tobytes()
    assert bytes(state["compare"]) == (~FRAMES).tobytes()
    assert bytes(state["maps"]) == np.rint(maps * 255).astype(np.uint8).tobytes()
    assert (state["map_range"], state["frame"], state["caption"]) == ((0.0, 1.0), 2, "clip")
    assert state["pixel"] is None
    assert repr(canvas) == "VideoCanvas(3 frames of 5x4, map in [0, 1], compared, frame 2)"
    assert repr(VideoCanvas(FRAMES)) == repr(VideoCanvas(FRAMES))
    assert canvas._repr_mimebundle_()[0]["text/plain"] == repr(canvas)  # what is read where no widget can be shown


def test_colours_and_ranges_follow_the_data() -> None:
    signed = np.zeros((3, 4, 5))
    signed[0, 0, 0], signed[1, 1, 1] = -2, 4
    canvas = VideoCanvas(FRAMES, maps=signed)
    assert canvas.map_range == (-4, 4)
    assert canvas.colours == colour_map("signed")
    canvas.show(maps=signed > 0)
    assert canvas.map_range == (0, 1)
    assert canvas.colours == colour_map("object")
    canvas.show(maps=np.full((3, 4, 5), 7.0))
    assert canvas.map_range == (7, 8)
    assert canvas.colours == colour_map("viridis")
    canvas.show(maps=signed, map_range=(0, 2), colours="magma")
    assert canvas.maps[20 + 5 + 1] == 255
    assert canvas.maps[0] == 0
    assert canvas.colours == colour_map("magma")


def test_another_size_forgets_what_belonged_to_the_last() -> None:
    canvas = VideoCanvas(FRAMES, frame=2, pixel=[4, 3], curves=[{"values": [0, 1, 2]}])
    canvas.painted = bytes(20)
    canvas.show(frames=np.zeros((2, 3, 3, 3), np.uint8))
    assert (canvas.shape, canvas.frame, canvas.pixel, canvas.painted, canvas.curves) == ((2, 3, 3), 0, None, b"", [])
    grey = VideoCanvas(np.full((2, 3, 3), 9, np.uint8))
    assert grey.frames == bytes([9]) * 54


def test_a_click_and_a_stroke_as_the_browser_sends_them() -> None:
    canvas = VideoCanvas(FRAMES, paint=True)
    heard = []
    canvas.observe(lambda change: heard.append((change.name, change.new)), ["frame", "pixel", "picked", "painted"])
    canvas.set_state({"frame": 1, "pixel": [3, 2], "picked": [1, 3, 2]})
    assert sorted(heard) == [("frame", 1), ("picked", [1, 3, 2]), ("pixel", [3, 2])]
    assert canvas.painting is None
    stroke = np.zeros((4, 5), np.uint8)
    stroke[1, 2] = 255
    canvas.set_state({"painted": memoryview(stroke.tobytes())})
    np.testing.assert_array_equal(canvas.painting, stroke / 255)
    canvas.painted = np.full((3, 4, 5), 51, np.uint8).tobytes()
    assert canvas.painting.shape == (3, 4, 5)
    assert canvas.painting.max() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"captoin": "x"}, r"VideoCanvas has no option 'captoin'. Did you mean 'caption'\?"),
        ({"frame": 3}, "frame is 3; expected one of 0 to 2"),
        ({"pixel": [5, 0]}, r"pixel is \(5, 0\); expected .* x from 0 to 4 and y from 0 to 3"),
        ({"opacity": 1.5}, "opacity is 1.5; expected a number from 0 to 1"),
        ({"swipe": -1}, "swipe is -1.0; expected"),
        ({"fps": 0}, "fps is 0.0; expected a finite number above 0"),
        ({"maps": np.zeros((2, 4, 5))}, r"frames is \(3, 4, 5\) and maps is \(2, 4, 5\)"),
        ({"maps": FRAMES}, r"maps has shape \(3, 4, 5, 3\); expected \(m, h, w\)"),
        ({"maps": np.full((3, 4, 5), np.nan)}, "NaN or infinite"),
        ({"colours": "viridsi"}, "Did you mean 'viridis'"),
        ({"colours": b"123"}, "colours has 3 bytes; expected 256 colours"),
        ({"map_range": (1, 1)}, "map_range is .*; expected two finite numbers"),
        ({"paths": [{"colour": "red"}]}, "a path has no points"),
        ({"paths": [{"points": [[0, 1]]}]}, r"the point \[\[0, 1\]\]; expected \[frame, x, y\]"),
        ({"paths": [{"points": [], "show": "no"}]}, "a path's show is 'no'"),
        ({"points": [{"x": 1}]}, "a point has no y"),
        ({"curves": [{"values": [1, 2]}]}, "a curve has 2 values; expected one for each of 3 frames"),
        ({"frames": FRAMES.astype(float)}, "frames is float64; expected uint8"),
    ],
)
def test_bad_values_are_refused_with_a_hint(options, says) -> None:
    with pytest.raises(InputError, match=says):
        VideoCanvas(**{"frames": FRAMES} | options)


def test_bytes_that_do_not_fit_are_refused_and_nothing_changes() -> None:
    canvas = VideoCanvas(FRAMES)
    with pytest.raises(InputError, match=r"frames has 3 bytes; expected 180"):
        canvas.frames = b"abc"
    with pytest.raises(InputError, match=r"painted has 3 bytes; expected 20 .* or 60"):
        canvas.painted = b"abc"
    assert canvas.frames == FRAMES.tobytes()


def test_linked_canvases_share_frame_and_playing() -> None:
    a, b, c = VideoCanvas(FRAMES), VideoCanvas(FRAMES), VideoCanvas(shape=(3, 4, 5), parts="bar")
    link(a, b, c)
    assert a.group == b.group == c.group
    b.frame = 2
    assert (a.frame, c.frame) == (2, 2)
    c.playing = True
    assert a.playing
    assert VideoCanvas(FRAMES).group != a.group
    with pytest.raises(InputError, match=r"canvases have \[3, 2\] frames"):
        link(a, VideoCanvas(FRAMES[:2]))


def test_large_videos_are_compressed() -> None:
    size = (4, 320, 480)
    assert np.prod(size) * 3 > RAW_BYTES
    y, x = np.mgrid[:320, :480]
    frames = np.stack([np.stack([x / 2 + t, y / 2, (x + y) / 4], -1).astype(np.uint8) for t in range(4)])
    data = pack(frames)
    assert data[:4] == b"IKEJ"
    assert len(data) < frames.size / 10
    count, *sizes = struct.unpack_from("<5I", data, 4)
    assert (count, len(data)) == (4, 24 + sum(sizes))
    first = cv2.imdecode(np.frombuffer(data[24 : 24 + sizes[0]], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(first.astype(int) - frames[0]).mean() < 2
    maps = np.zeros((8, 320, 480), np.uint8)
    maps[:, 10:20] = 255
    data = pack(maps)
    assert data[:4] == b"IKEZ"
    assert zlib.decompress(data[4:]) == maps.tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (8, 320, 480), np.uint8)
    assert pack(noise) == noise.tobytes()  # what does not get smaller stays as it is


def test_quantising() -> None:
    assert quantise(np.array([-1, 0, 0.5, 1, 9, np.nan]), 0, 1).tolist() == [0, 0, 128, 255, 255, 0]
    assert value_range([np.array([0.25, 3.0])]) == (0.25, 3.0)
    assert json_numbers([1, None, float("nan"), np.float32(0.5)]) == [1.0, None, None, 0.5]


SCRIPTS = sorted(file.name for file in HERE.iterdir())


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_name_no_address(name) -> None:
    text = IMPORT.sub("", (HERE / name).read_text(encoding="utf-8"))
    assert not re.findall(r"https?:|//[a-z0-9-]+\.[a-z]{2,}|\bimport\b|\bfetch\s*\(|XMLHttpRequest", text)


ENTRIES = {
    "canvas.js": ["export default { render };"],
    "choice.js": ["export default { render: renderChoice };"],
    "chains.js": ["export default { render: renderChains };"],
    "embedded.js": ["export default { render: renderEmbedded };"],
    "iteration.js": ["export default { render: renderIteration };"],
    "mirror.js": ["export default { render: renderMirror };"],
    "mixture.js": ["export default { render: renderMixture };"],
    "noise.js": ["export default { render: renderNoise };"],
    "page.js": [],
    "race.js": ["export default { render: renderRace };"],
    "slider.js": ["export default { render: renderSlider };"],
}
"""Files that a notebook or a page loads, and what each of them exports."""


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_joined_script_is_one_valid_module(entry, tmp_path) -> None:
    joined = script(entry)
    assert not re.findall(r"^\s*import\b", joined, re.MULTILINE)
    assert re.findall(r"^export\b.*", joined, re.MULTILINE) == ENTRIES[entry]
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node, which checks a script's syntax")
    path = tmp_path / "joined.mjs"
    path.write_text(joined, encoding="utf-8")
    # A name that two files declare is an error here, too.
    checked = subprocess.run([node, "--check", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr


def test_each_file_stands_once_after_those_that_it_imports() -> None:
    files = [name for name in SCRIPTS if name.endswith(".js")]
    for entry in ENTRIES:
        joined = script(entry)
        places = {name: joined.find((HERE / name).read_text(encoding="utf-8").split("\n", 1)[0]) for name in files}
        contents = {name: place for name, place in places.items() if place >= 0}
        for name, place in contents.items():
            needed = IMPORT.findall((HERE / name).read_text(encoding="utf-8"))
            assert all(contents[other] < place for other in needed), name
    assert set(files) == {name for entry in ENTRIES for name in needed_by(entry)}


def needed_by(name: str) -> set[str]:
    """A file and all that it imports, and they import."""
    found = {name}
    for other in IMPORT.findall((HERE / name).read_text(encoding="utf-8")):
        found |= needed_by(other)
    return found


def test_files_that_import_each_other_in_a_circle_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scripts, "HERE", tmp_path)
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    with pytest.raises(InputError, match=r"a\.js imports itself, by way of a\.js and b\.js"):
        script("a.js")


def test_the_wheel_holds_the_scripts(tmp_path) -> None:
    from pathlib import Path
    from zipfile import ZipFile

    from hatchling.builders.wheel import WheelBuilder

    root = Path(__file__).parents[2]
    (wheel,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    contents = set(ZipFile(wheel).namelist())
    assert {f"ikebook/widgets/browser/{name}" for name in SCRIPTS} <= contents
