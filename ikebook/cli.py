"""The command line: `ikebook segment`, `demo`, `evaluate`, `report`, `bench`, `experiment`, `lab`, `page`, `data`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ikebook import check
from ikebook.arguments import parser
from ikebook.check import explain, require
from ikebook.datasets.download import BY_HAND, SOURCES, fetch
from ikebook.sources import marks
from ikebook.terminal import Board, bar, overview, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0; 2 for a wrong input; 3 if some sequences of a data set failed, and the others are there; 130 when stopped by Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        done = COMMANDS[options.command](options)
        sys.stdout.flush()  # here, where a reader that has gone is caught, and not when Python ends
    except KeyboardInterrupt:
        code, message = 130, "stopped; what was finished is kept, and nothing is half-written."
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        told = explain(error)
        if told is None:
            raise
        code, message = 2, told[1]
    else:
        return done or 0
    # The error is gone by now, and so is the progress bar that stood on this line as long as the error held it.
    print("ikebook:", " ".join(message.splitlines()), file=sys.stderr)
    return code


def _segment(options: argparse.Namespace) -> None:
    from ikebook.clip import read_clip
    from ikebook.run import CHECKPOINTS, run, write_results

    run_options, out = _run_options(options), Path(options.out)
    _check_out(out)
    results = ("masks", "soft", "refined", "overlay.mp4", "refined.mp4")
    written = {place.resolve() for place in (out, *(out / name for name in results))}
    require(
        Path(options.input).resolve() not in written,
        f"--out {out} would write over {options.input}; name another folder.",
    )
    for cue in run_options.cues:
        require(Path(cue).resolve() not in written, f"--out {out} would write over the cue {cue}; name another folder.")
    if options.parts is not None:
        _segment_parts(options, run_options, out)
        return
    require(
        not (options.workers or options.cluster or options.resources or options.threads),
        "--workers, --cluster, --resources and --threads are for a video in --parts; name the frames of a part, too.",
    )
    source = run_options.provider()
    begin = time.perf_counter()
    with tqdm(desc=f"reading {options.input}", bar_format="{desc}", file=sys.stderr, leave=False, disable=None):
        room = run_options.room(out)
        clip = read_clip(options.input, run_options.size, room=room)
    read = {"read": time.perf_counter() - begin}
    outcome = run(clip, source, run_options, bar, room, checkpoints=out / CHECKPOINTS)
    outcome = replace(outcome, seconds=read | outcome.seconds)
    summary = write_results(out, clip, outcome, run_options, bar)
    _show(summary)
    also = "refined/, refined.mp4, " if run_options.refine is not None else ""
    print(f"Written to {out}: masks/, soft/, {also}overlay.mp4, sheet.png, summary.json")


def _segment_parts(options: argparse.Namespace, run_options: Any, out: Path) -> None:
    from ikebook.parts import segment_parts

    with overview(shown=_several(options)) as board, _runner(options, run_options, board) as (runner, placed):
        summary = segment_parts(Path(options.input), out, placed, options.parts, runner, say)
    for line in marks(summary["options"]["sources"]):
        print(line)
    print(f"{summary['frames']} frames: {100 * summary['object_share']:.1f}% of the pixels are object")
    print(f"Written to {out}: masks/, soft/, summary.json")


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
    say(f"the embedded clip: {len(clip)} frames of {clip.size[0]}x{clip.size[1]}")
    run_options = RunOptions(cache=False)
    blind = replace(clip, masks=None)  # what segments the clip does not get to see its masks
    outcome = run(blind, provider("dis"), run_options, bar)
    outcome = replace(outcome, seconds=made | outcome.seconds)
    summary = write_results(out, blind, outcome, run_options, bar)
    assert clip.masks is not None
    scores = [region_similarity(mask, truth) for mask, truth in zip(outcome.result.masks, clip.masks, strict=True)]
    print(f"J against the exact mask: {np.mean(scores):.3f} (mean of {len(scores)} frames, {min(scores):.3f} at least)")
    _show(summary)
    print(f"Look at {out / 'sheet.png'} and {out / 'overlay.mp4'}")


def _evaluate(options: argparse.Namespace) -> int:
    from ikebook.datasets import open_dataset
    from ikebook.evaluate import evaluate, evaluate_masks
    from ikebook.tables import cycles_table, table

    dataset, out = open_dataset(options.dataset, Path(options.root).absolute()), Path(options.out)
    _check_out(out)
    sequences = options.sequences.split(",") if options.sequences else None
    given = [
        action.option_strings[0] for action in options.run_actions if getattr(options, action.dest) != action.default
    ]
    require(
        not (options.masks and given),
        f"{', '.join(given)}: of no use with --masks, which scores masks as they are; leave it out.",
    )
    run_options = None if options.masks else _run_options(options)
    names = sequences or dataset.sequences()
    with (
        overview(len(names), shown=_several(options)) as board,
        _runner(options, run_options, board) as (runner, placed),
    ):

        def report(name: str, entry: dict[str, Any]) -> None:
            if "reason" in entry:
                say(f"{name}: failed: {entry['reason']}")
            elif entry["J_mean"] is None:
                say(f"{name}: not scored")
            else:
                say(f"{name}: J {100 * entry['J_mean']:.1f}  F {100 * entry['F_mean']:.1f}")
            board.advance()

        if placed is None:
            results = evaluate_masks(dataset, Path(options.masks), out, sequences, report=report, runner=runner)
        else:
            results = evaluate(dataset, out, placed, sequences, report=report, runner=runner)
    if scores := table(results):
        print(scores)
    if halves := cycles_table(results):
        print(f"\n{halves}\n")
    print(f"Written to {out}: results.json, results.csv" + ("" if options.masks else ", cycles.csv, masks/"))
    failed = [name for name in names if name in results["failed"]]
    if failed:
        say(
            f"ikebook: {len(failed)} of {len(names)} sequences failed: {', '.join(failed)}. The reasons stand above and in "
            "results.json; run again to try them again."
        )
    return 3 if failed else 0


def _several(options: argparse.Namespace) -> bool:
    """Whether several sequences, or parts of one, may be worked on at a time."""
    return bool(options.workers or options.cluster)


@contextmanager
def _runner(options: argparse.Namespace, run_options: Any, board: Board) -> Iterator[tuple[Any, Any]]:
    """Where to run, and the run's options as they are there."""
    from ikebook import cluster

    if options.threads is not None:
        check.whole("--threads", options.threads, at_least=1, at_most=1024)
    require(
        not (options.workers and options.cluster),
        "--workers starts processes here, --cluster uses those that are there; give one of them.",
    )
    require(
        bool(options.cluster) or not options.resources,
        "--resources chooses workers of a --cluster; name the cluster too.",
    )
    if options.cluster:
        resources = cluster.resources_of(options.resources) if options.resources else {}
        yield (
            cluster.on_cluster(options.cluster, resources=resources, show=board.show, threads=options.threads),
            run_options,
        )
    elif options.workers is not None:
        check.whole("--workers", options.workers, at_least=1, at_most=1024)
        device = "cpu"
        if run_options is not None:
            from ikebook.machine import machine_memory

            device = run_options.torch_device()
            memory = run_options.memory or machine_memory() // 2
            run_options = replace(run_options, memory=memory // options.workers if memory else None)
        with cluster.workers(options.workers, device=device, show=board.show, threads=options.threads) as runner:
            yield runner, run_options
    else:
        yield cluster.InTurn(progress=bar, threads=options.threads), run_options


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
        flow = compute_flow(clip, provider("dis"), cache=FlowCache(), progress=bar("flow", len(clip) - 1))
    results = bench.bench(clip, flow, graph, repeat=options.repeat, say=say)
    bench.write_bench(out, results)
    print(bench.table(results))
    written = "bench.csv, bench.json"
    if options.curves:
        rows = curves.curves(options.set or (), repeat=options.repeat + 1, say=say)
        curves.write_curves(out, rows)
        for name, exponents in curves.fits(rows).items():
            print(f"{name}: time grows with exponent {exponents['total_s']:.2f}, memory {exponents['added_bytes']:.2f}")
        written += ", curves.csv, curves.json, curves.png"
    print(f"Written to {out}: {written}")


def _experiment(options: argparse.Namespace) -> None:
    from ikebook.experiments import perform

    out = Path(options.out)
    _check_out(out)
    print(perform(options.name, options.root, out, options.sequences, options.size, options.cue, say))


def _report(options: argparse.Namespace) -> None:
    import datetime as dt

    from ikebook.report import write_report

    out = Path(options.out)
    _check_out(out)
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    written = write_report([Path(folder) for folder in options.results], out, today, frames=not options.no_frames)
    print(f"Written to {out}: {', '.join(path.name for path in written)}")


def _lab(options: argparse.Namespace) -> None:
    from ikebook.course import copy_notebooks, notebook, notebooks, open_lab

    folder = Path(options.folder)
    start = (notebook(options.start) if options.start else notebooks()[0]).name[:2]
    written, kept = copy_notebooks(folder)
    print(
        f"{folder}: {len(written)} notebooks copied"
        + (f", {len(kept)} were there and stay as they are" if kept else "")
    )
    if not options.copy_only:
        _done("JupyterLab", open_lab(folder, start=start))


def _page(options: argparse.Namespace) -> None:
    from ikebook.course import open_page

    _done("Voila", open_page(options.number))


def _done(program: str, code: int) -> None:
    require(code == 0, f"{program} ended with exit code {code}; what it printed says why.")


def _data_list(_: argparse.Namespace) -> None:
    for name, source in SOURCES.items():
        print(f"{name}\n  {source.title}\n  {source.size} from {source.url}\n  {source.checksum}\n  {source.note}")
    for name, steps in BY_HAND.items():
        print(f"{name}\n  {steps}")
    print("demo\n  The embedded clip: 'ikebook demo', or ikebook.toys.demo() in Python; nothing to fetch")


def _data_get(options: argparse.Namespace) -> None:
    with tqdm(desc=options.name, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=None) as line:

        def show(there: int, total: int) -> None:
            line.total = total or None
            line.update(there - line.n)

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
        feature_flow=options.feature_flow,
        half=options.half,
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
    for line in marks(summary["options"]["sources"]):
        print(line)
    print("seconds: " + "  ".join(f"{stage} {spent:.1f}" for stage, spent in summary["seconds"].items()))
    for warning in summary["warnings"]:
        print(f"ikebook: note: {warning}", file=sys.stderr)


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "segment": _segment,
    "demo": _demo,
    "evaluate": _evaluate,
    "report": _report,
    "bench": _bench,
    "experiment": _experiment,
    "lab": _lab,
    "page": _page,
    "data list": _data_list,
    "data get": _data_get,
}
"""What each command does; some give an exit code."""
