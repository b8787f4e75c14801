"""The vocabulary of a GGUF header: its tokens with their kinds, and its special tokens."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ....protocol.errors import NotAModel
from .fields import Fields


class Kind(IntEnum):
    """What a token is, as the file numbers it."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Vocabulary(NamedTuple):
    """Tokens in the order of their ids, with the kind and score of each, and the pairs that are merged, in order."""

    tokens: list[str]
    kinds: list[int]
    scores: list[float]
    merges: list[tuple[str, str]]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """The tokens of these kinds."""
        return [token for token, kind in zip(self.tokens, self.kinds, strict=True) if kind in kinds]

    def ids(self) -> dict[str, int]:
        """The id of each token, without the names that fill gaps."""
        return {token: id for id, token in enumerate(self.tokens) if not self.fills(id)}

    def fills(self, id: int) -> bool:
        """Whether a token is only a name for an id that the model has no token for."""
        return self.kinds[id] == Kind.UNUSED and self.tokens[id] == f"[PAD{id}]"


def read(fields: Fields) -> Vocabulary:
    """The vocabulary of a header; raises NotAModel where it has none."""
    metadata = fields.header.metadata
    tokens, kinds, scores, merges = (
        metadata.get(f"tokenizer.ggml.{key}", []) for key in ("tokens", "token_type", "scores", "merges")
    )
    if not isinstance(tokens, list) or not tokens:
        raise NotAModel(f"{fields.file} has no tokenizer.", "Choose a file of the model that has its vocabulary.")
    words = [str(token) for token in tokens]
    return Vocabulary(
        words,
        _numbers(kinds, int(Kind.NORMAL), len(words)),
        _scores(scores, len(words)),
        [_pair(str(merge)) for merge in merges] if isinstance(merges, list) else [],
    )


def _pair(merge: str) -> tuple[str, str]:
    """The two sides of a merge; a space may begin the first of them."""
    place = merge.find(" ", 1)
    return merge[:place], merge[place + 1 :]


def _numbers(values: object, default: int, length: int) -> list[int]:
    found = [int(value) for value in values] if isinstance(values, list) else []
    return (found + [default] * length)[:length]


def _scores(values: object, length: int) -> list[float]:
    found = [float(value) for value in values] if isinstance(values, list) else []
    return (found + [0.0] * length)[:length]
