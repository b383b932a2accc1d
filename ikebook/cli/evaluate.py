"""`ikebook evaluate`: a data set to scores."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.cli.options import add_run_options, check_out, run_options
from ikebook.cli.terminal import say, status_line
from ikebook.cli.workers import add_where, runner_of, several

if TYPE_CHECKING:
    from ikebook.runs.results import Entry, Failure, Results


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "evaluate",
        help="a data set to scores",
        description="Segment each sequence of a data set and score it by the data set's protocol. Writes OUT/results.json, "
        "OUT/results.csv and OUT/masks/<sequence>/<frame>.png. Run again with the same options, it goes on where it stopped. "
        "A sequence that can't be segmented is reported, and the others are finished; the exit code is then 3.",
    )
    parser.add_argument(
        "dataset", metavar="DATASET", help="davis2016, davis2017, segtrackv2, youtube-objects, davsod or fbms59"
    )
    parser.add_argument(
        "--root", required=True, metavar="DIR", help="folder that holds the data set (JPEGImages/, ...)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--sequences", metavar="A,B", help="only these sequences; results.json keeps those that OUT has already"
    )
    parser.add_argument(
        "--masks", metavar="DIR", help="score the masks DIR/<sequence>/<frame>.png (above 127 is object) instead"
    )
    add_run_options(parser)
    add_where(parser, "sequences")
    parser.set_defaults(command="evaluate", execute=execute)


def execute(options: argparse.Namespace) -> int:
    from ikebook.datasets.registry import open_dataset
    from ikebook.runs.evaluation import evaluate, evaluate_masks
    from ikebook.runs.tables import cycles_table, of_sequences, scores_table

    dataset, out = open_dataset(options.dataset, user_path(options.root).absolute()), user_path(options.out)
    check_out(out)
    sequences = check.names("--sequences", options.sequences) if options.sequences else None
    given = [
        action.option_strings[0] for action in options.run_actions if getattr(options, action.dest) != action.default
    ]
    require(
        not (options.masks and given),
        f"{', '.join(given)}: of no use with --masks, which scores masks as they are; leave it out.",
    )
    segmenting = None if options.masks else run_options(options)
    names = sequences or dataset.sequences()
    absent: list[str] = [] if sequences else getattr(dataset, "missing", list)()
    if absent:
        say(f"ikebook: note: the list of sequences names {', '.join(absent)}, of which there are no frames; left out.")
    notes: dict[str, None] = {}
    with (
        status_line(len(names), shown=several(options)) as status,
        runner_of(options, segmenting, status) as (runner, chosen),
    ):

        def report(name: str, result: Entry | Failure) -> None:
            say(f"{name}: {_in_words(result)}")
            if options.masks and "reason" not in result:
                notes.update(dict.fromkeys(result.get("warnings", ())))
            status.advance()

        if chosen is None:
            results = evaluate_masks(dataset, user_path(options.masks), out, sequences, report=report, runner=runner)
        else:
            results = evaluate(dataset, out, chosen, sequences, report=report, runner=runner)
    for note in notes:
        say(f"ikebook: note: {note}")
    asked = of_sequences(results, names, dataset.protocol.mean)
    if scores := scores_table(asked):
        print(scores)
    if halves := cycles_table(asked):
        print(f"\n{halves}\n")
    print(f"Written to {out}: {', '.join(_written(results, segmented=not options.masks))}")
    more = len(results["sequences"]) - len(asked["sequences"])
    if more:
        say(
            f"ikebook: note: results.json and results.csv also hold {more} other sequence{'s' * (more > 1)}, and their means are of all."
        )
    failed = [name for name in names if name in results["failed"]]
    if failed:
        say(
            f"ikebook: {len(failed)} of {len(names)} sequences failed: {', '.join(failed)}. The reasons stand above and in "
            "results.json; run again to try them again."
        )
    return 3 if failed else 0


def _written(results: Results, *, segmented: bool) -> list[str]:
    """What the folder of results holds; nothing but the reasons where all sequences failed."""
    entries = results["sequences"].values()
    tables = {"results.csv": bool(entries), "cycles.csv": any(entry.get("cycles") for entry in entries)}
    return [
        "results.json",
        *(name for name, there in tables.items() if there),
        *(["masks/"] if segmented and entries else []),
        *(["refined/"] if segmented and any("refined" in entry for entry in entries) else []),
    ]


def _in_words(result: Entry | Failure) -> str:
    """What came of a sequence, in one line."""
    if "reason" in result:
        return f"failed: {result['reason']}"
    j, f = result.get("J_mean"), result.get("F_mean")
    return "not scored" if j is None or f is None else f"J {100 * j:.1f}  F {100 * f:.1f}"
