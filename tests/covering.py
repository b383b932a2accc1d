"""Few cases that stand for many: each two (three, ...) options meet with all of their values, if not all options with all."""

from __future__ import annotations

import itertools
from typing import Any


def covering(strength: int = 2, **choices: list[Any]) -> list[dict[str, Any]]:
    """Combinations of choices, among which any `strength` of them occur with every combination of their values.

    Most faults need no more than two or three options to meet (Kuhn, Wallace & Gallo 2004, doi:10.1109/TSE.2004.24). The list
    is made greedily, and is always the same.

    >>> covering(2, a=[1, 2], b=[1, 2], c=[1, 2])
    [{'a': 1, 'b': 1, 'c': 1}, {'a': 1, 'b': 2, 'c': 2}, {'a': 2, 'b': 1, 'c': 2}, {'a': 2, 'b': 2, 'c': 1}]
    """
    counts = [len(values) for values in choices.values()]
    missing = {
        tuple(zip(which, places, strict=True)): None
        for which in itertools.combinations(range(len(counts)), strength)
        for places in itertools.product(*(range(counts[one]) for one in which))
    }
    rows: list[list[int]] = []
    while missing:
        row: dict[int, int] = dict(next(iter(missing)))
        for one in sorted(set(range(len(counts))) - set(row)):
            others = [[(k, row[k]) for k in some] for some in itertools.combinations(sorted(row), strength - 1)]
            # Missing combinations that each value would give the row, with what it has already.
            met = [
                sum(tuple(sorted([*some, (one, place)])) in missing for some in others) for place in range(counts[one])
            ]
            turn = len(rows) % counts[one]  # of values that do as well, not always the first
            row[one] = max([*range(turn, counts[one]), *range(turn)], key=met.__getitem__)
        rows.append([row[one] for one in range(len(counts))])
        for which in itertools.combinations(range(len(counts)), strength):
            missing.pop(tuple((one, row[one]) for one in which), None)
    return [
        {name: values[place] for (name, values), place in zip(choices.items(), row, strict=True)}
        for row in sorted(rows)
    ]
