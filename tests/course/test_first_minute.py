"""The first minute of the course: one line to begin with, a picture that moves, Run All to the end, widgets still there tomorrow."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import ikebook.course
from ikebook.base.check import InputError
from ikebook.check_answers import exercises
from ikebook.course import lab
from ikebook.course.animation import Animation, pipeline
from ikebook.datasets.toys import toy

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "source" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

SOURCES = build.sources()
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@each_source
def test_a_notebook_begins_with_one_line(source) -> None:
    colab, first = code(build.versions(source)[0])[:2]
    assert colab.metadata == {"tags": ["colab"], "jupyter": {"source_hidden": True}}
    (line,) = (one for one in first.source.splitlines() if one.startswith("from ikebook.course"))
    rest = [one for one in first.source.splitlines() if one not in ("", line)]
    names = line.removeprefix("from ikebook.course import ").split(", ")
    assert set(names) <= set(ikebook.course.__all__)
    assert all(one.startswith("import ") for one in rest), "other names are imported where they are first used"


def test_the_names_of_that_line() -> None:
    import torch

    assert ikebook.course.np is np
    assert ikebook.course.ikebook is ikebook
    assert ikebook.course.double.dtype is torch.float64
    assert set(ikebook.course.__all__) <= set(dir(ikebook.course))
    with pytest.raises(AttributeError, match=r"'ikebook\.course' has no attribute 'numpy'"):
        _ = ikebook.course.numpy


def test_run_all_goes_on_after_every_check() -> None:
    """The exercises and checks of all students' notebooks, one after the other: nbclient stops at errors as JupyterLab does."""
    from nbclient import NotebookClient

    graded = [
        cell
        for source in SOURCES
        for cell in code(build.versions(source)[0])
        if {"exercise", "check"} & build.tags(cell)
    ]
    begin = nbformat.v4.new_code_cell("from ikebook.course import check_answers")
    end = nbformat.v4.new_code_cell("print('the end')")
    made = nbformat.v4.new_notebook(cells=[begin, *graded, end], metadata=build.KERNEL)
    NotebookClient(made, timeout=100, kernel_name="python3").execute()
    assert made.cells[-1].outputs[0].text == "the end\n"
    checked = [cell for cell in made.cells if "check" in build.tags(cell)]
    for cell in checked:
        number = re.match(r'check_answers\("(\d\d\.\d)"', cell.source)[1]
        (said,) = cell.outputs
        assert said.traceback == [
            f"Not yet. {number}: there is no answer yet. Put yours in the place of `...` and run both cells again."
        ] or said.traceback[0].startswith(f"Not yet. {number}: there is no answer yet: ")
    assert len(checked) == sum(len(exercises(source.name[:2])) for source in SOURCES)


@pytest.mark.slow
@each_source
def test_run_all(source, tmp_path, monkeypatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("IKEBOOK_DATA", "")
    student = build.versions(source)[0]
    made = NotebookClient(student, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    made.execute()
    stopped = [out for cell in code(student) for out in cell.outputs if out.output_type == "error"]
    assert {out.ename for out in stopped} == {"WrongAnswer"}
    assert len(stopped) == len(exercises(source.name[:2]))


def test_solutions_stop_at_a_wrong_answer() -> None:
    """There a check that fails is a fault of ours."""
    for source in SOURCES:
        assert not any("raises-exception" in build.tags(cell) for cell in build.versions(source)[1].cells)


def test_what_ikebook_lab_opens_has_no_cell_for_colab(tmp_path) -> None:
    written, _ = lab.copy_notebooks(tmp_path)
    for path in written:
        content = json.loads(path.read_text(encoding="utf-8"))
        nbformat.validate(content)
        original = json.loads(lab.notebook(path.name[:2]).read_text(encoding="utf-8"))["cells"]
        assert content["cells"] == [cell for cell in original if "colab" not in cell["metadata"].get("tags", [])]
        assert len(content["cells"]) == len(original) - 1


def test_ikebook_lab_keeps_the_state_of_widgets_and_the_users_settings(tmp_path, monkeypatch) -> None:
    settings_utils = pytest.importorskip("jupyterlab_server.settings_utils")
    environments = []
    monkeypatch.setattr(lab, "find_spec", lambda name: object())
    monkeypatch.setattr(lab.subprocess, "call", lambda command, env: environments.append(env) or 0)
    own = tmp_path / "own" / "labconfig"
    own.mkdir(parents=True)
    theme = {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}}
    (own / "default_setting_overrides.json").write_text(json.dumps(theme))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(own.parent))
    before = dict(os.environ)
    lab.open_lab(tmp_path)
    assert dict(os.environ) == before
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", environments[0]["JUPYTER_CONFIG_PATH"])
    found, error = settings_utils._get_overrides(str(tmp_path))
    assert not error
    assert found == theme | {"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}}


class TestAnimation:
    def test_the_pipeline_ends_on_the_object(self) -> None:
        made = toy("disc", (64, 48), 12)
        shown = pipeline(made.clip, made.flow, made.clip.masks, panel=(64, 48))
        assert len(shown.pictures) == 12
        h, w = shown.pictures[0].shape[:2]
        labels = shown.pictures[-1][h // 2 + 22 : h // 2 + 22 + 48, 4 : 4 + 64, 0].astype(float)
        mask = made.clip.masks[-1]
        assert labels[mask].mean() > 150
        assert labels[~mask].mean() < 80
        noise = shown.pictures[0][h // 2 + 22 : h // 2 + 22 + 48, 4 : 4 + 64, 0].astype(float)
        assert abs(noise[made.clip.masks[0]].mean() - noise[~made.clip.masks[0]].mean()) < 15
        assert w == 2 * (64 + 8)

    def test_it_plays_and_stands_still_where_that_is_asked_for(self, tmp_path) -> None:
        pictures = [np.full((20, 30, 3), 60 * k, np.uint8) for k in range(4)]
        shown = Animation(pictures, rate=8, says='a "grey" <picture>')
        bundle = shown._repr_mimebundle_()
        assert bundle["text/plain"] == '[moving picture: a "grey" <picture>]'
        assert 'alt="a &quot;grey&quot; &lt;picture&gt;"' in bundle["text/html"]
        still, moving = (decoded(text) for text in re.findall(r"base64,([^\"]+)", bundle["text/html"]))
        assert (still.n_frames, moving.n_frames) == (1, 4)
        assert "prefers-reduced-motion: reduce" in bundle["text/html"].partition(">")[2].partition(">")[0]
        moving.seek(1)
        moving.load()
        assert moving.info["duration"] == 125
        shown.save(tmp_path / "a.webp")
        with Image.open(tmp_path / "a.webp") as saved:
            assert saved.n_frames == 4

    def test_bad_ones_are_refused(self) -> None:
        with pytest.raises(InputError, match="pictures is empty"):
            Animation([], rate=8, says="nothing")
        made = toy("disc")
        with pytest.raises(InputError, match="masks has shape"):
            pipeline(made.clip, made.flow, made.clip.masks[:2])


def decoded(text: str) -> Image.Image:
    import base64

    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_lab_starts_without_pytorch() -> None:
    """`ikebook lab` has a browser to open, and no matrix to solve."""
    import subprocess

    code = "import sys, ikebook.course; sys.exit('torch' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code]) == 0
