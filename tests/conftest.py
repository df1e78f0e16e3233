"""What tests share: a real browser that starts empty and talks to nobody but this machine, and a JupyterLab for it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""As the command line has it, before NumPy is there: a second thread of each worker spins in the other's way."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # Not a name resolves and not a proxy is asked: what a page wants from elsewhere fails, and is recorded.
    "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
START_S = 30
TOKEN = "only-for-this-test"
LOCAL = "127.0.0.1"
PLACE = f"lab/workspaces/{{0}}/tree/{{0}}.ipynb?token={TOKEN}"
"""Of a notebook: a workspace of its own, for JupyterLab opens again what stood open in the last one."""


@dataclass
class Browser:
    """A new page of a browser, and the address of everything that the browser has asked for since it is open."""

    page: Any
    requests: list[str] = field(default_factory=list)

    @property
    def elsewhere(self) -> list[str]:
        """Requests that left this machine; what a page holds itself (data:, blob:) asks nobody."""
        return [
            r
            for r in self.requests
            if urlsplit(r).scheme not in ("data", "blob", "about") and urlsplit(r).hostname != LOCAL
        ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that drive a browser first, then by length: no worker shall be left alone with a long one at the end."""
    browsing = {item.path for item in items if item.get_closest_marker("browser")}
    length = {path: path.stat().st_size for path in {item.path for item in items}}
    items.sort(key=lambda item: (item.path not in browsing, -length[item.path], item.path))


def _missing(reason: str) -> None:
    if os.environ.get("WORKBENCH_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and WORKBENCH_REQUIRE_BROWSER=1 asks for it")
    pytest.skip(f"NOT TESTED IN A BROWSER: {reason}")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium with a new, empty profile, for the tests of a file: while it runs, nothing else may run an event loop.

    A browser that has drawn JupyterLab once draws it again in half of the time.
    """
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        _missing(f"none of {', '.join(BROWSERS)} is installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=path, headless=True, args=list(ARGUMENTS),
            viewport={"width": 1280, "height": 1400},
        )  # fmt: skip
        try:
            yield context
        finally:
            context.close()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    """A page of its own in a browser that writes down what it asks for. Tests that use it carry the mark `browser`."""
    found = Browser(chromium.new_page())

    def note(asked: Any) -> None:
        found.requests.append(asked.url)

    chromium.on("request", note)
    found.page.on("websocket", note)
    try:
        yield found
    finally:
        found.page.close()
        chromium.remove_listener("request", note)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """JupyterLab on a free port of this machine, for the tests of a file: its folder, still empty, and the address of
    what is put there, with the token and a place for a name. Each notebook has a workspace and a kernel of its own."""
    root = tmp_path_factory.mktemp("notebooks")
    server, address = _lab(tmp_path_factory.mktemp("lab"), root)
    yield root, address
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(START_S)
    server.kill()
    server.wait()


def _lab(home: Path, root: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server with folders of its own: the user's settings neither change it nor are changed by it."""
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    folders |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    _settings(home / "settings" / "@jupyterlab")
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.ip={LOCAL}",
        "--ServerApp.port=0", f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={TOKEN}",
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **folders}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        for found in (home / "runtime").glob("jpserver-*.json"):
            with suppress(json.JSONDecodeError, OSError):  # half-written, or not yet listening
                told = json.loads(found.read_text())
                socket.create_connection((LOCAL, told["port"]), timeout=START_S).close()
                return server, f"{told['url']}{PLACE}"
        time.sleep(0.05)
    server.kill()
    pytest.fail(f"JupyterLab did not start: {(home / 'log').read_text()[-2000:]}")


def _settings(folder: Path) -> None:
    """The light theme; every cell drawn, seen or not; no question about news."""
    chosen = {
        "apputils-extension/themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, settings in chosen.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
