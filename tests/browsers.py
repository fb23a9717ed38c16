"""Chromium without a screen, for tests and scripts that look at pages as a reader's browser shows them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "no Chromium is here: `apt-get install --no-install-recommends chromium` brings one"
FLAGS = (
    "--no-sandbox",  # as root, whose pages are all our own, there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


PATIENCE_MS = 120_000
"""To the end of a page's load, on a machine that has other work."""


@lru_cache(maxsize=1)
def find_browser() -> str | None:
    """The path of a Chromium that runs; None where there is none."""
    for path in filter(None, map(shutil.which, NAMES)):
        # Some distributions have a program of this name that only says how to get the real one.
        if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return None


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser with a new profile of its own."""
    path = find_browser()
    assert path is not None, MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), headless=True)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page that was opened from the disk, and what it has tried."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """Addresses that it asked for, its own file aside."""
    said: list[str] = field(default_factory=list)
    """Errors and messages on its console, dialogs that it opened."""

    def violations(self) -> list[str]:
        """What the content security policy has stopped."""
        found: list[str] = self.page.evaluate("window.__violations")
        return found

    def scroll_width(self) -> int:
        """Of the whole page: more than the window's is a page that has to be pushed sideways."""
        found: int = self.page.evaluate("document.scrollingElement.scrollWidth")
        return found


_WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.__violations.push(event.blockedURI));
"""


@contextmanager
def opened(browser: Browser, path: Path, *, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Opened]:
    """A page as a double click on its file opens it.

    Args:
        browser: Of `launched`.
        path: Of the file; an anchor may follow behind `#`.
        width: Of the window, CSS pixels.
        height: Likewise.
        options: Of the browser's context, as `color_scheme` or `java_script_enabled`.
    """
    name, _, anchor = path.name.partition("#")
    address = path.with_name(name).resolve().as_uri()
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    try:
        context.add_init_script(_WATCH)
        found = Opened(context.new_page())

        def ask(request: Any) -> None:
            if request.url.partition("#")[0] != address:
                found.requests.append(request.url)

        def dismiss(dialog: Any) -> None:
            found.said.append(dialog.message)
            dialog.dismiss()

        found.page.on("request", ask)
        found.page.on("dialog", dismiss)
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.goto(f"{address}#{anchor}" if anchor else address, timeout=PATIENCE_MS)
        yield found
    finally:
        context.close()
