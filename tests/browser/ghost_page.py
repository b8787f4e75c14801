"""A notebook with an echo model, whose ghost text is known beforehand, as the tests of ghost text speak of it."""

from __future__ import annotations

from typing import Any

import echoes
from lab import LOAD, Lab, Page, cells, ended, opened, run, wait_for

from jupyter_complete.session.session import Session

SETUP = """
import jupyter_complete as jc
from jupyter_complete.engine.echo import EchoModel, EchoTokenizer
model = EchoModel({how})
jc.register('echo', model, EchoTokenizer())
jc.current().config.model = 'echo'
jc.load('echo')
""".strip()
PROMPT = "The mean of a sample is"
GHOST = ".jp-GhostText"


def notebook(
    lab: Lab, window: Page, name: str, *more: str, front: str = "lab", kernel: str = "python3", how: str = "window=4096"
) -> Any:
    """A page whose kernel has the echo model in memory; its last cell is an empty Markdown cell in which one writes."""
    setup = SETUP.format(how=how)
    page = opened(window, lab.notebook(name, LOAD, setup, *more, front=front, kernel=kernel))
    run(page, 0)
    run(page, 1)
    ended(page, 1)
    markdown_below(page, 1 + len(more))
    return page


def markdown_below(page: Any, cell: int) -> None:
    """A Markdown cell below another one, with the cursor in it."""
    cells(page).nth(cell).locator(".jp-InputPrompt").click()
    for key in ("b", "m", "Enter"):
        page.keyboard.press(key)
    cells(page).nth(cell + 1).locator(".cm-content").wait_for()


def greedy(*above: str, here: str = PROMPT, most: int = 32) -> str:
    """What ghost text is at the end of `here`, under those cells."""
    session = Session()
    try:
        session.models.register("echo", *echoes.make(window=4096))
        prompt = "".join(text + "\n\n" for text in above) + here
        return session.complete(prompt, model="echo", temperature=0, max_new_tokens=most, stop=["\n"]).text
    finally:
        session.close()


def ghost(page: Any) -> str:
    """The ghost text that is shown."""
    shown = page.locator(GHOST)
    return str(shown.first.text_content()) if shown.count() else ""


def shows_ghost(page: Any, text: str, seconds: float = 20) -> None:
    seen: list[str] = []

    def shown() -> bool:
        seen[:] = [ghost(page)]
        return seen == [text]

    try:
        wait_for(shown, seconds, f"the ghost text {text!r}")
    except AssertionError as error:
        raise AssertionError(f"{error}, and not {seen[0]!r}") from None


def source_of(page: Any, cell: int) -> str:
    """The text of a cell as its editor has it."""
    script = "(element) => element.cmTile?.view?.state.doc.toString() ?? element.cmView.view.state.doc.toString()"
    return str(cells(page).nth(cell).locator(".cm-content").evaluate(script))


def told(window: Page, kind: str) -> list[dict[str, Any]]:
    """What the kernel told the page of ghost text."""
    window.page.wait_for_timeout(20)  # Playwright hears nothing while Python sleeps
    messages = [one.content.get("data", {}) for one in window.frames.of("comm_msg", sent=False)]
    return [one for one in messages if one.get("kind") == kind]


def command(page: Any, label: str) -> None:
    """Run a command of the palette."""
    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill(label)
    page.locator(".lm-CommandPalette-item").get_by_text(label, exact=True).first.click()
