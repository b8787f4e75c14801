"""An interrupt of the kernel keeps the text, the model and the next cell, whenever it comes."""

from __future__ import annotations

from typing import Any

import pytest
from kernels import Kernel, text_begins

pytestmark = pytest.mark.kernel

GREEDY = "jc.complete('The mean of a sample', temperature=0, max_new_tokens=12).text"
THREADS = "__import__('threading').active_count()"


def waiting(message: dict[str, Any]) -> bool:
    """Whether the message shows that the model is waited for."""
    shows = message["msg_type"] in ("display_data", "update_display_data")
    return shows and message["content"]["metadata"].get("jupyter_complete") == "waiting"


def shows(words: str) -> Any:
    return lambda message: "data" in message["content"] and words in message["content"]["data"].get("text/plain", "")


def next_cell_runs_by_itself(kernel: Kernel) -> None:
    """The next cell has its value, and shows nothing of the one that was interrupted."""
    ran = kernel.good("print(1 + 1)")
    others = [message["msg_type"] for message in ran.messages if message["msg_type"] != "stream"]
    assert (others, ran.text) == (["status", "execute_input", "status"], "2\n")


def test_fifty_interrupts_in_a_row_leave_everything_as_it_was(kernel: Kernel) -> None:
    greedy, threads = kernel.value(GREEDY), kernel.value(THREADS)
    engine = kernel.value("id(jc.current().models.get('tiny').engine)")
    for _ in range(50):
        ran = kernel.interrupted_at("%%complete -N 200 -t 0 -o c\nThe mean of a sample", text_begins)
        assert ran.reply["status"] == "error"
        assert set(ran.shown[-1]["data"]) == {"text/html", "text/markdown", "text/plain"}
        assert "interrupted" in ran.shown[-1]["data"]["text/plain"]
        next_cell_runs_by_itself(kernel)
        reason, text, tokens = kernel.value("[c.finish_reason, c.text, len(c.tokens)]")
        assert reason == "interrupted"
        assert text
        assert 0 < tokens < 200
    assert kernel.value(GREEDY) == greedy
    assert kernel.value(THREADS) == threads
    assert kernel.value("id(jc.current().models.get('tiny').engine)") == engine


@pytest.mark.parametrize("times", [2, 3])
def test_several_interrupts_at_once_leave_the_kernel_whole(kernel: Kernel, times: int) -> None:
    greedy = kernel.value(GREEDY)
    kernel.interrupted_at("%%complete -N 200 -t 0\nThe mean of a sample", text_begins, times)
    next_cell_runs_by_itself(kernel)
    assert kernel.value(GREEDY) == greedy


def test_a_second_interrupt_loses_no_text(kernel: Kernel) -> None:
    kernel.good("c = None")
    ran = kernel.interrupted_at("%%complete -N 200 -t 0 -o c\nThe mean of a sample", text_begins, times=2)
    assert ran.error.startswith("Interrupted")
    assert kernel.value("[c.finish_reason, bool(c.text)]") == ["interrupted", True]


def test_an_interrupt_before_any_text_leaves_the_kernel_whole(kernel: Kernel) -> None:
    greedy = kernel.value(GREEDY)
    magic = "get_ipython().run_cell_magic('complete', '-N 200 -t 0', 'The mean of a sample')"
    for _ in range(10):
        kernel.interrupted_at(f"print('begun', flush=True)\n{magic}", lambda message: message["msg_type"] == "stream")
        next_cell_runs_by_itself(kernel)
    assert kernel.value("jc.current().models.get('tiny').worker.pending") == 0
    assert kernel.value(GREEDY) == greedy


def test_several_continuations_are_interrupted_together(kernel: Kernel) -> None:
    kernel.interrupted_at("%%complete -N 200 -n 3 -o c\nThe mean of a sample", text_begins)
    assert kernel.value("[one.finish_reason for one in (c, *c.alternatives)]") == ["interrupted"] * 3


def test_what_was_interrupted_can_be_continued(kernel: Kernel) -> None:
    kernel.interrupted_at("%%complete -N 200 -t 0 -o c\nThe mean of a sample", text_begins)
    begun = kernel.value("[c.text, len(c.tokens)]")
    kernel.good("%complete_more 5")
    text, tokens = kernel.value("[c.text, len(c.tokens)]")
    assert text.startswith(begun[0].rstrip("�"))
    assert tokens == begun[1] + 5


def test_python_code_that_completes_is_interrupted_as_python_is(kernel: Kernel) -> None:
    ran = kernel.interrupted_at(
        "print('begun')\njc.complete('The mean', temperature=0, max_new_tokens=200)",
        lambda message: message["msg_type"] == "stream",
    )
    assert ran.error.startswith("Interrupted")
    next_cell_runs_by_itself(kernel)
    assert kernel.value("jc.last().finish_reason") == "interrupted"


def test_python_code_that_streams_is_interrupted_as_python_is(kernel: Kernel) -> None:
    ran = kernel.interrupted_at(
        "for piece in jc.stream('The mean', temperature=0, max_new_tokens=200):\n    print(piece, end='', flush=True)",
        lambda message: message["msg_type"] == "stream",
    )
    assert ran.error.startswith("Interrupted")
    next_cell_runs_by_itself(kernel)
    assert kernel.value("jc.last().finish_reason") == "interrupted"
    assert kernel.value("jc.last().text").startswith(ran.text.rstrip("�"))


@pytest.mark.model
def test_an_interrupt_while_a_long_prompt_is_read(real_kernel: Kernel) -> None:
    engine = real_kernel.value("id(__import__('jupyter_complete').current().models.get('smollm2').engine)")
    ran = real_kernel.interrupted_at(
        f"%%complete -N 5 -o c\n{'one two three four five ' * 900}", shows("reading the prompt")
    )
    assert ran.error == "Interrupted: The model had not written any text yet."
    next_cell_runs_by_itself(real_kernel)
    assert real_kernel.value("[c.finish_reason, c.text]") == ["interrupted", ""]
    real_kernel.good("%%complete -N 3 -t 0 -o c\nOne, two,")
    assert real_kernel.value("[c.finish_reason, len(c.tokens)]") == ["length", 3]
    assert real_kernel.value("id(__import__('jupyter_complete').current().models.get('smollm2').engine)") == engine


@pytest.mark.model
def test_an_interrupt_of_the_real_model_keeps_its_text_and_cache(real_kernel: Kernel) -> None:
    real_kernel.interrupted_at("%%complete -N 2000 -t 0 -o c\nOnce upon a time", text_begins)
    next_cell_runs_by_itself(real_kernel)
    assert real_kernel.value("[c.finish_reason, bool(c.text)]") == ["interrupted", True]
    real_kernel.good("%%complete -N 1 -t 0 -o again\nOnce upon a time")
    assert real_kernel.value("again.usage.cached_tokens") > 0


@pytest.mark.model
def test_an_interrupt_while_the_model_is_loaded(fresh: Kernel) -> None:
    fresh.good("%load_ext jupyter_complete")
    ran = fresh.interrupted_at("%%complete -N 3 -t 0 -o c\nOne, two,", waiting)
    assert ran.error == "Interrupted: The model had not written any text yet."
    next_cell_runs_by_itself(fresh)
    assert fresh.value("[c.finish_reason, c.text]") == ["interrupted", ""]
    fresh.good("%%complete -N 3 -t 0 -o c\nOne, two,")
    assert fresh.value("[c.finish_reason, len(c.tokens)]") == ["length", 3]


@pytest.mark.model
def test_an_interrupt_of_a_load_is_told_and_the_model_can_be_loaded_again(fresh: Kernel) -> None:
    fresh.good("%load_ext jupyter_complete")
    ran = fresh.interrupted_at("%complete_model load smollm2", waiting)
    assert ran.error.startswith("Interrupted")
    next_cell_runs_by_itself(fresh)
    fresh.good("%complete_model load smollm2")
    assert fresh.value("__import__('jupyter_complete').current().models.get('smollm2').engine is not None")
