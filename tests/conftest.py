"""What tests share: a real browser that starts empty and talks to nobody but this machine, and a JupyterLab for it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

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


@dataclass
class Browser:
    """A browser context, and the address of everything that its pages asked for."""

    context: Any
    requests: list[str] = field(default_factory=list)

    @property
    def page(self) -> Any:
        return self.context.pages[0]

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


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium with a new, empty profile. Tests that use it carry the mark `browser`."""
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
        found = Browser(context)
        context.on("request", lambda request: found.requests.append(request.url))
        context.pages[0].on("websocket", lambda socket: found.requests.append(socket.url))
        try:
            yield found
        finally:
            context.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start JupyterLab over a folder, on a free port of this machine; returns its address with the token."""
    started: list[subprocess.Popen[bytes]] = []

    def start(root: Path, *, dark: bool = False) -> str:
        server, address = _lab(tmp_path / "jupyter", root, "JupyterLab Dark" if dark else "JupyterLab Light")
        started.append(server)
        return address

    yield start
    for server in started:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(START_S)
        server.kill()
        server.wait()


def _lab(home: Path, root: Path, theme: str) -> tuple[subprocess.Popen[bytes], str]:
    """A server with folders of its own: the user's settings neither change it nor are changed by it."""
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    folders |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    _settings(home / "settings" / "@jupyterlab", theme)
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
            with suppress(json.JSONDecodeError):  # half-written
                return server, f"{json.loads(found.read_text())['url']}lab/tree/{{}}?token={TOKEN}"
        time.sleep(0.05)
    server.kill()
    pytest.fail(f"JupyterLab did not start: {(home / 'log').read_text()[-2000:]}")


def _settings(folder: Path, theme: str) -> None:
    """The theme; every cell drawn, seen or not; no question about news."""
    chosen = {
        "apputils-extension/themes": {"theme": theme, "adaptive-theme": False},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, settings in chosen.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
