"""Flow, cues and data sets on the command line: they reach the run, and what human labels taught is marked."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from layouts import write_davis, write_frames, write_image

from ikebook.base.provenance import LABELS, SYNTHETIC
from ikebook.cli import main
from ikebook.datasets.download import BY_HAND, SOURCES
from ikebook.datasets.toys import toy
from ikebook.flow import write_flo
from ikebook.flow.raft_small import RaftSmall
from ikebook.runs.options import RunOptions


@pytest.fixture
def cli(capsys):
    def call(*arguments) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def clip(tmp_path):
    return write_frames(tmp_path / "clip", toy("disc", (48, 32), 4).clip.frames)


SIZE = ("--size", "32x24", "--device", "cpu", "--no-cache")


def summary(out):
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def maps(folder, note: dict[str, str] | None = None, m: int = 4):
    for index, mask in enumerate(toy("disc", (48, 32), m).clip.masks):
        write_image(folder / f"{index:05d}.png", mask.astype(np.uint8) * 255)
    if note is not None:
        (folder / "source.json").write_text(json.dumps(note))
    return folder


def test_two_flows(cli, clip, tmp_path) -> None:
    code, printed, _ = cli("segment", clip, "--out", tmp_path / "out", *SIZE, "--feature-flow", "farneback")
    found = summary(tmp_path / "out")
    assert code == 0
    assert (found["options"]["flow"], found["options"]["feature_flow"]) == ("dis", "farneback")
    assert [one["role"] for one in found["options"]["sources"]] == ["flow", "feature flow"]
    assert set(found["flow"]) == {"flow", "feature flow"}
    assert found["label_trained"] is False
    assert "label-trained" not in printed


@pytest.mark.parametrize(
    ("note", "mark", "label_trained"),
    [
        ({"name": "3DC-Seg", "supervision": LABELS}, "label-trained: cue", True),
        (None, "training unknown: cue", None),
        ({"name": "mine", "supervision": SYNTHETIC}, "", False),
    ],
)
def test_what_taught_a_cue_is_in_the_summary_and_on_the_screen(cli, clip, tmp_path, note, mark, label_trained) -> None:
    code, printed, _ = cli("segment", clip, "--out", tmp_path / "out", *SIZE, "--cue", maps(tmp_path / "maps", note))
    assert code == 0
    assert summary(tmp_path / "out")["label_trained"] is label_trained
    assert [line for line in printed.splitlines() if ": cue" in line] == (
        [f"{mark} {tmp_path / 'maps'}" + (f" ({note['name']})" if note else "")] if mark else []
    )


def test_raft_from_a_file_through_the_command_line(cli, tmp_path) -> None:
    torch.manual_seed(0)
    torch.save(RaftSmall().state_dict(), tmp_path / "w.pth")
    flow = f"raft-small:{tmp_path / 'w.pth'}"
    clip = write_frames(tmp_path / "clip", toy("disc", (48, 32), 2).clip.frames)
    code, printed, error = cli("segment", clip, "--out", tmp_path / "out", *SIZE, "--flow", flow)
    assert code == 0, error
    found = summary(tmp_path / "out")
    assert found["label_trained"] is None
    assert "training unknown: flow raft-small w.pth" in printed
    assert "of the pixels come back where they started" in error  # random weights, and the user is told


def test_a_file_with_other_weights_is_one_line_and_no_trace(cli, clip, tmp_path) -> None:
    torch.save({"module.fnet.conv1.bias": torch.zeros(32)}, tmp_path / "w.pth")
    code, _, error = cli(
        "segment", clip, "--out", tmp_path / "out", *SIZE, "--flow", f"raft-small:{tmp_path / 'w.pth'}"
    )
    assert code == 2
    assert "holds the weights of another network than RaftSmall: 105 tensors are missing" in error
    assert "Traceback" not in error


def test_the_weights_of_raft_s_authors_are_no_label_s(cli, tmp_path, raft_small_file) -> None:
    clip = write_frames(tmp_path / "clip", toy("disc", (48, 32), 2).clip.frames)
    code, printed, error = cli(
        "segment", clip, "--out", tmp_path / "out", *SIZE, "--flow", f"raft-small:{raft_small_file}"
    )
    assert code == 0, error
    found = summary(tmp_path / "out")
    assert found["label_trained"] is False
    assert {"role": "flow", "name": "raft-small C_T of RAFT's authors", "supervision": SYNTHETIC} in found["options"][
        "sources"
    ]
    assert "training unknown" not in printed


def test_half_precision_and_the_device_reach_the_networks() -> None:
    options = RunOptions(flow="raft", feature_flow="raft-small", half=True, device="cpu")
    found = options.provider(), options.feature_provider()
    assert [(one.options.model, one.options.half, one.device.type) for one in found] == [
        ("raft_large", True, "cpu"), ("raft_small", True, "cpu")
    ]  # fmt: skip
    assert options.as_dict()["half"] is True


def test_evaluation_finds_both_flows_and_cues_by_sequence_and_marks_its_table(cli, tmp_path) -> None:
    root = write_davis(tmp_path / "data", ["disc"], frames=4)
    made = toy("disc", (48, 32), 4)
    for direction in ("forward", "backward"):
        for index, field in enumerate(getattr(made.flow, direction)):
            write_flo(tmp_path / "flow" / "disc" / direction / f"{index:05d}.flo", field)
    maps(tmp_path / "maps" / "disc")
    (tmp_path / "maps" / "source.json").write_text('{"name": "MATNet", "supervision": "labels"}')
    (tmp_path / "flow" / "source.json").write_text('{"name": "ptlflow flownet2 things", "supervision": "synthetic"}')
    given = ("--feature-flow", tmp_path / "flow", "--cue", tmp_path / "maps")
    code, printed, error = cli("evaluate", "davis2016", "--root", root, "--out", tmp_path / "out", *SIZE, *given)
    assert code == 0, error
    assert f"label-trained: cue {tmp_path / 'maps'} (MATNet)" in printed.splitlines()
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [one["supervision"] for one in stored["options"]["sources"]] == ["none", "synthetic", "labels"]
    assert stored["mean"]["J_mean"] > 0.5
    again = cli("evaluate", "davis2016", "--root", root, "--out", tmp_path / "out", *SIZE, *given)
    assert again[1] == printed


def test_every_data_set_is_listed_with_the_way_to_it(cli) -> None:
    _, printed, _ = cli("data", "list")
    assert all(f"\n{name}\n" in f"\n{printed}" for name in (*SOURCES, *BY_HAND))
    assert all(source.url in printed for source in SOURCES.values())


def test_what_has_to_be_fetched_by_hand_is_one_line_with_steps(cli, tmp_path) -> None:
    code, _, error = cli("data", "get", "davsod", "--root", tmp_path / "root")
    assert code == 2
    assert len(error.splitlines()) == 1
    assert "davsod has to be fetched by hand." in error
    assert "1. Open https://github.com/DengPingFan/DAVSOD" in error
