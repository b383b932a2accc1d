"""The command line: `ikebook segment`, `demo`, `evaluate`, `bench`, `experiment`, `data`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import ikebook
from ikebook import check
from ikebook.check import InputError, require
from ikebook.datasets.download import SOURCES, fetch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for a wrong input, 130 when stopped by Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()  # here, where a reader that has gone is caught, and not when Python ends
    except InputError as error:
        code, message = 2, str(error)
    except KeyboardInterrupt:
        code, message = 130, "stopped; what was finished is kept, and nothing is half-written."
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a name too long, no permission, a disk that is full
        where = error.filename2 or error.filename
        reason = f"{where}: {error.strerror}" if where else error.strerror or str(error)
        code, message = 2, f"{reason}. Check the path, its permissions and the space left."
    except (MemoryError, RuntimeError) as error:  # PyTorch has an error of its own for each device
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        code, message = 2, "there is not enough memory for this; give a smaller --size or a shorter clip."
    else:
        return 0
    # The error is gone by now, and so is the progress bar that stood on this line as long as the error held it.
    print("ikebook:", " ".join(message.splitlines()), file=sys.stderr)
    return code


def _segment(options: argparse.Namespace) -> None:
    from ikebook.clip import read_clip
    from ikebook.flow import provider
    from ikebook.run import CHECKPOINTS, run, write_results

    run_options, out = _run_options(options), Path(options.out)
    _check_out(out)
    written = {place.resolve() for place in (out, out / "masks", out / "soft", out / "overlay.mp4")}
    require(
        Path(options.input).resolve() not in written,
        f"--out {out} would write over {options.input}; name another folder.",
    )
    source = provider(run_options.flow)
    begin = time.perf_counter()
    with tqdm(desc=f"reading {options.input}", bar_format="{desc}", file=sys.stderr, leave=False, disable=None):
        room = run_options.room(out)
        clip = read_clip(options.input, run_options.size, room=room)
    read = {"read": time.perf_counter() - begin}
    outcome = run(clip, source, run_options, _bar, room, checkpoints=out / CHECKPOINTS)
    outcome = replace(outcome, seconds=read | outcome.seconds)
    summary = write_results(out, clip, outcome, run_options, _bar)
    _show(summary)
    print(f"Written to {out}: masks/, soft/, overlay.mp4, sheet.png, summary.json")


def _demo(options: argparse.Namespace) -> None:
    import numpy as np

    from ikebook.flow import provider
    from ikebook.metrics import region_similarity
    from ikebook.run import RunOptions, run, write_results
    from ikebook.toys import demo

    out = Path(options.out)
    _check_out(out)
    begin = time.perf_counter()
    clip = demo().clip
    made = {"compose": time.perf_counter() - begin}
    _say(f"the embedded clip: {len(clip)} frames of {clip.size[0]}x{clip.size[1]}")
    run_options = RunOptions(cache=False)
    blind = replace(clip, masks=None)  # what segments the clip does not get to see its masks
    outcome = run(blind, provider("dis"), run_options, _bar)
    outcome = replace(outcome, seconds=made | outcome.seconds)
    summary = write_results(out, blind, outcome, run_options, _bar)
    assert clip.masks is not None
    scores = [region_similarity(mask, truth) for mask, truth in zip(outcome.result.masks, clip.masks, strict=True)]
    print(f"J against the exact mask: {np.mean(scores):.3f} (mean of {len(scores)} frames, {min(scores):.3f} at least)")
    _show(summary)
    print(f"Look at {out / 'sheet.png'} and {out / 'overlay.mp4'}")


def _evaluate(options: argparse.Namespace) -> None:
    from ikebook.datasets import open_dataset
    from ikebook.evaluate import cycles_table, evaluate, evaluate_masks, table

    dataset, out = open_dataset(options.dataset, options.root), Path(options.out)
    _check_out(out)
    sequences = options.sequences.split(",") if options.sequences else None

    def report(name: str, entry: dict[str, Any]) -> None:
        score = (
            "not scored" if entry["J_mean"] is None else f"J {100 * entry['J_mean']:.1f}  F {100 * entry['F_mean']:.1f}"
        )
        _say(f"{name}: {score}")

    if options.masks:
        given = [
            action.option_strings[0]
            for action in options.run_actions
            if getattr(options, action.dest) != action.default
        ]
        require(not given, f"{', '.join(given)}: of no use with --masks, which scores masks as they are; leave it out.")
        results = evaluate_masks(dataset, Path(options.masks), out, sequences, report=report)
    else:
        results = evaluate(dataset, out, _run_options(options), sequences, progress=_bar, report=report)
    print(table(results))
    if halves := cycles_table(results):
        print(f"\n{halves}")
    print(f"Written to {out}: results.json, results.csv" + ("" if options.masks else ", cycles.csv, masks/"))


def _bench(options: argparse.Namespace) -> None:
    from ikebook import bench, curves
    from ikebook.clip import AUTO, WORKING_SIZE, read_clip
    from ikebook.flow import FlowCache, compute_flow, provider
    from ikebook.presets import override, preset
    from ikebook.toys import demo

    graph = override(preset("default"), *bench.RECIPE, *(options.set or ()))
    out, count = Path(options.out), options.frames
    check.whole("--frames", count, at_least=2)
    check.whole("--repeat", options.repeat, at_least=1)
    size = _size(options.size)
    _check_out(out)
    if options.input is None:
        made = demo(count, WORKING_SIZE if size == AUTO else size)
        clip, flow = made.clip, made.flow
    else:
        clip = read_clip(options.input, size).first(count)
        flow = compute_flow(clip, provider("dis"), cache=FlowCache(), progress=_bar("flow", len(clip) - 1))
    results = bench.bench(clip, flow, graph, repeat=options.repeat, say=_say)
    bench.write_bench(out, results)
    print(bench.table(results))
    written = "bench.csv, bench.json"
    if options.curves:
        rows = curves.curves(options.set or (), repeat=options.repeat + 1, say=_say)
        curves.write_curves(out, rows)
        for name, exponents in curves.fits(rows).items():
            print(f"{name}: time grows with exponent {exponents['total_s']:.2f}, memory {exponents['added_bytes']:.2f}")
        written += ", curves.csv, curves.json, curves.png"
    print(f"Written to {out}: {written}")


def _experiment(options: argparse.Namespace) -> None:
    from ikebook.experiments import perform

    out = Path(options.out)
    _check_out(out)
    print(perform(options.name, options.root, out, options.sequences, options.size, options.cue, _say))


def _data_list(_: argparse.Namespace) -> None:
    for name, source in SOURCES.items():
        print(f"{name}\n  {source.title}\n  {source.size} from {source.url}\n  {source.checksum}\n  {source.note}")
    print("demo\n  The embedded clip: 'ikebook demo', or ikebook.toys.demo() in Python; nothing to fetch")


def _data_get(options: argparse.Namespace) -> None:
    with tqdm(desc=options.name, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=None) as bar:

        def show(there: int, total: int) -> None:
            bar.total = total or None
            bar.update(there - bar.n)

        root = fetch(options.name, Path(options.root), url=options.url, checksum=options.checksum, progress=show)
    print(f"{options.name} lies in {root}. Try: ikebook evaluate {options.name} --root {root} --out results")


def _run_options(options: argparse.Namespace) -> Any:
    """The options of a run, from the command line's."""
    from ikebook.presets import group_of, groups, override, preset
    from ikebook.refine import RefineOptions
    from ikebook.run import RunOptions

    graph, cycle = preset(options.preset), _cycle_options(options)
    known = [*groups(graph), *groups(cycle)]
    assigned = options.set or ()
    solver = [f"solver.method={options.solver}"] if options.solver else []
    return RunOptions(
        graph=override(graph, *solver, *(one for one in assigned if group_of(one, known) in groups(graph))),
        cycle=override(cycle, *(one for one in assigned if group_of(one, known) in groups(cycle))),
        flow=options.flow,
        size=_size(options.size),
        cues=tuple(options.cue or ()),
        refine=RefineOptions() if options.refine else None,
        device=options.device,
        cache=not options.no_cache,
        memory=check.memory("--memory", options.memory) if options.memory else None,
    )


def _cycle_options(options: argparse.Namespace) -> Any:
    """Cycles, network and the time to train it, from the command line's options."""
    from ikebook.cycle import CycleOptions
    from ikebook.network import NETWORKS
    from ikebook.train import TrainOptions

    check.one_of("--network", options.network, [*NETWORKS, "none"])
    training = TrainOptions(budget=check.seconds("--budget", options.budget) if options.budget else None)
    return CycleOptions(cycles=options.cycles, network=NETWORKS.get(options.network), training=training)


def _size(text: str) -> tuple[int, int] | str:
    """The working size that `--size` asks for."""
    from ikebook.clip import AUTO

    return AUTO if text == AUTO else check.size("--size", text)


def _check_out(out: Path) -> None:
    """Fail before the work rather than after it."""
    require(not out.exists() or out.is_dir(), f"--out {out} is a file; name a folder.")
    folder = next(place for place in (out, *out.absolute().parents) if place.exists())
    require(folder.is_dir(), f"--out {out} can't be made: {folder} is a file; name another folder.")
    require(os.access(folder, os.W_OK), f"--out {out} can't be written: no permission for {folder}.")


def _show(summary: dict[str, Any]) -> None:
    """Print what a run found and how long it took."""
    values = [f"{value:.4g}" for value in summary["eigenvalues"] if value is not None]
    if values:
        print(
            f"first {len(values)} eigenvalues: {'  '.join(values)}" if len(values) > 1 else f"eigenvalue: {values[0]}"
        )
        if summary["eigengap"] is not None:
            ratio = summary["eigenvalue_ratio"]
            print(f"eigengap: {summary['eigengap']:.4g} (the nearest eigenvalue is {ratio:.2f} of the object's)")
    print("seconds: " + "  ".join(f"{stage} {spent:.1f}" for stage, spent in summary["seconds"].items()))
    for warning in summary["warnings"]:
        print(f"ikebook: note: {warning}", file=sys.stderr)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _bar(stage: str, steps: int) -> Iterator[None]:
    """A progress bar on stderr, if that is a terminal, advanced by taking from it."""

    def advance() -> Iterable[None]:
        for _ in tqdm(range(steps), desc=stage, file=sys.stderr, leave=False, disable=None, dynamic_ncols=True):
            yield None

    return iter(advance())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ikebook",
        description="Find the main object of a video without any label: space-time spectral clustering "
        "(Haller, Florea & Leordeanu, TPAMI 2022).",
        epilog="Start with 'ikebook demo'. 'ikebook COMMAND --help' tells more of each.",
    )
    parser.add_argument("--version", action="version", version=f"ikebook {ikebook.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    segment = commands.add_parser(
        "segment",
        help="a video or a folder of frames to masks",
        description="Segment the main object of a video. Writes OUT/masks/<frame>.png (0 and 255) and OUT/soft/<frame>.png "
        "at the video's own size, OUT/overlay.mp4, OUT/sheet.png and OUT/summary.json.",
    )
    segment.add_argument("input", metavar="INPUT", help="a video file, or a folder of images in natural order")
    segment.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    _add_run_options(segment)
    segment.set_defaults(command=_segment)

    demo = commands.add_parser(
        "demo",
        help="segment the embedded clip",
        description="Segment the embedded clip and compare with its exact mask. Needs no data and no network.",
    )
    demo.add_argument(
        "--out", default="ikebook-demo", metavar="DIR", help="folder for the results (default: %(default)s)"
    )
    demo.set_defaults(command=_demo)

    evaluate = commands.add_parser(
        "evaluate",
        help="a data set to scores",
        description="Segment each sequence of a data set and score it by the DAVIS 2016 rule. Writes OUT/results.json, "
        "OUT/results.csv and OUT/masks/<sequence>/<frame>.png. Run again with the same options, it goes on where it stopped.",
    )
    evaluate.add_argument("dataset", metavar="DATASET", help="davis2016")
    evaluate.add_argument(
        "--root", required=True, metavar="DIR", help="folder that holds the data set (JPEGImages/, ...)"
    )
    evaluate.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    evaluate.add_argument("--sequences", metavar="A,B", help="only these sequences")
    evaluate.add_argument(
        "--masks", metavar="DIR", help="score the masks DIR/<sequence>/<frame>.png (above 127 is object) instead"
    )
    _add_run_options(evaluate)
    evaluate.set_defaults(command=_evaluate)

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
    bench.set_defaults(command=_bench)

    what = "run one of the paper's experiments on DAVIS 2016: its figure and its numbers"
    experiment = commands.add_parser("experiment", help=what, description=f"{what[0].upper()}{what[1:]}, in OUT.")
    experiment.add_argument(
        "name", metavar="NAME", help="initialisation (Fig. 6), window (Fig. 7) or spectrum (Fig. 8)"
    )
    experiment.add_argument("--root", required=True, metavar="DIR", help="folder that holds JPEGImages/, ...")
    experiment.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    experiment.add_argument("--sequences", metavar="A,B", help="only these (default: all; spectrum: car-roundabout)")
    experiment.add_argument("--size", metavar="WxH", help="the graph's (default: 208x112; spectrum: 16x16)")
    experiment.add_argument("--cue", metavar="DIR", help="spectrum: maps DIR/<sequence>/ that stand for good cues")
    experiment.set_defaults(command=_experiment)

    data = commands.add_parser("data", help="list and fetch data sets", description="List and fetch data sets.")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what can be fetched", description="What can be fetched, and from where.")
    listing.set_defaults(command=_data_list)
    getting = actions.add_parser(
        "get",
        help="fetch one",
        description="Fetch a data set, check it and unpack it. Run again, it goes on where it stopped.",
    )
    getting.add_argument("name", metavar="NAME", help=", ".join(SOURCES))
    getting.add_argument("--root", required=True, metavar="DIR", help="folder to unpack to")
    getting.add_argument("--url", help="another address of the archive")
    getting.add_argument("--checksum", metavar="md5:... | sha256:... | none", help="another checksum of the archive")
    getting.set_defaults(command=_data_get)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
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
        metavar="dis|farneback|DIR",
        help="who computes optical flow, or a folder with forward/*.flo and backward/*.flo (default: %(default)s; with "
        "evaluate, DIR/<sequence>/forward/*.flo)",
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
        metavar="DIR",
        help="a map for each frame as further node features: 8-bit or 16-bit grey images, or .npy; may be repeated (with "
        "evaluate, DIR/<sequence>/)",
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
    add("--device", default="auto", metavar="auto|cpu|cuda", help="where to compute (default: %(default)s)")
    add("--solver", metavar="exact|power|lanczos|lobpcg", help="how to find eigenvectors (default: the preset's)")
    add(
        "--set",
        action="append",
        metavar="GROUP.OPTION=VALUE",
        help="any other option of the graph, such as motion.radius=10 or masks.threshold=0.5, of the network, such as "
        "network.widths=8,16,32, or of its training, such as training.epochs=5; may be repeated",
    )
    add(
        "--memory",
        metavar="SIZE",
        help="memory to get along with, about, such as 800M or 1.5G: what does not fit goes to the disk, in files that "
        "vanish (default: half of the machine's; solvers other than exact need whole vectors in memory all the same)",
    )
    add("--no-cache", action="store_true", help="do not keep optical flow between runs")
    parser.set_defaults(run_actions=actions)
