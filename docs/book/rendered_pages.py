"""Run the notebooks, and write what they show into docs/rendered: `make rendered`.

    .venv/bin/python docs/book/rendered_pages.py [02 03 ...] [--out build/book]

Notebooks are run as for the book, which keeps what was run in OUT/executed. Pictures become small WebP files; of each widget the
Chromium of this machine photographs the static page. The text around them is `notebooks/source/build.py`'s, which `make
notebooks-build` runs.
"""

from __future__ import annotations

import argparse
import base64
import io
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from front_page import chromium
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import build

WIDTH, QUALITY = 900, 62
"""Of pictures, in pixels; of WebP, of 100."""

WINDOW = {"width": 1000, "height": 700}
TEMPORARY = re.compile(r"/\S*?tmp\w{6,}")
"""A folder that is there for one run only, and another one in the next."""

notebooks = build.notebooks
rendered = notebooks.rendered


def small(picture: Image.Image) -> bytes:
    """A picture as WebP, not wider than a page."""
    if picture.mode not in ("RGB", "L"):
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture.convert("RGBA").getchannel("A"))
        picture = paper
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="webp", quality=QUALITY, method=6)
    return buffer.getvalue()


def photograph(tab: Page, page: Path) -> bytes:
    """A widget's static page, as far as it is filled."""
    tab.goto(page.as_uri())
    tab.wait_for_selector("body[data-ready]")
    tab.wait_for_timeout(1200)  # some unpack, and compute, before they draw
    play(tab)
    height = tab.evaluate("Math.max(...[...document.body.children].map((one) => one.getBoundingClientRect().bottom))")
    shot = tab.screenshot(
        clip={"x": 0, "y": 0, "width": WINDOW["width"], "height": min(height + 8, 1600)}, full_page=True
    )
    return small(Image.open(io.BytesIO(shot)))


def play(tab: Page) -> None:
    """Let a widget show what it is for, where that begins with a stroke or a button."""
    run = tab.get_by_role("button", name="Run: all starts")
    if tab.locator(".ike-iteration").count():
        box = tab.locator(".ike-canvas").first.bounding_box()
        for k in range(20):  # a wave in the upper right corner
            x, y = 0.6 + 0.015 * k, 0.25 + 0.1 * math.sin(k / 2)
            tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if k == 0:
                tab.mouse.down()
        tab.mouse.up()
        tab.mouse.move(2, 2)
        tab.wait_for_timeout(2500)
    elif run.count():
        run.click()
        tab.wait_for_timeout(6000)


def outputs(cell: nbformat.NotebookNode, widgets: Path, tab: Page) -> Iterator[tuple[str, bytes | None]]:
    """What a cell shows, one after the other: a text, or what is to be seen and the picture itself."""
    for output in cell.outputs:
        data = output.get("data", {})
        page = data.get("text/html", "")
        frame = re.search(r'src="[^"]*/([^"/]+\.html)" title="(\w+)"', page)
        moving = re.search(r'<img src="data:image/webp;base64,([^"]+)" alt="([^"]*)"', page)
        says = re.sub(r"^\[(?:moving )?picture: (.*)\]$", r"\1", data.get("text/plain", ""), flags=re.DOTALL)
        if output.output_type == "stream":
            yield output.text, None
        elif frame:
            yield f"the widget {frame[2]}", photograph(tab, widgets / frame[1])
        elif "image/png" in data:
            yield says, small(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
        elif moving:
            yield moving[2], base64.b64decode(moving[1])
        elif "text/plain" in data:
            yield data["text/plain"], None


def shows(cell: nbformat.NotebookNode, name: str, folder: Path, widgets: Path, tab: Page) -> str:
    """A cell's outputs as Markdown; their pictures go into a folder."""
    parts, count, said = [], 0, ""
    for text, picture in outputs(cell, widgets, tab):
        if picture is None:
            said += text if text.endswith("\n") else f"{text}\n"
            continue
        file = f"{name}{f'-{count}' if count else ''}.webp"
        (folder / file).write_bytes(picture)
        alt = re.sub(r"([\[\]|])", r"\\\1", " ".join(text.split()))
        parts.append(f"![{alt}]({folder.name}/{file})\n")
        count += 1
    if said:
        parts.insert(0, f"```text\n{TEMPORARY.sub('...', said).rstrip()}\n```\n")
    return "".join(f"\n{part}\n" for part in parts)


def write(source: Path, executed: Path, tab: Page) -> None:
    """A notebook's page, and its folder of pictures."""
    folder = rendered.FOLDER / source.stem[:2]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    found = {}
    for cell in nbformat.read(executed / f"{source.stem}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            name = rendered.name_of(cell.source)
            found[name] = shows(cell, name, folder, executed / "widgets", tab)
    solution = notebooks.versions(source)[1]
    page = rendered.FOLDER / f"{source.stem}.md"
    page.write_text(rendered.markdown(source.stem, solution, notebooks.tags, found), encoding="utf-8")
    size = page.stat().st_size + sum(picture.stat().st_size for picture in folder.iterdir())
    print(f"{page.name}: {size / 1000:.0f} kB with its pictures")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the notebooks with all that they show into docs/rendered.")
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="only these, such as 02")
    parser.add_argument("--out", type=Path, default=build.ROOT / "build" / "book", metavar="DIR")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["IKEBOOK_DATA"] = ""  # no frame of a data set gets into these pages
    executed = options.out.resolve() / "executed"
    (executed / "widgets").mkdir(parents=True, exist_ok=True)
    rendered.FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=WINDOW)
        for source in notebooks.sources(options.numbers):
            build.run(source, executed)
            write(source, executed, tab)
        browser.close()
    for path, text in notebooks.pages_of_all().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
