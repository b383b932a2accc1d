"""Buttons of which one is chosen."""

from __future__ import annotations

import pytest

from ikebook.base.check import InputError
from ikebook.widgets.choice import Choice


def test_value_and_index_are_one() -> None:
    choice = Choice([("one", 1), ("two", 2)], "number", "90px")
    assert (choice.value, choice.index, choice.label) == (1, 0, "one")
    seen = []
    choice.observe(lambda change: seen.append(change["new"]), ["value"])
    choice.set_state({"index": 1})  # a click
    assert (choice.value, seen) == (2, [2])
    choice.value = None
    assert (choice.index, choice.label) == (None, "")
    choice.options = (("three", 3),)
    assert (choice.value, choice.labels) == (3, ["three"])
    choice.options = ()
    assert (choice.value, choice.index) == (None, None)
    with pytest.raises(InputError, match="value is 7"):
        choice.value = 7
