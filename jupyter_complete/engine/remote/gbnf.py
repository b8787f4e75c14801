"""A regex or a list of choices as a grammar in GBNF, llama.cpp's notation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...protocol.errors import BadOption

_DIGITS, _WORD, _SPACE = "0-9", "a-zA-Z0-9_", r" \t\n\r\x0b\x0c"
_CATEGORIES = {
    "CATEGORY_DIGIT": (_DIGITS, ""),
    "CATEGORY_WORD": (_WORD, ""),
    "CATEGORY_SPACE": (_SPACE, ""),
    "CATEGORY_NOT_DIGIT": (_DIGITS, "^"),
    "CATEGORY_NOT_WORD": (_WORD, "^"),
    "CATEGORY_NOT_SPACE": (_SPACE, "^"),
}
_MOST = 2**31 - 1


def of_choices(texts: Sequence[str]) -> str:
    """The grammar of one of `texts`."""
    return "root ::= " + " | ".join(map(_literal, texts))


def of_regex(pattern: str) -> str:
    """The grammar of a text that matches `pattern` as a whole. Raises BadOption for what GBNF cannot express."""
    from re import _parser  # type: ignore[attr-defined]  # the one reader of regexes that Python has

    try:
        return f"root ::= {_sequence(_parser.parse(pattern))}"
    except re.error as error:
        raise BadOption(f"{pattern[:60]!r} is no regex: {error}.", "Correct it.") from None


def _sequence(parts: Any) -> str:
    return " ".join(filter(None, (_part(str(kind), value) for kind, value in parts))) or '""'


def _part(kind: str, value: Any) -> str:
    if kind == "LITERAL":
        return _literal(chr(value))
    if kind == "NOT_LITERAL":
        return f"[^{_in_class(value)}]"
    if kind == "ANY":
        return r"[^\n]"
    if kind == "IN":
        return _class(value)
    if kind == "BRANCH":
        return f"({' | '.join(map(_sequence, value[1]))})"
    if kind == "SUBPATTERN" and not value[1] and not value[2]:
        return f"({_sequence(value[3])})"
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = value
        return f"({_sequence(inner)}){{{least},{'' if int(most) > _MOST else int(most)}}}"
    if kind == "AT" and str(value) in ("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"):
        return ""  # the whole text has to match
    raise BadOption(
        f"llama.cpp's server cannot be given this part of a regex: {kind.lower().replace('_', ' ')}.",
        "Write the regex without it, or use a model that runs here.",
    )


def _class(items: Any) -> str:
    negated = str(items[0][0]) == "NEGATE"
    made = []
    for kind, value in items[1:] if negated else items:
        if str(kind) == "CATEGORY":
            inside, sign = _CATEGORIES[str(value)]
            if sign and (negated or len(items) > 1):
                raise BadOption(
                    "llama.cpp's server cannot be given \\D, \\W or \\S inside brackets.", "Write the characters."
                )
            negated = negated or bool(sign)
            made.append(inside)
        else:
            made.append("-".join(map(_in_class, value)) if str(kind) == "RANGE" else _in_class(value))
    return f"[{'^' * negated}{''.join(made)}]"


def _literal(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    return {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(letter, letter)


def _in_class(code: int) -> str:
    letter = chr(code)
    if letter in "]^-[\\":
        return f"\\x{code:02X}"
    return _escaped(letter) if letter != '"' else '"'
