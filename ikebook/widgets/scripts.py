"""The widgets' scripts and styles: small files in `browser/`, joined into the one that a notebook or a page takes."""

from __future__ import annotations

import re
from pathlib import Path

from ikebook.base.check import require

HERE = Path(__file__).parent / "browser"

IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)

EXPORT = re.compile(r"^export (?=(async|class|const|function)\b)", re.MULTILINE)


def script(entry: str) -> str:
    """A module of `browser/` and all that it imports, as one module without an import.

    Each file stands once, after those that it imports, without its import lines and without the word `export` before what it
    declares. All of them then share one scope: so a name may be declared in one file only, which `node --check` holds, and an
    import can't rename. There is no build step, and no address that a browser would have to find.

    Parameters
    ----------
    entry : str
        Name of the file, "canvas.js" or "page.js". Its `export default` stays.

    Returns
    -------
    str
        The module's source.

    Examples
    --------
    >>> joined = script("canvas.js")
    >>> joined.count("class Video "), "import {" in joined
    (1, False)
    """
    sources: dict[str, str] = {}

    def add(name: str, importers: tuple[str, ...] = ()) -> None:
        require(name not in importers, f"{name} imports itself, by way of {' and '.join(importers)}.")
        if name not in sources:
            text = (HERE / name).read_text(encoding="utf-8")
            for needed in IMPORT.findall(text):
                add(needed, (*importers, name))
            sources[name] = EXPORT.sub("", IMPORT.sub("", text)).strip()

    add(entry)
    return "\n\n".join(sources.values()) + "\n"


def style(name: str) -> str:
    """A style sheet of `browser/`, such as "canvas.css"."""
    return (HERE / name).read_text(encoding="utf-8")
