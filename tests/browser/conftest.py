"""A real JupyterLab and a real Chromium: one of each for the session, nothing of the user's, and no way to the network.

JupyterLab's page is loaded once, and one kernel serves all notebooks: either takes seconds, of which a test needs few.

Screenshots go to $IKEBOOK_SCREENSHOTS, `out/screenshots` in the repository unless set.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from looking import SECONDS, drawn, steady_box, until

ROOT = Path(__file__).parents[2]

SCREENSHOTS = Path(os.environ.get("IKEBOOK_SCREENSHOTS", ROOT / "out" / "screenshots"))

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]

QUIET = re.compile(
    # What JupyterLab itself says, with or without our widgets; at last, of what it had asked for a notebook that is closed.
    r"favicon|translation|deprecat|Lumino|apputils|\[LSP|lsp/status|jupyterlab/api/(news|workspaces)|Permissions policy|"
    r"preload|AudioContext|Unrecognized feature|react-i18n|ResizeObserver loop|debugger state|Canceled future",
    re.IGNORECASE,
)

BEGIN = 180
"""Seconds that JupyterLab and its first kernel may take to begin."""

SIZE = (1280, 1100)
"""Of the browser's window: most widgets are seen as a whole."""


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))  # one server and one browser, in one worker


@pytest.fixture(autouse=True)
def _cache() -> None:
    """The kernels' cache is the server's, and not a test's."""


@pytest.fixture(scope="session")
def chromium():
    """A Chromium, started: an installed one, or Playwright's own."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    installed = next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as session:
        try:
            browser = session.chromium.launch(executable_path=installed, args=FLAGS)
        except playwright.Error as error:
            pytest.skip(
                f"no browser: neither {', '.join(names)} nor Playwright's own starts ({str(error).splitlines()[0]})"
            )
        yield browser
        browser.close()


PATIENT = """(() => {
    // anywidget (0.11) gives a model two seconds to load its script; later, it is deaf to Python for good, and complains, even of a model that
    // has been closed meanwhile. Here it waits as long as the test does; what fails to load still says so.
    const { timeout } = AbortSignal;
    AbortSignal.timeout = (milliseconds) => (milliseconds === 2000 ? new AbortController().signal : timeout.call(AbortSignal, milliseconds));
})()"""


class Watched:
    """A page of the browser, and what it has said and asked for."""

    def __init__(self, chromium, allowed: str, scheme: str = "light", size: tuple[int, int] = SIZE) -> None:
        self.allowed = allowed
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.sent: list[bytes | str] = []
        self.context = chromium.new_context(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
        self.context.add_init_script(PATIENT)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.on("websocket", self._socket)

    def _console(self, message) -> None:
        text = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and not QUIET.search(text):
            self.errors.append(text)

    def _request(self, request) -> None:
        if not request.url.startswith((self.allowed, "data:", "blob:", "about:")):
            self.strangers.append(request.url)

    def _socket(self, found) -> None:
        if not found.url.startswith(self.allowed.replace("http", "ws", 1)):
            self.strangers.append(found.url)
        found.on("framesent", self._sent)

    def _sent(self, frame) -> None:
        self.sent.append(frame)

    def until(self, look: Callable[[], Any], good: Callable[[Any], bool] = bool, seconds: float = SECONDS) -> Any:
        """Look until what is seen is good, and give it."""
        return until(self.page, look, good, seconds)

    def drawn(self) -> None:
        """Wait until the page has been drawn with all that has been asked for up to now."""
        drawn(self.page)

    def updates(self) -> int:
        """Messages so far that changed a widget's state in Python."""
        texts = (frame if isinstance(frame, str) else frame.decode("utf-8", "replace") for frame in self.sent)
        return sum("comm_msg" in text for text in texts)

    def wait_frame(self, frame: int, canvas: int = 0) -> None:
        """Wait until a canvas shows a frame."""
        self.wait_attribute(".ike", canvas, "data-frame", re.compile(rf"^{frame}$"))

    def wait_attribute(self, selector: str, index: int, name: str, wanted: re.Pattern[str]) -> None:
        """Wait until an attribute fits. No script's text is evaluated, which a static page forbids."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector).nth(index)).to_have_attribute(name, wanted, timeout=SECONDS * 1000)

    def wait_count(self, selector: str, count: int) -> None:
        """Wait until a selector finds so many."""
        self.until(self.page.locator(selector).count, lambda found: found == count)

    def assert_quiet(self) -> None:
        assert not self.errors
        assert not self.strangers

    def shot(self, name: str, target=None) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (target or self.page).screenshot(path=str(SCREENSHOTS / f"{name}.png"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """JupyterLab on loopback, with a token and folders of its own; `server.url`, `server.token`, `server.root`."""
    home = tmp_path_factory.mktemp("jupyter")
    root = home / "notebooks"
    settings = home / "share" / "lab" / "settings"
    root.mkdir()
    settings.mkdir(parents=True)
    # Widgets' state is saved with a notebook only if asked for, and the news would be fetched from the network.
    overrides = {
        "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    }
    (settings / "overrides.json").write_text(json.dumps(overrides))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    url = f"http://127.0.0.1:{port}"
    folders = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "IPYTHONDIR",
        "IKEBOOK_CACHE",
        "MPLCONFIGDIR",
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
        **{name: str(home / name.lower()) for name in folders},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_NO_CONFIG": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--expose-app-in-browser"]
    command += [f"--ServerApp.root_dir={root}", f"--LabApp.app_settings_dir={settings}", "--ServerApp.port_retries=0"]
    command += [
        f"--IdentityProvider.token={token}",
        "--LabApp.extension_manager=readonly",
        "--ServerApp.use_redirect_file=False",
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + BEGIN
        while True:
            try:
                urllib.request.urlopen(f"{url}/api/status?token={token}", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                said = (home / "log").read_text(errors="replace")[-2000:]
                assert process.poll() is None, f"JupyterLab has ended:\n{said}"
                assert time.monotonic() < end, f"JupyterLab does not answer:\n{said}"
                time.sleep(0.3)
        yield SimpleNamespace(url=url, token=token, root=root)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


READY = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
    return session?.isReady && session.session?.kernel?.status === 'idle';
}"""

OPEN = """async ([path, kernel]) => {
    // Opens a notebook in place of those that are open, with a kernel that runs already, or one of its own.
    const { commands, shell } = window.jupyterapp;
    for (const widget of [...shell.widgets('main')]) widget.dispose();
    const options = kernel ? { path, kernel: { id: kernel, name: 'python3' } } : { path };
    const widget = await commands.execute('docmanager:open', options);
    await widget.context.ready;
    shell.activateById(widget.id);
}"""

KERNEL = "window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.id"

SHUT_DOWN = """async () => {
    const session = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
    if (session?.session) await Promise.race([session.shutdown(), new Promise((done) => setTimeout(done, 5000))]);
}"""

RAN = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map((node) => node.textContent);
    return prompts.length > 0 && prompts.every((text) => /^\\[\\d+\\]/.test(text));
}"""

EXECUTE = """async (code) => {
    const { session } = window.jupyterapp.shell.currentWidget.context.sessionContext;
    const reply = session.kernel.requestExecute({ code, store_history: false });
    let said = '';
    reply.onIOPub = ({ content, header: { msg_type } }) => {
        if (msg_type === 'stream') said += content.text;
        if (msg_type === 'error') said += `${content.ename}: ${content.evalue}`;
    };
    const late = new Promise((_, refuse) => setTimeout(() => refuse(new Error('the kernel does not answer')), 60000));
    await Promise.race([reply.done, late]);
    return said;
}"""

SAVE = """async () => {
    const late = new Promise((_, refuse) => setTimeout(() => refuse(new Error('the notebook is not saved')), 60000));
    await Promise.race([window.jupyterapp.commands.execute('docmanager:save'), late]);
}"""

FORGET = """
import ipywidgets
ipywidgets.Widget.close_all()
get_ipython().run_line_magic("reset", "-f")
"""
"""What a test leaves in the kernel, gone: the next one begins as with a new kernel, without the seconds that one takes."""


class Lab:
    """JupyterLab in the browser: one page and one kernel, and the notebooks that tests make and run in them."""

    def __init__(self, chromium, server) -> None:
        self.chromium = chromium
        self.server = server
        self.watched: Watched | None = None
        self.kernel: str | None = None
        self.scheme = "light"

    def load(self, name: str) -> Watched:
        """Load JupyterLab with a notebook, whose kernel those that follow share."""
        self.watched = Watched(self.chromium, self.server.url)
        self.scheme = "light"
        page = self.watched.page
        patience = 1000 * BEGIN
        page.goto(f"{self.server.url}/doc/tree/{name}.ipynb?token={self.server.token}&reset", timeout=patience)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=patience)
        page.wait_for_function(READY, timeout=patience)
        page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=patience)
        self.kernel = page.evaluate(KERNEL)
        return self.watched

    def write(self, name: str, cells: list[str]) -> Path:
        """A notebook of these cells, in the server's folder."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        for index, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{index}"
        path = self.server.root / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def open(
        self,
        name: str,
        cells: list[str] | None = None,
        *,
        run: bool = True,
        own_kernel: bool = False,
        scheme: str = "light",
    ) -> Watched:
        """Open a notebook in place of the one before, written of these cells if there are any; run all of them.

        Before one with a kernel of its own, the shared kernel forgets its widgets: the page would ask it for them when it
        comes back, and complain of those that are gone before the answer.
        """
        if cells is not None:
            self.write(name, cells)
        if own_kernel:
            assert self.python(self.watched, FORGET) == ""
        if self.watched is None:
            self.load(name)
        else:
            self.watched.page.evaluate(OPEN, [f"{name}.ipynb", None if own_kernel else self.kernel])
            self.watched.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.dress(scheme)
        if not own_kernel:
            self.watched.page.wait_for_function(READY)
        if run:
            self.run_all(self.watched)
        return self.watched

    def dress(self, scheme: str) -> None:
        """Have JupyterLab, and what the browser says of its user's system, in light or dark."""
        watched = self.watched
        if scheme == self.scheme:
            return
        watched.page.emulate_media(color_scheme=scheme)
        self.command(watched, "apputils:change-theme", {"theme": f"JupyterLab {scheme.capitalize()}"})
        wanted = str(scheme == "light").lower()
        watched.page.wait_for_selector(f"body[data-jp-theme-light={wanted}]", state="attached")
        watched.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.scheme = scheme

    def run_all(self, watched: Watched) -> None:
        """Run all cells, and wait until each has run without an error."""
        self.command(watched, "notebook:run-all-cells")
        try:
            watched.page.wait_for_function(RAN)
        except Exception:
            watched.shot("cells_that_do_not_end")
            raise
        trouble = watched.page.locator(
            ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'], .jp-mod-error"
        )
        assert trouble.all_inner_texts() == []

    def command(self, watched: Watched, name: str, options: dict | None = None) -> None:
        """Let JupyterLab do one of its commands; what comes of it shows in the page, which can be waited for."""
        script = "([name, options]) => { window.jupyterapp.commands.execute(name, options); }"
        watched.page.evaluate(script, [name, options or {}])

    def python(self, watched: Watched, code: str) -> str:
        """What the kernel prints for this code, beside the notebook's cells."""
        return watched.page.evaluate(EXECUTE, code).strip()

    def until(self, watched: Watched, code: str, wanted: str) -> None:
        """Wait until the kernel prints `wanted` for this code: what the browser sends takes a moment."""
        watched.until(lambda: self.python(watched, code), lambda said: said == wanted)

    def shut_down(self, watched: Watched) -> None:
        """End the kernel of the notebook that is open, once it has begun; it is its own. An empty one takes its place."""
        watched.page.wait_for_function(READY)
        assert watched.page.evaluate(KERNEL) != self.kernel
        watched.page.evaluate(SHUT_DOWN)
        self.open("empty", [""], run=False)

    def save(self, watched: Watched) -> None:
        """Save the notebook, and wait until its file has its widgets."""
        watched.page.evaluate(SAVE)
        watched.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")

    def forget(self) -> None:
        """Be as before a test; a page that has complained, or asked anyone but the server, fails it."""
        watched = self.watched
        self.dress("light")
        assert self.python(watched, FORGET) == ""
        watched.page.mouse.move(2, 2)
        watched.assert_quiet()
        watched.sent.clear()

    def close(self) -> None:
        """Leave the page; the next test begins with another, and with another kernel."""
        if self.watched is not None:
            self.watched.context.close()
        self.watched = None


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def jupyterlab(chromium, server):
    """A `Lab` that all tests share."""
    lab = Lab(chromium, server)
    yield lab
    lab.close()


@pytest.fixture
def lab(jupyterlab, request):
    """A `Lab` as if it had just been started; at the test's end no page may have complained, or asked a stranger."""
    yield jupyterlab
    if request.node.stash.get(FAILED, False):
        jupyterlab.close()
        return
    try:
        jupyterlab.forget()
    except BaseException:
        jupyterlab.close()
        raise


@pytest.fixture
def disk(chromium):
    """Opens files from disk, offline: `disk(path, scheme="light")`; afterwards, as for `lab`."""
    opened: list[Watched] = []

    def open_file(path: Path, scheme: str = "light", size: tuple[int, int] = SIZE) -> Watched:
        watched = Watched(chromium, "file://", scheme, size)
        opened.append(watched)
        watched.context.set_offline(True)
        watched.page.goto(path.as_uri())
        watched.page.wait_for_selector("body[data-ready]")
        return watched

    yield open_file
    for watched in opened:
        watched.context.close()
        watched.assert_quiet()


PIXEL = """([selector, index, x, y]) => {
    // The colour that is shown at a pixel of the video's frame, read from the canvas on the screen.
    const root = document.querySelectorAll('.ike')[index];
    const canvas = root.querySelector(selector);
    const [m, h, w] = root.shape;
    const u = Math.floor((x + 0.5) * canvas.width / w), v = Math.floor((y + 0.5) * canvas.height / h);
    return [...canvas.getContext('2d').getImageData(u, v, 1, 1).data].slice(0, 3);
}"""


@pytest.fixture
def colour_at():
    """`colour_at(watched, (x, y), canvas=0)`: the colour on the screen at a pixel of a canvas's frame, RGB."""

    def colour_at(watched: Watched, pixel: tuple[int, int], canvas: int = 0) -> list[int]:
        return watched.page.evaluate(PIXEL, [".ike-canvas", canvas, *map(float, pixel)])

    return colour_at


@pytest.fixture
def click_pixel():
    """`click_pixel(watched, (x, y), canvas=0)`: click a pixel of a canvas's frame with the mouse."""

    def click_pixel(watched: Watched, pixel: tuple[int, int], canvas: int = 0) -> None:
        root = watched.page.locator(".ike").nth(canvas)
        stage = root.locator(".ike-canvas")
        stage.scroll_into_view_if_needed()
        box = steady_box(stage)
        _, h, w = root.evaluate("(node) => node.shape")
        x, y = (pixel[0] + 0.5) * box["width"] / w, (pixel[1] + 0.5) * box["height"] / h
        stage.click(position={"x": x, "y": y})

    return click_pixel
