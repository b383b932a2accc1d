"""Stills of widgets: what their canvases show at their frames, in a picture that notebooks keep."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import ipywidgets
import nbformat
import numpy as np
import pytest

from ikebook.datasets.toys import demo, toy
from ikebook.widgets import ClipPlayer, PowerIterationStepper, VideoCanvas
from ikebook.widgets.still import GAP, still


def read(picture: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


def test_a_player_shows_frame_and_masks_side_by_side() -> None:
    clip = toy("disc", (24, 16), 4).clip
    player = ClipPlayer(clip, masks=clip.masks)
    player.frame = 2
    picture = read(player._repr_mimebundle_()["image/png"])
    shown = [canvas for canvas in player.canvases if canvas.parts != "bar"]
    assert picture.shape == (16, len(shown) * 24 + (len(shown) - 1) * GAP, 4)
    np.testing.assert_array_equal(picture[:, :24, :3], clip.frames[2])
    over = picture[:, 24 + GAP : 48 + GAP, :3].astype(int)
    np.testing.assert_array_equal(over[~clip.masks[2]], clip.frames[2][~clip.masks[2]])
    assert (over - clip.frames[2])[clip.masks[2]][:, 0].mean() > 20  # redder


def test_large_videos_travel_compressed_and_are_read_again() -> None:
    frames = demo(8, (416, 224)).clip.frames
    maps = np.zeros(frames.shape[:3])
    maps[5, :, :200] = 1
    canvas = VideoCanvas(frames, maps=maps, frame=5, colours="grey", opacity=1)
    assert len(canvas.frames) < frames.nbytes
    np.testing.assert_array_equal(np.unique(read(still(canvas))[:, :200, :3]), [255])
    canvas.opacity = 0
    assert np.abs(read(still(canvas))[..., :3].astype(int) - frames[5]).mean() < 6  # a JPEG


def test_a_canvas_alone_has_a_still_of_its_frame() -> None:
    frames = np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3)
    canvas = VideoCanvas(frames, frame=2)
    bundle, *_ = bundles(canvas)
    assert bundle["text/plain"] == repr(canvas)
    np.testing.assert_array_equal(read(bundle["image/png"])[..., :3], frames[2])
    canvas.parts = "bar"  # which shows none
    assert all("image/png" not in part for part in bundles(canvas))
    assert all("image/png" not in part for part in bundles(VideoCanvas(shape=(3, 8, 8))))


def bundles(widget: ipywidgets.Widget) -> list[dict[str, Any]]:
    """What a notebook keeps of a widget, by its type."""
    found = widget._repr_mimebundle_()
    return list(found) if isinstance(found, tuple) else [found]


def test_what_is_hidden_or_empty_has_no_still() -> None:
    canvas = VideoCanvas(np.zeros((2, 8, 8, 3), np.uint8))
    assert still(ipywidgets.VBox([ipywidgets.HTML("text"), canvas])) is not None
    canvas.layout.display = "none"
    assert still(ipywidgets.VBox([canvas])) is None
    assert still(ipywidgets.HTML("text")) is None
    assert still(VideoCanvas(shape=(2, 8, 8))) is None


def test_a_notebook_keeps_stills_and_figures_as_pictures() -> None:
    from nbclient import NotebookClient

    cells = [
        (
            "import ikebook\nfrom ikebook.course import figures\nfrom ikebook.widgets import ClipPlayer\n"
            "clip = ikebook.toy('disc').clip\nClipPlayer(clip)"
        ),
        "figures.row({'frame': clip.frames[0]})",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    for cell in notebook.cells:
        (output,) = cell.outputs
        assert base64.b64decode(output.data["image/png"], validate=False).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in notebook.cells[0].outputs[0].data
    nbformat.validate(notebook)


@pytest.mark.parametrize("make", [PowerIterationStepper])
def test_composed_widgets_have_one(make) -> None:
    made = toy("disc", (16, 16), 3)
    widget = make(made.clip, made.flow)
    assert widget._repr_mimebundle_()["image/png"].startswith(b"\x89PNG")
    widget.close()
