"""What the widgets are given: a clip, its flow, cues and options, checked before anything is shown."""

from __future__ import annotations

from typing import Any

from ikebook.base import check
from ikebook.base.check import require
from ikebook.flow import Flow, known_flow
from ikebook.graph.presets import GraphOptions
from ikebook.video.clip import Clip, as_clip


def clip_and_flow(widget: str, clip: Any, flow: Any) -> tuple[Clip, Flow]:
    """A widget's clip and flow.

    Parameters
    ----------
    widget : str
        Its name, for messages.
    clip : Clip, or (m, h, w, 3) uint8 RGB
        m frames, at least two.
    flow : Flow, str or None
        Of the clip, at its working size; the name of who computes it; or None, for OpenCV's DIS.

    Raises
    ------
    InputError
        If either is of another kind, or they are in the wrong order; says what to give.
    """
    require(
        not isinstance(clip, Flow), f"clip is a Flow; the clip comes first, and then its flow: {widget}(clip, flow)."
    )
    clip = as_clip(clip)
    return clip, known_flow(clip, flow)


def graph_options(options: Any) -> GraphOptions:
    """The options given, or the default ones; raise `InputError` if they are no options of a graph."""
    return check.or_default("options", options, GraphOptions, "such as ikebook.preset('paper')")


def check_frame(frame: int, clip: Clip) -> int:
    """The number of a frame of the clip; else it raises `InputError`, and the widget keeps the frame that it shows."""
    require(0 <= frame < len(clip), f"frame is {frame}; expected one of 0 to {len(clip) - 1}.")
    return int(frame)
