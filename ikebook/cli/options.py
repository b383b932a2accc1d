"""What the commands have in common: how a run's options are written as words, and read."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikebook.base import check
from ikebook.base.check import require

if TYPE_CHECKING:
    from ikebook.cycle import CycleOptions
    from ikebook.runs.options import RunOptions


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add how to segment, for `segment` and `evaluate`; `run_actions` of what is parsed lists these options."""
    group = parser.add_argument_group("how to segment")
    actions: list[argparse.Action] = []

    def add(name: str, **options: Any) -> None:
        actions.append(group.add_argument(name, **options))

    _add_inputs(add)
    _add_cycles(add)
    _add_computing(add)
    parser.set_defaults(run_actions=actions)


def _add_inputs(add: Callable[..., None]) -> None:
    """Add what the graph is made of."""
    add(
        "--preset",
        default="default",
        metavar="NAME",
        help="default (ours, solved exactly), saliency (the paper's graph on our feature), paper (as printed) or released (as the "
        "authors' program runs)",
    )
    add(
        "--flow",
        default="dis",
        metavar="dis|farneback|raft|raft-small|DIR",
        help="who computes optical flow, or a folder with forward/*.flo and backward/*.flo (default: %(default)s; with "
        "evaluate, DIR/<sequence>/forward/*.flo). dis:ultrafast takes a third of the time and is a little worse. RAFT has weights from synthetic data; others are named after a colon: "
        "raft:C_T_SKHT_V2, or a file, raft:weights.pth. raft-small:raft-small.pth reads the file of RAFT's authors, and needs "
        "no torchvision",
    )
    add(
        "--feature-flow",
        metavar="FLOW",
        help="a second flow, given like --flow: motion chains come from --flow alone, node features from both",
    )
    add(
        "--size",
        default="auto",
        metavar="WxH",
        help="size the graph works at (default: 416x224, turned where frames are higher than wide)",
    )
    add(
        "--cue",
        action="append",
        metavar="DIR|fcn|deeplab|dino|dino8",
        help="a map for each frame as further node features: 8-bit or 16-bit grey images, .npy or .pt (with evaluate, "
        "DIR/<sequence>/), or a network's: FCN and DeepLabv3 are trained on human labels, DINO is not. NAME:FILE takes "
        "weights from a file; may be repeated",
    )


def _add_cycles(add: Callable[..., None]) -> None:
    """Add what comes after the first graph."""
    add(
        "--cycles",
        type=int,
        default=1,
        metavar="N",
        help="graphs, at most; between them a network is trained on their masks (default: %(default)s, the graph alone)",
    )
    add(
        "--network",
        default="small",
        metavar="small|paper|none",
        help="the network trained between graphs; none: the graph's own masks come back (default: %(default)s)",
    )
    add(
        "--budget", metavar="TIME", help="end each training after this time, such as 60s or 2m (default: no such limit)"
    )
    add(
        "--refine",
        action="store_true",
        help="also draw the masks to the frames' edges, as a step apart from the method, into OUT/refined/",
    )


def _add_computing(add: Callable[..., None]) -> None:
    """Add how and where all of it is computed."""
    add("--half", action="store_true", help="networks that compute flow and cues in half precision")
    add("--device", default="auto", metavar="auto|cpu|cuda", help="where to compute (default: %(default)s)")
    add("--solver", metavar="exact|power|lanczos|lobpcg", help="how to find eigenvectors (default: the preset's)")
    add(
        "--set",
        action="append",
        metavar="GROUP.OPTION=VALUE",
        help="any other option of the graph, such as motion.radius=10 or masks.threshold=0.5, of the network, such as "
        "network.widths=8,16,32, of its training, such as training.steps=500, or of the edges that its predictions are drawn "
        "to, such as edges.luma=8; may be repeated",
    )
    add(
        "--memory",
        metavar="SIZE",
        help="memory to get along with, about, such as 800M or 1.5G: what does not fit goes to the disk, in files that "
        "vanish (default: half of the machine's, or of what a container, a job or the shell allows; solvers other than exact need whole vectors in memory all the same)",
    )
    add(
        "--measure",
        action="store_true",
        help="also measure the eigenpair's residual, by one more product with A, which takes as long as the exact solver",
    )
    add("--no-cache", action="store_true", help="do not keep optical flow between runs")


def run_options(options: argparse.Namespace) -> RunOptions:
    """The options of a run, from the command line's."""
    from ikebook.graph.presets import group_of, groups, override, preset
    from ikebook.graph.refine import RefineOptions
    from ikebook.runs.options import RunOptions

    graph, cycle = preset(options.preset), cycle_options(options)
    of_graph, of_cycle = groups(graph), [group for group in groups(cycle) if group != "graph"]
    assigned = {one: group_of(one, [*of_graph, *of_cycle]) for one in options.set or ()}
    solver = [f"solver.method={options.solver}"] if options.solver else []
    graph = override(graph, *solver, *(one for one, group in assigned.items() if group in of_graph))
    cycle = override(cycle, *(one for one, group in assigned.items() if group in of_cycle))
    return RunOptions(
        cycle=replace(cycle, graph=graph),
        flow=options.flow,
        feature_flow=options.feature_flow,
        half=options.half,
        size=working_size(options.size),
        cues=tuple(options.cue or ()),
        refine=RefineOptions() if options.refine else None,
        device=options.device,
        cache=not options.no_cache,
        memory=check.memory("--memory", options.memory) if options.memory else None,
        measure=options.measure,
    )


def cycle_options(options: argparse.Namespace) -> CycleOptions:
    """Cycles, network and the time to train it, from the command line's options."""
    from ikebook.cycle import CycleOptions
    from ikebook.networks.training import TrainOptions
    from ikebook.networks.unet import NETWORKS

    check.one_of("--network", options.network, [*NETWORKS, "none"])
    training = TrainOptions(budget=check.seconds("--budget", options.budget) if options.budget else None)
    return CycleOptions(cycles=options.cycles, network=NETWORKS.get(options.network), training=training)


def working_size(text: str) -> tuple[int, int] | str:
    """The working size that `--size` asks for."""
    from ikebook.video.clip import AUTO

    return AUTO if text == AUTO else check.size("--size", text)


def check_out(out: Path) -> None:
    """Fail before the work rather than after it."""
    for place in (out, *out.absolute().parents):
        require(
            place.exists() or not place.is_symlink(),
            f"--out {out}: {place} is a link that leads nowhere; name a folder.",
        )
    require(not out.exists() or out.is_dir(), f"--out {out} is a file; name a folder.")
    folder = next(place for place in (out, *out.absolute().parents) if place.exists())
    require(folder.is_dir(), f"--out {out} can't be made: {folder} is a file; name another folder.")
    require(os.access(folder, os.W_OK), f"--out {out} can't be written: no permission for {folder}.")
