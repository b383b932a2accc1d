"""What `ikebook.segment` gives can be shown as it is, and a frame that is none of the clip's changes nothing."""

from __future__ import annotations

import pytest

import ikebook
from ikebook.base.check import InputError
from ikebook.widgets import ChainExplorer, ClipPlayer, Compare

MADE = ikebook.toy("disc")
RESULT = ikebook.segment(MADE.clip, MADE.flow)


def test_two_results_are_compared_by_their_masks() -> None:
    scores = Compare(MADE.clip, RESULT, MADE.clip.masks, names=("found", "truth")).scores
    assert scores == Compare(MADE.clip, RESULT.masks, MADE.clip.masks, names=("found", "truth")).scores
    assert scores["truth"] == [1.0] * 5
    assert scores["found"] == [1.0] * 5  # of this toy every pixel is found


def test_a_result_is_played_as_each_of_its_maps() -> None:
    one = ClipPlayer(MADE.clip, masks=RESULT, soft={"how sure": RESULT}, labels=RESULT)
    other = ClipPlayer(MADE.clip, masks=RESULT.masks, soft={"how sure": RESULT.soft}, labels=RESULT.labels)
    assert [canvas.maps for canvas in one.canvases] == [canvas.maps for canvas in other.canvases]
    assert len({canvas.maps for canvas in one.canvases}) == 4


@pytest.mark.parametrize(
    "widget",
    [
        lambda: ClipPlayer(MADE.clip, masks=RESULT),
        lambda: Compare(MADE.clip, RESULT, RESULT),
        lambda: ChainExplorer(MADE.clip, MADE.flow),
    ],
)
@pytest.mark.parametrize("frame", [-1, 5, 99])
def test_a_frame_that_is_refused_is_not_kept(widget, frame) -> None:
    made = widget()
    made.frame = 2
    with pytest.raises(InputError, match=f"frame is {frame}; expected one of 0 to 4"):
        made.frame = frame
    assert made.frame == 2
