"""What all widgets take, and what they say to what they can't take: one line, with the mend."""

from __future__ import annotations

import inspect

import pytest

import ikebook
from ikebook.base.check import InputError
from ikebook.widgets import (
    ChainExplorer,
    ClipPlayer,
    Compare,
    CycleDashboard,
    InitialisationRace,
    MatrixExplorer,
    PowerIterationStepper,
    SpectrumExplorer,
    VideoCanvas,
)

OF_A_FLOW = [
    ChainExplorer,
    CycleDashboard,
    InitialisationRace,
    MatrixExplorer,
    PowerIterationStepper,
    SpectrumExplorer,
]


@pytest.fixture(scope="module")
def made():
    return ikebook.toy("disc", (16, 16), 3)


@pytest.mark.parametrize("kind", OF_A_FLOW)
def test_the_order_of_arguments_is_one(kind) -> None:
    parameters = inspect.signature(kind).parameters
    assert list(parameters)[:4] == ["clip", "flow", "cues", "options"]
    assert parameters["flow"].default is None
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in list(parameters)[2:-1])


@pytest.mark.parametrize("kind", OF_A_FLOW)
def test_what_can_not_be_taken_is_said_in_one_line_with_the_mend(made, kind) -> None:
    clip, flow = made.clip, made.flow
    wrong = [
        (
            (flow, clip),
            {},
            rf"clip is a Flow; the clip comes first, and then its flow: {kind.__name__}\(clip, flow\)\.",
        ),
        ((made,), {}, r"clip is a Toy; give its clip and its flow: toy\.clip, toy\.flow\."),
        ((clip, made), {}, r"flow is .*; expected a Flow, as compute_flow\(clip\) gives it"),
        ((clip, clip), {}, r"flow is .*; expected a Flow"),
        (
            (clip, (flow.forward, flow.backward)),
            {},
            r"flow is .*; expected a Flow, .*Flow\(forward=\.\.\., backward=\.\.\.\)",
        ),
        (("video.mp4",), {}, r"clip is the path 'video\.mp4'; read it first, with ikebook\.read_clip\('video\.mp4'\)"),
        ((clip.frames / 255.0, flow), {}, r"frames are float64; expected uint8 RGB"),
        ((clip.first(1), None), {}, "has 1 frame; motion needs two or more"),
        ((clip, "opticalflow"), {}, "opticalflow"),
        ((clip, flow), {"cues": clip.masks}, r"cues is .*; expected Cues, such as"),
        ((clip, flow), {"options": "paper"}, r"options is 'paper'; expected \w+Options, such as"),
    ]
    for arguments, options, says in wrong:
        with pytest.raises(InputError, match=says) as raised:
            kind(*arguments, **options)
        assert "\n" not in str(raised.value)


def test_frames_are_a_clip_and_flow_is_computed_where_none_is_given(made) -> None:
    explorer = ChainExplorer(made.clip.frames)
    known = ChainExplorer(made.clip, ikebook.compute_flow(made.clip))
    assert repr(explorer) == "ChainExplorer('clip', pixel (8, 8) of frame 0, p 15, sigma 4, q 0)"
    assert explorer.features == known.features
    spectrum = SpectrumExplorer(made.clip, "farneback", pairs=2, options=ikebook.preset("saliency"))
    assert len(spectrum.values) == 2
    assert spectrum.flow.size == (16, 16)


def test_widgets_of_a_clip_alone_take_frames_and_refuse_a_toy(made) -> None:
    masks = made.clip.masks
    assert repr(ClipPlayer(made.clip.frames, masks=masks)) == "ClipPlayer('clip', 3 frames of 16x16: clip, masks)"
    assert repr(Compare(list(made.clip.frames), masks, masks)) == "Compare('clip', first, second)"
    for kind, more in ((ClipPlayer, ()), (Compare, (masks, masks))):
        with pytest.raises(InputError, match=r"clip is a Toy; give its clip"):
            kind(made, *more)
    assert VideoCanvas(made.clip).frames == VideoCanvas(made.clip.frames).frames
    with pytest.raises(InputError, match=r"frames is Toy\(.*\); expected an array of numbers"):
        VideoCanvas(made)
    with pytest.raises(InputError, match=r"maps is .*; expected an array of numbers"):
        VideoCanvas(made.clip, maps=made)


@pytest.mark.parametrize("kind", OF_A_FLOW)
def test_a_widget_says_what_it_is_in_one_line(made, kind) -> None:
    made_one = kind(made.clip, made.flow)
    assert "\n" not in repr(made_one)
    assert len(repr(made_one)) < 120
    if hasattr(made_one, "wait"):
        assert made_one.wait(60)
