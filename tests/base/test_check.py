"""Texts that stand for sizes, times and amounts of memory, and what is said of those that do not."""

from __future__ import annotations

import pytest

from ikebook.base import check
from ikebook.base.check import InputError


@pytest.mark.parametrize(
    ("text", "known"), [("90", 90), ("60s", 60), ("2m", 120), ("1.5h", 5400), ("2M", 120), ("0.5s", 0.5)]
)
def test_a_time_in_seconds_minutes_or_hours(text, known) -> None:
    assert check.seconds("--budget", text) == known


@pytest.mark.parametrize(
    ("text", "known"), [("800", 800), ("2k", 2000), ("800M", 800_000_000), ("1.5G", 1_500_000_000), ("1T", 10**12)]
)
def test_an_amount_of_memory(text, known) -> None:
    assert check.memory("--memory", text) == known


@pytest.mark.parametrize("value", ["416x224", "416X224", (416, 224), [416, 224]])
def test_a_size_is_a_width_and_a_height(value) -> None:
    assert check.size("size", value) == (416, 224)


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (check.seconds, "2d", "expected a time such as 60s or 2m"),
        (check.seconds, "0", "expected a time such as 60s or 2m"),
        (check.seconds, "", "expected a time such as 60s or 2m"),
        (check.memory, "0", "expected a size such as 800M or 1.5G"),
        (check.memory, "much", "expected a size such as 800M or 1.5G"),
        (check.size, "416", "expected WIDTHxHEIGHT in pixels"),
        (check.size, "3x416", "each side must lie between 4 and 16384 pixels"),
    ],
)
def test_what_can_not_be_read_is_said(read, text, says) -> None:
    with pytest.raises(InputError, match=says):
        read("it", text)
