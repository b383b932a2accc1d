"""Curves as SVG: that points lie where their values say, and that nothing breaks it."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.widgets.chart_axes import decades, number, padded, power_of_ten, ticks
from ikebook.widgets.charts import BOTTOM, LEFT, RIGHT, TOP, Chart, line_chart

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
    assert root.get("aria-label").startswith(title.lstrip())
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


def boxes(svg: str) -> list[tuple[float, float, float, float, str]]:
    """Left, top, right, bottom and colour of each bar."""
    found = re.findall(r'd="M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+Z" fill="([^"]+)"', svg)
    return [(*map(float, each[:4]), each[4]) for each in found]


def test_bars_stand_on_each_other_and_hang_from_zero() -> None:
    chart = Chart("t", x=(0, 4), y=(-1, 3))
    chart.bars([1, 2], [2.0, -1.0], colours=["red", "blue"], width=0.5)
    chart.bars([1], [1.0], base=[2.0], name="on top")
    chart.bars([3], [0.0])  # nothing to be seen
    first, second, top = boxes(chart.svg())
    assert first == pytest.approx((chart.across(0.75), chart.up(2), chart.across(1.25), chart.up(0), "red"), abs=0.1)
    assert second[1:4:2] == pytest.approx((chart.up(0), chart.up(-1)), abs=0.1)
    assert top[1:4:2] == pytest.approx((TOP, first[1]), abs=0.1)
    assert ">on top<" in chart.svg()


def test_rules_levels_and_distances() -> None:
    chart = Chart("t", x=(0, 10), y=(0, 10))
    chart.rule(x=5)
    chart.rule(y=2, dashed=False)
    chart.level(1, 3, 8)
    chart.distance(4, 2, 8, "six & more")
    svg = chart.svg("nothing else")
    ET.fromstring(svg)
    assert f'd="M{chart.across(5):.1f} {TOP}V{SIZE[1] - BOTTOM}"' in svg
    assert f'd="M{LEFT} {chart.up(2):.1f}H{SIZE[0] - RIGHT}"' in svg
    assert f'd="M{chart.across(1):.1f} {chart.up(8):.1f}H{chart.across(3):.1f}"' in svg
    assert f"M{chart.across(4):.1f} {chart.up(8):.1f}V{chart.up(2):.1f}" in svg
    assert ">six &amp; more<" in svg
    assert 'aria-label="t. nothing else"' in svg


@pytest.mark.parametrize(("marker", "sign"), [("circle", "<circle"), ("square", "h6.4v6.4"), ("triangle", "l4 7h-8z")])
def test_points_have_markers_unless_there_are_many(marker, sign) -> None:
    chart = Chart("t", x=(0, 100), y=(0, 1))
    chart.curve([1, 2], [0.5, math.nan], marker=marker)
    assert chart.svg().count(sign) == 1
    chart.curve(range(61), [0.5] * 61, marker=marker)
    assert chart.svg().count(sign) == 1
    with pytest.raises(InputError, match="marker is 'star'; expected one of 'circle'"):
        chart.curve([1], [1], marker="star")


def test_charts_follow_the_theme_and_are_stable() -> None:
    svg = line_chart({"a": [0.2]}, title='a "line" < b', y=(0, 1), last=3)
    assert svg == line_chart({"a": [0.2]}, title='a "line" < b', y=(0, 1), last=3)
    assert "currentColor" in svg
    assert "var(--jp-ui-font-color0" in svg
    assert "http" not in svg
    assert 'aria-label="a &quot;line&quot; &lt; b. ' in svg


def test_the_legend_is_broken_where_it_is_too_wide() -> None:
    names = [f"a curve with a long name {k}" for k in range(4)]
    svg = line_chart({name: [0.1] for name in names}, title="t", y=(0, 1), last=1)
    places = [re.search(rf'<text x="([\d.]+)" y="([\d.]+)"[^>]*>{name}<', svg).groups() for name in names]
    assert len({y for _, y in places}) == 4
    assert all(float(x) < SIZE[0] / 2 for x, _ in places)
    height = float(re.search(r'viewBox="0 0 440 (\d+)"', svg)[1])
    assert float(places[-1][1]) < height


def test_numbers_beside_an_axis() -> None:
    assert ticks(0.4, 6.6, 7, whole=True) == [1, 2, 3, 4, 5, 6]
    assert [number(value) for value in ticks(-0.1, 0.05)] == ["\u22120.1", "\u22120.05", "0", "0.05"]
    assert [power_of_ten(value) for value in decades(1e-6, 10)] == ["10\u207b\u2076", "10\u207b\u2074", "0.01", "1"]
    assert decades(0.5, 0.6) == []
    assert padded([]) == (0.0, 1.0)
    assert padded([-2.0, -1.0]) == (-2.12, 0.0)
    assert padded([1.0, -1.0]) == (-1.12, 1.12)
