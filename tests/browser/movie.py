"""Records the moving picture at the top of README: a cell that is typed, run and streams. make movie."""

from __future__ import annotations

import base64
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import chromium
from lab import LOAD, Page, cells, footer, opened, press, run, running, wait_for
from PIL import Image
from playwright.sync_api import sync_playwright

FILE = Path(__file__).parents[2] / "docs" / "images" / "streaming.webp"
WIDTH, HEIGHT, SCALE = 808, 320, 2  # of the part that is kept, in pixels of the page; and how sharp it is recorded
LINES = ("%%complete -N 120 -t 0.7 --seed 5", "The three most important ideas in statistics are")
KEY = 40  # milliseconds between two keys
LAST = 2500  # milliseconds that the last picture stays

Frame = tuple[float, bytes]


def main() -> None:
    with tempfile.TemporaryDirectory() as base, running(Path(base)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        context = browser.new_context(viewport={"width": 900, "height": 640}, device_scale_factor=SCALE)
        page = opened(Page(context.new_page()), lab.notebook("moving.ipynb", LOAD, "%complete -N 1 A", ""))
        page.keyboard.press("Control+b")  # close the side bar
        for cell in (0, 1):  # the second loads the model, which is not part of the picture
            run(page, cell)
        wait_for(lambda: footer(page, 1), 180, "the first completion")
        _begin_at(page, 2)
        frames = recorded(context.new_cdp_session(page), lambda: _type_and_run(page))
        box = cells(page).nth(2).bounding_box()
        browser.close()
    save(frames, (box["x"], box["y"]))


def recorded(browser: Any, act: Any) -> list[Frame]:
    """What the page showed while `act` ran: each picture with its time."""
    frames: list[Frame] = []

    def keep(event: dict[str, Any]) -> None:
        frames.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        browser.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    browser.on("Page.screencastFrame", keep)
    browser.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
    act()
    browser.send("Page.stopScreencast")
    return frames


def save(frames: list[Frame], corner: tuple[float, float]) -> None:
    """Write the part of the pictures below `corner`, each for as long as it was shown; equal ones become one."""
    pictures: list[Image.Image] = []
    lengths: list[int] = []
    ends = [when for when, _ in frames[1:]] + [frames[-1][0] + LAST / 1000]
    for (begin, data), end in zip(frames, ends, strict=True):
        whole = Image.open(io.BytesIO(data)).convert("RGB")
        scale = whole.width / 900
        left, top = round(corner[0] * scale), round(corner[1] * scale)
        picture = whole.crop((left, top, left + round(WIDTH * scale), top + round(HEIGHT * scale)))
        length = round((end - begin) * 1000)
        if pictures and pictures[-1].tobytes() == picture.tobytes():
            lengths[-1] += length
        else:
            pictures.append(picture)
            lengths.append(length)
    options = {"duration": lengths, "loop": 0, "lossless": True, "method": 4, "minimize_size": True}
    pictures[0].save(FILE, save_all=True, append_images=pictures[1:], **options)
    print(f"{FILE.name}: {len(pictures)} pictures, {sum(lengths) / 1000:.1f} s, {FILE.stat().st_size:,} bytes")


def _begin_at(page: Any, cell: int) -> None:
    """Put the caret into a cell and scroll it to the top."""
    cells(page).nth(cell).locator(".cm-content").click()
    cells(page).nth(cell).evaluate("cell => cell.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(500)


def _type_and_run(page: Any) -> None:
    page.keyboard.type(LINES[0], delay=KEY)
    press(
        page, "Escape", "Enter", "End", "Enter"
    )  # a list of names that Tab would complete must not take the line's end
    page.keyboard.type(LINES[1], delay=KEY)
    page.wait_for_timeout(600)
    page.keyboard.press("Control+Enter")
    started = time.monotonic()
    while not footer(page, 2):
        if time.monotonic() - started > 120:
            raise AssertionError("the cell did not end")
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)


if __name__ == "__main__":
    main()
