"""The chains that a page is given: of all pixels of a frame, as those that Python follows one by one."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import ikebook
from ikebook.widgets import ChainExplorer
from ikebook.widgets import live_chains as module
from ikebook.widgets.live_chains import GONE


@pytest.fixture(scope="module")
def made():
    return ikebook.toy("disc", size=(24, 20), frames=6)


@pytest.mark.parametrize("name", ["default", "saliency", "released"])
def test_they_are_those_that_are_followed_one_by_one(made, name) -> None:
    explorer = ChainExplorer(made.clip, made.flow, frame=2, pixel=(12, 10), options=ikebook.preset(name))
    source = explorer.live._source
    found = source.frame(2)
    kernel = np.exp(-(np.array(source.offsets) ** 2) / (2 * explorer.sigma**2))
    for x, y in [(12, 10), (0, 0), (23, 19), (9, 8), (15, 3)]:
        explorer.pixel = (x, y)
        own = y * 24 + x
        there = explorer.chain.frames != 2
        alive = ~np.isnan(found.ahead[:, own, 0])
        assert (np.array(source.offsets)[alive] + 2).tolist() == explorer.chain.frames[there].tolist()
        np.testing.assert_allclose(found.ahead[alive, own, 0] + x, explorer.chain.x[there], atol=1e-5)
        np.testing.assert_allclose(found.ahead[alive, own, 1] + y, explorer.chain.y[there], atol=1e-5)
        np.testing.assert_allclose((kernel * found.likeness[:, own])[alive], explorer.weights[there], rtol=1e-5)
        # Those that arrive here: by offset and link, the pixel that they come from.
        met = found.met + np.stack([np.tile(np.arange(24), 20), np.repeat(np.arange(20), 24)], 1)
        k, link, source_pixel = np.nonzero((met == (x, y)).all(-1) & (found.met[..., 0] != GONE))
        arriving = sorted(zip(np.array(source.offsets)[k] + 2, source_pixel % 24, source_pixel // 24, strict=True))
        incoming = explorer.incoming
        assert arriving == sorted(zip(incoming.frames, incoming.x, incoming.y, strict=True))
        total = (kernel[k] * found.met_likeness[k, link, source_pixel]).sum()
        assert total == pytest.approx(explorer._incoming_weights.sum(), rel=1e-5)
        np.testing.assert_allclose(found.features[:, own], list(explorer.features.values()), atol=1e-5)


def test_a_frame_goes_once_and_only_to_a_page_that_shows_it(made) -> None:
    explorer = ChainExplorer(made.clip, made.flow, frame=2)
    live, sent = explorer.live, []
    live.observe(lambda change: sent.append(change["new"]), ["data"])
    assert live.data == b""
    live.wanted = True  # as the browser sets it
    live.wait()
    assert live.held == [2]
    assert explorer.plot.layout.display == "none"  # the page has charts of its own
    size = len(zlib.decompress(live.data[4:]))
    assert size == live._source.bytes_each
    explorer.pixel = (3, 3)
    explorer.canvas.frame = 2
    live.wait()
    assert len(sent) == 1
    assert live.node == [2, 3, 3]
    explorer.canvas.set_state({"frame": 4})  # a scrub that has come to rest
    live.wait()
    assert (live.held, len(sent)) == ([4], 2)
    explorer.sigma = 2.0  # means in F weigh with it
    live.wait()
    assert live.shown[:2] == [15.0, 2.0]
    assert len(sent) == 3


def test_what_is_too_large_stays_with_python(made, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    explorer = ChainExplorer(made.clip, made.flow, frame=2)
    explorer.live.wanted = True
    explorer.live.wait()
    assert explorer.live.data == b""
    assert explorer.plot.layout.display is None
    assert not explorer.live.ready()
