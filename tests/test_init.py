"""The package's front door: light to open, and every name on it leads somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ikebook

HEAVY = ("torch", "cv2", "matplotlib", "scipy", "numpy", "platformdirs", "tqdm", "ipywidgets")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `statement`."""
    program = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    home = str(Path(ikebook.__file__).parent.parent)
    paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(answer.stdout.split())


def test_import_ikebook_imports_nothing_heavy() -> None:
    loaded = loaded_by("import ikebook")
    assert "ikebook" in loaded
    assert not loaded & set(HEAVY)


def test_looking_at_its_names_imports_nothing_heavy_either() -> None:
    assert not loaded_by("import ikebook; dir(ikebook); ikebook.__version__") & set(HEAVY)


@pytest.mark.parametrize("name", ikebook.__all__)
def test_every_public_name_leads_somewhere(name) -> None:
    found = getattr(ikebook, name)
    assert found is not None
    assert name in dir(ikebook)
    assert callable(found) == (name not in ("PRESETS", "__version__"))


def test_the_public_names_are_those_of_their_modules() -> None:
    from ikebook.graph.graph_module import segment
    from ikebook.video.clip import Clip

    assert ikebook.Clip is Clip
    assert ikebook.segment is segment


def test_a_star_import_brings_all_of_them() -> None:
    names: dict[str, object] = {}
    exec("from ikebook import *", names)
    assert set(ikebook.__all__) <= set(names)


@pytest.mark.parametrize("name", ["segments", "torch", "_private", "__path"])
def test_an_unknown_name_is_an_attribute_error(name) -> None:
    with pytest.raises(AttributeError, match=f"module 'ikebook' has no attribute '{name}'"):
        getattr(ikebook, name)


def test_the_version_has_three_numbers() -> None:
    assert [part.isdecimal() for part in ikebook.__version__.split(".")] == [True] * 3
