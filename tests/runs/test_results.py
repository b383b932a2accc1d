"""What is written about results has types, and what is read is checked against them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import numpy as np
import pytest

from ikebook.base.check import InputError
from ikebook.datasets.protocol import Protocol, Scores, scores_of
from ikebook.datasets.toys import toy
from ikebook.runs.json_types import LARGEST, has_type, read_json
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import write_results
from ikebook.runs.results import Entry, Failure, HalfCycle, Results, Summary, read_results
from ikebook.runs.single import run

ROOMS = ("ikebook.datasets", "ikebook.experiments", "ikebook.runs", "ikebook.runs.report")


class Inner(TypedDict, total=False):
    name: str


class Outer(TypedDict):
    count: int
    inner: dict[str, Inner]


class TestTypes:
    @pytest.mark.parametrize(
        ("kind", "right", "wrong"),
        [
            (int, [0, -3], [1.0, True, "1", None]),
            (float, [0, 2.5], [False, "1", None, [1.0], float("nan")]),
            (bool, [True, False], [0, 1, None, "true"]),
            (str, ["", "a"], [1, None, ["a"]]),
            (None, [None], [0, "", False]),
            (Any, [None, 1, {}], []),
            (float | None, [1, None], [True, "None"]),
            (Literal["graph", "network"], ["graph"], ["", "Graph", None, ["graph"], {}]),
            (list[int], [[], [1, 2]], [[1, "2"], (1, 2), {}, "12"]),
            (Annotated[list[float], 3], [[1, 2, 3.5]], [[1, 2], [1, 2, 3, 4], [1, 2, None], "abc", 3]),
            (dict[str, int], [{}, {"a": 1}], [{"a": "b"}, [], [["a", 1]]]),
            (list[dict[str, float | None]], [[{"a": None}]], [[{"a": "x"}], [None]]),
            (Inner, [{}, {"name": "a"}, {"other": 5}], [{"name": 5}, {"name": None}, [], "name"]),
            (Outer, [{"count": 1, "inner": {}}, {"count": 1, "inner": {"a": {"name": "b"}}, "more": None}],
             [{}, {"count": 1}, {"count": 1, "inner": {"a": {"name": 1}}}, {"count": None, "inner": {}}]),
        ],
    )  # fmt: skip
    def test_values(self, kind, right, wrong) -> None:
        assert [has_type(value, kind) for value in right] == [True] * len(right)
        assert [has_type(value, kind) for value in wrong] == [False] * len(wrong)

    def test_a_file_that_can_not_be_read_is_none(self, tmp_path) -> None:
        path = tmp_path / "a.json"
        assert read_json(path, Inner) is None
        for content in (b"", b"{", b"[]", b'"name"', b"\xff", b'{"name": 5}', b"[" * 100_000):
            path.write_bytes(content)
            assert read_json(path, Inner) is None
        path.write_text('{"name": "a", "more": 1}')
        assert read_json(path, Inner) == {"name": "a", "more": 1}
        with path.open("wb") as stream:
            stream.truncate(LARGEST + 1)
        assert read_json(path, Inner) is None

    def test_what_may_be_left_out(self) -> None:
        assert HalfCycle.__required_keys__ == {"cycle", "module", "change", "object_share", "seconds"}
        assert Entry.__required_keys__ == {"frames"}
        assert Failure.__required_keys__ == {"kind", "reason"}
        assert Results.__required_keys__ == {"mean", "sequences", "failed", "options", "versions"}
        assert not Scores.__required_keys__


HALF = {"cycle": 1, "module": "graph", "change": None, "object_share": 0.1, "seconds": {"flow": 1.5}, "J_mean": 0.5}
ENTRY = {"frames": 5, "J_mean": 0.5, "F_mean": None, "residual": 1e-6, "cycles": [HALF], "seconds": {"flow": 1.5}}
RESULTS = {
    "mean": {"J_mean": 0.5},
    "sequences": {"a": ENTRY},
    "failed": {"b": {"kind": "input", "reason": "no frame"}},
    "options": {"dataset": "davis2016"},
    "versions": {"ikebook": "0.1.0"},
}


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one value in another's place."""
    copy = json.loads(json.dumps(content))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


class TestReading:
    def test_whole_results(self, tmp_path) -> None:
        (tmp_path / "results.json").write_text(json.dumps(RESULTS))
        assert read_results(tmp_path) == RESULTS
        assert read_results(str(tmp_path))["sequences"]["a"]["frames"] == 5

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("mean",), None),
            (("mean", "J_mean"), "high"),
            (("sequences",), []),
            (("sequences", "a"), 5),
            (("sequences", "a", "frames"), "5"),
            (("sequences", "a", "frames"), True),
            (("sequences", "a", "F_mean"), [0.5]),
            (("sequences", "a", "Fbeta_curve"), [0.5] * 255),
            (("sequences", "a", "refined"), {"J_mean": "high"}),
            (("sequences", "a", "cycles"), {}),
            (("sequences", "a", "cycles", 0, "module"), "oracle"),
            (("sequences", "a", "cycles", 0, "seconds"), None),
            (("sequences", "a", "cycles", 0, "seconds", "flow"), None),
            (("sequences", "a", "cycles", 0, "J_mean"), "high"),
            (("sequences", "a", "peak_memory_bytes"), "much"),
            (("sequences", "a", "where"), "here"),
            (("failed", "b"), "no frame"),
            (("failed", "b", "reason"), None),
            (("failed", "b", "kind"), "fate"),
            (("options",), None),
            (("versions", "ikebook"), 1),
        ],
    )
    def test_damage(self, path, value, tmp_path) -> None:
        (tmp_path / "results.json").write_text(json.dumps(changed(RESULTS, path, value)))
        with pytest.raises(InputError, match=r"results\.json is no results file of ikebook; choose another --out"):
            read_results(tmp_path)

    def test_what_is_written_of_a_run_has_its_type(self, tmp_path) -> None:
        clip, options = toy("disc", (32, 24), 4).clip, RunOptions(size=(32, 24), device="cpu", cache=False)
        outcome = run(clip, options=options)
        assert all(has_type(half, HalfCycle) for half in outcome.history)
        write_results(tmp_path, clip, outcome, options)
        assert read_json(tmp_path / "summary.json", Summary) is not None
        told = set(get_type_hints(Summary)) - {"input"}  # the clip was made in memory
        assert set(json.loads((tmp_path / "summary.json").read_text())) == told


def test_scores_are_those_of_any_protocol() -> None:
    masks = toy("disc").clip.masks
    assert masks is not None
    protocol = Protocol(saliency=True)
    found = {**protocol.score_masks(masks, masks), **protocol.score_soft_masks(masks.astype(float), masks)}
    assert set(scores_of(found)) == set(Scores.__annotations__)
    assert set(found) - set(scores_of(found)) == {"Fbeta_curve"}


class TestRun:
    def test_a_flow_of_ones_own_goes_elsewhere(self) -> None:
        made = toy("disc")
        with pytest.raises(InputError, match=r"flow is Flow.*A flow of your own goes to ikebook\.segment"):
            run(made.clip, made.flow)

    def test_frames_without_a_clip(self) -> None:
        frames = np.asarray(toy("disc").clip.frames)
        assert run(frames, options=RunOptions(cache=False)).result.masks.shape == (5, 16, 16)
        with pytest.raises(InputError, match=r"options is \{'flow': 'dis'\}; expected RunOptions"):
            run(frames, options={"flow": "dis"})

    def test_paths_that_workers_can_use(self, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("w.pth").touch()
        options = RunOptions(flow="raft:w.pth", feature_flow="flow", cues=["maps", "fcn", "dino:no.pth"])
        placed = options.with_absolute_paths()
        assert (placed.flow, placed.feature_flow) == (f"raft:{tmp_path / 'w.pth'}", str(tmp_path / "flow"))
        assert list(placed.cues) == [str(tmp_path / "maps"), "fcn", "dino:no.pth"]
        assert RunOptions().with_absolute_paths().as_dict() == RunOptions().as_dict()


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_room_leads_somewhere_and_hides_no_module(room) -> None:
    module = importlib.import_module(room)
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert not {one.name for one in iter_modules(module.__path__)} & set(module.__all__)
