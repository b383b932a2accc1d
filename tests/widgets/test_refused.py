"""Values that the browser sends and Python refuses: Python keeps its own, and every page gets them again."""

from __future__ import annotations

import comm
import numpy as np
import pytest
import traitlets

from ikebook.base.check import InputError
from ikebook.widgets import VideoCanvas
from ikebook.widgets.number_slider import NumberSlider
from ikebook.widgets.synced import RefusedError

FRAMES = np.zeros((5, 8, 10, 3), np.uint8)


@pytest.fixture
def sent(monkeypatch):
    """What goes to the page: each message, in order."""
    messages: list[dict] = []

    def publish(self, msg_type, data=None, metadata=None, buffers=None, **keys) -> None:
        messages.append(data or {})

    monkeypatch.setattr(comm.DummyComm, "publish_msg", publish)
    return messages


def browser_sends(widget, **state) -> None:
    """As ipywidgets takes a message, without what prints a traceback in a notebook."""
    widget.set_state(state)


def shown(messages) -> dict:
    """What a page shows in the end."""
    found: dict = {}
    for message in messages:
        found |= message.get("state", {})
    return found


@pytest.mark.parametrize(
    ("name", "before", "value"),
    [
        ("frame", 3, 5),
        ("frame", 3, -1),
        ("frame", 3, "4"),
        ("frame", 3, None),
        ("pixel", [1, 2], [10, 0]),
        ("pixel", [1, 2], [0]),
        ("opacity", 0.25, 2.0),
        ("swipe", 0.25, float("nan")),
        ("fps", 5.0, 0.0),
        ("fps", 5.0, [1]),
        ("parts", "stage", "most"),
        ("curves", [], [{"values": [1]}]),
        ("paths", [], [{"points": [3]}]),
        ("points", [], [{"x": 1, "y": 2, "size": 3}]),
        ("map_range", (0.0, 1.0), [1.0, 0.0]),
    ],
)
def test_what_a_canvas_refuses(name, before, value, sent) -> None:
    canvas = VideoCanvas(FRAMES, **{name: before})
    heard: list = []
    canvas.observe(lambda change: heard.append(change.new), name)
    sent.clear()
    with pytest.raises((InputError, traitlets.TraitError)):
        browser_sends(canvas, **{name: value})
    assert getattr(canvas, name) == before
    assert heard == []
    assert shown(sent)[name] == before


def test_one_wrong_value_takes_the_others_of_its_message_back(sent) -> None:
    canvas = VideoCanvas(FRAMES, frame=1, swipe=0.5)
    sent.clear()
    with pytest.raises(RefusedError, match=r"swipe is 3\.0; expected a number from 0 to 1"):
        browser_sends(canvas, frame=2, swipe=3.0)
    assert (canvas.frame, canvas.swipe) == (1, 0.5)
    assert {key: value for key, value in shown(sent).items() if key in ("frame", "swipe")} == {"frame": 1, "swipe": 0.5}


def test_strokes_of_another_size(sent) -> None:
    canvas = VideoCanvas(FRAMES, paint=True)
    for wrong in (b"123", [300]):
        sent.clear()
        with pytest.raises((InputError, ValueError)):
            browser_sends(canvas, painted=wrong)
        assert canvas.painted == b""
        assert sent[-1]["method"] == "update"
        assert sent[-1]["buffer_paths"] == [["painted"]]


def test_a_slider(sent) -> None:
    slider = NumberSlider(value=3, min=1, max=30)
    sent.clear()
    with pytest.raises(traitlets.TraitError):
        browser_sends(slider, value="7")
    assert slider.value == 3
    assert shown(sent)["value"] == 3


def test_right_values_are_taken_and_not_sent_again(sent) -> None:
    canvas = VideoCanvas(FRAMES)
    sent.clear()
    browser_sends(canvas, frame=4, pixel=[9, 7], picked=[4, 9, 7])
    assert (canvas.frame, canvas.pixel, canvas.picked) == (4, [9, 7], [4, 9, 7])
    assert [message["method"] for message in sent] == ["echo_update"]


def test_in_python_it_is_an_input_error_as_before() -> None:
    canvas = VideoCanvas(FRAMES)
    with pytest.raises(InputError, match="frame is 9; expected one of 0 to 4"):
        canvas.frame = 9
    assert canvas.frame == 0
