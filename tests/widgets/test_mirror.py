"""A whole widget as one anywidget: what it tells the page, and what it hears."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ikebook
from ikebook.base.check import InputError
from ikebook.widgets import ClipPlayer, PowerIterationStepper
from ikebook.widgets.mirror import Mirror


@pytest.fixture
def sent(monkeypatch) -> list[tuple[dict[str, Any], list[bytes]]]:
    found: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(Mirror, "send", lambda _, content, buffers=None: found.append((content, buffers or [])))
    return found


@pytest.fixture
def player() -> ClipPlayer:
    clip = ikebook.toy("disc", size=(24, 16), frames=4).clip
    return ClipPlayer(clip, masks=clip.masks)


def ask(mirror: Mirror) -> None:
    mirror._receive(mirror, {"kind": "ask"}, [])


def test_who_asks_gets_the_tree_and_all_bytes(player, sent) -> None:
    mirror = player._display_()
    assert player._display_() is mirror  # shown twice, it is one
    ask(mirror)
    content, buffers = sent[-1]
    pictures, bar = content["tree"]["children"]
    assert [child["kind"] for child in pictures["children"]] == ["canvas", "canvas"]
    assert (pictures["row"], bar["kind"]) == (True, "canvas")
    frames = content["states"][pictures["children"][0]["id"]]["frames"]
    assert buffers[frames["buffer"]] == player.clip.frames.tobytes()


def test_changes_go_both_ways_and_are_told_once(player, sent) -> None:
    mirror = player._display_()
    ask(mirror)
    sent.clear()
    player.frame = 2
    told = {content["id"]: content["state"] for content, _ in sent}
    assert told == {canvas.model_id: {"frame": 2} for canvas in (*player.canvases, *player.children[1:])}
    sent.clear()
    first, second = player.canvases
    mirror._receive(mirror, {"kind": "set", "id": first.model_id, "state": {"frame": 3}}, [])
    assert player.frame == second.frame == 3
    assert first.model_id not in {content["id"] for content, _ in sent}  # the page has said it
    sent.clear()
    with pytest.raises(InputError):
        mirror._receive(mirror, {"kind": "set", "id": first.model_id, "state": {"frame": 99}}, [])
    assert [content["state"] for content, _ in sent] == [{"frame": 3}]  # and so the page goes back


def test_buttons_menus_and_paintings_are_heard(sent) -> None:
    made = ikebook.toy("disc", frames=3)
    stepper = PowerIterationStepper(made.clip, made.flow)
    stepper.wait(60)
    mirror = stepper._display_()
    ask(mirror)
    mirror._receive(mirror, {"kind": "click", "id": stepper._view.next_button.model_id}, [])
    stepper.wait(60)
    assert stepper.stage == "propagated"
    menu = stepper._view.start_menu
    mirror._receive(mirror, {"kind": "set", "id": menu.model_id, "state": {"index": 1}}, [])
    assert stepper.start == "constant"
    painting = np.zeros(made.clip.masks.shape, np.uint8)
    painting[0, 3, 4] = 255
    state = {"painted": {"buffer": 0}}
    mirror._receive(mirror, {"kind": "set", "id": stepper._view.frames.model_id, "state": state}, [painting.tobytes()])
    assert stepper.start == "painted"
    np.testing.assert_array_equal(stepper.labels != 0, painting != 0)


def test_what_is_hidden_is_no_part_of_the_tree(sent) -> None:
    made = ikebook.toy("disc", frames=3)
    stepper = PowerIterationStepper(made.clip, made.flow)
    stepper.wait(60)
    ask(stepper._display_())
    sent.clear()
    stepper._view.chips.layout.display = "none"
    (content, buffers), *_ = sent
    assert content["tree"]["children"].count(None) == 1
    assert (content["states"], buffers) == ({}, [])  # no frames again
