"""What a run can be told, beside its input and its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ikebook.base import check
from ikebook.base.arrays import Memory
from ikebook.base.check import require
from ikebook.base.compute import Compute
from ikebook.base.machine import machine_memory, resident_memory
from ikebook.base.places import user_path
from ikebook.base.provenance import Source
from ikebook.cycle import CycleOptions
from ikebook.flow import FlowProvider, flow_source, is_provider, provider
from ikebook.graph.refine import RefineOptions
from ikebook.networks.pretrained import cue_source, is_network
from ikebook.video.clip import AUTO


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything that a run can be told, as the command line's options say it.

    Parameters
    ----------
    cycle : CycleOptions, default `CycleOptions(cycles=1)`
        Of graph and network; by default the graph alone.
    flow : str, default "dis"
        Who computes it, such as "dis", "farneback" or "raft" (see `ikebook.provider`), or a folder of .flo files.
    feature_flow : str or None, default None
        A second flow: M comes from `flow`, F from both (Table 1).
    half : bool, default False
        Networks that compute flow and cues in half precision.
    size : (int, int) or str, default "auto"
        Width and height that the graph works at, pixels; "auto" as in `ikebook.read_clip`.
    cues : sequence of str, default ()
        Folders of maps, or networks that compute them, such as "fcn" or "dino": more node features (Sec. 7.3).
    refine : RefineOptions or None, default None
        Masks drawn to the frames' edges, as a last step apart from the method; None: no such step.
    init : str or None, default None
        A mask that somebody has drawn, and its frame, such as "mask.png@00012": it says which eigenvector is the object.
    device : str, default "auto"
        "cpu", "cuda", or "auto": CUDA where there is one.
    cache : bool, default True
        Keep flow between runs.
    memory : int or None, default None
        Bytes that the process may take, about: arrays that would not fit go to disk; None: half of the machine's.
    measure : bool, default False
        Of clips in memory also tell the residual by one more product with A, which takes as long as the exact solver itself does.

    Raises
    ------
    InputError
        If a value can't be used; one line says how to mend it.

    Examples
    --------
    >>> RunOptions(flow="farneback", size=(208, 112)).as_dict()["size"]
    '208x112'
    """

    cycle: CycleOptions = field(default_factory=lambda: CycleOptions(cycles=1))
    flow: str = "dis"
    feature_flow: str | None = None
    half: bool = False
    size: tuple[int, int] | str = AUTO
    cues: Sequence[str] = ()
    refine: RefineOptions | None = None
    init: str | None = None
    device: str = "auto"
    cache: bool = True
    memory: int | None = None
    measure: bool = False

    def __post_init__(self) -> None:
        check.instance("RunOptions.cycle", self.cycle, CycleOptions)
        object.__setattr__(self, "flow", _at_home(self.flow))
        object.__setattr__(self, "feature_flow", None if self.feature_flow is None else _at_home(self.feature_flow))
        object.__setattr__(self, "cues", tuple(_at_home(cue) for cue in self.cues))
        if self.refine is not None:
            check.instance("RunOptions.refine", self.refine, RefineOptions)
        if self.memory is not None:
            check.whole("memory", self.memory, at_least=1)
        check.flag("half", self.half)
        check.flag("cache", self.cache)
        check.flag("measure", self.measure)
        check.one_of("device", self.device, ["auto", "cpu", "cuda"])
        require(
            self.device != "cuda" or torch.cuda.is_available(),
            "device is 'cuda', but this PyTorch finds no CUDA device; use 'cpu', or install a CUDA build of PyTorch.",
        )

    def as_dict(self) -> dict[str, Any]:
        """All options as plain values: two runs with equal ones are the same run."""
        drawn = {} if self.init is None else {"init": self.init}
        return drawn | {
            "flow": self.flow,
            "feature_flow": self.feature_flow,
            "half": self.half,
            "size": self.size if isinstance(self.size, str) else f"{self.size[0]}x{self.size[1]}",
            "cues": list(self.cues),
            "cycle": self.cycle.as_dict(),
            "refine": None if self.refine is None else asdict(self.refine),
            "sources": [source.as_dict() for source in self.sources()],
        }

    def sources(self) -> list[Source]:
        """Who computes flow and cues, and what taught them: no result goes without."""
        second = [] if self.feature_flow is None else [flow_source(self.feature_flow, "feature flow")]
        return [flow_source(self.flow), *second, *(cue_source(cue) for cue in self.cues)]

    def for_sequence(self, name: str) -> RunOptions:
        """The options for one sequence of a data set: of folders of flow and cues, those within that are called `name`."""

        def within(folder: str) -> str:
            return str(Path(folder) / name)

        second = self.feature_flow
        return replace(
            self,
            flow=self.flow if is_provider(self.flow) else within(self.flow),
            feature_flow=second if second is None or is_provider(second) else within(second),
            cues=[cue if is_network(cue) else within(cue) for cue in self.cues],
        )

    def with_absolute_paths(self) -> RunOptions:
        """The options as they can be used from any folder, by workers, say."""
        return replace(
            self,
            flow=_absolute(self.flow),
            feature_flow=None if self.feature_flow is None else _absolute(self.feature_flow),
            cues=[_absolute(cue) for cue in self.cues],
        )

    def provider(self) -> FlowProvider:
        """Who computes `flow`, on this device."""
        return provider(self.flow, device=self.torch_device(), half=self.half)

    def feature_provider(self) -> FlowProvider | None:
        """Who computes `feature_flow`, if anyone."""
        if self.feature_flow is None:
            return None
        return provider(self.feature_flow, device=self.torch_device(), half=self.half)

    def torch_device(self) -> str:
        """The device that `device` stands for here."""
        return ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device

    def compute(self, folder: Path | None = None) -> Compute:
        """Where a run computes: arrays get a third of the memory that is left, the rest being for the work on them.

        What does not fit goes to `folder`.
        """
        memory = self.memory or machine_memory() // 2
        limit = max(0, memory - resident_memory()) // 3 if memory else None
        return Compute(device=self.torch_device(), memory=Memory(limit, folder))


def _at_home(source: str) -> str:
    """A source of flow or cues, in which `~` at the beginning is the user's home."""
    return str(user_path(source)) if str(source).startswith("~") else source


def _absolute(source: str) -> str:
    """A source of flow or cues, with the path in it, if there is one, as it is called from any folder."""
    name, colon, weights = source.partition(":")
    if is_provider(source) or is_network(source):
        return f"{name}:{Path(weights).absolute()}" if colon and Path(weights).is_file() else source
    return str(Path(source).absolute())
