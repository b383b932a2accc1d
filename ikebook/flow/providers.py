"""Who computes flow: one interface, and names for those that ikebook knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ikebook.base import check
from ikebook.base.check import InputError, require, short
from ikebook.base.places import user_path
from ikebook.base.provenance import UNTRAINED, Source, read_note
from ikebook.flow.dis import PRESETS, Dis, DisOptions
from ikebook.flow.farneback import Farneback
from ikebook.flow.files import FlowFiles

PROVIDERS = ("dis", "farneback", "raft", "raft-small")
"""Who computes flow, by name. A colon and more may follow: DIS's preset or RAFT's weights, `dis:fast`, `raft-small:weights.pth`."""


class FlowProvider(Protocol):
    """Whatever gives the flow of a video, pair by pair, at the size it likes best. Write your own: two methods will do."""

    def describe(self) -> str:
        """Name and options: with the frames' fingerprint, the key of the cache."""
        ...

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each pair of consecutive RGB frames, forward and backward displacements (h, w, 2) float32.

        Displacements are (dx, dy) in pixels of the field's own size, which need not be that of the frames.
        """
        ...


def is_provider(name: str | Path) -> bool:
    """Whether a name says who computes flow, and not where it lies.

    Parameters
    ----------
    name : str or Path
        Such as "dis", "raft:weights.pth", or a folder.

    Returns
    -------
    bool
    """
    return str(name).partition(":")[0] in PROVIDERS


def provider(name: str | Path, *, device: str = "cpu", half: bool = False) -> FlowProvider:
    """Who computes flow, by name, with default options; or who reads it from a folder.

    Parameters
    ----------
    name : str or Path
        "dis", with a preset if another than `:medium` is meant, `:fast` or `:ultrafast`; "farneback"; "raft" or "raft-small", with
        `:WEIGHTS` if others than the default ones are meant:
        one of torchvision's names, or a file, which for "raft-small" may be the checkpoint of RAFT's authors as it is;
        or a folder with forward/*.flo and backward/*.flo.
    device : str, default "cpu"
        Where networks compute.
    half : bool, default False
        Networks in half precision.

    Returns
    -------
    FlowProvider

    Raises
    ------
    InputError
        If there is no such provider or folder, or no such weights.

    Examples
    --------
    >>> provider("farneback").options.levels
    5
    """
    require(isinstance(name, (str, Path)), f"provider is {short(name)}; expected a name, such as 'dis', or a folder.")
    kind, colon, weights = str(name).partition(":")
    if kind == "dis":
        check.one_of("flow after 'dis:'", weights or DisOptions.preset, PRESETS)
        return Dis(DisOptions(preset=weights or DisOptions.preset))
    if name == "farneback":
        return Farneback()
    if kind in ("raft", "raft-small"):
        from ikebook.base.weights import local
        from ikebook.flow.raft import DEFAULT, WEIGHTS, Raft, RaftOptions

        model = "raft_small" if kind == "raft-small" else "raft_large"
        local(weights if colon else DEFAULT, WEIGHTS[model])  # whether there are such weights
        return Raft(RaftOptions(model=model, weights=weights if colon else DEFAULT, half=half), device)
    folder = user_path(name)
    if not folder.is_dir():
        raise InputError(
            f"flow is {str(name)!r}; expected {', '.join(PROVIDERS)} or a folder with forward/*.flo and backward/*.flo."
        )
    return FlowFiles(folder)


def flow_source(name: str, role: str = "flow") -> Source:
    """Who computes a flow, and what taught them; for a folder, what its `source.json` says.

    Parameters
    ----------
    name : str
        A provider's name, or a folder.
    role : str, default "flow"
        "flow" or "feature flow".

    Returns
    -------
    Source
    """
    if is_provider(name):
        chosen = provider(name)
        known = getattr(chosen, "source", None)
        return known(role) if known is not None else Source(role=role, name=name, supervision=UNTRAINED)
    return read_note(user_path(name), role, name)
