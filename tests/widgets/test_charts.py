"""Curves as SVG: that points lie where their values say, and that nothing breaks it."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.widgets.charts import BOTTOM, LEFT, RIGHT, TOP, line_chart

SIZE = (440, 220)


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_points_lie_where_their_values_say() -> None:
    svg = line_chart({"a": [0.0, 0.5, 1.0]}, title="t", y=(0, 1), last=4)
    left, right, top, bottom = LEFT, SIZE[0] - RIGHT, TOP, SIZE[1] - BOTTOM
    quarter = (right - left) / 4
    expected = [(left, bottom), (left + quarter, (top + bottom) / 2), (left + 2 * quarter, top)]
    for found, wanted in zip(circles(svg), expected, strict=True):
        assert found == pytest.approx(wanted, abs=0.1)
    decades = line_chart({"a": [1e-4, 1e-2, 1.0]}, title="t", y=(1e-4, 1), last=2, log=True)
    assert [y for _, y in circles(decades)] == pytest.approx([bottom, (top + bottom) / 2, top], abs=0.1)
    late = line_chart({"a": [0.0]}, title="t", y=(0, 1), last=5, first=5)
    assert circles(late)[0][0] == pytest.approx(left, abs=0.1)


def test_gaps_interrupt_a_curve_and_values_outside_stay_in_the_picture() -> None:
    svg = line_chart({"a": [math.nan, 0.5, math.inf, 2.0, -1.0]}, title="t", y=(0, 1), last=4)
    assert len(circles(svg)) == 3
    assert re.search(r'd="M[\d.]+ [\d.]+M[\d.]+ [\d.]+L', svg)
    assert all(TOP <= y <= SIZE[1] - BOTTOM for _, y in circles(svg))


@given(
    st.dictionaries(st.text(max_size=8), st.lists(st.floats(), max_size=5), max_size=4),
    st.text(max_size=10),
    st.integers(0, 50),
    st.booleans(),
)
def test_whatever_is_plotted_is_well_formed_and_said_in_words(series, title, last, log) -> None:
    series = {name.encode("ascii", "ignore").decode(): values for name, values in series.items()}
    series = {"".join(letter for letter in name if letter.isprintable()): values for name, values in series.items()}
    title = "".join(letter for letter in title if letter.isprintable())
    svg = line_chart(series, title=title, y=(1e-6, 1), last=last, log=log, mark=0)
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label").startswith(title)
    assert "nan" not in re.sub(r">[^<]*<|aria-label=\"[^\"]*\"", "", svg)


def test_names_are_written_beside_several_curves() -> None:
    svg = line_chart({"noise": [0.1], "a & b": [0.2]}, title="t", y=(0, 1), last=1, dashed=("noise",))
    assert ">noise<" in svg
    assert ">a &amp; b<" in svg
    assert svg.count("stroke-dasharray") == 2  # the curve, and its sample
    assert ">noise<" not in line_chart({"noise": [0.1]}, title="t", y=(0, 1), last=1)


@pytest.mark.parametrize(("y", "log"), [((1, 1), False), ((2, 1), False), ((0, 1), True)])
def test_a_span_that_is_none(y, log) -> None:
    with pytest.raises(InputError, match="y is"):
        line_chart({"a": [1.0]}, title="t", y=y, last=1, log=log)
