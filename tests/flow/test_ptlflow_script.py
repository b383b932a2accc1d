"""The program for ptlflow's environment, with a ptlflow that is not one: what it writes is what `--flow DIR` reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from layouts import tree, write_frames

import ikebook
from ikebook.base.provenance import LABELS, SYNTHETIC, UNKNOWN, UNTRAINED
from ikebook.flow import compute_flow, flow_source, provider, read_flo
from ikebook.video.clip import read_clip

SCRIPT = Path(ikebook.__file__).parent / "flow" / "scripts" / "flow_with_ptlflow.py"

FAKE = '''
import torch

class Model(torch.nn.Module):
    """Its flow is how much brighter the second frame is, and the first's blue: what comes first in OpenCV's frames."""
    output_stride = 8
    def forward(self, inputs):
        first, second = inputs["images"][0]
        assert not self.training and first.shape[0] == 3
        with open(__file__ + ".calls", "a") as log:
            print(tuple(first.shape), file=log)
        return {"flows": torch.stack([(second - first).mean(0), first[0]])[None, None]}

def get_model(name, ckpt_path=None):
    if name not in ("net", "flownet2", "raft_small"):
        raise ValueError(f"Unknown model name: {name}. Choose from [net]")
    return Model()
'''

ADAPTER = """
import numpy as np, torch

class IOAdapter:
    def __init__(self, output_stride, input_size, cuda=False):
        assert output_stride == 8
        self.size = tuple(input_size)
    def prepare_inputs(self, images):
        assert all(image.shape == (*self.size, 3) and image.dtype == np.uint8 for image in images)
        return {"images": torch.stack([torch.from_numpy(image).movedim(-1, 0) / 255 for image in images])[None], "meta": {}}
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("fake")
    (place / "ptlflow" / "utils").mkdir(parents=True)
    (place / "ptlflow" / "__init__.py").write_text(FAKE)
    (place / "ptlflow" / "utils" / "__init__.py").write_text("")
    (place / "ptlflow" / "utils" / "io_adapter.py").write_text(ADAPTER)
    return place


@pytest.fixture
def script(fake, monkeypatch, capsys):
    """The program, called within this process: gives its exit code and what it says. `calls` counts the network's."""
    import runpy

    monkeypatch.syspath_prepend(str(fake))
    main = runpy.run_path(str(SCRIPT))["main"]
    log = fake / "ptlflow" / "__init__.py.calls"
    log.unlink(missing_ok=True)

    def call(*arguments) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    call.calls = lambda: len(log.read_text().splitlines()) if log.exists() else 0
    yield call
    for name in [name for name in sys.modules if name.partition(".")[0] == "ptlflow"]:
        del sys.modules[name]


def frames(seed: int, m: int = 4, w: int = 24, h: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (m, h, w, 3), dtype=np.uint8)


def test_what_it_writes_is_what_ikebook_reads(script, tmp_path) -> None:
    pictures = frames(0)
    folder = write_frames(tmp_path / "clip", pictures, ["f1", "f2", "f10", "f11"])  # in natural order
    code, said = script(folder, "--model", "net", "--checkpoint", "things", "--out", tmp_path / "flow")
    assert (code, script.calls()) == (0, 6)
    assert "3 of 3 pairs" in said
    names = {f"{direction}/{i:05d}.flo" for direction in ("forward", "backward") for i in range(3)}
    assert tree(tmp_path / "flow") == names | {"source.json"}
    flow = compute_flow(read_clip(folder, None), provider(tmp_path / "flow"))
    for i in range(3):
        brighter = (pictures[i + 1].astype(float) - pictures[i]).mean(-1) / 255
        assert np.allclose(flow.forward[i, ..., 0], brighter, atol=1e-5)
        assert np.allclose(flow.backward[i, ..., 0], -brighter, atol=1e-5)
        assert np.allclose(
            flow.forward[i, ..., 1], pictures[i, ..., 2] / 255, atol=1e-5
        )  # blue, as ptlflow takes frames
        assert np.allclose(flow.backward[i, ..., 1], pictures[i + 1, ..., 2] / 255, atol=1e-5)


def test_a_data_set_gets_a_folder_for_each_sequence(script, tmp_path) -> None:
    for seed, name in enumerate(("ant", "bee", "cat")):
        write_frames(tmp_path / "data" / name, frames(seed, 2 + seed))
    (tmp_path / "data" / ".hidden").mkdir()
    assert script(tmp_path / "data", "--model", "net", "--out", tmp_path / "flow", "--sequences", "bee,cat")[0] == 0
    assert sorted(place.name for place in (tmp_path / "flow").iterdir()) == ["bee", "cat"]
    assert [len(list((tmp_path / "flow" / name / "forward").iterdir())) for name in ("bee", "cat")] == [2, 3]
    found = flow_source(str(tmp_path / "flow"))  # as `evaluate` asks
    assert (found.supervision, found.name.endswith("flow (ptlflow net random weights)")) == (UNTRAINED, True)
    assert "has no folder 'dog'; there are ant, bee, cat" in script(
        tmp_path / "data", "--model", "net", "--out", tmp_path / "flow", "--sequences", "dog"
    )[1]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "supervision"),
    [
        (["--checkpoint", "things", "--model", "flownet2"], SYNTHETIC),
        (["--checkpoint", "chairs", "--model", "raft_small"], SYNTHETIC),
        (["--checkpoint", "things"], UNKNOWN),  # what its encoder began with, nobody has looked
        (["--checkpoint", "kitti", "--model", "raft_small"], LABELS),
        (["--checkpoint", "sintel"], LABELS),
        (["--checkpoint", "kitti"], LABELS),
        ([], UNTRAINED),
        (["--checkpoint", __file__], UNKNOWN),
        (["--checkpoint", __file__, "--supervision", "synthetic"], SYNTHETIC),
    ],
)
def test_results_say_what_taught_it(script, tmp_path, given, supervision) -> None:
    folder = write_frames(tmp_path / "clip", frames(0, 2))
    assert script(folder, "--model", "net", *given, "--out", tmp_path / "flow")[0] == 0
    found = flow_source(str(tmp_path / "flow"))
    assert found.supervision == supervision
    assert "(ptlflow " in found.name


def test_it_goes_on_where_it_was(script, tmp_path) -> None:
    folder = write_frames(tmp_path / "clip", frames(0))
    run = [folder, "--model", "net", "--out", tmp_path / "flow"]
    script(*run)
    before = script.calls()
    assert script(*run)[0] == 0
    assert script.calls() == before
    good = (tmp_path / "flow" / "forward" / "00001.flo").read_bytes()
    (tmp_path / "flow" / "forward" / "00001.flo").write_bytes(good[:-8])  # cut short
    (tmp_path / "flow" / "backward" / "00002.flo").unlink()
    assert script(*run)[0] == 0
    assert script.calls() == before + 2
    assert (tmp_path / "flow" / "forward" / "00001.flo").read_bytes() == good


def test_other_options_or_frames_begin_anew(script, tmp_path) -> None:
    folder = write_frames(tmp_path / "clip", frames(0))
    script(folder, "--model", "net", "--out", tmp_path / "flow")
    assert script(folder, "--model", "net", "--checkpoint", "things", "--out", tmp_path / "flow")[0] == 0
    assert script.calls() == 12
    write_frames(tmp_path / "other", frames(1), suffix=".bmp")
    bitmaps = write_frames(tmp_path / "bitmaps", frames(0), suffix=".bmp")
    script(bitmaps, "--model", "net", "--out", tmp_path / "second")
    before, first = script.calls(), (tmp_path / "second" / "forward" / "00000.flo").read_bytes()
    for file in bitmaps.iterdir():  # of equal names and sizes
        file.write_bytes((tmp_path / "other" / file.name).read_bytes())
    assert script(bitmaps, "--model", "net", "--out", tmp_path / "second")[0] == 0
    assert script.calls() == before + 6
    assert (tmp_path / "second" / "forward" / "00000.flo").read_bytes() != first
    (folder / "00003.png").unlink()
    assert script(folder, "--model", "net", "--checkpoint", "things", "--out", tmp_path / "flow")[0] == 0
    assert len(list((tmp_path / "flow" / "forward").iterdir())) == 2  # and none of the longer clip


def test_tall_frames_are_reduced(script, tmp_path) -> None:
    folder = write_frames(tmp_path / "clip", frames(0, 2, 60, 40))
    assert script(folder, "--model", "net", "--max-height", "20", "--out", tmp_path / "flow")[0] == 0
    assert read_flo(tmp_path / "flow" / "forward" / "00000.flo").shape == (20, 30, 2)


def test_wrong_inputs_are_one_line(script, tmp_path) -> None:
    folder = write_frames(tmp_path / "clip", frames(0, 2))
    for arguments, message in (
        ([tmp_path / "none", "--model", "net"], "is no folder"),
        ([folder, "--model", "nope"], "Unknown model name: nope"),
        ([folder.parent / "empty", "--model", "net"], "holds neither images nor folders"),
        ([folder, "--model", "net", "--sequences", "a"], "holds images, and so is one clip"),
    ):
        (folder.parent / "empty").mkdir(exist_ok=True)
        code, said = script(*arguments, "--out", tmp_path / "flow")
        assert (code, message in said, "Traceback" in said) == (2, True, False)
    (folder / "00001.png").write_bytes(b"no image")
    assert (
        "00001.png is no image that OpenCV can read" in script(folder, "--model", "net", "--out", tmp_path / "flow")[1]
    )
    assert not (tmp_path / "flow" / "forward").exists()


def test_it_needs_nothing_of_ikebook(fake, tmp_path) -> None:
    """In a process of its own, in which ikebook can't be imported."""
    folder = write_frames(tmp_path / "clip", frames(0, 2))
    (tmp_path / "bar" / "ikebook").mkdir(parents=True)
    (tmp_path / "bar" / "ikebook" / "__init__.py").write_text("raise ImportError('not here')")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'bar'}{os.pathsep}{fake}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, SCRIPT, folder, "--model", "net", "--out", tmp_path / "flow"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "flow" / "source.json").read_text())["name"] == "ptlflow net random weights"
