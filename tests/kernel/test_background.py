"""A text in the background of a real kernel: its name is bound at once, and other cells wait for it or go ahead."""

from __future__ import annotations

from typing import Any

import pytest
from kernels import Kernel

pytestmark = pytest.mark.kernel

BEHIND = "%%complete --background -N {tokens} -t 0 -o bg\nThe mean"


@pytest.fixture
def begun(kernel: Kernel) -> Kernel:
    """The kernel, in which a text of two seconds is being written."""
    kernel.good("bg = None")
    kernel.good(BEHIND.format(tokens=100))
    return kernel


def waits(message: dict[str, Any]) -> bool:
    return "waiting for the text in the background" in str(message["content"].get("data"))


def test_its_name_is_bound_at_once(begun: Kernel) -> None:
    assert begun.value("[isinstance(bg, jc.Completion), bg.done, 'being written' in repr(bg)]") == [True, False, True]


def test_the_next_cell_shows_it_when_it_is_whole(begun: Kernel) -> None:
    ran = begun.good("print('before')\nbg")
    assert ran.text == "before\n"
    assert not ran.of("clear_output")
    assert "100 tokens" in ran.shown[-1]["data"]["text/plain"]
    assert begun.value("[bg.done, type(bg) is jc.Completion, bg.text == jc.last().text]") == [True, True, True]


READS = {
    "text": "len(bg.text) > 0",
    "tokens": "len(bg.tokens) == 100",
    "more": "len(bg.more(1).tokens) == 101",
    "str": "str(bg) == jc.last().text",
    "pickle": "__import__('pickle').loads(__import__('pickle').dumps(bg)).text == bg.text",
}


@pytest.mark.parametrize("read", READS)
def test_what_is_read_waits_and_says_so(begun: Kernel, read: str) -> None:
    ran = begun.good(f"print({READS[read]})")
    assert ran.text == "True\n"
    assert any(map(waits, ran.messages))


def test_a_later_prompt_waits_for_it(begun: Kernel) -> None:
    begun.good("%%complete -N 2 -t 0 -o after\nSo {{ bg }}")
    assert begun.value("after.prompt == 'So ' + bg.text")


def test_an_interrupt_ends_the_wait_alone(begun: Kernel) -> None:
    ran = begun.interrupted_at("bg.text", waits)
    assert ran.error == "Interrupted: The wait ended; the text is still being written in the background."
    assert begun.value("[bg.finish_reason, len(bg.tokens)]") == ["length", 100]


def test_what_went_wrong_is_raised_where_it_is_read(kernel: Kernel) -> None:
    kernel.good(f"%%complete --background -o bad\n{'one two three ' * 200}")
    ran = kernel.run("bad.text")
    assert ran.error.startswith("PromptTooLong: The prompt has")
    assert len(ran.of("error")[0]["content"]["traceback"]) == 2


def test_a_name_that_was_bound_anew_meanwhile_stays(begun: Kernel) -> None:
    begun.good("old, bg = bg, 'mine'")
    begun.good("old.text")
    assert begun.value("bg") == "mine"


def test_a_cell_does_not_wait_for_it(kernel: Kernel) -> None:
    kernel.good(BEHIND.format(tokens=200))
    kernel.good("%%complete -N 3 -t 0 -o ahead\nOnce upon")
    assert kernel.value("[len(ahead.tokens), bg.done]") == [3, False]
    kernel.good("again = jc.complete('The mean', temperature=0, max_new_tokens=200)")
    assert kernel.value("[bg.text == again.text, len(bg.tokens)]") == [True, 200]
