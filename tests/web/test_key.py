"""The page before a server that wants a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.serving.servers import start_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = "a-key-of-more-than-16-letters"


def test_the_page_asks_for_the_key_and_keeps_it(
    browser: Browser, model_dirs: list[Path], tmp_path: Path
) -> None:
    from tests.web.browsers import Visit

    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    file.chmod(0o600)
    with start_server(model_dirs[0], flags=[f"--api_key_file={file}"]) as running:
        visit = Visit(browser, running.address)
        page = visit.page
        page.goto(visit.address)
        page.get_by_label("Key").fill("a-wrong-key-of-some-length")
        with page.expect_response("**/api/model") as refused:
            page.get_by_role("button", name="Use it").click()
        assert refused.value.status == 401
        assert page.get_by_role("alert").inner_text() == "This server wants a key."
        page.get_by_label("Key").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector("#model option", state="attached")
        visit.say("hello")
        assert page.locator(".tree").count() == 1
        page.reload()
        page.wait_for_selector(".tree")
        visit.close()
