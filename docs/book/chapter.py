"""The widgets of the book's first chapter (first_chapter.md): pages that compute by themselves, on a toy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ikebook
from ikebook.graph.presets import preset
from ikebook.widgets import ChainExplorer, ClipPlayer, MatrixExplorer, PowerIterationStepper, SpectrumExplorer


def widgets() -> dict[str, Any]:
    """By the name of its page, each widget, with all that it computes."""
    toy = ikebook.toy("disc")
    options = preset("saliency")  # seven columns of F, so that there is a spectrum to look at
    made = {
        "chapter-toy.html": ClipPlayer(toy.clip, masks=toy.clip.masks),
        "chapter-chains.html": ChainExplorer(toy.clip, toy.flow, options=options),
        "chapter-matrices.html": MatrixExplorer(toy.clip, toy.flow, options=options),
        "chapter-iteration.html": PowerIterationStepper(toy.clip, toy.flow, options=options, start="painted"),
        "chapter-spectrum.html": SpectrumExplorer(toy.clip, toy.flow, options=options, pairs=4),
    }
    for widget in made.values():
        getattr(widget, "wait", lambda: None)()
    return made


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    for name, widget in widgets().items():
        widget.save_html(folder / name, title=type(widget).__name__)
        widget.close()
