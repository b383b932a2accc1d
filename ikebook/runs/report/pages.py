"""A report's blocks as Markdown with pictures beside it, and as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ikebook.base.files import atomic, write_text

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #8884; }
th.number, td.number { text-align: right; }
tr.ours { background: #3f8fdc26; font-weight: 600; }
img { max-width: 100%; background: #fff; border-radius: 6px; }
code { overflow-wrap: anywhere; font-size: .85em; }
"""


@dataclass(frozen=True)
class Block:
    """A piece of a report: a heading ("h1", "h2"), a paragraph ("p"), a table ("table") or a picture ("png").

    Parameters
    ----------
    kind : str
        One of those.
    text : str
        Of headings and paragraphs, where `...` is code; of a picture, what it shows.
    rows : sequence of sequence of str
        Of a table, its head first; a row of our own numbers has `OURS` before its first cell.
    name : str
        Of a picture's file, without ending.
    data : bytes
        Of a picture, PNG.
    """

    kind: str
    text: str = ""
    rows: Sequence[Sequence[str]] = field(default=())
    name: str = ""
    data: bytes = b""


OURS = "ours: "
"""What stands before the name of our own runs in tables."""


def write_markdown(path: Path, blocks: Sequence[Block]) -> None:
    """Write blocks as Markdown; pictures go beside it."""
    parts = []
    for block in blocks:
        if block.kind == "png":
            with atomic(path.parent / f"{block.name}.png") as temporary:
                temporary.write_bytes(block.data)
        parts.append(_markdown(block))
    write_text(path, "\n\n".join(parts) + "\n")


def write_html(path: Path, blocks: Sequence[Block]) -> None:
    """Write blocks as one HTML file, its pictures inside."""
    title = next((block.text for block in blocks if block.kind == "h1"), "Report")
    body = "\n".join(map(_html, blocks))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    write_text(
        path,
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n",
    )


def _markdown(block: Block) -> str:
    if block.kind in ("h1", "h2"):
        return f"{'#' * int(block.kind[1])} {block.text}"
    if block.kind == "png":
        return f"![{block.text}]({block.name}.png)"
    if block.kind == "p":
        return block.text
    head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in block.rows]
    lines = [head, ["---:" if number else "---" for number in _numbers(block)]]
    lines += [[f"**{row[0]}**", *row[1:]] if row[0].startswith(OURS) else row for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _html(block: Block) -> str:
    if block.kind in ("h1", "h2"):
        return f"<{block.kind}>{html.escape(block.text)}</{block.kind}>"
    if block.kind == "p":
        text = re.sub("`([^`]*)`", r"<code>\1</code>", html.escape(block.text, quote=False))
        return f"<p>{text}</p>"
    if block.kind == "png":
        data = base64.b64encode(block.data).decode()
        return f'<p><img alt="{html.escape(block.text)}" src="data:image/png;base64,{data}"></p>'
    head, *rows = block.rows
    marks = [' class="number"' if number else "" for number in _numbers(block)]

    def line(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}{mark}>{html.escape(cell)}</{tag}>" for mark, cell in zip(marks, row, strict=True))

    lines = [line("th", head), *(line("td", row) for row in rows)]
    ours = ["", *(' class="ours"' if row[0].startswith(OURS) else "" for row in rows)]
    content = "\n".join(f"<tr{mark}>{line}</tr>" for mark, line in zip(ours, lines, strict=True))
    return f'<div class="wide"><table>\n{content}\n</table></div>'


def _numbers(block: Block) -> list[bool]:
    """Which columns of a table are numbers, and go to the right."""
    return [
        all(re.fullmatch(r"-|\?|([-+]?\d[\d.]*)?", cell) for cell in column)
        for column in zip(*block.rows[1:], strict=True)
    ] or [False] * len(block.rows[0])
