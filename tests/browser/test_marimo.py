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
from looking import steady_box, wait_for_walk

pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo")

NOTEBOOK = """
import marimo

app = marimo.App(width="full")


@app.cell
def _():
    import marimo as mo
    import ikebook
    from ikebook.widgets import ClipPlayer, MatrixExplorer, PowerIterationStepper, SpectrumExplorer

    made = ikebook.toy("disc", frames=3)
    player = ClipPlayer(made.clip, masks=made.clip.masks)
    player
    return MatrixExplorer, PowerIterationStepper, SpectrumExplorer, ikebook, made, mo, player


@app.cell
def _(PowerIterationStepper, made):
    stepper = PowerIterationStepper(made.clip, made.flow, pace=0.02)
    stepper
    return (stepper,)


@app.cell
def _(MatrixExplorer, made):
    matrix = MatrixExplorer(made.clip, made.flow)
    matrix
    return (matrix,)


@app.cell
def _(SpectrumExplorer, ikebook, made):
    spectrum = SpectrumExplorer(made.clip, made.flow, options=ikebook.preset("saliency"))
    spectrum
    return (spectrum,)


@app.cell
def _(mo):
    ask = mo.ui.button(label="Ask Python", value=0, on_click=lambda value: value + 1)
    ask
    return (ask,)


@app.cell
def _(ask, matrix, mo, player, spectrum, stepper):
    mo.md(
        f"Asked {ask.value}: frame {player.frame}, {stepper.iteration} {stepper.stage} {stepper.start}, "
        f"{matrix.shown} {matrix.entry}, weights {[round(float(weight), 2) for weight in spectrum.weights]}, noise {spectrum.noise:g}"
    )
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


@pytest.fixture
def page(chromium, address):
    """The notebook in a browser that finds no way out."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.route(re.compile(rf"^(?!{re.escape(address)}|data:|blob:)"), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(1000 * SECONDS)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(f"{error}\n{error.stack}"))
    page.goto(address)
    yield page
    context.close()
    assert trouble == []


def test_python_hears_of_player_stepper_matrix_and_spectrum(page) -> None:
    widgets = page.locator(".ike-embedded[data-ready]")
    widgets.nth(3).wait_for()
    player, stepper, matrix, spectrum = (widgets.nth(k) for k in range(4))
    asked = 0

    def python() -> str:
        """What Python says of them."""
        nonlocal asked
        asked += 1
        page.get_by_role("button", name="Ask Python").click()
        line = page.get_by_text(f"Asked {asked}:")
        line.wait_for()
        return line.inner_text()

    def until(wanted: str) -> None:
        """Wait until Python has heard of it."""
        end = time.monotonic() + SECONDS
        while wanted not in (said := python()):
            assert time.monotonic() < end, f"Python says {said!r}, and not {wanted!r}"
            page.wait_for_timeout(100)

    # The player goes on, its pictures in step.
    player.get_by_role("button", name="Next frame").click()
    player.locator(".ike[data-frame='1']").nth(2).wait_for()
    until("frame 1")
    # Python's own buttons: a step, and its words.
    stepper.get_by_role("button", name="Next", exact=True).click()
    until("1 propagated noise")
    stepper.get_by_text("every pixel has gathered the votes").wait_for()
    # Paint, and the object comes back in the page; Python has the painting, and goes on with it.
    stage = stepper.locator(".ike-canvas").first
    stage.scroll_into_view_if_needed()
    wait_for_walk(stepper.locator(".ike-iteration"))
    box = steady_box(stage)
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 25, steps=3)
    stepper.locator(".ike-iteration").get_by_text("Converged").wait_for()
    assert float(re.search(r"eigenvector (\d\.\d+)", stepper.locator(".ike-iteration").inner_text())[1]) > 0.999
    page.mouse.up()
    until("0 start painted")
    stepper.get_by_role("button", name="Play", exact=True).click()
    stepper.get_by_text("Converged after").wait_for()
    # A matrix is chosen, and an entry clicked.
    matrix.get_by_role("radio", name="M, motion chains").click()
    until("M None")
    picture = matrix.locator(".ike-canvas").first
    picture.scroll_into_view_if_needed()
    picture.click(position={"x": 5, "y": 5})
    until("M (")
    matrix.get_by_text("They are in one frame.").wait_for()
    # Eigenvectors are mixed, and shaken.
    spectrum.get_by_role("slider", name="Weight of eigenvector 1").focus()
    page.keyboard.press("Home")
    spectrum.get_by_text("\u22121 v1").wait_for()  # Python's caption
    until("weights [-1.0")
    spectrum.get_by_role("slider", name="flow noise, measured levels").focus()
    page.keyboard.press("End")
    spectrum.get_by_text("Turned by").first.wait_for()
    until("noise 2")
