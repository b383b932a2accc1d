"""Against the limit: what each stage of a run has to move and to compute at the least, and how near to that it comes.

    OMP_NUM_THREADS=1 python tests/experiments/limits.py                      prints the page
    OMP_NUM_THREADS=1 python tests/experiments/limits.py --write docs/limits.md

Seconds are those of the processor, one thread's, so that what else the machine does counts little; but a busy machine has slower
caches, and the page says how busy it was. It takes some minutes. The clip is the embedded one, as JPEG files of 854x480, at a working size of 416x224.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import ikebook
from ikebook.base.compute import Compute
from ikebook.base.machine import machine
from ikebook.experiments.curves import fit_exponent
from ikebook.flow import Flow, compute_flow
from ikebook.graph.choice import choose, reference_maps
from ikebook.graph.graph_module import _labels, _soft, build
from ikebook.graph.presets import override, preset
from ikebook.graph.saliency import Evidence
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.columns import MeanColumns
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.likeness import ColourLikeness
from ikebook.networks.losses import knowledge_loss
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import new_network
from ikebook.solvers import reduced
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.reduced import _RecentFeatures, reduce
from ikebook.video.clip import Clip, read_clip

OWN = (854, 480)
BUSY = 1.5
"""Load of the machine, this program's own included, above which the page warns."""


# ------------------------------------------------------------------ the machine


def copy_rate(count: int, repeat: int = 5) -> float:
    """Bytes read and written a second, of so many numbers."""
    source = torch.ones(count)
    target = torch.zeros_like(source)
    return 2 * source.nbytes / best(lambda: target.copy_(source), repeat)


def product_rate(side: int, repeat: int = 3) -> float:
    """Operations a second of a float32 product."""
    a = torch.rand(side, side)
    return 2 * side**3 / best(lambda: a @ a, repeat)


def best(work: Callable[[], Any], repeat: int) -> float:
    """The least processor time of several."""
    work()
    found = []
    for _ in range(repeat):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


# ------------------------------------------------------------------ what is counted


class Counted(TorchDispatchMode):
    """Adds up what PyTorch's operations read and write, as they are called, and their results' elements, for each stage."""

    def __init__(self, stage: Callable[[], str]) -> None:
        super().__init__()
        self.stage = stage
        self.moved: dict[str, int] = defaultdict(int)
        self.elements: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
            made = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
            name = func._schema.name
            if name == "aten::index_select":
                read = made[0].nbytes + given[1].nbytes
            elif name.startswith("aten::_embedding_bag"):
                read = given[1].numel() * given[0].shape[1] * given[0].element_size() + sum(
                    one.nbytes for one in given[1:]
                )
            else:
                read = sum({(one.data_ptr(), one.shape): one.nbytes for one in given}.values())
            self.moved[self.stage()] += read + sum(one.nbytes for one in made)
            self.elements[self.stage()] += sum(one.numel() for one in made)
        return result


@dataclass
class Clock:
    """Processor seconds by stage; within a stage another may begin, whose time is not the first one's."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    open: list[str] = field(default_factory=list)
    since: float = 0.0

    @property
    def stage(self) -> str:
        return self.open[-1] if self.open else ""

    @contextmanager
    def within(self, stage: str) -> Iterator[None]:
        self._turn()
        self.open.append(stage)
        try:
            yield
        finally:
            self._turn()
            self.open.pop()

    def _turn(self) -> None:
        now = time.process_time()
        if self.open:
            self.seconds[self.open[-1]] += now - self.since
        self.since = now


PARTS: tuple[tuple[type, str, str], ...] = (
    (MotionChains, "trace", "chains"),
    (ColourLikeness, "compare", "likeness of colour"),
    (MeanColumns, "_means", "means along the chains"),
    (FeatureMatrix, "planes", "F, centred"),
    (_RecentFeatures, "propagate", "gathers of CF"),
    (_RecentFeatures, "inner", "G and B"),
)
"""Which methods are which parts of the pass."""


@contextmanager
def parts(clock: Clock) -> Iterator[None]:
    """The pass's parts on the clock."""
    before = {(owner, name): getattr(owner, name) for owner, name, _ in PARTS}
    for owner, name, stage in PARTS:

        def timed(*given: Any, method: Any = before[owner, name], stage: str = stage, **named: Any) -> Any:
            with clock.within(stage):
                return method(*given, **named)

        setattr(owner, name, functools.wraps(before[owner, name])(timed))
    try:
        yield
    finally:
        for (owner, name), method in before.items():
            setattr(owner, name, method)


def measured(work: Callable[[], Any], repeat: int) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
    """Least seconds, bytes and elements of each part of the pass; all else is "the rest"."""
    found: list[dict[str, float]] = []
    for _ in range(repeat):
        clock = Clock()
        with parts(clock), clock.within("the rest"):
            work()
        found.append(clock.seconds)
    clock = Clock()
    counted = Counted(lambda: clock.stage)
    with parts(clock), clock.within("the rest"), counted:
        work()
    least = {stage: min(one.get(stage, 0.0) for one in found) for stage in found[0]}
    return least, counted.moved, counted.elements


# ------------------------------------------------------------------ the stages


@dataclass
class Stage:
    """One line: seconds, bytes and operations of a frame (a step of the training: of a step).

    `least` is what goes in and comes out once; `moved` what the operations read and write as they are written, None where they
    are another library's.
    """

    name: str
    seconds: float
    least: float
    flops: float
    moved: float | None = None


def stages(frames: int, size: tuple[int, int], repeat: int) -> list[Stage]:
    """All stages of a run on the embedded clip."""
    made = ikebook.demo(frames, OWN if size[0] > 200 else (2 * size[0], 2 * size[1]))
    found: list[Stage] = []
    with tempfile.TemporaryDirectory() as place:
        clip, flow = read_and_flow(Path(place), made.clip, size, found, repeat)
    return found + graph(clip, flow, repeat) + [network(clip, repeat)]


def read_and_flow(
    folder: Path, clip: Clip, size: tuple[int, int], found: list[Stage], repeat: int
) -> tuple[Clip, Flow]:
    """Files to frames at the working size, and DIS."""
    w, h = clip.size
    stored = 0
    for index, frame in enumerate(clip.frames):
        file = folder / f"{index:05}.jpg"
        cv2.imwrite(str(file), frame[..., ::-1])
        stored += file.stat().st_size
    count, pixels, small = len(clip), w * h, size[0] * size[1]
    seconds = best(lambda: read_clip(folder, size), repeat) / count
    # By sample: 8 operations of a fast inverse cosine transform, of 1.5 samples a pixel; 12 of the conversion to RGB; 6 to reduce.
    found.append(Stage("read: decode and reduce", seconds, stored / count + 6 * pixels + 3 * small, 30 * pixels))
    read = read_clip(folder, size)
    flows: list[Flow] = []
    seconds = best(lambda: flows.append(compute_flow(read)), 1) / (count - 1)
    # DIS, preset medium, finest scale 0: patches of 64 pixels every 3, 25 descents of 16 operations a pixel; on all scales 4/3 of
    # it; both ways. Its refinement: 5 times 5 sweeps of about 30 operations a pixel.
    descent = ((w - 8) // 3 + 1) * ((h - 8) // 3 + 1) * 64 * 25 * 16
    found.append(
        Stage(
            "flow: DIS at 480p, both ways",
            seconds,
            2 * pixels + 16 * pixels + 16 * small,
            2 * 4 / 3 * (descent + 750 * pixels),
        )
    )
    return read, flows[-1]


def graph(clip: Clip, flow: Flow, repeat: int) -> list[Stage]:
    """Saliency, the parts of the pass, the small problem, and masks."""
    options = preset("default")
    m, pixels = len(clip), clip.size[0] * clip.size[1]
    maps: list[Any] = []
    found = [
        plain("saliency", lambda: maps.append(Evidence(clip.frames, flow, options.saliency).saliency()), m, repeat)
    ]
    # Both fields and the frame, what is measured of them written and read again, and the map.
    found[0].least = (16 + 3 + 2 * 12 + 3 + 4) * pixels

    def fresh() -> FeatureMotion:
        return build(clip, flow, saliency=maps[-1], options=options)

    found += the_pass(fresh, m, repeat)
    matrix = fresh()
    pairs = exact(matrix, SolverOptions(measure=False))
    d = matrix.features.shape[1]
    reduced = reduce(matrix.motion, matrix.features)
    small = best(lambda: torch.linalg.eigh(reduced.motion, UPLO="L"), repeat) / m
    found.append(Stage("the small problem, d x d", small, 2 * 8 * d * d / m, 10 * d**3 / m))
    reference = reference_maps(clip, [flow], matrix.saliency, [], Compute())

    def masks() -> None:
        chosen, sign = choose(pairs, reference, options)
        _soft(clip, _labels(pairs, chosen, sign), options, Compute())

    found.append(plain("choice and masks", masks, m, repeat))
    found[-1].least = (2 * 4 * d + 4 + 4) * pixels
    return found


def plain(name: str, work: Callable[[], Any], count: int, repeat: int) -> Stage:
    """A stage of PyTorch's operations, of so many frames; what it has to move is left to whoever knows it."""
    seconds = best(work, repeat) / count
    counted = Counted(lambda: "")
    with counted, FlopCounterMode(display=False) as flops:
        work()
    return Stage(
        name, seconds, 0.0, (counted.elements[""] + flops.get_total_flops()) / count, counted.moved[""] / count
    )


def the_pass(fresh: Callable[[], FeatureMotion], m: int, repeat: int) -> list[Stage]:
    """The parts of the pass, from flow to G and B."""
    matrix = fresh()
    d, cells = matrix.features.shape[1], matrix.motion.chains.grid.cells
    steps = steps_a_frame(m, matrix.motion.options.radius)
    matrices = iter([fresh() for _ in range(repeat + 1)])

    def work() -> None:
        one = next(matrices)
        reduce(one.motion, one.features)

    seconds, moved, elements = measured(work, repeat)
    least = {
        # Of each step: the flow where it leads (8 bytes), and the cell that is met (4).
        "chains": steps * (8 + 4),
        # Cell, three numbers of colour, and the likeness; a cell's own colour once each way.
        "likeness of colour": steps * (4 + 12 + 4) + 2 * 12,
        # Cell, likeness, and the map there; its mean.
        "means along the chains": steps * (4 + 4 + 4) + 4,
        "F, centred": 2 * 4 * d,
        # Cell, weight, and d numbers; d sums each way.
        "gathers of CF": steps * (4 + 4 + 4 * d) + 2 * 4 * d,
        "G and B": 5 * 4 * d,
        "the rest": 4 * d,
    }
    flops = {"chains": 2, "likeness of colour": 9, "means along the chains": 4, "gathers of CF": 2 * d}
    found = []
    for stage, bytes_ in least.items():
        operations = flops.get(stage, 0) * steps * cells + (3 * 2 * d * d * cells if stage == "G and B" else 0)
        found.append(
            Stage(stage, seconds[stage] / m, bytes_ * cells, operations or elements[stage] / m, moved[stage] / m)
        )
    return found


def steps_a_frame(frames: int, radius: int) -> float:
    """Steps of the chains, both ways, of a frame in the mean: a chain ends with the clip."""
    return sum(min(radius, frame) + min(radius, frames - 1 - frame) for frame in range(frames)) / frames


def network(clip: Clip, repeat: int) -> Stage:
    """One step of the default training."""
    o = TrainOptions()
    model = new_network().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=o.rate, weight_decay=o.decay, fused=True)
    images, targets = torch.from_numpy(clip.frames[: o.batch]), torch.rand(o.batch, *clip.frames.shape[1:3])

    def step() -> None:
        optimizer.zero_grad()
        knowledge_loss(model(images), targets, o.cross_weight, o.dice_weight).backward()
        optimizer.step()

    found = plain("a step of the network's training", step, 1, repeat)
    weights = sum(one.numel() for one in model.parameters())
    # Weights read twice, gradients written and read, and with both moments all three read and written; frames and masks.
    found.least = 4 * weights * (2 + 2 + 6) + images.nbytes + targets.nbytes
    return found


# ------------------------------------------------------------------ what p costs

BASE = 5
"""The p whose seconds are taken off the others': what does not hang on p is in it."""

RECIPES = {
    "the default, d = 2": (),
    "displacements, d = 20": ("features.displacements=steps", "saliency=none"),
}


def radii(values: Sequence[int], frames: int, size: tuple[int, int], repeat: int) -> list[dict[str, Any]]:
    """Seconds of a frame in the pass and its parts, for several p, and with all steps fetched at once; points take turns."""
    made = ikebook.demo(frames, size)
    known: dict[tuple[str, str, int], dict[str, float]] = {}
    saliency = Evidence(made.clip.frames, made.flow, preset("default").saliency).saliency()
    together = {f"{reduced.AT_ONCE} at a time": reduced.AT_ONCE, "all at once": 1 << 30}
    for _, kind, p, way in itertools.product(range(repeat), RECIPES, (BASE, *values), together):
        options = override(preset("default"), *RECIPES[kind], f"motion.radius={p}")
        maps = None if options.saliency is None else saliency
        matrix = build(made.clip, made.flow, saliency=maps, options=options)
        clock, usual = Clock(), reduced.AT_ONCE
        reduced.AT_ONCE = together[way]
        try:
            with parts(clock), clock.within("the rest"):
                reduce(matrix.motion, matrix.features)
        finally:
            reduced.AT_ONCE = usual
        least = known.setdefault((kind, way, p), dict(clock.seconds))
        for stage, seconds in clock.seconds.items():
            least[stage] = min(least[stage], seconds)
    return [
        {"kind": kind, "way": way, "p": p, "steps": steps_a_frame(frames, p)}
        | {stage: one / frames for stage, one in seconds.items()}
        for (kind, way, p), seconds in known.items()
    ]


def exponent(rows: Sequence[dict[str, Any]], stages_: Sequence[str]) -> float:
    """With which power of the steps beyond those of `BASE` the seconds beyond it grow."""
    base = next(row for row in rows if row["p"] == BASE)
    rest = [row for row in rows if row["p"] != BASE]
    steps = [row["steps"] - base["steps"] for row in rest]
    seconds = [sum(row[stage] - base[stage] for stage in stages_) for row in rest]
    kept = [(x, y) for x, y in zip(steps, seconds, strict=True) if y > 0]
    return fit_exponent(*zip(*kept, strict=True))[0] if len(kept) > 1 else float("nan")


# ------------------------------------------------------------------ the page


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|---|{'---:|' * (len(head) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def number(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return ""
    return f"{value:.3g}" if 0 < abs(value) < 100 else f"{value:.0f}"


def stage_table(found: Sequence[Stage], copy: float, product: float) -> list[str]:
    """Stages against both limits."""
    rows = []
    for one in found:
        limit = max(one.least / copy, one.flops / product)
        rows.append(
            [
                one.name,
                number(1e3 * one.seconds),
                number(one.least / 1e6),
                number(one.flops / 1e6),
                number(1e3 * limit) + (" bytes" if one.least / copy >= one.flops / product else " operations"),
                f"{100 * limit / one.seconds:.1f}%" if one.seconds else "",
                number(None if one.moved is None else one.moved / 1e6),
                "" if one.moved is None or not one.seconds else f"{100 * one.moved / one.seconds / copy:.0f}%",
            ]
        )
    head = (
        "stage",
        "ms",
        "MB at least",
        "million operations",
        "limit, ms",
        "share",
        "MB as written",
        "of a copy's rate",
    )
    return table(head, rows)


GROWING = ("chains", "likeness of colour", "means along the chains", "gathers of CF")
"""Parts whose work is so much for each step."""


def radius_tables(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Microseconds of each step, by part; and the exponents."""
    lines: list[str] = []
    for kind, way in itertools.product(*(dict.fromkeys(row[name] for row in rows) for name in ("kind", "way"))):
        chosen = [row for row in rows if (row["kind"], row["way"]) == (kind, way)]
        names = [name for name in GROWING if name in chosen[0]]
        everything = [name for name in chosen[0] if name not in ("kind", "way", "p", "steps")]
        body = []
        for row in chosen:
            parts_ = [f"{1e6 * row[name] / row['steps']:.0f}" for name in names]
            whole = 1e3 * sum(row[name] for name in everything)
            body.append([str(row["p"]), f"{row['steps']:.1f}", *parts_, f"{whole:.1f}"])
        exponents = [f"{exponent(chosen, one):.2f}" for one in (*([name] for name in names), everything)]
        body.append(["exponent", "", *exponents])
        lines += [f"{kind[0].upper()}{kind[1:]}; rows of F fetched {way}; microseconds of a step:", ""]
        lines += table(("p", "steps of a frame", *names, "the whole pass, ms a frame"), body)
    return lines


def page(given: argparse.Namespace) -> list[str]:
    """Everything, measured now."""
    about = machine()
    load = about["load_average"] or 0.0
    size, small = ((52, 28), (52, 28)) if given.small else ((416, 224), (208, 112))
    copy, product = copy_rate(1 << 20 if given.small else 1 << 26), product_rate(128 if given.small else 1536)
    found = stages(given.frames, size, given.repeat)
    rows = radii([int(p) for p in given.radii.split(",")], given.radius_frames, small, given.repeat)
    last = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = [
        f"> **The machine was busy: its load was {load:.1f} at the beginning and {last:.1f} at the end. Shares and exponents are those",
        "> of crowded caches; run the command again when nothing else runs.**",
        "",
    ]
    head = " ".join(
        f"--{name.replace('_', '-')} {value}"
        for name, value in (
            ("frames", given.frames),
            ("repeat", given.repeat),
            ("radii", given.radii),
            ("radius_frames", given.radius_frames),
        )
    )
    return [
        *TITLE,
        f"    OMP_NUM_THREADS=1 python tests/experiments/limits.py --write docs/limits.md {head}",
        "",
        f"{about['cpu']}, {about['threads']} of {about['cores']} cores, load {load:.1f}, {about['date'][:10]}, "
        + ", ".join(f"{name} {about['versions'][name]}" for name in ("ikebook", "python", "torch", "numpy", "opencv"))
        + f". A copy reads and writes **{copy / 1e9:.1f} GB/s**, a float32 product of matrices does **{product / 1e9:.0f} "
        "billion operations a second**, both with that many threads.",
        "",
        *(busy if max(load, last) > BUSY and not given.quiet else []),
        *STAGES_ARE,
        *stage_table(found, copy, product),
        *WHAT_THEY_SAY,
        *P_COSTS,
        *radius_tables(rows),
    ]


TITLE = [
    "# Against the limit",
    "",
    "What each stage of a run has to move and to compute at the least, what this machine could do that in, and which share of that is",
    "reached. Every number of this page, and the page itself, is written by",
    "",
]

STAGES_ARE = [
    "The embedded clip, as JPEG files of 854x480, at 416x224: for a frame, and for one step of the training.",
    "",
]

WHAT_THEY_SAY = [
    "- *MB at least*: what goes in and comes out of a stage, once. Of what is gathered along chains, each number that is read counts,",
    "  however near it lies to the last; a cache line of 64 bytes around it does not.",
    "- *Operations*: products count two for each pair of numbers, all else one for each result; in the pass only what its formulas ask",
    "  for. Of DIS and of the JPEG decoder they are estimated from their patches and transforms (the script says how).",
    "- *Limit*: the longer of both, at the rates above. A gather can't move as many bytes as a copy, nor a logarithm be had for one",
    "  operation, so no stage comes near to all of it.",
    "- *MB as written*: what the operations of PyTorch read and write, called one after the other: what lies between two of them goes",
    "  to memory, or to a cache, and comes back. The last column is its rate: near to a copy's, only fewer operations would help.",
    "",
]

P_COSTS = [
    "## What p costs",
    "",
    "The pass on the embedded clip at half the size, for several p. The exponent is that of the seconds beyond those of p = 5, in steps",
    "beyond those of p = 5; a chain ends with the clip, so steps are counted. Each part's cost of a step is about the same whatever p is,",
    "but for the gathers where all steps are fetched at once: the solver's sum for a pixel then reads from as many frames as there are",
    "steps, each in a place of its own, and a processor follows some 16 such places at once. It has therefore been taken for 15 steps",
    "at a time since 2026-11-28, which for p of 15 or less is what it was.",
    "",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=32, help="of the clip (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="of each; the least counts (default: %(default)s)")
    parser.add_argument("--radii", default="10,15,20,30,40", help="values of p (default: %(default)s)")
    parser.add_argument(
        "--radius-frames", type=int, default=84, help="frames of the clip for them (default: %(default)s)"
    )
    parser.add_argument("--small", action="store_true", help="a rehearsal on a clip of 52x28")
    parser.add_argument("--quiet", action="store_true", help="without the warning of a busy machine")
    parser.add_argument("--write", type=Path, help="the page")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    lines = page(given)
    if given.write:
        given.write.write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
