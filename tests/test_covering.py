"""Few cases that stand for many do hold all combinations of a few options."""

from __future__ import annotations

import itertools

import pytest
from covering import covering

CHOICES = {"a": list("uvwxyz"), "b": [0, 1], "c": [0, 1, 2], "d": [False, True], "e": [None, "e"]}


@pytest.mark.parametrize(("strength", "most"), [(1, 6), (2, 22), (3, 50), (5, 144)])
def test_any_few_options_meet_with_all_their_values(strength, most) -> None:
    rows = covering(strength, **CHOICES)
    for names in itertools.combinations(CHOICES, strength):
        met = {tuple(row[name] for name in names) for row in rows}
        assert met == set(itertools.product(*(CHOICES[name] for name in names)))
    assert all(list(row) == list(CHOICES) for row in rows)
    assert len({tuple(row.values()) for row in rows}) == len(rows) <= most
    assert rows == covering(strength, **CHOICES)
