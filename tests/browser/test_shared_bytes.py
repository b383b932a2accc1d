"""A long clip in a real JupyterLab: its pieces come together, for each canvas, and again from a saved notebook."""

from __future__ import annotations

CLIP = """
import numpy as np
from ikebook.widgets import VideoCanvas
from ikebook.widgets import shared_bytes
shared_bytes.PIECE = 1 << 16
maps = np.random.default_rng(0).integers(0, 256, (6, 300, 400)).astype(np.uint8)  # which no compression makes smaller
maps[:, :100, :100] = 255
maps[3, :100, :100] = 0
canvases = [VideoCanvas(maps=maps, map_range=(0, 255), colours='grey', caption=f'number {k}') for k in range(2)]
"""


def near(colour, wanted, within=6) -> bool:
    return all(abs(a - b) <= within for a, b in zip(colour, wanted, strict=True))


def test_pieces_come_together_and_are_kept_in_a_saved_notebook(lab, colour_at) -> None:
    watched = lab.open("pieces", [CLIP + "canvases[0]", "canvases[1]"])
    for index in range(2):
        watched.page.get_by_text(f"number {index}", exact=True).wait_for()
        watched.until(lambda index=index: near(colour_at(watched, (50, 50), index), (255, 255, 255)))
    assert lab.python(watched, "print(len(canvases[0].get_state()['maps']) > 5)") == "True"
    same = "print(canvases[0].get_state()['maps'] == canvases[1].get_state()['maps'])"
    assert lab.python(watched, same) == "True"
    lab.python(watched, "canvases[1].frame = 3")
    watched.until(lambda: near(colour_at(watched, (50, 50), 1), (0, 0, 0)))
    # Other pictures come in place of these.
    lab.python(watched, "canvases[0].show(maps=255 - maps, map_range=(0, 255), colours='grey')")
    watched.until(lambda: near(colour_at(watched, (50, 50), 0), (0, 0, 0)))
    watched.assert_quiet()
    lab.save(watched)
    (lab.server.root / "pieces_again.ipynb").write_text((lab.server.root / "pieces.ipynb").read_text())
    again = lab.open("pieces_again", run=False, own_kernel=True)
    again.page.get_by_text("number 1", exact=True).wait_for()
    again.until(lambda: near(colour_at(again, (50, 50), 1), (0, 0, 0)))
    lab.shut_down(again)
