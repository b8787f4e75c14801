"""Any line of options, any cell and any expression gives settings, a text or a sentence; values come back as given."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from jupyter_complete.notebook import arguments
from jupyter_complete.prompt.variables.fill import fill, without_blanks
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption, BadPrompt, CompleteError
from jupyter_complete.protocol.prompt_parts import plain

pytestmark = pytest.mark.soak

WORDS = st.sampled_from(
    [
        *(
            "-m",
            "-o",
            "-n",
            "-N",
            "-t",
            "--stop",
            "--top-p",
            "--seed",
            "--json",
            "--choices",
            "--regex",
            "--",
            "-",
            "=",
        ),
        *(
            "'",
            '"',
            "\\",
            "\\\n",
            "{{ x }}",
            "$x",
            "nan",
            "inf",
            "1e999",
            "-1",
            "0",
            "9" * 400,
            "数据",
            "\x00",
            "\ud800",
        ),
        *("a,b", '"a, b",c', "[0-9]+", "(", '{"type": "integer"}', "True", "None", " ", "\t", "\N{NO-BREAK SPACE}"),
    ]
)
LINES = st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=8).flatmap(
    lambda words: st.sampled_from([" ", "", "="]).map(lambda sign: sign.join(words))
)
PRINTED = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="'\"\\"), min_size=1, max_size=12
)
NUMBERS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "temperature": ("-t", st.floats(0, 2)),
    "top_p": ("--top-p", st.floats(0.01, 1)),
    "min_p": ("--min-p", st.floats(0, 1)),
    "max_new_tokens": ("-N", st.integers(1, 10_000)),
    "seed": ("--seed", st.integers(0, 2**32)),
    "top_k": ("--top-k", st.integers(0, 1_000)),
}
PARTS = st.sampled_from(
    [
        *(
            "{{ ",
            " }}",
            "{{",
            "}}",
            "{",
            "}",
            "{{{",
            "x",
            " x ",
            "x.a",
            "x['a']",
            "|upper",
            "|join(', ')",
            "(",
            ")",
            "[",
            "]",
        ),
        *(
            "1",
            "+",
            "*",
            "**",
            "9**9**9",
            "'",
            '"',
            "\\",
            "__class__",
            ".",
            ":",
            ",",
            "in ",
            "not ",
            "if ",
            " else ",
            "{%",
        ),
        *("names", "d", "len", "range(", "{0}", "%", "\n", "数", "\ud800", "$", "_", "=", "~", "is ", "None"),
    ]
)
CELLS = st.lists(PARTS, max_size=12).map("".join)
PLAIN = st.text(max_size=40).filter(lambda text: "{{" not in text)


def check_sentence(error: CompleteError) -> None:
    assert error.hint
    assert "\n" not in error.message
    assert len(str(error)) < 800


NAMES = {"x": "word", "names": ["a", "b"], "d": {"a": 1, "b": [2]}}


@examples(150, 70_000)
@given(LINES)
def test_any_line_gives_settings_or_a_sentence(line: str) -> None:
    config = Complete()
    for read in (arguments.cell_settings, arguments.line_settings, arguments.model_settings, arguments.thread_settings):
        try:
            found: Any = read(line)
        except (UsageError, BadOption) as error:
            said = str(error)
            found = {}
            assert len(said) < 2_000
        given_ = found if isinstance(found, dict) else next(part for part in found if isinstance(part, dict))
        with contextlib.suppress(BadOption):
            config.to_sampling(config.checked(given_))


@examples(100, 30_000)
@given(st.fixed_dictionaries({}, optional={name: values for name, (_, values) in NUMBERS.items()}), st.lists(PRINTED))
def test_what_a_line_says_is_what_is_read(numbers: dict[str, Any], stops: list[str]) -> None:
    assume(not any(stop.startswith("-") for stop in stops))
    words = [f"{NUMBERS[name][0]} {value!r}" for name, value in numbers.items()]
    words += [f"--stop '{stop}'" for stop in stops]
    checked = Complete().checked(arguments.cell_settings(" ".join(words)))
    assert {name: checked[name] for name in numbers} == numbers
    if stops:
        assert list(checked["stop"]) == stops


@examples(150, 70_000)
@given(CELLS)
def test_any_cell_is_filled_or_refused_in_a_sentence(cell: str) -> None:
    try:
        filled = plain(fill(cell, NAMES))
    except BadPrompt as error:
        check_sentence(error)
        return
    if "{{" not in cell:
        assert filled == cell
    without_blanks(cell, NAMES)


@examples(100, 30_000)
@given(PLAIN, PLAIN, st.text(max_size=40).filter(lambda text: not any("\ud800" <= sign <= "\udfff" for sign in text)))
def test_the_text_around_a_value_and_the_value_are_kept_to_the_letter(before: str, after: str, value: str) -> None:
    assume(not before.endswith(("{", "\\")) and not after.startswith("}"))
    assume("\\" not in before)
    assert plain(fill(f"{before}{{{{ x }}}}{after}", {"x": value})) == f"{before}{value}{after}"
