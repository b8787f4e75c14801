"""Regexes and choices in llama.cpp's notation. test_llama_server.py asks the real server for them."""

from __future__ import annotations

import pytest

from jupyter_complete.engine.remote import gbnf
from jupyter_complete.protocol.errors import BadOption


@pytest.mark.parametrize(
    ("pattern", "grammar"),
    [
        (r"\d{3}-\d{2}", 'root ::= ([0-9]){3,3} "-" ([0-9]){2,2}'),
        ("yes|no", 'root ::= ("yes" | "no")'),
        ("[a-f]+", "root ::= ([a-f]){1,}"),
        ("[^,]*x?", 'root ::= ([^,]){0,} ("x"){0,1}'),
        (r'^"\\$', r'root ::= "\"" "\\"'),
        (".", r"root ::= [^\n]"),
        (r"\S", r"root ::= [^ \t\n\r\x0b\x0c]"),
        (r"[\]^-]", r"root ::= [\x5D\x5E\x2D]"),
        ("(é)", 'root ::= ("é")'),
        ("", 'root ::= ""'),
    ],
)
def test_a_regex_as_a_grammar(pattern: str, grammar: str) -> None:
    made = gbnf.of_regex(pattern)
    assert made.replace('"y" "e" "s"', '"yes"').replace('"n" "o"', '"no"') == grammar


def test_choices_as_a_grammar() -> None:
    assert gbnf.of_choices(["yes", 'a "b"\n']) == r'root ::= "yes" | "a \"b\"\n"'


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"\bword", "(?i:a)"])
def test_what_a_grammar_cannot_say_is_refused(pattern: str) -> None:
    with pytest.raises(BadOption, match="this part of a regex"):
        gbnf.of_regex(pattern)


def test_what_is_no_regex_is_refused() -> None:
    with pytest.raises(BadOption, match="is no regex"):
        gbnf.of_regex("(")
