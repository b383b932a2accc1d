"""What tests of folders of results have in common: what two runs have found, and no contact sheet."""

from __future__ import annotations

import pytest

from ikebook.datasets.toys import toy
from ikebook.runs.options import RunOptions
from ikebook.runs.single import run


def _outcome_of(frames):
    clip = toy("disc", (32, 24), frames).clip
    return clip, run(clip, options=RunOptions(size=(32, 24), device="cpu", cache=False))


@pytest.fixture(scope="module")
def long():
    return _outcome_of(7)


@pytest.fixture(scope="module")
def short():
    return _outcome_of(3)


@pytest.fixture
def no_sheet(monkeypatch) -> None:
    """Draws no contact sheet: it takes longer than all the rest."""
    monkeypatch.setattr("ikebook.runs.sheet.contact_sheet", lambda *_: None)
