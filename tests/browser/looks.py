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
MARKS = {".jct-bar": "backgroundColor", ".jct-e3": "borderBottomColor", ".jct-chip": "borderTopColor"}

# Every text that is seen under an element, and every mark, with its contrast to what lies behind it: layers of
# backgrounds from the page's own up, each as opaque as it and all around it are.
CONTRASTS = """([root, marks]) => {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [[r, g, b], a / 255];
    };
    const over = ([top, alpha], below, opacity) => below.map((one, place) => one + (top[place] - one) * alpha * opacity);
    const line = (node) => (node ? [...line(node.parentElement), node] : []);
    const behind = (nodes) => {
        let color = [255, 255, 255], opacity = 1;
        for (const node of nodes) {
            const style = getComputedStyle(node);
            opacity *= Number(style.opacity);
            color = over(rgba(style.backgroundColor), color, opacity);
        }
        return [color, opacity];
    };
    const light = (color) => {
        const [r, g, b] = color.map((one) => (one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (ink, nodes) => {
        const [below, opacity] = behind(nodes), own = over(rgba(ink), below, opacity);
        const [one, other] = [light(own), light(below)].sort((a, b) => b - a);
        return (one + 0.05) / (other + 0.05);
    };
    const seen = (node) => node.checkVisibility() && !node.disabled && !node.closest(".jc-hidden, .jcp-copy, [disabled]");
    const found = [], here = [...root.querySelectorAll("*")];
    for (const node of here.filter(seen)) {
        const text = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim()) || node.matches("input, select");
        if (text) found.push(["text", node.className || node.tagName, contrast(getComputedStyle(node).color, line(node))]);
    }
    const ink = getComputedStyle(root.querySelector(".jcp-field")).color;
    for (const node of root.querySelectorAll(".jcp-copy span")) found.push(["text", node.className, contrast(ink, line(node))]);
    for (const [selector, name] of Object.entries(marks)) {
        for (const node of [...root.querySelectorAll(selector)].filter(seen)) {
            found.push(["mark", selector, contrast(getComputedStyle(node)[name], line(node.parentElement))]);
        }
    }
    return found;
}"""

SCROLLED = """async () => {
    const box = document.querySelector(".jp-WindowedPanel-outer"), times = [];
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    box.scrollTop = 0;
    let last = await frame();
    while (box.scrollTop + box.clientHeight < box.scrollHeight - 1) {
        box.scrollTop += 40;
        const now = await frame();
        times.push(now - last);
        last = now;
    }
    return times.sort((a, b) => a - b);
}"""


def full(page: Any) -> None:
    """A panel that shows all there is: a fork, cards of several, candidates that are cut, code, history, a token's card."""
    for name in ("Settings", "Tokens", "As code", "History"):
        page.locator(".jcp summary", has_text=name).first.click()
    for name, value in {"max_new_tokens": 40, "seed": 3, "top_p": 0.6}.items():
        page.locator(f"[id^=jcp-{name}-]").fill(str(value))
    begin(page, lambda: page.locator(".jcp-bar button").first.click())
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
    page.locator("summary", has_text="kept with the notebook").click()
    page.wait_for_timeout(100)
    found = output_of(page, 1).evaluate_handle("node => node")
    return [tuple(one) for one in page.evaluate(CONTRASTS, [found, MARKS])]


def themed(lab: Lab, theme: str) -> None:
    lab.set("@jupyterlab/apputils-extension:themes", {"theme": THEMES[theme]})


def main() -> None:
    from playwright.sync_api import sync_playwright
    from test_panels import DRAWN, LARGE

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
        browser.close()


if __name__ == "__main__":
    main()
