"""`{{ expression }}` in a prompt: the values of a notebook, put into a text in one pass.

What a value contains is never expanded again, for the text's braces are found first and values only stand beside the
pieces of text between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...protocol.errors import BadPrompt
from ...protocol.prompt_parts import Text, Value
from ..values.describe import describe
from . import braces
from .evaluate import Expression, NotAnExpressionError
from .grammar import unknown
from .watch import BeyondError, watched

_FORMAT = re.compile(r"([^\W\d].*):(?=[^\s]*[.,%])(?:[<>=^]?[-+ ]?#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?)", re.DOTALL)
_UNSPACED = re.compile(r"(?<![\w\\^_{}$])\{\{(([A-Za-z_]\w+)(?:\.\w+|\[[^\]{}]{1,40}\])*)\}\}(?![\^_{}])")  # no LaTeX
_TYPED = "Mend it, or compute it in a cell and name the result; a backslash before the braces keeps them as typed."
NOTHING: Mapping[str, tuple[str, str]] = {}


def fill(text: str, namespace: Mapping[str, Any], absent: Mapping[str, tuple[str, str]] = NOTHING) -> Text:
    """`text` with the values of its variables, from `namespace`, in their places.

    Raises BadPrompt in one sentence: a name that is not defined (of one that is `absent` what is said there, and what
    to do), an expression that is none or that raises.
    """
    pieces: list[str | Value] = []
    place = 0
    for one in braces.find(text):
        if one.escaped:
            pieces += [text[place : one.start], text[one.start + 1 : one.end]]
        elif (expression := _expression(one.inner)) is None:
            pieces.append(text[place : one.end])
        else:
            pieces += [text[place : one.start], _value(expression, namespace, absent)]
        place = one.end
    return _join([*pieces, text[place:]])


def without_blanks(text: str, namespace: Mapping[str, Any]) -> str:
    """What stands in the first double braces that would be a variable of `namespace` if they had blanks; "" if none."""
    names = (match for match in _UNSPACED.finditer(text) if match[2] in namespace)
    return next((match[1] for match in names), "")


def _value(expression: Expression, namespace: Mapping[str, Any], absent: Mapping[str, tuple[str, str]]) -> Value:
    try:
        with watched(hard=not expression.uses("polars", namespace)):
            return Value(expression.source, describe(expression.value(namespace, absent), str(expression)))
    except BeyondError as error:
        raise expression.not_allowed(str(error)) from None


def _expression(inner: str) -> Expression | None:
    """The expression that braces hold; None where they are of another language. Raises BadPrompt for a failed one."""
    try:
        return Expression(inner)
    except NotAnExpressionError as error:
        shown = f"{{{{ {' '.join(inner.split())[:60]} }}}}"
        if sign := unknown(inner):
            raise BadPrompt(
                f"{shown} has {sign}, which is not known in a prompt.",
                _TYPED.replace("Mend it, or compute", "Compute"),
            ) from None
        if match := _FORMAT.fullmatch(inner):
            raise BadPrompt(
                f"{shown} has a format after a colon, which is no part of an expression.",
                f"Round it: {{{{ {' '.join(match[1].split())[:40]}|round(2) }}}}.",
            ) from None
        if braces.foreign(inner):
            return None
        raise BadPrompt(f"{shown} is no expression: {error}.", _TYPED) from None


def _join(pieces: list[str | Value]) -> Text:
    """`pieces` with neighbouring texts put together and empty ones left out."""
    together: list[str | Value] = []
    for piece in pieces:
        if isinstance(piece, str) and together and isinstance(last := together[-1], str):
            together[-1] = last + piece
        elif piece != "":
            together.append(piece)
    return tuple(together)
