"""The widgets in marimo, which shows anywidgets but no boxes of ipywidgets: run by its server, headless, on loopback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo")

NOTEBOOK = """
import marimo

app = marimo.App(width="full")


@app.cell
def _():
    import ikebook
    from ikebook.widgets import ClipPlayer, MatrixExplorer, PowerIterationStepper, SpectrumExplorer

    made = ikebook.toy("disc", frames=3)
    ClipPlayer(made.clip, masks=made.clip.masks)
    return ClipPlayer, MatrixExplorer, PowerIterationStepper, SpectrumExplorer, ikebook, made


@app.cell
def _(PowerIterationStepper, made):
    PowerIterationStepper(made.clip, made.flow, pace=0.02)
    return


@app.cell
def _(MatrixExplorer, made):
    MatrixExplorer(made.clip, made.flow)
    return


@app.cell
def _(SpectrumExplorer, ikebook, made):
    SpectrumExplorer(made.clip, made.flow, options=ikebook.preset("saliency"))
    return


if __name__ == "__main__":
    app.run()
"""

SECONDS = 120


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of the notebook, as marimo's own server runs it, with nothing of the user's."""
    folder = tmp_path_factory.mktemp("marimo")
    (folder / "widgets.py").write_text(NOTEBOOK)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    homes = {
        name: str(folder / name.lower()) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
    }
    command = [
        sys.executable,
        "-m",
        "marimo",
        "-q",
        "run",
        "widgets.py",
        "--headless",
        "--no-token",
        "--host=127.0.0.1",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--port={port}"],
            cwd=folder,
            env={**os.environ, **homes, "OMP_NUM_THREADS": "1", "MARIMO_SKIP_UPDATE_CHECK": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                said = (folder / "log").read_text(errors="replace")[-2000:]
                assert process.poll() is None, f"marimo has ended:\n{said}"
                assert time.monotonic() < end, f"marimo does not answer:\n{said}"
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def test_player_stepper_matrix_and_spectrum(chromium, address) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.route(re.compile(rf"^(?!{re.escape(address)}|data:|blob:)"), lambda route: route.abort())  # no way out
    page = context.new_page()
    page.set_default_timeout(1000 * SECONDS)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    try:
        page.goto(address)
        widgets = page.locator(".ike-embedded[data-ready]")
        widgets.nth(3).wait_for()
        player, stepper, matrix, spectrum = (widgets.nth(k) for k in range(4))
        # The player goes on, its pictures in step.
        player.get_by_role("button", name="Next frame").click()
        assert [root.get_attribute("data-frame") for root in player.locator(".ike").all()] == ["1"] * 3
        # Paint, and the object comes back.
        stage = stepper.locator(".ike-canvas").first
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        page.mouse.move(box["x"] + 10, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + 40, box["y"] + 25)
        page.mouse.up()
        words = stepper.locator(".ike-iteration")
        words.get_by_text("Converged").wait_for()
        assert float(re.search(r"eigenvector (\d\.\d+)", words.inner_text())[1]) > 0.999
        # An entry of the matrix leads to its two pixels.
        picture = matrix.locator(".ike-canvas").first
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"])
        matrix.locator(".ike[data-frame='2']").wait_for()
        matrix.get_by_role("button", name="Next step").click()
        matrix.get_by_text("object first").first.wait_for()
        # Eigenvectors are mixed, and shaken.
        spectrum.get_by_role("slider", name="Weight of eigenvector 1").focus()
        page.keyboard.press("Home")
        spectrum.get_by_text("\u22121.00 v1").wait_for()
        spectrum.get_by_role("slider", name="flow noise").focus()
        page.keyboard.press("End")
        spectrum.get_by_text("Turned by").first.wait_for()
        assert trouble == []
    finally:
        context.close()
