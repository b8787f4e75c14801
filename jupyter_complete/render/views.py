"""Which view each value has: the one table, read when a value is displayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..protocol.views import View
from ..results.comparison import Comparison
from ..results.completion import TOKENS, Completion
from ..results.completions import Completions
from ..results.trace import Trace
from . import comparison, completion, finding, tokens, trace

VIEWS: dict[type, Callable[..., View]] = {
    Completion: tokens.completion_view,
    Completions: tokens.completion_view,
    Comparison: comparison.comparison_view,
    Trace: trace.trace_view,
    **dict.fromkeys(finding.drawers(), finding.finding_view),
}


def view(value: object, **how: Any) -> View:
    """The static view of a value; `how` are the options of that kind of view."""
    return VIEWS[type(value)](value, **how)


def bundle(done: Completion, before: str = "", form: str = "text") -> Mapping[str, str]:
    """A completion as MIME type to static content, with `before` (an echoed prompt) ahead of every continuation.

    `form` is text, markdown, code, or tokens for the token view.
    """
    host = done.request.host if done.request is not None else ""
    return completion.with_host(_bundle(done, before, form), host)


def _bundle(done: Completion, before: str, form: str) -> Mapping[str, str]:
    if form == TOKENS:
        return tokens.completion_view(done).bundle()
    if done.request is not None and done.request.mode != "continue":
        text = done.prompt if done.request.mode == "preview" else ""
        return tokens.bundle(done.prompt_tokens, done.measure_line(), text)
    texts = [one.text for one in (done, *done.alternatives)]
    speaker = done.request.speaker if done.request is not None else ""
    thought = (done.thinking, len(done.thinking_tokens))
    view = completion.CompletionView(texts, done.footer(), before, form, done.choices, *thought, speaker=speaker)
    return completion.bundle(view)
