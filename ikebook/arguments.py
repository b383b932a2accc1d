"""What the command line takes: commands, options, and what is said of them."""

from __future__ import annotations

import argparse
from typing import Any

import ikebook
from ikebook.datasets.download import BY_HAND, SOURCES


def parser() -> argparse.ArgumentParser:
    """The parser of `ikebook`; what it reads says in `command` which of them it is."""
    whole = argparse.ArgumentParser(
        prog="ikebook",
        description="Find the main object of a video without any label: space-time spectral clustering "
        "(Haller, Florea & Leordeanu, TPAMI 2022).",
        epilog="Start with 'ikebook demo'. 'ikebook COMMAND --help' tells more of each.",
    )
    whole.add_argument("--version", action="version", version=f"ikebook {ikebook.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    segment = commands.add_parser(
        "segment",
        help="a video or a folder of frames to masks",
        description="Segment the main object of a video. Writes OUT/masks/<frame>.png (0 and 255) and OUT/soft/<frame>.png "
        "at the video's own size, OUT/overlay.mp4, OUT/sheet.png and OUT/summary.json.",
    )
    segment.add_argument("input", metavar="INPUT", help="a video file, or a folder of images in natural order")
    segment.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    add_run_options(segment)
    where = add_where(segment, "parts")
    where.add_argument(
        "--parts",
        type=int,
        metavar="N",
        help="a very long video in parts of N frames, each on whichever worker is free: one graph with the exact solver. Writes "
        "OUT/masks/, OUT/soft/ and OUT/summary.json; run again, it goes on where it stopped",
    )
    segment.set_defaults(command="segment")

    demo = commands.add_parser(
        "demo",
        help="segment the embedded clip",
        description="Segment the embedded clip and compare with its exact mask. Needs no data and no network.",
    )
    demo.add_argument(
        "--out", default="ikebook-demo", metavar="DIR", help="folder for the results (default: %(default)s)"
    )
    demo.set_defaults(command="demo")

    evaluate = commands.add_parser(
        "evaluate",
        help="a data set to scores",
        description="Segment each sequence of a data set and score it by the data set's protocol. Writes OUT/results.json, "
        "OUT/results.csv and OUT/masks/<sequence>/<frame>.png. Run again with the same options, it goes on where it stopped. "
        "A sequence that can't be segmented is reported, and the others are finished; the exit code is then 3.",
    )
    evaluate.add_argument(
        "dataset", metavar="DATASET", help="davis2016, davis2017, segtrackv2, youtube-objects, davsod or fbms59"
    )
    evaluate.add_argument(
        "--root", required=True, metavar="DIR", help="folder that holds the data set (JPEGImages/, ...)"
    )
    evaluate.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    evaluate.add_argument("--sequences", metavar="A,B", help="only these sequences")
    evaluate.add_argument(
        "--masks", metavar="DIR", help="score the masks DIR/<sequence>/<frame>.png (above 127 is object) instead"
    )
    add_run_options(evaluate)
    add_where(evaluate, "sequences")
    evaluate.set_defaults(command="evaluate")

    report = commands.add_parser(
        "report",
        help="evaluations beside the paper's tables",
        description="Put the results of evaluations beside the paper's tables and other published numbers. Writes "
        "OUT/report.md with its pictures, and OUT/report.html, one file that needs nothing else.",
    )
    report.add_argument("results", metavar="RESULTS", nargs="+", help="folders that 'ikebook evaluate' has written")
    report.add_argument("--out", required=True, metavar="DIR", help="folder for the report")
    report.add_argument(
        "--no-frames",
        action="store_true",
        help="leave out the best and worst frames, which show pictures of the data set",
    )
    report.set_defaults(command="report")

    bench = commands.add_parser(
        "bench",
        help="what the eigenvector costs, in several ways",
        description="Time the exact solver, power iteration, sparse M with eigsh and with torch.lobpcg, and the authors' "
        "rule by scatter, side by side on one clip, each in a process of its own. Prints a table and writes OUT/bench.csv "
        "and OUT/bench.json. Leave the machine alone meanwhile.",
    )
    bench.add_argument(
        "input",
        metavar="INPUT",
        nargs="?",
        help="a video file, or a folder of images (default: the embedded clip, with its exact flow)",
    )
    bench.add_argument(
        "--out", default="ikebook-bench", metavar="DIR", help="folder for the results (default: %(default)s)"
    )
    bench.add_argument(
        "--frames",
        type=int,
        default=32,
        metavar="N",
        help="use the first N frames (default: %(default)s; with p = 15, in less than 31 every chain is cut short)",
    )
    bench.add_argument(
        "--size",
        default="auto",
        metavar="WxH",
        help="size the graph works at (default: 416x224, turned where frames are higher than wide)",
    )
    bench.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="rounds; the fastest counts (default: %(default)s)"
    )
    bench.add_argument(
        "--set",
        action="append",
        metavar="GROUP.OPTION=VALUE",
        help="an option of the graph, such as motion.radius=10; may be repeated. The preset is default with "
        "features.displacements=true, d = 27 columns",
    )
    bench.add_argument(
        "--curves",
        action="store_true",
        help="also time the exact solver against frames, pixels, p and d, on the embedded clip; takes minutes more. Writes "
        "OUT/curves.csv, OUT/curves.json and OUT/curves.png",
    )
    bench.set_defaults(command="bench")

    what = "run one of the paper's experiments on DAVIS 2016: its figure and its numbers"
    experiment = commands.add_parser("experiment", help=what, description=f"{what[0].upper()}{what[1:]}, in OUT.")
    experiment.add_argument(
        "name",
        metavar="NAME",
        help="initialisation (Fig. 6), window (Fig. 7), spectrum (Fig. 8) or cycles (Fig. 9, Table 3)",
    )
    experiment.add_argument("--root", required=True, metavar="DIR", help="folder that holds JPEGImages/, ...")
    experiment.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    experiment.add_argument("--sequences", metavar="A,B", help="only these (default: all; spectrum: car-roundabout)")
    experiment.add_argument("--size", metavar="WxH", help="the graph's (default: 208x112; spectrum: 16x16)")
    experiment.add_argument("--cue", metavar="DIR", help="spectrum: maps DIR/<sequence>/ that stand for good cues")
    experiment.set_defaults(command="experiment")

    lab = commands.add_parser(
        "lab",
        help="the course's notebooks, in JupyterLab",
        description="Copy the notebooks of the course into DIR and open JupyterLab there. Notebooks that are in DIR already "
        "stay as they are: your answers are never written over.",
    )
    lab.add_argument(
        "folder",
        nargs="?",
        default="ikebook-course",
        metavar="DIR",
        help="folder for the notebooks (default: %(default)s)",
    )
    lab.add_argument("--start", metavar="NUMBER", help="the notebook to open, such as 05 (default: the first)")
    lab.add_argument("--copy-only", action="store_true", help="copy the notebooks, and open nothing")
    lab.set_defaults(command="lab")

    page = commands.add_parser(
        "page",
        help="a notebook of the course as a page, without code",
        description="Serve a notebook of the course as a page without code, by Voila, until you stop it with Ctrl-C.",
    )
    page.add_argument("number", nargs="?", default="00", metavar="NUMBER", help="such as 05 (default: %(default)s)")
    page.set_defaults(command="page")

    data = commands.add_parser("data", help="list and fetch data sets", description="List and fetch data sets.")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what can be fetched", description="What can be fetched, and from where.")
    listing.set_defaults(command="data list")
    getting = actions.add_parser(
        "get",
        help="fetch one",
        description="Fetch a data set, check it and unpack it. Run again, it goes on where it stopped.",
    )
    getting.add_argument("name", metavar="NAME", help=", ".join([*SOURCES, *BY_HAND]))
    getting.add_argument("--root", required=True, metavar="DIR", help="folder to unpack to")
    getting.add_argument("--url", help="another address of the archive")
    getting.add_argument("--checksum", metavar="md5:... | sha256:... | none", help="another checksum of the archive")
    getting.set_defaults(command="data get")
    return whole


def add_where(parser: argparse.ArgumentParser, what: str) -> argparse._ArgumentGroup:
    """Add what says where to run, and give the group."""
    where = parser.add_argument_group("where to run (docs/cluster.md)")
    where.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help=f"N {what} side by side, each in a process of its own (needs ikebook[cluster])",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="on the workers of this Dask scheduler, such as tcp://host:8786, or of its scheduler file; they must see the input "
        "and OUT under the same paths (needs ikebook[cluster])",
    )
    where.add_argument(
        "--resources", metavar="NAME=AMOUNT", help="with --cluster, only on workers that have this, such as GPU=1"
    )
    where.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of each process (default: PyTorch's, shared among --workers). With equal numbers, networks are equal to "
        "the last bit; the graph is so anyway",
    )
    return where


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what `segment` and `evaluate` have in common: how to segment."""
    group = parser.add_argument_group("how to segment")
    actions: list[argparse.Action] = []

    def add(name: str, **options: Any) -> None:
        actions.append(group.add_argument(name, **options))

    add(
        "--preset",
        default="default",
        metavar="NAME",
        help="default (ours, solved exactly), paper (as printed) or released (as the authors' program runs)",
    )
    add(
        "--flow",
        default="dis",
        metavar="dis|farneback|raft|raft-small|DIR",
        help="who computes optical flow, or a folder with forward/*.flo and backward/*.flo (default: %(default)s; with "
        "evaluate, DIR/<sequence>/forward/*.flo). RAFT has weights from synthetic data; others are named after a colon: "
        "raft:C_T_SKHT_V2, or a file, raft:weights.pth",
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
        "vanish (default: half of the machine's; solvers other than exact need whole vectors in memory all the same)",
    )
    add("--no-cache", action="store_true", help="do not keep optical flow between runs")
    parser.set_defaults(run_actions=actions)
