"""Build the book: `make book`.

    .venv/bin/python docs/book/build.py [--only 02 03 ...] [--short] [--out build/book]

Each notebook's solution version is run. Where a cell shows a widget, the page gets the widget's own static page instead,
which stays alive without a kernel: it holds the states that matter, computed beforehand. What was run is kept in
OUT/executed, and run again only when its source or the package has changed. Warnings are errors.

`--short` leaves out the documents, the gallery and the reference: what remains is the first chapter and the notebooks, in a quarter of the time.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import importlib.util
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chapter
import nbformat
import structure
from nbclient import NotebookClient
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SPEC = importlib.util.spec_from_file_location("notebooks_build", ROOT / "notebooks" / "source" / "build.py")
notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(notebooks)

HIDDEN = {"solution": "hide-cell", "colab": "remove-cell"}
"""Tags of the course, and what MyST-NB calls what is to happen to such cells."""

SAVE = """from ikebook.widgets import write_page
if getattr({name}, "state", "") == "ready":
    {name}.start()  # a page shows what has been done
getattr({name}, "wait", lambda: None)()
if hasattr({name}, "save_html"):
    {name}.save_html({page!r}, title=type({name}).__name__)
else:
    write_page({page!r}, {name}, title=type({name}).__name__)"""
"""Writes the static page of a widget; a canvas alone has no page of its own."""

INTERNAL = {"__main__", "cli", "notebooks"}
"""Modules that the API reference leaves out."""


def fingerprint(source: Path) -> str:
    """A text that changes when a notebook's source, or anything in the package, does."""
    digest = hashlib.blake2b(digest_size=16)
    files = [
        source,
        Path(__file__),
        *sorted((ROOT / "ikebook").rglob("*.py")),
        *sorted((ROOT / "ikebook").rglob("*.js")),
    ]
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def shown(code: str) -> str | None:
    """The name that a cell ends with, if it ends with one."""
    last = ast.parse(code).body[-1]
    return last.value.id if isinstance(last, ast.Expr) and isinstance(last.value, ast.Name) else None


def execute(source: Path, pages: Path) -> nbformat.NotebookNode:
    """Run a notebook's solutions; widgets write their pages into `pages`, and their cells show these."""
    notebook = notebooks.versions(source)[1]
    notebook.cells[0].source = notebook.cells[0].source.replace(" (with solutions)", "", 1)
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(pages)}})
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            client.execute_cell(cell, index)
            tags = notebooks.tags(cell)
            cell.source = cell.source.removeprefix(f"{notebooks.COMPARED}\n")
            cell.metadata["tags"] = sorted({HIDDEN.get(tag, tag) for tag in tags})
            name = shown(cell.source) if "widget" in tags else None
            if name is None:
                continue
            page = f"{source.stem}-{index:03d}.html"
            client.execute_cell(nbformat.v4.new_code_cell(SAVE.format(name=name, page=page)), index)
            frame = (
                f'<iframe src="../_static/widgets/{page}" title="{name}" loading="lazy" allowfullscreen '
                'style="width: 100%; height: 640px; border: 1px solid var(--color-background-border)"></iframe>'
            )
            cell.outputs = [
                nbformat.v4.new_output("display_data", {"text/html": frame, "text/plain": f"[widget {name}]"})
            ]
            notebook.cells[index] = cell  # where the client has put the cell that it ran last
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":  # what kernels and libraries say on the side is no part of a page
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    return notebook


def run(source: Path, executed: Path) -> None:
    """Have EXECUTED/<name>.ipynb and its widgets' pages, made anew if anything has changed."""
    stamp = executed / f"{source.stem}.txt"
    now = fingerprint(source)
    if stamp.is_file() and stamp.read_text() == now:
        return
    print(f"running {source.stem}", flush=True)
    nbformat.write(execute(source, executed / "widgets"), executed / f"{source.stem}.ipynb")
    stamp.write_text(now)


def prepare(sources: list[Path], out: Path) -> Path:
    """Write all that Sphinx reads into OUT/pages."""
    pages, built = prepare_notebooks(sources, out)
    figures = pages / "_static" / "gallery"
    figures.mkdir()
    for path in (*HERE.glob("*.md"), *HERE.parent.glob("*.md")):
        shutil.copy(path, pages)
    shutil.copytree(HERE.parent / "pictures", pages / "pictures")
    shutil.copytree(HERE.parent / "results", pages / "results", ignore=shutil.ignore_patterns("*.html"))
    gallery = []
    for name, notebook in built.items():
        gallery += pictures(notebook, name, figures)
    (pages / "gallery.md").write_text(gallery_page(gallery), encoding="utf-8")
    (pages / "api.md").write_text(api(), encoding="utf-8")
    (pages / "structure.md").write_text(structure.page(), encoding="utf-8")
    return pages


def prepare_short(sources: list[Path], out: Path) -> Path:
    """Write what Sphinx reads for the first chapter and these notebooks alone."""
    pages, _ = prepare_notebooks(sources, out)
    chapter_text = (HERE / "first_chapter.md").read_text(encoding="utf-8")
    elsewhere = re.sub(r"\[([^\]]*)\]\((?!notebooks\.md)\w+\.md\)", r"\1", chapter_text)
    (pages / "first_chapter.md").write_text(elsewhere, encoding="utf-8")
    contents_of_all = ["# ikebook", "", "```{toctree}", "first_chapter", "notebooks", "```", ""]
    (pages / "index.md").write_text("\n".join(contents_of_all), encoding="utf-8")
    return pages


def prepare_notebooks(sources: list[Path], out: Path) -> tuple[Path, dict[str, nbformat.NotebookNode]]:
    """Write notebooks, their widgets and those of the first chapter into OUT/pages; gives that folder, and the notebooks by their names."""
    pages, executed = out / "pages", out / "executed"
    widgets = executed / "widgets"
    shutil.rmtree(pages, ignore_errors=True)
    for folder in (pages / "notebooks", pages / "_static", widgets):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "conf.py", pages)
    for name in ("frames.js", "wide.css"):
        shutil.copy(HERE / name, pages / "_static")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda source: run(source, executed), sources))
    built = {}
    for source in sources:
        kept = executed / f"{source.stem}.ipynb"
        built[source.stem] = notebook = nbformat.read(kept, as_version=4)
        without_dead_links(notebook, {other.stem for other in sources})
        nbformat.write(notebook, pages / "notebooks" / kept.name)
    shutil.copytree(widgets, pages / "_static" / "widgets")
    chapter.write(pages / "_static" / "widgets")
    (pages / "notebooks.md").write_text(contents(sources), encoding="utf-8")
    return pages, built


def without_dead_links(notebook: nbformat.NotebookNode, built: set[str]) -> None:
    """Leave only the text of links to notebooks that are not built, as with --only."""

    def text_or_link(found: re.Match[str]) -> str:
        return found[0] if found[2] in built else found[1]

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[([^\]]*)\]\((\w+)\.ipynb\)", text_or_link, cell.source)


def pictures(notebook: nbformat.NotebookNode, name: str, folder: Path) -> list[tuple[str, str, str]]:
    """Write a notebook's pictures into a folder: file, what is to be seen on it, and the notebook's name."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            png = output.get("data", {}).get("image/png")
            if png:
                file = f"{name}-{len(found):02d}.png"
                (folder / file).write_bytes(base64.b64decode(png))
                says = output["data"]["text/plain"].removeprefix("[picture: ").removesuffix("]")
                found.append((file, says.replace("|", "\\|").replace("[", "\\[").replace("]", "\\]"), name))
    return found


def gallery_page(found: list[tuple[str, str, str]]) -> str:
    lines = ["# Gallery", "", "Every picture of the course, with the notebook that draws it.", ""]
    for file, says, name in found:
        lines += [f"![{says}](_static/gallery/{file})", "", f"[{name[:2]}](notebooks/{name}.ipynb): {says}", ""]
    return "\n".join(lines)


def contents(sources: list[Path]) -> str:
    lines = ["# The notebooks", "", "With their solutions, folded.", "", "```{toctree}", ":maxdepth: 1", ""]
    return "\n".join([*lines, *(f"notebooks/{source.stem}" for source in sources), "```", ""])


def api() -> str:
    """A page for all public modules, from the docstrings."""
    lines = [
        "# The library",
        "",
        "Made from the docstrings, module by module, from those that everything stands on up.",
        "",
    ]
    modules = []
    for path in sorted((ROOT / "ikebook").rglob("*.py")):
        parts = path.relative_to(ROOT / "ikebook").with_suffix("").parts
        name = ".".join(["ikebook", *(part for part in parts if part != "__init__")])
        if not INTERNAL & set(parts) and (path.parent / "__init__.py").is_file():
            modules.append(name)
    for name in modules:
        lines += [
            f"## {name}",
            "",
            "```{eval-rst}",
            f".. automodule:: {name}",
            "   :members:",
            "   :ignore-module-all:",
            "```",
            "",
        ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the book.")
    parser.add_argument("--only", nargs="+", metavar="NUMBER", help="only these notebooks, such as 02")
    parser.add_argument("--short", action="store_true", help="without documents, gallery and reference")
    parser.add_argument("--out", default=str(ROOT / "build" / "book"), metavar="DIR")
    options = parser.parse_args()
    out = Path(options.out).resolve()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the kernels, which run side by side
    sources = notebooks.sources(options.only)
    pages = prepare_short(sources, out) if options.short else prepare(sources, out)
    code = write_html(pages, out)
    if code == 0:
        print(f"the book: {out / 'html' / 'index.html'}")
    return code


def write_html(pages: Path, out: Path) -> int:
    """Let Sphinx make OUT/html of the pages; gives its exit code."""
    return sphinx(
        ["-W", "--keep-going", "-q", "-b", "html", "-d", str(out / "doctrees"), str(pages), str(out / "html")]
    )


if __name__ == "__main__":
    sys.exit(main())
