"""Measure ghost text with SmolLM2: from a key to the first text, and whether it is what greedy completion gives.

    PYTHONPATH=tests:tests/browser python tests/browser/ghost_speed.py [PICTURES]

Prints medians over some keys at about 1,000 tokens of context, what of it the kernel took, the bytes of a key, and the
time from a key to its frame with and without ghost text. With a folder it takes pictures too.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import chromium
from ghost_page import ghost, markdown_below, source_of, told
from lab import LOAD, Lab, Page, cells, ended, opened, run, running, wait_for
from playwright.sync_api import sync_playwright

KEYS = 40
SENTENCE = "The sample mean estimates the mean of the population, and its error falls with the size of the sample. "
TYPED = "In statistics the most important thing to remember about the median is that it"
ENGLISH, CHINESE = "The capital of France is", "北京是中国的"

# milliseconds from each key to the frame that shows it, and to the first ghost text after it
WATCH = """() => {
  window.keys = [];
  document.addEventListener('keydown', () => {
    const key = {at: performance.now()};
    window.keys.push(key);
    requestAnimationFrame(() => setTimeout(() => { key.frame = performance.now() - key.at; }));
  }, true);
  new MutationObserver(() => {
    const key = window.keys.at(-1), shown = document.querySelector('.jp-GhostText');
    if (key && !key.ghost && shown && shown.textContent) key.ghost = performance.now() - key.at;
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def timed(page: Any, text: str, pause: int) -> list[dict[str, float]]:
    """The keys of a text, typed with a pause between them."""
    page.evaluate("() => { window.keys.length = 0; }")
    for key in text:
        page.keyboard.type(key)
        page.wait_for_timeout(pause)
    return list(page.evaluate("() => window.keys"))


def begun(lab: Lab, window: Page) -> Any:
    """A notebook with the model in memory and a Markdown cell below about 1,000 tokens."""
    above = "# " + SENTENCE * 45
    page = opened(window, lab.notebook("speed.ipynb", LOAD, "import jupyter_complete as jc; jc.load('smollm2')", above))
    run(page, 0)
    run(page, 1)
    ended(page, 1, 300)
    markdown_below(page, 2)
    return page


def speed(window: Page) -> None:
    page = window.page
    page.evaluate(WATCH)
    page.keyboard.type("In", delay=400)
    wait_for(lambda: told(window, "end"), 60, "the first text")
    before, frames = len(told(window, "text")), len(window.frames)
    keys = timed(page, TYPED[2 : 2 + KEYS], 400)
    firsts = [one for one in told(window, "text")[before:] if "spent" in one and one["item"] == 0]
    ghosts = [key["ghost"] for key in keys if "ghost" in key]
    ends = [one for one in told(window, "end") if one["item"] == 0][-len(firsts) :]
    asked = window.frames.since(frames).of("comm_info_request", sent=True)
    answers = window.frames.since(frames).of("comm_msg", "status", sent=False)
    read, reused = (median(one[name] for one in firsts) for name in ("prompt", "cached"))
    print(f"context {read:.0f} tokens, reused {reused:.0f}")
    print(f"{len(keys)} keys, {len(ghosts)} with ghost text at once")
    print(f"key to ghost, median {median(ghosts):.0f} ms, worst {max(ghosts):.0f}")
    print(f"kernel, message to first text, median {1000 * median(one['spent'] for one in firsts):.0f} ms")
    models = [1000 * one["model_s"] for one in ends if one["model_s"]]
    print(f"the model's first token, median {median(models):.0f} ms")
    print(f"bytes of a key: {median(one.size for one in asked):.0f} sent; {answers.size / len(asked):.0f} received")
    on = [key["frame"] for key in keys]
    page.locator(".jpc-Status").click()
    cells(page).nth(3).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    off = [key["frame"] for key in timed(page, TYPED[2 : 2 + KEYS], 100)]
    page.locator(".jpc-Status").click()
    cells(page).nth(3).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    again = [key["frame"] for key in timed(page, TYPED[2 : 2 + KEYS], 100)]
    print(f"key to frame, median: {median(off):.1f} ms without, {median(again):.1f} ms with ghost text")
    print(f"key to frame where keys come slowly, with ghost text: {median(on):.1f} ms")


def same(window: Page) -> None:
    """Accept a text in the first cell of the notebook, and complete the same prompt in a cell."""
    page = window.page
    for prompt in (ENGLISH, CHINESE):
        cells(page).nth(0).locator(".jp-InputPrompt").click()
        for key in ("a", "m", "Enter"):
            page.keyboard.press(key)
        page.keyboard.insert_text(prompt)
        before = len(told(window, "done"))
        page.keyboard.press("Alt+\\")
        wait_for(lambda before=before: len(told(window, "done")) > before, 60, "the text")
        page.wait_for_timeout(500)
        shown = ghost(page)
        page.keyboard.press("Tab")
        page.wait_for_timeout(500)
        text = source_of(page, 0).removeprefix(prompt)
        last = cells(page).count() - 1
        cells(page).nth(last).locator(".jp-InputPrompt").click()
        page.keyboard.press("b")
        page.keyboard.press("y")
        page.keyboard.press("Enter")
        page.keyboard.insert_text(f"print(ascii(jc.complete({prompt!r}, temperature=0, max_new_tokens=32).text))")
        page.keyboard.press("Shift+Enter")
        greedy = ast.literal_eval(ended(page, last + 1))
        print(f"{prompt}: {text!r}, shown {shown == text}, begins greedy text {text != '' and greedy.startswith(text)}")


def main(pictures: str = "") -> None:
    with running(Path(tempfile.mkdtemp(prefix="ghost-"))) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        window = Page(browser.new_context(viewport={"width": 1000, "height": 500}).new_page())
        window.page.set_default_timeout(120_000)
        begun(lab, window)
        speed(window)
        if pictures:
            window.page.screenshot(path=Path(pictures) / "ghost.png")
        same(window)
        lab.stop_kernels()


if __name__ == "__main__":
    main(*sys.argv[1:])
