"""What a request begins from: its prompt's ids, as far as the model's vocabulary and window allow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...prompt.compose import settle
from ...protocol.errors import BadOption, BadPrompt, CompleteError, PromptTooLong
from ...protocol.events import ModelInfo, Settled
from ...protocol.phrases import count
from ...protocol.prompt_parts import Turn
from ...protocol.request import Request


class Encoder(Protocol):
    """Texts to ids, as tokenizer.Vocabulary makes them."""

    def encode(self, text: str) -> list[int]: ...
    def encode_chat(self, turns: Sequence[Turn]) -> list[int]: ...
    def count(self, text: str) -> int: ...
    def only_token(self, text: str) -> int: ...


class Entry:
    """Requests on their way into one model, of `size` tokens in its vocabulary."""

    def __init__(self, vocabulary: Encoder, info: ModelInfo, size: int, logits: int | None = None) -> None:
        """`logits` is the number of tokens that the model can choose, where these are not all."""
        self._vocabulary = vocabulary
        self._info = info
        self._size = size
        self._logits = size if logits is None else min(size, logits)

    def settle(self, request: Request) -> Settled | None:
        """A composed prompt for this model; None for one that is sent as it stands. Raises BadOption or BadPrompt."""
        if request.composed is None or request.prompt_ids is not None:
            return None
        return settle(request.composed, self._info.kind, self._info.name, self._vocabulary.count)

    def ids(self, request: Request, composed: Settled | None) -> list[int]:
        """The prompt's ids. Raises BadPrompt where there are none, or ids that the model does not know."""
        if request.prompt_ids is not None:
            ids = list(request.prompt_ids)
        elif composed is not None and composed.turns:
            ids = self._vocabulary.encode_chat(composed.turns)
        else:
            ids = self._vocabulary.encode(composed.prompt if composed else request.prompt)
        if not ids:
            raise BadPrompt("The tokenizer finds no token in this prompt.", "Write some text.")
        if max(ids) >= self._size:
            raise BadPrompt(
                f"The tokenizer gave id {max(ids):,}, and the model knows {self._size:,}.",
                "Use the model's own tokenizer.",
            )
        return ids

    def forced(self, token: int | str) -> int:
        """The id of a forced token; raises BadOption where there is none."""
        if isinstance(token, str):
            return self._vocabulary.only_token(token)
        if not 0 <= token < self._logits:
            raise BadOption(f"The model has no token {token:,}.", f"Give an id from 0 to {self._logits - 1:,}.")
        return token

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

    def limit(self, asked: int, length: int) -> int:
        return asked if self._info.window is None else max(1, min(asked, self._info.window - length))

    def longest(self, request: Request) -> int:
        """Tokens that a request may come to; 0 for one that will not be answered."""
        try:
            length = len(self.ids(request, self.settle(request)))
            self.check_window(length, 0, new=1)
        except CompleteError:
            return 0
        return length + self.limit(request.sampling.max_new_tokens, length)


def shown(request: Request, composed: Settled | None) -> str:
    """Return the text immediately before the generated text; "" if a chat template ends the prompt."""
    if composed is None:
        return request.prompt
    return "" if composed.turns else composed.prompt
