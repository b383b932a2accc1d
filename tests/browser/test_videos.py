"""Overlays play in a browser, whoever wrote them, and the object's alpha is seen there."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from ikebook.base.files import write_video
from ikebook.base.pyav import has_pyav

PLAY = """async source => {
    const video = document.createElement("video");
    video.muted = true;
    video.src = source;
    await new Promise((done, failed) => {
        video.onended = done;
        video.onerror = () => failed(new Error(video.error.message));
        video.play().catch(failed);
    });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const pixel = (x, y) => [...context.getImageData(x, y, 1, 1).data];
    return { size: [canvas.width, canvas.height], seconds: video.duration, inside: pixel(40, 30), outside: pixel(4, 4) };
}"""


def frames(alpha: bool) -> np.ndarray:
    """A red square on green, whose alpha is 0 where it is green."""
    made = np.zeros((8, 64, 96, 4), np.uint8)
    made[..., 1] = 200
    made[:, 16:48, 20:60] = (220, 20, 20, 255)
    return made if alpha else made[..., :3]


@pytest.mark.parametrize("by", ["OpenCV", "PyAV", "PyAV with alpha"])
def test_webm_plays_to_its_end(chromium, by, tmp_path) -> None:
    if by != "OpenCV" and not has_pyav():
        pytest.skip("PyAV is not installed")
    alpha = by.endswith("alpha")
    times = None if by == "OpenCV" else [index / 16 for index in range(8)]
    write_video(tmp_path / "v.webm", frames(alpha), 16, seconds=times)
    content = base64.b64encode((tmp_path / "v.webm").read_bytes()).decode()
    page = chromium.new_page()
    try:
        seen = page.evaluate(PLAY, f"data:video/webm;base64,{content}")
    finally:
        page.close()
    assert seen["size"] == [96, 64]
    assert seen["seconds"] == pytest.approx(0.5, abs=0.07)
    red, green, blue, opaque = seen["inside"]
    assert red > 180
    assert max(green, blue) < 60
    assert opaque == 255
    assert seen["outside"][3] == (0 if alpha else 255)
