"""Commands write into a cell as a change to accept or refuse; a prompt cell looks like prose with options."""

from __future__ import annotations

import pytest
from ghost_page import PROMPT, command, greedy, notebook, shows_ghost, source_of
from lab import Lab, Page, cells, run, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SUGGESTION = ".jpc-suggestion"
PROSE = "The mean is {{ x }} for in **bold**" + 40 * " and so on"
FIRST_LINE = "%%complete -N 5 --bad word -t 0 --format nonsense --stop 'a b' -o c"
PROMPT_CELL = f"{FIRST_LINE}\n{PROSE}"


def button(page: object, label: str) -> None:
    page.locator(SUGGESTION).get_by_role("button", name=label, exact=True).click()  # type: ignore[attr-defined]


def test_a_command_writes_a_change_that_is_accepted_or_refused(lab: Lab, window: Page, front: str) -> None:
    page = notebook(lab, window, f"commands-{front}.ipynb", front=front)
    page.keyboard.type(PROMPT)
    page.locator(".jp-cell-toolbar [data-command='jupyter_complete:continue-cell']").click()
    page.locator(SUGGESTION).get_by_text("Accept").wait_for()
    text = str(page.locator(".jpc-added").inner_text())
    assert text.strip()
    assert source_of(page, 2) == PROMPT
    button(page, "Refuse")
    wait_for(lambda: page.locator(SUGGESTION).count() == 0, 10, "the end of the suggestion")
    assert source_of(page, 2) == PROMPT

    command(page, "Rewrite Selection")
    page.locator(SUGGESTION).get_by_text("Accept").wait_for()
    assert page.locator(".jpc-removed").first.inner_text() == PROMPT
    other = str(page.locator(".jpc-added").text_content())
    cells(page).nth(2).locator(".cm-content").press("Enter")
    wait_for(lambda: source_of(page, 2) == other, 10, "the accepted text")
    page.keyboard.press("Control+z")
    wait_for(lambda: source_of(page, 2) == PROMPT, 10, "the text before")


def test_a_text_grows_in_place_until_it_is_stopped(lab: Lab, window: Page) -> None:
    page = notebook(lab, window, "grows.ipynb", how="window=4096, delay=0.2")
    page.keyboard.type(PROMPT)
    command(page, "Complete Here")
    wait_for(lambda: len(page.locator(".jpc-added").inner_text()) > 2, 20, "the beginning of the text")
    button(page, "Stop")
    page.locator(SUGGESTION).get_by_text("Accept").wait_for()
    text = str(page.locator(".jpc-added").text_content())
    button(page, "Accept")
    wait_for(lambda: source_of(page, 2) == PROMPT + text, 10, "the accepted text")


@pytest.mark.heavy
def test_an_error_is_explained_in_a_cell_below(lab: Lab, window: Page) -> None:
    page = notebook(lab, window, "explained.ipynb", "1 / 0")
    run(page, 2)
    cells(page).nth(2).locator(".jp-RenderedText[data-mime-type*='error'], .jp-OutputArea-output").first.wait_for()
    cells(page).nth(2).locator(".jp-InputPrompt").click()
    command(page, "Explain This Error")
    page.locator(SUGGESTION).get_by_text("Accept").wait_for()
    assert cells(page).count() == 5
    button(page, "Refuse")
    wait_for(lambda: cells(page).count() == 4, 10, "the notebook as it was")


def test_a_prompt_cell_is_prose_that_wraps_under_its_options_and_has_ghost_text_of_its_own_prompt(
    lab: Lab, window: Page
) -> None:
    page = notebook(lab, window, "prompt.ipynb", PROMPT_CELL, "for x in range(3): pass")
    cell = cells(page).nth(2)
    cell.locator(".jpc-unknown").first.wait_for()
    assert cell.locator(".jpc-magic").inner_text() == "%%complete"
    assert cell.locator(".jpc-unknown").all_inner_texts() == ["--bad", "word", "nonsense"]
    assert cell.locator(".jpc-option").all_inner_texts() == ["-N", "-t", "--format", "--stop", "-o"]
    assert cell.locator(".jpc-braces").inner_text() == "{{ x }}"

    def colour(of: int, word: str) -> str:
        script = """(line, word) => {
            const walk = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) if (walk.currentNode.textContent.split(/\\s+/).includes(word))
                return getComputedStyle(walk.currentNode.parentElement).color;
        }"""
        return str(cells(page).nth(of).locator(".cm-content").evaluate(script, word))

    beyond = "(node) => node.scrollWidth - node.clientWidth"
    assert cell.locator(".cm-scroller").evaluate(beyond) <= 0

    assert colour(2, "for") == colour(2, "mean")
    assert colour(3, "for") != colour(3, "x")
    cell.locator(".jpc-option").first.hover()
    page.locator(".jpc-help").wait_for()
    assert "Maximum number of tokens" in page.locator(".jpc-help").inner_text()

    cell.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" the", delay=20)
    shows_ghost(page, greedy(here=f"{PROSE} the"))
    assert window.hosts <= {"127.0.0.1", ""}
