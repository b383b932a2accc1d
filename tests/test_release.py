"""What a release would say and hold: versions, floors, licences of pictures, and the wheel's contents."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

import ikebook

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / ".github").exists():
    pytest.skip("no .github, docs and conda: they are part of a checkout", allow_module_level=True)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = {"torch": "pytorch", "opencv-python": "py-opencv", "matplotlib": "matplotlib-base"}


def floors() -> dict[str, str]:
    """The oldest versions that the metadata allow, of dependencies and of extras."""
    wanted = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    return dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", one).groups() for one in wanted)


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == ikebook.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert not (ROOT / ".zenodo.json").exists()  # it would hide the citation


def test_the_minimum_is_the_oldest_that_the_metadata_allow() -> None:
    lines = (ROOT / "binder" / "constraints-minimum.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert sorted(pins) == sorted(floors())
    for name, floor in floors().items():
        # A floor such as 3.15 is that of its first version that is there; some first ones were withdrawn.
        assert f"{pins[name]}.".startswith(f"{floor}."), name
    assert list(pins) == sorted(pins)


def test_the_recipe_for_conda_asks_for_the_same() -> None:
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == ikebook.__version__
    asked = [
        re.sub(r"^([\w-]+)>=", lambda found: f"{CONDA.get(found[1], found[1])} >=", one)
        for one in PROJECT["dependencies"]
    ]
    assert recipe["requirements"]["run"][1:] == asked
    assert recipe["build"]["python"]["entry_points"] == [f"ikebook = {PROJECT['scripts']['ikebook']}"]


def test_publishing_takes_no_password_and_has_a_job_of_its_own() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert workflow["jobs"]["publish"]["environment"]["name"] == "pypi"
    assert "id-token" not in str(workflow["jobs"]["build"])
    assert not any("run" in step for step in workflow["jobs"]["publish"]["steps"])
    assert "secrets." not in text


def test_every_picture_has_a_licence() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    page = (ROOT / "docs" / "releasing.md").read_text().partition("## Pictures that are shipped")[2]
    named = re.findall(r"^\| `([^`]+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    assert all(licence.strip() for _, licence in named)
    kinds = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".mp4")
    for file in filter(lambda name: name.endswith(kinds), listed.stdout.splitlines()):
        assert any(Path(file).match(pattern) for pattern, _ in named), f"{file} has no line in docs/releasing.md"


def test_the_wheel_holds_the_course_its_solutions_and_no_more(tmp_path) -> None:
    builders = pytest.importorskip("hatchling.builders.wheel")
    (wheel,) = builders.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    held = set(ZipFile(wheel).namelist())
    course = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert len(course) == 13
    assert {name for name in held if "/notebooks/" in name} == {
        f"ikebook/notebooks/{folder}{name}" for folder in ("", "solutions/") for name in course
    }
    assert {"ikebook/py.typed", "ikebook/datasets/stills/cup.png", "ikebook/grading/jail.py"} <= held
    assert all(name.startswith(("ikebook/", f"ikebook-{ikebook.__version__}.dist-info/")) for name in held)
    assert Path(wheel).stat().st_size < 2_000_000


def test_the_book_has_a_page_for_each_document() -> None:
    contents = (ROOT / "docs" / "book" / "index.md").read_text()
    listed = set(re.search(r"```\{toctree\}(.*?)```", contents, re.DOTALL)[1].split())
    for path in (*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "book").glob("*.md")):
        assert path.stem in {*listed, "index"}, path.name
