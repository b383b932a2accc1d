"""`ikebook bench`: what the eigenvector costs, in several ways."""

from __future__ import annotations

import argparse
from typing import Any

from ikebook.base import check
from ikebook.base.places import user_path
from ikebook.cli.options import check_out, working_size
from ikebook.cli.terminal import bar, say


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "bench",
        help="what the eigenvector costs, in several ways",
        description="Time the exact solver, power iteration, sparse M with eigsh and with torch.lobpcg, and the authors' "
        "rule by scatter, side by side on one clip, each in a process of its own. Prints a table and writes OUT/bench.csv "
        "and OUT/bench.json. Leave the machine alone meanwhile.",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="?",
        help="a video file, or a folder of images (default: the embedded clip, with its exact flow)",
    )
    parser.add_argument(
        "--out", default="ikebook-bench", metavar="DIR", help="folder for the results (default: %(default)s)"
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=32,
        metavar="N",
        help="use the first N frames (default: %(default)s; with p = 15, in less than 31 every chain is cut short)",
    )
    parser.add_argument(
        "--size",
        default="auto",
        metavar="WxH",
        help="size the graph works at (default: 416x224, turned where frames are higher than wide)",
    )
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="rounds; the fastest counts (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        metavar="GROUP.OPTION=VALUE",
        help="an option of the graph, such as motion.radius=10; may be repeated. The preset is default with "
        "features.displacements=steps, d = 27 columns",
    )
    parser.add_argument(
        "--curves",
        action="store_true",
        help="also time the exact solver against frames, pixels, p and d, on the embedded clip; takes minutes more. Writes "
        "OUT/curves.csv, OUT/curves.json and OUT/curves.png",
    )
    parser.set_defaults(command="bench", execute=execute)


def execute(options: argparse.Namespace) -> None:
    from ikebook.base.written import WrittenFiles
    from ikebook.datasets.toys import demo
    from ikebook.experiments import bench, curves
    from ikebook.flow import FlowCache, compute_flow, provider
    from ikebook.graph.presets import override, preset
    from ikebook.video.clip import AUTO, WORKING_SIZE, read_clip

    graph = override(preset("default"), *bench.RECIPE, *(options.set or ()))
    out, count = user_path(options.out), options.frames
    check.whole("--frames", count, at_least=2)
    check.whole("--repeat", options.repeat, at_least=1)
    size = working_size(options.size)
    check_out(out)
    ours = WrittenFiles(out, kind="bench")
    ours.check([*bench.FILES, *(curves.FILES if options.curves else ())])
    if options.input is None:
        made = demo(count, WORKING_SIZE if size == AUTO else size)
        clip, flow = made.clip, made.flow
    else:
        clip = read_clip(options.input, size).first(count)
        flow = compute_flow(clip, provider("dis"), cache=FlowCache(), progress=bar("flow", len(clip) - 1))
    results = bench.compare_methods(clip, flow, graph, repeat=options.repeat, say=say)
    with ours.recording():
        bench.write_bench(out, results)
    print(bench.cost_table(results))
    written = [*bench.FILES]
    if options.curves:
        rows = curves.measure_curves(options.set or (), repeat=options.repeat + 1, say=say)
        with ours.recording():
            curves.write_curves(out, rows)
        for name, exponents in curves.fits(rows).items():
            print(f"{name}: time grows with exponent {exponents['total_s']:.2f}, memory {exponents['added_bytes']:.2f}")
        written += curves.FILES
    print(f"Written to {out}: {', '.join(written)}")
