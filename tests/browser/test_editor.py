"""The panel as an editor, in JupyterLab and Notebook 7: two pages of text, the caret, blocks, settings, keystrokes."""

from __future__ import annotations

from typing import Any

import keys
import pytest
from lab import LOAD, Lab, Page, press, wait_for
from panel_page import FIELD, STATUS, button, field, panel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ECHO = f"""{LOAD}
import jupyter_complete as jc
from jupyter_complete.engine.echo import EchoModel, EchoTokenizer
jc.register("echo", EchoModel(window=None, kind="instruct", delay=0.02), EchoTokenizer())
jc.current().config.model = "echo"
x = 42
"""
SENTENCE = "The mean of a sample estimates the mean of its population, and its error shrinks with the sample. "
TWO_PAGES = "\n\n".join(f"{number}. {4 * SENTENCE}" for number in range(1, 25))[:9500]
SLOWEST_KEY = 30  # milliseconds from a key to its frame, at the median
MOST_BYTES = 2000  # that a key sends to the kernel, at the mean: a splice of what was typed, and never the whole text

IN_SIGHT = """selector => {
  const box = document.querySelector(selector).getBoundingClientRect();
  const frame = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
  return box.height > 0 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
}"""
NEW_TEXT_IN_SIGHT = """() => {
  const marks = [...document.querySelectorAll(".jcp-by-model")], end = marks.at(-1).getBoundingClientRect().bottom;
  const paper = document.querySelector(".jcp-paper").getBoundingClientRect();
  const frame = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
  return end <= Math.min(paper.bottom, frame.bottom) + 1 && end > Math.max(paper.top, frame.top);
}"""
SCROLL = """pixels => { document.querySelector(".jp-WindowedPanel-outer").scrollTop += pixels; }"""
SCROLL_TEXT = """pixels => { document.querySelector(".jcp-paper").scrollTop += pixels; }"""
CUT_OFF = """() => [...document.querySelectorAll(".jcp-settings :is(label, input, select, legend)")]
  .filter(node => node.scrollWidth > node.clientWidth + 1 || node.getBoundingClientRect().right >
    document.querySelector(".jcp").getBoundingClientRect().right + 1)
  .map(node => node.id || node.textContent)"""
BESIDE = """() => [...document.querySelectorAll(".jcp-control")].filter(control => {
  const [label, entry] = [control.children[0], control.children[1]].map(node => node.getBoundingClientRect());
  return entry.left - label.right > 200 || entry.left < label.right - 1 || Math.abs(label.top - entry.top) > 20;
}).map(control => control.textContent)"""


def open_panel(lab: Lab, window: Page, name: str, front: str = "lab") -> Any:
    cells = [ECHO, "%complete_panel The mean", *["'more'"] * 8]
    return panel(window, lab.notebook(name, *cells, front=front))


def fill(page: Any, text: str) -> None:
    page.locator(FIELD).fill(text)
    page.locator(FIELD).focus()
    press(page, "Control+End")


def settings(page: Any, **values: str) -> None:
    summary = page.locator(".jcp summary", has_text="Settings")
    summary.click()
    for name, value in values.items():
        control = page.locator(f"[id^=jcp-{name}-]")
        control.check() if value == "on" else control.fill(value)
    summary.click()


def ended(page: Any) -> None:
    wait_for(lambda: "prompt token" in page.locator(STATUS).inner_text(), 60, "the panel's footer")


def test_toolbar_messages_and_new_text_of_two_pages_are_in_sight(lab: Lab, window: Page, front: str) -> None:
    page = open_panel(lab, window, f"two-pages-{front}.ipynb", front)
    settings(page, max_new_tokens="150")
    fill(page, TWO_PAGES)
    assert page.evaluate("document.querySelector('.jcp-paper').clientHeight <= innerHeight * 0.61")
    press(page, "Control+Enter")
    wait_for(lambda: page.locator(STATUS).inner_text() == "writing", 30, "the first text")
    for _ in range(3):
        before = len(field(page))
        wait_for(lambda before=before: len(field(page)) > before, 20, "more text")
        page.wait_for_timeout(100)
        assert page.evaluate(NEW_TEXT_IN_SIGHT)
        assert all(page.evaluate(IN_SIGHT, selector) for selector in (".jcp-bar", STATUS))
    assert button(page, "Stop").is_enabled()
    page.evaluate(SCROLL_TEXT, -2000)
    page.wait_for_timeout(600)
    assert not page.evaluate(NEW_TEXT_IN_SIGHT), "whoever scrolls up reads there"
    ended(page)
    page.evaluate(SCROLL, 400)
    page.wait_for_timeout(200)
    assert page.evaluate(IN_SIGHT, ".jcp-bar"), "the toolbar sticks while any of the panel is on the screen"


def test_the_caret_stands_where_the_new_text_ends(lab: Lab, window: Page) -> None:
    page = open_panel(lab, window, "caret.ipynb")
    settings(page, max_new_tokens="12")
    fill(page, "The mean of it")
    press(page, *["ArrowLeft"] * len(" of it"), "Control+Enter")
    ended(page)
    text = field(page)
    assert text.startswith("The mean")
    assert text.endswith(" of it")
    page.keyboard.type("!")
    assert field(page) == text.removesuffix(" of it") + "! of it"


def test_answers_of_tasks_and_chats_stand_by_themselves_and_variables_are_filled(lab: Lab, window: Page) -> None:
    page = open_panel(lab, window, "blocks.ipynb")
    settings(page, max_new_tokens="12", task="summarize")
    fill(page, "Wine ages in barrels.")
    press(page, "Control+Enter")
    ended(page)
    assert field(page).startswith("Wine ages in barrels.\n\n")

    settings(page, task="", chat="on")
    fill(page, "What is {{ x }}?")
    press(page, "Control+Enter")
    ended(page)
    first = field(page)
    assert first.startswith("What is {{ x }}?\n\n")
    assert first.endswith("\n\n")
    page.keyboard.type("And why?")
    press(page, "Control+Enter")
    wait_for(lambda: len(field(page)) > len(first) + 20, 30, "the second answer")
    ended(page)
    assert field(page).startswith(f"{first}And why?\n\n")
    page.locator(".jcp summary", has_text="As code").click()
    assert "And why?" in page.locator(".jcp-code").inner_text()


def test_a_paragraph_is_rewritten_in_its_place_and_had_back(lab: Lab, window: Page) -> None:
    page = open_panel(lab, window, "rewrite.ipynb")
    fill(page, "One of them.\n\nTwo of them.")
    button(page, "Rewrite").click()
    page.locator(".jcp-suggestion button", has_text="Refuse").wait_for(timeout=60_000)
    assert field(page).startswith("One of them.\n\n")
    assert "Before: Two of them." in page.locator(".jcp-suggestion").inner_text()
    page.locator(FIELD).focus()
    press(page, "Escape")
    wait_for(lambda: field(page) == "One of them.\n\nTwo of them.", 20, "the old text")


BETWEEN = [pytest.param(width, marks=pytest.mark.heavy) for width in (640, 900)]


@pytest.mark.parametrize("width", [400, *BETWEEN, 1200])
def test_settings_have_their_labels_beside_them_and_are_cut_nowhere(lab: Lab, window: Page, width: int) -> None:
    page = open_panel(lab, window, f"settings-{width}.ipynb")
    page.set_viewport_size({"width": width + 120, "height": 900})
    if page.locator(".jp-DirListing").is_visible():
        press(page, "Control+b")
    page.locator(".jcp summary", has_text="Settings").click()
    page.evaluate("width => { document.querySelector('.jcp').style.width = `${width}px`; }", min(width, 840))
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(BESIDE) == []


def test_a_key_in_two_pages_is_on_the_screen_at_once_and_costs_few_bytes(lab: Lab, window: Page) -> None:
    page = open_panel(lab, window, "keys.ipynb")
    fill(page, TWO_PAGES)
    found = keys.typed(window)
    print(found)
    assert found.median <= SLOWEST_KEY
    assert found.bytes_a_key <= MOST_BYTES
