"""The structure of the package, read from its imports: `python docs/book/structure.py > structure.svg`.

The order of the rooms is that of the table in CONTRIBUTING.md. The book's page on the structure is made by this module, and
`tests/test_rooms.py` holds the imports to the table with what it reads.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ikebook"
MAP = ROOT / "CONTRIBUTING.md"


@dataclass(frozen=True)
class Room:
    """A row of the map: its name, what lives there, and the paper's sections."""

    name: str
    says: str
    paper: str
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in self.files.values())


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Files of all modules, by their name within the package; the package itself is ""."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        if (file.parent / "__init__.py").is_file():
            parts = file.relative_to(package).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = file
    return found


def room_of(module: str) -> str:
    """The room of a module."""
    return module.partition(".")[0]


def imported(source: str, known: Mapping[str, Path], name: str = "") -> set[str]:
    """The modules of ours, of those known, that a source imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{name} has a relative import in line {node.lineno}; say where it comes from")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {path.partition("ikebook.")[2] for path in found if path.split(".")[0] == "ikebook"}
    return {module_of(path, known) for path in ours} - {name}


def module_of(path: str, known: Mapping[str, Path]) -> str:
    """The module that holds what is imported as `ikebook.<path>`: a module, or a name in one."""
    while path not in known and "." in path:
        path = path.rpartition(".")[0]
    return path if path in known else ""


def imports(known: Mapping[str, Path]) -> dict[str, set[str]]:
    """What each module imports of ours."""
    return {name: imported(file.read_text(encoding="utf-8"), known, name) for name, file in known.items()}


def read_map(text: str, known: Mapping[str, Path]) -> list[Room]:
    """The rooms, from low to high, as the map's table lists them."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) ?\|$", text, flags=re.MULTILINE)
    return [
        Room(name, says, paper, {module: file for module, file in known.items() if room_of(module) == name})
        for name, says, paper in rows
    ]


def room_imports(found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Which rooms each room imports from."""
    arrows: dict[str, set[str]] = {}
    for module, lower in found.items():
        arrows.setdefault(room_of(module), set()).update(map(room_of, lower))
    return {room: lower - {room, ""} for room, lower in arrows.items() if room not in ("", "__main__")}


def floors(order: Sequence[str], arrows: Mapping[str, set[str]]) -> dict[str, int]:
    """How high each room stands: above all that it imports from."""
    height: dict[str, int] = {}
    for room in order:
        height[room] = 1 + max((height[lower] for lower in arrows[room]), default=-1)
    return height


def direct(arrows: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows that no chain of others stands for."""

    def below(room: str) -> set[str]:
        return arrows[room].union(*(below(lower) for lower in arrows[room]))

    return {
        (room, lower)
        for room, lowers in arrows.items()
        for lower in lowers
        if not any(lower in below(other) for other in lowers - {lower})
    }


def draw(rooms: Sequence[Room], arrows: Mapping[str, set[str]]) -> str:
    """The rooms as an SVG picture: each stands above those that it imports from."""
    height = floors([room.name for room in rooms], arrows)
    rows: dict[int, list[Room]] = {}
    for room in rooms:
        rows.setdefault(height[room.name], []).append(room)
    wide, tall, gap_x, gap_y = 200, 52, 24, 40
    width = max(len(row) for row in rows.values()) * (wide + gap_x) + gap_x
    top = len(rows) - 1
    place = {}
    for level, row in rows.items():
        left = (width - len(row) * (wide + gap_x) + gap_x) / 2
        for index, room in enumerate(row):
            place[room.name] = (left + index * (wide + gap_x), gap_y / 2 + (top - level) * (tall + gap_y))
    parts = []
    for room, lower in sorted(direct(arrows)):
        (x1, y1), (x2, y2) = place[room], place[lower]
        x1, y1, x2 = x1 + wide / 2, y1 + tall, x2 + wide / 2
        bend = max(24.0, (y2 - y1) / 2)
        far = height[room] - height[lower] > 1  # round those in between
        out = (0.9 if x1 + x2 >= width else -0.9) * wide * far
        x1, x2 = x1 + 0.3 * out, x2 + 0.3 * out * (abs(x2 - x1) < wide)
        parts.append(
            f'<path d="M{x1:g} {y1:g} C{x1 + out:g} {y1 + bend:g} {x2 + out:g} {y2 - bend:g} {x2:g} {y2 - 4:g}" fill="none" '
            'stroke="#8a8f98" stroke-width="1.5" marker-end="url(#tip)"/>'
        )
    for room in rooms:
        x, y = place[room.name]
        files = len(room.files)
        about = html.escape(f"{room.name}: {room.says}")
        parts.append(
            f'<g><title>{about}</title><rect x="{x:g}" y="{y:g}" width="{wide}" height="{tall}" rx="8" fill="#2b6cb0"/>'
            f'<text x="{x + wide / 2:g}" y="{y + 22:g}" fill="#fff" font-weight="600" text-anchor="middle">{room.name}</text>'
            f'<text x="{x + wide / 2:g}" y="{y + 41:g}" fill="#e6eef8" font-size="13" text-anchor="middle">'
            f"{files} file{'s' if files > 1 else ''}, {room.lines} lines</text></g>"
        )
    bottom = gap_y / 2 + len(rows) * (tall + gap_y)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {bottom:g}" role="img" font-size="16" '
        'font-family="system-ui, sans-serif" aria-label="The rooms of the package, each above those that it imports from">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="#8a8f98"/></marker></defs>{"".join(parts)}</svg>\n'
    )


def page() -> str:
    """The book's page on the structure: the picture, and what lies in each room."""
    known = modules()
    found = imports(known)
    rooms, arrows = read_map(MAP.read_text(encoding="utf-8"), known), room_imports(found)
    count = sum(map(len, arrows.values()))
    lines = [
        "# The house, room by room",
        "",
        (
            f"{len(rooms)} rooms, {len(known)} files. Each room stands above those that it imports from; of the {count} arrows only "
            "those are drawn that no chain of others stands for. Drawn from the imports when this page was built."
        ),
        "",
        "```{raw} html",
        draw(rooms, arrows).strip(),
        "```",
        "",
    ]
    for room in rooms:
        lines += [
            f"## {room.name}",
            "",
            f"{room.says[0].upper()}{room.says[1:]}.{f' {room.paper}.' if room.paper else ''}",
            "",
        ]
        for module, file in room.files.items():
            doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            if module != room.name or len(room.files) == 1:
                first = re.sub(r"\s+", " ", doc.split("\n\n")[0])
                lines.append(f"- `{module}`: {first}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    everything = modules()
    print(draw(read_map(MAP.read_text(encoding="utf-8"), everything), room_imports(imports(everything))), end="")
