"""The report: our numbers in the right tables, beside the paper's, as Markdown and as one file of HTML."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from layouts import tree, write_davis, write_image

from ikebook.base.check import InputError
from ikebook.cli import main
from ikebook.cycle import CycleOptions
from ikebook.datasets import Davis2016
from ikebook.runs.evaluation import evaluate
from ikebook.runs.options import RunOptions
from ikebook.runs.report.composition import compose, write_report
from ikebook.runs.report.official import official_methods
from ikebook.runs.report.pages import Block, write_html, write_markdown
from ikebook.runs.report.published import DATASETS, PUBLISHED, TABLE_3, TITLES
from ikebook.runs.report.run_folders import read_runs, without_places

SEQUENCES = ["disc", "occluder", "tracked"]
OPTIONS = RunOptions(size=(32, 24), device="cpu", cache=False, cycle=CycleOptions(cycles=2, network=None))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    root = write_davis(folder / "DAVIS", SEQUENCES)
    evaluate(Davis2016(root), folder / "first", OPTIONS)
    return folder


@pytest.fixture
def made(finished, tmp_path):
    """A folder of results that a test may change."""
    shutil.copytree(finished / "first", tmp_path / "mine")
    return tmp_path / "mine"


def change(folder: Path, **entries) -> Path:
    path = folder / "results.json"
    results = json.loads(path.read_text())
    for key, value in entries.items():
        results[key] = results[key] | value if isinstance(results.get(key), dict) else value
    path.write_text(json.dumps(results))
    return folder


def tables(folder: Path, **options) -> dict[str, list[list[str]]]:
    """The tables of a report on one folder, by the heading they stand under."""
    found, heading = {}, ""
    for block in compose(read_runs([folder]), "2026-11-22", **{"frames": False} | options):
        heading = block.text if block.kind == "h2" else heading
        if block.kind == "table":
            found[heading] = [list(row) for row in block.rows]
            assert {len(row) for row in block.rows} == {len(block.rows[0])}, heading
    return found


def test_the_numbers_are_those_of_the_results(finished) -> None:
    results = json.loads((finished / "first" / "results.json").read_text())
    found = tables(finished / "first")
    davis = found["Table 7: DAVIS 2016"]
    j, f = (f"{100 * results['mean'][key]:.1f}" for key in ("J_mean", "F_mean"))
    assert davis[1] == ["ours: first", "", j, "-", f, "no", "first"]
    first = [one["cycles"][0]["J_mean"] for one in results["sequences"].values()]
    assert found["Table 1: Unsupervised graph, first cycle, by flow"][1][2] == f"{100 * sum(first) / len(first):.1f}"
    second = [one["cycles"][1]["J_mean"] for one in results["sequences"].values()]
    change = 100 * (sum(second) - sum(first)) / sum(first)
    assert found["Table 3: Relative change between cycles"][1] == [
        "ours: first",
        f"{change:+.1f}",
        "-",
        "-",
        "-",
        "first",
    ]
    rows = {row[0]: row for row in found["first: cycle by cycle"]}
    assert rows[""] == ["", "x#1", "x#2"]
    halves = [f"{100 * half['J_mean']:.1f}" for half in results["sequences"]["disc"]["cycles"]]
    assert rows["disc"] == ["disc", *[*halves, "-"][:2]]  # disc may end early
    assert rows["ours: mean J"][1] == f"{100 * sum(first) / len(first):.1f}"
    rows = {row[0]: row for row in found["first: sequence by sequence"]}
    disc = results["sequences"]["disc"]
    assert rows["disc"][:3] == ["disc", "5", f"{100 * disc['J_mean']:.1f}"]
    assert rows["ours: mean"][1] == "15"
    costs = found["Time and memory"]
    assert costs[0][-1] == "greatest memory of a process, GB"
    spent = sum(sum(one["seconds"].values()) for one in results["sequences"].values()) / 3
    assert float(costs[1][-2]) == pytest.approx(spent, abs=0.06)


def test_the_papers_numbers_stand_beside_them(finished) -> None:
    found = tables(finished / "first")
    davis = {row[0]: row for row in found["Table 7: DAVIS 2016"]}
    assert davis["IKE"] == ["IKE", "2022", "76.0", "-", "69.3", "no", "Table 7 of the paper"]
    assert davis["3DC-Seg"][5] == "yes"
    grouping = next(row for name, row in davis.items() if name.startswith("Motion Grouping"))
    assert grouping[1:5] == ["2021", "-", "68.3", "-"]  # ground truth says which segment is the object
    assert found["Table 3: Relative change between cycles"][2][:5] == ["IKE", "+10.4", "+1.7", "+7.0", "+2.1"]
    assert "Table 2: Graph with borrowed features, first cycle" not in found
    assert "Table 4: DAVSOD" not in found


def test_numbers_go_to_the_right_and_words_to_the_left(finished, tmp_path) -> None:
    write_report([finished / "first"], tmp_path, "2026-11-22", frames=False)
    lines = (tmp_path / "report.md").read_text().splitlines()
    head = next(index for index, line in enumerate(lines) if line.startswith("|  | year | J |"))
    assert lines[head + 1] == "| --- | ---: | ---: | ---: | ---: | --- | --- |"


def test_where_a_run_belongs(made) -> None:
    cue = {"role": "cue", "name": "fcn", "supervision": "labels"}
    change(made, options={"cues": ["maps/fcn"], "sources": [cue]})
    found = tables(made)
    assert "Table 1: Unsupervised graph, first cycle, by flow" not in found
    row = found["Table 2: Graph with borrowed features, first cycle"][1]
    assert row[0] == "ours: mine, first graph"
    assert row[5] == "yes"
    runs = found["The runs"]
    assert dict(zip(*runs, strict=True)) == {
        "run": "mine",
        "data set": "davis2016",
        "sequences": "3 of 20",
        "flow": "dis",
        "features from outside": "fcn",
        "cycles": "2",
        "network": "none",
        "human labels": "yes",
    }


def test_another_data_set_has_its_own_table_and_measures(made) -> None:
    change(made, options={"dataset": "davsod"}, mean={"Fbeta_max": 0.5, "MAE": 0.125})
    found = tables(made)
    assert found["Table 4: DAVSOD"][0][2:4] == ["F-measure", "MAE"]
    assert found["Table 4: DAVSOD"][1][:4] == ["ours: mine", "", "0.500", "0.125"]
    assert found["Table 4: DAVSOD"][2][:4] == ["IKE", "2022", "0.560", "0.130"]
    assert "Table 7: DAVIS 2016" not in found


def test_few_sequences_and_failures_are_said(made) -> None:
    failure = {"kind": "input", "reason": "frame 7 can't be read", "where": "here"}
    change(made, failed={"goat": failure}, mean_refined={"J_mean": 0.5, "F_mean": None})
    text = [block.text for block in compose(read_runs([made]), "2026-11-22", frames=False)]
    assert any(line.startswith("mine has 3 of 20 sequences") for line in text)
    assert "goat failed: frame 7 can't be read" in text
    assert tables(made)["Table 7: DAVIS 2016"][2][:5] == ["ours: mine, refined", "", "50.0", "-", "-"]


def test_both_files_hold_all_of_it(finished, tmp_path) -> None:
    write_report([finished / "first"], tmp_path, "2026-11-22")
    assert tree(tmp_path) == {"report.md", "report.html", "bars-first.png", "worst-first.png", "best-first.png"}
    markdown, page = (tmp_path / "report.md").read_text(), (tmp_path / "report.html").read_text()
    assert "| **ours: first** |" in markdown
    assert "![The worst frames of first" in markdown
    assert page.count("<img ") == 3
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=.(?!data:)", page)
    numbers = [
        sorted(set(re.findall(r"\d+\.\d", text.split("Options and versions")[0])))
        for text in (markdown, page.split("<body>")[1])
    ]
    assert set(numbers[0]) <= set(numbers[1])


def test_what_cells_hold_stays_text(tmp_path) -> None:
    blocks = [
        Block("h1", "a <b> & c"),
        Block("p", "see `x < 1`"),
        Block("table", rows=[["", "n"], ["ours: a|b<script>", "1"]]),
    ]
    write_html(tmp_path / "r.html", blocks)
    write_markdown(tmp_path / "r.md", blocks)
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page
    assert "a &lt;b&gt; &amp; c" in page
    assert "<code>x &lt; 1</code>" in page
    assert '<tr class="ours"><td>ours: a|b&lt;script&gt;</td><td class="number">1</td></tr>' in page
    assert "| **ours: a\\|b<script>** | 1 |" in (tmp_path / "r.md").read_text()


def test_the_data_set_is_not_looked_for_in_the_current_folder(finished, made, monkeypatch) -> None:
    monkeypatch.chdir(finished / "DAVIS")
    for nowhere in ("", None, 5):  # as where masks made elsewhere were scored
        change(made, options={"root": nowhere})
        text = [block.text for block in compose(read_runs([made]), "2026-11-22")]
        assert "Its best and worst frames are not shown: these results do not say where the data set lies." in text


def test_frames_are_left_out_with_the_reason(finished, made, tmp_path) -> None:
    change(made, options={"root": str(tmp_path / "gone")})
    text = [block.text for block in compose(read_runs([made]), "2026-11-22")]
    assert any(line.startswith("Its best and worst frames are not shown:") and "gone" in line for line in text)
    shutil.rmtree(made / "masks" / "disc")
    change(made, options={"root": str(finished / "DAVIS")})
    text = [block.text for block in compose(read_runs([made]), "2026-11-22")]
    assert any("run 'ikebook evaluate' again" in line for line in text)


def test_no_place_of_this_machine_is_told(finished, made, tmp_path) -> None:
    options = {
        "root": str(tmp_path / "gone"),
        "flow": f"raft:{tmp_path / 'weights.pth'}",
        "feature_flow": str(tmp_path / "flow"),
        "cues": [str(tmp_path / "cue"), "fcn"],
    }
    reason = f"{tmp_path / 'gone' / 'late'} is empty, {tmp_path / 'flow' / 'late'} too."
    failed = {"late": {"kind": "input", "reason": reason, "where": "here"}}
    change(made, options=options, failed=failed)
    write_report([made], tmp_path / "out", "2026-11-22")
    for file in ("report.md", "report.html"):
        text = (tmp_path / "out" / file).read_text()
        assert str(tmp_path) not in text
        assert str(finished) not in text
        assert "late failed: gone/late is empty, flow/late too." in text
    text = (tmp_path / "out" / "report.md").read_text()
    for shown in ('"root": "gone"', '"flow": "raft:weights.pth"', '"feature_flow": "flow"', '"cues": ["cue", "fcn"]'):
        assert shown in text
    assert "| raft:weights.pth and flow | cue, fcn |" in text


def test_what_went_wrong_is_told_whole_from_any_folder(made, monkeypatch) -> None:
    failed = {"late": {"kind": "input", "reason": "a/b.png is no picture. Remove it.", "where": "here"}}
    change(made, options={"root": "/"}, failed=failed)
    monkeypatch.chdir(made)
    text = [block.text for block in compose(read_runs([Path()]), "2026-11-22", frames=False)]
    assert "late failed: a/b.png is no picture. Remove it." in text


def test_of_paths_of_other_systems_the_name_is_told_too() -> None:
    paths = {"a": "C:\\data\\davis", "b": ["raft:C:\\w.pth", "raft:C_T", "dis", 3, None], "c": "a/b"}
    assert without_places(paths) == {"a": "davis", "b": ["raft:w.pth", "raft:C_T", "dis", 3, None], "c": "a/b"}


def test_the_worst_and_the_best_frame_are_found(finished, made) -> None:
    from ikebook.runs.report.pictures import _scores, extreme_frames

    dataset = Davis2016(finished / "DAVIS")
    truth = list(dataset.annotations("disc"))
    write_image(made / "masks" / "disc" / "00002.png", (truth[2] * 255).astype("uint8"))
    write_image(made / "masks" / "disc" / "00003.png", (truth[3] * 0).astype("uint8"))
    scores = _scores(dataset, made / "masks" / "disc", "disc")
    assert scores[2] == 1
    assert scores[3] == 0
    pictures = extreme_frames(dataset, made / "masks", SEQUENCES)
    assert set(pictures) == {"worst", "best"}
    assert all(data.startswith(b"\x89PNG") for data in pictures.values())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"mean": 1}',
        '{"mean": {}, "sequences": {"a": 3}, "failed": {}, "options": {"dataset": "davis2016"}, "versions": {}}',
        '{"mean": {}, "sequences": {}, "failed": {"a": "b"}, "options": {"dataset": "davis2016"}, "versions": {}}',
        '{"mean": {}, "sequences": {}, "failed": {}, "options": {}, "versions": {}}',
        "[" * 9999,
    ],
)
def test_damaged_results_are_refused(tmp_path, content) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match="holds no results of 'ikebook evaluate'"):
        read_runs([tmp_path])


def test_folders_that_hold_nothing_or_share_a_name(finished, tmp_path) -> None:
    with pytest.raises(InputError, match="holds no results"):
        read_runs([tmp_path])
    with pytest.raises(InputError, match="two folders are called 'first'"):
        read_runs([finished / "first", finished / "first"])
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "results.json").write_text(
        '{"mean": {}, "sequences": {}, "failed": {}, "options": {"dataset": "davis2016"}, "versions": {}}'
    )
    with pytest.raises(InputError, match="results of no sequence"):
        read_runs([empty])


def test_the_command(finished, tmp_path, capsys) -> None:
    assert main(["report", str(finished / "first"), "--out", str(tmp_path / "r"), "--no-frames"]) == 0
    assert capsys.readouterr().out == f"Written to {tmp_path / 'r'}: report.md, report.html\n"
    assert tree(tmp_path / "r") == {"report.md", "report.html", "bars-first.png"}
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "x")]) == 2
    assert "name the folder that was its --out" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_official_evaluation_has_the_means_that_are_published() -> None:
    methods = {method.name: method for method in official_methods()}
    assert len(methods) == 25
    assert {len(scores) for method in methods.values() for scores in (method.J, method.F)} == {20}
    published = [row for row in PUBLISHED if row.table == 7 and row.method in methods]
    assert len(published) == 13
    for row in published:
        method = methods[row.method]
        assert sum(method.J.values()) / 20 == pytest.approx(row.J, abs=0.06), row.method
        assert sum(method.F.values()) / 20 == pytest.approx(row.F, abs=0.06), row.method
        assert method.labels == ("yes" if row.labels else "no"), row.method


@pytest.mark.data
def test_the_official_evaluation_is_that_of_its_files(metrics_root) -> None:
    file = metrics_root / "davis2016_official_per_sequence.json"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    scores = json.loads(file.read_text())
    spelled = {"MuG": "mugu", "SFL": "sflu"}
    for method in official_methods():
        known = scores[spelled.get(method.name, method.name.lower())]
        for measure in ("J", "F"):
            values = getattr(method, measure)
            assert set(values) == set(known)
            assert all(values[name] == pytest.approx(100 * known[name][f"{measure}_mean"], abs=0.006) for name in known)


def test_a_run_stands_among_the_official_methods_over_its_own_sequences(made) -> None:
    results = json.loads((made / "results.json").read_text())
    one = next(iter(results["sequences"].values()))
    entries = {
        name: one | {"J_mean": j, "F_mean": 0.5} for name, j in (("goat", 0.81), ("kite-surf", 0.0), ("mine", 0.9))
    }
    results["sequences"] = entries
    (made / "results.json").write_text(json.dumps(results))
    found = tables(made)
    rows = found["mine: beside the official evaluation"]
    assert rows[0] == ["", "labels", "J, these 2", "F, these 2", "J, all 20", "better in"]
    by_name = {row[0]: row for row in rows[1:]}
    assert by_name["ours: mine"] == ["ours: mine", "no", "40.5", "50.0", "-", "-"]
    # Of goat and kite-surf, by the official evaluation: 1.05 and 45.32, 13.33 and 44.83; its mean of all 20 is 55.1.
    assert by_name["NLC"] == ["NLC", "no", "23.2", "29.1", "55.1", "1"]
    means = [float(row[2]) for row in rows[1:]]
    assert means == sorted(means, reverse=True)
    ranks = {row[0]: row for row in found["mine: its sequences beside the official evaluation"]}
    assert set(ranks) == {"", "goat", "kite-surf"}
    assert ranks["kite-surf"][1] == "0.0"
    assert ranks["kite-surf"][-1].endswith("of 26")
    assert "mine: beside the official evaluation" not in tables(change(made, options={"dataset": "davsod"}))


def test_what_is_quoted_is_whole() -> None:
    assert {row.table for row in PUBLISHED} == set(DATASETS)
    assert set(DATASETS) | {3} == set(TITLES)
    for row in PUBLISHED:
        scores = (row.f_beta, row.mae) if row.table == 4 else (row.J,)
        assert all(score is not None for score in scores), row.method
        assert all(0 < score <= (1 if row.table == 4 else 100) for score in scores), row.method
        assert row.source
        assert 2000 < row.year < 2030
    names = [(row.table, row.method, row.labels) for row in PUBLISHED]
    assert len(names) == len(set(names))
    assert len(TABLE_3) == 4
