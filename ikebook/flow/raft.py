"""RAFT, trained on synthetic data unless asked for otherwise.

Teed & Deng, ECCV 2020, doi:10.1007/978-3-030-58536-5_24. The paper computes its flow with it, trained on FlyingThings3D
(Sec. 7.2). torchvision's `C_T` weights have seen FlyingChairs and FlyingThings3D, and nothing else; those of the names
that go on with S, K, H, T were fine-tuned on data with measured or hand-made flow, and count as label-trained.
The large network is torchvision's. The small one is `ikebook.flow.raft_small`, which needs no torchvision and takes
torchvision's weights as well as those of RAFT's authors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ikebook.base import check
from ikebook.base.provenance import LABELS, SYNTHETIC, Source
from ikebook.base.tensors import on_device
from ikebook.base.weights import Known, Published, find, fingerprint, load, origin, torchvision_models
from ikebook.flow.pairwise import PairwiseFlow
from ikebook.flow.raft_small import RaftSmall, layer_name
from ikebook.video.clip import resize_area

DEFAULT = "C_T_V2"


def _published(model: str, hashes: dict[str, str]) -> dict[str, Published]:
    return {
        name: Published(
            name=name,
            url=f"https://download.pytorch.org/models/{model}_{name}-{digits}.pth",
            supervision=SYNTHETIC if name.startswith("C_T_V") else LABELS,
        )
        for name, digits in hashes.items()
    }


WEIGHTS = {
    "raft_large": _published(
        "raft_large",
        {
            "C_T_V1": "22a6c225",
            "C_T_V2": "1bb1363a",
            "C_T_SKHT_V1": "0b8c9e55",
            "C_T_SKHT_V2": "ff5fadd5",
            "C_T_SKHT_K_V1": "4a6a5039",
            "C_T_SKHT_K_V2": "b5c70766",
        },
    ),
    "raft_small": _published("raft_small", {"C_T_V1": "ad48884c", "C_T_V2": "01064c6d"}),
}
"""torchvision's weights by model and name."""

AUTHORS = (
    Known(
        name="C_T of RAFT's authors",
        sha256="c7d41b9cc88442bb8aa911dbb33086dac55a226394b142937ff22d5578717332",
        supervision=SYNTHETIC,
    ),
)
"""The authors' own `raft-small.pth`, trained on FlyingChairs and FlyingThings3D. Their archive has no address for one file."""

MULTIPLE = 8
"""RAFT's features are an eighth of the frame: its sides have to be multiples."""

SMALLEST_SIDE = 128
"""Smaller frames are enlarged: the fourth level of the correlation pyramid needs 16 cells of 8 pixels."""

LONGEST_SIDE = {"raft_large": 0, "raft_small": 640}
"""Where nothing else is asked for; 0: any. On two cores the small network needs seconds for a pair of this size."""


@dataclass(frozen=True, kw_only=True)
class RaftOptions:
    """Options of RAFT.

    Parameters
    ----------
    model : str, default "raft_large"
        "raft_large" or "raft_small".
    weights : str, default DEFAULT
        One of torchvision's names, or a file.
    updates : int, default 12
        Updates of the flow, each by the recurrent unit.
    max_height : int, default 480
        Taller frames are reduced to this many rows before, pixels.
    max_side : int, optional
        Frames whose longer side has more pixels are reduced to this many, and 0 are not. Default: 640 for "raft_small", which
        is for those who wait on a CPU, and 0 for "raft_large".
    half : bool, default False
        Half precision where it does little harm: float16 on a GPU, bfloat16 on a CPU.
    batch : int, default 0
        Pairs at a time; 0: one on a CPU, four on a GPU.
    """

    model: str = "raft_large"
    weights: str = DEFAULT
    updates: int = 12
    max_height: int = 480
    max_side: int | None = None
    half: bool = False
    batch: int = 0

    def __post_init__(self) -> None:
        check.one_of("RaftOptions.model", self.model, WEIGHTS)
        check.whole("RaftOptions.updates", self.updates, at_least=1, at_most=1000)
        check.whole("RaftOptions.max_height", self.max_height, at_least=SMALLEST_SIDE)
        if self.max_side:
            check.whole("RaftOptions.max_side", self.max_side, at_least=SMALLEST_SIDE)
        check.flag("RaftOptions.half", self.half)
        check.whole("RaftOptions.batch", self.batch)


class Raft(PairwiseFlow):
    """RAFT's flow of each pair of frames, both ways in one batch. Weights are fetched, or read, at the first pair."""

    def __init__(self, options: RaftOptions | None = None, device: torch.device | str = "cpu") -> None:
        self.options = options or RaftOptions()
        self.device = torch.device(device)
        self.name = self.options.model.replace("raft_large", "raft").replace("_", "-")
        super().__init__(self.options.max_height, SMALLEST_SIDE)
        limit = self.options.max_side
        self.max_side = LONGEST_SIDE[self.options.model] if limit is None else limit
        self._network: nn.Module | None = None

    def describe(self) -> str:
        o = self.options
        kept = {name: value for name, value in asdict(o).items() if name not in ("weights", "half", "batch")}
        kept["max_side"] = self.max_side
        return f"raft {kept} {self._precision()} weights {fingerprint(o.weights, WEIGHTS[o.model])}"

    def source(self, role: str = "flow") -> Source:
        """Who computes it, and what taught them."""
        known = AUTHORS if self.options.model == "raft_small" else ()
        return origin(self.options.weights, WEIGHTS[self.options.model], role, self.name, known)

    def network(self) -> nn.Module:
        """The network with its weights, on the device, ready to predict."""
        if self._network is None:
            o = self.options
            file = find(o.weights, WEIGHTS[o.model], f"--flow {self.name}")
            network: nn.Module
            if o.model == "raft_small":
                network = RaftSmall()
                load(network, file, layer_name)
            else:
                network = torchvision_models().optical_flow.raft_large(weights=None)
                load(network, file)
            self._network = network.to(self.device).eval()
        return self._network

    def pairs(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        batch = self.options.batch or (1 if self.device.type == "cpu" else 4)
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        previous: np.ndarray | None = None
        for frame in frames:
            fitted = self._fit(frame)
            if previous is not None:
                waiting.append((previous, fitted))
                if len(waiting) == batch:
                    yield from self._flows(waiting)
                    waiting = []
            previous = fitted
        if waiting:
            yield from self._flows(waiting)

    def _fit(self, frame: np.ndarray) -> np.ndarray:
        """A frame at the size that flow is computed at: its own, unless it is too large or too small."""
        h, w = frame.shape[:2]
        if not self.max_side or max(h, w) <= self.max_side:
            return super()._fit(frame)
        factor = min(self.max_side / max(h, w), self.max_height / h)
        w, h = (max(SMALLEST_SIDE, round(side * factor / MULTIPLE) * MULTIPLE) for side in (w, h))  # needs no margins
        return resize_area(frame, (w, h))

    def _flows(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Forward and backward fields (h, w, 2) of pairs of frames (h, w, 3)."""
        first, second = (
            on_device(torch.from_numpy(np.stack(frames)), self.device).movedim(-1, 1)
            for frames in zip(*pairs, strict=True)
        )  # each (b, 3, h, w) uint8
        flow = self._predict(torch.cat([first, second]), torch.cat([second, first]))  # (2b, 2, h, w)
        fields = flow.movedim(1, -1).cpu().numpy()
        yield from zip(fields[: len(pairs)], fields[len(pairs) :], strict=True)

    @torch.inference_mode()
    def _predict(self, start: Tensor, end: Tensor) -> Tensor:
        """Flow from each frame (b, 3, h, w) uint8 of the one batch to that of the other, (b, 2, h, w) float32."""
        h, w = start.shape[-2:]
        across, down = -w % MULTIPLE, -h % MULTIPLE
        margins = (across // 2, across - across // 2, down // 2, down - down // 2)
        network = self.network()

        def flow_of(start: Tensor, end: Tensor, half: bool) -> Tensor:
            images = (
                nn.functional.pad(frames.float() / 127.5 - 1, margins, mode="replicate") for frames in (start, end)
            )
            kind = torch.float16 if self.device.type == "cuda" else torch.bfloat16
            with torch.autocast(self.device.type, kind, enabled=half):
                flow = network(*images, num_flow_updates=self.options.updates)[-1]
            return flow[..., margins[2] : margins[2] + h, margins[0] : margins[0] + w].float()

        flow = flow_of(start, end, self.options.half)
        lost = ~flow.isfinite().flatten(1).all(1) if self.options.half else None
        if lost is not None and bool(lost.any()):  # half precision has run over: once more, in full
            flow[lost] = flow_of(start[lost], end[lost], half=False)
        return flow

    def _precision(self) -> str:
        if not self.options.half:
            return "float32"
        return "float16" if self.device.type == "cuda" else "bfloat16"
