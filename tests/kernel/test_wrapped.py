"""A cell magic around ours changes no text: %%capture and %%time hand the body on in ways of their own."""

from __future__ import annotations

import pytest
from kernels import Kernel

pytestmark = pytest.mark.kernel

BODIES = ["The mean is", "  two\n\n", "a\n   \n\tb\n    ", "every line\n"]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("around", ["%%capture held", "%%time", "%%capture held\n%%time"])
def test_the_prompt_is_that_of_the_cell_alone(kernel: Kernel, around: str, body: str) -> None:
    kernel.good(f"%%complete -N 2 -t 0 -o alone\n{body}")
    kernel.good(f"{around}\n%%complete -N 2 -t 0 -o wrapped\n{body}")
    assert kernel.value("[wrapped.prompt, wrapped.prompt_ids == alone.prompt_ids]") == [body, True]


def test_what_ran_before_does_not_decide_what_a_call_from_code_is(kernel: Kernel) -> None:
    kernel.good("%%capture held\n%%complete -N 1\nThe mean")
    kernel.good("get_ipython().run_cell_magic('complete', '-N 1 -o c', 'The mean\\n')")
    assert kernel.value("c.prompt") == "The mean"


def test_a_magic_below_a_comment_is_one_sentence_in_a_kernel_too(kernel: Kernel) -> None:
    ran = kernel.run("# a note\n%%complete -N 2\nIt's prose")
    assert ran.text.startswith("UsageError: %%complete must be the first line of its cell")
    assert ran.of("error") == []
    kernel.good("%%complete -N 1\nIt's prose")
