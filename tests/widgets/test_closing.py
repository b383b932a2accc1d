"""Widgets that are closed are gone: from ipywidgets' list, from memory, and with them what they compute."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

import ikebook
from ikebook import widgets
from ikebook.cycle import CycleOptions
from ikebook.datasets.toys import toy
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.widgets.background import Job

HOME = Path(ikebook.__file__).parents[1]
MADE = toy("disc", (24, 16), 4)
TINY = toy("disc", (16, 16), 2)
LONG = CycleOptions(
    cycles=2,
    network=NetworkOptions(widths=(8, 16), stem=1),
    training=TrainOptions(steps=100_000),
    tolerance=0.0,
)

KINDS = {
    "VideoCanvas": lambda: widgets.VideoCanvas(MADE.clip, maps=MADE.clip.masks),
    "ClipPlayer": lambda: widgets.ClipPlayer(MADE.clip, masks=MADE.clip.masks),
    "Compare": lambda: widgets.Compare(MADE.clip, MADE.clip.masks, MADE.clip.masks),
    "ChainExplorer": lambda: widgets.ChainExplorer(MADE.clip, MADE.flow),
    "MatrixExplorer": lambda: widgets.MatrixExplorer(TINY.clip, TINY.flow),
    "PowerIterationStepper": lambda: widgets.PowerIterationStepper(MADE.clip, MADE.flow),
    "SpectrumExplorer": lambda: widgets.SpectrumExplorer(MADE.clip, MADE.flow),
    "InitialisationRace": lambda: widgets.InitialisationRace(MADE.clip, MADE.flow),
    "CycleDashboard": lambda: widgets.CycleDashboard(MADE.clip, MADE.flow, options=LONG),
}


def jobs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ikebook-job"]


def until(condition, seconds=20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_all_that_can_be_shown_is_tried() -> None:
    others = {"Job", "link", "write_module", "write_page"}
    assert set(widgets.__all__) - others == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
class TestEach:
    def test_is_collected_after_close(self, name) -> None:
        before = set(_instances)
        widget = KINDS[name]()
        if hasattr(widget, "wait"):
            widget.wait(30)
        assert set(_instances) > before
        widget.close()
        widget.close()  # a second time does nothing
        assert set(_instances) == before
        assert repr(widget)
        gone = weakref.ref(widget)
        del widget
        gc.collect()
        assert gone() is None

    def test_is_collected_after_close_all(self, name) -> None:
        before = set(_instances)
        widget = KINDS[name]()
        if hasattr(widget, "wait"):
            widget.wait(30)
        gone = weakref.ref(widget)
        del widget
        for one in [_instances[key] for key in set(_instances) - before]:  # as `close_all` goes through all there are
            one.close()
        del one
        gc.collect()
        assert set(_instances) == before
        assert gone() is None

    def test_ends_what_it_computes(self, name) -> None:
        before = set(jobs())
        widget = KINDS[name]()
        if name == "CycleDashboard":
            widget.start()
        widget.close()
        gone = weakref.ref(widget)
        del widget
        assert until(lambda: not set(jobs()) - before)
        gc.collect()
        assert gone() is None


def test_a_canvas_that_somebody_holds_has_no_pictures_any_more() -> None:
    canvas = widgets.VideoCanvas(MADE.clip, maps=MADE.clip.masks)
    canvas.close()
    assert (canvas.frames, canvas.maps, canvas.compare) == (b"", b"", b"")


def test_what_belongs_to_others_stays_open() -> None:
    player, note = widgets.ClipPlayer(MADE.clip), ipywidgets.HTML("mine")
    box = ipywidgets.VBox([player, note])
    player.close()
    assert note.comm is not None
    assert box.comm is not None
    for one in (note, box):
        one.layout.close()
        one.close()


def test_a_cell_that_waits_and_is_interrupted_ends_the_job(monkeypatch) -> None:
    job = Job(lambda job: [job.step() or time.sleep(0.01) for _ in range(10_000)]).start()

    def interrupted(timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(job._ended, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        job.wait()
    assert until(lambda: job.state == "cancelled")


THIRTY = """
import gc, sys, weakref
sys.path.insert(0, "tests/widgets")
import numpy as np
from ikebook.base.machine import resident_memory, return_memory
from test_closing import BALLAST, KINDS, jobs, until

class Clip(np.ndarray):
    "An array that can be asked whether it is gone: numpy's own can't."

def held():
    gc.collect()  # a widget and what listens to it refer to each other: how many wait to be found says nothing
    return_memory(BALLAST)
    return resident_memory()

def close(count):
    gone = []
    for name, make in KINDS.items():
        for index in range(count):
            widget = make()
            widget.ballast = np.ones(BALLAST, np.uint8).view(Clip)  # as a clip of some size has
            gone.append((name, weakref.ref(widget.ballast)))
            if index == 0 and hasattr(widget, "wait"):
                widget.wait(30)
            widget.close()
            assert until(lambda: not jobs())
        del widget
        gc.collect()
    assert not [name for name, one in gone if one() is not None]

close(5)
before = held()
close(30)
print(before, held())
"""
BALLAST = 8 << 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how large a process is now")
def test_thirty_of_each_take_no_more_memory_than_five() -> None:
    """If what one kind holds stayed, 240 MB would be left."""
    done = subprocess.run(
        [sys.executable, "-c", THIRTY], cwd=HOME, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, after = map(int, done.stdout.split())
    assert after - before < 12 * BALLAST


ENDS = """
import sys
sys.path.insert(0, "tests/widgets")
import time
from test_closing import KINDS
for name in sys.argv[1:]:
    widget = KINDS[name]()
    if name == "CycleDashboard":
        widget.start()
        time.sleep(0.5)
    assert name == "ChainExplorer" or widget.busy or not hasattr(widget, "busy")
print("made")
"""


@pytest.mark.parametrize(
    "names",
    [["PowerIterationStepper"], ["SpectrumExplorer"], ["InitialisationRace"], ["CycleDashboard"], list(KINDS)[3:]],
)
def test_a_script_may_end_while_they_compute(names) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS, *names], cwd=HOME, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "made\n", "")
