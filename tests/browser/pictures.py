"""Takes the pictures in docs/images, as a user of JupyterLab sees them: make pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import chromium
from lab import LOAD, Lab, Page, cells, footer, opened, output_of, picture_of, prompt_of, run, running, wait_for
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark"}
CELLS = (
    LOAD,
    "%%complete -N 60 -t 0.7 --seed 3 -o c\nThe three most important ideas in statistics are",
    "%%complete -n 3 -N 16 -t 0.9 --seed 1\nThe quickest way to check a dataset for errors is",
    "%%complete --score\nThe capital of France is Paris.",
)
PANELS = (
    LOAD,
    "%complete_panel The three most important ideas in statistics are",
    "%complete_model",
)
INSIDE = (LOAD, "%%complete_inside -N 20 --seed 3 -o seen\nThe capital of France is")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as base, running(Path(base)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        for suffix, theme in THEMES.items():
            lab.set("@jupyterlab/apputils-extension:themes", {"theme": theme})
            context = browser.new_context(viewport={"width": 900, "height": 1000}, device_scale_factor=1.5)
            picture(lab, Page(context.new_page()), suffix)
            panels(lab, Page(context.new_page()), suffix)
            inside(lab, Page(context.new_page()), suffix)
            context.close()
        browser.close()


def picture(lab: Lab, window: Page, suffix: str) -> None:
    page = opened(window, lab.notebook(f"picture{suffix}.ipynb", *CELLS))
    page.keyboard.press("Control+b")  # close the side bar
    for cell in range(len(CELLS)):
        run(page, cell)
    for cell in (1, 2, 3):
        wait_for(lambda cell=cell: footer(page, cell), 180, f"the footer of cell {cell}")
    page.evaluate("document.activeElement.blur()")
    top, bottom = _box(page, 1), _box(page, 3)
    clip = {"x": top["x"], "y": top["y"], "width": top["width"], "height": bottom["y"] + bottom["height"] - top["y"]}
    page.screenshot(path=IMAGES / f"complete{suffix}.png", clip=clip)


def panels(lab: Lab, window: Page, suffix: str) -> None:
    page = opened(window, lab.notebook(f"panels{suffix}.ipynb", *PANELS))
    page.keyboard.press("Control+b")
    run(page, 0)
    run(page, 1)
    page.locator(".jcp summary", has_text="Settings").click()
    page.locator("[id^=jcp-max_new_tokens-]").fill("60")
    page.locator("[id^=jcp-seed-]").fill("3")
    page.locator(".jcp-bar button", has_text="Complete").click()
    wait_for(lambda: "tokens/s" in page.locator(".jcp-status").inner_text(), 180, "the panel's footer")
    picture_of(page, 1, IMAGES / f"panel{suffix}.png")
    page.locator(".jcp summary", has_text="Settings").click()
    page.locator(".jcp summary", has_text="Tokens").click()
    page.locator(".jct-token").nth(14).click()
    page.locator(".jct-card td button").first.click()
    page.locator(".jct-chip").wait_for()
    wait_for(lambda: "tokens/s" in page.locator(".jcp-status").inner_text(), 60, "the branch's footer")
    page.locator(".jct-token").nth(20).click()
    output_of(page, 1).locator(".jct").screenshot(path=IMAGES / f"panel-tokens{suffix}.png")
    page.keyboard.press("Escape")
    run(page, 2)
    page.locator(".jcm table").first.wait_for()
    output_of(page, 2).locator(".jcm").screenshot(path=IMAGES / f"models{suffix}.png")


def inside(lab: Lab, window: Page, suffix: str) -> None:
    page = opened(window, lab.notebook(f"inside{suffix}.ipynb", *INSIDE))
    page.set_viewport_size({"width": 1024, "height": 1400})
    page.keyboard.press("Control+b")
    run(page, 0)
    run(page, 1)
    page.locator("[aria-label='What this step chooses from']").wait_for(timeout=180_000)
    wait_for(lambda: "]" in prompt_of(page, 1) and "*" not in prompt_of(page, 1), 180, "the end of the cell")
    page.locator("[aria-label='temperature']").fill("1.3")
    page.locator("[aria-label='top k']").fill("12")
    page.locator("th", has_text="logit/1.3").wait_for()
    page.locator(".jci").first.screenshot(path=IMAGES / f"inside{suffix}.png")
    page.locator("[data-station=transformer]").click()
    page.locator("[data-look=attention]").click()
    page.locator(".jci-head").nth(5).click()
    page.locator(".jci-text span").nth(3).click()
    page.locator(".jci-said", has_text="hidden, P").wait_for()
    page.locator(".jci").first.screenshot(path=IMAGES / f"inside-attention{suffix}.png")


def _box(page: Any, cell: int) -> Any:
    return cells(page).nth(cell).bounding_box()


if __name__ == "__main__":
    main()
