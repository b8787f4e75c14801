"""Whether a text has the form that a server was asked to hold it to: checked here, because a server may ignore it."""

from __future__ import annotations

import json

from ...protocol.errors import BadOption
from ...protocol.structure import Choices, Regex, Structure


def meets(form: Structure, text: str) -> bool:
    """Whether the whole of `text` has `form`. Raises BadOption for a regex or schema that cannot be read."""
    if isinstance(form, Choices):
        return text in form.texts
    from llguidance import LLMatcher, LLTokenizer

    try:
        if isinstance(form, Regex):
            grammar = LLMatcher.grammar_from_regex(form.pattern)
        else:
            grammar = LLMatcher.grammar_from_json_schema(_spaced(form.schema))
        matcher = LLMatcher(LLTokenizer("byte"), grammar, log_level=0)
    except ValueError as error:
        raise _unread(str(error)) from None
    if matcher.is_error():
        raise _unread(matcher.get_error())
    written = list((text if isinstance(form, Regex) else text.strip()).encode("utf-8", "surrogatepass"))
    return bool(matcher.try_consume_tokens(written) == len(written) and matcher.is_accepting())


def _unread(why: str) -> BadOption:
    said = " ".join(why.split())[:200].rstrip(".")
    return BadOption(f"The form that was asked for cannot be read: {said}.", "Correct it.")


def _spaced(schema: str) -> str:
    """A schema that allows any white space between the parts of the JSON."""
    read = json.loads(schema)
    if isinstance(read, dict):
        read["x-guidance"] = {"whitespace_flexible": True}
    return json.dumps(read)
