"""The chain explorer shows the row of F of the very pixel that is picked, and not of one beside it."""

from __future__ import annotations

import numpy as np
import pytest

import ikebook
from ikebook.widgets import ChainExplorer


@pytest.mark.parametrize("pixel", [(12, 6), (9, 11), (15, 13), (0, 0), (23, 19)])
@pytest.mark.parametrize("name", ["default", "saliency"])
def test_the_row_is_that_of_the_pixel(name, pixel) -> None:
    made = ikebook.toy("disc", size=(24, 20), frames=6)
    rows = (
        ikebook.build(made.clip, made.flow, options=ikebook.preset(name)).features.dense().view(6, 20, 24, -1).numpy()
    )
    explorer = ChainExplorer(made.clip, made.flow, frame=2, pixel=pixel, options=ikebook.preset(name))
    x, y = pixel
    shown = np.array(list(explorer.features.values()))
    np.testing.assert_allclose(shown, rows[2, y, x], atol=1e-6)
    if 0 < x < 23 and name == "saliency":  # far from the object, means of neighbours differ by next to nothing
        others = [rows[2, y + down, x + across] for down in (-1, 0, 1) for across in (-1, 0, 1) if down or across]
        assert min(np.abs(shown - other).max() for other in others) > 1e-4  # by which a neighbour would show
