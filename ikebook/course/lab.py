"""What the notebooks stand on: their clips, where they are kept, and how `ikebook lab` and `ikebook page` open them."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ikebook.base import check
from ikebook.base.check import InputError, require
from ikebook.datasets import Davis2016
from ikebook.datasets.toys import demo
from ikebook.flow import Flow, FlowCache, compute_flow, provider
from ikebook.video.clip import Clip, resize_area

SEQUENCES = ("blackswan", "car-roundabout", "car-shadow", "dog", "goat")
"""Sequences of DAVIS 2016 that notebooks open where they are."""

SIZE = (208, 112)
"""Width and height that notebooks work at unless they say otherwise: half of the paper's, in pixels."""

SHARED = Path("ikebook") / "notebooks"
"""Where the wheel holds the notebooks."""


class CourseClip(NamedTuple):
    """A clip (with masks, which only scores look at), its flow by DIS, and which clip it is, in a sentence."""

    clip: Clip
    flow: Flow
    source: str


def course_clip(sequence: str, *, frames: int = 12, size: tuple[int, int] | str = SIZE) -> CourseClip:
    """Open a real sequence where the data is, else the embedded clip, and print which of them it is.

    The data is looked for in `$IKEBOOK_DATA/davis2016`, `$IKEBOOK_DATA`, and in a folder `data` here or up to three
    folders above, where `ikebook data get davis2016 --root data` puts it. With `IKEBOOK_DATA` set to nothing, the embedded
    clip is taken.

    Parameters
    ----------
    sequence : one of `SEQUENCES`
    frames : the first so many, 2 or more
    size : (width, height), in pixels

    Returns
    -------
    CourseClip
        clip, flow and source, to be unpacked.
    """
    check.one_of("sequence", sequence, SEQUENCES)
    check.whole("frames", frames, at_least=2)
    width, height = check.size("size", size)
    dataset = find_davis(sequence)
    if dataset is None:
        clip = demo(frames, (width, height)).clip
        source = f"the embedded clip, in place of {sequence} of DAVIS 2016 (no data here)"
    else:
        clip = dataset.clip(sequence, (width, height)).first(frames)
        clip = replace(clip, masks=_annotations(dataset, sequence, len(clip), clip.size))
        source = f"{sequence} of DAVIS 2016, a real video"
    flow = compute_flow(clip, provider("dis"), cache=FlowCache())
    source = f"{source}: {len(clip)} frames of {width}x{height}"
    print(source)  # the line of a notebook that says what it works on
    return CourseClip(clip, flow, source)


def find_davis(sequence: str) -> Davis2016 | None:
    """The data set that holds a sequence, if it is anywhere that `course_clip` looks."""
    named = os.environ.get("IKEBOOK_DATA")
    if named == "":
        return None
    here = Path.cwd()
    places = [Path(named)] if named else [folder / "data" for folder in (here, *here.parents[:3])]
    for place in places:
        for root in (place / "davis2016", place):
            try:
                dataset = Davis2016(root)
            except InputError:
                continue
            if (dataset.frames / sequence).is_dir():
                return dataset
    return None


def _annotations(dataset: Davis2016, sequence: str, count: int, size: tuple[int, int]) -> np.ndarray | None:
    """The first annotated masks at the working size, (m, h, w) bool; None where there are none."""
    if not (dataset.masks / sequence).is_dir():
        return None
    masks = itertools.islice(dataset.annotations(sequence), count)
    return np.stack([resize_area(mask.astype(np.float32), size) > 0.5 for mask in masks])


def notebooks() -> list[Path]:
    """The student versions of all notebooks, in order: of the installed package, or of the checkout it lies in."""
    package = files("ikebook")
    places = [Path(str(package)) / "notebooks", Path(str(package)).parent / "notebooks"]
    for place in places:
        found = sorted(place.glob("[0-9][0-9]_*.ipynb"))
        if found:
            return found
    raise InputError("this installation holds no notebooks; install ikebook again, from its wheel or its repository.")


def notebook(number: str) -> Path:
    """The notebook of a number such as "05"."""
    found = {path.name[:2]: path for path in notebooks()}
    check.one_of("notebook", number, found)
    return found[number]


def solutions() -> list[Path]:
    """The notebooks with their exercises solved, in order; they lie in a folder beside the students'."""
    found = sorted((notebooks()[0].parent / "solutions").glob("[0-9][0-9]_*.ipynb"))
    require(
        bool(found), "this installation holds no solutions; install ikebook again, from its wheel or its repository."
    )
    return found


def copy_notebooks(folder: Path, *, solved: bool = False) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks into a folder; a file that is there stays as it is.

    Parameters
    ----------
    folder : made if it is not there
    solved : copy their solutions, too, into its folder "solutions"

    Returns
    -------
    written, kept : lists of Path
        Notebooks in `folder` that are new, and those that were there before.
    """
    require(not folder.exists() or folder.is_dir(), f"{folder} is a file; name a folder for the notebooks.")
    folder.mkdir(parents=True, exist_ok=True)
    written, kept = [], []
    wanted = [(path, folder / path.name) for path in notebooks()]
    if solved:
        (folder / "solutions").mkdir(exist_ok=True)
        wanted += [(path, folder / "solutions" / path.name) for path in solutions()]
    for path, target in wanted:
        try:
            with target.open("xb") as stream:  # "x": never over what a student has written
                stream.write(without(path, {"colab"}).encode())
        except FileExistsError:
            kept.append(target)
        else:
            written.append(target)
    return written, kept


def without(original: Path, left_out: set[str]) -> str:
    """A notebook's text without the cells that have one of these tags."""
    content = json.loads(original.read_text(encoding="utf-8"))
    content["cells"] = [cell for cell in content["cells"] if not left_out & set(cell["metadata"].get("tags", []))]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


SETTINGS = files("ikebook") / "course" / "jupyter"
"""What JupyterLab is told to do unless its user has chosen otherwise: a saved notebook keeps what its widgets show."""


def open_lab(folder: Path, *, start: str = "00") -> int:
    """Open JupyterLab on a folder of notebooks, at one of them, until it is closed; its exit code.

    The user's own settings stay as they are; ours are defaults, of this JupyterLab alone.
    """
    _require_program("jupyterlab", "lab")
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return subprocess.call(  # noqa: S603
        [sys.executable, "-m", "jupyterlab", str(folder / notebook(start).name)],
        env={**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)},
    )


NOT_SERVED = {"colab", "exercise", "check"}
"""Tags of cells that a page is without: Voila would stop at the first check, as nobody has answered."""


def open_page(number: str) -> int:
    """Serve a notebook as a page without code and exercises, by Voila, until it is closed; its exit code."""
    _require_program("voila", "voila")
    original = notebook(number)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / original.name
        page.write_text(without(original, NOT_SERVED), encoding="utf-8")
        return subprocess.call([sys.executable, "-m", "voila", str(page)])  # noqa: S603


def _require_program(module: str, extra: str) -> None:
    require(
        find_spec(module) is not None,
        f"{module} is not installed; add it with: python -m pip install 'ikebook[{extra}]' (or pip install {module}).",
    )


TAKES = re.compile(r"\*\*Takes\*\* (?P<minutes>[\d.]+) minutes? of computing on one core, and (?P<memory>[\d.]+) GB")
"""The line of a notebook's header that says what it costs."""


def costs(header: str) -> tuple[float, float]:
    """Minutes of one core and GB of memory that a notebook's header states."""
    found = TAKES.search(header)
    if found is None:
        raise InputError("the notebook's first cell does not say what it takes; expected '**Takes** 1.0 minutes ...'.")
    return float(found["minutes"]), float(found["memory"])
