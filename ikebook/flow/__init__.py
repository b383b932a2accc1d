"""Optical flow between consecutive frames, behind one interface, whoever computes it, and how far it may be believed.

The paper's Secs. 4.1 and 7.2: OpenCV's DIS and Farneback, RAFT and RAFT-small, files. Directions and units stand at `Flow`.
"""

from ikebook.flow.cache import FlowCache
from ikebook.flow.compute import compute_flow, known_flow
from ikebook.flow.dis import Dis, DisOptions
from ikebook.flow.farneback import Farneback, FarnebackOptions
from ikebook.flow.fields import Flow, noisy, resize_flow
from ikebook.flow.files import FlowFiles, read_flo, write_flo
from ikebook.flow.known import KnownFlow
from ikebook.flow.providers import PROVIDERS, FlowProvider, flow_source, is_provider, provider

__all__ = [
    "PROVIDERS",
    "Dis",
    "DisOptions",
    "Farneback",
    "FarnebackOptions",
    "Flow",
    "FlowCache",
    "FlowFiles",
    "FlowProvider",
    "KnownFlow",
    "compute_flow",
    "flow_source",
    "is_provider",
    "known_flow",
    "noisy",
    "provider",
    "read_flo",
    "resize_flow",
    "write_flo",
]
