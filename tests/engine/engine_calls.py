"""Asking an engine in one line: options by the names of Complete's traits, events folded into a Completion."""

from __future__ import annotations

from threading import Event as StopEvent
from typing import Any

import tiny

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.prompt.compose import as_message
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.prompt_parts import Composed
from jupyter_complete.protocol.request import Request
from jupyter_complete.protocol.sampling import Sampling
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft

PROMPT = "The mean of a sample estimates the 数据 of"


def engine(name: str) -> LocalEngine:
    """A tiny model with a KV cache of its own."""
    return LocalEngine(*tiny.make(name), name, "made in the tests")


def sampling(**options: Any) -> Sampling:
    config = Complete()
    return config.to_sampling(config.checked({"max_new_tokens": 20, **options}))


def ask(
    engine: LocalEngine, prompt: str = PROMPT, *, stop_event: StopEvent | None = None, **options: Any
) -> Completion:
    """The completion of `prompt`; what is no option of the sampling is a field of the Request."""
    fields = {
        name: options.pop(name)
        for name in ("composed", "mode", "prompt_ids", "prefix", "forced", "inspect", "lookup", "structure")
        if name in options
    }
    if options.pop("chat", False):
        fields["composed"] = Composed(as_message((prompt,)), what="--chat")
    return answer(engine, Request(prompt=prompt, sampling=sampling(**options), **fields), stop_event)


def answer(engine: LocalEngine, request: Request, stop_event: StopEvent | None = None) -> Completion:
    draft = Draft(request)
    for event in engine.stream(request, stop_event or StopEvent()):
        draft.take(event)
    return draft.completion()


def chosen(completion: Completion) -> list[int]:
    """All ids that were chosen, the end-of-text token with them."""
    return [step.id for step in completion.tokens] + ([completion.end.id] if completion.end else [])


def everyone(completion: Completion) -> list[Completion]:
    """All continuations of a request."""
    return [completion, *completion.alternatives]
