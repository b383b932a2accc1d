"""`ikebook export`: a result in other tools' formats."""

from __future__ import annotations

import argparse
from typing import Any

from ikebook.base.places import user_path
from ikebook.cli.terminal import bar, say

FORMATS = "rgba,coco,palette,mots,cvat,yolo"
"""Their names, as they are shown."""


def add_command(commands: Any) -> None:
    """Add the command to the parsers of all."""
    parser = commands.add_parser(
        "export",
        help="a result in other tools' formats",
        description="Write what 'ikebook segment' has found in the formats of other tools: rgba (the object cut out: PNGs and, with "
        "PyAV, WebM, with alpha), coco (JSON with RLE), palette (DAVIS's PNGs), mots (16-bit PNGs), cvat (CVAT for video 1.1) and "
        "yolo (segments).",
    )
    parser.add_argument("result", metavar="RESULT", help="a folder that 'ikebook segment' has written")
    parser.add_argument("--to", required=True, metavar=FORMATS, help="one or more formats, divided by commas")
    parser.add_argument("--out", metavar="DIR", help="folder for them (default: RESULT/export)")
    parser.add_argument(
        "--frames", metavar="PATH", help="the video that was segmented, if it is not any more where it was"
    )
    parser.add_argument("--label", default="object", help="what the object is called (default: %(default)s)")
    parser.add_argument("--masks", default="masks", metavar="masks|refined", help="which masks (default: %(default)s)")
    parser.set_defaults(command="export", execute=execute)


def execute(options: argparse.Namespace) -> None:

    from ikebook.cli.options import check_out
    from ikebook.exports import export

    if options.out is not None:
        check_out(user_path(options.out))
    exported = export(
        options.result,
        options.to,
        options.out,
        frames=options.frames,
        label=options.label,
        masks=options.masks,
        progress=bar,
    )
    for note in exported.notes:
        say(f"ikebook: note: {note}")
    print(f"Written: {', '.join(map(str, exported.files))}")
