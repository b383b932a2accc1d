"""A newcomer's first calls: what should work works, and every slip is one line with the mend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.cycle import CycleOptions


@pytest.fixture(scope="module")
def made():
    return ikebook.toy("disc", (48, 32))


@pytest.fixture(scope="module")
def known(made):
    return ikebook.segment(made.clip, made.flow)


def as_pictures(frames):
    from PIL import Image

    return [Image.fromarray(frame) for frame in frames]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, list, as_pictures])
def test_frames_work_as_they_come(made, known, kind) -> None:
    assert np.array_equal(ikebook.segment(kind(made.clip.frames), made.flow).masks, known.masks)


def test_flow_is_computed_where_none_is_given(made) -> None:
    flow = ikebook.compute_flow(made.clip)
    expected = ikebook.segment(made.clip, flow)
    assert np.array_equal(ikebook.compute_flow(made.clip, "dis").forward, flow.forward)
    for given in (None, "dis", ikebook.compute_flow(made.clip.frames)):
        found = ikebook.segment(made.clip, given)
        assert np.array_equal(found.soft, expected.soft)
        assert ("flow" in found.seconds) == (given is None or isinstance(given, str))
    assert ikebook.build(made.clip).shape == (5 * 48 * 32,) * 2
    (state,) = ikebook.exchange(made.clip, options=CycleOptions(cycles=1))
    assert np.array_equal(state.soft, expected.soft)


SLIPS = {
    "a toy": (ikebook.segment, r"clip is a Toy; give its clip and its flow: toy\.clip, toy\.flow"),
    "a path": (lambda m: ikebook.segment("x.mp4"), r"read it first, with ikebook\.read_clip\('x\.mp4'\)"),
    "float frames": (
        lambda m: ikebook.segment(m.clip.frames / 255.0),
        r"frames are float64; expected uint8 RGB .*astype",
    ),
    "colours first": (
        lambda m: ikebook.segment(np.moveaxis(m.clip.frames, -1, 1)),
        r"expected \(m, h, w, 3\): move the colours to the end, with np\.moveaxis\(frames, 1, -1\)",
    ),
    "no clip": (lambda m: ikebook.segment(5), r"clip is a int; expected a Clip, or frames \(m, h, w, 3\) of uint8 RGB"),
    "sizes that differ": (lambda m: ikebook.segment([m.clip.frames[0], m.clip.frames[1][:9]]), "all of one size"),
    "a tuple for a flow": (
        lambda m: ikebook.segment(m.clip, (m.flow.forward, m.flow.backward)),
        r"flow is a tuple of 2; expected a Flow, as compute_flow\(clip\) gives it",
    ),
    "clip and flow swapped": (lambda m: ikebook.segment(m.flow, m.clip), "clip is a Flow; expected a Clip"),
    "another clip's flow": (
        lambda m: ikebook.segment(m.clip, ikebook.toy("disc").flow),
        "flow has 4 fields of 16x16, but clip",
    ),
    "no provider": (lambda m: ikebook.compute_flow(m.clip, "dos"), "flow is 'dos'; expected dis, farneback"),
    "a number for a provider": (
        lambda m: ikebook.compute_flow(m.clip, 5),
        "provider is 5; expected a name, such as 'dis'",
    ),
    "masks for cues": (
        lambda m: ikebook.segment(m.clip, m.flow, cues=m.clip.masks),
        r"cues is an array \(5, 32, 48\) of bool; expected Cues, such as \[ikebook\.Cue\(name='mine', maps=maps\)\]",
    ),
    "graph options for an exchange": (
        lambda m: ikebook.exchange(m.clip, m.flow, options=ikebook.GraphOptions()),
        r"options is a GraphOptions; expected CycleOptions, such as CycleOptions\(graph=\.\.\.\)",
    ),
    "cycle options for a graph": (
        lambda m: ikebook.segment(m.clip, m.flow, options=CycleOptions()),
        r"options is a CycleOptions; expected GraphOptions, such as ikebook\.preset\('paper'\)",
    ),
    "a preset's name": (
        lambda m: ikebook.build(m.clip, m.flow, options="paper"),
        "options is 'paper'; expected GraphOptions",
    ),
    "a device": (lambda m: ikebook.segment(m.clip, m.flow, compute="cuda"), "compute is 'cuda'; expected Compute"),
    "no device": (
        lambda m: ikebook.Compute(device="gpu"),
        "device is 'gpu', which this PyTorch has not, or has without float64; use 'cpu'",
    ),
    "half precision": (lambda m: ikebook.Compute(dtype=torch.float16), "expected torch.float32 or torch.float64"),
    "memory in words": (lambda m: ikebook.Compute(memory="much"), "memory is 'much'; expected a size such as 800M"),
    "one frame": (lambda m: ikebook.segment(m.clip.frames[:1]), "has 1 frame; motion needs two or more"),
    "a reference of another shape": (
        lambda m: ikebook.segment(m.clip, m.flow, reference=m.clip.masks[:2]),
        r"reference has shape \(2, 32, 48\); expected \(5, 32, 48\)",
    ),
    "options in options": (
        lambda m: CycleOptions(graph=ikebook.toy),
        "CycleOptions.graph is .*; expected GraphOptions",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_one_line_with_the_mend(made, slip) -> None:
    call, message = SLIPS[slip]
    with pytest.raises(InputError, match=message) as caught:
        call(made)
    assert "\n" not in str(caught.value)


def test_an_array_says_a_size(tmp_path) -> None:
    import cv2

    for index in range(2):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((60, 90, 3), np.uint8))
    assert ikebook.read_clip(tmp_path, np.array([64, 48])).size == (64, 48)


def test_what_is_shown_is_one_line(made, known) -> None:
    (state,) = ikebook.exchange(made.clip, made.flow, options=CycleOptions(cycles=1))
    for thing in (
        made,
        made.clip,
        made.flow,
        known,
        state,
        ikebook.Compute(memory="1M"),
        replace(made.clip, masks=None),
    ):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 160
    assert repr(known) == f"GraphResult(5 frames of 48x32, {100 * known.masks.mean():.1f}% object, eigenvector 1 of 1)"
    assert repr(ikebook.Compute(memory="1M")) == "Compute(cpu, float32, 1000000 bytes)"
    assert "J " in repr(state)


def test_its_names_are_public_ones_and_lead_to_the_rooms() -> None:
    shown = [name for name in dir(ikebook) if not name.startswith("__")]
    assert set(shown) == {*ikebook.__all__, *ikebook._ROOMS, "toys"} - {"__version__"}
    assert ikebook.datasets.toys.demo is ikebook.demo
    assert ikebook.matrix.MotionMatrix.__module__ == "ikebook.matrix.motion"
