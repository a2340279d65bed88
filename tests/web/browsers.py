"""A real browser, and what a page in it did besides what it showed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}


def find_chromium() -> str | None:
    """The path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS])
        yield browser
        browser.close()


class Visit:
    """A page of the server in a window of its own.

    Attributes:
        page: The page.
        errors: What it wrote on the console or threw.
        requests: The addresses that it asked for.
    """

    def __init__(self, browser: Browser, address: str, **window: Any) -> None:
        settings = {"viewport": WIDE, "locale": "en-US", **window}
        self.address = address.rstrip("/")
        self.page: Page = browser.new_context(**settings).new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, fragment: str = "") -> Visit:
        """Opens the page and waits until it knows its models."""
        self.page.goto(f"{self.address}/{fragment}")
        self.page.wait_for_selector("#model option", state="attached")
        return self

    def say(self, line: str) -> None:
        """Writes a line, and waits for all its replies."""
        self.page.fill("#line", line)
        self.page.press("#line", "Enter")
        self.settle()

    def settle(self) -> None:
        """Waits until nothing is being asked any more."""
        self.page.wait_for_selector(".waiting", state="detached")
        self.page.wait_for_selector("#stop", state="hidden")

    def wait_for_count(self, selector: str, count: int) -> None:
        """Waits until there are so many elements."""
        expect(self.page.locator(selector)).to_have_count(count, timeout=30_000)

    def read(self, selector: str) -> list[str]:
        """The texts of elements."""
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def close(self) -> None:
        self.page.context.close()
