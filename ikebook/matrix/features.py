"""Node features F, collected along motion chains (Sec. 4.1, Fig. 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ikebook.base import check
from ikebook.base.arrays import Array
from ikebook.base.check import require, short
from ikebook.base.threads import on_cores
from ikebook.matrix.chains import MotionChains, Trace
from ikebook.matrix.columns import Columns, FlowColumns, MeanColumns, Ones, StepColumns, cue_columns
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.operator import LinearOperator, full_precision

KEEP_BYTES = 1 << 29
"""Features of a clip are kept between products up to this size, where there is as much memory, else collected anew for each."""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What F collects along the chains (Secs. 4.1 and 4.2).

    Parameters
    ----------
    displacements : str, default "none"
        "steps": the displacements of the chain's own steps, 4 q columns; "flows": both flows of every pixel met, the node
        itself among them, 4 (2q + 1) columns, which is Fig. 3 taken literally; or "none".
    half_window : int, default 5
        q: steps of the chain that displacements are taken from, each way, frames.
    cue_window : int, default 3
        Steps of the chain that cues, among them the motion saliency, are taken from, each way, frames; the node itself
        counts too.
    mean : float or None, default None
        Beside each cue S also T S, its mean along the chains that M follows, weighed as they are but for a Gaussian of the time of
        this standard deviation, frames. Ours; None: no means.
    center : str, default "frame"
        "frame": subtract each frame's mean, so that no constant vector lies in the span; "video": subtract the clip's; or
        "none".
    scale : str, default "none"
        "minmax": columns come to [0, 1] over the clip, displacements by direction and axis; or "none".
    bias : bool, default False
        Append a column of ones.
    ends : str, default "mirror"
        What stands beyond the clip's ends: the other direction ("mirror"), or the last value there is ("hold").
    """

    displacements: str = "none"
    half_window: int = 5
    cue_window: int = 3
    mean: float | None = None
    center: str = "frame"
    scale: str = "none"
    bias: bool = False
    ends: str = "mirror"

    def reach(self, radius: int, *, cues: bool) -> int:
        """Frames that features depend on, each way, with cues or without, where chains are followed for `radius` steps.

        Those that the chain's steps lead to; and with "flows" one more, from which the flow of the last of them comes.
        """
        own = {"none": 0, "steps": self.half_window, "flows": self.half_window + 1}[self.displacements]
        return max(own, self.cue_window, 0 if self.mean is None else radius) if cues else own

    def __post_init__(self) -> None:
        check.one_of("FeatureOptions.displacements", self.displacements, ["none", "steps", "flows"])
        check.flag("FeatureOptions.bias", self.bias)
        check.whole("FeatureOptions.half_window", self.half_window, at_least=1, at_most=100)
        check.whole("FeatureOptions.cue_window", self.cue_window, at_most=100)
        if self.mean is not None:
            check.number("FeatureOptions.mean", self.mean, above=0)
        check.one_of("FeatureOptions.center", self.center, ["frame", "video", "none"])
        check.one_of("FeatureOptions.scale", self.scale, ["none", "minmax"])
        check.one_of("FeatureOptions.ends", self.ends, ["mirror", "hold"])


@dataclass(frozen=True, eq=False, kw_only=True)
class Cue:
    """A map that says something about each pixel: another network's soft output, earlier labels, a saliency (Sec. 7.3).

    Parameters
    ----------
    name : str
        What its columns of F are called.
    maps : (m, h, w) real
        One map for each frame, at the clip's working size: a tensor, or an array in memory or on disk.
    on_object : bool, default True
        Whether it is large on the object, so that it can tell an eigenvector's sign where nothing moves.

    Examples
    --------
    >>> import ikebook, numpy as np
    >>> made = ikebook.toy("disc")
    >>> guess = Cue(name="guess", maps=np.random.default_rng(0).random((5, 16, 16)))
    >>> ikebook.build(made.clip, made.flow, cues=[guess]).features.columns
    ('saliency[+0]', 'saliency mean', 'guess[+0]', 'guess mean')
    """

    name: str
    maps: Tensor | Array
    on_object: bool = True


def checked_cues(cues: Any) -> list[Cue]:
    """Cues as a list; raise unless they are `Cue`s."""
    found = [cues] if isinstance(cues, Cue) else cues
    require(
        isinstance(found, (list, tuple)) and all(isinstance(cue, Cue) for cue in found),
        f"cues is {short(cues)}; expected Cues, such as [ikebook.Cue(name='mine', maps=maps)] with maps (m, h, w).",
    )
    return list(found)


class FeatureMatrix(LinearOperator):
    """F, n x d: for each node, what lies along the chains through it.

    The columns are, in this order: displacements, for each flow; each cue at the nodes that the chain meets -r, ..., r frames
    away, and its mean along the chain; the bias (see `ikebook.matrix.columns`). `columns` names them. A chain that has ended contributes 0, before scaling and
    centring, but the step that left the frame counts. Where the clip has neither of two opposite frames, the last value along
    the chain stands in.

    Parameters
    ----------
    chains : MotionChains
        Of the clip's flow.
    options : FeatureOptions, optional
        What is collected.
    cues : sequence of Cue
        Maps (m, h, w) each.
    keep : int, optional
        Bytes of rows that are kept between products, if all of them fit, and half as many of the cues; by default some
        of the memory that the chains have.
    further : sequence of MotionChains
        Chains of other flows of the clip, whose displacements are collected beside those of `chains`, along their own
        chains (Table 1: M from one flow, F from two).
    motion : MotionMatrix, optional
        M, along whose chains the means of cues are taken; needed where `options.mean` asks for them.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    reach : int
        Steps of a chain whose positions `block` needs, each way.
    halo : int
        Frames ahead and behind that a row of F depends on, which the means along the chains make more.

    Examples
    --------
    >>> import ikebook
    >>> chains = MotionChains(ikebook.toy("disc").flow)
    >>> FeatureMatrix(chains, FeatureOptions(displacements="steps", half_window=1)).columns
    ('dx[+1]', 'dy[+1]', 'dx[-1]', 'dy[-1]')
    """

    def __init__(
        self,
        chains: MotionChains,
        options: FeatureOptions | None = None,
        cues: Sequence[Cue] = (),
        *,
        keep: int | None = None,
        further: Sequence[MotionChains] = (),
        motion: MotionMatrix | None = None,
    ) -> None:
        self.chains = chains
        self.options = check.or_default("options", options, FeatureOptions)
        self.cues = tuple(cues)
        grid = chains.grid
        for other in further:
            require(
                other.frames == chains.frames and other.grid.shape == grid.shape,
                f"a further flow has {other.frames} frames of {other.grid.w}x{other.grid.h}; expected {chains.frames} of "
                f"{grid.w}x{grid.h}, as the first.",
            )
        require(
            self.options.mean is None or motion is not None,
            f"FeatureOptions.mean is {self.options.mean}, but there is no M to take means along its chains; give motion=, or set "
            "it to None.",
        )
        keep = chains.compute.memory.share(KEEP_BYTES) if keep is None else keep
        self._kinds = self._columns([chains, *further], motion, keep)
        self.columns = tuple(name for kind in self._kinds for name in kind.names)
        require(
            len(self.columns) > 0, "F has no column; switch on displacements, the saliency or the bias, or give a cue."
        )
        self.reach = max(kind.reach for kind in self._kinds)
        self.halo = self.options.reach(0 if motion is None else motion.options.radius, cues=bool(self.cues))
        self._inside = grid.pad(torch.ones(grid.h, grid.w, dtype=chains.dtype, device=chains.device))
        self._mean: Tensor | None = None
        self._kept: dict[range, Tensor] = {}
        super().__init__((chains.frames * grid.pixels, len(self.columns)), chains.dtype, chains.device)
        size = chains.frames * grid.cells * len(self.columns) * torch.empty((), dtype=chains.dtype).element_size()
        self._small = size <= keep

    def _columns(self, flows: Sequence[MotionChains], motion: MotionMatrix | None, keep: int) -> list[Columns]:
        """What is collected, kind by kind; `keep` bytes in all for maps."""
        o = self.options
        kinds: list[Columns] = []
        maps = len(self.cues) * (1 if o.mean is None else 2) + 4 * len(flows) * (o.displacements == "flows")
        scaled, share = o.scale == "minmax", keep // (2 * max(1, maps))
        for number, flow in enumerate(flows, 1):
            mark = "" if number == 1 else str(number)
            if o.displacements == "steps":
                kinds.append(StepColumns(flow, o.half_window, o.ends, scaled=scaled, mark=mark))
            elif o.displacements == "flows":
                kinds.append(FlowColumns(flow, o.half_window, o.ends, scaled=scaled, keep=share, mark=mark))
        for cue in self.cues:
            along = cue_columns(self.chains, cue.name, cue.maps, o.cue_window, o.ends, scaled=scaled, keep=share)
            kinds.append(along)
            if motion is not None and o.mean is not None:
                kinds.append(MeanColumns(cue.name, along.cache, motion, o.mean, share))
        return [*kinds, Ones(self.chains)] if o.bias else kinds

    def block(self, trace: Trace, out: Tensor | None = None) -> Tensor:
        """The rows of F of consecutive frames, (b, cells, d), 0 on the border, from chains traced for `reach` steps or more.

        Parameters
        ----------
        trace : the frames' chains
        out : where to write them, (b, cells, d or more); columns beyond d stay as they are
        """
        planes = self.planes(trace)
        block = planes.permute(1, 2, 0)  # (b, cells, d)
        return block if out is None else out[..., : len(planes)].copy_(block)

    def planes(self, trace: Trace) -> Tensor:
        """`block` column by column, (d, b, cells): so sums and products go along the memory."""
        planes = self._collect(trace)
        if self.options.center == "none":
            return planes
        if self.options.center == "frame":
            mean = self._sums(planes) / self.chains.grid.pixels  # (d, b)
        else:
            mean = self._clip_mean().expand(-1, len(trace.frames))
        mean = mean.to(self.dtype)
        planes.addcmul_(self._inside, mean[..., None], value=-1)
        # Of a constant nothing must be left: as a column of its own, its rounding would count as much as any other.
        left = torch.maximum(planes.amax(-1), -planes.amin(-1))  # (d, b)
        planes *= (left > 32 * torch.finfo(self.dtype).eps * mean.abs())[..., None]
        return planes

    def _collect(self, trace: Trace) -> Tensor:
        """All columns before they are centred, (d, b, cells), 0 on the border."""
        planes = torch.stack([values for kind in self._kinds for values in kind.collect(trace)])
        framed = planes.view(*planes.shape[:2], *self.chains.grid.shape)
        for border in (framed[:, :, 0], framed[:, :, -1], framed[..., 0], framed[..., -1]):
            border.zero_()
        return planes

    def _sums(self, planes: Tensor) -> Tensor:
        """Sums of columns (d, b, cells) over each frame, (d, b) float64; 0 of the bias, which stays as it is.

        Each row of a frame is summed in the dtype, and the rows in float64, as in `Grid.inner`.
        """
        sums = planes.view(*planes.shape[:2], *self.chains.grid.shape).sum(-1).double().sum(-1)
        if self.options.bias:
            sums[-1] = 0
        return sums

    def _clip_mean(self) -> Tensor:
        """Each column's mean over the clip, (d, 1) float64, from one pass over it."""
        if self._mean is None:
            sums = on_cores(
                lambda frames: self._sums(self._collect(self.chains.trace(frames, self.reach))),
                self.chains.batches(),
                self.chains.compute,
            )
            self._mean = torch.cat(list(sums), dim=1).sum(1, keepdim=True) / self.shape[0]
        return self._mean

    def blocks(self, part: range | None = None, *, keep: bool = False) -> Iterator[tuple[range, Tensor]]:
        """The rows of F, (b, cells, d), and the b frames that they belong to, from the first to the last, or of a part.

        With `keep`, they are held for the next time if all of them fit into `keep` bytes.
        """
        cuts = () if part is None else (part.start, part.stop)
        batches = list(self.chains.batches(part, cuts))
        known = [frames for frames in batches if frames in self._kept]
        if known == batches:
            yield from ((frames, self._kept[frames]) for frames in batches)
            return

        def find(frames: range) -> Tensor:
            block = self._kept.get(frames)
            return self.block(self.chains.trace(frames, self.reach)) if block is None else block

        for frames, block in zip(batches, on_cores(find, batches, self.chains.compute), strict=True):
            if keep and self._small:
                self._kept[frames] = block
            yield frames, block

    def inner(self, maps: Callable[[range], Tensor], part: range | None = None) -> Tensor:
        """F_i'Y_i of each frame i, or of each in a part, for c maps Y_i, (m, d, c) float64.

        Parameters
        ----------
        maps : gives the maps (b, c, h, w) of consecutive frames
        part : frames; all if None
        """
        grid = self.chains.grid
        part = range(self.chains.frames) if part is None else part
        # All frames' in one array: a small tensor kept from each frame would split the heap.
        sums: Tensor | None = None
        with full_precision():
            for frames, block in self.blocks(part, keep=True):
                found = grid.inner(block, grid.pad(maps(frames).to(block)).mT.contiguous())  # (b, d, c)
                if sums is None:
                    sums = found.new_empty(len(part), *found.shape[1:])
                sums[frames.start - part.start : frames.stop - part.start] = found
        assert sums is not None
        return sums

    def combine(self, weights: Tensor) -> Iterator[Tensor]:
        """Labels F w frame by frame, (cells,), for weights of the clip (1, d), or of each frame (m, d)."""
        for frames, block in self.blocks(keep=True):
            own = weights if len(weights) == 1 else weights[frames.start : frames.stop]
            yield from (block @ own[..., None])[..., 0]

    def _matvec(self, x: Tensor) -> Tensor:
        labels = [block @ x for _, block in self.blocks()]  # each (b, cells)
        return self.chains.grid.crop(torch.cat(labels)).flatten()

    def _rmatvec(self, x: Tensor) -> Tensor:
        grid = self.chains.grid
        labels = grid.pad(x.view(-1, grid.h, grid.w))[..., None]  # (m, cells, 1)
        total = torch.zeros(self.shape[1], dtype=torch.float64, device=x.device)
        for frames, block in self.blocks():
            total += grid.inner(block, labels[frames.start : frames.stop]).sum(0)[:, 0]
        return total.to(x)

    def _dense(self) -> Tensor:
        grid = self.chains.grid
        return torch.cat([grid.crop(block.mT).flatten(2).mT.flatten(0, 1) for _, block in self.blocks()])


class CombinedFeatures(FeatureMatrix):
    """F T, n x r: F's columns in other combinations.

    Parameters
    ----------
    features : FeatureMatrix
        F.
    weights : (d, r), or (m, d, r)
        T, one for the clip, or one for each frame.
    """

    def __init__(self, features: FeatureMatrix, weights: Tensor) -> None:
        self.chains, self.features = features.chains, features
        self.weights = weights.to(features.device, features.dtype)
        self.columns = tuple(f"combination {k}" for k in range(weights.shape[-1]))
        self.reach, self.halo = features.reach, features.halo
        self._kept, self._small = {}, False
        LinearOperator.__init__(self, (features.shape[0], weights.shape[-1]), features.dtype, features.device)

    def block(self, trace: Trace, out: Tensor | None = None) -> Tensor:
        frames, r = trace.frames, self.shape[1]
        weights = self.weights if self.weights.ndim == 2 else self.weights[frames.start : frames.stop]
        rows = self.features.block(trace)
        if out is None:
            return rows @ weights
        # A product that writes whole rows, with zeros beyond r, into place; a copy of its own would take as long again.
        weights = nn.functional.pad(weights, (0, out.shape[-1] - r)).expand(len(frames), -1, -1)
        return torch.bmm(rows, weights, out=out)[..., :r]
