"""Pictures of the notebooks: how many stand where, and what their colours stand for."""

from __future__ import annotations

import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.course import figures

MAPS = {f"map {k}": np.full((6, 8), 0.2 * k) + np.linspace(0, 0.1, 8) for k in range(5)}


def shown(picture) -> list[tuple[str, tuple[float, float]]]:
    """Title and range of colours of each picture."""
    return [(axis.get_title(), axis.images[0].get_clim()) for axis in picture.figure.axes if axis.images]


@pytest.mark.parametrize(("columns", "grid"), [(None, (1, 5)), (2, (3, 2)), (5, (1, 5)), (9, (1, 5))])
def test_pictures_stand_in_lines(columns, grid) -> None:
    picture = figures.row(MAPS, columns=columns)
    layout = picture.figure.axes[0].get_subplotspec().get_gridspec()
    assert (layout.nrows, layout.ncols) == grid
    assert [title for title, _ in shown(picture)] == list(MAPS)
    assert sum(axis.axison for axis in picture.figure.axes) == 0
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_colours_stand_for_what_was_asked_for() -> None:
    assert [clim for _, clim in shown(figures.row(MAPS, limits=(0, 1)))] == [(0, 1)] * 5
    assert [clim for _, clim in shown(figures.row(MAPS, shared=True))] == [pytest.approx((0, 0.9))] * 5
    own = [clim for _, clim in shown(figures.row(MAPS))]
    assert own == [pytest.approx((0.2 * k, 0.2 * k + 0.1)) for k in range(5)]
    signed = shown(figures.row({"a": MAPS["map 1"] - 0.5, "b": MAPS["map 4"] - 0.5}, signed=True, shared=True))
    assert [clim for _, clim in signed] == [pytest.approx((-0.4, 0.4))] * 2


def test_zoomed_matrices_say_where_their_colours_end() -> None:
    entries = {"M": np.diag([3.0, -1.0]), "A": np.eye(2)}
    for zoom, says in ((1, None), (4, "colours are full at 1/4 of the largest entry of each")):
        picture = figures.matrices(entries, zoom=zoom)
        label = picture.figure.get_supxlabel()
        assert (label or None) == says
        assert [axis.images[0].norm.halfrange for axis in picture.figure.axes] == [3 / zoom, 1 / zoom]


def test_nothing_is_no_picture() -> None:
    with pytest.raises(InputError, match="images is empty"):
        figures.row({})
