"""The panels as users of JupyterLab and Notebook 7 see them, by both kernels: written in, stopped, branched, undone."""

from __future__ import annotations

from typing import Any

import pytest
from lab import Lab, Page, ended, opened, output_of, press, run, status_of, text_of, wait_for
from panel_page import DRAWN, FIELD, LARGE, SLOW, STATUS, button, complete, done, field, panel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def stop(page: Any) -> None:
    """Click on Stop, and wait until the panel says that the completion was interrupted."""
    wait_for(lambda: len(field(page)) > 30, 30, "text in the panel")
    button(page, "Stop").click()
    wait_for(lambda: "interrupted" in page.locator(STATUS).inner_text(), 10, "the end of a stopped completion")


def test_a_text_is_completed_stopped_branched_undone_and_walked(
    lab: Lab, window: Page, front: str, kernel: str
) -> None:
    name = f"panel-{front}-{kernel}.ipynb"
    page = panel(window, lab.notebook(name, SLOW, "%complete_panel The mean", front=front, kernel=kernel))
    before = len(window.frames)
    complete(page, {"max_new_tokens": 40, "seed": 3})
    text = field(page)
    assert text.startswith("The mean")
    assert len(text) > 40
    told = window.frames.since(before).of("comm_msg", sent=False, channel="iopub")
    assert len(told) >= 4
    assert told.most_a_second <= 20

    page.locator(".jcp summary", has_text="Tokens").click()
    token = page.locator(".jct-body .jct-token").nth(6)
    token.click()
    page.locator(".jct-card td button").first.click()
    page.locator(".jct-chip").wait_for()
    done(page)
    branch = field(page)
    assert branch != text

    page.locator(".jct-chip button").first.click()
    wait_for(lambda: field(page) == text, 10, "the sibling")
    button(page, "Undo").click()
    wait_for(lambda: field(page) == branch, 10, "the branch again, by Undo")
    assert window.hosts <= {"127.0.0.1", ""}
    assert not window.dialogs


@pytest.mark.parametrize("running", [pytest.param("", marks=pytest.mark.heavy), "x = 0\nwhile x < 10**9: x += 1"])
def test_stop_is_heard_whatever_the_kernel_does(lab: Lab, window: Page, front: str, kernel: str, running: str) -> None:
    name = f"stop-{front}-{kernel}-{len(running)}.ipynb"
    cells = (SLOW, "%complete_panel The mean", running or "pass", "print(p.completion.finish_reason)")
    page = panel(window, lab.notebook(name, *cells, front=front, kernel=kernel))
    page.locator(".jcp summary", has_text="Settings").click()
    page.locator("[id^=jcp-max_new_tokens-]").fill("2000")
    button(page, "Complete").click()
    wait_for(lambda: len(field(page)) > 12, 30, "the first text")
    run(page, 2)
    if running:
        wait_for(lambda: status_of(page) == "busy", 10, "the running cell")
        stop(page)
        assert status_of(page) == "busy", "the user's cell goes on"
    else:
        ended(page, 2)
        stop(page)


@pytest.mark.heavy
def test_everything_is_reached_by_keyboard_alone(lab: Lab, window: Page) -> None:
    longer = SLOW + "jc.current().config.max_new_tokens = 200\n"
    page = panel(window, lab.notebook("keys.ipynb", longer, "%complete_panel The mean"))
    page.locator(FIELD).focus()
    press(page, "Control+End")
    page.keyboard.type(" of")
    press(page, "Control+Enter")
    wait_for(lambda: len(field(page)) > 30, 30, "text in the panel")
    press(page, "Escape")
    wait_for(lambda: "interrupted" in page.locator(STATUS).inner_text(), 10, "the end of a stopped completion")
    text = field(page)

    while page.evaluate("document.activeElement.textContent") != "Tokens":
        press(page, "Tab")
    press(page, "Enter", "Tab")
    assert page.evaluate("document.activeElement.className").startswith("jct-token")
    press(page, *["ArrowRight"] * 6, "Enter")
    assert page.locator(".jct-card").is_visible()
    press(page, "ArrowDown", "Enter")
    page.locator(".jct-chip").wait_for()
    press(page, "Escape")
    wait_for(
        lambda: "interrupted" in page.locator(STATUS).inner_text() or "length" in page.locator(STATUS).inner_text(),
        60,
        "the branch's end",
    )
    page.locator(FIELD).focus()
    press(page, "Alt+ArrowUp")
    wait_for(lambda: field(page) == text, 10, "the sibling")
    press(page, "Control+Alt+z")
    wait_for(lambda: field(page) != text, 10, "the branch again, by Undo")


@pytest.mark.heavy
def test_a_page_that_is_loaded_again_shows_the_same_and_one_without_kernel_a_static_text(
    lab: Lab, window: Page
) -> None:
    page = panel(window, lab.notebook("again.ipynb", SLOW, "%complete_panel The mean"))
    complete(page, {"max_new_tokens": 12, "seed": 5})
    text = field(page)

    def saved() -> bool:
        """Save; the static output comes to the page right behind the panel's footer."""
        press(page, "Control+s")
        outputs = lab.saved("again.ipynb").cells[1].outputs
        plain = "".join(outputs[1].data["text/plain"]) if len(outputs) == 2 else ""
        return text in plain and "probability" in plain

    wait_for(saved, 20, "the saved outputs")
    wait_for(lambda: page.locator(".jp-mod-dirty").count() == 0, 20, "the end of saving")  # else it asks before it goes
    page.reload()
    page.locator(FIELD).wait_for()
    wait_for(lambda: field(page) == text, 20, "the same text")

    assert page.locator(".jp-mod-dirty").count() == 0  # nothing was changed by that
    lab.stop_kernels()
    window.page.goto("about:blank")
    window.page.goto(lab.address("again.ipynb"))
    window.page.wait_for_selector(".jp-Notebook .jp-Cell")
    wait_for(lambda: text.split()[-1] in text_of(window.page, 1), 30, "the static output")


HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)> [31mred[0m ]52;c;aGk= ‮gnp.exe
<button data-commandlinker-command="filebrowser:open">press</button>"""


def test_hostile_text_in_a_panel_is_shown_and_inert(lab: Lab, window: Page) -> None:
    opening = f"import jupyter_complete as jc; jc.panel(prompt={HOSTILE!r})"
    page = panel(window, lab.notebook("hostile-panel.ipynb", SLOW, opening))
    complete(page, {"max_new_tokens": 4, "seed": 5})
    for name in ("Tokens", "As code", "History"):
        page.locator(".jcp summary", has_text=name).click()
    shown = output_of(page, 1)
    assert shown.locator("script, img, a[href], button[data-commandlinker-command]").count() == 0
    assert "<script>alert(1)</script>" in field(page)
    assert "‮" not in field(page)
    assert "U+202E" in shown.inner_text()
    assert not window.dialogs
    button(page, "Undo").click()
    wait_for(lambda: "Redo" in button(page, "Redo").inner_text() and button(page, "Redo").is_enabled(), 10, "Undo")


@pytest.mark.heavy
def test_a_cell_in_the_background_goes_on_under_its_own_cell_and_stops(
    lab: Lab, window: Page, front: str, kernel: str
) -> None:
    cells = (SLOW, "%%complete --background -N 2000 -o c\nThe mean", "print('meanwhile')", "print(c.finish_reason)")
    name = f"background-{front}-{kernel}.ipynb"
    page = opened(window, lab.notebook(name, *cells, front=front, kernel=kernel))
    run(page, 0)
    ended(page, 0, 90)
    run(page, 1)
    run(page, 2)
    assert "meanwhile" in ended(page, 2)
    first = len(page.locator(".jcb-text").inner_text())
    wait_for(lambda: len(page.locator(".jcb-text").inner_text()) > first, 20, "text that grows")
    output_of(page, 1).locator(".jcb button").click()
    wait_for(lambda: "interrupted · " in text_of(page, 1), 10, "the finished output")
    wait_for(lambda: output_of(page, 1).locator(".jcb").count() == 0, 10, "the widget to make way")
    press(page, "Control+s")
    wait_for(lambda: lab.saved(name).cells[1].outputs, 20, "the saved output")
    (kept,) = lab.saved(name).cells[1].outputs
    assert set(kept.data) == {"text/html", "text/markdown", "text/plain"}
    assert "interrupted" not in text_of(page, 2)
    run(page, 3)
    assert "interrupted" in ended(page, 3)


@pytest.mark.heavy
def test_models_are_loaded_used_and_unloaded_by_mouse(lab: Lab, window: Page) -> None:
    page = opened(window, lab.notebook("models.ipynb", SLOW, "%complete_model"))
    run(page, 0)
    ended(page, 0, 90)
    run(page, 1)
    page.locator(".jcm").wait_for()
    page.locator(".jcm [aria-label='Load tiny']").click()
    page.locator(".jcm td", has_text="tiny (default)").first.wait_for()
    page.locator(".jcm button", has_text="Unload").click()
    wait_for(lambda: "tiny is unloaded" in page.locator(".jcm-said").inner_text(), 20, "what the unload came to")
    page.locator(".jcm input").fill("no-such-model")
    page.locator(".jcm-bar button", has_text="Load").click()
    wait_for(lambda: "no-such-model" in page.locator(".jcm-said").inner_text(), 20, "why it was not loaded")


GROWING = """
import time
from types import SimpleNamespace
from jupyter_complete.widgets.streaming import INTERVAL, StreamingView
growing = StreamingView(p, [("you", "The mean")])
draft = SimpleNamespace(texts=[""], leading=None, prefill=None, loading=None)
for round in range(25):
    draft.texts = [draft.texts[0] + "words " * 7000]
    growing.update(draft)
    time.sleep(INTERVAL)
print(len(draft.texts[0]), "told")
"""


@pytest.mark.heavy
def test_a_megabyte_goes_over_the_wire_once_and_in_few_messages(lab: Lab, window: Page) -> None:
    page = panel(window, lab.notebook("megabyte.ipynb", SLOW, "p = jc.panel('essay', 'The mean'); p", GROWING))
    before = len(window.frames)
    run(page, 2)
    assert "1050000 told" in ended(page, 2)
    wait_for(lambda: page.evaluate("document.querySelector('.jcp-field').value.length") > 1_050_000, 30, "the text")
    told = window.frames.since(before).of("comm_msg", sent=False)
    assert told.size < 1.2 * 1_050_000
    assert told.most_a_second <= 20
    assert "rate exceeded" not in page.content()


@pytest.mark.heavy
def test_two_thousand_tokens_are_all_there_and_each_tells_its_candidates(lab: Lab, window: Page) -> None:
    page = opened(window, lab.notebook("large.ipynb", SLOW, "import jupyter_complete as jc" + LARGE))
    run(page, 0)
    ended(page, 0, 90)
    run(page, 1)
    page.locator(".jct-token").first.wait_for()
    assert page.locator(".jct-token").count() == 2000
    told = window.frames.of("comm_open", "comm_msg", sent=False)
    states = [one.content["data"]["state"] for one in told if "state" in one.content["data"]]
    source = next(state["_esm"] for state in states if "_esm" in state)
    shown = next(state["shown"] for state in states if state.get("shown"))
    print(f"2,000 tokens drawn in {page.evaluate(DRAWN, [source, shown]):.0f} ms")
    page.locator(".jct-jump").first.click()
    page.locator(".jct-card table").wait_for()
    assert page.locator(".jct-card tbody tr").count() >= 8
