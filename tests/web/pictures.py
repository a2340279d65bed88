"""Takes the pictures of the page that docs/ shows.

python -m tests.web.pictures MODEL_DIR FOLDER
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser

from tests.serving.servers import start_server
from tests.web.browsers import Visit, open_browser

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "page_light.png": ("how are you?", {"viewport": {"width": 1180, "height": 1500}}),
    "page_dark.png": (
        "你好",
        {"viewport": {"width": 1180, "height": 1500}, "locale": "zh-CN", "color_scheme": "dark"},
    ),
    "page_narrow.png": ("hello", {"viewport": {"width": 360, "height": 1280}}),
}
"""{file: (the line, the window)}."""
COLOURS, NONE = 256, Image.Dither.NONE


def take_pictures(browser: Browser, address: str, folder: Path) -> None:
    """Writes the pictures, light, dark and narrow, as small PNG files."""
    for name, (line, window) in PICTURES.items():
        visit = Visit(browser, address, device_scale_factor=1.5, **window).open()
        visit.say(line)
        visit.page.locator("[role=treeitem]").nth(2).focus()
        visit.page.evaluate("scrollTo(0, 0)")
        picture = Image.open(io.BytesIO(visit.page.screenshot(animations="disabled")))
        few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, 3, dither=NONE)
        few.save(folder / name, optimize=True)
        visit.close()


def main() -> None:
    model_dir, folder = map(Path, sys.argv[1:])
    with start_server(model_dir) as running, open_browser() as browser:
        take_pictures(browser, running.address, folder)


if __name__ == "__main__":
    main()
