from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chatbot.bot import Chatbot
from tests.serving.servers import start_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.web.browsers import Visit

STORED = Path(__file__).parents[1] / "stored_model"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    pytest.importorskip("playwright", reason="needs playwright of requirements-dev.txt")
    from tests.web.browsers import find_chromium, open_browser

    if find_chromium() is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    with open_browser() as found:
        yield found


@pytest.fixture(scope="session")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The stored model twice, with graphs: it speaks some English and some Chinese."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("small", "other"):
        shutil.copytree(STORED, folder / name)
        Chatbot.load(folder / name, engine="onnx")
    return [folder / "small", folder / "other"]


@pytest.fixture(scope="session")
def bot(model_dirs: list[Path]) -> Chatbot:
    return Chatbot.load(model_dirs[0], engine="onnx")


@pytest.fixture(scope="session")
def address(model_dirs: list[Path]) -> Iterator[str]:
    """A server of both."""
    with start_server(*model_dirs) as running:
        yield running.address.rstrip("/")


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens the page; in the end it has written no error and asked no other host."""
    from tests.web.browsers import Visit

    visits: list[Visit] = []

    def open_page(fragment: str = "", **window: Any) -> Visit:
        visits.append(Visit(browser, address, **window))
        return visits[-1].open(fragment)

    yield open_page
    for each in visits:
        each.close()
        assert each.errors == []
        own = (f"{address}/", f"blob:{address}/", "data:")
        assert [url for url in each.requests if not url.startswith(own)] == []
