"""Binder's files: they ask for what the package needs, and the course works where the sequences can't be fetched."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from ikebook.base.check import InputError
from ikebook.course.lab import SEQUENCES

ROOT = Path(__file__).parents[2]
if not (ROOT / "binder").exists():
    pytest.skip("no binder/: it is part of a checkout", allow_module_level=True)


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "binder" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_here, fetch_sequences, badges = script("build_here"), script("fetch_sequences"), script("badges")


def test_the_environment_has_what_the_package_needs() -> None:
    listed = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())["dependencies"]
    assert build_here.dependencies() == listed
    python, packages = build_here.wanted_by_pip()
    assert re.fullmatch(r"3\.\d+", python)
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(needed["dependencies"]) <= set(packages)
    extras = needed["optional-dependencies"]
    assert set(packages) - set(needed["dependencies"]) == {*extras["lab"], *extras["voila"]}


def test_pytorch_reads_weights_of_unknown_origin_safely() -> None:
    """Before 2.6 what `weights_only` read could run code (CVE-2025-32434)."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (floor,) = (one.removeprefix("torch>=") for one in needed if one.startswith("torch>="))
    assert tuple(map(int, floor.split("."))) >= (2, 6)


def test_post_build_stops_at_errors_and_leaves_dependencies_alone() -> None:
    text = (ROOT / "binder" / "postBuild").read_text()
    assert text.startswith("#!")
    assert "\nset -e\n" in text
    assert "--no-deps" in text
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o111
    subprocess.run(["sh", "-n", ROOT / "binder" / "postBuild"], check=True)
    assert build_here.packages_of_apt() == ["libgl1", "libglib2.0-0"]


def made_archive(name: str, root: Path) -> Path:
    for kind in ("JPEGImages", "Annotations"):
        for sequence in (*SEQUENCES, "bear"):
            folder = root / "DAVIS" / kind / "480p" / sequence
            folder.mkdir(parents=True)
            (folder / "00000.jpg").write_bytes(b"")
    return root


def test_only_the_courses_sequences_are_kept(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(fetch_sequences, "fetch", made_archive)
    target = tmp_path / "data" / "davis2016"
    assert fetch_sequences.main(target) == 0
    for kind in ("JPEGImages", "Annotations"):
        assert sorted(path.name for path in (target / kind / "480p").iterdir()) == sorted(SEQUENCES)
    assert [path.name for path in target.parent.iterdir()] == ["davis2016"]
    monkeypatch.setattr(fetch_sequences, "fetch", lambda *_: pytest.fail("it was there"))
    assert fetch_sequences.main(target) == 0


def test_without_a_network_nothing_is_left_behind(monkeypatch, tmp_path, capsys) -> None:
    def offline(name: str, root: Path) -> Path:
        root.mkdir()
        (root / "davis2016.zip.part").write_bytes(b"half")
        raise InputError("the address does not answer")

    monkeypatch.setattr(fetch_sequences, "fetch", offline)
    assert fetch_sequences.main(tmp_path / "data" / "davis2016") == 1
    assert "no sequences: the address does not answer" in capsys.readouterr().err
    assert list((tmp_path / "data").iterdir()) == []


def test_badges_lead_to_the_notebooks(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["badges.py", "someone/somewhere", "--ref", "v1"])
    assert badges.main() == 0
    said = capsys.readouterr().out
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"/v2/gh/someone/somewhere/v1?urlpath=lab/tree/notebooks/{path.name})" in said
        assert f"/github/someone/somewhere/blob/v1/notebooks/{path.name})" in said
