"""A clip goes to a page once, in pieces: what the messages to it weigh, and what stays when canvases change and go."""

from __future__ import annotations

import comm
import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from ikebook.datasets.toys import toy
from ikebook.widgets import ClipPlayer, PowerIterationStepper, VideoCanvas
from ikebook.widgets.arrays import pack
from ikebook.widgets.shared_bytes import _ALL, PIECE, SHARED_FROM

LIMIT = 16 << 20
NOISE = np.random.default_rng(0).integers(0, 256, (12, 120, 160, 3), np.uint8)


@pytest.fixture
def sent(monkeypatch):
    """Messages to the page: what kind, what data, and how many bytes are with it."""
    messages: list[tuple[str, dict, int]] = []

    def publish(self, msg_type, data=None, metadata=None, buffers=None, **keys) -> None:
        messages.append((msg_type, data or {}, sum(memoryview(one).nbytes for one in buffers or ())))

    monkeypatch.setattr(comm.DummyComm, "publish_msg", publish)
    return messages


@pytest.fixture(autouse=True)
def _nothing_left():
    before, known = set(_instances), set(_ALL)
    yield
    for key in set(_instances) - before:
        if key in _instances:
            _instances[key].close()
    assert set(_ALL) == known


def total(sent) -> int:
    return sum(size for _, _, size in sent)


def in_page(state, name) -> bytes:
    """What a page makes of a trait of bytes."""
    value = state[name]
    return b"".join(_instances[one[10:]].data for one in value) if isinstance(value, list) else bytes(value)


def test_a_clip_is_sent_once_however_many_canvases_show_it(sent) -> None:
    clip = toy("disc", (160, 120), 12).clip
    size = len(pack(np.asarray(clip.frames)))
    assert size > SHARED_FROM
    masks = clip.masks
    player = ClipPlayer(clip, masks={"a": masks, "b": ~masks}, soft=np.linspace(0, 1, masks.size).reshape(masks.shape))
    assert len(player.canvases) == 4
    once = total(sent)
    assert size + 3 * masks.size <= once < size + 3 * masks.size + 20_000
    for canvas in player.canvases:
        assert in_page(canvas.get_state(), "frames") == pack(np.asarray(clip.frames))
    sent.clear()
    more = [VideoCanvas(clip) for _ in range(5)]
    assert total(sent) < 5 * 2000
    for one in (player, *more):
        one.close()


def test_a_stepper_sends_the_clip_once(sent) -> None:
    made = toy("disc", (160, 120), 12)
    stepper = PowerIterationStepper(made.clip, made.flow)
    stepper.wait(60)
    state = stepper.frames.get_state(), stepper.x.get_state()
    assert state[0]["frames"] == state[1]["frames"]
    opened = [data for kind, data, size in sent if size >= SHARED_FROM and kind == "comm_open"]
    assert len([data for data in opened if "data" in str(data.get("buffer_paths"))]) >= 1
    stepper.close()


def test_no_message_is_longer_than_a_server_lets_through(sent) -> None:
    maps = np.random.default_rng(0).random((40, 720, 720), np.float32)  # which no compression makes smaller
    canvas = VideoCanvas(maps=maps)
    assert total(sent) > 1.2 * LIMIT
    assert max(size for _, _, size in sent) <= PIECE < LIMIT
    data = in_page(canvas.get_state(), "maps")
    assert data == canvas.maps
    sent.clear()
    canvas.send_state()  # as a page asks that is loaded again
    for name in canvas.get_state()["maps"]:
        _instances[name[10:]].send_state()
    assert max(size for _, _, size in sent) <= PIECE
    canvas.close()


def test_small_ones_go_with_the_canvas(sent) -> None:
    canvas = VideoCanvas(NOISE[:2, :20, :20])
    assert isinstance(canvas.get_state()["frames"], bytes)
    assert canvas.get_state()["frames"] == NOISE[:2, :20, :20].tobytes()
    canvas.close()


def test_pieces_go_with_the_last_canvas_that_shows_them() -> None:
    before = set(_instances)
    first, second = VideoCanvas(NOISE), VideoCanvas(NOISE)
    names = first.get_state()["frames"]
    assert second.get_state()["frames"] == names
    first.close()
    assert all(name[10:] in _instances for name in names)
    second.show(frames=NOISE[::-1].copy())
    assert not any(name[10:] in _instances for name in names)
    others = second.get_state()["frames"]
    assert in_page({"frames": others}, "frames") == second.frames
    second.frames = b""
    assert not any(name[10:] in _instances for name in others)
    second.close()
    assert set(_instances) == before


def test_pieces_that_somebody_has_closed_are_made_anew() -> None:
    canvas = VideoCanvas(NOISE)
    for name in canvas.get_state()["frames"]:
        _instances[name[10:]].close()
    other = VideoCanvas(NOISE)
    assert in_page(other.get_state(), "frames") == other.frames
    assert in_page(canvas.get_state(), "frames") == canvas.frames
    for one in (canvas, other):
        one.close()
