"""`make gpu DEVICE=cpu SMALL=1`: each line of what measures a GPU, run where there is none, with nothing but what it may need."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "experiments" / "gpu"
MISSING = (
    "pooch", "ipywidgets", "anywidget", "traitlets", "IPython", "tqdm", "platformdirs", "matplotlib", "hypothesis",
    "torchvision", "timm", "distributed", "xdist",
)  # fmt: skip
"""What a machine with a GPU need not have."""

NEEDED = (
    "cycle",
    "experiments",
    "flow.raft",
    "flow.dis",
    "datasets.davis2016",
    "datasets.toys",
    "base.machine",
    "graph.refine",
)
"""Modules that the script, or whoever computes only, imports."""

CRASHES = """
import os, time

def at_once(machine):
    yield {"row": "before"}
    os._exit(3)

def never(machine):
    yield {"row": "begun"}
    time.sleep(600)

def well(machine):
    yield {"row": "there"}
"""


@pytest.fixture
def lean(tmp_path) -> dict[str, str]:
    """The environment of a Python, and of all that it starts, that finds none of the modules in `MISSING`."""
    folder = tmp_path / "lean"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({MISSING!r}))\n")
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "IKEBOOK_CACHE": str(tmp_path / "cache")}


def measured(lean, tmp_path, *further: str) -> tuple[int, str, str]:
    """Exit status, page, and what was printed."""
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--small", "--out", str(tmp_path), *further]
    done = subprocess.run(command, env=lean, capture_output=True, text=True, check=False, cwd=tmp_path)
    (page,) = tmp_path.glob("gpu-*.md")
    return done.returncode, page.read_text(encoding="utf-8"), done.stdout + done.stderr


def test_nothing_of_pages_and_downloads_is_imported(tmp_path) -> None:
    """Not even filelock, which PyTorch brings along for its compiler."""
    program = f"import sys; sys.modules.update(dict.fromkeys({(*MISSING, 'filelock')!r}))\n"
    program += "".join(f"import ikebook.{name}\n" for name in NEEDED)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_rehearsal_goes_through_every_section(lean, tmp_path) -> None:
    status, page, said = measured(lean, tmp_path, "--deadline", "900")
    assert "Not whole" not in page, page
    assert status == 0, said
    assert "A rehearsal: this is no GPU" in page
    assert page.count("\n## ") == 11
    assert "| round trips within the pass | none | 0 | a rehearsal |" in page
    notes = [line for line in page.splitlines() if "no result" in line]
    assert notes
    assert all("CUDA graphs need CUDA" in line for line in notes)
    assert "1 passed" in page
    goals = [line.split("|")[3].strip() for line in page.splitlines() if "a rehearsal |" in line]
    assert len(goals) == 5
    assert all(goals)


def test_what_was_found_before_the_end_is_kept(lean, tmp_path) -> None:
    status, page, _ = measured(lean, tmp_path, "--only", "card,graph", "--deadline", "0.01")
    assert status == 1
    assert "which is all that it may take" in page
    assert "left out: the time for all sections was up" in page


def test_without_such_a_device_there_is_one_line_and_no_page(lean, tmp_path) -> None:
    command = [sys.executable, str(SCRIPT), "--device", "gpu", "--small", "--out", str(tmp_path / "page")]
    done = subprocess.run(command, env=lean, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("make gpu: device is 'gpu', which this PyTorch has not")
    assert not (tmp_path / "page").exists()


def test_a_section_that_crashes_or_hangs_takes_no_other_with_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    program = f"""
import sys, time
sys.path[:0] = [{str(SCRIPT)!r}, {str(tmp_path)!r}, {str(ROOT)!r}]
import page
from pathlib import Path
from plan import Section
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("measures", {str(SCRIPT / "__main__.py")!r})
main = module_from_spec(spec)
spec.loader.exec_module(main)
if __name__ == "__main__":
    kinds = {{"at_once": 60, "never": 0.5, "well": 60}}
    page.SECTIONS[:] = [
        Section(name=name, title=name, says="", budget=budget / 5, home=f"crashes:{{name}}") for name, budget in kinds.items()
    ]
    sys.argv = ["gpu", "--device", "cpu", "--small", "--out", {str(tmp_path)!r}]
    main.main()
"""
    file = tmp_path / "run.py"
    file.write_text(program)
    begin = time.monotonic()
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert time.monotonic() - begin < 300
    assert done.returncode == 1, done.stderr
    (found,) = tmp_path.glob("gpu-*.md")
    text = found.read_text(encoding="utf-8")
    assert "its process ended by itself, with code 3" in text
    assert "ended after 0 s" in text or "ended after 1 s" in text
    for row in ("before", "begun", "there"):
        assert f"| {row} |" in text
