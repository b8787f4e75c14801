"""What a request begins from: its prompt's ids, as far as the model's vocabulary and window allow them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Event as StopEvent
from typing import Protocol

from ...prompt.compose import settle
from ...protocol.errors import BadOption, BadPrompt, CompleteError, PromptTooLong
from ...protocol.events import Finish, ModelInfo, Reason, Sampled, Settled, Step, Timing, Usage
from ...protocol.phrases import count
from ...protocol.prompt_parts import Think, Turn
from ...protocol.request import Request
from ...protocol.sampling import Sampling
from .chat import Prompt

UNREAD = "the text that follows was not read, for which the model has no tokens"
MARKS = 16  # tokens that the marks before and after the thinking take at most


class Encoder(Protocol):
    """Texts to ids, as tokenizer.Vocabulary makes them."""

    def encode(self, text: str) -> list[int]: ...
    def encode_chat(self, turns: Sequence[Turn], think: Think = "auto") -> Prompt: ...
    def count(self, text: str) -> int: ...
    def only_token(self, text: str) -> int: ...
    def encode_gap(self, before: str, after: str) -> list[int]: ...
    @property
    def turn_ends(self) -> frozenset[int]: ...
    @property
    def gap_ends(self) -> frozenset[int] | None: ...


class Entry:
    """Requests on their way into one model, of `size` tokens in its vocabulary."""

    def __init__(
        self,
        vocabulary: Encoder,
        info: ModelInfo,
        size: int,
        ends: frozenset[int] = frozenset(),
        logits: int | None = None,
    ) -> None:
        """`ends` are the ids that end every text of the model. `logits` is the number of tokens that it can choose,
        where these are not all."""
        self._vocabulary = vocabulary
        self._info = info
        self._size = size
        self._ends = ends
        self._logits = size if logits is None else min(size, logits)

    def recommended(self, request: Request) -> tuple[Request, tuple[Sampled, ...]]:
        """The request with the model's own sampling where that counts, and the event that reports it.

        Raises BadOption for settings that exclude each other then.
        """
        own = {name: value for name, value in self._info.recommended if name in request.recommended}
        if not own:
            return request, ()
        sampling: Sampling = replace(request.sampling, **own)  # type: ignore[arg-type]  # names of the same type
        if sampling.greedy:
            sampling = replace(sampling, seed=None)
        return replace(request, sampling=sampling), (Sampled(sampling),)

    def settle(self, request: Request) -> Settled | None:
        """A composed prompt for this model; None for one that is sent as it stands. Raises BadOption or BadPrompt."""
        if request.composed is None or request.prompt_ids is not None:
            return None
        settled = settle(request.composed, self._info.kind, self._info.name, self._vocabulary.count)
        if request.framing.suffix and self._vocabulary.gap_ends is None:
            settled = replace(settled, notes=(*settled.notes, UNREAD))
        return settled

    def prompt(self, request: Request, composed: Settled | None) -> Prompt:
        """The prompt as the model reads it. Raises BadPrompt where it has no ids, or ids that the model does not know,
        and BadOption for thinking that the model lacks."""
        if request.prompt_ids is not None:
            made = Prompt(list(request.prompt_ids), "open" if request.unfinished else "no")
        elif composed is not None and composed.turns:
            made = self._vocabulary.encode_chat(composed.turns, request.framing.think)
        else:
            text, suffix = composed.prompt if composed else request.prompt, request.framing.suffix
            fills = suffix and self._vocabulary.gap_ends is not None
            made = Prompt(self._vocabulary.encode_gap(text, suffix) if fills else self._vocabulary.encode(text))
        self._check(made.ids)
        return made

    def _check(self, ids: Sequence[int]) -> None:
        if not ids:
            raise BadPrompt("The tokenizer finds no token in this prompt.", "Write some text.")
        if max(ids) >= self._size:
            raise BadPrompt(
                f"The tokenizer gave id {max(ids):,}, and the model knows {self._size:,}.",
                "Use the model's own tokenizer.",
            )

    def ends(self, request: Request) -> frozenset[int]:
        """The ids that end an answer to `request`: the model's own, after a message the end of a turn, and before a
        suffix those that end what fills a gap."""
        framing = request.framing
        if framing.suffix:
            return self._ends | (self._vocabulary.gap_ends or frozenset())
        message = self._info.kind == "instruct" and (framing.chat or framing.thread or framing.task)
        return self._ends | self._vocabulary.turn_ends if message else self._ends

    def forced(self, token: int | str) -> int:
        """The id of a forced token; raises BadOption where there is none."""
        if isinstance(token, str):
            return self._vocabulary.only_token(token)
        if not 0 <= token < self._logits:
            raise BadOption(f"The model has no token {token:,}.", f"Give an id from 0 to {self._logits - 1:,}.")
        return token

    def check_room(self, request: Request, length: int, encodes: bool, source: int | None = None) -> None:
        """Refuse a prompt of so many tokens for which the window has no room. An encoder reads the prompt apart from
        the text, whose decoder begins with a token of its own; `source` is the encoder's window, if it has its own."""
        if encodes:
            self.check_window(length, 0, new=0, window=source)
            self.check_window(1, len(request.prefix), new=1)
        else:
            self.check_window(length, len(request.prefix), new=0 if request.mode == "score" else 1)

    def check_window(self, prompt: int, prefix: int, new: int, window: int | None = None) -> None:
        """Refuse a prompt, and what was decoded after it, that leave the window no room for `new` tokens more.

        The window is the model's, unless another one is given.
        """
        window, length = window or self._info.window, prompt + prefix
        if window is None or length + new <= window:
            return
        if prefix:
            raise PromptTooLong(
                f"The text has {length:,} tokens, which fill the window of {self._info.name} ({window:,}).",
                "Begin anew with the part of it that matters.",
            )
        raise PromptTooLong(
            f"The prompt has {length:,} tokens, and the window of {self._info.name} is {window:,}.",
            f"Shorten it by at least {count(length + new - window, 'token')}.",
        )

    def thinking_limit(self, request: Request, length: int) -> int:
        """How many tokens the thinking after so many ids may have, which leaves the answer its room in the window."""
        asked = max(0, request.framing.think_tokens - request.thought)
        if self._info.window is None:
            return asked
        left = self._info.window - length
        return max(0, min(asked, left - min(request.sampling.max_new_tokens, left // 2) - MARKS))

    def limit(self, asked: int, length: int) -> int:
        return asked if self._info.window is None else max(1, min(asked, self._info.window - length))

    def longest(self, request: Request) -> int:
        """Tokens that a request may come to; 0 for one that will not be answered."""
        try:
            length = len(self.prompt(request, self.settle(request)).ids)
            self.check_window(length, 0, new=1)
        except CompleteError:
            return 0
        return length + self.limit(request.sampling.max_new_tokens, length)


def shown(request: Request, composed: Settled | None) -> str:
    """Return the text immediately before the generated text; "" if a chat template ends the prompt."""
    if composed is None:
        return request.prompt
    return "" if composed.turns else composed.prompt


def finish_unwritten(
    info: ModelInfo, request: Request, prompt: Sequence[int], steps: Sequence[Step], started: float, stop: StopEvent
) -> Finish:
    """Return the end of a request whose prompt is measured or shown, and not continued."""
    num = request.sampling.num
    reason: Reason = "interrupted" if stop.is_set() else "stop"
    timing = Timing(total_s=time.perf_counter() - started)
    return Finish((reason,) * num, ("",) * num, Usage(len(prompt)), timing, info, tuple(prompt), tuple(steps))
