"""ClipPlayer, ChainExplorer, Compare and their static pages, without a browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter

import ipywidgets
import numpy as np
import pytest
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.matrix.neighbours import Neighbourhood
from ikebook.video.metrics import region_similarity
from ikebook.widgets import ChainExplorer, ClipPlayer, Compare, VideoCanvas, chain_explorer
from ikebook.widgets.chain_view import CHAIN, LINK
from ikebook.widgets.save_html import State, write_page


@pytest.fixture(scope="module")
def made():
    return ikebook.toy("disc", size=(24, 20), frames=6)


@pytest.fixture
def explorer(made):
    return ChainExplorer(made.clip, made.flow, frame=2, pixel=(12, 10))


def test_the_player_shows_each_map_in_step(made) -> None:
    clip = made.clip
    soft = torch.as_tensor(np.where(clip.masks, 0.9, 0.1))
    player = ClipPlayer(
        clip, masks={"truth": clip.masks, "none": ~clip.masks}, soft=soft, labels=soft - 0.3, height=200
    )
    assert [canvas.caption for canvas in player.canvases] == ["disc", "truth", "none", "soft", "labels"]
    assert all(canvas.height == 200 for canvas in player.canvases)
    assert player.canvases[1].maps == (clip.masks * np.uint8(255)).tobytes()
    assert player.canvases[4].map_range == pytest.approx((-0.6, 0.6))
    player.frame = 4
    assert [canvas.frame for canvas in player.canvases] == [4] * 5
    player.canvases[3].frame = 1
    assert player.frame == 1
    player.canvases[0].playing = True
    assert player.playing
    assert repr(player) == "ClipPlayer('disc', 6 frames of 24x20: disc, truth, none, soft, labels)"
    alone = ClipPlayer(clip)
    assert alone.canvases[0].parts == "all"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mask": None}, r"ClipPlayer has no option 'mask'. Did you mean 'masks'\?"),
        ({"masks": np.zeros((6, 20, 24))}, "masks is float64; expected bool"),
        ({"soft": np.full((6, 20, 24), 2.0)}, "soft lies between 2 and 2; expected values in"),
        ({"labels": np.zeros((5, 20, 24))}, r"labels has shape \(5, 20, 24\); expected \(6, 20, 24\)"),
        ({"labels": {"x": np.full((6, 20, 24), np.inf)}}, r"labels\['x'\] has values that are NaN or infinite"),
        ({"names": ["a", "b"]}, "names has 2 texts; expected 1"),
        ({"height": 3}, "height is 3; expected a whole number, 40 or more"),
    ],
)
def test_the_player_refuses_what_does_not_fit(made, options, says) -> None:
    with pytest.raises(InputError, match=says):
        ClipPlayer(made.clip, **options)


def test_the_explorer_shows_what_the_library_computes(made, explorer) -> None:
    chains = explorer._chains
    near = Neighbourhood(chains, 2, 15)
    np.testing.assert_array_equal(explorer.chain.x, near.chain((12, 10)).x)
    np.testing.assert_array_equal(explorer.incoming.x, near.incoming((12, 10)).x)
    matrix = ikebook.build(made.clip, made.flow)
    node = 2 * 24 * 20 + 10 * 24 + 12
    outgoing = matrix.motion.outgoing()[node]
    met = outgoing[outgoing > 0].tolist()  # by time, as nodes are
    np.testing.assert_allclose(explorer.weights[explorer.chain.frames != 2], met, rtol=1e-5)
    incoming = matrix.motion.outgoing()[:, node]
    assert float(incoming.sum()) == pytest.approx(explorer._incoming_weights.sum(), rel=1e-5)
    row = matrix.features.dense()[node]
    assert tuple(explorer.features) == matrix.features.columns
    np.testing.assert_allclose(list(explorer.features.values()), row, atol=1e-6)
    path = explorer.canvas.paths[0]  # below the links
    assert [point[0] for point in path["points"]] == explorer.chain.frames.tolist()
    assert explorer.canvas.points == [{"frame": 2, "x": 12, "y": 10, "colour": "#ff4d3d"}]
    assert "<svg" in explorer.plot.value
    assert f">{len(explorer.incoming)}<" in explorer.facts.value


def test_a_click_and_the_sliders_move_the_explorer(explorer) -> None:
    plot = explorer.plot.value
    explorer.canvas.set_state({"frame": 4, "pixel": [3, 2], "picked": [4, 3, 2]})
    assert (explorer.frame, explorer.pixel) == (4, (3, 2))
    assert explorer.plot.value != plot
    # The same pixel in another frame is another node.
    explorer.canvas.set_state({"frame": 1, "picked": [1, 3, 2]})
    assert (explorer.frame, explorer.pixel) == (1, (3, 2))
    explorer.controls["radius"].value = 2
    assert explorer.radius == 2
    assert explorer.chain.frames.tolist() == [0, 1, 2, 3]
    explorer.controls["sigma"].value = 1.0
    alike = explorer.weights[[0, 2, 3]] / np.exp(-np.array([1.0, 1.0, 4.0]) / 2)
    assert ((alike > 0.5) & (alike <= 1)).all()  # as colour changes little along the chain
    assert explorer.weights[1] == 0
    explorer.half_window = 1
    assert explorer.controls["half_window"].value == 1
    assert list(explorer.features) == ["saliency[-1]", "saliency[+0]", "saliency[+1]", "saliency mean"]
    assert repr(explorer) == "ChainExplorer('disc', pixel (3, 2) of frame 1, p 2, sigma 1, q 1)"


def test_a_click_computes_once(explorer, monkeypatch) -> None:
    counts: Counter[str] = Counter()
    home = "ikebook.widgets.chain_explorer"
    for name in ("Neighbourhood", "FeatureMatrix", "facts_html", "node_charts"):
        real = getattr(chain_explorer, name)

        def counted(*arguments, real=real, name=name, **options):
            counts[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(f"{home}.{name}", counted)
    each = {"FeatureMatrix": 1, "facts_html": 1, "node_charts": 1}
    explorer.canvas.set_state({"frame": 4, "pixel": [3, 2], "picked": [4, 3, 2]})  # two traits change
    assert counts == {"Neighbourhood": 1, **each}
    counts.clear()
    explorer.canvas.set_state({"pixel": [5, 5], "picked": [4, 5, 5]})  # in the same frame, which has been looked at
    assert counts == each
    counts.clear()
    explorer.canvas.set_state({"pixel": [5, 5], "picked": [4, 5, 5]})
    explorer.pixel = (5, 5)
    assert counts == {}
    explorer.half_window = 2
    assert counts == each


def test_the_charts_show_the_weights_and_the_row(explorer) -> None:
    root = ET.fromstring(explorer.plot.value)
    weights, row = root.findall(".//svg")
    assert weights.get("aria-label").startswith("Weights in M. ")
    assert f"{explorer.weights.sum():.2f} along its own chain" in weights.get("aria-label")
    assert row.get("aria-label") == "Its row of F. 2 features: saliency, saliency mean."
    colours = [path.get("fill") for path in weights.findall("path")]
    out, into = set(explorer.chain.frames[explorer.chain.frames != 2]), set(explorer.incoming.frames)
    assert (colours.count(CHAIN), colours.count(LINK)) == (len(out), len(into))  # one bar for each frame
    assert len(row.findall("circle")) == 2


def test_the_explorer_takes_the_papers_features(made) -> None:
    explorer = ChainExplorer(made.clip, made.flow, options=ikebook.preset("paper"), pixel=(5, 5))
    assert explorer.half_window == 5
    assert len(explorer.features) == 20
    explorer.half_window = 2
    assert list(explorer.features)[:2] == ["dx[+1]", "dy[+1]"]
    assert len(explorer.features) == 8


def test_the_explorer_refuses_what_is_not_there(made, explorer) -> None:
    with pytest.raises(InputError, match=r"pixel is \(24, 0\); expected"):
        explorer.pixel = (24, 0)
    with pytest.raises(InputError, match=r"frame is 6; expected one of 0 to 5"):
        ChainExplorer(made.clip, made.flow, frame=6)
    with pytest.raises(InputError, match=r"radius is 0; expected a whole number, 1 or more"):
        explorer.radius = 0
    with pytest.raises(InputError, match=r"ChainExplorer has no option 'pixl'. Did you mean 'pixel'\?"):
        ChainExplorer(made.clip, made.flow, pixl=(0, 0))
    with pytest.raises(InputError, match=r"flow is a Clip, Clip\('disc'.*; expected Flow|flow is Clip"):
        ChainExplorer(made.clip, made.clip)
    assert explorer.pixel == (12, 10)


def test_compare_scores_both_and_moves_its_line(made) -> None:
    clip = made.clip
    soft = np.where(np.roll(clip.masks, 3, axis=2), 0.8, 0.2)
    compare = Compare(clip, clip.masks, soft, names=("right", "late"))
    assert compare.scores["right"] == [1.0] * 6
    assert compare.scores["late"] == [region_similarity(s > 0.5, t) for s, t in zip(soft, clip.masks, strict=True)]
    assert [curve["label"] for curve in compare.canvas.curves] == ["J right", "J late"]
    compare.canvas.set_state({"swipe": 0.25, "frame": 3})
    assert (compare.swipe, compare.frame) == (0.25, 3)
    compare.swipe = 1.0
    assert compare.canvas.swipe == 1.0
    assert repr(compare) == f"Compare('disc', mean J, right 1.000, late {np.mean(compare.scores['late']):.3f})"
    blind = Compare(ikebook.Clip(frames=clip.frames, name="blind"), clip.masks, ~clip.masks)
    assert blind.scores == {}
    assert repr(blind) == "Compare('blind', first, second)"
    other = Compare(clip, clip.masks, ~clip.masks, truth=~clip.masks)
    assert other.scores["second"] == [1.0] * 6
    with pytest.raises(InputError, match=r"names is .*; expected two different texts"):
        Compare(clip, clip.masks, clip.masks, names=("a", "a"))
    with pytest.raises(InputError, match=r"second has shape .*; expected \(6, 20, 24\)"):
        Compare(clip, clip.masks, clip.masks[:5])


def content(path):
    text = path.read_text(encoding="utf-8")
    states = json.loads(re.search(r'id="ike-states">(.*?)</script>', text, re.DOTALL)[1])["states"]
    blobs = {}
    for name, packed, data in re.findall(r'id="ike-(\w+)"( data-gzip)?>([^<]*)</script>', text):
        if name != "states":
            raw = base64.b64decode(data)
            blobs[name] = gzip.decompress(raw) if packed else raw
    return text, states, blobs


def test_a_page_holds_its_states_and_asks_nobody(tmp_path) -> None:
    frames = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    canvas = VideoCanvas(frames, caption="<b>bold</b> </script>")
    text = ipywidgets.Label("start")
    hidden = ipywidgets.HTML("secret", layout=ipywidgets.Layout(display="none"))
    tree = ipywidgets.VBox([ipywidgets.HBox([canvas, text]), hidden, ipywidgets.IntSlider(value=7, description="p")])

    def states():
        for frame in range(2):
            canvas.points = [{"frame": frame, "x": 1, "y": 2}]
            text.value = f"a < b {frame}"
            yield State(f"step {frame}", (frame, 1, 2))

    path = tmp_path / "page.html"
    write_page(path, tree, title="A & B </title>", states=states())
    page, found, blobs = content(path)
    assert [state["label"] for state in found] == ["step 0", "step 1"]
    assert found[1]["pixel"] == [1, 1, 2]
    row, control = found[1]["tree"]["children"]
    assert row["row"]
    assert row["children"][1]["value"] == "a &lt; b 1"
    assert (control["label"], control["value"]) == ("p", "7")
    assert row["children"][0]["state"]["points"] == [{"frame": 1, "x": 1, "y": 2}]
    assert blobs[row["children"][0]["state"]["frames"]["bytes"]] == frames.tobytes()
    assert page.count(row["children"][0]["state"]["frames"]["bytes"]) == 3  # stored once, named by two states
    assert "secret" not in page
    assert "A &amp; B &lt;/title&gt;" in page
    assert not re.findall(r"https?://", page)
    assert "default-src 'none'" in page
    write_page(tmp_path / "again.html", tree, title="A & B </title>", states=states())
    assert (tmp_path / "again.html").read_text() == page


def test_a_page_that_can_not_be_written_leaves_what_was_there(tmp_path, made) -> None:
    player = ClipPlayer(made.clip)
    path = tmp_path / "page.html"
    path.write_text("before")

    def broken():
        yield "one"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_page(path, player, title="x", states=broken())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="is a folder"):
        player.save_html(tmp_path)
    with pytest.raises(InputError, match="widget is a str"):
        write_page(path, "player", title="x")


def test_the_explorers_page_has_a_grid_of_pixels_where_chains_are_too_many(tmp_path, explorer, monkeypatch) -> None:
    monkeypatch.setattr("ikebook.widgets.live_chains.MOST_BYTES", 1000)
    monkeypatch.setattr("ikebook.widgets.chain_explorer.GRID", (3, 1))
    explorer.save_html(str(tmp_path / "chains.html"), title="Chains")
    _, states, _ = content(tmp_path / "chains.html")
    assert len(states) == 1 + 3 * 1
    assert states[0]["pixel"] == [2, 12, 10]
    assert explorer.pixel == (12, 10)
