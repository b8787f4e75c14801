"""The pieces of one continuation, read into events: text, tokens with their logprobs, thinking, reason and usage."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...protocol.errors import ServerFailure
from ...protocol.events import Candidate, Event, Reason, Step, Thought, Token, Usage
from ...sources.server import Server
from . import faults
from .replies import Json

_REASONS: dict[str, Reason] = {"stop": "stop", "length": "length", "eos_token": "stop", "stop_sequence": "stop"}


class Reading:
    """Continuation `index` as its pieces come. The answer may have `most` tokens, and the thinking `most_thinking`;
    None leaves that to the server."""

    def __init__(
        self, server: Server, index: int = 0, most: int | None = None, most_thinking: int | None = None
    ) -> None:
        self.reason: Reason | None = None
        self.usage: Usage | None = None
        self.text = ""
        self.first: float | None = None  # when the first token came, by time.perf_counter
        self.last = 0.0
        self.tokens = 0  # of the answer
        self.thoughts = 0
        self.thinking = False
        self.reported = False  # tokens came with logprobs
        self._server = server
        self._index = index
        self._most = (most, most_thinking)
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def full(self) -> bool:
        """Whether the limit on this side is reached, so that no more is wanted."""
        most, most_thinking = self._most
        if most is not None and self.tokens >= most:
            return True
        return most_thinking is not None and self.thinking and self.thoughts >= most_thinking

    def take(self, piece: Json) -> Iterator[Event]:
        """The events of a piece. Raises BadReply for a piece that is none."""
        self._count(piece.get("usage"))
        choices = piece.get("choices")
        if not isinstance(choices, list) or (not choices and not piece.get("usage")):
            raise faults.bad(self._server, "an answer without choices", bool(self.text))
        for choice in choices:
            if not isinstance(choice, dict):
                raise faults.bad(self._server, "a choice that is not an object", bool(self.text))
            yield from self._choice(choice)

    def _choice(self, choice: Json) -> Iterator[Event]:
        said = choice.get("delta") or choice.get("message") or choice
        if not isinstance(said, dict):
            raise faults.bad(self._server, "a text that is not an object", bool(self.text))
        thought = _text(said, "reasoning_content", "reasoning")
        shown = _text(said, "content", "text")
        steps = list(self._steps(choice.get("logprobs")))
        if thought:
            yield from self._think(thought, steps if not shown else [])
        if shown or (steps and not thought):
            yield from self._answer(shown, steps)
        if isinstance(ending := choice.get("finish_reason"), str) and ending:
            if ending == "content_filter":
                raise ServerFailure(f"A filter of {self._server.host} ended the text.", faults.KEEP)
            self.reason = _REASONS.get(ending, "stop")

    def _think(self, shown: str, steps: Sequence[Step]) -> Iterator[Event]:
        self._clock()
        self.thinking = True
        self.thoughts += len(steps) or 1
        for step in steps[:-1]:
            yield Thought(step, "")
        yield Thought(steps[-1] if steps else None, shown)

    def _answer(self, shown: str, steps: Sequence[Step]) -> Iterator[Event]:
        """Events of a piece of the answer: the last token of a piece carries its text."""
        if self.thinking:
            self.thinking = False
            yield Thought(None, "", end=True)
        if shown:
            self._clock()
        self.text += shown
        ends = bool(steps) and not steps[-1].text and not shown
        self.tokens += len(steps) - ends if steps else bool(shown)
        for step in steps[:-1]:
            yield Token(self._index, step, "")
        yield Token(self._index, steps[-1] if steps else None, shown, end=ends)

    def _clock(self) -> None:
        self.last = time.perf_counter()
        self.first = self.first or self.last

    def _steps(self, logprobs: object) -> Iterator[Step]:
        """The tokens of a piece, in either form that the protocol has."""
        if not isinstance(logprobs, dict):
            return
        content = logprobs.get("content")
        entries = content if isinstance(content, list) else list(_columns(logprobs))
        for entry in filter(lambda one: isinstance(one, dict), entries):
            self.reported = True
            yield self._step(entry)

    def _step(self, entry: Mapping[str, Any]) -> Step:
        id, logprob = _id(entry), _number(entry.get("logprob"))
        top = tuple(_candidates(entry.get("top_logprobs")))
        places = (place for place, one in enumerate(top, 1) if _same(one, id, str(entry.get("token", ""))))
        return Step(id, self._spelled(entry), logprob, next(places, None), top)

    def _spelled(self, entry: Mapping[str, Any]) -> str:
        """What a token adds to the text: its bytes may be half a character."""
        given = entry.get("bytes")
        if isinstance(given, list) and all(isinstance(one, int) and 0 <= one < 256 for one in given):
            return self._bytes.decode(bytes(given))
        return str(entry.get("token", ""))

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
            cached = prompt.get("cached_tokens") if isinstance(prompt, dict) else 0
            thought = completion.get("reasoning_tokens") if isinstance(completion, dict) else 0
            total = _whole(usage.get("completion_tokens"))
            thinking = min(total, _whole(thought) or self.thoughts)
            self.usage = Usage(_whole(usage.get("prompt_tokens")), _whole(cached), total - thinking, thinking)


def steps_of(server: Server, choice: Json) -> list[Step]:
    """The tokens of a reply that came as a whole."""
    return list(Reading(server)._steps(choice.get("logprobs")))


def _columns(logprobs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The older form, a list for each kind of number, as an entry for each token."""
    tokens = logprobs.get("tokens")
    for place, token in enumerate(tokens if isinstance(tokens, list) else ()):
        top = _at(logprobs.get("top_logprobs"), place)
        named = top.items() if isinstance(top, dict) else ()
        yield {
            "token": token,
            "logprob": _at(logprobs.get("token_logprobs"), place),
            "top_logprobs": [{"token": name, "logprob": logprob} for name, logprob in named],
        }


def _candidates(top: object) -> Iterator[Candidate]:
    given = [one for one in top if isinstance(one, dict)] if isinstance(top, list) else []
    found = [(one, _number(one.get("logprob"))) for one in given]
    for one, logprob in sorted(found, key=lambda pair: -(pair[1] or 0.0)):
        if logprob is not None:
            yield Candidate(_id(one), str(one.get("token", "")), logprob, None)


def _same(candidate: Candidate, id: int | None, token: str) -> bool:
    return candidate.id == id if id is not None else candidate.text == token


def _text(said: Mapping[str, Any], *names: str) -> str:
    return next((said[name] for name in names if isinstance(said.get(name), str)), "")


def _id(entry: Mapping[str, Any]) -> int | None:
    id = entry.get("id")
    return id if isinstance(id, int) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _at(values: object, place: int) -> Any:
    return values[place] if isinstance(values, list) and place < len(values) else None
