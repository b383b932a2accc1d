"""What is painted travels as runs, and comes out as it went in, in Python and in the page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import ikebook.widgets
from ikebook.base.check import InputError
from ikebook.widgets.canvas import VideoCanvas
from ikebook.widgets.runs import painted_from_json, painted_to_json

BROWSER = Path(ikebook.widgets.__file__).parent / "browser"


def on(shape: tuple[int, int, int]) -> SimpleNamespace:
    return SimpleNamespace(shape=shape)


def painting(shape, strokes, seed=0) -> bytes:
    values = np.zeros(int(np.prod(shape)), np.uint8)
    drawn = np.random.default_rng(seed)
    for _ in range(strokes):
        begin = drawn.integers(values.size)
        values[begin : begin + drawn.integers(1, 20)] = drawn.choice([128, 255])
    return values.tobytes()


@given(st.lists(st.sampled_from([0, 0, 0, 128, 255]), min_size=12, max_size=12))
def test_round_trip(values) -> None:
    for shape in ((1, 3, 4), (2, 3, 2), (3, 2, 2)):
        data = bytes(values)
        assert painted_from_json(painted_to_json(data, on(shape)), on(shape)) == data


@pytest.mark.parametrize("strokes", range(6))
def test_lengths_that_could_mean_two_things(strokes) -> None:
    shape = (5, 1, 5 * (2 * strokes + 1))  # a frame is as long as the runs may be
    data = painting(shape, strokes)
    packed = painted_to_json(data, on(shape))
    assert len(packed) < len(data)
    assert painted_from_json(packed, on(shape)) == data


def test_a_long_clip_is_a_small_message() -> None:
    shape = (400, 224, 416)
    data = painting(shape, 40)
    packed = painted_to_json(data, on(shape))
    assert len(data) == 37_273_600
    assert len(packed) < 1000
    assert painted_from_json(packed, on(shape)) == data


def test_what_does_not_shrink_stays() -> None:
    data = np.random.default_rng(0).integers(0, 256, 3 * 4 * 5, dtype=np.uint8).tobytes()
    assert painted_to_json(data, on((3, 4, 5))) == data


@pytest.mark.parametrize("sent", [b"abc", b"\xff" + (7).to_bytes(4, "little"), b"\xff\xff\xff\xff\xff" * 3])
def test_runs_of_no_painting_are_refused(sent) -> None:
    canvas = VideoCanvas(np.zeros((3, 4, 5, 3), np.uint8))
    with pytest.raises(InputError, match=r"painted has \d+ bytes; expected 20"):
        canvas.set_state({"painted": memoryview(sent)})
    assert canvas.painted == b""


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js, which runs the page's side")
@pytest.mark.parametrize(("shape", "strokes"), [((3, 4, 50), 3), ((2, 3, 40), 30), ((5, 1, 15), 1), ((1, 4, 4), 0)])
def test_the_page_reads_and_writes_the_same(shape, strokes, tmp_path) -> None:
    data = painting(shape, strokes)
    packed = painted_to_json(data, on(shape))
    (tmp_path / "runs.mjs").write_text((BROWSER / "runs.js").read_text(encoding="utf-8"), encoding="utf-8")
    m, h, w = shape
    (tmp_path / "try.mjs").write_text(
        f"""import {{ fromRuns, toRuns }} from "./runs.mjs";
const sizes = [0, {h * w}, {m * h * w}];
const whole = fromRuns(Uint8Array.from({list(packed)}), sizes);
console.log(JSON.stringify([[...whole], [...toRuns(whole, sizes)]]));
""",
        encoding="utf-8",
    )
    done = subprocess.run([shutil.which("node"), tmp_path / "try.mjs"], capture_output=True, text=True, check=True)
    whole, again = json.loads(done.stdout)
    assert bytes(whole) == data
    assert bytes(again) == packed
