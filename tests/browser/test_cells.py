"""A %%complete cell on the screen: the text stands while it streams where it stands when it is done."""

from __future__ import annotations

import re

import pytest
from lab import LOAD, Lab, Page, cells, ended, footer, opened, run, text_of, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(400)]

LOOK = """
() => {
  const cell = document.querySelectorAll(".jp-Notebook .jp-Cell")[1];
  const body = cell.querySelector(".jp-OutputArea-output pre");
  if (!body) return null;
  const range = document.createRange();
  range.selectNodeContents(body);
  const { left, top } = range.getClientRects()[0];
  const { fontFamily, fontSize, lineHeight } = getComputedStyle(body);
  const around = cell.getBoundingClientRect();
  const lines = [...range.getClientRects()].map((line) => Math.round(line.right - around.left));
  const html = cell.querySelector(".jp-OutputArea-output").innerText;
  return { at: [left - around.left, top - around.top], fontFamily, fontSize, lineHeight,
           width: Math.round(body.getBoundingClientRect().width), text: body.innerText, live: html.includes("writing"),
           lines };
}
"""


@pytest.mark.parametrize("form", ["text", pytest.param("code", marks=pytest.mark.heavy)])
def test_a_text_streams_in_its_final_font_and_place(lab: Lab, window: Page, form: str) -> None:
    source = f"%%complete -N 800 -t 0.7 --seed 3 --format {form}\nThe three most important ideas in statistics are"
    page = opened(window, lab.notebook(f"layout-{form}.ipynb", LOAD, source))
    run(page, 0)
    run(page, 1)
    looks = []

    def ended() -> bool:
        looks.append(page.evaluate(LOOK))
        return footer(page, 1) and "writing" not in text_of(page, 1)

    wait_for(ended, 120, "the footer")
    last = page.evaluate(LOOK)
    live = [look for look in looks if look and look["live"] and look["text"].strip()]
    assert len(live) >= 4
    for look in live:
        assert [look[name] for name in ("at", "fontFamily", "fontSize", "lineHeight", "width")] == [
            last[name] for name in ("at", "fontFamily", "fontSize", "lineHeight", "width")
        ]
        assert last["text"].startswith(look["text"].rstrip())
    assert ("monospace" in last["fontFamily"]) is (form == "code")


@pytest.mark.heavy
def test_a_long_text_costs_a_bounded_number_of_bytes_a_second(lab: Lab, window: Page) -> None:
    page = opened(window, lab.notebook("bytes.ipynb", LOAD, "%%complete -N 1200 -t 0\nOnce upon a time"))
    run(page, 0)
    before = len(window.frames)
    run(page, 1)
    wait_for(lambda: re.search(r"tokens · \d", text_of(page, 1)), 60, "the end")
    shows = window.frames.since(before).of("display_data", "update_display_data")
    seconds = shows[-1].said - shows[0].said
    print(len(shows), "paints,", shows.size, "bytes in", round(seconds, 1), "s;", shows[-1].size, "bytes the last")
    assert shows.most_a_second <= 11
    assert shows.size / seconds < 1_000_000


def sources(lab: Lab, page: Page, name: str) -> list[tuple[str, str]]:
    """Kind and source of each cell of the notebook as it is saved now."""
    page.page.keyboard.press("Escape")
    before = (lab.root / name).stat().st_mtime_ns
    page.page.keyboard.press("Control+s")
    wait_for(lambda: (lab.root / name).stat().st_mtime_ns > before, 20, "the saved notebook")
    return [(cell.cell_type, cell.source) for cell in lab.saved(name).cells]


def test_a_completion_is_written_into_a_markdown_cell_and_replaced_when_it_runs_again(
    lab: Lab, window: Page, front: str
) -> None:
    name = f"cell-{front}.ipynb"
    source = "%%complete --cell -N 8 -t 0 -o c\nThe mean is"
    page = opened(window, lab.notebook(name, LOAD, source, "c.text", "pass", front=front))
    run(page, 0)
    run(page, 1)
    wait_for(lambda: cells(page).count() == 5, 60, "a new cell")
    wait_for(lambda: footer(page, 1) and "writing" not in text_of(page, 1), 20, "the finished output")
    kinds = sources(lab, window, name)
    outputs = lab.saved(name).cells[1].outputs
    assert [set(one.data) for one in outputs] == [{"text/html", "text/markdown", "text/plain"}]
    assert "widgets" not in lab.saved(name).metadata
    assert [kind for kind, _ in kinds] == ["code", "code", "markdown", "code", "code"]
    run(page, 3)
    assert kinds[2][1] in eval(ended(page, 3).strip())

    run(page, 1)
    page.wait_for_timeout(3000)
    assert sources(lab, window, name) == kinds

    cells(page).nth(2).locator(".jp-RenderedMarkdown").dblclick()
    cells(page).nth(2).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" and my own words")
    page.keyboard.press("Shift+Enter")
    run(page, 1)
    wait_for(lambda: cells(page).count() == 6, 20, "another cell")
    changed = kinds[2][1] + " and my own words"
    assert sources(lab, window, name)[2:4] == [kinds[2], ("markdown", changed)]


def test_code_is_written_with_the_code_it_goes_on_from_and_runs(lab: Lab, window: Page) -> None:
    source = "%%complete --cell --format code -N 60 -t 0 --stop '\\n\\n'\ndef double(x):\n    return"
    page = opened(window, lab.notebook("code.ipynb", LOAD, source, "pass"))
    run(page, 0)
    run(page, 1)
    wait_for(lambda: cells(page).count() == 4, 60, "a new cell")
    kind, code = sources(lab, window, "code.ipynb")[2]
    assert (kind, code.startswith("def double(x):\n    return")) == ("code", True)
    compile(code, "cell", "exec")
