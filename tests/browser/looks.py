"""How a panel looks, in numbers: contrast by computed colours, drawing, scrolling. Run as a script it prints them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import chromium
import tiny
from lab import LOAD, Lab, Page, ended, opened, output_of, run, running, wait_for

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
QUICK = LOAD + "\n" + tiny.cell(0.002)
TEXT, MARK = 4.5, 3.0  # what WCAG 2.2 AA asks of text, and of marks that carry a meaning
MARKS = {".jct-bar": "backgroundColor", ".jct-e3": "borderBottomColor"}
MARKS |= dict.fromkeys((".jct-chip", ".jcp-paper", ".jcp-control :is(input, select)"), "borderTopColor")

SCRIPTS = Path(__file__).parent
CONTRASTS = (SCRIPTS / "contrasts.js").read_text()
SCROLLED = (SCRIPTS / "scrolled.js").read_text()


def full(page: Any) -> None:
    """A panel that shows all there is: a fork, candidates that are cut, settings, code, history, a token's card."""
    page.locator(".jcp summary", has_text="Settings").click()
    for name, value in {"max_new_tokens": 40, "seed": 3, "top_p": 0.6}.items():
        page.locator(f"[id^=jcp-{name}-]").fill(str(value))
    begin(page, lambda: page.locator(".jcp-bar button").first.click())
    for name in ("Tokens", "As code", "History"):
        page.locator(".jcp summary", has_text=name).first.click()
    page.locator(".jct-body .jct-token").nth(12).click()
    begin(page, lambda: page.locator(".jct-card td button").first.click())
    page.locator(".jct-body .jct-token").nth(12).click()


def begin(page: Any, act: Any) -> None:
    """Do what has a text written, and wait until it is."""
    act()
    status = page.locator(".jcp-status")
    wait_for(lambda: "prompt token" not in status.inner_text(), 10, "the beginning")
    wait_for(lambda: "prompt token" in status.inner_text(), 60, "the panel's footer")


def panel(lab: Lab, window: Page, name: str) -> Any:
    page = opened(window, lab.notebook(name, QUICK, "%complete_panel The mean"))
    run(page, 0)
    ended(page, 0, 90)
    run(page, 1)
    page.locator(".jcp-field").wait_for()
    full(page)
    return page


def contrasts(page: Any) -> list[tuple[str, str, float]]:
    """("text" or "mark", what it is, contrast) of all that the panel's cell shows."""
    page.wait_for_timeout(100)
    found = output_of(page, 1).evaluate_handle("node => node")
    return [tuple(one) for one in page.evaluate(CONTRASTS, [found, MARKS])]


def themed(lab: Lab, theme: str) -> None:
    lab.set("@jupyterlab/apputils-extension:themes", {"theme": THEMES[theme]})


def main() -> None:
    from panel_page import DRAWN, LARGE
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as base, running(Path(base)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        for theme in THEMES:
            themed(lab, theme)
            window = Page(browser.new_page())
            found = contrasts(panel(lab, window, f"{theme}.ipynb"))
            for kind in ("text", "mark"):
                worst = sorted({(round(ratio, 2), what) for each, what, ratio in found if each == kind})[:8]
                print(theme, kind, *(f"{what} {ratio}" for ratio, what in worst), sep="\n    ")
            window.page.close()
        window = Page(browser.new_page())
        page = opened(window, lab.notebook("large.ipynb", QUICK, "import jupyter_complete as jc" + LARGE))
        run(page, 0)
        ended(page, 0, 90)
        run(page, 1)
        page.locator(".jct-token").first.wait_for()
        told = window.frames.of("comm_open", "comm_msg", sent=False)
        states = [one.content["data"]["state"] for one in told if "state" in one.content["data"]]
        source = next(state["_esm"] for state in states if "_esm" in state)
        shown = next(state["shown"] for state in states if state.get("shown"))
        print(f"2,000 tokens drawn in {page.evaluate(DRAWN, [source, shown]):.0f} ms")
        times = page.evaluate(SCROLLED)
        of = {share: times[int(share * (len(times) - 1))] for share in (0.5, 0.95, 1)}
        print(
            f"{len(times)} frames scrolled: " + ", ".join(f"p{share * 100:.0f} {ms:.1f} ms" for share, ms in of.items())
        )
        writing(lab, browser)
        browser.close()


def writing(lab: Lab, browser: Any) -> None:
    """Keys in a text of two pages."""
    import keys
    from test_editor import TWO_PAGES, fill, open_panel

    window = Page(browser.new_page(viewport={"width": 1200, "height": 900}))
    fill(open_panel(lab, window, "keys.ipynb"), TWO_PAGES)
    print(f"a text of {len(TWO_PAGES):,} characters, {keys.typed(window, 120)}")


if __name__ == "__main__":
    main()
