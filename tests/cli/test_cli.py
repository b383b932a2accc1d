"""The command line: what it writes and prints, and one line for every wrong input."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import read_grey, tree, write_davis, write_frames, write_image

import ikebook.cli.segment
import ikebook.datasets.toys
import ikebook.networks.training
from ikebook.base.check import InputError
from ikebook.base.files import write_mask, write_video
from ikebook.cli import main, parser
from ikebook.cli.options import run_options
from ikebook.datasets.toys import toy
from ikebook.flow import write_flo
from ikebook.graph.presets import PRESETS, preset
from ikebook.video.clip import read_clip
from ikebook.video.metrics import region_similarity

SIZE = ["--size", "48x32"]
RESULTS = {".lock", "overlay.webm", "sheet.png", "summary.json"}
NOTHING = np.zeros((1, 1), bool)


@pytest.fixture(autouse=True)
def _no_sheet(request, monkeypatch) -> None:
    """Has one pixel in place of the contact sheet, which takes longer than all the rest, but where `sheet` is asked for."""
    if "sheet" not in request.fixturenames:
        monkeypatch.setattr("ikebook.runs.sheet.contact_sheet", lambda path, *_: write_mask(path, NOTHING))


@pytest.fixture
def sheet() -> None:
    """Contact sheets are drawn."""


@pytest.fixture(scope="module")
def made():
    return toy("disc", (48, 32), 5)


@pytest.fixture
def frames(made, tmp_path) -> Path:
    return write_frames(tmp_path / "frames", made.clip.frames)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "new" / "out"


@pytest.fixture
def cli(capsys):
    """Runs the command line in this process, and gives its exit code, stdout and stderr."""

    def run(*arguments) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def refused(cli, out):
    """Runs the command line on a wrong input: one line on stderr, which it gives, exit code 2, and nothing written."""

    def run(*arguments) -> str:
        code, printed, error = cli(*arguments)
        assert code == 2
        assert printed == ""
        lines = error.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("ikebook: ")
        assert len(lines[0]) > 30
        assert "Traceback" not in error
        assert not out.exists()
        return lines[0]

    return run


def flow_folder(folder, flow, fields=None) -> Path:
    for direction in ("forward", "backward"):
        for index, field in enumerate(getattr(flow, direction)[:fields]):
            write_flo(folder / direction / f"{index:05d}.flo", field)
    return folder


def cue_folder(folder, maps, suffix=".png") -> Path:
    folder.mkdir(parents=True)
    for index, values in enumerate(maps):
        path = folder / f"{index:05d}{suffix}"
        if suffix == ".npy":
            np.save(path, values)
        else:
            write_image(path, values)
    return folder


def graph_of(*arguments):
    """The graph's options that the command line asks for."""
    return run_options(parser().parse_args(["segment", "in", "--out", "out", *arguments])).cycle.graph


def mean_j(folder, masks) -> float:
    found = [read_grey(file) == 255 for file in sorted((folder / "masks").iterdir())]
    return float(np.mean([region_similarity(mask, truth) for mask, truth in zip(found, masks, strict=True)]))


class TestSegment:
    def test_a_folder_of_images(self, cli, frames, out, sheet) -> None:
        code, printed, error = cli("segment", frames, "--out", out, *SIZE)
        assert code == 0
        assert tree(out) == RESULTS | {f"{kind}/{i:05d}.png" for kind in ("masks", "soft") for i in range(5)}
        assert re.search(r"^(first \d+ eigenvalues|eigenvalue): ", printed, re.MULTILINE)
        assert re.search(
            r"^eigengap: \S+ \(the nearest eigenvalue is \d\.\d\d of the object's\)$", printed, re.MULTILINE
        )
        assert re.search(
            r"^seconds: read \d.* flow \d.* features \d.* solve \d.* masks \d.* write \d", printed, re.MULTILINE
        )
        assert printed.splitlines()[-1].startswith(f"Written to {out}: masks/, soft/, overlay.webm, sheet.png, summary")
        assert "\r" not in error
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        assert (summary["clip"], summary["frames"], summary["working_size"]) == ("frames", 5, "48x32")
        assert summary["device"] == ("cuda" if torch.cuda.is_available() else "cpu")

    def test_the_object_is_found_with_exact_flow(self, cli, made, frames, out, tmp_path) -> None:
        folder = flow_folder(tmp_path / "flow", made.flow)
        assert cli("segment", frames, "--out", out, *SIZE, "--flow", folder)[0] == 0
        assert mean_j(out, made.clip.masks) > 0.6
        assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["options"]["flow"] == str(folder)

    def test_a_video_file(self, cli, made, out, tmp_path) -> None:
        write_video(tmp_path / "my video.mp4", made.clip.frames, 12.5)
        code, _, _ = cli("segment", tmp_path / "my video.mp4", "--out", out, "--size", "32x24")
        assert code == 0
        assert len(tree(out)) == len(RESULTS) + 2 * 5
        assert read_grey(out / "masks" / "00004.png").shape == (32, 48)
        assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["clip"] == "my video"
        overlay = read_clip(out / "overlay.webm", None)
        assert (len(overlay), overlay.fps) == (5, 12.5)

    def test_farneback(self, cli, frames, out) -> None:
        assert cli("segment", frames, "--out", out, "--size", "32x24", "--flow", "farneback")[0] == 0

    @pytest.mark.parametrize("suffix", [".png", ".npy"])
    def test_a_cue_helps(self, suffix, cli, made, frames, out, tmp_path) -> None:
        truth = made.clip.masks
        maps = truth.astype(np.uint8) * 255 if suffix == ".png" else truth.astype(float)
        folder = cue_folder(tmp_path / "cue", maps, suffix)
        arguments = ["segment", frames, "--out", out, *SIZE, "--flow", flow_folder(tmp_path / "flow", made.flow)]
        assert cli(*arguments, "--cue", folder)[0] == 0
        assert mean_j(out, truth) > 0.75
        first = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        assert first["options"]["cues"] == [str(folder)]
        assert cli(*arguments, "--cue", folder, "--cue", folder)[0] == 0
        assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["options"]["cues"] == [str(folder)] * 2

    @pytest.mark.parametrize("name", PRESETS)
    @pytest.mark.parametrize("solver", ["exact", "power", "lanczos", "lobpcg"])
    def test_every_preset_and_solver(self, name, solver, cli, made, out, tmp_path) -> None:
        frames = write_frames(tmp_path / "few", made.clip.frames[:3])
        arguments = ["segment", frames, "--out", out, "--size", "32x24", "--preset", name, "--solver", solver]
        if name == "released":
            arguments += ["--set", "solver.normalisation=l2"]
        assert cli(*arguments)[0] == 0
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        assert summary["solver"] == solver
        assert summary["options"]["cycle"]["graph"]["solver"]["method"] == solver
        assert np.isfinite(summary["eigenvalues"]).all()

    def test_the_released_preset_has_no_eigenvalues_to_print(self, cli, made, out, tmp_path, sheet) -> None:
        frames = write_frames(tmp_path / "few", made.clip.frames[:3])
        code, printed, _ = cli("segment", frames, "--out", out, "--size", "32x24", "--preset", "released")
        assert code == 0
        assert "nan" not in printed
        assert "eigenvalue" not in printed

    def test_little_memory_gives_the_same_masks(self, cli, made, tmp_path) -> None:
        frames = write_frames(tmp_path / "in", made.clip.frames[:4])
        for name, memory in (("plenty", "4G"), ("little", "1.5M")):
            assert cli("segment", frames, "--out", tmp_path / name, *SIZE, "--memory", memory)[0] == 0
        summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("plenty", "little")]
        assert [summary["on_disk"] for summary in summaries] == [False, True]
        masks = [
            [file.read_bytes() for file in sorted((tmp_path / n / "soft").iterdir())] for n in ("plenty", "little")
        ]
        assert masks[0] == masks[1]
        assert sorted(path.name for path in (tmp_path / "little").glob("[!.]*")) == [
            "masks", "overlay.webm", "sheet.png", "soft", "summary.json",
        ]  # fmt: skip

    @pytest.mark.parametrize("memory", ["much", "0", "-1G", "5X", "nanG", "1e30"])
    def test_memory_that_is_no_size(self, cli, made, tmp_path, memory) -> None:
        frames = write_frames(tmp_path / "in", made.clip.frames[:3])
        code, _, error = cli("segment", frames, "--out", tmp_path / "out", f"--memory={memory}")
        assert code == 2
        assert f"--memory is {memory!r}; expected a size such as 800M or 1.5G" in error

    def test_a_second_run_replaces_the_first(self, cli, frames, out) -> None:
        assert cli("segment", frames, "--out", out, *SIZE)[0] == 0
        before = {file: (out / file).read_bytes() for file in tree(out) if file.startswith(("masks", "soft"))}
        assert cli("segment", frames, "--out", out, *SIZE, "--no-cache")[0] == 0
        assert {file: (out / file).read_bytes() for file in before} == before

    def test_flow_is_kept_unless_told_otherwise(self, cli, frames, out, tmp_path) -> None:
        cli("segment", frames, "--out", out, *SIZE, "--no-cache")
        assert not (tmp_path / "cache").exists()
        cli("segment", frames, "--out", out, *SIZE)
        assert len(tree(tmp_path / "cache")) == 1

    def test_a_clip_in_which_nothing_moves_is_noted(self, cli, out, tmp_path, sheet) -> None:
        still = write_frames(tmp_path / "still", toy("still", (32, 24), 3).clip.frames)
        code, _, error = cli("segment", still, "--out", out, "--size", "32x24")
        assert code == 0
        assert error.startswith("ikebook: note: Nothing moves against the scene")

    @pytest.mark.parametrize("size", ["4x4", "200x8", "8x200"])
    def test_sizes_at_the_limits(self, size, cli, frames, out, sheet) -> None:
        assert cli("segment", frames, "--out", out, "--size", size)[0] == 0
        assert read_grey(out / "masks" / "00000.png").shape == (32, 48)

    def test_names_with_signs_of_formulas_or_of_other_scripts(self, cli, made, out, tmp_path, sheet) -> None:
        folder = write_frames(tmp_path / "cost $x^$ 片段", made.clip.frames[:3], ["$a_$", "b^{", "ß"])
        code, _, error = cli("segment", folder, "--out", out, "--size", "32x24")
        assert (code, "Warning" in error) == (0, False)
        assert {path.name for path in (out / "masks").iterdir()} == {"$a_$.png", "b^{.png", "ß.png"}


class TestSet:
    def test_options_of_every_group(self) -> None:
        graph = graph_of(
            "--set", "motion.radius=3", "--set", "motion.sigma=1.5", "--set", "features.bias=true",
            "--set", "masks.threshold=0.25", "--set", "projection.scope=frame", "--set", "chains.border=pass",
        )  # fmt: skip
        assert (graph.motion.radius, graph.motion.sigma, graph.features.bias) == (3, 1.5, True)
        assert (graph.masks.threshold, graph.projection.scope, graph.chains.border) == (0.25, "frame", "pass")
        assert graph.solver == preset("default").solver

    @pytest.mark.parametrize("name", PRESETS)
    def test_each_option_can_be_set_to_what_it_is(self, name) -> None:
        graph = preset(name)
        for group in fields(graph):
            part = getattr(graph, group.name)
            for option in fields(part) if part is not None else ():
                value = getattr(part, option.name)
                if value is not None:
                    text = str(value).lower() if isinstance(value, bool) else str(value)
                    assert graph_of("--preset", name, "--set", f"{group.name}.{option.name}={text}") == graph

    def test_saliency_can_be_switched_off(self) -> None:
        assert graph_of("--set", "saliency=none").saliency is None
        assert graph_of("--set", "saliency.bins=31", "--set", "saliency=none").saliency is None
        assert graph_of("--set", "saliency.bins=31").saliency.bins == 31

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--set", "solver.normalisation=minmax", "--set", "solver.method=power"),
            ("--set", "solver.method=power", "--set", "solver.normalisation=minmax"),
            ("--solver", "power", "--set", "solver.normalisation=minmax"),
        ],
    )
    def test_options_that_need_each_other_come_in_any_order(self, arguments) -> None:
        solver = graph_of(*arguments).solver
        assert (solver.method, solver.normalisation) == ("power", "minmax")

    def test_the_last_of_several_values_counts(self) -> None:
        assert graph_of("--set", "motion.radius=3", "--set", "motion.radius=4").motion.radius == 4
        assert graph_of("--solver", "power", "--set", "solver.method=lanczos").solver.method == "lanczos"

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("", "--set is empty; expected a value"),
            ("radius", "expected GROUP.OPTION=VALUE, where GROUP is one of chains, motion, saliency"),
            ("=", "expected GROUP.OPTION=VALUE"),
            ("radius=3", "expected GROUP.OPTION=VALUE"),
            ("motion.radius", "expected GROUP.OPTION=VALUE"),
            ("motion=3", "motion has no option ''; it has radius, sigma"),
            ("motion.reach=3", "motion has no option 'reach'; it has radius, sigma"),
            ("motion.radius.x=3", "motion has no option 'radius.x'"),
            ("motion.radius=", "expected a whole number"),
            ("motion.radius=2.5", "expected a whole number"),
            ("motion.radius=nan", "expected a whole number"),
            ("motion.radius=1=2", "expected a whole number"),
            ("motion.radius=0", "radius is 0; expected a whole number, 1 or more"),
            ("motion.sigma=wide", "expected a number"),
            ("motion.sigma=inf", "sigma is inf; expected a finite number"),
            ("motion.edges=all", "edges is 'all'; expected one of 'count', 'union'"),
            ("features.bias=yes", "expected true or false"),
            ("masks.threshold=high", "threshold is 'high'; expected a finite number"),
            ("masks.threshold=2", "threshold is 2.0; expected 1 or less"),
            ("masks.top=2", "top is 2.0; expected 1 or less"),
            ("saliency=all", "only saliency=none switches a whole group, off"),
            ("chains=none", "chains has no option ''"),
            ("solver.normalisation=minmax", 'set method="power" too'),
        ],
    )
    def test_assignments_that_are_none(self, assignment, message, refused, frames, out) -> None:
        assert message in refused("segment", frames, "--out", out, *SIZE, f"--set={assignment}")

    def test_a_group_that_the_preset_does_not_have(self, refused, frames, out) -> None:
        line = refused("segment", frames, "--out", out, *SIZE, "--preset", "paper", "--set", "saliency.bins=31")
        assert "sets an option of saliency, which is switched off here" in line


class TestWrongInput:
    def test_that_is_missing(self, refused, out, tmp_path) -> None:
        line = refused("segment", tmp_path / "nope", "--out", out)
        assert "nope does not exist; expected a folder of images or a video file" in line

    def test_an_empty_folder(self, refused, out, tmp_path) -> None:
        (tmp_path / "empty").mkdir()
        assert "empty holds no image (.bmp, .dib, .jfif," in refused("segment", tmp_path / "empty", "--out", out)

    def test_a_folder_of_texts(self, refused, out, tmp_path) -> None:
        (tmp_path / "texts").mkdir()
        (tmp_path / "texts" / "a.txt").write_text("no image", encoding="utf-8")
        assert "texts holds no image" in refused("segment", tmp_path / "texts", "--out", out)

    def test_the_folder_above_the_frames(self, refused, frames, out) -> None:
        assert "It holds 1 folders: name one of them" in refused("segment", frames.parent, "--out", out)

    @pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"text"])
    @pytest.mark.parametrize("suffix", [".png", ".bmp"])
    def test_a_damaged_image(self, damage, suffix, refused, made, out, tmp_path) -> None:
        folder = write_frames(tmp_path / "in", made.clip.frames, suffix=suffix)
        file = folder / f"00002{suffix}"
        file.write_bytes(damage(file.read_bytes()))
        line = refused("segment", folder, "--out", out, *SIZE)
        assert f"00002{suffix} is no image that OpenCV can read; it may be damaged. Remove or replace it" in line

    def test_frames_of_different_size(self, refused, frames, out) -> None:
        write_image(frames / "00003.png", np.zeros((20, 30, 3), np.uint8))
        line = refused("segment", frames, "--out", out, *SIZE)
        assert "00003.png is 30x20, but 00000.png is 48x32; all frames of a clip must have one size. Resize it" in line

    def test_a_single_image(self, refused, frames, out) -> None:
        line = refused("segment", frames / "00000.png", "--out", out)
        assert "is a single image; expected the folder that holds the frames" in line

    def test_a_single_frame(self, refused, made, out, tmp_path) -> None:
        folder = write_frames(tmp_path / "one", made.clip.frames[:1])
        line = refused("segment", folder, "--out", out)
        assert "'one' has 1 frame; motion needs two or more. Give a longer video" in line

    @pytest.mark.parametrize("content", [b"", b"only text\n" * 40])
    @pytest.mark.parametrize("name", ["video.mp4", "video.avi", "video"])
    def test_a_file_that_is_no_video(self, content, name, refused, out, tmp_path) -> None:
        (tmp_path / name).write_bytes(content)
        line = refused("segment", tmp_path / name, "--out", out)
        assert f"{name} is no video that OpenCV can open; convert it to MP4 or to a folder of images" in line

    def test_a_video_that_was_cut_short(self, refused, made, out, tmp_path) -> None:
        write_video(tmp_path / "v.mp4", made.clip.frames, 24)
        data = (tmp_path / "v.mp4").read_bytes()
        (tmp_path / "v.mp4").write_bytes(data[: len(data) // 2])
        assert "convert it to MP4" in refused("segment", tmp_path / "v.mp4", "--out", out)

    def test_a_name_that_is_too_long(self, refused, out, frames) -> None:
        name = "x" * 300
        assert name[:100] in refused("segment", name, "--out", out)
        assert name in refused("segment", frames, "--out", frames.parent / name, *SIZE)

    def test_a_folder_that_may_not_be_read(self, refused, frames, out, monkeypatch) -> None:
        def forbidden(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", forbidden)
        line = refused("segment", frames, "--out", out, *SIZE)
        assert line == f"ikebook: {frames}: Permission denied. Check the path, its permissions and the space left."


class TestWrongOptions:
    @pytest.mark.parametrize(
        ("size", "message"),
        [
            ("", "--size is empty; expected a value"),
            ("x", "expected WIDTHxHEIGHT in pixels, such as 416x224"),
            ("large", "--size is 'large'; expected WIDTHxHEIGHT"),
            ("48", "expected WIDTHxHEIGHT"),
            ("48x", "expected WIDTHxHEIGHT"),
            ("48x32x3", "expected WIDTHxHEIGHT"),
            ("48,32", "expected WIDTHxHEIGHT"),
            ("4.8x32", "expected WIDTHxHEIGHT"),
            ("nanxnan", "expected WIDTHxHEIGHT"),
            ("0x0", "--size is 0x0; each side must lie between 4 and 16384 pixels"),
            ("3x32", "each side must lie between 4 and 16384 pixels"),
            ("-48x32", "each side must lie between 4 and 16384 pixels"),
            ("48x16385", "each side must lie between 4 and 16384 pixels"),
            ("99999999999999999999x3", "each side must lie between 4 and 16384 pixels"),
        ],
    )
    def test_sizes(self, size, message, refused, frames, out) -> None:
        assert message in refused("segment", frames, "--out", out, f"--size={size}")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--preset", "best"], "preset is 'best'; expected one of 'default', 'saliency', 'paper', 'released'"),
            (["--solver", "qr"], "'qr'; expected one of 'exact', 'power', 'lanczos'"),
            (
                ["--flow", "spynet"],
                "flow is 'spynet'; expected dis, farneback, raft, raft-small or a folder with forward/*.flo",
            ),
            (["--flow", "raft:nope"], "weights are 'nope'; expected one of C_T_V1, C_T_V2"),
            (["--feature-flow", "nope"], "flow is 'nope'; expected dis, farneback, raft, raft-small or a folder"),
            (["--cue", "fcn:nope"], "weights are 'nope'; expected one of COCO_WITH_VOC_LABELS_V1, or a file"),
            (["--device", "tpu"], "device is 'tpu'; expected one of 'auto', 'cpu', 'cuda'"),
            (["--cue", "nope"], "cue nope is no folder; expected one map for each frame in it"),
            (["--preset", "released", "--solver", "exact"], 'is a rule of power iteration; set method="power" too'),
        ],
    )
    def test_names(self, arguments, message, refused, frames, out) -> None:
        assert message in refused("segment", frames, "--out", out, *SIZE, *arguments)

    def test_cuda_where_there_is_none(self, refused, frames, out, monkeypatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        line = refused("segment", frames, "--out", out, "--device", "cuda")
        assert "this PyTorch finds no CUDA device; use 'cpu', or install a CUDA build" in line


class TestWrongFlow:
    def test_a_folder_without_flow(self, refused, frames, out, tmp_path) -> None:
        (tmp_path / "flow").mkdir()
        line = refused("segment", frames, "--out", out, "--flow", tmp_path / "flow")
        assert "forward is missing; expected .flo files in" in line
        (tmp_path / "flow" / "forward").mkdir()
        assert "forward holds no .flo file" in refused("segment", frames, "--out", out, "--flow", tmp_path / "flow")

    def test_too_few_fields(self, refused, made, frames, out, tmp_path) -> None:
        folder = flow_folder(tmp_path / "flow", made.flow, 3)
        line = refused("segment", frames, "--out", out, *SIZE, "--flow", folder)
        assert "flow has 3 fields, but the clip has 5 frames: m frames need m-1 fields (4)" in line

    def test_too_many_fields(self, refused, made, out, tmp_path) -> None:
        few = write_frames(tmp_path / "few", made.clip.frames[:3])
        line = refused("segment", few, "--out", out, *SIZE, "--flow", flow_folder(tmp_path / "flow", made.flow))
        assert "flow has more than 2 fields, but the clip has 3 frames" in line

    def test_one_direction_with_fewer(self, refused, made, frames, out, tmp_path) -> None:
        folder = flow_folder(tmp_path / "flow", made.flow)
        (folder / "backward" / "00000.flo").unlink()
        line = refused("segment", frames, "--out", out, *SIZE, "--flow", folder)
        assert "4 forward and 3 backward fields; expected as many" in line

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"JUNK" + bytes(40), "begins with b'JUNK'; a .flo file begins with b'PIEH'"),
            (b"", "begins with b''"),
            (b"PIEH" + np.array([48, 32], "<i4").tobytes(), "has 12 bytes; a 48x32 field takes 12300. Copy it again"),
            (b"PIEH" + np.array([10**9, 10**9], "<i4").tobytes(), "expected sides of 1 to 16384"),
            (b"PIEH" + np.array([1, 1], "<i4").tobytes() + np.full(2, np.nan, "<f4").tobytes(), "unknown, NaN or inf"),
        ],
    )
    def test_a_damaged_field(self, content, message, refused, made, frames, out, tmp_path) -> None:
        folder = flow_folder(tmp_path / "flow", made.flow)
        (folder / "forward" / "00002.flo").write_bytes(content)
        line = refused("segment", frames, "--out", out, *SIZE, "--flow", folder)
        assert "00002.flo" in line
        assert message in line


class TestWrongCue:
    maps = np.random.default_rng(0).integers(0, 256, (5, 32, 48), np.uint8)

    def test_too_few_maps(self, refused, frames, out, tmp_path) -> None:
        folder = cue_folder(tmp_path / "cue", self.maps[:4])
        line = refused("segment", frames, "--out", out, *SIZE, "--cue", folder)
        assert "cue holds 4 maps, but the clip has 5 frames; expected one for each" in line.replace(str(tmp_path), "")

    def test_colour(self, refused, frames, out, tmp_path) -> None:
        folder = cue_folder(tmp_path / "cue", np.stack([self.maps] * 3, -1))
        line = refused("segment", frames, "--out", out, *SIZE, "--cue", folder)
        assert "00000.png has 3 channels; a cue's map has one. Save it as a grey image" in line

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_values_that_are_no_numbers(self, bad, refused, frames, out, tmp_path) -> None:
        maps = self.maps / 255
        maps[3, 5, 7] = bad
        line = refused("segment", frames, "--out", out, *SIZE, "--cue", cue_folder(tmp_path / "cue", maps, ".npy"))
        assert "00003.npy has values that are NaN or infinite" in line

    def test_arrays_of_another_kind(self, refused, frames, out, tmp_path) -> None:
        folder = cue_folder(tmp_path / "cue", np.zeros((5, 32, 48, 2)), ".npy")
        line = refused("segment", frames, "--out", out, *SIZE, "--cue", folder)
        assert "expected one map (h, w) of real numbers" in line

    def test_objects_are_not_unpickled(self, refused, frames, out, tmp_path) -> None:
        folder = tmp_path / "cue"
        folder.mkdir()
        for index in range(5):
            np.save(folder / f"{index:05d}.npy", np.array([{"a": 1}], object), allow_pickle=True)
        line = refused("segment", frames, "--out", out, *SIZE, "--cue", folder)
        assert "can't be read as a plain array" in line

    def test_a_text_by_the_name_of_an_array(self, refused, frames, out, tmp_path) -> None:
        folder = tmp_path / "cue"
        folder.mkdir()
        for index in range(5):
            (folder / f"{index:05d}.npy").write_text("no array\nat all\n", encoding="utf-8")
        assert "00000.npy can't be read" in refused("segment", frames, "--out", out, *SIZE, "--cue", folder)


class TestOut:
    @pytest.mark.parametrize("command", ["segment", "demo", "evaluate"])
    def test_a_file_is_no_folder(self, command, cli, frames, tmp_path) -> None:
        (tmp_path / "file").write_text("keep me", encoding="utf-8")
        write_davis(tmp_path / "root", ["disc"])
        given = {"segment": [frames], "demo": [], "evaluate": ["davis2016", "--root", tmp_path / "root"]}[command]
        for place, message in (("file", "is a file; name a folder"), ("file/below", "file is a file; name another")):
            code, printed, error = cli(command, *given, "--out", tmp_path / place)
            assert (code, printed, len(error.splitlines())) == (2, "", 1)
            assert message in error
        assert (tmp_path / "file").read_text(encoding="utf-8") == "keep me"

    def test_a_place_without_permission(self, refused, frames, out, monkeypatch) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        line = refused("segment", frames, "--out", out, *SIZE)
        assert line.endswith(f"out can't be written: no permission for {out.parents[1]}.")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_permission(self, refused, frames, tmp_path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir()
        closed.chmod(0o500)
        line = refused("segment", frames, "--out", closed / "out", *SIZE)
        assert f"no permission for {closed}" in line
        assert tree(closed) == set()

    @pytest.mark.parametrize("place", [".", "masks", "soft"])
    def test_results_never_replace_the_frames_they_come_from(self, place, cli, made, out) -> None:
        frames = write_frames(out / place, made.clip.frames, ["overlay", "sheet", "00000", "a", "b"])
        before = {file: (out / file).read_bytes() for file in tree(out)}
        code, _, error = cli("segment", frames, "--out", out, *SIZE)
        assert (code, len(error.splitlines())) == (2, 1)
        assert f"--out {out} would write over {frames}; name another folder" in error
        assert {file: (out / file).read_bytes() for file in tree(out)} == before

    def test_results_never_replace_the_video_they_come_from(self, cli, made, out) -> None:
        write_video(out / "overlay.webm", made.clip.frames, 24)
        code, _, error = cli("segment", out / "overlay.webm", "--out", out, *SIZE)
        assert code == 2
        assert "would write over" in error
        assert tree(out) == {"overlay.webm"}

    def test_a_folder_in_the_place_of_a_file(self, cli, frames, out) -> None:
        (out / "summary.json").mkdir(parents=True)
        code, _, error = cli("segment", frames, "--out", out, *SIZE)
        assert (code, len(error.splitlines())) == (2, 1)
        assert error.startswith(f"ikebook: {out / 'summary.json'} is there, and ikebook has not written it")
        assert tree(out) == set()

    def test_a_file_in_the_place_of_a_folder(self, cli, frames, out) -> None:
        out.mkdir(parents=True)
        (out / "masks").write_text("", encoding="utf-8")
        code, _, error = cli("segment", frames, "--out", out, *SIZE)
        assert (code, len(error.splitlines())) == (2, 1)
        assert "can't be written" in error
        assert tree(out) == {"masks"}

    def test_a_full_disk_leaves_no_half_written_file(self, cli, frames, out, monkeypatch) -> None:
        actual = Path.write_bytes

        def full(path, data) -> int:
            if path.parent.name == "masks":
                actual(path, data[:10])
                raise OSError(28, "No space left on device")
            return actual(path, data)

        monkeypatch.setattr(Path, "write_bytes", full)
        code, _, error = cli("segment", frames, "--out", out, *SIZE)
        assert code == 2
        assert error == "ikebook: No space left on device. Check the path, its permissions and the space left.\n"
        assert tree(out) == {".lock", "sheet.png", "soft/00000.png"}


class TestDemo:
    @pytest.fixture
    def small(self, monkeypatch):
        made = ikebook.datasets.toys.demo(frames=4, size=(64, 48))
        monkeypatch.setattr(ikebook.datasets.toys, "demo", lambda: made)
        return made

    def test_it_prints_j_the_eigenvalues_and_the_seconds(self, cli, small, out, sheet) -> None:
        code, printed, error = cli("demo", "--out", out)
        assert code == 0
        scores = re.search(r"J against the exact mask: (\d\.\d{3}) \(mean of 4 frames, (\d\.\d{3}) at least\)", printed)
        assert float(scores[1]) == pytest.approx(mean_j(out, small.clip.masks), abs=5e-4)
        assert float(scores[2]) <= float(scores[1])
        assert re.search(
            r"^eigenvalue: \d\S*$", printed, re.MULTILINE
        )  # of two, but in a clip as short as this one is negative
        assert re.search(r"eigengap: \d", printed)
        assert re.search(r"seconds: compose .* flow .* features .* solve .* masks .* write", printed)
        assert printed.splitlines()[-1] == f"Look at {out / 'sheet.png'} and {out / 'overlay.webm'}"
        assert error == "the embedded clip: 4 frames of 64x48\n"
        assert tree(out) >= RESULTS

    def test_it_keeps_no_flow(self, cli, small, out, tmp_path) -> None:
        cli("demo", "--out", out)
        assert not (tmp_path / "cache").exists()

    def test_its_default_folder_is_in_the_current_one(self, cli, small, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert cli("demo")[0] == 0
        assert tree(tmp_path / "ikebook-demo") >= RESULTS

    def test_the_masks_are_not_seen_by_what_segments(self, cli, small, out, monkeypatch) -> None:
        seen = []
        actual = ikebook.runs.single.run

        def watched(clip, **options):
            seen.append(clip.masks)
            return actual(clip, **options)

        monkeypatch.setattr("ikebook.runs.single.run", watched)
        cli("demo", "--out", out)
        assert seen == [None]


TINY_NETWORK = ("--set", "network.widths=8,16", "--set", "network.stem=1", "--set", "training.epochs=1")


class TestCycles:
    def test_three_graphs_and_two_networks(self, cli, frames, out) -> None:
        code, printed, _ = cli("segment", frames, "--out", out, *SIZE, "--cycles", 3, *TINY_NETWORK)
        assert code == 0
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        halves = [(half["cycle"], half["module"]) for half in summary["cycles"]]
        assert halves == [(1, "graph"), (1, "network"), (2, "graph"), (2, "network"), (3, "graph")]
        assert all(len(half["losses"]) == 1 for half in summary["cycles"] if half["module"] == "network")
        assert "train" in printed
        assert not (out / "checkpoints").exists()
        assert summary["options"]["cycle"]["network"]["widths"] == [8, 16]

    def test_the_graph_alone_has_cycles_too(self, cli, frames, out) -> None:
        assert cli("segment", frames, "--out", out, *SIZE, "--cycles", 2, "--network", "none")[0] == 0
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        assert [half["module"] for half in summary["cycles"]] == ["graph", "graph"]
        assert summary["options"]["cycle"]["network"] is None

    def test_equal_seeds_give_equal_masks(self, cli, frames, tmp_path) -> None:
        arguments = [*SIZE, "--cycles", 2, *TINY_NETWORK]
        for name in ("a", "b"):
            assert cli("segment", frames, "--out", tmp_path / name, *arguments)[0] == 0
        assert cli("segment", frames, "--out", tmp_path / "c", *arguments, "--set", "training.seed=1")[0] == 0
        a, b, c = (b"".join(f.read_bytes() for f in sorted((tmp_path / n / "soft").iterdir())) for n in "abc")
        assert a == b != c

    def test_ctrl_c_in_a_training_leaves_what_a_second_run_goes_on_with(self, cli, frames, out, monkeypatch) -> None:
        whole = out.with_name("whole")
        arguments = [*SIZE, "--cycles", 2, *TINY_NETWORK, "--set", "training.epochs=3"]
        assert cli("segment", frames, "--out", whole, *arguments)[0] == 0
        known = ikebook.cli.segment.bar

        def stopped(stage, steps):
            if not stage.startswith("network"):
                return known(stage, steps)
            return interrupted(steps - 1)

        def interrupted(steps):
            yield from [None] * steps
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("ikebook.cli.segment.bar", stopped)
            code, _, error = cli("segment", frames, "--out", out, *arguments)
        assert code == 130
        assert "stopped" in error
        assert [path.parts[0] for path in map(Path, tree(out) - {".lock"})] == ["checkpoints"]
        assert cli("segment", frames, "--out", out, *arguments)[0] == 0
        assert tree(out) == tree(whole)
        for file in (whole / "masks").iterdir():
            assert (out / "masks" / file.name).read_bytes() == file.read_bytes()

    def test_other_people_s_files_stay(self, cli, frames, out) -> None:
        (out / "checkpoints").mkdir(parents=True)
        (out / "checkpoints" / "model.pt").write_bytes(b"mine")
        assert cli("segment", frames, "--out", out, *SIZE, "--cycles", 2, *TINY_NETWORK)[0] == 0
        assert [file.name for file in (out / "checkpoints").iterdir()] == ["model.pt"]

    @pytest.mark.parametrize("kind", ["masks", "refined"])
    def test_results_are_not_written_over_their_own_input(self, cli, frames, tmp_path, kind) -> None:
        place = tmp_path / "place"
        assert cli("segment", frames, "--out", place, *SIZE, "--refine")[0] == 0
        before = {file: file.read_bytes() for file in sorted((place / kind).iterdir())}
        for arguments in (("segment", place / kind), ("segment", frames, "--cue", place / kind)):
            code, _, error = cli(*arguments, "--out", place, *SIZE)
            assert code == 2
            assert "would write over" in error
        assert {file: file.read_bytes() for file in sorted((place / kind).iterdir())} == before

    def test_a_training_that_diverges_gets_one_line(self, cli, frames, out) -> None:
        code, _, error = cli(
            "segment", frames, "--out", out, *SIZE, "--cycles", 2, *TINY_NETWORK, "--set", "training.rate=1e38"
        )
        assert code == 2
        assert len(error.splitlines()) == 1
        assert "Lower training.rate (it is 1e+38)" in error

    def test_warnings_of_all_cycles_are_told(self, cli, frames, out, monkeypatch) -> None:
        known = ikebook.networks.training._Run.finish
        monkeypatch.setattr(ikebook.networks.training._Run, "finish", lambda self: replace(known(self), stopped="nan"))
        code, _, error = cli("segment", frames, "--out", out, *SIZE, "--cycles", 2, *TINY_NETWORK)
        assert code == 0
        assert "Cycle 1: The network's loss became NaN" in error

    def test_refined_masks_lie_apart(self, cli, frames, out) -> None:
        plain = out.with_name("plain")
        assert cli("segment", frames, "--out", plain, *SIZE)[0] == 0
        code, printed, _ = cli("segment", frames, "--out", out, *SIZE, "--refine")
        assert code == 0
        assert "refined/" in printed.splitlines()[-1]
        masks = sorted((out / "masks").iterdir())
        assert all(file.read_bytes() == (plain / "masks" / file.name).read_bytes() for file in masks)
        refined = sorted((out / "refined").iterdir())
        assert [file.name for file in refined] == [file.name for file in masks]
        assert all(set(np.unique(read_grey(file))) <= {0, 255} for file in refined)
        assert any(a.read_bytes() != b.read_bytes() for a, b in zip(refined, masks, strict=True))
        assert cli("segment", frames, "--out", out, *SIZE)[0] == 0  # and go with the next run
        assert tree(out) == tree(plain)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--cycles", 0), "cycles is 0; expected a whole number, 1 or more"),
            (("--network", "large"), "--network is 'large'; expected one of 'small', 'paper', 'none'"),
            (("--budget", "soon"), "--budget is 'soon'; expected a time such as 60s or 2m"),
            (("--budget=-3s",), "--budget is '-3s'"),
            (("--set", "network.widths=7"), "expected multiples of 8"),
            (("--set", "network.widths=a,b"), "expected a whole number"),
            (("--set", "training.epoch=3"), "training has no option 'epoch'; it has epochs"),
            (("--network", "none", "--set", "network.stem=2"), "sets an option of network, which is switched off"),
            (
                ("--set", "net.stem=2"),
                "GROUP is one of chains, motion, saliency, features, projection, solver, masks, network",
            ),
        ],
    )
    def test_what_can_not_be_trained_gets_one_line(self, refused, frames, out, arguments, message) -> None:
        assert message in refused("segment", frames, "--out", out, *SIZE, *arguments)


class TestEvaluate:
    @pytest.fixture
    def root(self, tmp_path):
        return write_davis(tmp_path / "root", ["disc", "tracked"])

    def test_results_and_table(self, cli, root, out) -> None:
        code, printed, error = cli("evaluate", "davis2016", "--root", root, "--out", out, "--size", "32x24")
        assert code == 0
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        assert list(results["sequences"]) == ["disc", "tracked"]
        lines = printed.splitlines()
        assert [line.split()[0] for line in lines] == ["J_mean", "disc", "tracked", "mean", "Written"]
        assert float(lines[3].split()[1]) == pytest.approx(100 * results["mean"]["J_mean"], abs=0.0501)
        assert lines[-1] == f"Written to {out}: results.json, results.csv, cycles.csv, masks/"
        assert [line.split(":")[0] for line in error.splitlines()] == ["disc", "tracked"]
        again, printed_again, _ = cli("evaluate", "davis2016", "--root", root, "--out", out, "--size", "32x24")
        assert (again, printed_again) == (0, printed)

    def test_only_some_sequences(self, cli, root, out) -> None:
        arguments = ["evaluate", "davis2016", "--root", root, "--out", out, "--size", "32x24"]
        assert cli(*arguments, "--sequences", "tracked")[0] == 0
        assert list(json.loads((out / "results.json").read_text(encoding="utf-8"))["sequences"]) == ["tracked"]

    def test_the_folder_above_an_unpacked_archive(self, cli, tmp_path, out) -> None:
        write_davis(tmp_path / "above" / "DAVIS", ["disc"])
        masks = tmp_path / "above" / "DAVIS" / "Annotations" / "480p"
        code, printed, error = cli(
            "evaluate", "davis2016", "--root", tmp_path / "above", "--out", out, "--masks", masks
        )
        assert code == 0
        assert printed.splitlines()[-1] == f"Written to {out}: results.json, results.csv"
        assert error == "disc: J 100.0  F 100.0\n"

    def test_clips_too_short_to_score(self, cli, tmp_path, out) -> None:
        root = write_davis(tmp_path / "root", ["disc"], frames=2)
        masks = root / "Annotations" / "480p"
        code, printed, error = cli("evaluate", "davis2016", "--root", root, "--out", out, "--masks", masks)
        assert (code, error) == (0, "disc: not scored\n")
        assert printed.splitlines()[1].split() == ["disc", *"------"]

    @pytest.mark.parametrize(
        ("dataset", "more", "message"),
        [
            ("davis2020", [], "data set is 'davis2020'; expected one of 'davis2016'"),
            ("davis2016", ["--sequences", "disc,nope"], "'nope' is not in davis2016; there are disc, tracked"),
            ("davis2016", ["--sequences", "disc,"], "expected names with a comma between them"),
            ("davis2016", ["--size", "big"], "expected WIDTHxHEIGHT"),
            ("davis2016", ["--flow", "nope"], "expected dis, farneback, raft, raft-small or a folder"),
            ("davis2016", ["--cue", "nope"], "is no folder; expected one map for each frame"),
            ("davis2016", ["--masks", "nope"], "is missing; expected masks in nope/<sequence>/<frame>.png"),
        ],
    )
    def test_wrong_options(self, dataset, more, message, refused, root, out) -> None:
        assert message in refused("evaluate", dataset, "--root", root, "--out", out, *more)

    def test_a_root_without_the_data_set(self, refused, frames, out, tmp_path) -> None:
        for place in (frames, tmp_path / "nope"):
            line = refused("evaluate", "davis2016", "--root", place, "--out", out)
            assert "is no DAVIS 2016: JPEGImages/480p is missing. Fetch it with 'ikebook data get davis2016" in line

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "is no results file of ikebook"),
            (
                '{"mean": {}, "sequences": {}, "failed": {}, "options": {}, "versions": {}}',
                "was made with other options",
            ),
        ],
    )
    def test_results_of_something_else(self, content, message, cli, root, out) -> None:
        out.mkdir(parents=True)
        (out / "results.json").write_text(content, encoding="utf-8")
        code, printed, error = cli("evaluate", "davis2016", "--root", root, "--out", out)
        assert (code, printed, len(error.splitlines())) == (2, "", 1)
        assert f"{message}; choose another --out, or remove it." in error
        assert tree(out) == {"results.json"}


class TestData:
    def test_the_list_says_where_each_comes_from(self, cli) -> None:
        code, printed, error = cli("data", "list")
        assert (code, error) == (0, "")
        lines = printed.splitlines()
        assert "davis2016" in lines
        assert any(line.strip().startswith("md5:") for line in lines)
        assert any("https://" in line for line in lines)
        assert lines[-2] == "demo"
        assert callable(ikebook.demo)
        assert "ikebook.demo()" in lines[-1]

    def test_an_unknown_data_set(self, refused, tmp_path) -> None:
        assert "expected one of 'davis2016'" in refused("data", "get", "davis2020", "--root", tmp_path / "root")
        assert not (tmp_path / "root").exists()

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--url", "nowhere"], "url is 'nowhere'; expected one that begins with https://"),
            (["--checksum", "crc:1"], "checksum is 'crc:1'; expected md5:..., sha256:... or none"),
        ],
    )
    def test_wrong_options(self, more, message, refused, tmp_path) -> None:
        assert message in refused("data", "get", "davis2016", "--root", tmp_path / "root", *more)

    def test_an_address_without_an_answer(self, refused, tmp_path) -> None:
        missing = (tmp_path / "nope.zip").as_uri()
        line = refused("data", "get", "davis2016", "--root", tmp_path / "root", "--url", missing)
        assert "could not be fetched" in line
        assert "--url" in line


def test_help_is_there_at_once() -> None:
    """Neither PyTorch nor OpenCV, which take seconds to import, is loaded by `ikebook --help` or `ikebook data list`."""
    program = (
        "import sys; from ikebook.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('loaded:', *sys.modules)"
    )
    for arguments in (["--help"], ["segment", "--help"], ["data", "list"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=Path(ikebook.__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        loaded = set(done.stdout.rpartition("loaded:")[2].split())
        assert "ikebook.cli.command_line" in loaded
        assert not loaded & {"torch", "cv2", "numpy", "scipy", "matplotlib"}


class TestParser:
    @pytest.mark.parametrize(
        "command",
        [
            [],
            ["segment"],
            ["demo"],
            ["evaluate"],
            ["bench"],
            ["experiment"],
            ["data"],
            ["data", "list"],
            ["data", "get"],
        ],
    )
    def test_help_of_every_command(self, command, capsys) -> None:
        with pytest.raises(SystemExit) as stop:
            main([*command, "--help"])
        assert stop.value.code == 0
        printed = capsys.readouterr()
        assert printed.out.startswith("usage: ikebook")
        assert printed.err == ""

    def test_the_help_of_segment_names_every_choice(self, capsys) -> None:
        with pytest.raises(SystemExit):
            main(["segment", "--help"])
        text = " ".join(capsys.readouterr().out.split())
        for word in (*PRESETS, "--flow", "farneback", "416x224", "--cue", "--device", "cuda", "lanczos", "--set"):
            assert word in text

    def test_the_version(self, capsys) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--version"])
        assert stop.value.code == 0
        assert capsys.readouterr().out == f"ikebook {ikebook.__version__}\n"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "the following arguments are required: COMMAND"),
            (["cut"], "invalid choice: 'cut'"),
            (["segment"], "required: INPUT, --out"),
            (["segment", "in"], "required: --out"),
            (["segment", "in", "--out"], "argument --out: expected one argument"),
            (["segment", "in", "--out", "out", "--fast"], "unrecognized arguments: --fast"),
            (["segment", "in", "--out", "out", "other"], "unrecognized arguments: other"),
            (["evaluate", "davis2016", "--out", "out"], "required: --root"),
            (["data"], "required: ACTION"),
            (["data", "get", "davis2016"], "required: --root"),
        ],
    )
    def test_what_it_does_not_know_is_said_after_the_usage(self, arguments, message, capsys) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("usage: ikebook")
        assert message in printed.err.splitlines()[-1]


class TestErrors:
    def fail_with(self, error, monkeypatch) -> None:
        def fail(*_, **__) -> None:
            raise error

        monkeypatch.setattr("ikebook.runs.videos.run", fail)

    def test_ctrl_c_is_told_in_one_line(self, cli, frames, out, monkeypatch) -> None:
        self.fail_with(KeyboardInterrupt(), monkeypatch)
        code, printed, error = cli("segment", frames, "--out", out, *SIZE)
        assert (code, printed) == (130, "")
        assert error == "ikebook: stopped; what was finished is kept, and nothing is half-written.\n"
        assert not out.exists()

    @pytest.mark.parametrize(
        "error",
        [
            MemoryError(),
            RuntimeError("CUDA out of memory. Tried to allocate\n2 GiB"),
            RuntimeError("can't allocate memory"),
        ],
    )
    def test_too_little_memory_is_told_in_one_line(self, error, refused, frames, out, monkeypatch) -> None:
        self.fail_with(error, monkeypatch)
        line = refused("segment", frames, "--out", out, *SIZE)
        assert line == "ikebook: there is not enough memory for this; give a smaller --size or a shorter clip."

    def test_a_message_of_several_lines_becomes_one(self, refused, frames, out, monkeypatch) -> None:
        self.fail_with(InputError("a file named\n'odd\r\nname' can't be read"), monkeypatch)
        assert refused("segment", frames, "--out", out, *SIZE).endswith("named 'odd name' can't be read")

    @pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no"), TypeError("no")])
    def test_a_bug_is_not_hidden(self, error, cli, frames, out, monkeypatch) -> None:
        self.fail_with(error, monkeypatch)
        with pytest.raises(type(error), match=str(error)):
            cli("segment", frames, "--out", out, *SIZE)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    def test_bars_are_shown_on_a_terminal_and_taken_away(self, frames, out, monkeypatch) -> None:
        monkeypatch.setattr(sys, "stderr", Terminal())
        assert main(["segment", str(frames), "--out", str(out), *SIZE]) == 0
        shown = sys.stderr.getvalue()
        assert all(word in shown for word in ("reading", "flow:", "write:", "| 0/4 ", "| 0/5 "))
        assert shown.split("\r")[-2].strip() == ""
        assert shown.endswith("\r")

    def test_an_error_comes_after_the_bar_is_gone(self, made, frames, out, tmp_path, monkeypatch) -> None:
        folder = flow_folder(tmp_path / "flow", made.flow)
        (folder / "forward" / "00002.flo").write_bytes(b"JUNK")
        monkeypatch.setattr(sys, "stderr", Terminal())
        assert main(["segment", str(frames), "--out", str(out), *SIZE, "--flow", str(folder)]) == 2
        shown = sys.stderr.getvalue()
        assert "| 0/4 " in shown
        assert shown.split("\r")[-2].strip() == ""
        assert shown.split("\r")[-1].startswith("ikebook: ")


class TestProcess:
    def run(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "ikebook", *map(str, arguments)],
            cwd=Path(ikebook.__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def test_a_damaged_video_gets_one_line_and_no_chatter(self, made, out, tmp_path) -> None:
        write_video(tmp_path / "v.mp4", made.clip.frames, 24)
        data = (tmp_path / "v.mp4").read_bytes()
        (tmp_path / "v.mp4").write_bytes(data[: len(data) // 2])
        done = self.run("segment", tmp_path / "v.mp4", "--out", out)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == (
            f"ikebook: {tmp_path / 'v.mp4'} is no video that OpenCV can open; convert it to MP4 or to a folder of images. "
            "It is an MP4 without its index, as one that was not downloaded, or recorded, to its end: copy it again.\n"
        )
        assert not out.exists()

    def test_a_damaged_image_gets_one_line_and_no_chatter(self, frames, out) -> None:
        file = frames / "00002.png"
        file.write_bytes(file.read_bytes()[:200])
        done = self.run("segment", frames, "--out", out)
        assert done.returncode == 2
        assert done.stderr == (
            f"ikebook: {file} is no image that OpenCV can read; it may be damaged. Remove or replace it.\n"
        )
        assert not out.exists()

    @pytest.mark.skipif(os.name != "posix", reason="pipes break in another way")
    def test_a_reader_that_has_gone_is_no_error(self, monkeypatch) -> None:
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "ikebook", "data", "list"],
            cwd=Path(ikebook.__file__).parents[1],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")


def test_options_of_a_run_are_refused_beside_masks(refused, tmp_path) -> None:
    line = refused(
        "evaluate", "davis2016", "--root", write_davis(tmp_path / "data", ["disc"]), "--out", tmp_path / "out",
        "--masks", tmp_path, "--preset", "paper", "--size", "64x48",
    )  # fmt: skip
    assert "--preset, --size: of no use with --masks" in line
