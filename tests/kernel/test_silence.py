"""Whatever takes longer than a second says in the cell what it does."""

from __future__ import annotations

import pytest
from kernels import Kernel, Ran

pytestmark = pytest.mark.kernel

CALLS = {
    "complete": ("made = jc.complete('The mean', max_new_tokens=100)", "writing: "),
    "more": ("made = begun.more(100)", "writing: "),
    "branch": ("made = begun.branch(0, max_new_tokens=100)", "writing: "),
    "inside": ("made = jc.inside('The mean', max_new_tokens=100)", "writing: "),
}


def lines(ran: Ran) -> list[str]:
    return [shown["data"]["text/plain"] for shown in ran.shown]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_from_python_says_what_it_does_and_leaves_nothing(kernel: Kernel, call: str) -> None:
    kernel.good("begun = jc.complete('The mean', max_new_tokens=2)")
    code, said = CALLS[call]
    ran = kernel.good(f"print('mine')\n{code}")
    assert any(line.startswith(said) for line in lines(ran))
    assert lines(ran)[-1] == ""
    assert (ran.text, ran.of("clear_output")) == ("mine\n", [])


def test_calls_in_a_loop_share_one_line(kernel: Kernel) -> None:
    ran = kernel.good("for turn in range(3): jc.complete('The mean', max_new_tokens=70)")
    assert len(ran.of("display_data")) == 1


def test_what_takes_less_than_a_second_shows_nothing(kernel: Kernel) -> None:
    assert lines(kernel.good("made = jc.complete('The mean', max_new_tokens=3)")) == []


FIRST = {
    "load": "import jupyter_complete as jc\njc.load('smollm2')",
    "complete": "import jupyter_complete as jc\nmade = jc.complete('The mean', max_new_tokens=3)",
    "score": "import jupyter_complete as jc\nmade = jc.score('The mean')",
    "use": "%load_ext jupyter_complete\n%complete_model use smollm2",
    "a cell": "get_ipython().run_line_magic('load_ext', 'jupyter_complete')\n%complete -N 3 The mean",
    "a frame": "import pandas as pd, jupyter_complete as jc\n"
    "made = jc.complete_frame(pd.DataFrame({'n': [1]}), 'Row {{ n }}', max_new_tokens=3)",
}


@pytest.mark.model
@pytest.mark.parametrize("first", FIRST)
def test_a_first_call_says_what_it_imports_and_reads(fresh: Kernel, first: str) -> None:
    said = lines(fresh.good(FIRST[first]))
    assert said[0].startswith("importing torch and transformers")
    assert any(line.startswith("loading smollm2") for line in said)
