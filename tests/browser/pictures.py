"""Takes the pictures in docs/images, as a user of JupyterLab sees them: make pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import chromium
from lab import LOAD, Lab, Page, cells, footer, opened, run, running, wait_for
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[2] / "docs" / "images"
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark"}
CELLS = (
    LOAD,
    "%%complete -N 60 -t 0.7 --seed 3 -o c\nThe three most important ideas in statistics are",
    "%%complete -n 3 -N 16 -t 0.9 --seed 1\nThe quickest way to check a dataset for errors is",
    "%%complete --score\nThe capital of France is Paris.",
)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as base, running(Path(base)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        for suffix, theme in THEMES.items():
            lab.set("@jupyterlab/apputils-extension:themes", {"theme": theme})
            context = browser.new_context(viewport={"width": 900, "height": 1000}, device_scale_factor=1.5)
            picture(lab, Page(context.new_page()), suffix)
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


def _box(page: Any, cell: int) -> Any:
    return cells(page).nth(cell).bounding_box()


if __name__ == "__main__":
    main()
