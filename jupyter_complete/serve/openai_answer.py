"""Events as the answers of the OpenAI protocol: whole, or chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

from ..protocol.events import Event, Finish, Step, Thought, Token, Usage
from ..results.completion import Completion
from .openai_request import Asked

REASONS = {"stop": "stop", "length": "length", "interrupted": "stop", "error": "stop"}


class Writer:
    """The answers to one body, with an id of their own."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._head = {
            "id": ("chatcmpl-" if asked.chat else "cmpl-") + uuid4().hex,
            "created": int(time.time()),
            "model": asked.model,
        }
        self._offsets: dict[int, int] = {}  # characters written of each choice

    def whole(self, found: Sequence[Completion]) -> dict[str, Any]:
        """The answer to a body that asks for no stream."""
        each = [one for first in found for one in (first, *first.alternatives)]
        choices = [self._choice(index, one) for index, one in enumerate(each)]
        kind = "chat.completion" if self.asked.chat else "text_completion"
        total = Usage(
            sum(one.usage.prompt_tokens for one in found),
            sum(one.usage.cached_tokens for one in found),
            sum(one.usage.completion_tokens + one.usage.thinking_tokens for one in each),
        )
        return {**self._head, "object": kind, "choices": choices, "usage": usage_of(total)}

    def _choice(self, index: int, one: Completion) -> dict[str, Any]:
        reason = REASONS[one.finish_reason]
        if self.asked.chat:
            message = {"role": "assistant", "content": one.text}
            if one.thinking:
                message["reasoning_content"] = one.thinking
            told = {"content": self._chat_steps(one.tokens)} if self.asked.logprobs is not None else None
            return {"index": index, "message": message, "finish_reason": reason, "logprobs": told}
        scored = one.request is not None and one.request.mode == "score"
        before = one.prompt if self.asked.echo else ""
        steps = [*(one.prompt_tokens if self.asked.echo else ()), *one.tokens]
        logprobs = self._text_steps(steps, 0) if self.asked.logprobs is not None else None
        text = before + ("" if scored else one.text)
        return {"index": index, "text": text, "finish_reason": "length" if scored else reason, "logprobs": logprobs}

    def chunks(self, place: int, event: Event) -> Iterator[dict[str, Any]]:
        """The chunks of an event; `place` is that of its prompt among the prompts."""
        first = place * self.asked.requests[place].sampling.num
        if isinstance(event, Thought) and event.shown:
            yield self._chunk(first, "", thinking=event.shown)
        elif isinstance(event, Token):
            told = [event.step] if event.step is not None and not event.end else []
            if event.shown or (told and self.asked.logprobs is not None):
                yield self._chunk(first + event.index, event.shown, told)
        elif isinstance(event, Finish):
            for index, (reason, tail) in enumerate(zip(event.reasons, event.tails, strict=True)):
                yield self._chunk(first + index, tail, reason=REASONS[reason])

    def _chunk(
        self, index: int, text: str, steps: Sequence[Step] = (), thinking: str = "", reason: str | None = None
    ) -> dict[str, Any]:
        asks = self.asked.logprobs is not None and bool(steps)
        if self.asked.chat:
            delta = {} if index in self._offsets else {"role": "assistant"}
            delta |= {"content": text} if text or not thinking else {"reasoning_content": thinking}
            logprobs: Any = {"content": self._chat_steps(steps)} if asks else None
            choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": logprobs}
        else:
            logprobs = self._text_steps(steps, self._offsets.get(index, 0)) if asks else None
            choice = {"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}
        self._offsets[index] = self._offsets.get(index, 0) + len(text)
        kind = "chat.completion.chunk" if self.asked.chat else "text_completion"
        return {**self._head, "object": kind, "choices": [choice]}

    def last(self, usages: Sequence[Usage]) -> dict[str, Any]:
        """The chunk with the usage."""
        total = Usage(
            sum(one.prompt_tokens for one in usages),
            sum(one.cached_tokens for one in usages),
            sum(one.completion_tokens + one.thinking_tokens for one in usages),
        )
        kind = "chat.completion.chunk" if self.asked.chat else "text_completion"
        return {**self._head, "object": kind, "choices": [], "usage": usage_of(total)}

    def _chat_steps(self, steps: Sequence[Step]) -> list[dict[str, Any]]:
        return [
            {
                "token": step.text,
                "logprob": step.logprob,
                "bytes": list(step.text.encode()),
                "top_logprobs": [
                    {"token": one.text, "logprob": one.logprob, "bytes": list(one.text.encode())}
                    for one in step.top[: self.asked.logprobs]
                ],
            }
            for step in steps
        ]

    def _text_steps(self, steps: Sequence[Step], offset: int) -> dict[str, Any]:
        offsets = []
        for step in steps:
            offsets.append(offset)
            offset += len(step.text)
        return {
            "tokens": [step.text for step in steps],
            "token_logprobs": [step.logprob for step in steps],
            "top_logprobs": [{one.text: one.logprob for one in step.top[: self.asked.logprobs]} for step in steps],
            "text_offset": offsets,
        }


def usage_of(usage: Usage) -> dict[str, Any]:
    """The counts as the protocol has them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
