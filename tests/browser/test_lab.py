"""What a user of JupyterLab sees: typed, streamed, interrupted, saved, reopened."""

from __future__ import annotations

import pytest
from lab import LOAD, Lab, Page, footer, opened, prompt_of, run, text_of, type_into, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(400)]


@pytest.mark.heavy
def test_a_typed_cell_streams_and_is_there_again_when_reopened(lab: Lab, window: Page) -> None:
    page = opened(window, lab.notebook("typed.ipynb", LOAD, ""))
    run(page, 0)
    wait_for(lambda: prompt_of(page, 0) == "[1]:", 60, "the extension")
    type_into(page, 1, "%%complete -N 40 -t 0.7 --seed 3 -o c\nThe three most important ideas in statistics are")
    page.keyboard.press("Shift+Enter")

    lengths = set()

    def ended() -> bool:
        lengths.add(len(text_of(page, 1)))
        return footer(page, 1)

    wait_for(ended, 120, "the footer")
    assert len(lengths) >= 4, f"the text was seen at {sorted(lengths)} characters only"
    shown = text_of(page, 1)
    assert "length · 40 tokens" in shown

    page.keyboard.press("Control+s")
    wait_for(lambda: lab.saved("typed.ipynb").cells[1].outputs, 20, "the saved output")
    outputs = lab.saved("typed.ipynb").cells[1].outputs
    assert [one.output_type for one in outputs] == ["display_data"], outputs
    assert {"text/html", "text/markdown", "text/plain"} == set(outputs[0].data)
    assert "widgets" not in lab.saved("typed.ipynb").metadata

    lab.stop_kernels()
    window.page.goto("about:blank")
    window.page.goto(lab.address("typed.ipynb"))
    window.page.wait_for_selector(".jp-Notebook .jp-Cell")
    wait_for(lambda: footer(window.page, 1), 30, "the reopened output")
    assert text_of(window.page, 1) == shown
    assert window.hosts <= {"127.0.0.1", ""}


def test_the_stop_button_keeps_the_text_and_the_model(lab: Lab, window: Page) -> None:
    page = opened(
        window,
        lab.notebook(
            "stopped.ipynb",
            LOAD,
            "import jupyter_complete as jc; before = jc.load().tokenizer",
            "%%complete -N 8000 -t 0 -o c\nOnce upon a time",
            "print('next', c.finish_reason, len(c.tokens) > 0, jc.load().tokenizer is before)",
        ),
    )
    for cell in range(3):
        run(page, cell)
    wait_for(lambda: len(text_of(page, 2)) > 20, 120, "the beginning of the text")
    page.locator("[data-command='notebook:interrupt-kernel']").first.click()
    wait_for(lambda: "interrupted · " in text_of(page, 2), 10, "the footer of an interrupted completion")
    assert len(text_of(page, 2)) > 40

    run(page, 3)
    wait_for(lambda: "next" in text_of(page, 3), 5, "the next cell")
    assert "next interrupted True True" in text_of(page, 3)
