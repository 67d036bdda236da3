"""The browser of this machine, headless, and what its pages complain of.

Belongs here: finding, starting and ending it. Does not: the pages (`pages`).
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# no sandbox: root may not have one; and nothing is asked of the network beside this machine's own server
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update")
PATIENCE_SECONDS = 120.0
SIZE = (1600, 1000)


def installed() -> str | None:
    """Path of the first browser of `NAMES` that is on PATH; none is ever downloaded."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def open_browser(executable: str) -> Iterator[Browser]:
    """The browser, gone at the end of the block; whatever is waited for may take `PATIENCE_SECONDS`."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser) -> Iterator[Page]:
    """An empty page, as of somebody who has never been here.

    Raises:
        AssertionError: while it was open, its console told of an error, or a script of it failed.
    """
    width, height = SIZE
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US", timezone_id="UTC")
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.extend(_error(message)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert not complaints, f"errors in the console: {complaints}"


def _error(message: ConsoleMessage) -> list[str]:
    return [f"{message.text} ({message.location['url']})"] if message.type == "error" else []
